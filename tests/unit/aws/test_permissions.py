"""The table of permissions, the policies made from it, and the explanation of refusals."""

import json
from pathlib import Path

import cfnlint
import pytest
from parliament import analyze_policy_string

from harness.aws.account import policies
from harness.aws.account.permissions import TABLE, Denial, Place, explain_denied, missing, policy
from harness.errors import PermissionMissingError
from harness.registries import SDK_ALGORITHMS

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/run"
PLACES = [Place(ACCOUNT, region, ROLE) for region in ("us-east-1", "eu-west-1")]
LONGEST = {"caller": 6144, "role": 10240}
"""Characters that IAM takes: of a managed policy, of a role's inline policies."""


@pytest.mark.parametrize("who", ["caller", "role"])
def test_policies_are_what_an_iam_linter_accepts_and_not_too_long_for_iam(who):
    text = json.dumps(policy(who, PLACES), separators=(",", ":"))
    findings = [found for found in analyze_policy_string(text).findings if "DescribeLogGroups" not in str(found.detail)]
    assert findings == []  # parliament does not know yet that DescribeLogGroups can be held to log groups
    assert len(text) < LONGEST[who]


def as_json(regions, github, buckets=()):
    return policies.documents(ACCOUNT, regions, None, github, buckets)


@pytest.mark.parametrize("made", [policies.cloudformation, policies.terraform, as_json])
def test_buckets_of_ones_own_may_be_read_and_written_by_the_caller_alone(made):
    text = json.dumps(made(["us-east-1"], None, ["my-shop"]))
    assert "my-shop/*" in text
    assert text.count("my-shop") == 2
    assert "my-shop" not in json.dumps(made(["us-east-1"], None))


def test_every_action_is_in_a_policy_and_none_of_them_is_a_wildcard():
    documents = [policy(who, PLACES[:1]) for who in ("caller", "role")]
    statements = [statement for document in documents for statement in document["Statement"]]
    actions = {
        action
        for each in statements
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    }
    assert actions == {row.action for row in TABLE}
    assert not any("*" in action for action in actions)


def test_nothing_may_be_created_or_deleted_that_is_not_called_as_the_harness_calls_it():
    changing = [row for row in TABLE if row.action.split(":")[1].startswith(("Create", "Delete", "Put", "Stop"))]
    ours = [row for row in changing if row.who == "caller" and row.action != "s3:CreateBucket"]
    assert len(ours) >= 10
    assert all("hsh-" in resource for row in ours for resource in row.resources)


def test_the_role_may_pull_the_images_of_the_sdks_algorithms_and_no_others():
    pulling = next(row for row in TABLE if row.action == "ecr:BatchGetImage")
    assert {pattern.rpartition("repository/")[2] for pattern in pulling.resources} == set(SDK_ALGORITHMS)


def test_only_the_execution_role_may_be_passed_and_only_to_sagemaker():
    passing = [each for each in policy("caller", PLACES)["Statement"] if each["Action"] == "iam:PassRole"]
    assert [(each["Resource"], each["Condition"]) for each in passing] == [
        (ROLE, {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}})
    ]


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("ca-central-1", "aws")],
)
def test_a_regions_partition_is_in_every_arn(region, partition):
    documents = policies.documents(ACCOUNT, [region], None, "me/mine")
    assert f"arn:{partition}:sagemaker:{region}:{ACCOUNT}:model/hsh-*" in json.dumps(documents)
    assert json.dumps(documents).count("arn:") == json.dumps(documents).count(f"arn:{partition}:")


@pytest.mark.slow
def test_the_cloudformation_template_is_one_that_cloudformations_linter_accepts():
    template = policies.cloudformation(["us-east-1", "eu-west-1"], "me/mine")
    assert template["Resources"].keys() > policies.cloudformation(["us-east-1"], None)["Resources"].keys()
    assert cfnlint.lint(json.dumps(template), regions=["us-east-1"]) == []


def test_only_jobs_of_one_environment_at_github_assume_the_role_of_workflows():
    trust = policies.documents(ACCOUNT, ["us-east-1"], None, "me/mine")["caller-trust"]["Statement"][0]
    issuer = "token.actions.githubusercontent.com"
    claims = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": "repo:me/mine:environment:nightly"}
    assert trust["Condition"] == {"StringEquals": claims}
    workflow = (Path(__file__).parents[3] / ".github" / "workflows" / "nightly.yml").read_text()
    assert "environment: nightly" in workflow


def test_terraform_has_the_same_policies_and_refers_to_what_it_makes():
    made = policies.terraform(["us-east-1"], "me/mine")
    caller = json.loads(made["resource"]["aws_iam_policy"]["caller"]["policy"])
    account, partition = "${data.aws_caller_identity.current.account_id}", "${data.aws_partition.current.partition}"
    assert caller == policy("caller", [Place(account, "us-east-1", "${aws_iam_role.execution.arn}", partition)])
    trust = json.loads(made["resource"]["aws_iam_role"]["caller"]["assume_role_policy"])
    assert trust["Statement"][0]["Principal"] == {"Federated": "${local.github_oidc_provider_arn}"}
    assert made["locals"].keys() == {"github_oidc_provider_arn"}


# --- refusals ---------------------------------------------------------------------------------------------------------

USER = f"arn:aws:iam::{ACCOUNT}:user/me"
MODEL = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model/hsh-x-1-model"
CREATE_MODEL = (
    "An error occurred (AccessDeniedException) when calling the CreateModel operation: "
    f"User: {USER} is not authorized to perform: sagemaker:CreateModel on resource: {MODEL} because no "
    "identity-based policy allows the sagemaker:CreateModel action"
)
PASS_ROLE = (
    f"User: arn:aws:sts::{ACCOUNT}:assumed-role/ci/me is not authorized to perform: iam:PassRole on resource: {ROLE} "
    "because no identity-based policy allows the iam:PassRole action (Service: AmazonSageMaker; Status Code: 400; "
    "Error Code: AccessDeniedException; Request ID: x; Proxy: null)"
)
S3 = (
    f'User: {USER} is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::b/k" because no '
    "identity-based policy allows the s3:PutObject action (Service: Amazon S3; Status Code: 403; ...)"
)
ROLE_DATA = (
    f'ClientError: Please ensure that the role "{ROLE}" exists and that its trust relationship policy allows the '
    'action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure that the role has '
    '"s3:GetObject" permissions and that the object is located in us-east-1. Could not access model data at '
    "s3://b/k/model.tar.gz."
)
S3A = (
    "java.nio.file.AccessDeniedException: s3a://bucket/some/key: getFileStatus on s3a://bucket/some/key: "
    "com.amazonaws.services.s3.model.AmazonS3Exception: Forbidden (Service: Amazon S3; Status Code: 403; "
    "Error Code: 403 Forbidden; Request ID: x)"
)
OLD_BOTO = "An error occurred (AccessDenied) when calling the DeleteObject operation: Access Denied"
HEAD = "An error occurred (403) when calling the HeadObject operation: Forbidden"


@pytest.mark.parametrize(
    ("text", "principal", "action", "resource"),
    [
        (CREATE_MODEL, USER, "sagemaker:CreateModel", MODEL),
        (PASS_ROLE, f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/me", "iam:PassRole", ROLE),
        (S3, USER, "s3:PutObject", "arn:aws:s3:::b/k"),
        (ROLE_DATA, ROLE, "s3:GetObject", "arn:aws:s3:::b/k/model.tar.gz"),
        (OLD_BOTO, "the caller", "s3:DeleteObject", "*"),
        (HEAD, "the caller", "s3:GetObject", "*"),
    ],
)
def test_a_refusal_becomes_one_message_with_the_statement_to_add(text, principal, action, resource):
    error = explain_denied(text)
    assert isinstance(error, PermissionMissingError)
    assert f"{principal} may not {action} on {resource}" in error.what
    told, _, statement = error.fix.partition("\n")
    assert principal in told
    added = json.loads(statement)
    assert (added["Action"], added["Resource"]) == (action, resource)
    assert ("Condition" in added) == (action == "iam:PassRole")


def test_a_refusal_to_s3a_concerns_the_object_or_the_list_that_shows_its_absence():
    error = explain_denied(S3A)
    assert "may not s3:GetObject on arn:aws:s3:::bucket/some/key" in error.what
    added = json.loads(error.fix.partition("\n")[2])
    expected = [("s3:GetObject", "arn:aws:s3:::bucket/some/key"), ("s3:ListBucket", "arn:aws:s3:::bucket")]
    assert [(each["Action"], each["Resource"]) for each in added] == expected


@pytest.mark.parametrize(
    ("text", "region", "partition"),
    [
        (ROLE_DATA.replace("arn:aws:", "arn:aws-cn:"), "us-east-1", "aws-cn"),
        (S3A, "us-gov-west-1", "aws-us-gov"),
        (S3A, "cn-north-1", "aws-cn"),
    ],
)
def test_an_object_is_named_in_the_partition_of_who_was_refused_or_of_the_region(text, region, partition):
    error = explain_denied(text, region)
    assert f"may not s3:GetObject on arn:{partition}:s3:::b" in error.what
    assert f'"arn:{partition}:s3:::b' in error.fix
    assert "arn:aws:s3" not in str(error)


def test_no_further_policy_is_suggested_for_an_explicit_denial():
    error = explain_denied(CREATE_MODEL.replace("because no", "with an explicit deny in a service control policy; no"))
    assert "which a policy denies explicitly" in error.what
    assert error.fix.startswith("change the policy that denies it")


@pytest.mark.parametrize("text", ["", "ValidationException: no", "Could not find model", "Connection refused"])
def test_an_error_that_is_no_refusal_is_unchanged(text):
    assert explain_denied(text) is None


def test_of_many_denials_each_has_a_line_below_who_was_denied():
    denials = [Denial("arn:aws:iam::1:user/u", f"s3:{action}", "*", "stage rows") for action in ("A", "B", "C")]
    head, *lines = missing(denials, "IAM", []).what.splitlines()
    assert head == "Permission is missing: arn:aws:iam::1:user/u may not"
    assert lines == [f"  - s3:{action} on * (to stage rows)" for action in ("A", "B", "C")]


@pytest.mark.parametrize(
    ("text", "action", "resource"),
    [
        ("(AccessDenied) when calling the ListObjectsV2 operation: Access Denied", "s3:ListBucket", "*"),
        (
            "(AccessDenied) when calling the DeleteObjects operation on s3://b/k: no",
            "s3:DeleteObject",
            "arn:aws:s3:::b/k",
        ),
        ("(AccessDeniedException) when calling the CreateDomain operation: no", "CreateDomain", "*"),
        (f"{USER} is not authorized to perform: s3:ListAllMyBuckets because no policy", "s3:ListAllMyBuckets", "*"),
        (
            "AmazonS3Exception: Forbidden (Service: Amazon S3; Status Code: 403) s3a://b/k.",
            "s3:GetObject",
            "arn:aws:s3:::b/k",
        ),
    ],
)
def test_a_refusal_that_names_less_is_explained_as_far_as_it_goes(text, action, resource):
    assert f"may not {action} on {resource}" in explain_denied(text).what


@pytest.mark.parametrize("text", ["Forbidden (Service: Amazon S3)", "403 of Amazon S3", "Forbidden (Status Code: 403)"])
def test_an_error_with_some_words_of_a_refusal_is_none(text):
    assert explain_denied(text) is None


def test_two_denials_are_a_sentence_with_two_statements():
    denials = [Denial("me", f"s3:{action}", "*") for action in ("A", "B")]
    error = missing(denials, "IAM", [{"Action": "s3:A"}, {"Action": "s3:B"}])
    assert error.what == "Permission is missing: me may not s3:A on *; me may not s3:B on *."
    assert json.loads(error.fix.partition("\n")[2]) == [{"Action": "s3:A"}, {"Action": "s3:B"}]
    assert error.fix.startswith("add to a policy of me (")


def test_the_statements_of_a_policy_are_numbered_from_one_and_share_no_resources():
    statements = policy("caller", PLACES[:1])["Statement"]
    assert [each["Sid"] for each in statements][:2] == ["Harness01", "Harness02"]
    resources = [json.dumps([each["Resource"], each.get("Condition")]) for each in statements]
    assert len(set(resources)) == len(resources)


def test_a_run_needs_what_it_creates_with_and_deletes_with_and_no_more():
    needed = {row.action.partition(":")[2] for row in TABLE if row.required and row.who == "caller"}
    kinds = ("Model", "EndpointConfig", "Endpoint")
    assert needed == {f"{verb}{kind}" for verb in ("Create", "Describe", "Delete") for kind in kinds} | {
        "CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob", "InvokeEndpoint", "AddTags", "PassRole",
        "ListBucket", "GetObject", "PutObject", "DeleteObject", "ListBucketMultipartUploads", "AbortMultipartUpload",
    }  # fmt: skip
    assert {row.action for row in TABLE if row.required and row.who == "role"} == {
        "s3:ListBucket", "s3:GetObject", "s3:PutObject",
    }  # fmt: skip


def test_a_refusal_is_explained_by_the_purpose_of_what_was_refused():
    assert "(to make what was trained known to SageMaker)" in explain_denied(CREATE_MODEL).what
    assert "(to learn that an object does not exist, if that was the cause)" in explain_denied(S3A).what
    assert "CreateDomain on *." in explain_denied("(AccessDenied) when calling the CreateDomain operation: no").what
