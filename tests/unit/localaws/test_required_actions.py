"""Actions, resources and condition keys of requests that name more than one thing."""

import pytest

from harness.localaws.iam.asked import Asked
from harness.localaws.iam.required_actions import needs
from harness.localaws.iam.s3_actions import deletion, object_arn

ACCOUNT = "123456789012"
OBJECT = "arn:aws:s3:::b/k"
TOPIC = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"


def needed(service, operation, parameters=None, region="us-east-1", **more):
    """The needs of a request, as (action, resource, context)."""
    asked = Asked(service, operation, region, ACCOUNT, parameters or {}, **more)
    return [(need.action, need.resource, need.context) for need in needs(asked)]


@pytest.mark.parametrize(
    ("header", "action"),
    [
        ("x-amz-tagging", "s3:PutObjectTagging"),
        ("x-amz-acl", "s3:PutObjectAcl"),
        ("x-amz-object-lock-mode", "s3:PutObjectRetention"),
        ("x-amz-bypass-governance-retention", "s3:BypassGovernanceRetention"),
    ],
)
def test_a_header_that_does_more_needs_an_action_more(header, action):
    found = needed("s3", "PutObject", bucket="b", key="k", headers={header: "x"})
    assert [(each, resource) for each, resource, _ in found] == [("s3:PutObject", OBJECT), (action, OBJECT)]


def test_an_action_that_a_header_needs_too_is_needed_once():
    assert needed("s3", "PutObjectAcl", bucket="b", key="k", headers={"x-amz-acl": "private"}) == [
        ("s3:PutObjectAcl", OBJECT, {"s3:x-amz-acl": ["private"]})
    ]


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("DeleteObjectTagging", "DeleteObjectVersionTagging"),
        ("PutObjectAcl", "PutObjectVersionAcl"),
        ("PutObject", "PutObject"),
    ],
)
def test_an_action_has_a_name_for_versions_where_iam_has_one(operation, action):
    found = needed("s3", operation, bucket="b", key="k", query={"versionId": "1"})
    assert [(each, resource) for each, resource, _ in found] == [(f"s3:{action}", OBJECT)]
    assert found[0][2]["s3:VersionId"] == ["1"]


def test_a_reader_learns_that_an_object_is_missing_only_with_permission_to_list():
    listing = ("s3:ListBucket", "arn:aws:s3:::b", {"s3:prefix": ["k"]})
    for operation in ("GetObject", "HeadObject"):
        assert needed("s3", operation, bucket="b", key="k", lacks_object=True)[1:] == [listing]
        assert needed("s3", operation, bucket="b", key="k")[1:] == []
    assert needed("s3", "DeleteObject", bucket="b", key="k", lacks_object=True)[1:] == []


def test_a_listing_has_its_prefix_delimiter_and_number_in_its_context():
    query = {"prefix": "p/", "delimiter": "/", "max-keys": "2", "list-type": "2"}
    context = {"s3:prefix": ["p/"], "s3:delimiter": ["/"], "s3:max-keys": ["2"]}
    assert needed("s3", "ListObjectsV2", bucket="b", query=query) == [("s3:ListBucket", "arn:aws:s3:::b", context)]


def test_a_copy_reads_the_version_that_its_source_names():
    for source, action in [("/from/a", "s3:GetObject"), ("from/a?versionId=1", "s3:GetObjectVersion")]:
        found = needed(
            "s3", "CopyObject", region="cn-north-1", bucket="b", key="k", headers={"x-amz-copy-source": source}
        )
        assert found[1][:2] == (action, "arn:aws-cn:s3:::from/a")
    assert object_arn("us-gov-west-1", "b", "k") == "arn:aws-us-gov:s3:::b/k"


def test_an_endpoint_needs_its_config_when_it_is_created_or_updated_and_not_when_described():
    named = {"EndpointName": "E", "EndpointConfigName": "C"}
    for operation, configs in [("CreateEndpoint", 1), ("UpdateEndpoint", 1), ("DescribeEndpoint", 0)]:
        resources = [resource for _, resource, _ in needed("sagemaker", operation, named)]
        assert resources == [f"{TOPIC}:endpoint/e", f"{TOPIC}:endpoint-config/c"][: 1 + configs]


def test_weights_and_capacities_are_those_of_an_endpoint():
    found = needed("sagemaker", "UpdateEndpointWeightsAndCapacities", {"EndpointName": "E"})
    assert found == [("sagemaker:UpdateEndpointWeightsAndCapacities", f"{TOPIC}:endpoint/e", {})]


def test_the_context_of_a_job_has_its_tags_instance_type_and_longest_time():
    parameters = {
        "TrainingJobName": "j",
        "Tags": [{"Key": "run", "Value": "1"}],
        "ResourceConfig": {"InstanceType": "ml.m4.xlarge"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    context = {
        "aws:RequestTag/run": ["1"],
        "aws:TagKeys": ["run"],
        "sagemaker:InstanceTypes": ["ml.m4.xlarge"],
        "sagemaker:MaxRuntimeInSeconds": ["60"],
    }
    job, tagging = f"{TOPIC}:training-job/j", {"sagemaker:TaggingAction": ["CreateTrainingJob"]}
    assert needed("sagemaker", "CreateTrainingJob", parameters) == [
        ("sagemaker:CreateTrainingJob", job, context),
        ("sagemaker:AddTags", job, context | tagging),
    ]


def test_a_config_has_the_instance_types_of_all_its_variants():
    variants = [{"InstanceType": "ml.m5.large"}, {"InstanceType": "ml.c5.xlarge"}, {"ServerlessConfig": {}}]
    found = needed("sagemaker", "CreateEndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": variants})
    assert [context for *_, context in found] == [{"sagemaker:InstanceTypes": ["ml.m5.large", "ml.c5.xlarge"]}]


def test_removing_tags_has_their_keys_in_its_context():
    found = needed("sagemaker", "DeleteTags", {"ResourceArn": "arn:x", "TagKeys": ["a", "b"]})
    assert found == [("sagemaker:DeleteTags", "arn:x", {"aws:TagKeys": ["a", "b"]})]


def test_each_role_that_is_passed_is_passed_to_sagemaker_for_the_resource():
    found = needed("sagemaker", "CreateModel", {"ModelName": "m", "ExecutionRoleArn": "arn:r"})
    context = {"iam:PassedToService": ["sagemaker.amazonaws.com"], "iam:AssociatedResourceArn": [f"{TOPIC}:model/m"]}
    assert found == [("sagemaker:CreateModel", f"{TOPIC}:model/m", {}), ("iam:PassRole", "arn:r", context)]


def test_a_resource_of_iam_is_created_below_its_path_and_found_without_it():
    role = {"RoleName": "r", "Path": "/team/"}
    assert needed("iam", "CreateRole", role) == [("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/team/r", {})]
    assert needed("iam", "DeleteRole", role) == [("iam:DeleteRole", f"arn:aws:iam::{ACCOUNT}:role/r", {})]


def test_attaching_a_policy_has_it_in_its_context_and_other_operations_do_not():
    given = {"UserName": "u", "PolicyArn": "arn:p"}
    user = f"arn:aws:iam::{ACCOUNT}:user/u"
    assert needed("iam", "DetachUserPolicy", given) == [("iam:DetachUserPolicy", user, {"iam:PolicyARN": ["arn:p"]})]
    assert needed("iam", "GetUser", given) == [("iam:GetUser", user, {})]


def test_a_member_that_an_operation_of_iam_does_not_take_says_nothing_about_it():
    assert needed("iam", "ListRoles", {"RoleName": "r"}) == [("iam:ListRoles", "*", {})]
    assert needed("iam", "NoSuchOperation", {"RoleName": "r"}) == [("iam:NoSuchOperation", "*", {})]


def test_assuming_a_role_has_its_external_id_and_session_in_its_context():
    given = {"RoleArn": "arn:r", "ExternalId": "e", "RoleSessionName": "s"}
    context = {"sts:ExternalId": ["e"], "sts:RoleSessionName": ["s"]}
    assert needed("sts", "AssumeRole", given) == [("sts:AssumeRole", "arn:r", context)]
    assert needed("sts", "AssumeRole", {"RoleArn": "arn:r"}) == [("sts:AssumeRole", "arn:r", {})]


def test_each_log_group_that_a_request_names_by_name_or_arn_is_needed_once():
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:b:*"
    found = needed("logs", "StartQuery", {"logGroupName": "c", "logGroupIdentifiers": ["a", arn, "b"]})
    assert [resource.partition(":log-group:")[2] for _, resource, _ in found] == [
        f"{name}:log-stream:" for name in "abc"
    ]


# --- S3, by https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html -------------------

OF_OBJECTS = {
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "GetObjectAcl": "GetObjectAcl",
    "GetObjectAttributes": "GetObject GetObjectAttributes",
    "GetObjectLegalHold": "GetObjectLegalHold",
    "GetObjectTagging": "GetObjectTagging",
    "PutObject": "PutObject",
    "PutObjectAcl": "PutObjectAcl",
    "PutObjectLegalHold": "PutObjectLegalHold",
    "PutObjectRetention": "PutObjectRetention",
    "PutObjectTagging": "PutObjectTagging",
    "PostObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "AbortMultipartUpload": "AbortMultipartUpload",
    "ListParts": "ListMultipartUploadParts",
    "DeleteObject": "DeleteObject",
    "DeleteObjectTagging": "DeleteObjectTagging",
    "RestoreObject": "RestoreObject",
    "SelectObjectContent": "GetObject",
}
OF_BUCKETS = {
    "CreateBucket": "CreateBucket",
    "DeleteBucket": "DeleteBucket",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketLocation": "GetBucketLocation",
    "GetBucketPolicy": "GetBucketPolicy",
    "PutBucketPolicy": "PutBucketPolicy",
    "DeleteBucketPolicy": "DeleteBucketPolicy",
    "GetBucketPolicyStatus": "GetBucketPolicyStatus",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutBucketAcl": "PutBucketAcl",
    "PutBucketVersioning": "PutBucketVersioning",
}


def actions(operation, **more):
    return [action.removeprefix("s3:") for action, *_ in needed("s3", operation, bucket="b", **more)]


@pytest.mark.parametrize("operation", OF_OBJECTS)
def test_an_operation_on_an_object_needs_these_actions(operation):
    assert actions(operation, key="k") == OF_OBJECTS[operation].split()
    assert {resource for _, resource, _ in needed("s3", operation, bucket="b", key="k")} == {OBJECT}


@pytest.mark.parametrize("operation", OF_BUCKETS)
def test_an_operation_on_a_bucket_needs_this_action(operation):
    found = [(action, resource) for action, resource, _ in needed("s3", operation, bucket="b")]
    assert found == [(f"s3:{OF_BUCKETS[operation]}", "arn:aws:s3:::b")]


def test_an_operation_on_a_version_needs_the_actions_on_versions():
    version = {"versionId": "1"}
    assert actions("HeadObject", key="k", query=version) == ["GetObjectVersion"]
    assert actions("GetObjectAttributes", key="k", query=version) == ["GetObjectVersion", "GetObjectVersionAttributes"]
    assert actions("DeleteObject", key="k", query=version) == ["DeleteObjectVersion"]
    governed = {"x-amz-bypass-governance-retention": "true"}
    found = [need.action for need in deletion("us-east-1", "b", "k", "1", governed)]
    assert found == ["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]


@pytest.mark.parametrize(
    ("headers", "more"),
    [
        ({"x-amz-acl": "private"}, ["PutBucketAcl"]),
        ({"x-amz-grant-write": "id=1"}, ["PutBucketAcl"]),
        ({"x-amz-object-ownership": "ObjectWriter"}, ["PutBucketOwnershipControls"]),
        ({"x-amz-bucket-object-lock-enabled": "true"}, ["PutBucketObjectLockConfiguration", "PutBucketVersioning"]),
    ],
)
def test_a_bucket_with_settings_needs_permission_to_put_each(headers, more):
    assert actions("CreateBucket", headers=headers) == ["CreateBucket", *more]


def test_a_copy_needs_permission_for_the_tags_it_takes_along_and_to_learn_that_its_source_is_missing():
    source = {"x-amz-copy-source": "/from/a%20b"}
    read = ["PutObject", "GetObject"]
    assert actions("CopyObject", key="k", headers=source) == read
    tagged = actions("CopyObject", key="k", headers=source, source_has_tags=True)
    assert tagged == [*read, "GetObjectTagging", "PutObjectTagging"]
    replaced = source | {"x-amz-tagging-directive": "REPLACE"}
    assert actions("CopyObject", key="k", headers=replaced, source_has_tags=True) == read
    assert actions("UploadPartCopy", key="k", headers=source, source_has_tags=True) == read
    missing = needed("s3", "CopyObject", bucket="b", key="k", headers=source, lacks_source=True)[-1]
    assert (missing[0], missing[1], missing[2]["s3:prefix"]) == ("s3:ListBucket", "arn:aws:s3:::from", ["a b"])


def test_a_deletion_on_condition_of_an_etag_reads_the_object():
    assert actions("DeleteObject", key="k", headers={"if-match": '"etag"'}) == ["DeleteObject", "GetObject"]
    assert actions("DeleteObject", key="k", headers={"if-match": "*"}) == ["DeleteObject"]


@pytest.mark.parametrize(
    ("operation", "headers", "key", "values"),
    [
        ("PutObject", {"x-amz-server-side-encryption": "aws:kms"}, "s3:x-amz-server-side-encryption", ["aws:kms"]),
        ("PutObject", {"x-amz-storage-class": "GLACIER"}, "s3:x-amz-storage-class", ["GLACIER"]),
        ("PutObject", {"x-amz-tagging": "a=1&b=2"}, "s3:RequestObjectTag/b", ["2"]),
        ("PutObject", {"x-amz-tagging": "a=1&b=2"}, "s3:RequestObjectTagKeys", ["a", "b"]),
        ("PutObject", {"x-amz-object-lock-mode": "GOVERNANCE"}, "s3:object-lock-mode", ["GOVERNANCE"]),
        ("PutObject", {"if-none-match": "*"}, "s3:if-none-match", ["*"]),
        ("PutObject", {}, "s3:ObjectCreationOperation", ["true"]),
        ("UploadPart", {}, "s3:ObjectCreationOperation", ["false"]),
        ("GetObject", {"user-agent": "curl"}, "aws:UserAgent", ["curl"]),
        ("GetObject", {"referer": "https://a.test/"}, "aws:Referer", ["https://a.test/"]),
    ],
)
def test_headers_are_condition_keys(operation, headers, key, values):
    assert needed("s3", operation, bucket="b", key="k", headers=headers)[0][2][key] == values
