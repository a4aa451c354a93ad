"""Rules for names: buckets, keys, metadata and tags.

Buckets: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html. Keys:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html. Metadata:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html. Tags:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from harness.localaws.s3.rules.refusals import S3Refusal, invalid_argument

_NAME = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
LONGEST_KEY = 1024
"""Bytes of a key."""
_LARGEST_METADATA = 2048
_META = "x-amz-meta-"
_MOST_TAGS, _LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 10, 128, 256
_TAG = re.compile(r"[\w\s+\-=.:/@]*")


def check_bucket_name(name: str) -> None:
    """Raise :class:`S3Refusal` unless a new bucket may have a name."""
    known = _NAME.fullmatch(name) and not _ADDRESS.fullmatch(name)
    if not known or name.startswith(_STARTS) or name.endswith(_ENDS):
        raise S3Refusal("InvalidBucketName", BucketName=name)


def check_key(key: str) -> None:
    """Raise :class:`S3Refusal` if a key is too long, or climbs above its bucket when it is read as a path."""
    size = len(key.encode("utf-8", "surrogateescape"))
    if size > LONGEST_KEY:
        raise S3Refusal("KeyTooLongError", Size=size, MaxSizeAllowed=LONGEST_KEY)
    depth = 0
    for segment in key.split("/"):
        depth += -1 if segment == ".." else segment not in ("", ".")
        if depth < 0:
            raise S3Refusal("InvalidURI", URI=f"/{key}")  # the code is not documented


def check_metadata(headers: Mapping[str, str]) -> None:
    """Raise :class:`S3Refusal` if the user's metadata are too large: names and values count, prefixes do not."""
    given = {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
    size = sum(len(name) + len(value.encode("latin-1", "replace")) for name, value in given.items())
    if size > _LARGEST_METADATA:
        raise S3Refusal("MetadataTooLarge", Size=size, MaxSizeAllowed=_LARGEST_METADATA)


def check_tag_header(header: str) -> None:
    """Raise :class:`S3Refusal` unless a header holds tags, as ``key=value&key=value``."""
    tags = parse_qsl(header, keep_blank_values=True)
    if header and not tags:
        raise invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag "
            "name duplicates.",
            "x-amz-tagging",
            header,
        )
    check_tags(tags)


def check_tags(tags: Sequence[tuple[str, str]]) -> None:
    """Raise :class:`S3Refusal` unless an object may have these tags, as pairs of key and value."""
    if len(tags) > _MOST_TAGS:
        raise S3Refusal("BadRequest", f"Object tags cannot be greater than {_MOST_TAGS}")
    if len({key for key, _ in tags}) < len(tags):
        raise S3Refusal("InvalidTag", "Cannot provide multiple Tags with the same key")
    for key, value in tags:
        if not 0 < len(key) <= _LONGEST_TAG_KEY or not _TAG.fullmatch(key):
            raise S3Refusal("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > _LONGEST_TAG_VALUE or not _TAG.fullmatch(value):
            raise S3Refusal("InvalidTag", "The TagValue you have provided is invalid", TagValue=value)
        if key.lower().startswith("aws:"):
            raise S3Refusal("InvalidTag", "System tags cannot be added/updated by requester", TagKey=key)
