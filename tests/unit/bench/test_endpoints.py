"""Hosting a model on several instance types: within the time there is, and without those that AWS has none of."""

import time
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from harness.aws.cleanup.names import names_of
from harness.bench import endpoints as hosted
from harness.bench.endpoints import host_on_each
from harness.errors import HarnessError
from harness.settings import Settings
from harness.waiting import WaitTimeout

TYPES = ["ml.m5.large", "ml.c5.xlarge", "ml.p5.large"]


class SageMaker:
    """Trains at once, and hosts with a given result by instance type: a status, or an error code of CreateEndpoint."""

    def __init__(self, **outcomes):
        self.outcomes = {f"ml.{name.replace('_', '.')}": outcome for name, outcome in outcomes.items()}
        self.on, self.models, self.hosted = {}, set(), set()

    def create_training_job(self, **asked):
        self.job = asked

    def describe_training_job(self, **_):
        return {"TrainingJobStatus": "Completed", "ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"}}

    def create_model(self, **asked):
        self.models.add(asked["ModelName"])

    def put_object(self, **_):
        pass

    def create_endpoint_config(self, **asked):
        [variant] = asked["ProductionVariants"]
        self.on[asked["EndpointConfigName"]] = variant["InstanceType"]
        self.hosted.add(variant["ModelName"])

    def create_endpoint(self, **asked):
        self.on[asked["EndpointName"]] = kind = self.on[asked["EndpointConfigName"]]
        if self.outcomes.get(kind, "").endswith("Exceeded"):
            raise ClientError({"Error": {"Code": self.outcomes[kind], "Message": "no"}}, "CreateEndpoint")

    def describe_endpoint(self, **asked):
        status = self.outcomes.get(self.on[asked["EndpointName"]], "InService")
        return {"EndpointStatus": status, "FailureReason": "no capacity"}


@pytest.fixture
def host(monkeypatch):
    """A function that hosts on three instance types by a SageMaker."""
    monkeypatch.setattr(hosted, "watch", lambda client, _: client)
    fits = iter(range(1, 10))

    def host(sagemaker, **others):
        aws = SimpleNamespace(client=lambda _: sagemaker, region="us-east-1", role="arn:aws:iam::1:role/r")
        ledger = SimpleNamespace(names=lambda *_, **__: names_of("run", next(fits), "bucket"), make_bucket=lambda: None)
        return host_on_each(aws, ledger, Settings(train_rows=5), TYPES, lambda _: None, **others)

    return host


def test_a_model_is_hosted_on_each_instance_type(host):
    sagemaker = SageMaker()
    endpoints, failed = host(sagemaker)
    assert {kind: sagemaker.on[name] for kind, name in endpoints.items()} == {kind: kind for kind in TYPES}
    assert failed == {}
    assert sagemaker.job["StoppingCondition"] == {"MaxRuntimeInSeconds": 1800}


def test_a_model_of_the_user_is_hosted_without_training(host):
    sagemaker = SageMaker()
    endpoints, _ = host(sagemaker, model="theirs")
    assert list(endpoints) == TYPES
    assert (sagemaker.hosted, sagemaker.models, hasattr(sagemaker, "job")) == ({"theirs"}, set(), False)


def test_types_without_capacity_or_quota_are_named_and_the_others_host_the_model(host):
    endpoints, failed = host(SageMaker(c5_xlarge="Failed", p5_large="ResourceLimitExceeded"))
    assert list(endpoints) == ["ml.m5.large"]
    assert "endpoint on ml.c5.xlarge was not created: no capacity" in str(failed["ml.c5.xlarge"])
    assert "ResourceLimitExceeded" in str(failed["ml.p5.large"])


def test_if_no_type_can_host_the_model_the_first_reason_is_raised(host):
    with pytest.raises(HarnessError, match=r"on ml\.m5\.large was not created"):
        host(SageMaker(m5_large="Failed", c5_xlarge="Failed", p5_large="Failed"))


@pytest.mark.slow
def test_training_and_all_waits_together_end_by_the_deadline(host):
    sagemaker = SageMaker(m5_large="Creating", p5_large="Creating")
    began = time.time()
    endpoints, failed = host(sagemaker, deadline=began + 1.5)
    assert time.time() - began < 3
    assert sagemaker.job["StoppingCondition"] == {"MaxRuntimeInSeconds": 1}
    assert list(endpoints) == ["ml.c5.xlarge"]
    assert all(isinstance(error, WaitTimeout) and kind in str(error) for kind, error in failed.items())
