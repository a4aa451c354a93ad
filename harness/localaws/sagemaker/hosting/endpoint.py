"""State of an endpoint and its variants, and the choice of the instance for an invocation.

States and messages follow https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.localaws.exceptions import ServiceUnavailable, ValidationError
from harness.localaws.sagemaker.hosting.instance import Instance


@dataclass
class Variant:
    """A production variant in service, with its instances."""

    name: str
    weight: float
    image_uri: str
    model: str
    """ModelName."""
    directory: Path
    """Directory of its model data and its instances."""
    instances: list[Instance] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._turn = itertools.count()
        self._numbers = itertools.count()
        self.forget_desired()

    def forget_desired(self) -> None:
        """Desire the weight and the count that the variant has."""
        self.desired_weight = self.weight
        self.desired_count = len(self.instances)

    def next_number(self) -> int:
        """Return the number of a new instance. Numbers are not used again."""
        return next(self._numbers)

    def scale(self, added: list[Instance]) -> list[Instance]:
        """Take the desired weight, and add or remove instances. Return those that were removed, which still run."""
        self.weight = self.desired_weight
        known = [*self.instances, *added]
        self.instances, removed = known[: self.desired_count], known[self.desired_count :]
        return removed

    def next_instance(self) -> Instance | None:
        """Return the next ready instance, in rotation, or None."""
        ready = [instance for instance in self.instances if instance.ready.is_set() and instance.pid]
        return ready[next(self._turn) % len(ready)] if ready else None

    def ask_to_stop(self) -> None:
        """Ask every instance to end."""
        for instance in self.instances:
            instance.ask_to_stop()

    def stop(self) -> None:
        """End every instance."""
        self.ask_to_stop()
        for instance in self.instances:
            instance.stop()


@dataclass
class Endpoint:
    """An endpoint: its config, its status, and the variants that serve it."""

    name: str
    config_name: str
    region: str
    arn: str
    config: dict[str, Any]
    status: str = "Creating"
    failure: str = ""
    created: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)
    variants: list[Variant] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @property
    def settled(self) -> bool:
        """True unless a creation, an update or a deletion is under way."""
        return self.status in ("InService", "Failed")

    def move(self, status: str, failure: str = "") -> None:
        """Enter a status."""
        with self.changed:
            self.status, self.failure, self.modified = status, failure, time.time()
            self.changed.notify_all()

    def wait_settled(self, timeout: float) -> None:
        """Wait until the endpoint is settled, at most ``timeout`` seconds."""
        with self.changed:
            self.changed.wait_for(lambda: self.settled, timeout)

    def take_instance(self, target: str | None) -> tuple[Variant, Instance]:
        """Return a variant and the instance of it that gets an invocation, and hold the instance for it.

        :param target: name of the variant that the caller asks for, if any.
        :raises ServiceUnavailable: no instance is up.
        """
        with self.changed:  # no update comes between the choice and the hold
            variant = self._choose_variant(target)
            instance = variant.next_instance()
            if instance is None:
                raise ServiceUnavailable(
                    f"No instance of endpoint {self.name} can take the request: "
                    "its container ended and is being started again."
                )
            instance.hold(1)
        return variant, instance

    def _choose_variant(self, target: str | None) -> Variant:
        if target:
            named = [variant for variant in self.variants if variant.name == target]
            if not named:
                raise ValidationError(f"Variant {target} of endpoint {self.name} not found.")
            return named[0]
        if len(self.variants) == 1:
            return self.variants[0]
        return random.choices(self.variants, [variant.weight for variant in self.variants])[0]

    def describe(self) -> dict[str, Any]:
        """Return DescribeEndpoint's answer."""
        answer: dict[str, Any] = self.summary() | {"EndpointConfigName": self.config_name}
        if self.failure:
            answer["FailureReason"] = self.failure
        answer["ProductionVariants"] = [
            {
                "VariantName": variant.name,
                "DeployedImages": [{"SpecifiedImage": variant.image_uri, "ResolvedImage": variant.image_uri}],
                "CurrentWeight": variant.weight,
                "DesiredWeight": variant.desired_weight,
                "CurrentInstanceCount": len(variant.instances),
                "DesiredInstanceCount": variant.desired_count,
            }
            for variant in self.variants
        ]
        return answer

    def summary(self) -> dict[str, Any]:
        """Return the endpoint as ListEndpoints shows it."""
        return {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointStatus": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
        }
