"""Members of the input of the emulated operations of the services other than SageMaker and S3."""

from __future__ import annotations

import re

from harness.localaws.register.member_class import Members, Only
from harness.localaws.register.training_members import NO_KEYS

_ONE_PAGE = "the whole list is one page"
_PAGE_MARKER = {"Marker": Only(re.compile(r"\d+"), "no page has this marker")}
_ANY_DURATION = "sessions of a role last as long as they are asked to"
_NO_SIGN_IN = "it has no sign-in sessions"
_NOT_FILTERED = "it does not filter log groups by this"
_NO_SESSION_PARTS = "it does not evaluate this part of a session"
_NOTHING_MASKED = "no data is masked"
_STANDARD = Only(("STANDARD",), "it has log groups of class STANDARD")
_SEARCHED = Only(
    re.compile(r'|[A-Za-z]\w*(?: \w+)*|"[^"]*"'), "it searches for words that must all occur, or for one quoted phrase"
)

LOGS = {
    "CreateLogGroup": Members(
        "logGroupName tags{}",
        only={"logGroupClass": _STANDARD, "deletionProtectionEnabled": Only((False,), "it protects no log group")},
        refused={"kmsKeyId": NO_KEYS},
    ),
    "CreateLogStream": Members("logGroupName logStreamName"),
    "DeleteLogGroup": Members("logGroupName"),
    "DeleteLogStream": Members("logGroupName logStreamName"),
    "DescribeLogGroups": Members(
        "logGroupNamePrefix nextToken limit",
        only={
            "logGroupClass": _STANDARD,
            "includeLinkedAccounts": Only((False,), "it has one account"),
        },
        refused={
            "accountIdentifiers": "it has one account",
            "logGroupNamePattern logGroupIdentifiers": _NOT_FILTERED,
        },
    ),
    "DescribeLogStreams": Members(
        "logGroupName logGroupIdentifier logStreamNamePrefix orderBy descending nextToken limit"
    ),
    "FilterLogEvents": Members(
        "logGroupName logStreamNames[] logStreamNamePrefix startTime endTime nextToken limit interleaved",
        no_effect={"unmask": _NOTHING_MASKED},
        only={"filterPattern": _SEARCHED, "startFromHead": Only((True,), "it answers the oldest events first")},
        refused={"logGroupIdentifier": "it finds log groups by logGroupName here"},
    ),
    "GetLogEvents": Members(
        "logGroupName logGroupIdentifier logStreamName startTime endTime nextToken limit startFromHead",
        no_effect={"unmask": _NOTHING_MASKED},
    ),
    "ListTagsForResource": Members("resourceArn"),
    "ListTagsLogGroup": Members("logGroupName"),
    "PutLogEvents": Members(
        "logGroupName logStreamName logEvents[].timestamp logEvents[].message",
        # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
        no_effect={"sequenceToken": "AWS ignores it too"},
        refused={"entity": "it has no entities"},
    ),
    "TagLogGroup": Members("logGroupName tags{}"),
    "TagResource": Members("resourceArn tags{}"),
    "UntagLogGroup": Members("logGroupName tags[]"),
    "UntagResource": Members("resourceArn tagKeys[]"),
}

IAM = {
    "SimulatePrincipalPolicy": Members(
        "PolicySourceArn PolicyInputList[] ActionNames[] ResourceArns[] MaxItems "
        "ContextEntries[].ContextKeyName ContextEntries[].ContextKeyValues[]",
        only=_PAGE_MARKER,
        no_effect={"ContextEntries[].ContextKeyType": "a condition's operator decides how a value is read"},
        refused={
            "PermissionsBoundaryPolicyInputList": "it simulates the boundary that the role has",
            "ResourcePolicy ResourceOwner ResourceHandlingOption": "it evaluates no policies of resources",
            "CallerArn": "the caller is the principal",
            "PolicyExclusionList": "it simulates all policies of the principal",
        },
    ),
    "AddUserToGroup": Members("GroupName UserName"),
    "AttachGroupPolicy": Members("GroupName PolicyArn"),
    "AttachRolePolicy": Members("RoleName PolicyArn"),
    "AttachUserPolicy": Members("UserName PolicyArn"),
    "CreateAccessKey": Members("UserName"),
    "CreateGroup": Members("Path GroupName"),
    "CreatePolicy": Members("PolicyName Path PolicyDocument Description Tags[].Key Tags[].Value"),
    "CreatePolicyVersion": Members("PolicyArn PolicyDocument SetAsDefault"),
    "CreateRole": Members(
        "Path RoleName AssumeRolePolicyDocument Description PermissionsBoundary Tags[].Key Tags[].Value",
        no_effect={"MaxSessionDuration": _ANY_DURATION},
        refused={"MaxSigninSessionDuration": _NO_SIGN_IN},
    ),
    "CreateUser": Members(
        "Path UserName Tags[].Key Tags[].Value", refused={"PermissionsBoundary": "users have no permissions boundaries"}
    ),
    "DeleteAccessKey": Members("UserName AccessKeyId"),
    "DeleteGroup": Members("GroupName"),
    "DeleteGroupPolicy": Members("GroupName PolicyName"),
    "DeletePolicy": Members("PolicyArn"),
    "DeletePolicyVersion": Members("PolicyArn VersionId"),
    "DeleteRole": Members("RoleName"),
    "DeleteRolePermissionsBoundary": Members("RoleName"),
    "DeleteRolePolicy": Members("RoleName PolicyName"),
    "DeleteUser": Members("UserName"),
    "DeleteUserPolicy": Members("UserName PolicyName"),
    "DetachGroupPolicy": Members("GroupName PolicyArn"),
    "DetachRolePolicy": Members("RoleName PolicyArn"),
    "DetachUserPolicy": Members("UserName PolicyArn"),
    "GetGroup": Members("GroupName", no_effect={"MaxItems": _ONE_PAGE}, refused={"Marker": _ONE_PAGE}),
    "GetGroupPolicy": Members("GroupName PolicyName"),
    "GetPolicy": Members("PolicyArn"),
    "GetPolicyVersion": Members("PolicyArn VersionId"),
    "GetRole": Members("RoleName"),
    "GetRolePolicy": Members("RoleName PolicyName"),
    "GetUser": Members("UserName"),
    "GetUserPolicy": Members("UserName PolicyName"),
    "ListAccessKeys": Members("UserName", no_effect={"MaxItems": _ONE_PAGE}, refused={"Marker": _ONE_PAGE}),
    "ListAttachedGroupPolicies": Members("GroupName PathPrefix MaxItems", only=_PAGE_MARKER),
    "ListAttachedRolePolicies": Members("RoleName PathPrefix MaxItems", only=_PAGE_MARKER),
    "ListAttachedUserPolicies": Members("UserName PathPrefix MaxItems", only=_PAGE_MARKER),
    "ListEntitiesForPolicy": Members(
        "PolicyArn EntityFilter PathPrefix MaxItems",
        only=_PAGE_MARKER,
        refused={"PolicyUsageFilter": "it does not distinguish boundaries from policies"},
    ),
    "ListGroupPolicies": Members("GroupName", no_effect={"MaxItems": _ONE_PAGE}, refused={"Marker": _ONE_PAGE}),
    "ListGroups": Members(
        no_effect={"MaxItems": _ONE_PAGE},
        refused={"PathPrefix": "it does not filter groups by path", "Marker": _ONE_PAGE},
    ),
    "ListGroupsForUser": Members("UserName", no_effect={"MaxItems": _ONE_PAGE}, refused={"Marker": _ONE_PAGE}),
    "ListPolicies": Members(
        "Scope OnlyAttached PathPrefix MaxItems",
        only=_PAGE_MARKER,
        refused={"PolicyUsageFilter": "it does not distinguish boundaries from policies"},
    ),
    "ListPolicyTags": Members("PolicyArn MaxItems", only=_PAGE_MARKER),
    "ListPolicyVersions": Members("PolicyArn", no_effect={"MaxItems": _ONE_PAGE}, refused={"Marker": _ONE_PAGE}),
    "ListRolePolicies": Members("RoleName", no_effect={"MaxItems": _ONE_PAGE}, refused={"Marker": _ONE_PAGE}),
    "ListRoleTags": Members("RoleName MaxItems", only=_PAGE_MARKER),
    "ListRoles": Members("PathPrefix MaxItems", only=_PAGE_MARKER),
    "ListUserPolicies": Members("UserName", no_effect={"MaxItems": _ONE_PAGE}, refused={"Marker": _ONE_PAGE}),
    "ListUserTags": Members("UserName", no_effect={"MaxItems": _ONE_PAGE}, refused={"Marker": _ONE_PAGE}),
    "ListUsers": Members("PathPrefix MaxItems", only=_PAGE_MARKER),
    "PutGroupPolicy": Members("GroupName PolicyName PolicyDocument"),
    "PutRolePermissionsBoundary": Members("RoleName PermissionsBoundary"),
    "PutRolePolicy": Members("RoleName PolicyName PolicyDocument"),
    "PutUserPolicy": Members("UserName PolicyName PolicyDocument"),
    "RemoveUserFromGroup": Members("GroupName UserName"),
    "SetDefaultPolicyVersion": Members("PolicyArn VersionId"),
    "TagPolicy": Members("PolicyArn Tags[].Key Tags[].Value"),
    "TagRole": Members("RoleName Tags[].Key Tags[].Value"),
    "TagUser": Members("UserName Tags[].Key Tags[].Value"),
    "UntagPolicy": Members("PolicyArn TagKeys[]"),
    "UntagRole": Members("RoleName TagKeys[]"),
    "UntagUser": Members("UserName TagKeys[]"),
    "UpdateAccessKey": Members("UserName AccessKeyId Status"),
    "UpdateAssumeRolePolicy": Members("RoleName PolicyDocument"),
    "UpdateGroup": Members("GroupName NewPath NewGroupName"),
    "UpdateRole": Members(
        "RoleName Description",
        no_effect={"MaxSessionDuration": _ANY_DURATION},
        refused={"MaxSigninSessionDuration": _NO_SIGN_IN, "ResetMaxSigninSessionDuration": _NO_SIGN_IN},
    ),
    "UpdateRoleDescription": Members("RoleName Description"),
    "UpdateUser": Members("UserName NewPath NewUserName"),
}

_SESSION = "RoleArn RoleSessionName Policy DurationSeconds"
_PARTS = "PolicyArns Tags TransitiveTagKeys SerialNumber TokenCode SourceIdentity ProvidedContexts"
STS = {
    "AssumeRole": Members(f"{_SESSION} ExternalId", refused={f"{_PARTS} MinimumSessionTokenSize": _NO_SESSION_PARTS}),
    "GetAccessKeyInfo": Members("AccessKeyId"),
    "GetCallerIdentity": Members(),
    "GetFederationToken": Members(
        "Name Policy DurationSeconds", refused={"PolicyArns Tags MinimumSessionTokenSize": _NO_SESSION_PARTS}
    ),
    "GetSessionToken": Members(
        "DurationSeconds", refused={"SerialNumber TokenCode MinimumSessionTokenSize": _NO_SESSION_PARTS}
    ),
}

_QUOTA = "ServiceCode QuotaCode"
_QUOTAS = "ServiceCode NextToken MaxResults"
QUOTAS = {
    "GetAWSDefaultServiceQuota": Members(_QUOTA),
    "GetServiceQuota": Members(_QUOTA, refused={"ContextId": "it has quotas of accounts"}),
    "ListAWSDefaultServiceQuotas": Members(_QUOTAS),
    "ListServiceQuotas": Members(
        f"{_QUOTAS} QuotaCode", only={"QuotaAppliedAtLevel": Only(("ACCOUNT", "ALL"), "it has quotas of accounts")}
    ),
}

PRICING = {
    "GetProducts": Members(
        "ServiceCode NextToken MaxResults Filters[].Field Filters[].Value",
        only={
            "FormatVersion": Only(("aws_v1",), "it has one format"),
            "Filters[].Type": Only(("TERM_MATCH", "EQUALS"), "it compares whole values"),
        },
    ),
}

TAGGING = {
    "GetResources": Members(
        "PaginationToken TagFilters[].Key TagFilters[].Values[] ResourcesPerPage TagsPerPage ResourceTypeFilters[] "
        "ResourceARNList[]",
        only={
            "IncludeComplianceDetails ExcludeCompliantResources": Only((False,), "it has no tag policies"),
        },
    ),
    "GetTagKeys": Members("PaginationToken"),
    "GetTagValues": Members("PaginationToken Key"),
}
