"""Requests and answers of DeleteObjects, which name many keys.

See https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.localaws.s3.rules.documents import check_deletion, parse, tag, text_of
from harness.localaws.s3.rules.refusals import S3Refusal
from harness.localaws.s3.rules.xml_answers import document, element, field
from harness.localaws.s3.storage.moto_versions import Deleted, delete, is_id

Entry = tuple[str, str]
"""A key that DeleteObjects names, with a version id or ''."""


@dataclass(frozen=True)
class Deletion:
    """A key to delete."""

    key: str
    version: str
    etag: str
    """The ETag that the current object must have, or ''."""

    @property
    def entry(self) -> Entry:
        """The key and the version."""
        return self.key, self.version


class DeletionRequest:
    """The body of DeleteObjects."""

    def __init__(self, body: bytes) -> None:
        """Read a body.

        :raises S3Refusal: it is not the XML of the operation, or has no keys or too many.
        """
        root = parse(body)
        check_deletion(root)
        self.quiet = (text_of(root, "Quiet") or "").strip() == "true"
        """True if the answer names errors only."""
        self.deletions = [
            Deletion(
                text_of(each, "Key") or "", (text_of(each, "VersionId") or "").strip(), text_of(each, "ETag") or ""
            )
            for each in root
            if tag(each) == "Object"
        ]

    @property
    def entries(self) -> list[Entry]:
        """Keys and versions to delete."""
        return [each.entry for each in self.deletions]

    def carry_out(self, bucket: str, refused: Mapping[Entry, str], *, bypass: bool) -> bytes:
        """Delete the keys, and return the answer.

        :param refused: reasons for which keys are not deleted.
        :param bypass: True to delete objects that are locked in governance mode.
        """
        answers = []
        for each in self.deletions:
            if each.entry in refused:
                answers.append(_error(each, "AccessDenied", refused[each.entry]))
            else:
                answers.append(self._answer(bucket, each, bypass=bypass))
        return document("DeleteResult", *answers)

    def _answer(self, bucket: str, deletion: Deletion, *, bypass: bool) -> str:
        try:
            if deletion.version and not is_id(deletion.version):
                raise S3Refusal("NoSuchVersion")
            deleted = delete(bucket, deletion.key, deletion.version, deletion.etag, bypass=bypass)
        except S3Refusal as refusal:
            return _error(deletion, refusal.code, refusal.message)
        return "" if self.quiet else _deleted(deletion, deleted)


def _deleted(deletion: Deletion, deleted: Deleted) -> str:
    return element(
        "Deleted",
        field("Key", deletion.key),
        field("VersionId", deletion.version or None),
        field("DeleteMarker", True if deleted.marker else None),
        field("DeleteMarkerVersionId", deleted.marker or None),
    )


def _error(deletion: Deletion, code: str, message: str) -> str:
    return element(
        "Error",
        field("Key", deletion.key),
        field("VersionId", deletion.version or None),
        field("Code", code),
        field("Message", message),
    )
