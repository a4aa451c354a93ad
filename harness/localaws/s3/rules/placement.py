"""Regions and partitions: the endpoint and the signature that a bucket expects, and where a new one may be.

Requests of another region are answered as S3 does: see
https://docs.aws.amazon.com/AmazonS3/latest/API/UsingRouting.html, and the observed answers in
https://github.com/JuliaCloud/AWSS3.jl/issues/25 and https://github.com/yanganto/s3rs/issues/18. The name of a bucket at
the global endpoint resolves to its region once DNS knows it, within a day of its creation. Here DNS knows every bucket
at once, so there is no temporary redirect (307).
"""

from __future__ import annotations

import re

from harness import regions
from harness.localaws.http.request import Request
from harness.localaws.s3.rules.documents import parse, text_of
from harness.localaws.s3.rules.names import check_bucket_name
from harness.localaws.s3.rules.refusals import S3Refusal
from harness.localaws.s3.storage import stored

GLOBAL = "us-east-1"
"""Region behind the endpoint without a region."""
_SCOPE = re.compile(r"Credential=[^/]+/[^/]*/([^/]+)/")
_OLD_NAMES = {"EU": "eu-west-1"}
"""Locations that are not names of regions."""


def check_place(request: Request, owners_partition: str | None) -> None:
    """Raise :class:`S3Refusal` unless a request is at the right endpoint, with the right region in its signature.

    :param owners_partition: partition of the caller's access key, None if the key is not known.
    """
    name, _ = request.bucket_and_key()
    here = request.host.region or GLOBAL
    if owners_partition not in (None, partition_of_host(request)):
        raise S3Refusal("InvalidAccessKeyId", AWSAccessKeyId=request.access_key)
    there = stored.region_of(name) if name else None
    if there and regions.partition(there) != partition_of_host(request):
        there = None  # each partition has its own names
    if there and request.host.bucket and request.host.region is None:
        here = there  # DNS resolves the name to the bucket's region
    if request.host.accelerated:
        _check_acceleration(request, name)
    _check_signature(request, here)
    anywhere = request.operation == "CreateBucket" or (request.operation == "GetBucketLocation" and here == GLOBAL)
    if there and there != here and not anywhere:
        raise _redirect(request, name, there)


def _check_acceleration(request: Request, name: str) -> None:
    """Refuse what the host of Transfer Acceleration does not serve.

    See https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration.html. The message is one that users
    report.
    """
    bucket = stored.find_bucket(name)
    if bucket is not None and not bucket.is_accelerated:
        raise S3Refusal("InvalidRequest", "S3 Transfer Acceleration is not configured on this bucket")
    if request.operation in ("CreateBucket", "DeleteBucket"):
        raise S3Refusal("InvalidRequest", f"S3 Transfer Acceleration does not support {request.operation}")


def partition_of_host(request: Request) -> str:
    """Return the partition of a request's host."""
    region = request.host.region
    return regions.partition(region) if region else regions.partition_of_host(request.host_name)


def is_elsewhere(request: Request, region: str) -> bool:
    """Return whether a region is in another partition than a request's host."""
    return regions.partition(region) != partition_of_host(request)


def _check_signature(request: Request, expected: str) -> None:
    signed = _SCOPE.search(request.headers.get("authorization", ""))
    queried = request.query.get("X-Amz-Credential", [""])[0].split("/")
    if signed and signed[1] != expected:
        wrong = f"The authorization header is malformed; the region '{signed[1]}' is wrong; expecting '{expected}'"
        raise S3Refusal("AuthorizationHeaderMalformed", wrong, {"x-amz-bucket-region": expected}, Region=expected)
    if len(queried) > 2 and queried[2] != expected:
        wrong = (
            f"Error parsing the X-Amz-Credential parameter; the region '{queried[2]}' is wrong; expecting '{expected}'"
        )
        refused = {"x-amz-bucket-region": expected}
        raise S3Refusal("AuthorizationQueryParametersError", wrong, refused, Region=expected)


def _redirect(request: Request, name: str, region: str) -> S3Refusal:
    endpoint = regions.s3_host(region)
    if request.host.bucket:
        endpoint = f"{name}.{endpoint}"
    return S3Refusal("PermanentRedirect", headers={"x-amz-bucket-region": region}, Endpoint=endpoint, Bucket=name)


def check_new_bucket(request: Request, name: str, body: bytes, account: str) -> None:
    """Raise :class:`S3Refusal` unless a bucket can be made with this name, in the region that the body names.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html.
    """
    check_bucket_name(name)
    asked = text_of(parse(body), "LocationConstraint") if body.strip() else None
    place = _OLD_NAMES.get(asked or "", asked)
    here = request.host.region or GLOBAL
    if here == GLOBAL:
        _check_location(place)
    elif place is None:
        raise S3Refusal("IllegalLocationConstraintException")
    elif place != here:
        end = "location constraint is incompatible for the region specific endpoint this request was sent to."
        raise S3Refusal("IllegalLocationConstraintException", f"The {place} {end}")
    existing = stored.find_bucket(name)
    if existing is None:
        if regions.region_of_sample_bucket(name):
            raise S3Refusal("BucketAlreadyExists", BucketName=name)
        return
    if existing.account != account or is_elsewhere(request, existing.region):
        raise S3Refusal("BucketAlreadyExists", BucketName=name)
    if not existing.region == (place or here) == GLOBAL:
        raise S3Refusal("BucketAlreadyOwnedByYou", BucketName=name)


def _check_location(place: str | None) -> None:
    """Check a location at the endpoint of us-east-1, which takes all other regions of its partition."""
    known = place is None or (place != GLOBAL and place in regions.names("aws"))
    if not known:
        raise S3Refusal("InvalidLocationConstraint", LocationConstraint=place)
