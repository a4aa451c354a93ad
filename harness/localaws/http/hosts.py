"""Host names of AWS, with the service, region and bucket of each that the local AWS emulates.

They follow https://docs.aws.amazon.com/general/latest/gr/rande.html, with the names for FIPS and for dual stack that
botocore's endpoint rules give. Those of S3 follow https://docs.aws.amazon.com/general/latest/gr/s3.html.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness import regions

_DOMAIN = rf"\.{regions.ANY_DOMAIN}"
_REGION = rf"(?P<region>{regions.REGION})"
_FIPS = "(?:-fips)?"
_BUCKET = r"(?P<bucket>[a-z0-9][a-z0-9.-]*)"
_PATTERNS = [
    ("sagemaker-runtime", rf"runtime{_FIPS}\.sagemaker{_FIPS}\.{_REGION}{_DOMAIN}"),
    ("sagemaker", rf"api{_FIPS}\.sagemaker{_FIPS}\.{_REGION}{_DOMAIN}"),
    ("sts", rf"sts{_FIPS}(?:\.{_REGION})?{_DOMAIN}"),
    ("iam", rf"iam{_FIPS}(?:\.{_REGION}|\.global|\.us-gov)?{_DOMAIN}"),
    ("logs", rf"logs{_FIPS}\.{_REGION}{_DOMAIN}"),
    ("service-quotas", rf"servicequotas{_FIPS}\.{_REGION}{_DOMAIN}"),
    ("pricing", rf"api\.pricing{_FIPS}\.{_REGION}{_DOMAIN}"),
    ("resourcegroupstaggingapi", rf"tagging{_FIPS}\.{_REGION}{_DOMAIN}"),
    # A bucket's name may precede s3, and may contain dots. Without a region there is one host for all of them.
    ("s3", rf"(?:{_BUCKET}\.)?s3{_FIPS}[.-](?:dualstack\.)?{_REGION}\.{regions.DOMAIN}"),
    ("s3", rf"(?:{_BUCKET}\.)?s3(?P<legacy>-external-1)?\.amazonaws\.com"),
    ("s3", rf"{_BUCKET}\.s3-(?P<accelerated>accelerate)(?:\.dualstack)?\.amazonaws\.com"),
]
"""Services by the names of their hosts. Not served are hosts of other kinds of S3, such as ``s3-control``,
``s3-website-us-east-1``, ``s3-accesspoint`` and ``s3express-use1-az4``: the gateway refuses them by name."""
_COMPILED = [(service, re.compile(pattern)) for service, pattern in _PATTERNS]
_LEGACY_REGION = "us-east-1"
"""Region of ``s3-external-1``."""

SERVICES = sorted({service for service, _ in _PATTERNS})
"""The services that the local AWS emulates, as boto3 calls them."""


@dataclass(frozen=True)
class Host:
    """Service, region and bucket of a host name."""

    service: str
    region: str | None
    bucket: str | None = None
    accelerated: bool = False
    """True for the host of S3 Transfer Acceleration."""


def parse(name: str) -> Host | None:
    """Return service, region and bucket of a host name without port, or None if it is not emulated."""
    host = name.lower()
    for service, pattern in _COMPILED:
        if match := pattern.fullmatch(host):
            found = match.groupdict()
            region = _LEGACY_REGION if found.get("legacy") else found.get("region")
            if region and not regions.is_in_domain(host, region):
                return None
            return Host(service, region, found.get("bucket"), bool(found.get("accelerated")))
    return None
