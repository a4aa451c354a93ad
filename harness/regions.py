"""Names that depend on AWS's region or partition: domains, ARNs, buckets, image URIs; and the two halves of an S3 URI.

Partitions and their domains are botocore's (``partitions.json``, which the AWS CLI and boto3 use too). It is read when
it is first needed: every pytest run imports this module, and few need botocore.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
"""The partitions that have an XGBoost image of the SageMaker Spark SDK. The local AWS emulates these."""
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
_ECR_IMAGE = re.compile(
    rf"(?P<account>\d{{12}})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.{DOMAIN}"
    r"/(?P<repository>[^:@]+)(?:[:@](?P<version>.*))?",
    re.DOTALL,
)
_XGBOOST_ACCOUNTS = {
    "af-south-1": "455444449433",
    "ap-east-1": "286214385809",
    "ap-northeast-1": "501404015308",
    "ap-northeast-2": "306986355934",
    "ap-south-1": "991648021394",
    "ap-southeast-1": "475088953585",
    "ap-southeast-2": "544295431143",
    "ca-central-1": "469771592824",
    "cn-north-1": "390948362332",
    "cn-northwest-1": "387376663083",
    "eu-central-1": "813361260812",
    "eu-north-1": "669576153137",
    "eu-south-1": "257386234256",
    "eu-west-1": "685385470294",
    "eu-west-2": "644912444149",
    "eu-west-3": "749696950732",
    "me-south-1": "249704162688",
    "sa-east-1": "855470959533",
    "us-east-1": "811284229777",
    "us-east-2": "825641698319",
    "us-gov-west-1": "226302683700",
    "us-west-1": "632365934929",
    "us-west-2": "433757028032",
}
"""Accounts whose registries hold ``xgboost:1``, by region: ``ApplicationsAccountMap`` of the SageMaker Spark SDK."""
_SAGEMAKER_XGBOOST_ACCOUNTS = {
    "af-south-1": "510948584623",
    "ap-east-1": "651117190479",
    "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698",
    "ap-northeast-3": "867004704886",
    "ap-south-1": "720646828776",
    "ap-south-2": "628508329040",
    "ap-southeast-1": "121021644041",
    "ap-southeast-2": "783357654285",
    "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589",
    "ca-central-1": "341280168497",
    "ca-west-1": "190319476487",
    "cn-north-1": "450853457545",
    "cn-northwest-1": "451049120500",
    "eu-central-1": "492215442770",
    "eu-central-2": "680994064768",
    "eu-north-1": "662702820516",
    "eu-south-1": "978288397137",
    "eu-south-2": "104374241257",
    "eu-west-1": "141502667606",
    "eu-west-2": "764974769150",
    "eu-west-3": "659782779980",
    "il-central-1": "898809789911",
    "me-central-1": "272398656194",
    "me-south-1": "801668240914",
    "sa-east-1": "737474898029",
    "us-east-1": "683313688378",
    "us-east-2": "257758044811",
    "us-gov-east-1": "237065988967",
    "us-gov-west-1": "414596584902",
    "us-west-1": "746614075791",
    "us-west-2": "246618743249",
}
"""Accounts whose registries hold ``sagemaker-xgboost``, by region: ``image_uri_config/xgboost.json`` of the SageMaker
Python SDK, and https://docs.aws.amazon.com/sagemaker/latest/dg-ecr-paths/sagemaker-algo-docker-registry-paths.html."""
SAGEMAKER_XGBOOST_VERSIONS = ("0.90-1", "0.90-2", "1.0-1", "1.2-1", "1.2-2", "1.3-1", "1.5-1", "1.7-1", "3.0-5")
"""Versions of ``sagemaker-xgboost`` that AWS documents: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html."""


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


# --- container images -------------------------------------------------------------------------------------------------


class EcrImage(NamedTuple):
    """A container image in Amazon ECR."""

    account: str
    region: str
    repository: str
    version: str | None
    """The tag or the digest."""


def ecr_image(uri: str) -> EcrImage | None:
    """Return the parts of an image URI. Return None if the image is not in Amazon ECR."""
    match = _ECR_IMAGE.fullmatch(uri)
    return EcrImage(**match.groupdict()) if match else None


def xgboost_image(region: str) -> str:
    """Return the URI of the built-in XGBoost image in a region, as the SageMaker Spark SDK spells it.

    :raises KeyError: AWS has no such image there.
    """
    return f"{_XGBOOST_ACCOUNTS[region]}.dkr.ecr.{region}.{domain(region)}/xgboost:1"


def xgboost_version(uri: str) -> str | None:
    """Return the version of the built-in XGBoost image that a URI names, or None for any other image.

    It is ``1`` for ``xgboost:1``, and one of :data:`SAGEMAKER_XGBOOST_VERSIONS` for ``sagemaker-xgboost``, whose tags
    may end with the kind of the image: ``1.0-1-cpu-py3``.
    """
    image = ecr_image(uri)
    if image is None or image.version is None:
        return None
    if image.repository == "xgboost" and _XGBOOST_ACCOUNTS.get(image.region) == image.account:
        return "1" if image.version in ("1", "latest") else None
    if image.repository == "sagemaker-xgboost" and _SAGEMAKER_XGBOOST_ACCOUNTS.get(image.region) == image.account:
        version = image.version.removesuffix("-cpu-py3")
        return version if version in SAGEMAKER_XGBOOST_VERSIONS else None
    return None


def is_xgboost_image(uri: str) -> bool:
    """Return whether a URI names the built-in XGBoost image, version 1, of some region."""
    return xgboost_version(uri) == "1"
