"""Amazon's built-in LDA: ``python -m harness.containers.lda train|serve``.

The container is closed. Its sources are https://docs.aws.amazon.com/sagemaker/latest/dg/lda.html and the logs in public
notebooks. docs/reference/lda.md lists what differs.
"""

from harness.containers.runtime import Package, run

if __name__ == "__main__":
    run(Package("harness.containers.lda"))
