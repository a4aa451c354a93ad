"""Operations of SageMaker, each in exactly one class."""

from __future__ import annotations

from harness.localaws.register.operation_class import Operations

SAGEMAKER = Operations(
    emulated={
        "the harness": (
            "AddTags CreateEndpoint CreateEndpointConfig CreateModel CreateTrainingJob DeleteEndpoint "
            "DeleteEndpointConfig DeleteModel DeleteTags DescribeEndpoint DescribeEndpointConfig DescribeModel "
            "DescribeTrainingJob ListEndpointConfigs ListEndpoints ListModels ListTags ListTrainingJobs "
            "StopTrainingJob UpdateEndpoint UpdateEndpointWeightsAndCapacities"
        )
    },
    recorded={
        "model packages and their groups": (
            "CreateModelPackage CreateModelPackageGroup DescribeModelPackage DescribeModelPackageGroup "
            "ListModelPackageGroups ListModelPackages UpdateModelPackage"
        ),
        "model cards": (
            "CreateModelCard DeleteModelCard DescribeModelCard ListModelCardVersions ListModelCards UpdateModelCard"
        ),
    },
    refused={
        "batch transform": ("CreateTransformJob DescribeTransformJob ListTransformJobs StopTransformJob"),
        "processing jobs": (
            "CreateProcessingJob DeleteProcessingJob DescribeProcessingJob ListProcessingJobs StopProcessingJob"
        ),
        "hyperparameter tuning": (
            "CreateHyperParameterTuningJob DeleteHyperParameterTuningJob DescribeHyperParameterTuningJob "
            "ListHyperParameterTuningJobs ListTrainingJobsForHyperParameterTuningJob "
            "StopHyperParameterTuningJob"
        ),
        "AutoML": (
            "CreateAutoMLJob CreateAutoMLJobV2 DescribeAutoMLJob DescribeAutoMLJobV2 ListAutoMLJobs "
            "ListCandidatesForAutoMLJob StopAutoMLJob"
        ),
        "compilation and optimization jobs": (
            "CreateCompilationJob CreateOptimizationJob DeleteCompilationJob DeleteOptimizationJob "
            "DescribeCompilationJob DescribeOptimizationJob ListCompilationJobs ListOptimizationJobs "
            "StopCompilationJob StopOptimizationJob"
        ),
        "pipelines": (
            "CreatePipeline DeletePipeline DescribePipeline DescribePipelineDefinitionForExecution "
            "DescribePipelineExecution ListPipelineExecutionSteps ListPipelineExecutions "
            "ListPipelineParametersForExecution ListPipelineVersions ListPipelines RetryPipelineExecution "
            "SendPipelineExecutionStepFailure SendPipelineExecutionStepSuccess StartPipelineExecution "
            "StopPipelineExecution UpdatePipeline UpdatePipelineExecution UpdatePipelineVersion"
        ),
        "notebook instances": (
            "CreateCodeRepository CreateNotebookInstance CreateNotebookInstanceLifecycleConfig "
            "CreatePresignedNotebookInstanceUrl DeleteCodeRepository DeleteNotebookInstance "
            "DeleteNotebookInstanceLifecycleConfig DescribeCodeRepository DescribeNotebookInstance "
            "DescribeNotebookInstanceLifecycleConfig ListCodeRepositories ListNotebookInstanceLifecycleConfigs "
            "ListNotebookInstances StartNotebookInstance StopNotebookInstance UpdateCodeRepository "
            "UpdateNotebookInstance UpdateNotebookInstanceLifecycleConfig"
        ),
        "MLflow": (
            "CreateMlflowApp CreateMlflowTrackingServer CreatePresignedMlflowAppUrl "
            "CreatePresignedMlflowTrackingServerUrl DeleteMlflowApp DeleteMlflowTrackingServer "
            "DescribeMlflowApp DescribeMlflowTrackingServer ListMlflowApps ListMlflowTrackingServers "
            "StartMlflowTrackingServer StopMlflowTrackingServer UpdateMlflowApp UpdateMlflowTrackingServer"
        ),
        "HyperPod clusters": (
            "AttachClusterNodeNetworkInterface AttachClusterNodeVolume BatchAddClusterNodes "
            "BatchDeleteClusterNodes BatchRebootClusterNodes BatchReplaceClusterNodes CreateCluster "
            "CreateClusterExtension CreateClusterSchedulerConfig CreateComputeQuota DeleteCluster "
            "DeleteClusterExtension DeleteClusterSchedulerConfig DeleteComputeQuota DescribeCluster "
            "DescribeClusterEvent DescribeClusterExtension DescribeClusterNode DescribeClusterOperation "
            "DescribeClusterSchedulerConfig DescribeComputeQuota DetachClusterNodeVolume ListClusterEvents "
            "ListClusterExtensionVersions ListClusterExtensions ListClusterNodes ListClusterOperations "
            "ListClusterSchedulerConfigs ListClusters ListComputeQuotas MoveClusterNodes "
            "StartClusterHealthCheck UpdateCluster UpdateClusterExtension UpdateClusterSchedulerConfig "
            "UpdateClusterSoftware UpdateComputeQuota"
        ),
        "labeling and human review": (
            "CreateFlowDefinition CreateHumanTaskUi CreateLabelingJob CreateWorkforce CreateWorkteam "
            "DeleteFlowDefinition DeleteHumanTaskUi DeleteWorkforce DeleteWorkteam DescribeFlowDefinition "
            "DescribeHumanTaskUi DescribeLabelingJob DescribeSubscribedWorkteam DescribeWorkforce "
            "DescribeWorkteam ListFlowDefinitions ListHumanTaskUis ListLabelingJobs ListLabelingJobsForWorkteam "
            "ListSubscribedWorkteams ListWorkforces ListWorkteams RenderUiTemplate StopLabelingJob "
            "UpdateWorkforce UpdateWorkteam"
        ),
        "feature store": (
            "CreateFeatureGroup DeleteFeatureGroup DescribeFeatureGroup DescribeFeatureMetadata "
            "ListFeatureGroups UpdateFeatureGroup UpdateFeatureMetadata"
        ),
        "model monitoring": (
            "CreateDataQualityJobDefinition CreateModelBiasJobDefinition CreateModelExplainabilityJobDefinition "
            "CreateModelQualityJobDefinition CreateMonitoringSchedule DeleteDataQualityJobDefinition "
            "DeleteModelBiasJobDefinition DeleteModelExplainabilityJobDefinition "
            "DeleteModelQualityJobDefinition DeleteMonitoringSchedule DescribeDataQualityJobDefinition "
            "DescribeModelBiasJobDefinition DescribeModelExplainabilityJobDefinition "
            "DescribeModelQualityJobDefinition DescribeMonitoringSchedule ListDataQualityJobDefinitions "
            "ListModelBiasJobDefinitions ListModelExplainabilityJobDefinitions ListModelQualityJobDefinitions "
            "ListMonitoringAlertHistory ListMonitoringAlerts ListMonitoringExecutions ListMonitoringSchedules "
            "StartMonitoringSchedule StopMonitoringSchedule UpdateMonitoringAlert UpdateMonitoringSchedule"
        ),
        "edge devices": (
            "CreateDeviceFleet CreateEdgeDeploymentPlan CreateEdgeDeploymentStage CreateEdgePackagingJob "
            "DeleteDeviceFleet DeleteEdgeDeploymentPlan DeleteEdgeDeploymentStage DeregisterDevices "
            "DescribeDevice DescribeDeviceFleet DescribeEdgeDeploymentPlan DescribeEdgePackagingJob "
            "GetDeviceFleetReport ListDeviceFleets ListDevices ListEdgeDeploymentPlans ListEdgePackagingJobs "
            "ListStageDevices RegisterDevices StartEdgeDeploymentStage StopEdgeDeploymentStage "
            "StopEdgePackagingJob UpdateDeviceFleet UpdateDevices"
        ),
        "inference components and recommendations": (
            "AddInferenceGateway CreateAIBenchmarkJob CreateAIRecommendationJob CreateAIWorkloadConfig "
            "CreateGlobalInferenceGateway CreateInferenceComponent CreateInferenceExperiment "
            "CreateInferenceRecommendationsJob CreateInferenceRouter DeleteAIBenchmarkJob "
            "DeleteAIRecommendationJob DeleteAIWorkloadConfig DeleteGlobalInferenceGateway "
            "DeleteInferenceComponent DeleteInferenceExperiment DeleteInferenceRouter DescribeAIBenchmarkJob "
            "DescribeAIRecommendationJob DescribeAIWorkloadConfig DescribeGlobalInferenceGateway "
            "DescribeInferenceComponent DescribeInferenceExperiment DescribeInferenceRecommendationsJob "
            "DescribeInferenceRouter GetScalingConfigurationRecommendation ListAIBenchmarkJobs "
            "ListAIRecommendationJobs ListAIWorkloadConfigs ListGlobalInferenceGateways ListInferenceComponents "
            "ListInferenceExperiments ListInferenceGateways ListInferenceRecommendationsJobSteps "
            "ListInferenceRecommendationsJobs ListInferenceRouters RemoveInferenceGateway "
            "StartInferenceExperiment StopAIBenchmarkJob StopAIRecommendationJob StopInferenceExperiment "
            "StopInferenceRecommendationsJob UpdateGlobalInferenceGateway UpdateInferenceComponent "
            "UpdateInferenceComponentRuntimeConfig UpdateInferenceExperiment UpdateInferenceRouter"
        ),
        "endpoint policies": "DeleteEndpointPolicy GetEndpointPolicy PutEndpointPolicy",
        "lineage": (
            "AddAssociation CreateAction CreateArtifact CreateContext DeleteAction DeleteArtifact "
            "DeleteAssociation DeleteContext DescribeAction DescribeArtifact DescribeContext "
            "DescribeLineageGroup GetLineageGroupPolicy ListActions ListArtifacts ListAssociations ListContexts "
            "ListLineageGroups QueryLineage UpdateAction UpdateArtifact UpdateContext"
        ),
        "search": "GetSearchSuggestions Search",
        "model hubs": (
            "CreateHub CreateHubContentPresignedUrls CreateHubContentReference DeleteHub DeleteHubContent "
            "DeleteHubContentReference DescribeHub DescribeHubContent ImportHubContent ListHubContentVersions "
            "ListHubContents ListHubs UpdateHub UpdateHubContent UpdateHubContentReference"
        ),
        "algorithm resources": ("CreateAlgorithm DeleteAlgorithm DescribeAlgorithm ListAlgorithms ListModelMetadata"),
        "training plans": (
            "CreateTrainingPlan DescribeReservedCapacity DescribeTrainingPlan "
            "DescribeTrainingPlanExtensionHistory ExtendTrainingPlan ListTrainingPlans "
            "ListUltraServersByReservedCapacity SearchTrainingPlanOfferings"
        ),
        "deletion and policies of model packages": (
            "BatchDescribeModelPackage CreateModelCardExportJob DeleteModelPackage DeleteModelPackageGroup "
            "DeleteModelPackageGroupPolicy DescribeModelCardExportJob GetModelPackageGroupPolicy "
            "ListModelCardExportJobs PutModelPackageGroupPolicy"
        ),
        "experiments": (
            "AssociateTrialComponent CreateExperiment CreateTrial CreateTrialComponent DeleteExperiment "
            "DeleteTrial DeleteTrialComponent DescribeExperiment DescribeTrial DescribeTrialComponent "
            "DisassociateTrialComponent ListExperiments ListTrialComponents ListTrials UpdateExperiment "
            "UpdateTrial UpdateTrialComponent"
        ),
        "deletion and update of training jobs": "DeleteTrainingJob UpdateTrainingJob",
        "model customization jobs": (
            "CreateJob CreateTrainingSession DeleteJob DeleteTrainingSession DescribeJob "
            "DescribeJobSchemaVersion DescribeTrainingSession ListJobSchemaVersions ListJobs "
            "ListTrainingSessions StopJob StopTrainingSession"
        ),
        "Studio": (
            "CreateApp CreateAppImageConfig CreateDomain CreateImage CreateImageVersion CreatePartnerApp "
            "CreatePartnerAppPresignedUrl CreatePresignedDomainUrl CreateProject CreateSpace "
            "CreateStudioLifecycleConfig CreateUserProfile DeleteApp DeleteAppImageConfig DeleteDomain "
            "DeleteImage DeleteImageVersion DeletePartnerApp DeleteProject DeleteSpace "
            "DeleteStudioLifecycleConfig DeleteUserProfile DescribeApp DescribeAppImageConfig DescribeDomain "
            "DescribeImage DescribeImageVersion DescribePartnerApp DescribeProject DescribeSpace "
            "DescribeStudioLifecycleConfig DescribeUserProfile DisableSagemakerServicecatalogPortfolio "
            "EnableSagemakerServicecatalogPortfolio GetSagemakerServicecatalogPortfolioStatus ListAliases "
            "ListAppImageConfigs ListApps ListDomains ListImageVersions ListImages ListPartnerApps ListProjects "
            "ListResourceCatalogs ListSpaces ListStudioLifecycleConfigs ListUserProfiles StartSession "
            "UpdateAppImageConfig UpdateDomain UpdateImage UpdateImageVersion UpdatePartnerApp UpdateProject "
            "UpdateSpace UpdateUserProfile"
        ),
    },
)
