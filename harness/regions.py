"""Names that depend on AWS's region or partition: domains, ARNs, buckets; and the two halves of an S3 URI.

Partitions and their domains are botocore's (``partitions.json``, which the AWS CLI and boto3 use too). It is read when
it is first needed: every pytest run imports this module, and few need botocore.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
"""The partitions that have images of the SageMaker Spark SDK's algorithms. The local AWS emulates these."""
REGION = r"[a-z]{2}(?:-[a-z]+)+-\d"
"""Pattern of a region's name."""
DOMAIN = r"amazonaws\.com(?:\.cn)?"
"""Pattern of the domains of service endpoints in ``PARTITIONS``."""
ANY_DOMAIN = rf"(?:{DOMAIN}|api\.aws|api\.amazonwebservices\.com\.cn)"
"""Pattern of the same domains, and of those of dual-stack endpoints: ``dualStackDnsSuffix`` in botocore's file."""

_SAMPLE_BUCKET = "sagemaker-sample-data-"
_REGION_OF_SAMPLE_BUCKET = re.compile(rf"{_SAMPLE_BUCKET}(?P<region>{REGION})")
_S3_SCHEME = re.compile("^s3[an]?://")
_S3_HOST = re.compile(
    rf"(?:(?P<bucket>.+)\.)?s3(?:-external-1|(?:-fips)?(?:\.dualstack)?[.-]{REGION})?\.{DOMAIN}", re.ASCII
)
"""Hosts of S3's path-style and virtual-hosted-style URLs, with the old spelling ``s3-<region>``, dual stack and FIPS:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html"""

# --- partitions and domains -------------------------------------------------------------------------------------------


@cache
def _partitions() -> list[dict[str, Any]]:
    from botocore.loaders import create_loader  # noqa: PLC0415 - takes 0.1 s, which every pytest run would pay

    found: list[dict[str, Any]] = create_loader().load_data("partitions")["partitions"]
    return found


@cache
def _partition(region: str) -> dict[str, Any]:
    """Return botocore's description of a region's partition. As in botocore, unknown regions belong to ``aws``."""
    known = _partitions()
    named = (each for each in known if region in each["regions"])
    alike = (each for each in known if re.fullmatch(each["regionRegex"], region))
    return next(named, None) or next(alike, None) or next(each for each in known if each["id"] == "aws")


def partition(region: str) -> str:
    """Return the partition of a region: ``aws``, ``aws-cn``, ``aws-us-gov`` …."""
    return str(_partition(region)["id"])


def partition_of(arn: str) -> str:
    """Return the partition of an ARN."""
    return arn.split(":")[1]


def domain(region: str) -> str:
    """Return the domain of a region's service endpoints: ``amazonaws.com``, in China ``amazonaws.com.cn``."""
    return str(_partition(region)["outputs"]["dnsSuffix"])


def names(of_partition: str) -> frozenset[str]:
    """Return the names of a partition's regions."""
    found = next(each for each in _partitions() if each["id"] == of_partition)
    return frozenset(name for name in found["regions"] if re.fullmatch(REGION, name))


def is_in_domain(host: str, region: str) -> bool:
    """Return whether a host is in a domain of a region's partition. ``s3.cn-north-1.amazonaws.com`` is not."""
    outputs = _partition(region)["outputs"]
    return host.endswith(tuple(f".{outputs[kind]}" for kind in ("dnsSuffix", "dualStackDnsSuffix")))


def domains() -> set[str]:
    """Return all domains that AWS's service endpoints have, those for IPv6 (dual stack) included."""
    kinds = ("dnsSuffix", "dualStackDnsSuffix")
    return {str(each["outputs"][kind]) for each in _partitions() for kind in kinds}


def is_aws_host(host: str) -> bool:
    """Return whether a host, perhaps with a port, is in a domain that AWS's service endpoints have."""
    return re.sub(r":\d+$", "", host).endswith(tuple(f".{domain}" for domain in domains()))


# --- S3 ---------------------------------------------------------------------------------------------------------------


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of an ``s3://``, ``s3a://`` or ``s3n://`` URI, or of an ``https://`` URL of S3.

    A URL's key is taken as it is spelled, without decoding.

    :raises ValueError: an ``https://`` URL names no bucket of S3.
    """
    if not uri.startswith("https://"):
        bucket, _, key = _S3_SCHEME.sub("", uri).partition("/")
        return bucket, key
    host, _, path = uri.removeprefix("https://").partition("/")
    match = _S3_HOST.fullmatch(host)
    virtual = match["bucket"] if match else None
    bucket, _, key = (virtual, "", path) if virtual else path.partition("/")
    if match is None or not bucket:
        raise ValueError(f"{uri} names no bucket of S3; write s3://<bucket>/<key>")
    return bucket, key


def s3_host(region: str) -> str:
    """Return the host of S3's endpoint in a region, as S3 names it in redirects."""
    return f"s3.{domain(region)}" if region == "us-east-1" else f"s3.{region}.{domain(region)}"


def partition_of_host(host: str) -> str:
    """Return the partition of a host without a region."""
    return "aws-cn" if host.endswith(".cn") else "aws"


def sdk_bucket(account: str, region: str) -> str:
    """Return the bucket that all users of the SageMaker SDKs in an account and region share."""
    return f"{account}-sagemaker-{region}"


def sample_bucket(region: str) -> str:
    """Return SageMaker's bucket of sample data in a region. It holds MNIST."""
    return f"{_SAMPLE_BUCKET}{region}"


def region_of_sample_bucket(bucket: str) -> str | None:
    """Return the region whose sample data a bucket holds. Return None for any other bucket."""
    match = _REGION_OF_SAMPLE_BUCKET.fullmatch(bucket)
    return match["region"] if match else None
