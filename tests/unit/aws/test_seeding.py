"""Directories in S3 that tests and commands start with."""

import pytest

from harness.aws.seeding import seed, seed_local
from harness.errors import DataError, HarnessError, SettingsError
from tests.support.ledgers import account, client


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data" / "below").mkdir(parents=True)
    (tmp_path / "data" / "a.csv").write_text("a")
    (tmp_path / "data" / "below" / "b.csv").write_text("b")
    return tmp_path / "data"


def keys(bucket):
    return [item["Key"] for item in client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_a_directory_gets_a_prefix_of_the_run_and_is_deleted_with_it(ledger, tmp_path, data):
    uri = seed(account(tmp_path), ledger, data)
    prefix = uri.removeprefix(f"s3a://{ledger.bucket}/")
    assert prefix.startswith(f"hsh-{ledger.run}-")
    client("s3").put_object(Bucket=ledger.bucket, Key=f"{prefix}output", Body=b"")
    assert keys(ledger.bucket) == [f"{prefix}a.csv", f"{prefix}below/b.csv", f"{prefix}output"]
    assert ledger.clean_up() == []
    assert keys(ledger.bucket) == []


def test_a_place_of_ones_own_is_seeded_only_if_nothing_is_there(ledger, tmp_path, data):
    client("s3").create_bucket(Bucket="mine")
    aws = account(tmp_path, outlives_process=True)
    assert seed(aws, ledger, data, "s3://mine/customers") == "s3a://mine/customers/"
    client("s3").put_object(Bucket="mine", Key="orders/1", Body=b"precious")
    with pytest.raises(HarnessError, match="is not this run's to create and delete"):
        seed(aws, ledger, data, "s3://mine/orders/")
    assert ledger.clean_up() == []
    assert keys("mine") == ["orders/1"]


def test_a_local_bucket_is_made_and_filled(ledger, tmp_path, data):
    for _ in range(2):
        seed_local(account(tmp_path), data, "s3://shop")
    assert keys("shop") == ["a.csv", "below/b.csv"]


@pytest.mark.parametrize(
    ("uri", "told"),
    [("s3://mine", "is a whole bucket"), ("s3:///x", "names no bucket"), ("https://x.org/y", "names no bucket of S3")],
)
def test_what_is_no_place_is_refused_with_a_fix(ledger, tmp_path, data, uri, told):
    with pytest.raises(SettingsError, match=told) as refused:
        seed(account(tmp_path), ledger, data, uri)
    assert refused.value.fix


def test_a_directory_without_files_is_refused(ledger, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, told in (("empty", "has no files"), ("absent", "is no directory")):
        with pytest.raises(DataError, match=told):
            seed(account(tmp_path), ledger, tmp_path / name)
