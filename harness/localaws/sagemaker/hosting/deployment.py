"""Deployment of endpoints: model data is unpacked, instances start, and old ones end once they are idle.

Messages follow https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html
"""

from __future__ import annotations

import itertools
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.localaws.exceptions import AWSError
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services
from harness.localaws.sagemaker.execution_role import image_refusal, log_writer
from harness.localaws.sagemaker.hosting.endpoint import Endpoint, Variant
from harness.localaws.sagemaker.hosting.instance import DeploymentFailure, Instance
from harness.localaws.sagemaker.hosting.model_data import ModelData, fetch_model_data, model_data_refusal
from harness.localaws.sagemaker.images import Image, Images

DRAIN_SECONDS = 60
"""Seconds that an update waits at most for the invocations of the old instances."""
log = logging.getLogger(__name__)


class Deployer:
    """Brings endpoints into service, moves them to another config, and ends them."""

    def __init__(
        self,
        services: Services,
        images: Images,
        directory: Path,
        environment: Callable[[str, str], Mapping[str, str]],
        authorization: Authorization,
    ) -> None:
        """Keep instances' directories below ``directory``.

        :param environment: returns a container's environment variables for a region and a role.
        """
        self._services = services
        self._images = images
        self._directory = directory
        self._environment = environment
        self._authorization = authorization
        self._numbers = itertools.count(1)

    def create(self, endpoint: Endpoint, models: Mapping[str, dict[str, Any]], stuck: float = 0.0) -> None:
        """Bring the endpoint into service, in a thread.

        :param models: CreateModel requests by name.
        :param stuck: seconds that the endpoint stays in ``Creating`` before anything is done.
        """

        def work() -> None:
            with endpoint.changed:
                endpoint.changed.wait_for(lambda: endpoint.status == "Deleting", stuck)
            self._deploy(endpoint, endpoint.config, models)

        self._in_thread(endpoint, work, "Failed")

    def update(self, endpoint: Endpoint, config: dict[str, Any], models: Mapping[str, dict[str, Any]]) -> None:
        """Move the endpoint to another config, in a thread. If that fails, the old one continues to serve."""
        endpoint.move("Updating")
        self._in_thread(endpoint, lambda: self._deploy(endpoint, config, models), "InService")

    def delete(self, endpoint: Endpoint) -> None:
        """End the endpoint's instances."""
        endpoint.move("Deleting")
        self._retire(endpoint.variants)

    def _in_thread(self, endpoint: Endpoint, work: Callable[[], None], otherwise: str) -> None:
        def run() -> None:
            try:
                work()
            except (DeploymentFailure, AWSError) as failure:
                endpoint.move(otherwise, str(failure))
            except Exception as error:
                log.exception("endpoint %s", endpoint.name)
                endpoint.move(otherwise, f"InternalServerError: the local AWS failed: {error!r}")

        threading.Thread(target=run, name=endpoint.name, daemon=True).start()

    def _deploy(self, endpoint: Endpoint, config: dict[str, Any], models: Mapping[str, dict[str, Any]]) -> None:
        variants: list[Variant] = []
        try:
            for settings in config["ProductionVariants"]:
                variants.append(self._variant(endpoint, settings, models))
        except BaseException:
            self._retire(variants)
            raise
        old = endpoint.variants
        with endpoint.changed:
            if endpoint.status == "Deleting":
                old = variants
            else:
                endpoint.variants, endpoint.config = variants, config
                endpoint.config_name = config["EndpointConfigName"]
                endpoint.move("InService")
        _drain(endpoint, old)
        self._retire(old)

    def _variant(self, endpoint: Endpoint, settings: dict[str, Any], models: Mapping[str, dict[str, Any]]) -> Variant:
        model = models.get(settings["ModelName"])
        if model is None:
            raise DeploymentFailure(f'Could not find model "{settings["ModelName"]}".')
        container = model.get("PrimaryContainer") or model["Containers"][0]
        image = self._images.find(container["Image"])
        variant = Variant(settings["VariantName"], settings.get("InitialVariantWeight", 1.0), container["Image"])
        directory = self._directory / f"{next(self._numbers)}-{endpoint.name}-{variant.name}"
        try:
            self._check_role(container, model, endpoint.region)
            model_directory = self._fetch_model(container, directory)
            for number in range(settings.get("InitialInstanceCount", 1)):
                root = directory / str(number)
                root.mkdir(parents=True)
                (root / "model").symlink_to(model_directory)
                role = model["ExecutionRoleArn"]
                variant.instances.append(self._instance(endpoint, variant, number, image, container, role, root))
            self._start(variant)
        except BaseException:
            variant.stop()
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return variant

    def _check_role(self, container: dict[str, Any], model: dict[str, Any], region: str) -> None:
        role, data = model["ExecutionRoleArn"], ModelData.of(container)
        reason = image_refusal(self._authorization, role, container["Image"])
        if reason is None and data:
            reason = model_data_refusal(self._services, self._authorization, role, data, region)
        if reason:
            raise DeploymentFailure(reason)

    def _fetch_model(self, container: dict[str, Any], directory: Path) -> Path:
        """Download the model data, once for all instances; return its directory."""
        data = ModelData.of(container)
        if data:
            return fetch_model_data(self._services, data, container.get("ContainerHostname", "container_1"), directory)
        (directory / "model").mkdir(parents=True)
        return directory / "model"

    def _instance(
        self,
        endpoint: Endpoint,
        variant: Variant,
        number: int,
        image: Image,
        container: dict[str, Any],
        role: str,
        root: Path,
    ) -> Instance:
        group, stream = f"/aws/sagemaker/Endpoints/{endpoint.name}", f"{variant.name}/i-{number:017x}"
        write = log_writer(self._services, self._authorization, role, endpoint.region, group, stream)
        environment = {**self._environment(endpoint.region, role), **container.get("Environment", {})}
        return Instance(image, root, environment, write)

    def _start(self, variant: Variant) -> None:
        for instance in variant.instances:
            try:
                instance.start()
            except DeploymentFailure as failure:
                raise DeploymentFailure(
                    f"The primary container for production variant {variant.name} {failure}. "
                    "Please check CloudWatch logs for this endpoint."
                ) from None

    def _retire(self, variants: list[Variant]) -> None:
        for variant in variants:
            variant.stop()
        for instance in (instance for variant in variants for instance in variant.instances):
            shutil.rmtree(instance.root.parent, ignore_errors=True)


def _drain(endpoint: Endpoint, variants: list[Variant]) -> None:
    """Wait for the remaining invocations of old variants, unless the endpoint is deleted."""
    deadline = time.monotonic() + DRAIN_SECONDS
    instances = [instance for variant in variants for instance in variant.instances]
    while any(instance.busy for instance in instances) and time.monotonic() < deadline:
        if endpoint.status == "Deleting":
            return
        time.sleep(0.02)
