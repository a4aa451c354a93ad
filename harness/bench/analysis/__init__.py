"""Analysis of results: statistics, comparisons, change points, and instance types by cost and latency."""
