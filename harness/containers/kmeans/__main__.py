"""Amazon's built-in k-means: ``python -m harness.containers.kmeans train|serve``.

The container is closed. Its sources are https://docs.aws.amazon.com/sagemaker/latest/dg/k-means.html and logs in public
notebooks. docs/reference/kmeans.md lists what differs.
"""

from harness.containers.runtime import Package, run

if __name__ == "__main__":
    run(Package("harness.containers.kmeans"))
