"""Amazon's LinearLearner: ``python -m harness.containers.linear_learner train|serve``.

The image is closed. Behaviour is that of https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner.html, of the
SageMaker Spark SDK, and of logs that users published.
"""

from harness.containers.runtime import Package, run

if __name__ == "__main__":
    run(Package("harness.containers.linear_learner"))
