"""Base of the kinds of resources: each keeps its resources by region and name, and tags by ARN."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from harness.localaws.exceptions import AWSError, ValidationException
from harness.localaws.sagemaker.resources.call import Call, Operation

Resource = TypeVar("Resource")
Tags = dict[str, dict[str, str]]
"""Tags of the resources of all kinds, by ARN."""


class ResourceKind(ABC, Generic[Resource]):
    """The resources of one kind, and the operations on them."""

    arn_kind: ClassVar[str]
    """The kind as ARNs name it."""
    not_emulated: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Members of operations' input that are refused, each with the reason, by operation."""

    def __init__(self, tags: Tags, lock: threading.RLock) -> None:
        """Keep tags in ``tags``. All kinds share ``lock``, which is held while resources change."""
        self._tags = tags
        self._lock = lock
        self._resources: dict[tuple[str, str], Resource] = {}

    @abstractmethod
    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""

    def names(self) -> list[str]:
        """Return the names of the resources in all regions."""
        return [name for _, name in list(self._resources)]

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

    @abstractmethod
    def missing(self, call: Call, name: str) -> str:
        """Return AWS's message about a name that no resource has."""

    def add(self, call: Call, name: str, arn: str, resource: Resource, taken: AWSError) -> None:
        """Add a resource, with the tags that its request has.

        :raises AWSError: the name is taken; the error is ``taken``.
        """
        with self._lock:
            if (call.region, name) in self._resources:
                raise taken
            self._resources[call.region, name] = resource
            self._tags[arn] = {tag["Key"]: tag["Value"] for tag in call.parameters.get("Tags") or []}

    def remove(self, call: Call, name: str, arn: str) -> None:
        """Remove a resource and its tags. The caller holds the lock."""
        del self._resources[call.region, name]
        self._tags.pop(arn, None)


def without_tags(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description of a resource as Describe operations give it."""
    return {name: value for name, value in resource.items() if name != "Tags"}
