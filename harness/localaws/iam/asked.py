"""Facts of a request that decide its permissions, and the permissions themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness import regions

Context = dict[str, list[str]]


@dataclass(frozen=True)
class Need:
    """An action on a resource, with the condition keys of the request."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """The facts of a request that decide its permissions, for every protocol."""

    service: str
    """The service as boto3 names it."""
    operation: str
    region: str
    account: str
    parameters: dict[str, Any] = field(default_factory=dict)
    """Members of the body, which is JSON or a form."""
    bucket: str = ""
    key: str = ""
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    endpoint: str = ""
    """The endpoint of an invocation."""
    lacks_object: bool = False
    """True if S3 does not have the object."""
    lacks_source: bool = False
    """True if S3 does not have the object to copy from."""
    source_has_tags: bool = False
    """True if the object to copy from has tags."""

    def arn(self, service: str, resource: str, *, region: str | None = None, account: str | None = None) -> str:
        """Return an ARN in the region's partition, by default with this region and account."""
        where = (self.region if region is None else region, self.account if account is None else account)
        return f"arn:{regions.partition(self.region)}:{service}:{where[0]}:{where[1]}:{resource}"
