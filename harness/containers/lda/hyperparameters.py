"""Hyperparameters of LDA: https://docs.aws.amazon.com/sagemaker/latest/dg/lda_hyperparameters.html."""

from __future__ import annotations

from harness.containers.amazon.hyperparameters import integer, number

SCHEMA = {
    "num_topics": integer(),
    "feature_dim": integer(),
    "mini_batch_size": integer(),
    "alpha0": number(0, default=1.0, ends="()"),
    "max_restarts": integer(default=10),
    "max_iterations": integer(default=1000),
    "tol": number(0, default=1e-8, ends="()"),
}
