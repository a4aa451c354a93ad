"""Benchmarks over a matrix of instance types and Spark masters, each run in a pytest session of its own."""
