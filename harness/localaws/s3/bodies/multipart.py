"""Multipart uploads: the checksums of their parts, and the completed object's.

See https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html (documentation only).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from harness import regions
from harness.localaws.exceptions import AWSError
from harness.localaws.http.answers import HeldAnswer
from harness.localaws.http.moto_proxy import MotoProxy
from harness.localaws.http.request import Request, Send
from harness.localaws.http.threads import Threads
from harness.localaws.moto_backend import Services
from harness.localaws.s3.bodies import checksums
from harness.localaws.s3.bodies.checksums import COMPOSITE, DEFAULT, FULL_OBJECT, Checksum, invalid
from harness.localaws.s3.disk_bodies import beside_request
from harness.localaws.s3.rules.documents import parse, tag
from harness.localaws.s3.rules.refusals import S3Refusal
from harness.localaws.s3.rules.xml_answers import NAMESPACE
from harness.localaws.s3.storage.stored import find_bucket

_ALGORITHM, _TYPE, _SIZE = "x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-mp-object-size"
_MAY_BE_FULL = ("CRC32", "CRC32C", "CRC64NVME")


@dataclass(frozen=True)
class Plan:
    """The checksum that an upload's object gets: its algorithm and its type, and whether the client chose them."""

    algorithm: str = DEFAULT
    kind: str = FULL_OBJECT
    chosen: bool = False

    def check_part(self, algorithm: str) -> None:
        """Raise :class:`AWSError` if a part does not have the checksum that the upload needs.

        Parts of a ``COMPOSITE`` upload must have one. Of the others S3 computes those that are missing.
        """
        if self.chosen and algorithm != self.algorithm and (algorithm or self.kind == COMPOSITE):
            actual = algorithm.lower() or "null"
            raise invalid(
                f"Checksum Type mismatch occurred, expected checksum Type: {self.algorithm.lower()}, "
                f"actual checksum Type: {actual}"
            )


@dataclass(frozen=True)
class Part:
    """A part that CompleteMultipartUpload names."""

    number: int
    checksum: Checksum | None


def plan_of(services: Services, request: Request) -> Plan:
    """Return the plan of the upload that a request belongs to.

    :raises AWSError: there is no such upload.
    """
    plan: Plan = _find(services, request).plan
    return plan


def _find(services: Services, request: Request) -> Any:
    upload = services.upload(request.bucket_and_key()[0], request.query["uploadId"][0])
    if upload is None:  # it was completed or aborted just now
        raise S3Refusal("NoSuchUpload", UploadId=request.query["uploadId"][0])
    return upload


def planned(headers: Mapping[str, str]) -> Plan:
    """Return the plan that CreateMultipartUpload asks for.

    :raises AWSError: algorithm and type do not fit each other.
    """
    algorithm, kind = headers.get(_ALGORITHM, "").upper(), headers.get(_TYPE, "").upper()
    if not algorithm:
        if kind:
            raise invalid(f"The {_TYPE} header can only be used with the {_ALGORITHM} header.")
        return Plan()
    checksums.check_algorithm(algorithm)
    kind = kind or (FULL_OBJECT if algorithm == DEFAULT else COMPOSITE)
    if kind not in (FULL_OBJECT, COMPOSITE):
        raise invalid(f"Value for {_TYPE} header is invalid.")
    if (kind == FULL_OBJECT and algorithm not in _MAY_BE_FULL) or (kind == COMPOSITE and algorithm == DEFAULT):
        raise invalid(f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.")
    return Plan(algorithm, kind, chosen=True)


class MultipartUploads:
    """Answers CreateMultipartUpload and CompleteMultipartUpload."""

    def __init__(self, services: Services, moto: MotoProxy, threads: Threads) -> None:
        self._services = services
        self._moto = moto
        self._threads = threads

    async def create(self, request: Request, send: Send) -> None:
        """Let moto start an upload, and keep the plan of its checksum with it."""
        plan = planned(request.headers)
        headers = {name: value for name, value in request.headers.items() if name not in (_ALGORITHM, _TYPE)}
        answer = HeldAnswer()
        with beside_request(plan=plan):
            await self._moto.answer(request, answer.send, headers=headers)
        if answer.status == 200 and plan.chosen:
            answer.replace(_ALGORITHM, plan.algorithm)
            answer.replace(_TYPE, plan.kind)
        await answer.forward(send)

    async def complete(self, request: Request, send: Send) -> None:
        """Check the parts, let moto join them, and add the checksum to its answer.

        :raises AWSError: the parts are not those that were uploaded.
        """
        content = request.body_read
        bucket, key = request.bucket_and_key()
        checksum = None
        if not self._services.has_completed(bucket, key, request.query["uploadId"][0]):  # moto answers once more
            upload = _find(self._services, request)
            checksum = await self._threads.run(_checked, upload, content, request.headers)
        answer = HeldAnswer()
        with beside_request(checksum=checksum):
            await self._moto.answer(request, answer.send, body=content, headers=_without_checksums(request.headers))
        if answer.status == 200:
            answer.rewrite(lambda xml: _completed(xml, request, checksum))
        await answer.forward(send)


def _without_checksums(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not name.startswith(checksums.HEADER)}


def _checked(upload: Any, content: bytes, headers: Mapping[str, str]) -> Checksum | None:
    """Return the checksum of an upload's object, once its parts are the ones that a request names.

    None leaves the answer to moto, which refuses a part that is missing, too small or another one.
    """
    plan: Plan = upload.plan
    if (kind := headers.get(_TYPE, "").upper()) and kind != plan.kind:
        text = f"The upload was created using the {plan.kind} checksum mode. The complete request must use the same"
        raise invalid(f"{text} checksum mode.")
    named = _named(content)
    found = [(part, upload.parts[part.number]) for part in named if part.number in upload.parts]
    if not named or len(found) < len(named):
        return None
    for part, stored in found:
        _check_part(plan, part, stored)
    size = sum(stored.size for _, stored in found)
    if (said := headers.get(_SIZE)) is not None and said != str(size):
        raise invalid(f"The provided '{_SIZE}' header value {said} does not match what was computed: {size}")
    checksum = checksums.of_parts([(s.body.checksum(plan.algorithm), s.size) for _, s in found], plan.kind)
    expected = checksums.given(headers)
    if expected and (expected.algorithm, expected.value.partition("-")[0]) != (
        checksum.algorithm,
        checksum.value.partition("-")[0],
    ):
        text = f"The {expected.algorithm.lower()} you specified did not match the calculated checksum."
        raise checksums.bad_digest(text)
    return checksum


def _check_part(plan: Plan, part: Part, stored: Any) -> None:
    if part.checksum is None:
        if plan.chosen and plan.kind == COMPOSITE:
            raise invalid(
                f"The upload was created using a {plan.algorithm.lower()} checksum. The complete request must "
                f"include the checksum for each part. It was missing for part {part.number} in the request."
            )
    elif part.checksum != stored.body.checksum(part.checksum.algorithm):
        error = AWSError(
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
            "specified entity tag may not match the part's entity tag."
        )
        error.code = "InvalidPart"
        raise error


def _named(content: bytes) -> list[Part]:
    """Return the parts in a document that :func:`~harness.localaws.s3.rules.documents.parts_to_complete` checked."""
    return [_part(element) for element in parse(content) if tag(element) == "Part"]


def _part(element: ElementTree.Element) -> Part:
    parts = {tag(part): (part.text or "").strip() for part in element}
    values = {
        f"{checksums.HEADER}{name.removeprefix('Checksum').lower()}": value
        for name, value in parts.items()
        if name.startswith("Checksum")
    }
    return Part(int(parts["PartNumber"]), checksums.given(values))


def _completed(xml: bytes, request: Request, checksum: Checksum | None) -> bytes:
    """Return moto's answer with the URL that S3 gives, and with the checksum."""
    root = ElementTree.fromstring(xml)
    name, key = request.bucket_and_key()
    bucket = find_bucket(name)
    for element in root:
        if tag(element) == "Location" and bucket:
            element.text = f"https://{name}.{regions.s3_host(bucket.region)}/{quote(key, safe='')}"
    if checksum:
        for name, text in ((checksum.element, checksum.value), ("ChecksumType", checksum.kind)):
            ElementTree.SubElement(root, f"{{{NAMESPACE}}}{name}").text = text
    return ElementTree.tostring(root)
