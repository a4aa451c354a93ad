"""Calls of an S3: clients, requests made by hand, and the parts of answers that tests compare."""

import os
import urllib.request
import uuid
from urllib.parse import quote
from xml.etree import ElementTree

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

_ONCE = Config(retries={"total_max_attempts": 1})


class Service:
    """An S3, and the buckets that were made in it."""

    def __init__(self, endpoint, prefix):
        self._endpoint = endpoint
        self._prefix = prefix
        self._session = boto3.Session()
        self._http = URLLib3Session(proxies=urllib.request.getproxies(), verify=os.environ.get("AWS_CA_BUNDLE") or True)
        self.region = self._session.region_name or "us-east-1"
        self.made = []
        self.s3 = self.client()

    def client(self, config=None, region=None, **arguments):
        """Return a client, by default of the session's region."""
        config = _ONCE.merge(config) if config else _ONCE
        region = region or self.region
        return self._session.client("s3", region, endpoint_url=self._endpoint, config=config, **arguments)

    def name(self):
        """Return a name for a bucket. It is deleted at the end if it exists."""
        self.made.append(f"{self._prefix}-{uuid.uuid4().hex[:12]}")
        return self.made[-1]

    def make_bucket(self, *, region=None, versioning=None, **arguments):
        """Make a bucket and return its name."""
        name, region = self.name(), region or self.region
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region != "us-east-1" else {}
        client = self.client(region=region)
        client.create_bucket(Bucket=name, **place, **arguments)
        if versioning:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": versioning})
        return name

    def send(self, method, bucket, key="", query="", headers=None, body=b"", *, region=None, host=None, signed=True):
        """Send a path-style request, and return the answer: ``status_code``, ``headers``, ``content``.

        :param host: of another endpoint than the client's.
        """
        base = f"https://{host}" if host else self.s3.meta.endpoint_url
        path = f"{bucket}/{quote(key, safe='/~')}" if bucket and key else bucket or quote(key, safe="/~")
        url = f"{base}/{path}{'?' if query else ''}{query}"
        request = AWSRequest(method, url, headers=headers or {}, data=body)
        if signed:
            S3SigV4Auth(self._session.get_credentials().get_frozen_credentials(), "s3", region or self.region).add_auth(
                request
            )
        return self._http.send(request.prepare())


def refused(call, **arguments):
    """Return the HTTP status and the code of a call's error."""
    answer = error_of(call, **arguments)
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def error_of(call, **arguments):
    """Return the answer that a call's error has."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response


def status(answer):
    """Return the HTTP status of a call's answer."""
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def headers(answer):
    """Return the headers of a call's answer."""
    return answer["ResponseMetadata"]["HTTPHeaders"]


def elements(response):
    """Return the texts of the elements below the root of an answer's XML, by name."""
    return {each.tag.rpartition("}")[2]: each.text or "" for each in ElementTree.fromstring(response.content)}


def verdict(response):
    """Return the HTTP status and the code of an answer to a request made by hand."""
    return response.status_code, elements(response).get("Code", "") if response.content else ""


def body_of(s3, **arguments):
    """Return the body of an object."""
    return s3.get_object(**arguments)["Body"].read()


def emptied(s3, name):
    """Delete a bucket with all versions and uploads in it, if it exists."""
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            for each in found:
                s3.delete_object(Bucket=name, Key=each["Key"], VersionId=each["VersionId"])
        for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        s3.delete_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchBucket", "301", "PermanentRedirect"):
            raise
