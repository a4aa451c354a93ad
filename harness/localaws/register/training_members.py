"""Members of requests to SageMaker about training jobs.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html. What AWS makes of each member
is known from the documentation only.
"""

from __future__ import annotations

from harness.localaws.register.member_class import Members, Only

NO_VPC = "it has no VPC, so no subnet and no security group exists"
NO_KEYS = "it has no KMS, so no key exists"
NO_HUBS = "it has no model hubs"
_CHANNEL = "InputDataConfig[]"
_SOURCE = f"{_CHANNEL}.DataSource.S3DataSource"
_ALGORITHM = "AlgorithmSpecification"

TRAINING = {
    "CreateTrainingJob": Members(
        f"TrainingJobName RoleArn HyperParameters{{}} Environment{{}} Tags[].Key Tags[].Value EnableNetworkIsolation "
        f"{_ALGORITHM}.TrainingImage {_ALGORITHM}.TrainingInputMode "
        f"{_ALGORITHM}.MetricDefinitions[].Name {_ALGORITHM}.MetricDefinitions[].Regex "
        f"{_CHANNEL}.ChannelName {_CHANNEL}.ContentType {_CHANNEL}.InputMode "
        f"{_CHANNEL}.CompressionType {_CHANNEL}.RecordWrapperType {_CHANNEL}.ShuffleConfig.Seed "
        f"{_SOURCE}.S3DataType {_SOURCE}.S3Uri {_SOURCE}.S3DataDistributionType "
        "OutputDataConfig.S3OutputPath ResourceConfig.InstanceCount "
        "StoppingCondition.MaxRuntimeInSeconds StoppingCondition.MaxWaitTimeInSeconds "
        "EnableManagedSpotTraining CheckpointConfig.S3Uri CheckpointConfig.LocalPath",
        no_effect={
            "ResourceConfig.InstanceType": "training uses this machine's cores, whatever the type",
            "ResourceConfig.VolumeSizeInGB": "training uses this machine's disk",
            "StoppingCondition.MaxPendingTimeInSeconds": "no job waits for capacity",
            "EnableInterContainerTrafficEncryption": "traffic between instances does not leave this machine",
            # The SageMaker Python SDK adds these to every job by default, without a wish of the user.
            "DebugHookConfig.S3OutputPath": "no tensors are saved, since no collection may be named",
            "ProfilerConfig.S3OutputPath ProfilerConfig.DisableProfiler": "no metrics of an instance are recorded",
        },
        only={
            "OutputDataConfig.CompressionType": Only(("GZIP",), "it uploads models as model.tar.gz"),
            f"{_ALGORITHM}.EnableSageMakerMetricsTimeSeries": Only((False,), "it keeps the last value of each metric"),
            f"{_ALGORITHM}.TrainingImageConfig.TrainingRepositoryAccessMode": Only(("Platform",), NO_VPC),
            "RemoteDebugConfig.EnableRemoteDebug": Only((False,), "it opens no sessions in containers"),
            "InfraCheckConfig.EnableInfraCheck": Only((False,), "it has no instances to check"),
            "SessionChainingConfig.EnableSessionTagChaining": Only((False,), "sessions of roles have no tags"),
        },
        refused={
            f"{_ALGORITHM}.AlgorithmName": "it has no algorithm resources",
            f"{_ALGORITHM}.ContainerEntrypoint {_ALGORITHM}.ContainerArguments": (
                "an image runs the command that was registered for it"
            ),
            f"{_ALGORITHM}.TrainingImageConfig.TrainingRepositoryAuthConfig": NO_VPC,
            f"{_SOURCE}.AttributeNames": "it does not read augmented manifests",
            f"{_SOURCE}.InstanceGroupNames ResourceConfig.InstanceGroups": "it trains on equal instances",
            f"{_SOURCE}.ModelAccessConfig {_SOURCE}.HubAccessConfig": NO_HUBS,
            f"{_CHANNEL}.DataSource.FileSystemDataSource": "it has neither EFS nor FSx",
            f"{_CHANNEL}.DataSource.DatasetSource": "it has no datasets",
            "OutputDataConfig.KmsKeyId ResourceConfig.VolumeKmsKeyId": NO_KEYS,
            "ResourceConfig.KeepAlivePeriodInSeconds": "it has no warm pools",
            "ResourceConfig.TrainingPlanArn": "it has no training plans",
            "ResourceConfig.InstancePlacementConfig": "it has no UltraServers",
            "ResourceConfig.InstancePreferences ResourceConfig.SelectedInstanceType "
            "ResourceConfig.SelectedInstanceCount": "it does not choose among instance types",
            "VpcConfig": NO_VPC,
            "DebugHookConfig.LocalPath DebugHookConfig.HookParameters DebugHookConfig.CollectionConfigurations "
            "DebugRuleConfigurations": "it has no debugger",
            "ProfilerConfig.ProfilingIntervalInMilliseconds ProfilerConfig.ProfilingParameters "
            "ProfilerRuleConfigurations": "it has no profiler",
            "TensorBoardOutputConfig": "it uploads no TensorBoard output",
            "ExperimentConfig": "it adds no jobs to experiments",
            "RetryStrategy": "it does not start failed jobs again",
            "ServerlessJobConfig": "it trains on instances",
            "MlflowConfig": "it has no MLflow",
            "ModelPackageConfig": "it creates no model packages",
        },
    ),
    "DescribeTrainingJob": Members("TrainingJobName"),
    "StopTrainingJob": Members("TrainingJobName"),
    "ListTrainingJobs": Members(
        "NextToken MaxResults CreationTimeAfter CreationTimeBefore LastModifiedTimeAfter LastModifiedTimeBefore "
        "NameContains StatusEquals SortBy SortOrder",
        refused={
            "WarmPoolStatusEquals": "it has no warm pools",
            "TrainingPlanArnEquals": "it has no training plans",
        },
    ),
}
