"""Hooks on a boto3 client of SageMaker, so that a ledger names what the client creates before it does."""

from __future__ import annotations

from typing import Any

from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.names import run_of
from harness.aws.cleanup.resources import SAGEMAKER_KINDS, Resource, as_list, is_valid

_NEW = "harness_new"
"""Key, in botocore's context of a call, of the resource that the call was the first to name."""


def watch(client: Any, ledger: Ledger) -> Any:
    """Have a boto3 client of SageMaker record in the ledger what it creates, before it does, and tag it; return it."""
    for kind, names in SAGEMAKER_KINDS.items():
        operation = "Create" + names.parameter.removesuffix("Name")
        client.meta.events.register(f"provide-client-params.sagemaker.{operation}", _recorder(ledger, kind))
        client.meta.events.register(f"after-call.sagemaker.{operation}", _striker(ledger))
    return client


def _recorder(ledger: Ledger, kind: str) -> Any:
    parameter = SAGEMAKER_KINDS[kind].parameter

    def record(params: dict[str, Any], context: dict[str, Any], **_: Any) -> dict[str, Any]:
        name = str(params.get(parameter))
        resource = Resource(kind, name)
        if is_valid(resource):  # otherwise AWS, or botocore before it, refuses the name next
            ours = run_of(name, ledger.header.account) == ledger.run
            instance_type, count = _instances(params, ledger)
            if resource not in ledger.resources:
                context[_NEW] = resource
            ledger.expect(resource, instance_type=instance_type, count=count, tagged=not ours)
        return {**params, "Tags": as_list({**_as_dict(params.get("Tags", [])), **ledger.tags()})}

    return record


def _striker(ledger: Ledger) -> Any:
    def strike(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        # Of other refusals, one may be of a second attempt whose first was applied, and its answer lost.
        if _NEW in context and parsed.get("Error", {}).get("Code", "").startswith("AccessDenied"):
            ledger.strike(context[_NEW])

    return strike


def _instances(params: dict[str, Any], ledger: Ledger) -> tuple[str | None, int]:
    """Return what a Create call asks for: the instance type, None where there is none or several, and how many."""
    if "EndpointName" in params:
        return ledger.instances_of(Resource("endpoint config", str(params.get("EndpointConfigName"))))
    variants = params.get("ProductionVariants", [])
    machines = [(each.get("InstanceType"), each.get("InitialInstanceCount", 1)) for each in variants]
    if "ResourceConfig" in params:
        machines = [(params["ResourceConfig"].get("InstanceType"), params["ResourceConfig"].get("InstanceCount", 1))]
    types = {instance_type for instance_type, _ in machines}
    return (types.pop() if len(types) == 1 else None), sum(count for _, count in machines) or 1


def _as_dict(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
