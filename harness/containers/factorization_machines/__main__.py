"""Amazon's FactorizationMachines: ``python -m harness.containers.factorization_machines train|serve``.

The image is closed. Behaviour is that of https://docs.aws.amazon.com/sagemaker/latest/dg/fact-machines.html, and of the
SageMaker Spark SDK.
"""

from harness.containers.runtime import Package, run

if __name__ == "__main__":
    run(Package("harness.containers.factorization_machines"))
