"""Deployment of endpoints: variants are launched, moved to another config, scaled, and ended once they are idle.

Messages follow https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from harness.localaws.exceptions import AWSError
from harness.localaws.sagemaker.container_paths import without_directory
from harness.localaws.sagemaker.hosting.endpoint import Endpoint, Variant
from harness.localaws.sagemaker.hosting.instance import DeploymentFailure, Instance
from harness.localaws.sagemaker.hosting.launch import Launcher, Models, end_instances

_DELETING_SECONDS = 0.2
"""Least time of a deletion, so that a caller that does not wait for its end finds the endpoint. On AWS it is longer."""
DRAIN_SECONDS = 60
"""Seconds that an update waits at most for the invocations of the old instances."""
log = logging.getLogger(__name__)


class Deployer:
    """Brings endpoints into service, updates them, and ends them."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    def create(self, endpoint: Endpoint, models: Models, stuck: float = 0.0) -> None:
        """Bring the endpoint into service, in a thread.

        :param stuck: seconds that the endpoint stays in ``Creating`` before anything is done.
        """

        def work() -> None:
            with endpoint.changed:
                endpoint.changed.wait_for(lambda: endpoint.status == "Deleting", stuck)
            self._deploy(endpoint, endpoint.config, models)

        self._in_thread(endpoint, work, "Failed")

    def update(self, endpoint: Endpoint, config: dict[str, Any], models: Models) -> None:
        """Move the endpoint to another config, in a thread. If that fails, the old one continues to serve."""
        endpoint.move("Updating")
        self._in_thread(endpoint, lambda: self._deploy(endpoint, config, models), "InService")

    def scale(self, endpoint: Endpoint, desired: Collection[dict[str, Any]], models: Models) -> None:
        """Change weights and counts of instances, in a thread. If that fails, the endpoint serves as before.

        :param desired: DesiredWeightAndCapacity objects of variants that the endpoint has.
        """
        variants = {variant.name: variant for variant in endpoint.variants}
        for each in desired:
            variant = variants[each["VariantName"]]
            variant.desired_weight = each.get("DesiredWeight", variant.desired_weight)
            variant.desired_count = each.get("DesiredInstanceCount", variant.desired_count)
        endpoint.move("Updating")
        self._in_thread(endpoint, lambda: self._scale(endpoint, models), "InService")

    def delete(self, endpoint: Endpoint, then: Callable[[], None]) -> None:
        """End the endpoint's instances, in a thread that calls ``then`` at the end."""
        endpoint.move("Deleting")

        def work() -> None:
            over = time.monotonic() + _DELETING_SECONDS
            try:
                _retire(endpoint.variants)
            finally:
                time.sleep(max(0.0, over - time.monotonic()))
                then()

        threading.Thread(target=work, name=endpoint.name, daemon=True).start()

    def discard(self, endpoint: Endpoint) -> None:
        """End the endpoint's instances at once."""
        endpoint.move("Deleting")
        _retire(endpoint.variants)

    def _in_thread(self, endpoint: Endpoint, work: Callable[[], None], otherwise: str) -> None:
        def run() -> None:
            try:
                work()
            except (DeploymentFailure, AWSError) as failure:
                endpoint.move(otherwise, without_directory(str(failure), self._launcher.directory))
            except Exception as error:
                log.exception("endpoint %s", endpoint.name)
                reason = f"InternalServerError: the local AWS failed: {error!r}"
                endpoint.move(otherwise, without_directory(reason, self._launcher.directory))

        threading.Thread(target=run, name=endpoint.name, daemon=True).start()

    def _deploy(self, endpoint: Endpoint, config: dict[str, Any], models: Models) -> None:
        variants: list[Variant] = []
        try:
            for settings in config["ProductionVariants"]:
                variants.append(self._launcher.variant(endpoint, settings, models))
        except BaseException:
            _retire(variants)
            raise
        old = endpoint.variants
        with endpoint.changed:
            if endpoint.status == "Deleting":
                old = variants
            else:
                endpoint.variants, endpoint.config = variants, config
                endpoint.config_name = config["EndpointConfigName"]
                endpoint.move("InService")
        _drain(endpoint, [instance for variant in old for instance in variant.instances])
        _retire(old)

    def _scale(self, endpoint: Endpoint, models: Models) -> None:
        added: dict[str, list[Instance]] = {}
        try:
            for variant in endpoint.variants:
                missing = max(0, variant.desired_count - len(variant.instances))
                added[variant.name] = self._launcher.instances(endpoint, variant, missing, models)
        except BaseException:
            for instances in added.values():
                end_instances(instances)
            for variant in endpoint.variants:
                variant.forget_desired()
            raise
        removed: list[Instance] = []
        with endpoint.changed:
            if endpoint.status == "Deleting":
                removed = [instance for instances in added.values() for instance in instances]
            else:
                for variant in endpoint.variants:
                    removed += variant.scale(added[variant.name])
                endpoint.move("InService")
        _drain(endpoint, removed)
        end_instances(removed)


def _retire(variants: list[Variant]) -> None:
    for variant in variants:
        variant.stop()
        shutil.rmtree(variant.directory, ignore_errors=True)


def _drain(endpoint: Endpoint, instances: list[Instance]) -> None:
    """Wait for the remaining invocations of old instances, unless the endpoint is deleted."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while any(instance.busy for instance in instances) and time.monotonic() < deadline:
        if endpoint.status == "Deleting":
            return
        time.sleep(0.02)
