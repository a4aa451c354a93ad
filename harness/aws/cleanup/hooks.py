"""Hooks on boto3 and on the SageMaker Spark SDK: a ledger names what they create before they do, and it gets tagged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws.account.spending import Use
from harness.aws.cleanup.names import run_of
from harness.aws.cleanup.record import Record
from harness.aws.cleanup.resources import SAGEMAKER_KINDS, Janitor, Resource, as_list, is_gone, is_valid
from harness.aws.pricing import Instances
from harness.errors import HarnessError, SettingsError
from harness.settings import option_name

_NEW = "harness_new"
"""Key, in botocore's context of a call, of the resource that the call was the first to name."""
_TAG_SECONDS = 5.0
_LONGEST_BY_DEFAULT = 86_400.0
"""SageMaker's MaxRuntimeInSeconds of a job that gives none (API reference, StoppingCondition)."""


# --- boto3 ------------------------------------------------------------------------------------------------------------


def watch(client: Any, record: Record) -> Any:
    """Have a boto3 client of SageMaker record what it creates, before it does, and tag it. Return the client."""
    for kind, names in SAGEMAKER_KINDS.items():
        operation = "Create" + names.parameter.removesuffix("Name")
        client.meta.events.register(f"provide-client-params.sagemaker.{operation}", _recorder(record, kind, client))
        client.meta.events.register(f"after-call.sagemaker.{operation}", _striker(record))
    client.meta.events.register("provide-client-params.sagemaker.UpdateEndpoint", _bounder(record, client))
    return client


def _bounder(record: Record, client: Any) -> Any:
    """Return a hook that holds an endpoint's update to the bound. Its old instances count on, to the run's end."""

    def bound(params: dict[str, Any], **_: Any) -> None:
        if record.spending and (uses := _uses(params, client)):
            record.spending.commit(f"update of endpoint {params['EndpointName']}", uses)

    return bound


def _recorder(record: Record, kind: str, client: Any) -> Any:
    parameter = SAGEMAKER_KINDS[kind].parameter

    def expect(params: dict[str, Any], context: dict[str, Any], **_: Any) -> dict[str, Any]:
        name = str(params.get(parameter))
        resource = Resource(kind, name)
        if record.spending and (uses := _uses(params, client)):
            record.spending.commit(str(resource), uses)
        if is_valid(resource):  # otherwise AWS, or botocore before it, refuses the name next
            ours = run_of(name, record.header.account) == record.run
            instance_type, count = _instances(params, record)
            if resource not in record.resources:
                context[_NEW] = resource
            record.expect(resource, instance_type=instance_type, count=count, tagged=not ours)
        return {**params, "Tags": as_list({**_as_dict(params.get("Tags", [])), **record.tags()})}

    return expect


def _striker(record: Record) -> Any:
    def strike(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        # After any other refusal the resource may exist: a first attempt was applied, and its answer was lost.
        if _NEW in context and parsed.get("Error", {}).get("Code", "").startswith("AccessDenied"):
            record.strike(context[_NEW])
            if record.spending:
                record.spending.strike(str(context[_NEW]))

    return strike


def _uses(params: dict[str, Any], client: Any) -> list[Use]:
    """Return the instances that a Create call would use; none if it creates no job and no endpoint.

    An endpoint config is AWS's to describe, since another client may have made it. The members are those of the API
    reference of CreateTrainingJob (ResourceConfig, StoppingCondition) and DescribeEndpointConfig. AWS's error about a
    config that does not exist is the one that CreateEndpoint would give.

    :raises SettingsError: a variant has no instances, so that nothing bounds its cost.
    """
    if "EndpointName" in params:
        config = client.describe_endpoint_config(EndpointConfigName=params.get("EndpointConfigName"))
        variants = [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]
        return [Use(_hosting(variant)) for variant in variants]
    if "TrainingJobName" not in params:
        return []
    resources = params.get("ResourceConfig", {})
    seconds = params.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _LONGEST_BY_DEFAULT)
    groups = resources.get("InstanceGroups") or [resources]
    return [
        Use(Instances("training", str(group.get("InstanceType")), group.get("InstanceCount", 1)), seconds)
        for group in groups
    ]


def _hosting(variant: dict[str, Any]) -> Instances:
    if "InstanceType" not in variant:
        raise SettingsError(
            f"The cost of the variant {variant['VariantName']} has no bound, since it names no instance type.",
            checked=f"the endpoint config; {option_name('max_cost')} was given",
            fix=f"name its InstanceType, or leave {option_name('max_cost')} out",
        )
    return Instances("hosting", variant["InstanceType"], variant.get("InitialInstanceCount", 1))


def _instances(params: dict[str, Any], record: Record) -> tuple[str | None, int]:
    """Return the instance type that a Create call asks for, None if there is none or several, and the number."""
    if "EndpointName" in params:
        return record.instances_of(Resource("endpoint config", str(params.get("EndpointConfigName"))))
    variants = params.get("ProductionVariants", [])
    machines = [(each.get("InstanceType"), each.get("InitialInstanceCount", 1)) for each in variants]
    if "ResourceConfig" in params:
        machines = [(params["ResourceConfig"].get("InstanceType"), params["ResourceConfig"].get("InstanceCount", 1))]
    types = {instance_type for instance_type, _ in machines}
    return (types.pop() if len(types) == 1 else None), sum(count for _, count in machines) or 1


def _as_dict(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


# --- the Spark SDK ----------------------------------------------------------------------------------------------------


def name_policy_factory(record: Record) -> Any:
    """Return a ``namePolicyFactory`` for one ``fit`` of a user's own estimator. Spark must be running.

    The rows that the SDK stages, and the model, are recorded where its defaults put them. If
    ``trainingInputS3DataPath`` or ``trainingOutputS3DataPath`` say otherwise, they are found through the training job.
    """
    from sagemaker_pyspark import CustomNamePolicyFactory  # noqa: PLC0415 - needs Spark, which a reaper need not

    names = record.names()
    # S3AutoCreatePath.resolve: s3://<bucket>/<a random UUID>/<training job>
    record.expect(Resource("S3 staging", f"s3://{record.bucket}/*/{names.training_job}/"))
    return CustomNamePolicyFactory(names.training_job, names.model, names.endpoint_config, names.endpoint)


def make_bucket(s3: Any, record: Record) -> None:
    """Make the bucket that users of the Spark SDK share, unless it exists, as the SDK does. It is kept.

    :param s3: boto3's client.
    :raises HarnessError: its name is taken by another account, or AWS refuses.
    """
    bucket, region = record.bucket, record.header.region
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        if not _has_bucket(s3, bucket, record.header.account):
            s3.create_bucket(Bucket=bucket, **where)
    except ClientError as error:
        raise HarnessError(
            f"The bucket {bucket}, where training rows are staged, cannot be used: {error}",
            checked="S3 HeadBucket, with this account as the owner that is expected, and CreateBucket",
            fix="allow s3:ListBucket and s3:CreateBucket; if the bucket is another account's, ask AWS about it",
        ) from error


def _has_bucket(s3: Any, bucket: str, owner: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=owner)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        raise
    return True


class Tagger:
    """Tags what the Spark SDK creates, since the SDK cannot send tags with it."""

    def __init__(self, record: Record, janitor: Janitor) -> None:
        self.tagged: set[Resource] = set()
        self._record = record
        self._janitor = janitor

    def tag(self) -> None:
        """Tag the resources that exist and were not tagged yet. Each is tried even when another fails.

        A resource that is the run's only by its tag is left alone: it may be another user's.

        :raises ClientError: AWS refuses, or has refused; the first of the refusals.
        :raises BotoCoreError: AWS could not be reached.
        """
        errors: list[Exception] = []
        for resource in (entry.resource for entry in self._record.entries if not entry.tagged):
            if resource.kind in SAGEMAKER_KINDS and resource not in self.tagged:
                try:
                    self._janitor.add_tags(resource, self._record.tags())
                except (ClientError, BotoCoreError) as error:
                    if not (isinstance(error, ClientError) and is_gone(error)):
                        errors.append(error)
                    continue
                self.tagged.add(resource)
        if errors:
            raise errors[0]

    @contextmanager
    def tagging(self) -> Iterator[None]:
        """Tag what a block creates: every few seconds, and at the block's end.

        :raises ClientError: the block succeeded, and AWS refuses to tag what it created.
        """
        over = threading.Event()
        thread = threading.Thread(target=self._tag_until, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        except Exception:
            with suppress(ClientError, BotoCoreError):  # the block's own error is raised
                self.tag()
            raise
        finally:
            over.set()
        thread.join()
        self.tag()

    def _tag_until(self, over: threading.Event) -> None:
        while not over.wait(_TAG_SECONDS):
            with suppress(ClientError, BotoCoreError):  # tried again, and raised, at the end
                self.tag()
