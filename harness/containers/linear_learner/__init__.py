"""Amazon's LinearLearner, run as ``python -m harness.containers.linear_learner train|serve``."""
