"""SageMaker's control plane for what really runs here: training jobs, models, endpoint configs and endpoints.

One method an operation, named as AWS names it; requests are checked against AWS's own model first. Other operations
of SageMaker are moto's. Messages are AWS's where they are known.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from harness.localaws import api_models
from harness.localaws.exceptions import ResourceInUse, ValidationException
from harness.localaws.http import hosts
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services, split_uri
from harness.localaws.sagemaker.container_variables import check_variables
from harness.localaws.sagemaker.execution_role import image_refusal, model_data_refusal
from harness.localaws.sagemaker.hosting.instance import Endpoint, Host
from harness.localaws.sagemaker.images import Images
from harness.localaws.sagemaker.training.job import Job
from harness.localaws.sagemaker.training.trainer import Trainer

Request = dict[str, Any]
Thing = TypeVar("Thing")

HOLD_SECONDS = 40.0
"""How long a Describe call of the Spark SDK may wait for the end of what it describes. The SDK sleeps five seconds
between two calls and gives a call up after fifty; held calls spare it the sleep."""
_SPARK_SDK = "SageMaker-Spark-SDK"
_HELD = ("DescribeTrainingJob", "DescribeEndpoint")


class ControlPlane:
    """The resources of one account in all regions, and the operations on them."""

    def __init__(
        self, services: Services, images: Images, trainer: Trainer, host: Host, authorization: Authorization
    ) -> None:
        self._services = services
        self._images = images
        self._trainer = trainer
        self._host = host
        self._authorization = authorization
        self._lock = threading.RLock()
        self._clear()

    def _clear(self) -> None:
        self._jobs: dict[tuple[str, str], Job] = {}
        self._models: dict[tuple[str, str], dict[str, Any]] = {}
        self._configs: dict[tuple[str, str], dict[str, Any]] = {}
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._tags: dict[str, dict[str, str]] = {}

    def may_hold(self, operation: str, user_agent: str) -> bool:
        """Return whether the answer to such a call may wait, up to :data:`HOLD_SECONDS`."""
        return operation in _HELD and _SPARK_SDK in user_agent

    def handles(self, operation: str, request: Request) -> bool:
        """Return whether the operation is one of those done here (and not moto's)."""
        if operation in ("AddTags", "ListTags", "DeleteTags"):
            return str(request.get("ResourceArn", "")).split(":", 5)[-1].split("/")[0] in _TAGGED
        return operation in OPERATIONS

    def call(
        self, operation: str, request: Request, region: str, account: str, user_agent: str = "", stuck: float = 0.0
    ) -> dict[str, Any]:
        """Do an operation and return its answer.

        :param stuck: seconds for which an endpoint that is created stays in ``Creating`` before anything is done.
        :raises AWSError: as AWS would answer.
        """
        api_models.check("sagemaker", operation, request)
        call = _Call(self, request, region, account, _SPARK_SDK in user_agent, stuck)
        answer: dict[str, Any] = OPERATIONS[operation](call)
        return answer

    def endpoint(self, name: str, region: str) -> Endpoint | None:
        """Return an endpoint by name, or None."""
        return self._endpoints.get((region, name))

    def endpoints(self) -> list[Endpoint]:
        """Return every endpoint."""
        return list(self._endpoints.values())

    def tags_of(self, arn: str) -> dict[str, str]:
        """Return the tags of a resource; none if there is no such resource."""
        return dict(self._tags.get(arn, {}))

    def tagged(self, region: str) -> dict[str, dict[str, str]]:
        """Return the tags of every resource of a region, by ARN."""
        return {arn: dict(tags) for arn, tags in list(self._tags.items()) if arn.split(":")[3] == region}

    def resources(self) -> dict[str, list[str]]:
        """Return the names of what exists in all regions, by kind; of training jobs those that still run."""
        return {
            "training job": [job.name for job in list(self._jobs.values()) if not job.done],
            "model": [name for _, name in list(self._models)],
            "endpoint config": [name for _, name in list(self._configs)],
            "endpoint": [name for _, name in list(self._endpoints)],
        }

    def ask_to_stop(self) -> None:
        """Tell every endpoint's containers to end, and start none again."""
        for variant in [variant for endpoint in self.endpoints() for variant in endpoint.variants]:
            variant.ask_to_stop()

    def reset(self) -> None:
        """End every job and endpoint and forget every resource."""
        with self._lock:
            endpoints = self.endpoints()
            self.ask_to_stop()
            self._trainer.discard_all()
            self._clear()
        for endpoint in endpoints:
            self._host.delete(endpoint)


class _Call:
    """One call of an operation."""

    def __init__(
        self, plane: ControlPlane, request: Request, region: str, account: str, from_spark: bool, stuck: float
    ) -> None:
        self.plane = plane
        self.request = request
        self.region = region
        self.account = account
        self.from_spark = from_spark
        self.stuck = stuck

    def arn(self, kind: str, name: str) -> str:
        return f"arn:{hosts.partition(self.region)}:sagemaker:{self.region}:{self.account}:{kind}/{name.lower()}"

    def tag(self, arn: str) -> None:
        self.plane._tags[arn] = {tag["Key"]: tag["Value"] for tag in self.request.get("Tags") or []}

    def check_role(self, arn: str) -> None:
        if not self.plane._services.trusts_sagemaker(arn):
            raise ValidationException(
                f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
                "'sagemaker.amazonaws.com' to assume the role."
            )

    def check_bucket(self, uri: str, what: str) -> None:
        bucket, _ = split_uri(uri)
        if not self.plane._services.has_bucket(bucket):
            raise ValidationException(
                f"{what} \"{uri}\" cannot be used: S3 bucket '{bucket}' does not exist. "
                "Please ensure that the bucket exists in the selected region."
            )

    def find(self, things: dict[tuple[str, str], Thing], name: str, missing: str) -> Thing:
        found = things.get((self.region, name))
        if found is None:
            raise ValidationException(missing)
        return found

    # --- training jobs --------------------------------------------------------------------------------------------

    def create_training_job(self) -> dict[str, Any]:
        request, plane = self.request, self.plane
        name = request["TrainingJobName"]
        image = plane._images.find(self._training_image())
        check_variables(request.get("Environment") or {})
        self.check_role(request["RoleArn"])
        self._check_channels()
        self.check_bucket(request["OutputDataConfig"]["S3OutputPath"], "Output path")
        arn = self.arn("training-job", name)
        with plane._lock:
            if (self.region, name) in plane._jobs:
                raise ResourceInUse(
                    "Training job names must be unique within an AWS account and region, and a training job with this "
                    f"name already exists ({arn})"
                )
            job = plane._jobs[self.region, name] = Job(request, self.region, arn)
            self.tag(arn)
        plane._trainer.start(job, image)
        return {"TrainingJobArn": arn}

    def _training_image(self) -> str:
        for needed in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
            if needed not in self.request:
                raise ValidationException(f"{needed} is required")
        if self.request["ResourceConfig"].get("InstanceCount", 0) < 1:
            raise ValidationException("The local AWS trains on equal instances: give ResourceConfig.InstanceCount.")
        specification = self.request["AlgorithmSpecification"]
        if specification["TrainingInputMode"] == "Pipe":
            raise ValidationException("The local AWS does not emulate TrainingInputMode Pipe. Use File or FastFile.")
        if "TrainingImage" not in specification:
            raise ValidationException("The local AWS runs training images. Give AlgorithmSpecification.TrainingImage.")
        return str(specification["TrainingImage"])

    def _check_channels(self) -> None:
        channels = self.request.get("InputDataConfig", [])
        names = [channel["ChannelName"] for channel in channels]
        if len(set(names)) < len(names):
            raise ValidationException(f"Channel names must be unique, but are {', '.join(names)}")
        for channel in channels:
            source = channel["DataSource"].get("S3DataSource")
            if source is None or source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
                raise ValidationException(
                    f"The local AWS reads channel {channel['ChannelName']} from an S3DataSource of type S3Prefix or "
                    "ManifestFile."
                )
            self.check_bucket(source["S3Uri"], f"Data of channel {channel['ChannelName']} at")

    def _job(self) -> Job:
        return self.find(self.plane._jobs, self.request["TrainingJobName"], "Requested resource not found.")

    def describe_training_job(self) -> dict[str, Any]:
        job = self._job()
        if self.from_spark:
            job.wait_done(HOLD_SECONDS)
        return job.describe()

    def stop_training_job(self) -> dict[str, Any]:
        job = self._job()
        if job.done:
            raise ValidationException(f"The request was rejected because the training job is in status {job.status}.")
        job.ask_to_stop()
        return {}

    def list_training_jobs(self) -> dict[str, Any]:
        status = self.request.get("StatusEquals")
        for given in self.request.keys() & {"WarmPoolStatusEquals", "TrainingPlanArnEquals"}:
            raise ValidationException(f"The local AWS does not emulate {given}: it has no warm pools and no plans.")
        jobs = [job.summary() for job in self._here(self.plane._jobs) if status in (None, job.status)]
        return self._page(jobs, "TrainingJobSummaries", "TrainingJobName", order="Ascending")

    # --- models ---------------------------------------------------------------------------------------------------

    def create_model(self) -> dict[str, Any]:
        request, plane = self.request, self.plane
        name = request["ModelName"]
        arn = self.arn("model", name)
        containers = request.get("Containers") or [request[part] for part in ("PrimaryContainer",) if part in request]
        if len(containers) != 1:
            raise ValidationException("The local AWS serves models of exactly one container: give PrimaryContainer.")
        if "Image" not in containers[0]:
            raise ValidationException("The local AWS serves containers by Image: give PrimaryContainer.Image.")
        plane._images.find(containers[0]["Image"])
        check_variables(containers[0].get("Environment") or {})
        if "ExecutionRoleArn" not in request:
            raise ValidationException(
                "1 validation error detected: Value null at 'executionRoleArn' failed to satisfy constraint: "
                "Member must not be null"
            )
        self.check_role(request["ExecutionRoleArn"])
        self._check_permissions(containers[0])
        with plane._lock:
            if (self.region, name) in plane._models:
                raise ValidationException(f'Cannot create already existing model "{arn}".')
            plane._models[self.region, name] = {**request, "ModelArn": arn, "CreationTime": time.time()}
            self.tag(arn)
        return {"ModelArn": arn}

    def _check_permissions(self, container: dict[str, Any]) -> None:
        role, authorization = self.request["ExecutionRoleArn"], self.plane._authorization
        reason = image_refusal(authorization, role, container["Image"])
        if reason := reason or model_data_refusal(authorization, role, container.get("ModelDataUrl"), self.region):
            raise ValidationException(reason)

    def _model(self) -> dict[str, Any]:
        name = self.request["ModelName"]
        return self.find(self.plane._models, name, f'Could not find model "{self.arn("model", name)}".')

    def describe_model(self) -> dict[str, Any]:
        return _without_tags(self._model())

    def delete_model(self) -> dict[str, Any]:
        with self.plane._lock:
            model = self._model()
            del self.plane._models[self.region, model["ModelName"]]
            self.plane._tags.pop(model["ModelArn"], None)
        return {}

    def list_models(self) -> dict[str, Any]:
        members = ("ModelName", "ModelArn", "CreationTime")
        models = [{name: model[name] for name in members} for model in self._here(self.plane._models)]
        return self._page(models, "Models", "ModelName")

    # --- endpoint configs -----------------------------------------------------------------------------------------

    def create_endpoint_config(self) -> dict[str, Any]:
        request, plane = self.request, self.plane
        name = request["EndpointConfigName"]
        arn = self.arn("endpoint-config", name)
        for variant in request["ProductionVariants"]:
            if "ServerlessConfig" in variant or "InstanceType" not in variant:
                raise ValidationException(
                    "The local AWS serves variants on instances: give InstanceType and InitialInstanceCount of variant "
                    f"{variant['VariantName']}."
                )
            missing = f'Could not find model "{self.arn("model", variant.get("ModelName", ""))}".'
            self.find(plane._models, variant.get("ModelName", ""), missing)
        with plane._lock:
            if (self.region, name) in plane._configs:
                raise ValidationException(f'Cannot create already existing endpoint configuration "{arn}".')
            plane._configs[self.region, name] = {**request, "EndpointConfigArn": arn, "CreationTime": time.time()}
            self.tag(arn)
        return {"EndpointConfigArn": arn}

    def _config(self) -> dict[str, Any]:
        name = self.request["EndpointConfigName"]
        missing = f'Could not find endpoint configuration "{self.arn("endpoint-config", name)}".'
        return self.find(self.plane._configs, name, missing)

    def describe_endpoint_config(self) -> dict[str, Any]:
        return _without_tags(self._config())

    def delete_endpoint_config(self) -> dict[str, Any]:
        with self.plane._lock:
            config = self._config()
            del self.plane._configs[self.region, config["EndpointConfigName"]]
            self.plane._tags.pop(config["EndpointConfigArn"], None)
        return {}

    def list_endpoint_configs(self) -> dict[str, Any]:
        members = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")
        configs = [{name: config[name] for name in members} for config in self._here(self.plane._configs)]
        return self._page(configs, "EndpointConfigs", "EndpointConfigName")

    # --- endpoints ------------------------------------------------------------------------------------------------

    def create_endpoint(self) -> dict[str, Any]:
        plane, name = self.plane, self.request["EndpointName"]
        config = self._config()
        arn = self.arn("endpoint", name)
        with plane._lock:
            if (self.region, name) in plane._endpoints:
                raise ValidationException(f'Cannot create already existing endpoint "{arn}".')
            endpoint = Endpoint(name, config["EndpointConfigName"], self.region, arn, config)
            plane._endpoints[self.region, name] = endpoint
            self.tag(arn)
        plane._host.create(endpoint, self._models_here(), self.stuck)
        return {"EndpointArn": arn}

    def _models_here(self) -> dict[str, dict[str, Any]]:
        return {name: model for (region, name), model in self.plane._models.items() if region == self.region}

    def _endpoint(self) -> Endpoint:
        name = self.request["EndpointName"]
        return self.find(self.plane._endpoints, name, f'Could not find endpoint "{self.arn("endpoint", name)}".')

    def describe_endpoint(self) -> dict[str, Any]:
        endpoint = self._endpoint()
        if self.from_spark:
            endpoint.wait_settled(HOLD_SECONDS)
        return endpoint.describe()

    def update_endpoint(self) -> dict[str, Any]:
        config = self._config()
        with self.plane._lock:
            endpoint = self._settled_endpoint()
            if endpoint.status == "Failed":
                raise ValidationException(f'Cannot update failed endpoint "{endpoint.arn}".')
            self.plane._host.update(endpoint, config, self._models_here())
        return {"EndpointArn": endpoint.arn}

    def _settled_endpoint(self) -> Endpoint:
        endpoint = self._endpoint()
        if not endpoint.settled:
            raise ValidationException(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        return endpoint

    def delete_endpoint(self) -> dict[str, Any]:
        with self.plane._lock:
            endpoint = self._settled_endpoint()
            del self.plane._endpoints[self.region, endpoint.name]
            self.plane._tags.pop(endpoint.arn, None)
        self.plane._host.delete(endpoint)
        return {}

    def list_endpoints(self) -> dict[str, Any]:
        status = self.request.get("StatusEquals")
        endpoints = [found.summary() for found in self._here(self.plane._endpoints) if status in (None, found.status)]
        return self._page(endpoints, "Endpoints", "EndpointName")

    # --- tags -----------------------------------------------------------------------------------------------------

    def _tags_of(self) -> dict[str, str]:
        arn = self.request["ResourceArn"]
        if arn not in self.plane._tags:
            raise ValidationException(f"Could not find resource {arn}.")
        return self.plane._tags[arn]

    def add_tags(self) -> dict[str, Any]:
        tags = self._tags_of()
        tags.update({tag["Key"]: tag["Value"] for tag in self.request["Tags"]})
        return self.list_tags()

    def list_tags(self) -> dict[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tags_of().items()]}

    def delete_tags(self) -> dict[str, Any]:
        tags = self._tags_of()
        for key in self.request["TagKeys"]:
            tags.pop(key, None)
        return {}

    # --- lists ----------------------------------------------------------------------------------------------------

    def _here(self, things: dict[tuple[str, str], Thing]) -> list[Thing]:
        return [thing for (region, _), thing in list(things.items()) if region == self.region]

    def _page(self, items: list[dict[str, Any]], member: str, name: str, order: str = "Descending") -> dict[str, Any]:
        """Return one page of a list, filtered, sorted and cut as the request asks.

        :param order: the operation's own where the request has none. Of training jobs the oldest come first, of all
            else the newest: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTrainingJobs.html
        """
        request = self.request
        items = [item for item in items if _wanted(item, name, request)]
        by = {"Name": name, "Status": name.replace("Name", "Status")}.get(request.get("SortBy", ""), "CreationTime")
        descending = request.get("SortOrder", order) == "Descending"
        items.sort(key=lambda item: item.get(by, item["CreationTime"]), reverse=descending)
        start = _page_start(request.get("NextToken"))
        end = start + int(request.get("MaxResults", 10))
        page: dict[str, Any] = {member: items[start:end]}
        if end < len(items):
            page["NextToken"] = str(end)
        return page


def _page_start(token: str | None) -> int:
    """Return the number of the first item of the page that a token stands for."""
    if token and not token.isdecimal():
        raise ValidationException(f"Invalid NextToken: {token}")
    return int(token or 0)


def _wanted(item: dict[str, Any], name: str, request: Request) -> bool:
    return request.get("NameContains", "").lower() in item[name].lower() and all(
        request.get(f"{time}After", float("-inf")) <= item[time] <= request.get(f"{time}Before", float("inf"))
        for time in ("CreationTime", "LastModifiedTime")
        if time in item
    )


def _without_tags(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "Tags"}


_TAGGED = ("training-job", "model", "endpoint-config", "endpoint")

OPERATIONS: dict[str, Callable[[_Call], dict[str, Any]]] = {
    "CreateTrainingJob": _Call.create_training_job,
    "DescribeTrainingJob": _Call.describe_training_job,
    "StopTrainingJob": _Call.stop_training_job,
    "ListTrainingJobs": _Call.list_training_jobs,
    "CreateModel": _Call.create_model,
    "DescribeModel": _Call.describe_model,
    "DeleteModel": _Call.delete_model,
    "ListModels": _Call.list_models,
    "CreateEndpointConfig": _Call.create_endpoint_config,
    "DescribeEndpointConfig": _Call.describe_endpoint_config,
    "DeleteEndpointConfig": _Call.delete_endpoint_config,
    "ListEndpointConfigs": _Call.list_endpoint_configs,
    "CreateEndpoint": _Call.create_endpoint,
    "DescribeEndpoint": _Call.describe_endpoint,
    "UpdateEndpoint": _Call.update_endpoint,
    "DeleteEndpoint": _Call.delete_endpoint,
    "ListEndpoints": _Call.list_endpoints,
    "AddTags": _Call.add_tags,
    "ListTags": _Call.list_tags,
    "DeleteTags": _Call.delete_tags,
}
