"""Spark: sessions that use the unmodified SageMaker Spark SDK, its names that the harness uses, and data checks."""
