"""Members of requests to SageMaker about models, endpoint configs, endpoints and tags, and of invocations.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html and the pages of the other
operations. What AWS makes of each member is known from the documentation only.
"""

from __future__ import annotations

from harness.localaws.register.member_class import Members, Only
from harness.localaws.register.training_members import NO_HUBS, NO_KEYS, NO_VPC

_ROLLOUT = "an update starts all new instances, then ends all old ones"
_ONE_CONTAINER = "a model has one container"
_NOT_KEPT = "its record of the resource lacks this"
_VARIANT = "ProductionVariants[]"
_SOURCE = "ModelDataSource.S3DataSource"


def _refused_of(path: str) -> dict[str, str]:
    """Return the members of a container definition that are refused."""
    return {
        f"{path}.ImageConfig.RepositoryAuthConfig": NO_VPC,
        f"{path}.AdditionalModelDataSources": "a container has one source of model data",
        f"{path}.{_SOURCE}.ModelAccessConfig {path}.{_SOURCE}.HubAccessConfig": NO_HUBS,
        f"{path}.{_SOURCE}.ManifestS3Uri {path}.{_SOURCE}.ManifestEtag {path}.{_SOURCE}.ETag": (
            "it reads the data itself, without manifest and checksum"
        ),
        f"{path}.ModelPackageName {path}.InferenceSpecificationName": "it does not host model packages",
        f"{path}.MultiModelConfig": "it has no multi-model endpoints",
        f"{path}.ContainerMetricsConfig": "it collects no metrics of containers",
    }


def _only_of(path: str) -> dict[str, Only]:
    """Return the members of a container definition that may have some values."""
    return {
        f"{path}.Mode": Only(("SingleModel",), "it has no multi-model endpoints"),
        f"{path}.ImageConfig.RepositoryAccessMode": Only(("Platform",), NO_VPC),
    }


def _lists(*more: str) -> Members:
    """Return the members of a List operation."""
    return Members(
        " ".join(
            ["SortBy SortOrder NextToken MaxResults NameContains CreationTimeBefore CreationTimeAfter", *more],
        )
    )


_CONTAINERS = ("PrimaryContainer", "Containers[]")

HOSTING = {
    "CreateModel": Members(
        "ModelName ExecutionRoleArn Tags[].Key Tags[].Value EnableNetworkIsolation "
        + " ".join(
            f"{path}.Image {path}.ModelDataUrl {path}.Environment{{}} "
            f"{path}.{_SOURCE}.S3Uri {path}.{_SOURCE}.S3DataType {path}.{_SOURCE}.CompressionType"
            for path in _CONTAINERS
        ),
        no_effect={f"{path}.ContainerHostname": _ONE_CONTAINER for path in _CONTAINERS},
        only={name: only for path in _CONTAINERS for name, only in _only_of(path).items()},
        refused={name: reason for path in _CONTAINERS for name, reason in _refused_of(path).items()}
        | {"InferenceExecutionConfig": _ONE_CONTAINER, "VpcConfig": NO_VPC},
    ),
    "DescribeModel": Members("ModelName"),
    "DeleteModel": Members("ModelName"),
    "ListModels": _lists(),
    "CreateEndpointConfig": Members(
        "EndpointConfigName Tags[].Key Tags[].Value "
        f"{_VARIANT}.VariantName {_VARIANT}.ModelName {_VARIANT}.InitialInstanceCount {_VARIANT}.InitialVariantWeight",
        no_effect={
            f"{_VARIANT}.InstanceType": "endpoints use this machine's cores, whatever the type",
            f"{_VARIANT}.VolumeSizeInGB": "endpoints use this machine's disk",
            f"{_VARIANT}.ModelDataDownloadTimeoutInSeconds": "model data is on this machine's disk",
            f"{_VARIANT}.InferenceAmiVersion": "an instance is a process, without a machine image",
        },
        only={
            f"{_VARIANT}.RoutingConfig.RoutingStrategy": Only(("RANDOM",), "it does not route by outstanding requests"),
            f"{_VARIANT}.EnableSSMAccess": Only((False,), "it opens no sessions in containers"),
            "EnableNetworkIsolation": Only((False,), "it has no inference components"),
        },
        refused={
            f"{_VARIANT}.ServerlessConfig": "it has no serverless endpoints; give InstanceType",
            f"{_VARIANT}.InstancePools {_VARIANT}.VariantInstanceProvisionTimeoutInSeconds": (
                "a variant has one instance type, which always has capacity"
            ),
            f"{_VARIANT}.AcceleratorType {_VARIANT}.AcceleratorPartitionLayouts": "it has no accelerators",
            f"{_VARIANT}.CoreDumpConfig": "it uploads no core dumps",
            f"{_VARIANT}.ContainerStartupHealthCheckTimeoutInSeconds": "a container has two minutes to answer a ping",
            f"{_VARIANT}.ManagedInstanceScaling": "it does not change the number of instances by itself",
            f"{_VARIANT}.RoutingConfig.PrefixAwareRoutingConfig": "it does not route by prefix",
            f"{_VARIANT}.CapacityReservationConfig": "it has no reserved capacity",
            "DataCaptureConfig": "it captures no data",
            "KmsKeyId": NO_KEYS,
            "AsyncInferenceConfig": "it has no asynchronous endpoints",
            "ExplainerConfig": "it has no explainers",
            "ShadowProductionVariants": "it has no shadow variants",
            "ExecutionRoleArn": "it has no inference components",
            "VpcConfig": NO_VPC,
            "MetricsConfig": "it has no CloudWatch metrics",
            "CrossRegionTrafficConfig": "its endpoints serve one region",
        },
    ),
    "DescribeEndpointConfig": Members("EndpointConfigName"),
    "DeleteEndpointConfig": Members("EndpointConfigName"),
    "ListEndpointConfigs": _lists(),
    "CreateEndpoint": Members(
        "EndpointName EndpointConfigName Tags[].Key Tags[].Value", refused={"DeploymentConfig": _ROLLOUT}
    ),
    "UpdateEndpoint": Members(
        "EndpointName EndpointConfigName RetainAllVariantProperties "
        "ExcludeRetainedVariantProperties[].VariantPropertyType",
        only={"RetainDeploymentConfig": Only((False,), _ROLLOUT)},
        refused={"DeploymentConfig": _ROLLOUT},
    ),
    "UpdateEndpointWeightsAndCapacities": Members(
        "EndpointName DesiredWeightsAndCapacities[].VariantName DesiredWeightsAndCapacities[].DesiredWeight "
        "DesiredWeightsAndCapacities[].DesiredInstanceCount",
        refused={"DesiredWeightsAndCapacities[].ServerlessUpdateConfig": "it has no serverless endpoints"},
    ),
    "DescribeEndpoint": Members("EndpointName"),
    "DeleteEndpoint": Members("EndpointName"),
    "ListEndpoints": _lists("LastModifiedTimeBefore LastModifiedTimeAfter StatusEquals"),
    "AddTags": Members("ResourceArn Tags[].Key Tags[].Value"),
    "ListTags": Members("ResourceArn NextToken MaxResults"),
    "DeleteTags": Members("ResourceArn TagKeys[]"),
}

RECORDS = {
    "CreateModelPackage": Members(
        refused={
            "ValidationSpecification SkipModelValidation": "it validates no model packages",
            "SourceAlgorithmSpecification": "it has no algorithm resources",
            "ModelPackageRegistrationType SourceUri SecurityConfig ModelCard ModelLifeCycle": _NOT_KEPT,
            "ManagedStorageType": _NOT_KEPT,
        }
    ),
    "UpdateModelPackage": Members(
        refused={"ModelPackageRegistrationType InferenceSpecification SourceUri ModelCard ModelLifeCycle": _NOT_KEPT}
    ),
    "CreateModelPackageGroup": Members(refused={"ManagedConfiguration": _NOT_KEPT}),
    "ListModelPackageGroups": Members(refused={"CrossAccountFilterOption": "it has one account"}),
    "DescribeModelPackage": Members(refused={"IncludedData": _NOT_KEPT}),
    "DescribeModelCard": Members(refused={"IncludedData": _NOT_KEPT}),
}
"""Members that records do not have. All others are kept."""

INVOCATION = {
    "InvokeEndpoint": Members(
        "EndpointName Body ContentType Accept CustomAttributes TargetVariant",
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
        no_effect={"InferenceId": "it marks captured data, and none is captured"},
        refused={
            "TargetModel": "it has no multi-model endpoints",
            "TargetContainerHostname": _ONE_CONTAINER,
            "EnableExplanations": "it has no explainers",
            "InferenceComponentName": "it has no inference components",
            "SessionId": "it has no sessions with models",
            "PrefixAwareId": "it does not route by prefix",
        },
    ),
}
