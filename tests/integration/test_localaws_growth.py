"""Nothing grows in the local AWS: deleted and replaced objects release memory and disk."""

import socket
import uuid
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from harness.aws.local import MockAWS
from harness.settings import Settings
from harness.waiting import wait_until
from tests.support.growth import disk, held
from tests.support.proxied import signed, tunnel

pytestmark = pytest.mark.slow

KB, MB = 1 << 10, 1 << 20
SMALL, LARGE = b"s" * KB, b"l" * (MB + 17)
PART = b"p" * (5 * MB)
BUCKET = "growing"
FEW = 8
"""Descriptors that connections may open or close during a test."""


@pytest.fixture(scope="module")
def apart(harness_settings):
    """A separate local AWS that no other test uses."""
    if harness_settings.mode == "real":
        pytest.skip("these tests are about the local AWS")
    with MockAWS.start(Settings()) as aws:
        aws.client("s3").list_objects_v2(Bucket=f"sagemaker-sample-data-{aws.region}")  # written in the background
        yield aws


@pytest.fixture
def s3(apart):
    client = apart.client("s3")
    if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def given_back(apart, s3):
    """Check that a test leaves no new file on disk."""
    before = disk(apart)
    yield before
    wait_until(lambda: disk(apart) == before, "the bodies to be deleted", timeout=10)


def begin(s3, key="upload"):
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    return {"Bucket": BUCKET, "Key": key, "UploadId": upload}


def complete(s3, asked, *bodies):
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**asked, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(bodies, 1)
    ]
    return s3.complete_multipart_upload(**asked, MultipartUpload={"Parts": parts})


@pytest.fixture
def versioned(s3):
    name = f"versioned-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    yield name
    s3.delete_bucket(Bucket=name)


def test_three_hundred_puts_of_two_keys_hold_no_more_than_two(apart, s3):
    for key, body in (("small", SMALL), ("large", LARGE)):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    before = held(apart)
    for _ in range(300):
        s3.put_object(Bucket=BUCKET, Key="small", Body=SMALL)
        s3.put_object(Bucket=BUCKET, Key="large", Body=LARGE)
    after = held(apart)
    assert after.descriptors <= before.descriptors + FEW
    wait_until(lambda: disk(apart) == before.disk, "replaced bodies to be deleted", timeout=10)
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "small"}, {"Key": "large"}]})
    wait_until(lambda: disk(apart) == before.disk - len(LARGE), "the last body to be deleted", timeout=10)


def test_a_thousand_objects_take_no_descriptors(apart, s3, given_back):
    before = held(apart).descriptors
    keys = [f"many/{number}" for number in range(1000)]
    for number, key in enumerate(keys):
        s3.put_object(Bucket=BUCKET, Key=key, Body=SMALL if number % 50 else LARGE)
    assert held(apart).descriptors <= before + FEW
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})


def test_a_copy_takes_no_disk_and_outlives_its_source(apart, s3, given_back):
    s3.put_object(Bucket=BUCKET, Key="source", Body=LARGE)
    before = disk(apart)
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=f"{BUCKET}/source")
    assert disk(apart) == before
    s3.delete_object(Bucket=BUCKET, Key="source")
    assert s3.get_object(Bucket=BUCKET, Key="copy")["Body"].read() == LARGE
    s3.delete_object(Bucket=BUCKET, Key="copy")


def test_an_upload_that_is_aborted_leaves_none_of_its_parts(s3, given_back):
    asked = begin(s3)
    for number in (1, 2, 2):
        s3.upload_part(**asked, PartNumber=number, Body=PART)
    s3.abort_multipart_upload(**asked)


def test_a_completed_upload_takes_the_disk_of_the_parts_it_names(apart, s3, given_back):
    asked = begin(s3)
    s3.upload_part(**asked, PartNumber=7, Body=LARGE)  # not named when it is completed
    complete(s3, asked, PART, PART, SMALL)
    wait_until(lambda: disk(apart) == given_back + 2 * len(PART), "the part that was not named to go", timeout=10)
    assert s3.get_object(Bucket=BUCKET, Key="upload")["Body"].read() == PART + PART + SMALL
    s3.delete_object(Bucket=BUCKET, Key="upload")


def test_a_part_copied_from_a_range_keeps_no_more_than_the_range(apart, s3, given_back):
    s3.put_object(Bucket=BUCKET, Key="source", Body=PART + PART)
    asked = begin(s3)
    source = {"CopySource": f"{BUCKET}/source", "CopySourceRange": f"bytes=1-{len(LARGE)}"}
    s3.upload_part_copy(**asked, **source, PartNumber=1)
    s3.delete_object(Bucket=BUCKET, Key="source")
    wait_until(lambda: disk(apart) == given_back + len(LARGE), "the source to go", timeout=10)
    s3.abort_multipart_upload(**asked)


def test_versions_keep_their_bodies_until_each_is_deleted(apart, s3, versioned, given_back):
    stored = [s3.put_object(Bucket=versioned, Key="k", Body=LARGE)["VersionId"] for _ in range(3)]
    assert disk(apart) == given_back + 3 * len(LARGE)
    for version in stored:
        s3.delete_object(Bucket=versioned, Key="k", VersionId=version)


def test_a_delete_marker_does_not_keep_what_it_hides(apart, s3, versioned, given_back):
    version = s3.put_object(Bucket=versioned, Key="k", Body=LARGE, Tagging="a=b")["VersionId"]
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=version)
    wait_until(lambda: disk(apart) == given_back, "the hidden version to go", timeout=10)
    s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)


def test_listing_versions_copies_no_bodies(apart, s3, versioned, given_back):
    version = s3.put_object(Bucket=versioned, Key="k", Body=PART)["VersionId"]
    before = disk(apart)
    listed = [s3.list_object_versions(Bucket=versioned)["Versions"] for _ in range(3)]
    assert [(found["ETag"], found["Size"]) for (found,) in listed] == [(listed[0][0]["ETag"], len(PART))] * 3
    assert disk(apart) == before
    s3.delete_object(Bucket=versioned, Key="k", VersionId=version)


def test_a_body_is_kept_for_a_download_under_way_and_no_longer(apart, s3, given_back):
    s3.put_object(Bucket=BUCKET, Key="k", Body=PART * 8)
    reading = s3.get_object(Bucket=BUCKET, Key="k")["Body"]
    begun = reading.read(KB)
    s3.delete_object(Bucket=BUCKET, Key="k")
    assert disk(apart) == given_back + 8 * len(PART)
    assert begun + reading.read() == PART * 8


def test_a_download_that_is_given_up_lets_its_body_go(s3, given_back):
    s3.put_object(Bucket=BUCKET, Key="k", Body=PART * 8)
    reading = s3.get_object(Bucket=BUCKET, Key="k")["Body"]
    reading.read(KB)
    s3.delete_object(Bucket=BUCKET, Key="k")
    reading.close()


def test_an_upload_that_is_refused_leaves_no_body(s3, given_back):
    for _ in range(3):
        with pytest.raises(ClientError, match="NoSuchBucket"):
            s3.put_object(Bucket="there-is-none", Key="k", Body=LARGE)


def test_an_interrupted_upload_leaves_no_body(apart, s3, given_back):
    connection = upload(apart, {"Content-Length": str(2 * len(PART))}, PART)
    wait_until(lambda: disk(apart) > given_back, "the upload to begin", timeout=10)
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


def test_an_upload_by_hand_takes_no_memory(apart, s3, given_back):
    peak = apart.status()["peak_memory"]
    connection = upload(apart, {"Content-Length": str(16 * len(PART))}, PART)
    for _ in range(15):
        connection.send(PART)
    assert connection.getresponse().status == 200
    connection.close()
    assert apart.status()["peak_memory"] - peak < 8 * len(PART)
    s3.delete_object(Bucket=BUCKET, Key="raw")


def test_a_full_disk_leaves_no_body(apart, s3, given_back):
    apart.faults.add("PutObject", effect="disk_full")
    with pytest.raises(ClientError, match="no disk left"):
        s3.put_object(Bucket=BUCKET, Key="k", Body=LARGE)


AWS_CHUNKED = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": "1"}


@pytest.mark.parametrize(
    "body",
    [b"a" * (64 * KB), b"0\r\n" + b"x:y\r\n" * (4 * KB), b"1;" + b"a" * (64 * KB) + b"\r\n", b"0\r\nnone\r\n\r\n",
     b"-1\r\n\r\n0\r\n\r\n", b"2\r\nabc\r\n0\r\n\r\n", b"1\na\n0\n\n", b"1\r\na\r\n", b"0\r\n\r\nmore"],
    ids=["no line end", "trailers", "header", "no trailer", "negative", "too long", "no CR", "no end", "after the end"],
)  # fmt: skip
def test_a_body_that_is_not_in_aws_chunks_is_refused_as_by_s3(apart, s3, given_back, body):
    connection = upload(apart, {**AWS_CHUNKED, "Content-Length": str(len(body))}, body)
    answer = connection.getresponse()
    assert (answer.status, b"<Code>IncompleteBody</Code>" in answer.read()) == (400, True)
    connection.close()


def test_a_chunk_whose_header_never_ends_is_answered_before_its_end(apart, s3, given_back):
    chunk_of_http = b"ffff\r\n" + b"a" * 0xFFFF  # and more would follow
    connection = upload(apart, {**AWS_CHUNKED, "Transfer-Encoding": "chunked"}, chunk_of_http)
    answer = connection.getresponse()
    assert (answer.status, b"<Code>IncompleteBody</Code>" in answer.read()) == (400, True)
    connection.close()


def upload(aws, headers, body):
    """Begin a PutObject with these headers, send some of its body, and return the connection."""
    host = f"{BUCKET}.s3.{aws.region}.amazonaws.com"
    connection = tunnel(aws, host)
    connection.putrequest("PUT", "/raw")
    for name, value in signed(aws, "PUT", f"https://{host}/raw", headers).items():
        connection.putheader(name, value)
    connection.endheaders(body)
    return connection


def test_a_reset_gives_back_everything_but_the_sample_data(apart, s3, versioned):
    before = disk(apart)
    s3.put_object(Bucket=BUCKET, Key="k", Body=LARGE)
    s3.put_object(Bucket=versioned, Key="k", Body=LARGE)
    s3.upload_part(**begin(s3), PartNumber=1, Body=PART)
    assert disk(apart) > before
    apart.reset()
    wait_until(lambda: disk(apart) == before, "every other body to be deleted", timeout=10)
    s3.create_bucket(Bucket=versioned)  # which its fixture deletes


def test_the_sample_data_is_written_once(apart, s3):
    def written():
        return {file.name: file.stat().st_ctime_ns for file in Path(apart.connection.directory, "objects").iterdir()}

    apart.reset()
    wait_until(lambda: len(written()) == 2, "the bodies of other tests to be deleted", timeout=10)
    before = written()
    apart.reset()
    assert len(s3.list_objects_v2(Bucket="sagemaker-sample-data-us-east-1")["Contents"]) == 2
    assert written() == before


def test_regions_share_the_sample_data(apart, s3):
    apart.reset()
    s3.list_objects_v2(Bucket="sagemaker-sample-data-us-east-1")
    before = disk(apart)
    for region in ("eu-west-1", "ap-northeast-1"):
        s3.list_objects_v2(Bucket=f"sagemaker-sample-data-{region}")
    assert disk(apart) == before > MB
