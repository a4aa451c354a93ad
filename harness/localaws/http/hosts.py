"""Host names of AWS, with the service, region and bucket of each that the local AWS emulates.

They follow https://docs.aws.amazon.com/general/latest/gr/rande.html. Those of China end in ``.amazonaws.com.cn``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness import regions

_DOMAIN = rf"\.{regions.DOMAIN}"
_REGION = rf"(?P<region>{regions.REGION})"
_PATTERNS = [
    ("sagemaker-runtime", rf"runtime\.sagemaker(?:-fips)?\.{_REGION}{_DOMAIN}"),
    ("sagemaker", rf"api\.sagemaker(?:-fips)?\.{_REGION}{_DOMAIN}"),
    ("sts", rf"sts(?:-fips)?(?:\.{_REGION})?{_DOMAIN}"),
    ("iam", rf"iam(?:\.{_REGION})?{_DOMAIN}"),
    ("iam", r"iam\.us-gov\.amazonaws\.com"),
    ("logs", rf"logs(?:-fips)?\.{_REGION}{_DOMAIN}"),
    ("service-quotas", rf"servicequotas(?:-fips)?\.{_REGION}{_DOMAIN}"),
    ("pricing", rf"api\.pricing\.{_REGION}{_DOMAIN}"),
    ("resourcegroupstaggingapi", rf"tagging\.{_REGION}{_DOMAIN}"),
    # A bucket's name may precede s3, and may contain dots.
    ("s3", rf"(?:(?P<bucket>[a-z0-9][a-z0-9.-]*)\.)?s3(?:-fips)?(?:[.-](?:dualstack\.)?{_REGION})?{_DOMAIN}"),
]
_COMPILED = [(service, re.compile(pattern)) for service, pattern in _PATTERNS]

SERVICES = sorted({service for service, _ in _PATTERNS})
"""The services that the local AWS emulates, as boto3 calls them."""


@dataclass(frozen=True)
class Host:
    """Service, region and bucket of a host name."""

    service: str
    region: str | None
    bucket: str | None = None


def parse(name: str) -> Host | None:
    """Return service, region and bucket of a host name without port, or None if it is not emulated."""
    for service, pattern in _COMPILED:
        if match := pattern.fullmatch(name.lower()):
            found = match.groupdict()
            return Host(service, found.get("region"), found.get("bucket"))
    return None
