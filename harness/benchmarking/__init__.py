"""Benchmarks that a team can decide by: results, their statistics and their comparison; load generation; reports."""
