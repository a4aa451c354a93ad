"""Training jobs: their state, their run on instances, their channels and metrics."""
