"""S3, STS and IAM of the local AWS, called with boto3."""

import hashlib
import os
import socket
import threading
import time
import uuid

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import mnist
from harness.aws.local import MockAWS
from harness.settings import Settings
from tests.support.proxied import tunnel

MB = 1 << 20
LARGE = os.urandom(3 * MB + 17)
"""Large enough to be streamed, and not a multiple of a block."""


@pytest.fixture(scope="module")
def s3(local):
    return boto3.client("s3", config=Config(retries={"total_max_attempts": 2}))


@pytest.fixture(scope="module")
def bucket(s3):
    name = f"objects.{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def key(request):
    return f"a prefix/{request.node.name} ü+"


def body_of(s3, bucket, key, **asked):
    return s3.get_object(Bucket=bucket, Key=key, **asked)["Body"].read()


def status_of(call, **arguments):
    """Return the HTTP status and code of a call's error."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.mark.parametrize("size", [0, 1, MB - 1, MB, len(LARGE)])
def test_an_object_is_returned_bit_for_bit_with_its_md5_as_etag(s3, bucket, key, size):
    data = LARGE[:size]
    stored = s3.put_object(Bucket=bucket, Key=key, Body=data)
    assert body_of(s3, bucket, key) == data
    described = s3.head_object(Bucket=bucket, Key=key)
    assert described["ContentLength"] == size
    assert stored["ETag"] == described["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'


def test_a_file_that_is_sent_in_aws_chunks_with_a_trailing_checksum_is_stored_without_them(
    local, s3, bucket, key, tmp_path
):
    (tmp_path / "file").write_bytes(LARGE)
    with (tmp_path / "file").open("rb") as file:
        stored = s3.put_object(Bucket=bucket, Key=key, Body=file, ChecksumAlgorithm="SHA256")
    sent = [call for call in local.calls()["calls"] if call["operation"] == "PutObject"][-1]
    assert sent["received"] > len(LARGE), "the body was sent as it is"
    whole = s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    assert whole["ChecksumSHA256"] == stored["ChecksumSHA256"]
    assert whole["Body"].read() == LARGE  # boto3 has held it against the checksum


def test_parts_of_a_multipart_upload_become_one_object_in_order(s3, bucket, key):
    parts = [LARGE + LARGE, LARGE[: 5 * MB] + LARGE, b"the end"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    asked = {"Bucket": bucket, "Key": key, "UploadId": upload}
    etags = {}
    for number in (2, 3, 1):
        etags[number] = s3.upload_part(**asked, PartNumber=number, Body=parts[number - 1])["ETag"]
    listed = [{"PartNumber": number, "ETag": etags[number]} for number in (1, 2, 3)]
    stored = s3.complete_multipart_upload(**asked, MultipartUpload={"Parts": listed})
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    assert stored["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    assert body_of(s3, bucket, key) == b"".join(parts)


def test_an_upload_whose_parts_do_not_match_is_refused(s3, bucket, key):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    asked = {"Bucket": bucket, "Key": key, "UploadId": upload}
    s3.upload_part(**asked, PartNumber=1, Body=b"text")
    wrong = {"Parts": [{"PartNumber": 1, "ETag": hashlib.md5(b"other").hexdigest()}]}
    assert status_of(s3.complete_multipart_upload, **asked, MultipartUpload=wrong) == (400, "InvalidPart")
    s3.abort_multipart_upload(**asked)
    assert status_of(s3.head_object, Bucket=bucket, Key=key)[0] == 404


@pytest.mark.parametrize("size", [1000, len(LARGE)])
@pytest.mark.parametrize(
    ("asked", "expected"),
    [("bytes=0-0", slice(0, 1)), ("bytes=10-99", slice(10, 100)), ("bytes=500-", slice(500, None)),
     ("bytes=-7", slice(-7, None)), ("bytes=990-99999999", slice(990, None))],
)  # fmt: skip
def test_a_range_is_exactly_the_bytes_asked_for(s3, bucket, size, asked, expected):
    data = LARGE[:size]
    s3.put_object(Bucket=bucket, Key=f"ranges/{size}", Body=data)
    answer = s3.get_object(Bucket=bucket, Key=f"ranges/{size}", Range=asked)
    assert answer["Body"].read() == data[expected]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"].endswith(f"/{size}")


@pytest.mark.parametrize("size", [1000, len(LARGE)])
def test_a_range_beyond_the_end_is_refused(s3, bucket, key, size):
    s3.put_object(Bucket=bucket, Key=key, Body=LARGE[:size])
    outside = f"bytes={size}-"
    assert status_of(s3.get_object, Bucket=bucket, Key=key, Range=outside) == (416, "InvalidRange")


@pytest.mark.parametrize("size", [1000, len(LARGE)])
def test_a_condition_that_does_not_hold_is_answered_as_s3_does(s3, bucket, key, size):
    etag = s3.put_object(Bucket=bucket, Key=key, Body=LARGE[:size])["ETag"]
    asked = {"Bucket": bucket, "Key": key}
    assert body_of(s3, bucket, key, IfMatch=etag) == LARGE[:size]
    assert status_of(s3.get_object, **asked, IfMatch='"other"') == (412, "PreconditionFailed")
    assert status_of(s3.get_object, **asked, IfNoneMatch=etag) == (304, "304")


@pytest.mark.parametrize("size", [1000, len(LARGE)])
def test_a_copy_is_an_independent_object(s3, bucket, key, size):
    s3.put_object(Bucket=bucket, Key=key, Body=LARGE[:size])
    s3.copy_object(Bucket=bucket, Key=f"{key}-copy", CopySource={"Bucket": bucket, "Key": key})
    s3.put_object(Bucket=bucket, Key=key, Body=b"changed")
    s3.delete_object(Bucket=bucket, Key=key)
    assert body_of(s3, bucket, f"{key}-copy") == LARGE[:size]


def test_parts_can_be_copied_from_ranges_of_another_object(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=f"{key}-source", Body=LARGE + LARGE)
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    asked = {"Bucket": bucket, "Key": key, "UploadId": upload}
    source = {"CopySource": {"Bucket": bucket, "Key": f"{key}-source"}}
    ranges = [f"bytes=0-{5 * MB - 1}", f"bytes={5 * MB}-{2 * len(LARGE) - 1}"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part_copy(**asked, **source, PartNumber=number,
         CopySourceRange=part)["CopyPartResult"]["ETag"]}
        for number, part in enumerate(ranges, 1)
    ]  # fmt: skip
    s3.complete_multipart_upload(**asked, MultipartUpload={"Parts": parts})
    assert body_of(s3, bucket, key) == LARGE + LARGE


def test_deleted_objects_are_gone_and_missing_ones_are_named(s3, bucket, key):
    names = [f"{key}/{number}" for number in range(3)]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=LARGE[: 2 * MB])
    s3.delete_object(Bucket=bucket, Key=names[0])
    assert status_of(s3.get_object, Bucket=bucket, Key=names[0]) == (404, "NoSuchKey")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": name} for name in names]})
    assert s3.list_objects_v2(Bucket=bucket, Prefix=f"{key}/")["KeyCount"] == 0


def test_an_object_can_be_read_to_its_end_while_it_is_replaced(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=LARGE * 8)
    reading = s3.get_object(Bucket=bucket, Key=key)["Body"]
    begun = reading.read(1000)
    s3.put_object(Bucket=bucket, Key=key, Body=b"new")
    assert begun + reading.read() == LARGE * 8
    assert body_of(s3, bucket, key) == b"new"


ODD_KEYS = ["a%20b", "at=10%3A30/x", "what?x=1", "a#b", "a+b c", "a//b", "/leading", "//two", "é/ü", "100%", "%2F"]
"""Spark escapes a partition's value with ``%``, so that the path is encoded twice."""


@pytest.mark.parametrize("style", ["virtual", "path"])
@pytest.mark.parametrize("size", [5, 2 * MB])
def test_keys_with_any_characters_are_kept_unchanged(s3, bucket, size, style):
    client = boto3.client("s3", config=Config(s3={"addressing_style": style}))
    prefix = "" if style == "virtual" else "below/"
    keys = [prefix + key for key in ODD_KEYS]
    s3.put_object(Bucket=bucket, Key="a b", Body=b"untouched")
    for number, key in enumerate(keys):
        client.put_object(Bucket=bucket, Key=key, Body=LARGE[number : number + size])
        assert body_of(client, bucket, key) == LARGE[number : number + size], key
        copied = {"Bucket": bucket, "Key": key}
        client.copy_object(Bucket=bucket, Key=f"copies/{key}", CopySource=copied)
        assert body_of(client, bucket, f"copies/{key}") == LARGE[number : number + size], key
    listed = [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert set(keys) < set(listed)
    client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys[::2]]})
    for key in keys[1::2]:
        client.delete_object(Bucket=bucket, Key=key)
    left = {item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]}
    assert not left & set(keys)
    assert body_of(s3, bucket, "a b") == b"untouched"


@pytest.mark.parametrize("size", [1000, MB + 1])
def test_readers_of_an_object_that_is_replaced_see_the_old_one_or_the_new_one(local, bucket, key, size):
    versions = [bytes([number]) * size for number in (65, 66)]
    done = threading.Event()
    seen, failed = set(), []
    local.client("s3").put_object(Bucket=bucket, Key=key, Body=versions[0])

    def read(client):
        while not done.is_set():
            try:
                seen.add(body_of(client, bucket, key))
            except Exception as error:
                failed.append(error)

    clients = [boto3.client("s3", config=Config(retries={"total_max_attempts": 1})) for _ in range(3)]
    readers = [threading.Thread(target=read, args=(client,)) for client in clients]
    for reader in readers:
        reader.start()
    writer = boto3.client("s3")
    for number in range(25):
        writer.put_object(Bucket=bucket, Key=key, Body=versions[number % 2])
    done.set()
    for reader in readers:
        reader.join()
    assert failed == []
    assert seen <= set(versions), [len(body) for body in seen]


def test_an_interrupted_upload_leaves_the_old_object(local, s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"old")
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key})
    host = url.removeprefix("https://").partition("/")[0]
    connection = tunnel(local, host)
    connection.connect()
    connection.putrequest("PUT", url.removeprefix(f"https://{host}"))
    connection.putheader("Content-Length", str(len(LARGE)))
    connection.endheaders(LARGE[: 2 * MB])
    before = local.calls()["counts"].get("PutObject", 0)
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    wait_for(lambda: local.calls()["counts"]["PutObject"] > before)
    assert body_of(s3, bucket, key) == b"old"


def test_sample_data_belongs_to_another_account_whose_buckets_are_not_listed(s3):
    s3.head_bucket(Bucket="sagemaker-sample-data-us-west-2")
    assert not [each for each in s3.list_buckets()["Buckets"] if each["Name"].startswith("sagemaker-sample-data-")]


def test_the_sample_data_of_every_region_is_mnist_as_libsvm(s3):
    for region in ("us-east-1", "eu-west-1"):
        listed = s3.list_objects_v2(Bucket=f"sagemaker-sample-data-{region}", Prefix="spark/mnist/")["Contents"]
        assert [item["Key"] for item in listed] == [
            "spark/mnist/test/mnist_test.libsvm",
            "spark/mnist/train/mnist_train.libsvm",
        ]
    test = body_of(s3, "sagemaker-sample-data-eu-west-1", listed[0]["Key"])
    assert test == b"".join(mnist.libsvm("test"))
    assert listed[0]["Size"] == len(test)
    assert test.count(b"\n") == 10_000


def test_memory_stays_small_while_a_large_object_is_stored_and_read(tmp_path):
    block, count = LARGE, 50
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(block * count)
    with MockAWS.start(Settings()) as local:
        s3 = local.client("s3")
        s3.create_bucket(Bucket="large")
        s3.put_object(Bucket="large", Key="warm", Body=block)
        s3.head_bucket(Bucket="sagemaker-sample-data-us-east-1")  # it is written now, and not while this measures
        before = local.status()["memory"]
        s3.upload_file(str(source), "large", "parts")
        with source.open("rb") as file:
            s3.put_object(Bucket="large", Key="whole", Body=file)
        s3.copy_object(Bucket="large", Key="copy", CopySource="large/parts")
        s3.download_file("large", "copy", str(target))
        grown = local.status()["peak_memory"] - before
    assert target.read_bytes() == block * count
    assert grown < source.stat().st_size * 2 / 3, f"grew by {grown / MB:.0f} MiB"


def test_a_full_disk_is_reported_once_without_retries(local, faults, s3, bucket, key, tmp_path):
    (tmp_path / "file").write_bytes(LARGE)
    faults.add("PutObject", effect="disk_full", times=5)
    before = local.calls()["counts"].get("PutObject", 0)
    with pytest.raises(ClientError, match=r"no disk left in .* Free some, or point TMPDIR elsewhere") as error:
        local.client("s3").put_object(Bucket=bucket, Key=key, Body=(tmp_path / "file").read_bytes())
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert local.calls()["counts"]["PutObject"] == before + 1


def test_a_disk_that_fills_up_during_a_multipart_upload_leaves_no_object(faults, s3, bucket, key, tmp_path):
    (tmp_path / "file").write_bytes(LARGE * 5)
    faults.add("UploadPart", effect="disk_full", times=9)
    with pytest.raises(boto3.exceptions.S3UploadFailedError, match="no disk left"):
        s3.upload_file(str(tmp_path / "file"), bucket, key)
    assert status_of(s3.head_object, Bucket=bucket, Key=key)[0] == 404


def test_a_fault_answers_as_asked_as_often_as_asked(faults, s3, bucket, key):
    faults.add("PutObject", status=403, code="AccessDenied", message="not you", times=2)
    for _ in range(2):
        assert status_of(s3.put_object, Bucket=bucket, Key=key, Body=b"x") == (403, "AccessDenied")
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")


def test_a_fault_can_delay_a_call_and_an_operation_has_the_name_that_aws_gives_it(faults, s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    for operation in ("ListObjectsV2", "CopyObject", "GetBucketLocation", "HeadObject"):
        faults.add(operation, effect="", delay=0.3)
    calls = {
        "ListObjectsV2": lambda: s3.list_objects_v2(Bucket=bucket),
        "CopyObject": lambda: s3.copy_object(Bucket=bucket, Key=key + "2", CopySource={"Bucket": bucket, "Key": key}),
        "GetBucketLocation": lambda: s3.get_bucket_location(Bucket=bucket),
        "HeadObject": lambda: s3.head_object(Bucket=bucket, Key=key),
    }
    for operation, call in calls.items():
        began = time.monotonic()
        call()
        assert time.monotonic() - began > 0.3, f"{operation} was not delayed"


def test_s3_works_by_path_and_in_other_regions(s3, bucket):
    by_path = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    by_path.put_object(Bucket=bucket, Key="by/path", Body=LARGE)
    dual = boto3.client("s3", region_name="eu-west-1", config=Config(s3={"use_dualstack_endpoint": True}))
    assert body_of(dual, bucket, "by/path") == body_of(s3, bucket, "by/path") == LARGE


def test_the_caller_is_the_execution_role(local):
    for client in (boto3.client("sts"), boto3.client("sts", region_name="eu-west-1"), local.client("sts")):
        identity = client.get_caller_identity()
        assert identity["Account"] == local.account
        assert identity["Arn"].startswith(f"arn:aws:sts::{local.account}:assumed-role/HarnessSageMakerRole/")


def test_the_role_is_found_by_its_name_as_the_sagemaker_sdk_asks(local):
    name = local.role.rpartition("/")[2]
    assert boto3.client("iam").get_role(RoleName=name)["Role"]["Arn"] == local.role
    chinese = boto3.client("iam", region_name="cn-north-1").get_role(RoleName=name)["Role"]["Arn"]
    assert chinese == local.role.replace("arn:aws:", "arn:aws-cn:")
    assert status_of(boto3.client("iam").get_role, RoleName="nobody") == (404, "NoSuchEntity")


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_quiet_deletion_answers_with_errors_only(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [{"Key": key}]})
    assert "Deleted" not in answer
    assert "Errors" not in answer
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix=key)


def test_a_list_names_owners_only_if_asked_and_has_at_most_a_thousand_keys_a_page(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    silent = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=5000, FetchOwner=False)
    assert "Owner" not in silent["Contents"][0]
    assert silent["MaxKeys"] == 1000
    assert "Owner" in s3.list_objects_v2(Bucket=bucket, Prefix=key, FetchOwner=True)["Contents"][0]


@pytest.mark.parametrize("size", [1, len(LARGE)])
def test_every_answer_about_an_object_says_that_it_is_encrypted(s3, bucket, key, size):
    where = {"Bucket": bucket, "Key": key}
    upload = {**where, "UploadId": s3.create_multipart_upload(**where)["UploadId"], "PartNumber": 1}
    answers = [
        s3.put_object(**where, Body=LARGE[:size]),
        s3.head_object(**where),
        s3.get_object(**where),
        s3.copy_object(**where, CopySource={"Bucket": bucket, "Key": key}, MetadataDirective="REPLACE"),
        s3.upload_part(**upload, Body=LARGE[:size]),
    ]
    assert {answer.get("ServerSideEncryption") for answer in answers} == {"AES256"}


def test_iam_says_that_the_role_may_do_what_it_may_do(local):
    """The SageMaker Python SDK asks before it trains, and refuses a role that may not."""
    role = boto3.client("sts").get_caller_identity()["Arn"].replace(":sts:", ":iam:").replace("assumed-role", "role")
    asked = {"PolicySourceArn": role.rpartition("/")[0], "ActionNames": ["ec2:DescribeVpcs", "s3:GetObject"]}
    results = boto3.client("iam").simulate_principal_policy(**asked)["EvaluationResults"]
    assert [result["EvalDecision"] for result in results] == ["allowed", "allowed"]
