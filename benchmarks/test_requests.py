"""Time of one call to the local AWS, with and without IAM enforced, and of a connection through its proxy."""

import pytest

from harness.aws.local import MockAWS
from harness.settings import Settings
from tests.support.proxied import tunnel


@pytest.fixture(scope="module", params=["anyone", "enforced"])
def local(request):
    """A local AWS, and the credentials of a caller who may do everything there."""
    with MockAWS.start(Settings(), enforce_iam=request.param == "enforced") as aws:
        yield aws, aws.connection.administrator or None


def test_a_call_of_sagemaker(benchmark, local):
    aws, caller = local
    benchmark(aws.client("sagemaker", caller).list_models)


def test_a_call_of_s3(benchmark, local):
    aws, caller = local
    s3 = aws.client("s3", caller)
    s3.create_bucket(Bucket="benchmark")
    s3.put_object(Bucket="benchmark", Key="key", Body=b"x")
    benchmark(s3.head_object, Bucket="benchmark", Key="key")


def test_a_connection(benchmark, local):
    aws, _ = local

    def connect():
        connection = tunnel(aws, "s3.amazonaws.com")
        connection.connect()
        connection.close()

    benchmark(connect)
