"""Policies of :mod:`harness.aws.account.permissions` as JSON, CloudFormation and Terraform.

The templates make the execution role and the caller's policy. For a repository on GitHub they also make a role that its
workflows assume without keys (OIDC), as GitHub's and AWS's guides describe it. The audience is ``sts.amazonaws.com``,
the subject ``repo:OWNER/REPO:environment:nightly``. So only jobs in that environment can assume the role, and no pull
request from another user can. GitHub can restrict the environment to branches and reviewers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.aws.account.permissions import Document, Place, bucket_rows, policy, rows_of, trust_policy
from harness.regions import partition

Template = dict[str, Any]

ROLE_NAME = "sagemaker-spark-harness-execution"
"""Name of the execution role in policies if none is given."""
ENVIRONMENT = "nightly"
"""GitHub environment whose jobs may start runs."""
_ISSUER = "token.actions.githubusercontent.com"
_SESSION_SECONDS = 4 * 3600
_CALLER_TEXT = "Permissions of a run of sagemaker-spark-harness, its preflight and its sweep"
_ROLE_TEXT = "Assumed by SageMaker in runs of sagemaker-spark-harness"


def documents(
    account: str, regions: Sequence[str], role: str | None, github: str | None, buckets: Sequence[str] = ()
) -> dict[str, Document]:
    """Return the policies by use: ``caller``, ``role``, ``role-trust`` and, for GitHub, ``caller-trust``.

    :param account: twelve digits.
    :param regions: regions of one partition.
    :param role: name or ARN of the execution role.
    :param github: ``OWNER/REPO``.
    :param buckets: further buckets that the caller's pipeline reads and writes.
    """
    own_partition = partition(regions[0])
    name = role or ROLE_NAME
    arn = name if name.startswith("arn:") else f"arn:{own_partition}:iam::{account}:role/{name}"
    places = [Place(account, region, arn, own_partition) for region in regions]
    found = {"caller": _caller(places, buckets), "role": policy("role", places), "role-trust": trust_policy()}
    if github:
        provider = f"arn:{own_partition}:iam::{account}:oidc-provider/{_ISSUER}"
        found["caller-trust"] = _github_trust(provider, github)
    return found


def _caller(places: Sequence[Place], buckets: Sequence[str]) -> Document:
    return policy("caller", places, [*rows_of("caller"), *bucket_rows(buckets)])


def _github_trust(provider: Any, repository: str) -> Document:
    subject = f"repo:{repository}:environment:{ENVIRONMENT}"
    conditions = {"StringEquals": {f"{_ISSUER}:aud": "sts.amazonaws.com", f"{_ISSUER}:sub": subject}}
    allowed = {"Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": provider}, "Condition": conditions}
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **allowed}]}


# --- CloudFormation ---------------------------------------------------------------------------------------------------


def cloudformation(regions: Sequence[str], github: str | None, buckets: Sequence[str] = ()) -> Template:
    """Return a CloudFormation template for the account that it is deployed in; parameters as for :func:`documents`."""
    places = [Place("${AWS::AccountId}", region, "${ExecutionRole.Arn}", "${AWS::Partition}") for region in regions]
    role = {
        "Description": _ROLE_TEXT,
        "AssumeRolePolicyDocument": trust_policy(),
        "Policies": [{"PolicyName": "run", "PolicyDocument": _substituted(policy("role", places))}],
    }
    caller = {"Description": _CALLER_TEXT, "PolicyDocument": _substituted(_caller(places, buckets))}
    template: Template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Roles and policies for sagemaker-spark-harness",
        "Resources": {
            "ExecutionRole": {"Type": "AWS::IAM::Role", "Properties": role},
            "CallerPolicy": {"Type": "AWS::IAM::ManagedPolicy", "Properties": caller},
        },
        "Outputs": {
            "ExecutionRoleArn": {"Description": "HARNESS_ROLE", "Value": _attribute("ExecutionRole")},
            "CallerPolicyArn": {
                "Description": "Attach it to users and roles that start runs",
                "Value": {"Ref": "CallerPolicy"},
            },
        },
    }
    return _with_github(template, github) if github else template


def _with_github(template: Template, repository: str) -> Template:
    """Return the template with a role for workflows and GitHub's identity provider, which an account has only once."""
    provider = {"Fn::If": ["MakesProvider", {"Ref": "GitHubProvider"}, {"Ref": "ExistingGitHubProvider"}]}
    role = {
        "Description": f"Assumed by the workflows of {repository}",
        "AssumeRolePolicyDocument": _github_trust(provider, repository),
        "ManagedPolicyArns": [{"Ref": "CallerPolicy"}],
        "MaxSessionDuration": _SESSION_SECONDS,
    }
    made = {"Url": f"https://{_ISSUER}", "ClientIdList": ["sts.amazonaws.com"]}
    text = "ARN of the account's identity provider for GitHub; empty to create one"
    resources = {
        "GitHubProvider": {"Type": "AWS::IAM::OIDCProvider", "Condition": "MakesProvider", "Properties": made},
        "CallerRole": {"Type": "AWS::IAM::Role", "Properties": role},
    }
    outputs = {"CallerRoleArn": {"Description": "The workflow's role-to-assume", "Value": _attribute("CallerRole")}}
    return template | {
        "Parameters": {"ExistingGitHubProvider": {"Type": "String", "Default": "", "Description": text}},
        "Conditions": {"MakesProvider": {"Fn::Equals": [{"Ref": "ExistingGitHubProvider"}, ""]}},
        "Resources": template["Resources"] | resources,
        "Outputs": template["Outputs"] | outputs,
    }


def _attribute(resource: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [resource, "Arn"]}


def _substituted(value: Any) -> Any:
    """Return a document in which every text with ``${…}`` is marked for substitution by CloudFormation."""
    if isinstance(value, dict):
        return {name: _substituted(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_substituted(member) for member in value]
    return {"Fn::Sub": value} if isinstance(value, str) and "${" in value else value


# --- Terraform --------------------------------------------------------------------------------------------------------


def terraform(regions: Sequence[str], github: str | None, buckets: Sequence[str] = ()) -> Template:
    """Return a Terraform configuration in JSON syntax, for a file whose name ends in ``.tf.json``.

    Parameters are as for :func:`documents`.
    """
    account, partition = "${data.aws_caller_identity.current.account_id}", "${data.aws_partition.current.partition}"
    places = [Place(account, region, "${aws_iam_role.execution.arn}", partition) for region in regions]
    execution = {"name": ROLE_NAME, "description": _ROLE_TEXT, "assume_role_policy": json.dumps(trust_policy())}
    inline = {"name": "run", "role": "${aws_iam_role.execution.name}", "policy": json.dumps(policy("role", places))}
    caller = {
        "name": "sagemaker-spark-harness-caller",
        "description": _CALLER_TEXT,
        "policy": json.dumps(_caller(places, buckets)),
    }
    configuration: Template = {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 5"}}},
        "data": {"aws_caller_identity": {"current": {}}, "aws_partition": {"current": {}}},
        "resource": {
            "aws_iam_role": {"execution": execution},
            "aws_iam_role_policy": {"execution": inline},
            "aws_iam_policy": {"caller": caller},
        },
        "output": {
            "execution_role_arn": {"value": "${aws_iam_role.execution.arn}"},
            "caller_policy_arn": {"value": "${aws_iam_policy.caller.arn}"},
        },
    }
    return _with_github_in_terraform(configuration, github) if github else configuration


def _with_github_in_terraform(configuration: Template, repository: str) -> Template:
    given, made = "var.github_oidc_provider_arn", "aws_iam_openid_connect_provider.github[0].arn"
    role = {
        "name": "sagemaker-spark-harness-caller",
        "description": f"Assumed by the workflows of {repository}",
        "assume_role_policy": json.dumps(_github_trust("${local.github_oidc_provider_arn}", repository)),
        "max_session_duration": _SESSION_SECONDS,
    }
    provider = {
        "count": f'${{{given} == "" ? 1 : 0}}',
        "url": f"https://{_ISSUER}",
        "client_id_list": ["sts.amazonaws.com"],
    }
    attachment = {"role": "${aws_iam_role.caller.name}", "policy_arn": "${aws_iam_policy.caller.arn}"}
    text = "ARN of the account's identity provider for GitHub; empty to create one"
    resources = configuration["resource"]
    return configuration | {
        "variable": {"github_oidc_provider_arn": {"type": "string", "default": "", "description": text}},
        "locals": {"github_oidc_provider_arn": f'${{{given} == "" ? {made} : {given}}}'},
        "resource": resources
        | {
            "aws_iam_role": resources["aws_iam_role"] | {"caller": role},
            "aws_iam_openid_connect_provider": {"github": provider},
            "aws_iam_role_policy_attachment": {"caller": attachment},
        },
        "output": configuration["output"] | {"caller_role_arn": {"value": "${aws_iam_role.caller.arn}"}},
    }
