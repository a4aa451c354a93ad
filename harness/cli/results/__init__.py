"""Commands that read benchmark results: compare, report, instances."""
