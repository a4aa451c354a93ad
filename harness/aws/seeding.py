"""Files in S3 that a test or a command starts with: a directory of the project, uploaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, ParamValidationError

from harness.aws import AWS
from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.resources import Resource
from harness.errors import DataError, SettingsError
from harness.regions import split_s3_uri


def seed(aws: AWS, ledger: Ledger, directory: Path, uri: str | None = None) -> str:
    """Upload a directory, and return its place in S3 as ``s3a://bucket/prefix/``. The ledger deletes all below it.

    :param uri: ``s3://bucket/prefix/`` below which nothing exists. By default a new prefix of this run, in the bucket
        that the Spark SDK uses. A local AWS makes the bucket; in AWS it must exist.
    :raises DataError: the directory does not exist, or has no files.
    :raises SettingsError: the place is no prefix of a bucket, or the bucket does not exist.
    :raises HarnessError: something exists below it already.
    """
    files, s3 = _files(directory), aws.client("s3")
    if uri is None:
        ledger.make_bucket()
        bucket, prefix = split_s3_uri(ledger.data_prefix())
    else:
        bucket, prefix = _bucket_and_prefix(uri)
        if not prefix:
            raise SettingsError(f"{uri} is a whole bucket, which a ledger does not delete.", fix="add a prefix")
        if not aws.outlives_process:
            _make_bucket(s3, bucket, aws.region)
        ledger.expect(Resource("S3 prefix", f"s3://{bucket}/{prefix}"))
    _upload(s3, files, bucket, prefix)
    return f"s3a://{bucket}/{prefix}"


def seed_local(aws: AWS, directory: Path, uri: str) -> None:
    """Upload a directory into a local AWS, which ends with the command that uses it. The bucket is made.

    :param uri: ``s3://bucket/`` or ``s3://bucket/prefix/``.
    :raises DataError, SettingsError: as :func:`seed`.
    """
    files, s3 = _files(directory), aws.client("s3")
    bucket, prefix = _bucket_and_prefix(uri)
    _make_bucket(s3, bucket, aws.region)
    _upload(s3, files, bucket, prefix)


def _bucket_and_prefix(uri: str) -> tuple[str, str]:
    """Return the bucket, and the prefix with a slash at its end; '' for the whole bucket."""
    try:
        bucket, prefix = split_s3_uri(uri)
    except ValueError as error:
        raise SettingsError(f"{error}.", fix="give a place such as s3://bucket/prefix/") from error
    if not bucket:
        raise SettingsError(f"{uri} names no bucket.", fix="give a place such as s3://bucket/prefix/")
    return bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""


def _files(directory: Path) -> dict[Path, str]:
    """Return the files below a directory, each with its key below the prefix.

    :raises DataError: there are none.
    """
    found = sorted(path for path in directory.rglob("*") if path.is_file())
    if not found:
        what = "has no files" if directory.is_dir() else "is no directory"
        raise DataError(f"{directory} {what}.", fix="name a directory with the files to upload")
    return {path: path.relative_to(directory).as_posix() for path in found}


def _make_bucket(s3: Any, bucket: str, region: str) -> None:
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=bucket, **where)
    except s3.exceptions.BucketAlreadyOwnedByYou:
        return
    except (ClientError, ParamValidationError) as error:
        raise SettingsError(f"The bucket {bucket} cannot be made: {error}", fix="choose another name") from error


def _upload(s3: Any, files: Mapping[Path, str], bucket: str, prefix: str) -> None:
    for path, key in files.items():
        try:
            s3.upload_file(str(path), bucket, prefix + key)
        except S3UploadFailedError as error:
            raise SettingsError(
                f"{path} cannot be uploaded: {error}", fix="check the bucket, and that you may write to it"
            ) from error
