"""Benchmarks: load on endpoints, matrices of instance types, results, their analysis and the report."""
