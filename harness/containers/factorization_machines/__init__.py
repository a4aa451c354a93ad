"""Amazon's FactorizationMachines, run as ``python -m harness.containers.factorization_machines train|serve``."""
