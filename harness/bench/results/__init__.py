"""Results of benchmarks: standard JSON, extra_info that the harness writes and reads, and series of runs."""
