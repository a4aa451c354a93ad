"""Buckets, versions of objects and uploads under way, as moto keeps them.

moto keeps the versions of a key in a list, the newest last. A delete marker is a version too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moto.s3.exceptions import MissingBucket
from moto.s3.models import FakeDeleteMarker, S3Backend, s3_backends

from harness import regions
from harness.localaws.s3.bodies.checksums import DEFAULT, FULL_OBJECT
from harness.regions import region_of_sample_bucket

OWNER = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"
"""Canonical id of the owner of buckets and objects in moto's answers."""
NULL = "null"
"""Id of the version of an object that has none."""


@dataclass(frozen=True)
class Version:
    """A version of an object, or a delete marker."""

    _stored: Any
    is_latest: bool = True

    @property
    def key(self) -> str:
        """The object's key."""
        return str(self._stored.name)

    @property
    def id(self) -> str:
        """The version's id, or ``null``."""
        return str(self._stored.version_id or NULL)

    @property
    def is_marker(self) -> bool:
        """True for a delete marker."""
        return isinstance(self._stored, FakeDeleteMarker)

    @property
    def etag(self) -> str:
        """The ETag in quotes."""
        return str(self._stored.etag)

    @property
    def size(self) -> int:
        """Bytes."""
        return int(self._stored.size)

    @property
    def modified(self) -> datetime:
        """The time of writing in UTC, in whole seconds and without a time zone."""
        return self.written.replace(microsecond=0)

    @property
    def written(self) -> datetime:
        """The time of writing in UTC, more precise than S3 says it, and without a time zone."""
        time: datetime = self._stored.last_modified
        return time

    @property
    def storage_class(self) -> str:
        """The storage class."""
        return str(self._stored.storage_class)

    @property
    def checksum(self) -> tuple[str, str]:
        """The algorithm of the checksum, and its type."""
        kept = self._stored.kept_checksum
        return (kept.algorithm, kept.kind) if kept else (DEFAULT, FULL_OBJECT)

    @property
    def part_sizes(self) -> list[int]:
        """Sizes of the parts that the object was uploaded in; empty if it was stored at once."""
        upload = self._stored.multipart
        return [int(upload.parts[number].size) for number in upload.partlist] if upload else []

    @property
    def upload(self) -> str:
        """The id of the upload that made the object, or ''."""
        return str(self._stored.multipart.id) if self._stored.multipart else ""


@dataclass(frozen=True)
class Part:
    """A part of an upload under way."""

    number: int
    size: int
    etag: str
    modified: datetime
    checksums: dict[str, str]
    """Checksums by algorithm."""


@dataclass(frozen=True)
class Upload:
    """A multipart upload under way."""

    key: str
    id: str
    storage_class: str
    begun: datetime
    parts: list[Part]
    checksum: tuple[str, str]


@dataclass(frozen=True)
class Bucket:
    """A bucket of moto."""

    _stored: Any

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._stored.name)

    @property
    def region(self) -> str:
        """Its region. A bucket of sample data is in the region that it names."""
        return str(self._stored.region_name)

    @property
    def account(self) -> str:
        """Id of the account that owns it."""
        return str(self._stored.account_id)

    @property
    def created(self) -> datetime:
        """The time at which it was made, in UTC."""
        time: datetime = self._stored.creation_date
        return time

    @property
    def keeps_versions(self) -> bool:
        """True once versions were enabled, even if they are suspended."""
        return self._stored.versioning_status is not None

    @property
    def is_accelerated(self) -> bool:
        """True if Transfer Acceleration is enabled."""
        return bool(self._stored.accelerate_configuration == "Enabled")

    def versions(self, prefix: str = "") -> Iterator[Version]:
        """Yield all versions and markers of keys with a prefix, by key, the newest first."""
        for key in sorted(key for key in list(self._stored.keys) if key.startswith(prefix)):
            yield from self.versions_of(key)

    def versions_of(self, key: str) -> list[Version]:
        """Return the versions and markers of a key, the newest first."""
        stored = list(self._stored.keys.getlist(key, []))
        return [Version(each, is_latest=number == 0) for number, each in enumerate(reversed(stored))]

    def objects(self, prefix: str = "") -> Iterator[Version]:
        """Yield the current objects whose keys have a prefix, by key. A deleted key has none."""
        for key in sorted(key for key in list(self._stored.keys) if key.startswith(prefix)):
            if found := self.current(key):
                yield found

    def latest(self, key: str) -> Version | None:
        """Return the latest version of a key, which may be a marker."""
        return next(iter(self.versions_of(key)), None)

    def current(self, key: str) -> Version | None:
        """Return the current object of a key, or None if there is none or it is deleted."""
        found = self.latest(key)
        return None if found is None or found.is_marker else found

    def version(self, key: str, version: str) -> Version | None:
        """Return the version of a key with an id."""
        return next((each for each in self.versions_of(key) if each.id == version), None)

    def uploads(self) -> list[Upload]:
        """Return the uploads under way, by key and, within a key, in the order in which they began."""
        found = [_upload(each) for each in list(self._stored.multiparts.values())]
        return sorted(found, key=lambda upload: (upload.key, upload.begun))

    def upload(self, upload_id: str) -> Upload | None:
        """Return an upload under way."""
        found = self._stored.multiparts.get(upload_id)
        return _upload(found) if found else None


def _upload(stored: Any) -> Upload:
    parts = [
        Part(number, int(part.size), str(part.etag), part.last_modified, _checksums(part))
        for number, part in sorted(dict(stored.parts).items())
    ]
    algorithms = (stored.plan.algorithm, stored.plan.kind) if stored.plan.chosen else ("", "")
    return Upload(stored.key_name, stored.id, stored.storage or "STANDARD", stored.begun, parts, algorithms)


def _checksums(part: Any) -> dict[str, str]:
    return {part.kept_checksum.algorithm: part.kept_checksum.value} if part.kept_checksum else {}


def find_bucket(name: str) -> Bucket | None:
    """Return a bucket of any region and account, or None if it does not exist."""
    if name not in s3_backends.bucket_accounts:
        return None
    try:
        return Bucket(backend_of(name).get_bucket(name))
    except MissingBucket:
        return None


def backend_of(bucket: str) -> S3Backend:
    """Return moto's S3 of the account and partition that a bucket belongs to."""
    partition, account = s3_backends.bucket_accounts[bucket]
    return s3_backends[account][partition]


def region_of(bucket: str) -> str | None:
    """Return the region of a bucket, or None if it does not exist."""
    found = find_bucket(bucket)
    return found.region if found else region_of_sample_bucket(bucket)


def buckets_of(account: str, region: str) -> list[Bucket]:
    """Return an account's buckets in the partition of a region, by name."""
    found = list(s3_backends[account][regions.partition(region)].buckets.values())
    return sorted(map(Bucket, found), key=lambda bucket: bucket.name)


def all_buckets() -> list[Bucket]:
    """Return the buckets of all accounts and partitions."""
    backends = [backend for account in list(s3_backends.values()) for backend in list(account.values())]
    return [Bucket(each) for backend in backends for each in list(backend.buckets.values())]
