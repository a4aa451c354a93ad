"""Operations of the services other than SageMaker and S3, each in exactly one class."""

from __future__ import annotations

from harness.localaws.register.operation_class import Operations

RUNTIME = Operations(
    emulated={
        "the harness": "InvokeEndpoint",
    },
    refused={
        "asynchronous inference": "InvokeEndpointAsync",
        "streams of responses": "InvokeEndpointWithResponseStream",
    },
)
LOGS = Operations(
    emulated={
        "moto": (
            "CreateLogGroup CreateLogStream DeleteLogGroup DeleteLogStream DescribeLogGroups DescribeLogStreams "
            "FilterLogEvents GetLogEvents ListTagsForResource ListTagsLogGroup PutLogEvents TagLogGroup "
            "TagResource UntagLogGroup UntagResource"
        ),
    },
    recorded={
        "retention policies": "DeleteRetentionPolicy PutRetentionPolicy",
        "resource policies": ("DeleteResourcePolicy DescribeResourcePolicies PutResourcePolicy"),
    },
    refused={
        "deliveries, destinations and subscriptions": (
            "CreateDelivery DeleteDelivery DeleteDeliveryDestination DeleteDeliveryDestinationPolicy "
            "DeleteDeliverySource DeleteDestination DeleteSubscriptionFilter DescribeDeliveries "
            "DescribeDeliveryDestinations DescribeDeliverySources DescribeDestinations "
            "DescribeSubscriptionFilters GetDelivery GetDeliveryDestination GetDeliveryDestinationPolicy "
            "GetDeliverySource PutDeliveryDestination PutDeliveryDestinationPolicy PutDeliverySource "
            "PutDestination PutDestinationPolicy PutSubscriptionFilter UpdateDeliveryConfiguration"
        ),
        "exports and imports": (
            "CancelExportTask CancelImportTask CreateExportTask CreateImportTask DescribeExportTasks "
            "DescribeImportTaskBatches DescribeImportTasks"
        ),
        "metric filters": ("DeleteMetricFilter DescribeMetricFilters PutMetricFilter TestMetricFilter"),
        "queries": (
            "CreateLookupTable CreateScheduledQuery DeleteIndexPolicy DeleteLookupTable DeleteQueryDefinition "
            "DeleteScheduledQuery DescribeFieldIndexes DescribeIndexPolicies DescribeLookupTables "
            "DescribeQueries DescribeQueryDefinitions GetLogFields GetLogGroupFields GetLogObject GetLogRecord "
            "GetLookupTable GetQueryResults GetScheduledQuery GetScheduledQueryHistory ListLogGroupsForQuery "
            "ListScheduledQueries PutIndexPolicy PutQueryDefinition StartQuery StopQuery UpdateLookupTable "
            "UpdateScheduledQuery"
        ),
        "live tails": "StartLiveTail",
        "anomaly detection": (
            "CreateLogAnomalyDetector DeleteLogAnomalyDetector GetLogAnomalyDetector ListAnomalies "
            "ListLogAnomalyDetectors UpdateAnomaly UpdateLogAnomalyDetector"
        ),
        "encryption keys and data protection": (
            "AssociateKmsKey DeleteDataProtectionPolicy DisassociateKmsKey GetDataProtectionPolicy "
            "PutDataProtectionPolicy PutLogGroupDeletionProtection"
        ),
        "transformers and integrations": (
            "AssociateSourceToS3TableIntegration DeleteIntegration DeleteSyslogConfiguration DeleteTransformer "
            "DescribeConfigurationTemplates DisassociateSourceFromS3TableIntegration GetIntegration "
            "GetTransformer ListIntegrations ListSourcesForS3TableIntegration ListSyslogConfigurations "
            "PutBearerTokenAuthentication PutIntegration PutSyslogConfiguration PutTransformer TestTransformer"
        ),
        "account policies and storage tiers": (
            "DeleteAccountPolicy DescribeAccountPolicies GetStorageTierPolicy PutAccountPolicy PutStorageTierPolicy"
        ),
        "summaries of log groups": "ListAggregateLogGroupSummaries ListLogGroups",
    },
)
IAM = Operations(
    emulated={
        "the harness": "SimulatePrincipalPolicy",
        "moto; policies decide calls with --enforce-iam": (
            "AddUserToGroup AttachGroupPolicy AttachRolePolicy AttachUserPolicy CreateAccessKey CreateGroup "
            "CreatePolicy CreatePolicyVersion CreateRole CreateUser DeleteAccessKey DeleteGroup "
            "DeleteGroupPolicy DeletePolicy DeletePolicyVersion DeleteRole DeleteRolePermissionsBoundary "
            "DeleteRolePolicy DeleteUser DeleteUserPolicy DetachGroupPolicy DetachRolePolicy DetachUserPolicy "
            "GetGroup GetGroupPolicy GetPolicy GetPolicyVersion GetRole GetRolePolicy GetUser GetUserPolicy "
            "ListAccessKeys ListAttachedGroupPolicies ListAttachedRolePolicies ListAttachedUserPolicies "
            "ListEntitiesForPolicy ListGroupPolicies ListGroups ListGroupsForUser ListPolicies ListPolicyTags "
            "ListPolicyVersions ListRolePolicies ListRoleTags ListRoles ListUserPolicies ListUserTags ListUsers "
            "PutGroupPolicy PutRolePermissionsBoundary PutRolePolicy PutUserPolicy RemoveUserFromGroup "
            "SetDefaultPolicyVersion TagPolicy TagRole TagUser UntagPolicy UntagRole UntagUser UpdateAccessKey "
            "UpdateAssumeRolePolicy UpdateGroup UpdateRole UpdateRoleDescription UpdateUser"
        ),
    },
    recorded={
        "the account's alias and password policy": (
            "CreateAccountAlias DeleteAccountAlias DeleteAccountPasswordPolicy GetAccountPasswordPolicy "
            "ListAccountAliases UpdateAccountPasswordPolicy"
        ),
        "login profiles": ("CreateLoginProfile DeleteLoginProfile GetLoginProfile UpdateLoginProfile"),
        "identity providers": (
            "CreateOpenIDConnectProvider CreateSAMLProvider DeleteOpenIDConnectProvider DeleteSAMLProvider "
            "GetOpenIDConnectProvider GetSAMLProvider ListOpenIDConnectProviderTags ListOpenIDConnectProviders "
            "ListSAMLProviders TagOpenIDConnectProvider UntagOpenIDConnectProvider "
            "UpdateOpenIDConnectProviderThumbprint UpdateSAMLProvider"
        ),
        "certificates and SSH keys": (
            "DeleteSSHPublicKey DeleteServerCertificate DeleteSigningCertificate GetSSHPublicKey "
            "GetServerCertificate ListSSHPublicKeys ListServerCertificates ListSigningCertificates "
            "UpdateSSHPublicKey UpdateSigningCertificate UploadSSHPublicKey UploadServerCertificate "
            "UploadSigningCertificate"
        ),
        "summaries of the account": "GetAccountAuthorizationDetails GetAccountSummary",
    },
    refused={
        "delegation requests and tokens": (
            "AcceptDelegationRequest AcquireRole AssociateDelegationRequest CreateDelegationRequest "
            "GetDelegationRequest GetHumanReadableSummary GetRoleTemplateVersion ListDelegationRequests "
            "RejectDelegationRequest SendDelegationToken UpdateDelegationRequest"
        ),
        "reports on credentials and access": (
            "GenerateCredentialReport GenerateOrganizationsAccessReport GenerateServiceLastAccessedDetails "
            "GetAccessKeyLastUsed GetCredentialReport GetOrganizationsAccessReport "
            "GetServiceLastAccessedDetails GetServiceLastAccessedDetailsWithEntities "
            "ListPoliciesGrantingServiceAccess"
        ),
        "organizations and the settings of the account": (
            "DisableOrganizationsRootCredentialsManagement DisableOrganizationsRootSessions "
            "DisableOutboundWebIdentityFederation EnableOrganizationsRootCredentialsManagement "
            "EnableOrganizationsRootSessions EnableOutboundWebIdentityFederation GetAccountProperties "
            "GetOutboundWebIdentityFederationInfo ListOrganizationsFeatures PutAccountProperties "
            "SetSecurityTokenServicePreferences"
        ),
        "simulation of custom policies": (
            "GetContextKeysForCustomPolicy GetContextKeysForPrincipalPolicy SimulateCustomPolicy"
        ),
        "permissions boundaries of users": "DeleteUserPermissionsBoundary PutUserPermissionsBoundary",
        "service-specific credentials and passwords": (
            "ChangePassword CreateServiceSpecificCredential DeleteServiceSpecificCredential "
            "ListServiceSpecificCredentials ResetServiceSpecificCredential UpdateServiceSpecificCredential"
        ),
        "instance profiles": (
            "AddRoleToInstanceProfile CreateInstanceProfile DeleteInstanceProfile GetInstanceProfile "
            "ListInstanceProfileTags ListInstanceProfiles ListInstanceProfilesForRole "
            "RemoveRoleFromInstanceProfile TagInstanceProfile UntagInstanceProfile"
        ),
        "MFA devices": (
            "CreateVirtualMFADevice DeactivateMFADevice DeleteVirtualMFADevice EnableMFADevice GetMFADevice "
            "ListMFADeviceTags ListMFADevices ListVirtualMFADevices ResyncMFADevice TagMFADevice UntagMFADevice"
        ),
        "service-linked roles": ("CreateServiceLinkedRole DeleteServiceLinkedRole GetServiceLinkedRoleDeletionStatus"),
        "other changes to identity providers and certificates": (
            "AddClientIDToOpenIDConnectProvider ListSAMLProviderTags ListServerCertificateTags "
            "RemoveClientIDFromOpenIDConnectProvider TagSAMLProvider TagServerCertificate UntagSAMLProvider "
            "UntagServerCertificate UpdateOpenIDConnectProvider UpdateServerCertificate"
        ),
    },
)
STS = Operations(
    emulated={
        "moto": ("AssumeRole GetAccessKeyInfo GetCallerIdentity GetFederationToken GetSessionToken"),
    },
    refused={
        "verification of tokens of identity providers": "AssumeRoleWithSAML AssumeRoleWithWebIdentity",
        "sessions of the root user": "AssumeRoot",
        "encoded messages": "DecodeAuthorizationMessage",
        "tokens for other parties": ("GetDelegatedAccessToken GetScopedCredentials GetWebIdentityToken"),
    },
)
QUOTAS = Operations(
    emulated={
        "the harness": ("GetAWSDefaultServiceQuota GetServiceQuota ListAWSDefaultServiceQuotas ListServiceQuotas"),
    },
    refused={
        "increases of quotas": (
            "AssociateServiceQuotaTemplate CreateSupportCase DeleteServiceQuotaIncreaseRequestFromTemplate "
            "DisassociateServiceQuotaTemplate GetAssociationForServiceQuotaTemplate "
            "GetRequestedServiceQuotaChange GetServiceQuotaIncreaseRequestFromTemplate "
            "ListRequestedServiceQuotaChangeHistory ListRequestedServiceQuotaChangeHistoryByQuota "
            "ListServiceQuotaIncreaseRequestsInTemplate PutServiceQuotaIncreaseRequestIntoTemplate "
            "RequestServiceQuotaIncrease"
        ),
        "automatic management of quotas": (
            "GetAutoManagementConfiguration StartAutoManagement StopAutoManagement UpdateAutoManagement"
        ),
        "reports on the use of quotas": "GetQuotaUtilizationReport StartQuotaUtilizationReport",
        "tags of quotas": "ListTagsForResource TagResource UntagResource",
        "quotas of other services": "ListServices",
    },
)
PRICING = Operations(
    emulated={
        "the harness": "GetProducts",
    },
    refused={
        "price list files": "GetPriceListFileUrl ListPriceLists",
        "the catalog of services": "DescribeServices GetAttributeValues",
    },
)
TAGGING = Operations(
    emulated={
        "moto": "GetResources GetTagKeys GetTagValues",
    },
    refused={
        "tagging across services": "TagResources UntagResources",
        "reports and tag policies": (
            "DescribeReportCreation GetComplianceSummary ListRequiredTags StartReportCreation"
        ),
    },
)
