"""Base of the kinds of resources: each keeps its resources by region and name, and tags by ARN."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from harness.localaws.exceptions import AWSError, ValidationException
from harness.localaws.sagemaker.resources.call import Call, Operation
from harness.localaws.sagemaker.resources.listing import page
from harness.localaws.sagemaker.resources.tag_rules import with_tags

Resource = TypeVar("Resource")
Tags = dict[str, dict[str, str]]
"""Tags of the resources of all kinds, by ARN."""


class ResourceKind(ABC, Generic[Resource]):
    """The resources of one kind, and the operations on them."""

    arn_kind: ClassVar[str]
    """The kind as ARNs name it."""
    title: ClassVar[str]
    """The kind as messages name it."""

    def __init__(self, tags: Tags, lock: threading.RLock) -> None:
        """Keep tags in ``tags``. All kinds share ``lock``, which is held while resources change."""
        self._tags = tags
        self._lock = lock
        self._resources: dict[tuple[str, str], Resource] = {}

    @abstractmethod
    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""

    @abstractmethod
    def existing(self) -> list[tuple[str, float]]:
        """Return the resources that would remain, in all regions: name, and seconds since the epoch at its creation."""

    def clear(self) -> None:
        """Forget every resource."""
        self._resources.clear()

    def get(self, region: str, name: str) -> Resource | None:
        """Return a resource by name, or None."""
        return self._resources.get((region, name))

    def all(self) -> list[Resource]:
        """Return the resources of all regions."""
        return list(self._resources.values())

    def by_name(self, region: str) -> dict[str, Resource]:
        """Return the resources of a region by name."""
        return {name: resource for (home, name), resource in list(self._resources.items()) if home == region}

    def find(self, call: Call, name: str) -> Resource:
        """Return a resource of the caller's region.

        :raises ValidationException: it does not exist.
        """
        found = self.get(call.region, name)
        if found is None:
            raise ValidationException(self.missing(call, name))
        return found

    def missing(self, call: Call, name: str) -> str:
        """Return AWS's message about a name that no resource has."""
        return f'Could not find {self.title} "{call.arn(self.arn_kind, name)}".'

    def taken(self, arn: str) -> AWSError:
        """Return AWS's error about a name that a resource has already."""
        return ValidationException(f'Cannot create already existing {self.title} "{arn}".')

    def check_free(self, call: Call, name: str, arn: str) -> None:
        """Raise :class:`AWSError` if a name is taken, in whatever case: ARNs have names in lower case.

        Documentation only: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html says that
        names are case-insensitive there, and must be matched in InvokeEndpoint.
        """
        if name.lower() in (known.lower() for home, known in list(self._resources) if home == call.region):
            raise self.taken(arn)

    def add(self, call: Call, name: str, arn: str, resource: Resource) -> None:
        """Add a resource, with the tags that its request has.

        :raises AWSError: the name is taken, or a tag breaks a rule.
        """
        tags = with_tags({}, call.parameters.get("Tags") or [])
        with self._lock:
            self.check_free(call, name, arn)
            self._resources[call.region, name] = resource
            self._tags[arn] = tags

    def remove(self, call: Call, name: str, arn: str) -> None:
        """Remove a resource and its tags. The caller holds the lock."""
        del self._resources[call.region, name]
        self._tags.pop(arn, None)


class StoredRequests(ResourceKind[dict[str, Any]]):
    """Resources that are no more than the requests that created them, each with its ARN and time."""

    member: ClassVar[str]
    """The kind as operations and their members name it: ``Model`` of ``CreateModel`` and ``ModelName``."""

    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {
            f"Create{self.member}": self.create,
            f"Describe{self.member}": self.describe,
            f"Delete{self.member}": self.delete,
            f"List{self.member}s": self.list_page,
        }

    def existing(self) -> list[tuple[str, float]]:
        """Return name and creation time of the resources in all regions."""
        return [(each[f"{self.member}Name"], each["CreationTime"]) for each in self.all()]

    @abstractmethod
    def check(self, call: Call) -> None:
        """Check a Create request against the other resources.

        :raises ValidationException: as AWS would answer.
        """

    def create(self, call: Call) -> dict[str, Any]:
        """Add a resource (Create operation)."""
        name = call.parameters[f"{self.member}Name"]
        arn = call.arn(self.arn_kind, name)
        self.check_free(call, name, arn)
        self.check(call)
        self.add(call, name, arn, {**call.parameters, f"{self.member}Arn": arn, "CreationTime": time.time()})
        return {f"{self.member}Arn": arn}

    def describe(self, call: Call) -> dict[str, Any]:
        """Return a resource without its tags (Describe operation)."""
        found = self.find(call, call.parameters[f"{self.member}Name"])
        return self.described({name: value for name, value in found.items() if name != "Tags"})

    def described(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request as AWS describes it, with the members that it adds."""
        return request

    def delete(self, call: Call) -> dict[str, Any]:
        """Remove a resource (Delete operation)."""
        with self._lock:
            found = self.find(call, call.parameters[f"{self.member}Name"])
            self.remove(call, found[f"{self.member}Name"], found[f"{self.member}Arn"])
        return {}

    def list_page(self, call: Call) -> dict[str, Any]:
        """Return a page of resources (List operation)."""
        members = (f"{self.member}Name", f"{self.member}Arn", "CreationTime")
        found = [{name: resource[name] for name in members} for resource in self.by_name(call.region).values()]
        return page(call, found, f"{self.member}s", members[0])
