"""Containers without Docker: processes that obey SageMaker's contract for training and inference images.

:mod:`~harness.containers.runtime` is the contract, and each built-in algorithm is a module or package that is run as
``python -m harness.containers.<algorithm> train|serve``.
"""
