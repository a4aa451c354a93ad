"""Each kind of resource is described, deleted and proved gone, even if AWS does not answer everything."""

from datetime import datetime, timedelta, timezone
from functools import cache
from uuid import uuid4

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws
from moto.backends import get_backend

from harness.aws.cleanup.leftovers import leftovers_text, refuse_leftovers
from harness.aws.cleanup.resources import Janitor, Leftover, Resource, delete_command, is_gone, is_passing, is_valid
from harness.errors import LeftoverError

ACCOUNT, REGION = "123456789012", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
MODEL, CONFIG, ENDPOINT = Resource("model", "m"), Resource("endpoint config", "c"), Resource("endpoint", "e")
JOB, PREFIX = Resource("training job", "j"), Resource("S3 prefix", "s3://bucket/run1/")
STAGING = Resource("S3 staging", "s3://bucket/*/job1/")
EPOCH = datetime.fromtimestamp(0, timezone.utc)
CREATED = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


@cache
def client(service):
    return boto3.client(service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")


def error(code, message="no"):
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@pytest.fixture
def answers(monkeypatch):
    """Answers of AWS by operation, instead of carrying it out. Errors are raised, and each is used once."""
    answers, call = {}, BaseClient._make_api_call

    def answer(client, operation, parameters):
        if not answers.get(operation):
            return call(client, operation, parameters)
        answer = answers[operation].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    monkeypatch.setattr("harness.waiting.time.sleep", lambda _: None)
    return answers


@pytest.fixture
def janitor(answers):
    """A janitor of an account with a model, an endpoint config, an endpoint, and a bucket ``bucket``."""
    with mock_aws():
        sagemaker = client("sagemaker")
        sagemaker.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "i"})
        variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
        client("s3").create_bucket(Bucket="bucket")
        yield Janitor(client)


@pytest.fixture
def keys(janitor):
    """Put objects of these keys into the bucket; return its keys."""

    def keys(*put):
        for key in put:
            get_backend("s3")[ACCOUNT]["aws"].put_object("bucket", key, b"x")
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket="bucket")
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    return keys


@pytest.mark.parametrize(("resource", "state"), [(MODEL, "exists"), (CONFIG, "exists"), (ENDPOINT, "InService")])
def test_an_existing_resource_is_deleted_and_then_gone(janitor, resource, state):
    assert janitor.state(resource) == state
    assert janitor.delete(resource, timeout=5) is None
    assert janitor.state(resource) is None
    assert list(janitor.deleted) == [resource]


@pytest.mark.parametrize("kind", ["model", "endpoint config", "endpoint", "training job", "log group"])
def test_a_resource_that_never_existed_is_gone(janitor, kind):
    assert janitor.delete(Resource(kind, "never"), timeout=5) is None
    assert not janitor.deleted


@pytest.mark.parametrize("resource", [MODEL, CONFIG, ENDPOINT])
def test_another_that_deletes_it_at_the_same_time_does_no_harm(janitor, answers, resource):
    gone = error("ValidationException", "Could not find it")
    operation = {"model": "Model", "endpoint config": "EndpointConfig", "endpoint": "Endpoint"}[resource.kind]
    answers[f"Delete{operation}"] = [gone]
    answers[f"Describe{operation}"] = [{}, gone]
    assert janitor.delete(resource, timeout=5) is None


@pytest.mark.slow
def test_all_pages_below_a_prefix_go_and_a_neighbour_of_a_longer_name_stays(janitor, keys):
    assert len(keys(*(f"run1/{number}" for number in range(1005)), "run10/x", "run1", "other/run1/x")) == 1008
    assert janitor.state(PREFIX) == "1005 objects"
    assert janitor.delete(PREFIX, timeout=60) is None
    assert keys() == ["other/run1/x", "run1", "run10/x"]


def test_uploads_that_were_begun_and_not_finished_go_too(janitor):
    for key in ("run1/x", "run10/x"):
        client("s3").create_multipart_upload(Bucket="bucket", Key=key)
    assert janitor.state(PREFIX) == "1 unfinished upload"
    assert janitor.delete(PREFIX, timeout=5) is None
    assert [upload["Key"] for upload in client("s3").list_multipart_uploads(Bucket="bucket")["Uploads"]] == ["run10/x"]


def test_a_bucket_with_versions_keeps_none_of_the_deleted_objects(janitor, keys):
    client("s3").put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        keys("run1/x", "run1/y", "run10/x")
    assert janitor.delete(PREFIX, timeout=5) is None
    left = client("s3").list_object_versions(Bucket="bucket")
    assert [each["Key"] for each in left["Versions"]] == ["run10/x", "run10/x"]
    assert "DeleteMarkers" not in left


def test_versions_that_the_caller_may_not_list_stay(janitor, keys, answers):
    client("s3").put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    keys("run1/x")
    answers["ListObjectVersions"] = [error("AccessDenied", "Access Denied")]
    assert janitor.delete(PREFIX, timeout=5) is None
    assert len(client("s3").list_object_versions(Bucket="bucket")["Versions"]) == 1


def test_a_staging_is_below_any_uuid_and_below_nothing_else(janitor, keys):
    uuids = [str(uuid4()), str(uuid4())]
    kept = ["*/job1/x", "a/b/job1/x", "job1/x", "team/job1/x", f"{uuids[0]}/job10/x", f"x/{uuids[0]}/job1/x"]
    keys(f"{uuids[0]}/job1/x", f"{uuids[1]}/job1/y", *kept)
    assert janitor.delete(STAGING, timeout=5) is None
    assert keys() == sorted(kept)


def test_a_star_in_a_prefix_is_a_character_like_any_other(janitor, keys):
    keys("*/j/x", "team/j/x", str(uuid4()) + "/j/x", "*/jj")
    assert janitor.delete(Resource("S3 prefix", "s3://bucket/*/j/"), timeout=5) is None
    assert [key.partition("/")[2] for key in keys()] == ["jj", "j/x", "j/x"]


@pytest.mark.parametrize("path", ["s3://bucket/*", "s3://bucket/*/", "s3://bucket/**", "s3://bucket/?"])
@pytest.mark.parametrize("name", ["j", "hsh-abcdefghijkl-1-training-job"])
def test_nothing_that_a_description_says_is_a_pattern(janitor, answers, keys, path, name):
    kept = [f"team/{name}/output/x", f"{uuid4()}/{name}/output/x"]
    keys(*kept)
    channel = {"DataSource": {"S3DataSource": {"S3Uri": f"{path}/{name}"}}}
    described = {"TrainingJobName": name, "InputDataConfig": [channel], "OutputDataConfig": {"S3OutputPath": path}}
    answers["DescribeTrainingJob"] = [{**described, "CreationTime": EPOCH}]
    for prefix in janitor.data_of(Resource("training job", name), named_by_harness=name != "j"):
        assert janitor.delete(prefix, timeout=5) is None
        assert "--include" not in delete_command(prefix, REGION)
    assert keys() == sorted(kept)


def test_of_a_job_under_another_name_only_what_is_newer_than_the_job_goes(janitor, answers, keys):
    keys("v7/churn/output/model.tar.gz", "v7/churn/output/output.tar.gz")
    bodies = get_backend("s3")[ACCOUNT]["aws"].buckets["bucket"].keys
    bodies["v7/churn/output/model.tar.gz"].last_modified = CREATED.replace(tzinfo=None)
    bodies["v7/churn/output/output.tar.gz"].last_modified = (CREATED + timedelta(seconds=1)).replace(tzinfo=None)
    output = {"S3OutputPath": "s3://bucket/v7"}
    answers["DescribeTrainingJob"] = [
        {"TrainingJobName": "churn", "OutputDataConfig": output, "CreationTime": CREATED + timedelta(microseconds=1)}
    ]
    (prefix,) = janitor.data_of(Resource("training job", "churn"), named_by_harness=False)
    assert janitor.delete(prefix, timeout=5) is None
    assert keys() == ["v7/churn/output/model.tar.gz"]


@pytest.mark.parametrize(
    "resource",
    [
        *(
            Resource("S3 prefix", f"s3://{rest}")
            for rest in ("bucket", "bucket/", "bucket//", "bucket/im", "/x/", "b/x/")
        ),
        *(Resource("S3 prefix", uri) for uri in ("bucket/x/", "https://bucket/x/", "s3://Bucket/x/", "s3://*/x/")),
        *(Resource("S3 staging", f"s3://{rest}") for rest in ("bucket/x/j/", "bucket/*/*/", "bucket/*/", "*/*/j/")),
        *(Resource("model", name) for name in ("", "*", "a/b", "a\n", "-a", "a" * 64, "\x1b[2J")),
        *(Resource("log group", name) for name in ("", "*", "a b")),
        Resource("bucket", "bucket"),
    ],
)
def test_a_name_that_is_none_of_its_kind_is_not_valid_and_no_objects_go_by_it(janitor, keys, resource):
    keys("image/x", "important/x")
    assert not is_valid(resource)
    if resource.kind.startswith("S3"):
        with pytest.raises(ValueError, match="no name of its kind"):
            janitor.delete(resource, timeout=5)
    assert keys() == ["image/x", "important/x"]


def test_a_bucket_that_is_not_there_holds_nothing(janitor):
    assert janitor.state(Resource("S3 prefix", "s3://nobodys-bucket/run1/")) is None


def test_an_object_that_may_not_be_deleted_is_left_and_the_others_go(janitor, answers, keys):
    keys("run1/a", "run1/b")
    answers["DeleteObjects"] = [{"Errors": [{"Key": "run1/a", "Code": "AccessDenied", "Message": "not yours"}]}]
    assert "not yours" in janitor.delete(PREFIX, timeout=5)


def test_an_invisible_resource_is_unknown_and_deleted_all_the_same(janitor, answers):
    answers["DescribeEndpoint"] = [error("AccessDeniedException", "not yours")]
    assert janitor.delete(ENDPOINT, timeout=600).startswith("unknown: ")
    assert janitor.state(ENDPOINT) is None


@pytest.mark.parametrize(
    "passing",
    [
        error("ThrottlingException", "Rate exceeded"),
        error("ServiceUnavailable"),
        EndpointConnectionError(endpoint_url="https://x"),
        error("ValidationException", "Cannot update in-progress endpoint"),
    ],
)
def test_a_passing_state_is_waited_for(janitor, answers, passing):
    if isinstance(passing, ClientError):
        passing.response["ResponseMetadata"] = {"HTTPStatusCode": 503 if "Unavailable" in str(passing) else 400}
    answers["DescribeEndpoint"] = [passing, passing]
    answers["DeleteEndpoint"] = [passing, passing]
    assert janitor.delete(ENDPOINT, timeout=60) is None
    assert not any(answers.values())


@pytest.mark.parametrize("state", ["Creating", "Updating", "Deleting"])
def test_an_endpoint_that_changes_is_waited_for(janitor, answers, state):
    answers["DescribeEndpoint"] = [{"EndpointStatus": state}] * 3
    assert janitor.delete(ENDPOINT, timeout=60) is None
    assert answers["DescribeEndpoint"] == []


def test_the_state_of_an_endpoint_that_is_being_deleted_is_not_yet_settled(janitor, answers):
    answers["DescribeEndpoint"] = [{"EndpointStatus": "Deleting"}] * 2
    assert janitor.settled(ENDPOINT, timeout=60) == "InService"
    assert answers["DescribeEndpoint"] == []


def test_a_job_that_is_not_there_has_no_data(janitor, answers):
    assert janitor.data_of(JOB, named_by_harness=True) == []


def test_an_endpoint_that_never_settles_is_left_with_its_state(janitor, answers):
    answers["DescribeEndpoint"] = [{"EndpointStatus": "Creating"}] * 100_000
    assert janitor.delete(ENDPOINT, timeout=0.01) == "Creating"


def test_a_permanently_refused_resource_is_given_up_at_once(janitor, answers):
    answers["DeleteModel"] = [error("AccessDeniedException", "not yours")]
    assert "not yours" in janitor.delete(MODEL, timeout=600)


def test_a_running_training_job_is_stopped_and_its_record_is_no_leftover(janitor, answers):
    running, stopping, stopped = ({"TrainingJobStatus": status} for status in ("InProgress", "Stopping", "Stopped"))
    answers["DescribeTrainingJob"] = [running, stopping, stopped]
    answers["StopTrainingJob"] = [{}]
    assert janitor.delete(JOB, timeout=60) is None
    assert answers["StopTrainingJob"] == []


@pytest.mark.parametrize(
    ("named_by_harness", "expected"),
    [
        (True, [("s3://bucket/out/j/", None), ("s3://bucket/uuid/j/", None)]),
        (False, [("s3://bucket/out/j/output/", CREATED)]),
    ],
)
def test_the_data_of_a_job_is_what_bears_its_name_or_only_its_model_where_the_name_is_a_users(
    janitor, answers, named_by_harness, expected
):
    channels = [{"DataSource": {"S3DataSource": {"S3Uri": f"s3://bucket/{key}"}}} for key in ("uuid/j", "my-data/")]
    output = {"S3OutputPath": "s3://bucket/out/"}
    described = {"TrainingJobName": "j", "InputDataConfig": channels, "OutputDataConfig": output}
    answers["DescribeTrainingJob"] = [{**described, "CreationTime": CREATED}]
    assert [each[1:] for each in janitor.data_of(JOB, named_by_harness=named_by_harness)] == expected


def test_the_tags_of_a_resource_are_those_of_the_arn_that_aws_tells(janitor, answers):
    client("sagemaker").create_model(
        ModelName="MixedCase", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "i"}, Tags=[{"Key": "a", "Value": "b"}]
    )
    assert janitor.tags(Resource("model", "MixedCase")) == {"a": "b"}


def test_log_groups_are_known_by_their_whole_name(janitor):
    client("logs").create_log_group(logGroupName="/aws/e10")
    assert janitor.state(Resource("log group", "/aws/e1")) is None
    assert janitor.state(Resource("log group", "/aws/e10")) == "exists"
    assert janitor.delete(Resource("log group", "/aws/e10"), timeout=5) is None


COMMANDS = {
    ENDPOINT: "aws sagemaker delete-endpoint --endpoint-name e --region us-east-1",
    CONFIG: "aws sagemaker delete-endpoint-config --endpoint-config-name c --region us-east-1",
    MODEL: "aws sagemaker delete-model --model-name m --region us-east-1",
    JOB: "aws sagemaker stop-training-job --training-job-name j --region us-east-1",
    PREFIX: "aws s3 rm --recursive s3://bucket/run1/ --region us-east-1",
    Resource("S3 prefix", "s3://bucket/*/j/"): "aws s3 rm --recursive 's3://bucket/*/j/' --region us-east-1",
    STAGING: (
        "aws s3 rm --recursive s3://bucket/ --exclude '*' "
        "--include '????????-????-????-????-????????????/job1/*' --region us-east-1"
    ),
    Resource("S3 prefix", "s3://bucket/j/output/", CREATED): (
        "aws s3api delete-objects --bucket bucket --region us-east-1 --delete "
        '"$(aws s3api list-objects-v2 --bucket bucket --prefix j/output/ --query '
        """'{Objects: Contents[?LastModified>=`"2026-11-22T12:00:00"`].{Key: Key}}' """
        '--output json --region us-east-1)"'
    ),
    Resource("S3 prefix", "s3://bucket/a\x1bé'/"): (
        r"aws s3 rm --recursive $'s3\x3a\x2f\x2fbucket\x2fa\x1b\xc3\xa9\x27\x2f' --region us-east-1"
    ),
    Resource("log group", "/g"): "aws logs delete-log-group --log-group-name /g --region us-east-1",
}


@pytest.mark.parametrize("resource", COMMANDS, ids=repr)
def test_the_command_that_deletes_a_resource_is_reported(resource):
    assert delete_command(resource, REGION) == COMMANDS[resource]


LEFT = [
    Leftover(Resource("endpoint", "hsh-abcdefghijkl-1-endpoint"), "InService", 0.28, COMMANDS[ENDPOINT]),
    Leftover(Resource("S3 prefix", f"s3://{'b' * 60}/x/"), "unknown: " + "denied " * 20, None, COMMANDS[PREFIX]),
]


def test_the_table_of_leftovers_fits_a_terminal_and_names_cost_and_commands():
    lines = leftovers_text(LEFT).splitlines()
    table = lines[: lines.index("to delete it:")]
    assert max(map(len, table)) <= 80
    assert "0.280" in "".join(table)
    assert lines[-2:] == [f"  {COMMANDS[ENDPOINT]}", f"  {COMMANDS[PREFIX]}"]


def test_leftovers_are_refused_with_what_deletes_them():
    refuse_leftovers([], after="x")
    with pytest.raises(LeftoverError, match=r"after x: endpoint hsh-abcdefghijkl-1-endpoint \(InService\)") as caught:
        refuse_leftovers(LEFT, after="x")
    assert COMMANDS[ENDPOINT] in caught.value.fix


def test_text_of_others_in_leftovers_cannot_steer_a_terminal():
    left = [Leftover(Resource("S3 prefix", "s3://bucket/\x1b[2J/"), "unknown: \x9b31m [red]", 0.0, "aws \u202e")]
    with pytest.raises(LeftoverError) as caught:
        refuse_leftovers(left, after="x")
    for text in (leftovers_text(left), str(caught.value)):
        assert all(each.isprintable() or each == "\n" for each in text)
    assert r"\x1b[2J" in leftovers_text(left)
    assert "[red]" in leftovers_text(left)


def failing(status, code="X", message="no"):
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Op"
    )


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (failing(400, "ThrottlingException"), True),
        (failing(400, "ResourceInUse"), True),
        (failing(400, "ValidationException", "Cannot update in-progress endpoint"), True),
        (failing(400, "ValidationException", "1 validation error"), False),
        (failing(403, "AccessDenied"), False),
        (failing(499), False),
        (failing(500), True),
        (failing(503), True),
        (EndpointConnectionError(endpoint_url="https://x"), True),
        (OSError("no"), False),
    ],
)
def test_an_error_passes_if_aws_is_busy_or_failed_or_was_not_reached(error, passing):
    assert is_passing(error) is passing


@pytest.mark.parametrize(
    ("code", "message", "gone"),
    [
        ("ResourceNotFoundException", "", True),
        ("NoSuchBucket", "", True),
        ("ValidationException", "Could not find model", True),
        ("ValidationException", "We could not say: Could not find", False),
        ("AccessDenied", "", False),
    ],
)
def test_an_error_says_gone_by_its_code_or_the_beginning_of_its_message(code, message, gone):
    assert is_gone(error(code, message)) is gone


@pytest.mark.parametrize(
    ("kind", "name", "most"),
    [
        ("model", "{}", 63),
        ("log group", "{}", 512),
        ("S3 prefix", "s3://{}/k/", 63),
        ("S3 prefix", "s3://bucket/{}/", 1023),
        ("S3 staging", "s3://bucket/*/{}/", 63),
    ],
)
def test_a_name_may_be_as_long_as_aws_allows_and_no_longer(kind, name, most):
    assert is_valid(Resource(kind, name.format("a" * most)))
    assert not is_valid(Resource(kind, name.format("a" * (most + 1))))


def test_a_bucket_has_three_characters_at_least():
    assert is_valid(Resource("S3 prefix", "s3://bbb/k/"))
    assert not is_valid(Resource("S3 prefix", "s3://bb/k/"))


def test_objects_and_uploads_are_counted_each_in_its_number(janitor, keys):
    keys("run1/a")
    assert janitor.state(PREFIX) == "1 object"
    for key in ("run1/x", "run1/y"):
        client("s3").create_multipart_upload(Bucket="bucket", Key=key)
    assert janitor.state(PREFIX) == "1 object, 2 unfinished uploads"
    keys("run1/b")
    assert janitor.state(PREFIX) == "2 objects, 2 unfinished uploads"


def test_a_prefix_was_last_modified_when_its_newest_object_was(janitor, keys):
    assert janitor.last_modified(PREFIX) is None
    keys("run1/a", "run1/b", "run10/c")
    written = get_backend("s3")[ACCOUNT]["aws"].buckets["bucket"].keys
    for key, year in {"run1/a": 2031, "run1/b": 2030, "run10/c": 2032}.items():
        written[key].last_modified = datetime(year, 5, 1)
    assert janitor.last_modified(PREFIX) == datetime(2031, 5, 1, tzinfo=timezone.utc)
