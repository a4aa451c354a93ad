"""Benchmarks over a matrix of instance types and Spark masters, each run in a separate pytest session."""
