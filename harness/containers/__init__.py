"""Containers without Docker: processes that obey SageMaker's contract for training and inference images.

:mod:`~harness.containers.runtime` implements the contract. Each built-in algorithm is a module or package, run as
``python -m harness.containers.<algorithm> train|serve``.
"""
