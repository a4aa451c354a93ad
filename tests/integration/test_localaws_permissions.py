"""The local AWS with IAM enforced: permissions of callers, and of jobs and endpoints as their role."""

import io
import json
import tarfile
from subprocess import Popen

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from harness.waiting import wait_until
from tests.integration.independent import EVERYTHING

XGBOOST = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"
BUCKET = "a-team-s-bucket"


def allow(*actions, resource="*", **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def deny(*actions, resource="*", **more):
    return allow(*actions, resource=resource, **more) | {"Effect": "Deny"}


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def all_but(*actions):
    return policy(allow("*"), deny(*actions))


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def session_of(given):
    """Return credentials from AssumeRole as environment variables."""
    members = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return {name: given[member] for name, member in zip(names, members, strict=True)}


@pytest.fixture
def objects(independent_aws):
    """The bucket, with a few objects."""
    s3 = independent_aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for key in ("mine/1", "mine/2", "other/1"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1 1:1\n")
    return s3


def job(name, role):
    return {
        "TrainingJobName": name,
        "RoleArn": role,
        "AlgorithmSpecification": {"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        "HyperParameters": {"num_round": "1"},
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/mine/"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m4.xlarge", "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def ended(client, name):
    """Return the final status of a training job, and its failure reason."""
    seen = wait_until(
        lambda: client.describe_training_job(TrainingJobName=name),
        f"{name} to end",
        done=lambda seen: seen["TrainingJobStatus"] != "InProgress",
    )
    return seen["TrainingJobStatus"], seen.get("FailureReason", "")


# --- callers ------------------------------------------------------------------------------------------------------


def test_a_caller_without_a_key_of_the_local_iam_is_unknown(independent_aws):
    unknown = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}
    codes = {
        service: refused(getattr(independent_aws.client(service, unknown), operation))[0]
        for service, operation in {
            "s3": "list_buckets",
            "sts": "get_caller_identity",
            "sagemaker": "list_models",
        }.items()
    }
    assert codes == {
        "s3": "InvalidAccessKeyId",
        "sts": "InvalidClientTokenId",
        "sagemaker": "UnrecognizedClientException",
    }


def test_a_signature_by_another_secret_is_refused(independent_aws):
    user = independent_aws.user() | {"AWS_SECRET_ACCESS_KEY": "another"}
    operations = {"s3": "list_buckets", "sts": "get_caller_identity", "sagemaker": "list_models"}
    codes = [refused(getattr(independent_aws.client(name, user), call))[0] for name, call in operations.items()]
    assert codes == ["SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"]


def test_a_signature_of_any_path_and_query_is_recognised(independent_aws, objects):
    for key in ("a b", "ü/ä", "a+b&c=d", "%25", "a//b", "./x", "~t"):
        objects.put_object(Bucket=BUCKET, Key=key, Body=b"x", Tagging="a=b")
        assert objects.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"x"
        assert objects.list_objects_v2(Bucket=BUCKET, Prefix=key)["KeyCount"] == 1


def test_a_user_without_permissions_may_still_get_its_identity(independent_aws):
    arn = independent_aws.name_of(independent_aws.user(policy(deny("*"))))
    assert arn.startswith(f"arn:aws:iam::{independent_aws.account}:user/user-")


def test_the_harness_role_may_do_nothing_if_permissions_are_enforced(independent_aws):
    client = independent_aws.client("sagemaker", independent_aws.connection.credentials)
    code, message = refused(client.list_models)
    assert code == "AccessDeniedException"
    assert message.startswith("User: arn:aws:sts::123456789012:assumed-role/HarnessSageMakerRole/harness is not")


def test_a_refusal_names_caller_action_and_resource_as_aws_does(independent_aws):
    user = independent_aws.user(policy(allow("sagemaker:Describe*")))
    arn = f"arn:aws:sagemaker:us-east-1:{independent_aws.account}:model/m"
    refusal = refused(independent_aws.client("sagemaker", user).delete_model, ModelName="M")
    assert refusal == (
        "AccessDeniedException",
        f"User: {independent_aws.name_of(user)} is not authorized to perform: sagemaker:DeleteModel on resource: {arn} "
        "because no identity-based policy allows the sagemaker:DeleteModel action",
    )


def test_an_explicit_denial_overrides_an_allowance_and_is_named(independent_aws):
    client = independent_aws.client("sagemaker", independent_aws.user(all_but("sagemaker:ListModels")))
    assert refused(client.list_models)[1].endswith("with an explicit deny in an identity-based policy")


def test_groups_give_permissions_and_an_inactive_key_gives_none(independent_aws):
    user = independent_aws.user(policy(allow("s3:ListAllMyBuckets")))
    iam, name = independent_aws.client("iam"), independent_aws.name_of(user).rpartition("/")[2]
    assert refused(independent_aws.client("sagemaker", user).list_models)[0] == "AccessDeniedException"
    iam.create_group(GroupName=f"of-{name}")
    document = json.dumps(policy(allow("sagemaker:ListModels")))
    iam.put_group_policy(GroupName=f"of-{name}", PolicyName="lists", PolicyDocument=document)
    iam.add_user_to_group(GroupName=f"of-{name}", UserName=name)
    assert independent_aws.client("sagemaker", user).list_models()["Models"] == []
    iam.update_access_key(UserName=name, AccessKeyId=user["AWS_ACCESS_KEY_ID"], Status="Inactive")
    assert refused(independent_aws.client("s3", user).list_buckets)[0] == "InvalidAccessKeyId"


def test_the_default_version_of_an_attached_policy_counts(independent_aws):
    user, iam = independent_aws.user(policy(allow("s3:ListAllMyBuckets"))), independent_aws.client("iam")
    name = independent_aws.name_of(user).rpartition("/")[2]
    document = json.dumps(policy(allow("sagemaker:ListModels")))
    attached = iam.create_policy(PolicyName=f"of-{name}", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_user_policy(UserName=name, PolicyArn=attached)
    client = independent_aws.client("sagemaker", user)
    assert client.list_models()["Models"] == []
    document = json.dumps(policy(allow("sagemaker:ListEndpoints")))
    iam.create_policy_version(PolicyArn=attached, PolicyDocument=document, SetAsDefault=True)
    assert refused(client.list_models)[0] == "AccessDeniedException"


def test_a_boundary_and_a_session_policy_limit_a_role(independent_aws):
    iam, trust = independent_aws.client("iam"), policy(allow("sts:AssumeRole") | {"Principal": {"AWS": "*"}})
    for statement in trust["Statement"]:
        del statement["Resource"]
    role = independent_aws.role(EVERYTHING, trust)
    document = json.dumps(policy(allow("sagemaker:*")))
    boundary = iam.create_policy(PolicyName=role.rpartition("/")[2], PolicyDocument=document)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=role.rpartition("/")[2], PermissionsBoundary=boundary)
    own = json.dumps(policy(allow("sagemaker:ListModels", "s3:*")))
    given = independent_aws.client("sts").assume_role(RoleArn=role, RoleSessionName="me", Policy=own)["Credentials"]
    session = session_of(given)
    assert independent_aws.client("sagemaker", session).list_models()["Models"] == []
    assert refused(independent_aws.client("sagemaker", session).list_endpoints)[0] == "AccessDeniedException"
    assert refused(independent_aws.client("s3", session).list_buckets)[0] == "AccessDenied"
    stolen = session | {"AWS_SESSION_TOKEN": "another"}
    assert refused(independent_aws.client("s3", stolen).list_buckets)[0] == "InvalidToken"


def test_a_role_can_be_assumed_only_by_those_it_trusts(independent_aws):
    user = independent_aws.user(policy(allow("sts:AssumeRole")))
    trust = policy({"Effect": "Allow", "Principal": {"AWS": independent_aws.name_of(user)}, "Action": "sts:AssumeRole"})
    trusted = independent_aws.role(policy(allow("s3:ListAllMyBuckets")), trust)
    sts = independent_aws.client("sts", user)
    assert refused(sts.assume_role, RoleArn=independent_aws.role(), RoleSessionName="me")[0] == "AccessDenied"
    found = sts.assume_role(RoleArn=trusted, RoleSessionName="me")["Credentials"]
    session = session_of(found)
    assert independent_aws.client("s3", session).list_buckets()["Buckets"] is not None
    assert refused(independent_aws.client("sagemaker", session).list_models)[0] == "AccessDeniedException"


# --- S3 -----------------------------------------------------------------------------------------------------------


def test_objects_are_read_and_written_only_where_the_policy_allows(independent_aws, objects):
    mine = f"arn:aws:s3:::{BUCKET}/mine/*"
    s3 = independent_aws.client(
        "s3", independent_aws.user(policy(allow("s3:GetObject", "s3:PutObject", resource=mine)))
    )
    assert s3.get_object(Bucket=BUCKET, Key="mine/1")["Body"].read() == b"1 1:1\n"
    s3.put_object(Bucket=BUCKET, Key="mine/3", Body=b"x" * (2 << 20))  # large enough to be streamed
    s3.copy_object(Bucket=BUCKET, Key="mine/4", CopySource={"Bucket": BUCKET, "Key": "mine/1"})
    reported = [
        refused(s3.get_object, Bucket=BUCKET, Key="other/1"),
        refused(s3.put_object, Bucket=BUCKET, Key="other/2", Body=b"x" * (2 << 20)),
        refused(s3.copy_object, Bucket=BUCKET, Key="mine/5", CopySource={"Bucket": BUCKET, "Key": "other/1"}),
        refused(s3.copy_object, Bucket=BUCKET, Key="other/5", CopySource={"Bucket": BUCKET, "Key": "mine/1"}),
        refused(s3.delete_object, Bucket=BUCKET, Key="mine/1"),
        refused(s3.list_objects_v2, Bucket=BUCKET),
    ]
    assert {code for code, _ in reported} == {"AccessDenied"}
    actions = [message.split("perform: ")[1].split(" ")[0] for _, message in reported]
    assert actions == [
        "s3:GetObject",
        "s3:PutObject",
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:ListBucket",
    ]
    assert [uri.rpartition("/")[2] for uri in independent_aws.everything()["S3 object"]] == ["1", "2", "3", "4", "1"]


def test_only_callers_that_may_list_learn_that_an_object_is_missing(independent_aws, objects):
    reader = independent_aws.client("s3", independent_aws.user(policy(allow("s3:GetObject"))))
    lister = independent_aws.client("s3", independent_aws.user(policy(allow("s3:GetObject", "s3:ListBucket"))))
    assert refused(reader.head_object, Bucket=BUCKET, Key="none")[0] == "403"
    assert refused(lister.head_object, Bucket=BUCKET, Key="none")[0] == "404"


def test_listing_can_be_limited_to_a_prefix(independent_aws, objects):
    condition = {"StringLike": {"s3:prefix": "mine/*"}}
    s3 = independent_aws.client("s3", independent_aws.user(policy(allow("s3:ListBucket", Condition=condition))))
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="mine/")["KeyCount"] == 2
    assert refused(s3.list_objects_v2, Bucket=BUCKET, Prefix="other/")[0] == "AccessDenied"
    assert refused(s3.list_objects_v2, Bucket=BUCKET)[0] == "AccessDenied"


def test_each_key_of_a_deletion_is_decided_separately(independent_aws, objects):
    mine = policy(allow("s3:DeleteObject", resource=f"arn:aws:s3:::{BUCKET}/mine/*"))
    s3 = independent_aws.client("s3", independent_aws.user(mine))
    wanted = {"Objects": [{"Key": key} for key in ("mine/1", "other/1")]}
    answer = s3.delete_objects(Bucket=BUCKET, Delete=wanted)
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["mine/1"]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("other/1", "AccessDenied")]
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "other/1"}]})
    assert "s3:DeleteObject" in answer["Errors"][0]["Message"]
    assert independent_aws.everything()["S3 object"] == [f"s3://{BUCKET}/mine/2", f"s3://{BUCKET}/other/1"]


# --- SageMaker ----------------------------------------------------------------------------------------------------


def test_creating_with_a_role_needs_permission_to_pass_it_to_sagemaker(independent_aws, objects):
    role = independent_aws.role()
    elsewhere = allow("iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}})
    here = allow("iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}})
    model = {"ModelName": "m", "ExecutionRoleArn": role, "PrimaryContainer": {"Image": XGBOOST}}
    without = independent_aws.client("sagemaker", independent_aws.user(policy(allow("sagemaker:*"), elsewhere)))
    reported = refused(without.create_model, **model)[1]
    assert f"iam:PassRole on resource: {role} because" in reported
    assert independent_aws.everything().get("model") is None
    within = independent_aws.client("sagemaker", independent_aws.user(policy(allow("sagemaker:*"), here)))
    within.create_model(**model)
    assert independent_aws.everything()["model"] == ["m"]


def test_tags_at_creation_need_permission_to_tag_and_restrict_access(independent_aws):
    model = {
        "ModelName": "tagged",
        "ExecutionRoleArn": independent_aws.role(),
        "PrimaryContainer": {"Image": XGBOOST},
        "Tags": [{"Key": "team", "Value": "a"}],
    }
    untagging = independent_aws.client("sagemaker", independent_aws.user(all_but("sagemaker:AddTags")))
    assert "sagemaker:AddTags" in refused(untagging.create_model, **model)[1]
    independent_aws.client("sagemaker").create_model(**model)
    arn = f"arn:aws:sagemaker:us-east-1:{independent_aws.account}:model/tagged"
    team = {"StringEquals": {"aws:ResourceTag/team": "b"}}
    other = independent_aws.client("sagemaker", independent_aws.user(policy(allow("sagemaker:*", Condition=team))))
    assert "sagemaker:DeleteModel" in refused(other.delete_model, ModelName="tagged")[1]
    independent_aws.client("sagemaker").add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "b"}])
    other.delete_model(ModelName="tagged")


def test_resources_are_found_by_their_tags(independent_aws):
    client, tagging = independent_aws.client("sagemaker"), independent_aws.client("resourcegroupstaggingapi")
    for name in ("one", "two"):
        client.create_model(
            ModelName=name,
            ExecutionRoleArn=independent_aws.role(),
            PrimaryContainer={"Image": XGBOOST},
            Tags=[{"Key": "run", "Value": name}],
        )
    wanted = {"TagFilters": [{"Key": "run", "Values": ["two"]}], "ResourceTypeFilters": ["sagemaker:model"]}
    found = tagging.get_resources(**wanted)["ResourceTagMappingList"]
    assert [each["ResourceARN"].rpartition("/")[2] for each in found] == ["two"]
    assert found[0]["Tags"] == [{"Key": "run", "Value": "two"}]


# --- the execution role -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "reported"),
    [
        ("s3:GetObject", "Data download failed:AccessDenied (403): User: "),
        ("s3:PutObject", "Artifact upload failed:AccessDenied (403): User: "),
        ("ecr:BatchGetImage", "Cannot pull algorithm container. "),
        ("ecr:GetAuthorizationToken", "Cannot pull algorithm container. "),
        ("ecr:GetDownloadUrlForLayer", "Cannot pull algorithm container. "),
    ],
)
def test_a_job_whose_role_lacks_a_permission_fails_and_names_it(independent_aws, objects, taken, reported):
    client, role = independent_aws.client("sagemaker"), independent_aws.role(all_but(taken))
    client.create_training_job(**job("j", role))
    status, reason = ended(client, "j")
    assert (status, reason.startswith(f"ClientError: {reported}")) == ("Failed", True)
    assert f"not authorized to perform: {taken} on resource" in reason


def test_a_job_whose_role_may_not_list_its_data_is_not_created(independent_aws, objects):
    client, role = independent_aws.client("sagemaker"), independent_aws.role(all_but("s3:ListBucket"))
    code, reported = refused(client.create_training_job, **job("j", role))
    assert (code, reported.startswith("No S3 objects found under S3 URL")) == ("ValidationException", True)
    assert "Error message from S3: User: " in reported
    assert "not authorized to perform: s3:ListBucket on resource" in reported


def test_a_job_whose_role_may_not_read_its_checkpoints_fails(independent_aws, objects):
    objects.put_object(Bucket=BUCKET, Key="kept/step", Body=b"1")
    nothing = deny("s3:GetObject", resource=f"arn:aws:s3:::{BUCKET}/kept/*")
    client, role = independent_aws.client("sagemaker"), independent_aws.role(policy(allow("*"), nothing))
    client.create_training_job(**job("j", role), CheckpointConfig={"S3Uri": f"s3://{BUCKET}/kept/"})
    status, reason = ended(client, "j")
    assert status == "Failed"
    assert reason.startswith("ClientError: Checkpoint download failed:AccessDenied (403): User: ")


def test_a_job_without_permission_to_write_logs_trains_without_them(independent_aws, objects):
    client, role = independent_aws.client("sagemaker"), independent_aws.role(all_but("logs:CreateLogStream"))
    client.create_training_job(**job("j", role))
    assert ended(client, "j")[0] == "Completed"
    assert "log group" not in independent_aws.everything()


def test_a_model_whose_role_may_not_read_its_data_is_not_created(independent_aws, objects):
    data, role = f"s3://{BUCKET}/models/model.tar.gz", independent_aws.role(all_but("s3:GetObject"))
    container = {"Image": XGBOOST, "ModelDataUrl": data}
    call = independent_aws.client("sagemaker").create_model
    code, reported = refused(call, ModelName="m", ExecutionRoleArn=role, PrimaryContainer=container)
    assert code == "ValidationException"
    assert reported.startswith(
        f'Could not access model data at {data}. Please ensure that the role "{role}" exists and'
    )


def test_an_endpoint_fails_when_its_role_loses_a_permission(independent_aws, objects):
    client, role = independent_aws.client("sagemaker"), independent_aws.role()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz"):
        pass
    objects.put_object(Bucket=BUCKET, Key="m.tar.gz", Body=buffer.getvalue())
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{BUCKET}/m.tar.gz"}
    client.create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer=container)
    name, document = role.rpartition("/")[2], json.dumps(all_but("s3:GetObject"))
    independent_aws.client("iam").put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
    variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
    client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    client.create_endpoint(EndpointName="e", EndpointConfigName="c")
    seen = wait_until(
        lambda: client.describe_endpoint(EndpointName="e"),
        "the endpoint to fail",
        done=lambda seen: seen["EndpointStatus"] != "Creating",
    )
    assert (seen["EndpointStatus"], "s3:GetObject" in seen["FailureReason"]) == ("Failed", True)


# --- simulation ---------------------------------------------------------------------------------------------------


def test_a_simulation_and_a_call_are_decided_alike(independent_aws):
    statements = [allow("s3:*", resource=f"arn:aws:s3:::{BUCKET}/*"), deny("s3:DeleteObject")]
    user = independent_aws.user(policy(*statements))
    asked = {
        "PolicySourceArn": independent_aws.name_of(user),
        "ActionNames": ["s3:GetObject", "s3:DeleteObject"],
        "ResourceArns": [f"arn:aws:s3:::{BUCKET}/k", "arn:aws:s3:::another/k"],
    }
    pages = independent_aws.client("iam").get_paginator("simulate_principal_policy")
    found = [
        (result["EvalActionName"], result["EvalResourceName"].split(":")[-1], result["EvalDecision"])
        for page in pages.paginate(**asked, PaginationConfig={"PageSize": 3})
        for result in page["EvaluationResults"]
    ]
    assert found == [
        ("s3:GetObject", f"{BUCKET}/k", "allowed"),
        ("s3:GetObject", "another/k", "implicitDeny"),
        ("s3:DeleteObject", f"{BUCKET}/k", "explicitDeny"),
        ("s3:DeleteObject", "another/k", "explicitDeny"),
    ]


def test_a_simulation_takes_context_and_names_missing_keys(independent_aws):
    condition = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    role = independent_aws.role(policy(allow("iam:PassRole", Condition=condition)))

    def simulate(**more):
        asked = {"PolicySourceArn": role, "ActionNames": ["iam:PassRole"], **more}
        result = independent_aws.client("iam").simulate_principal_policy(**asked)["EvaluationResults"][0]
        return result["EvalDecision"], result["MissingContextValues"]

    entry = {"ContextKeyName": "iam:PassedToService", "ContextKeyType": "string"}
    assert simulate() == ("implicitDeny", ["iam:PassedToService"])
    assert simulate(ContextEntries=[entry | {"ContextKeyValues": ["sagemaker.amazonaws.com"]}]) == ("allowed", [])
    assert simulate(ContextEntries=[entry | {"ContextKeyValues": ["ec2.amazonaws.com"]}]) == ("implicitDeny", [])


def test_a_simulation_needs_permission_and_an_existing_principal(independent_aws):
    user = independent_aws.user(all_but("iam:SimulatePrincipalPolicy"))
    asked = {"PolicySourceArn": independent_aws.name_of(user), "ActionNames": ["s3:GetObject"]}
    code, reported = refused(independent_aws.client("iam", user).simulate_principal_policy, **asked)
    assert (code, "iam:SimulatePrincipalPolicy" in reported) == ("AccessDenied", True)
    asked["PolicySourceArn"] += "-nobody"
    assert refused(independent_aws.client("iam").simulate_principal_policy, **asked)[0] == "NoSuchEntity"


# --- what a check before a run asks ---------------------------------------------------------------------------------


def test_quotas_have_the_names_of_aws_and_the_values_of_the_test(independent_aws):
    independent_aws.set_quota("ml.m4.xlarge for endpoint usage", 0)
    client = independent_aws.client("service-quotas")
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    quotas = {quota["QuotaName"]: quota for page in pages for quota in page["Quotas"]}
    assert quotas["ml.m4.xlarge for endpoint usage"]["Value"] == 0
    training = quotas["ml.m4.xlarge for training job usage"]
    assert client.get_service_quota(ServiceCode="sagemaker", QuotaCode=training["QuotaCode"])["Quota"] == training
    assert refused(client.get_service_quota, ServiceCode="sagemaker", QuotaCode="L-0")[0] == "NoSuchResourceException"


def test_prices_are_only_those_that_were_provided(independent_aws):
    client = independent_aws.client("pricing")
    attributes = {"instanceName": "ml.m4.xlarge", "regionCode": "us-east-1"}
    fields = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in attributes.items()]
    asked = {"ServiceCode": "AmazonSageMaker", "Filters": fields}
    assert client.get_products(**asked)["PriceList"] == []
    product = {"serviceCode": "AmazonSageMaker", "product": {"sku": "A", "attributes": attributes}, "terms": {}}
    other = {**product, "product": {"sku": "B", "attributes": attributes | {"regionCode": "eu-west-1"}}}
    independent_aws.set_prices([product, other])
    assert [json.loads(found) for found in client.get_products(**asked)["PriceList"]] == [product]


# --- faults -------------------------------------------------------------------------------------------------------


def test_a_call_whose_answer_is_lost_has_been_applied(independent_aws):
    independent_aws.faults.add("CreateBucket", effect="lose_answer", times=100)
    with pytest.raises(BotoCoreError):
        independent_aws.client("s3").create_bucket(Bucket="made-unheard")
    independent_aws.faults.clear()
    assert [bucket["Name"] for bucket in independent_aws.client("s3").list_buckets()["Buckets"]] == ["made-unheard"]


def test_a_call_whose_connection_is_cut_has_not_been_applied(independent_aws):
    independent_aws.faults.add("CreateBucket", effect="cut", times=100)
    with pytest.raises(BotoCoreError):
        independent_aws.client("s3").create_bucket(Bucket="not-made")
    independent_aws.faults.clear()
    assert independent_aws.client("s3").list_buckets()["Buckets"] == []


def test_a_cut_network_drops_calls_until_it_is_restored(independent_aws):
    client = independent_aws.client("sts")
    client.get_caller_identity()
    before = independent_aws.calls()["counts"]["GetCallerIdentity"]
    independent_aws.network(True)
    try:
        with pytest.raises(BotoCoreError):
            client.get_caller_identity()
    finally:
        independent_aws.network(False)
    assert independent_aws.calls()["counts"]["GetCallerIdentity"] == before
    client.get_caller_identity()


@pytest.mark.parametrize("after", [False, True])
def test_a_signal_comes_with_the_call_and_the_call_is_applied(independent_aws, after):
    with Popen(["sleep", "60"]) as process:
        independent_aws.faults.add("CreateBucket", effect="signal", pid=process.pid, signal="SIGTERM", after=after)
        independent_aws.client("s3").create_bucket(Bucket="b-after")
        assert process.wait(10) == -15


def test_an_endpoint_that_is_stuck_stays_in_creating(independent_aws, objects):
    client = independent_aws.client("sagemaker")
    client.create_model(ModelName="m", ExecutionRoleArn=independent_aws.role(), PrimaryContainer={"Image": XGBOOST})
    variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
    client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    independent_aws.faults.add("CreateEndpoint", effect="stuck", delay=3600)
    client.create_endpoint(EndpointName="e", EndpointConfigName="c")
    assert client.describe_endpoint(EndpointName="e")["EndpointStatus"] == "Creating"
    assert refused(client.delete_endpoint, EndpointName="e")[1].startswith("Cannot update in-progress endpoint")


def test_an_administrator_may_do_everything(independent_aws):
    assert independent_aws.client("sagemaker", independent_aws.user(EVERYTHING)).list_models()["Models"] == []
