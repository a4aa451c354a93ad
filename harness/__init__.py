"""Integration tests and benchmarks for Spark pipelines that train and serve with Amazon SageMaker."""

__version__ = "0.2.0"
