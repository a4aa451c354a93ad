"""S3 under test: the local AWS of the session, the account of real mode, or any endpoint that options name."""

import itertools
import uuid

import boto3
import pytest
from botocore.config import Config

from tests.conformance.s3.service import Service, emptied

_DEFAULT_PREFIX = "conformance"


def pytest_addoption(parser):
    group = parser.getgroup("S3 conformance")
    group.addoption(
        "--s3-endpoint", help="endpoint to test, such as http://127.0.0.1:9000; the session's AWS by default"
    )
    group.addoption("--s3-bucket-prefix", help="start of the names of all buckets that the tests make and delete")


@pytest.fixture(scope="session")
def service(request):
    """The S3 under test. Every bucket that it made is deleted at the end."""
    endpoint = request.config.getoption("s3_endpoint", None)
    prefix = request.config.getoption("s3_bucket_prefix", None)
    if endpoint is None:
        aws = request.getfixturevalue("aws")
        if aws.mode == "real" and not prefix:
            pytest.exit(
                "The S3 conformance tests make buckets in your account. Name their prefix: --s3-bucket-prefix", 2
            )
    found = Service(endpoint, prefix or _DEFAULT_PREFIX)
    yield found
    for name in found.made:
        emptied(found.s3, name)


@pytest.fixture(scope="session")
def s3(service):
    """A client with one attempt per call."""
    return service.s3


@pytest.fixture(scope="module")
def bucket(service):
    """A bucket that the tests of a module share."""
    return service.make_bucket()


@pytest.fixture(scope="module")
def versioned(service):
    """A bucket with versions that the tests of a module share."""
    return service.make_bucket(versioning="Enabled")


@pytest.fixture
def own_bucket(service):
    """An empty bucket for one test."""
    return service.make_bucket()


_numbers = itertools.count(1)


@pytest.fixture
def key():
    """A key that no other test uses."""
    return f"key-{next(_numbers)}-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def stored(s3, bucket, key):
    """An object, as the arguments that name it."""
    s3.put_object(Bucket=bucket, Key=key, Body=b"0123456789", Metadata={"colour": "red"}, ContentType="text/plain")
    return {"Bucket": bucket, "Key": key}


@pytest.fixture(scope="session")
def raw(service):
    """Send a signed request that no SDK would make."""
    return service.send


@pytest.fixture(scope="session")
def plain_s3(service):
    """A client that adds no checksums."""
    return service.client(Config(request_checksum_calculation="when_required"))


@pytest.fixture(scope="session")
def home_region():
    """The region of the session."""
    return boto3.Session().region_name or "us-east-1"
