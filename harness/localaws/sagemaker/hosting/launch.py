"""Launch of a variant: its role is checked, its model data fetched, and its instances started."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services
from harness.localaws.sagemaker.execution_role import image_refusal, log_writer
from harness.localaws.sagemaker.hosting.endpoint import Endpoint, Variant
from harness.localaws.sagemaker.hosting.instance import DeploymentFailure, Instance
from harness.localaws.sagemaker.hosting.model_data import ModelData, fetch_model_data, model_data_refusal
from harness.localaws.sagemaker.images import Images

Models = Mapping[str, dict[str, Any]]
"""CreateModel requests by name."""


class Launcher:
    """Makes variants, and further instances of them."""

    def __init__(
        self,
        services: Services,
        images: Images,
        directory: Path,
        environment: Callable[[str, str], Mapping[str, str]],
        authorization: Authorization,
    ) -> None:
        """Keep variants' directories below ``directory``.

        :param environment: returns a container's environment variables for a region and a role.
        """
        self._services = services
        self._images = images
        self.directory = directory
        """The directory below which variants have theirs."""
        self._environment = environment
        self._authorization = authorization
        self._numbers = itertools.count(1)

    def variant(self, endpoint: Endpoint, settings: dict[str, Any], models: Models) -> Variant:
        """Return a variant in service.

        :param settings: the ProductionVariant.
        :raises DeploymentFailure: it cannot be brought into service. Nothing of it is left.
        """
        model = self._checked(settings["ModelName"], models, endpoint.region)
        container = container_of(model)
        weight = settings.get("InitialVariantWeight", 1.0)
        directory = self.directory / f"{next(self._numbers)}-{endpoint.name}-{settings['VariantName']}"
        variant = Variant(settings["VariantName"], weight, container["Image"], settings["ModelName"], directory)
        try:
            self._fetch(container, directory)
            self._start(endpoint, variant, model, settings.get("InitialInstanceCount", 1), variant.instances)
        except BaseException:
            variant.stop()
            shutil.rmtree(directory, ignore_errors=True)
            raise
        variant.desired_count = len(variant.instances)
        return variant

    def instances(self, endpoint: Endpoint, variant: Variant, count: int, models: Models) -> list[Instance]:
        """Return further instances of a variant, ready for invocations that it does not pass to them yet.

        An instance on AWS downloads the model data itself, so it must exist still. The copy of the variant is used.

        :raises DeploymentFailure: they cannot be started. Nothing of them is left.
        """
        started: list[Instance] = []
        if not count:
            return started
        model = self._checked(variant.model, models, endpoint.region)
        shown = self.directory / f"{next(self._numbers)}-{endpoint.name}-{variant.name}"
        try:
            self._fetch(container_of(model), shown)
            self._start(endpoint, variant, model, count, started)
        except BaseException:
            end_instances(started)
            raise
        finally:
            shutil.rmtree(shown, ignore_errors=True)
        return started

    def _checked(self, name: str, models: Models, region: str) -> dict[str, Any]:
        """Return a model whose role may pull its image and read its data."""
        model = models.get(name)
        if model is None:
            raise DeploymentFailure(f'Could not find model "{name}".')
        container, role = container_of(model), model["ExecutionRoleArn"]
        data = ModelData.of(container)
        reason = image_refusal(self._authorization, role, container["Image"])
        if reason is None and data:
            reason = model_data_refusal(self._services, self._authorization, role, data, region)
        if reason:
            raise DeploymentFailure(reason)
        return model

    def _fetch(self, container: dict[str, Any], directory: Path) -> None:
        """Put the model data into ``model/`` below a directory, once for all instances."""
        data = ModelData.of(container)
        if data:
            fetch_model_data(self._services, data, container.get("ContainerHostname", "container_1"), directory)
        else:
            (directory / "model").mkdir(parents=True)

    def _start(
        self, endpoint: Endpoint, variant: Variant, model: dict[str, Any], count: int, into: list[Instance]
    ) -> None:
        """Start instances, and add them to a list: all of them before the first answers."""
        made = [self._instance(endpoint, variant, model) for _ in range(count)]
        into += made
        for instance in made:
            try:
                instance.start()
            except DeploymentFailure as failure:
                last = f" Its last output was: {instance.last_output}" if instance.last_output else ""
                raise DeploymentFailure(
                    f"The primary container for production variant {variant.name} {failure}. "
                    f"Please check CloudWatch logs for this endpoint.{last}"
                ) from None

    def _instance(self, endpoint: Endpoint, variant: Variant, model: dict[str, Any]) -> Instance:
        number, role, container = variant.next_number(), model["ExecutionRoleArn"], container_of(model)
        root = variant.directory / str(number)
        root.mkdir(parents=True)
        (root / "model").symlink_to(variant.directory / "model")
        group, stream = f"/aws/sagemaker/Endpoints/{endpoint.name}", f"{variant.name}/i-{number:017x}"
        write = log_writer(self._services, self._authorization, role, endpoint.region, group, stream)
        own = container.get("Environment", {})
        image = self._images.find(container["Image"]).for_request(own)
        environment = {**self._environment(endpoint.region, role), **image.serving_variables, **own}
        return Instance(image, root, environment, write)


def container_of(model: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a CreateModel request."""
    container: dict[str, Any] = model.get("PrimaryContainer") or model["Containers"][0]
    return container


def end_instances(instances: list[Instance]) -> None:
    """End instances and delete their directories."""
    for instance in instances:
        instance.ask_to_stop()
    for instance in instances:
        instance.stop()
        shutil.rmtree(instance.root, ignore_errors=True)
