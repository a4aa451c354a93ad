"""Amazon's built-in PCA: ``python -m harness.containers.pca train|serve``.

The container is closed. Its sources are https://docs.aws.amazon.com/sagemaker/latest/dg/pca.html and the logs in public
notebooks. docs/reference/pca.md lists what differs.
"""

from harness.containers.runtime import Package, run

if __name__ == "__main__":
    run(Package("harness.containers.pca"))
