"""Copies of S3 objects and of ranges of them: moto shares the body, and the checksum is S3's.

See https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html (documentation only).
"""

from __future__ import annotations

from xml.etree import ElementTree

from harness.localaws.http.answers import HeldAnswer
from harness.localaws.http.moto_proxy import MotoProxy
from harness.localaws.http.request import Request, Send
from harness.localaws.moto_backend import Services
from harness.localaws.s3.bodies import multipart
from harness.localaws.s3.bodies.checksums import Checksum, check_algorithm
from harness.localaws.s3.disk_bodies import beside_request
from harness.localaws.s3.rules.documents import tag
from harness.localaws.s3.rules.xml_answers import NAMESPACE

_ALGORITHM = "x-amz-checksum-algorithm"


class Copies:
    """Answers CopyObject and UploadPartCopy."""

    def __init__(self, services: Services, moto: MotoProxy) -> None:
        self._services = services
        self._moto = moto

    async def copy(self, request: Request, send: Send) -> None:
        """Let moto copy an object. The copy has a checksum of the whole, by the source's algorithm or another one.

        :raises AWSError: the algorithm is unknown.
        """
        algorithm = request.headers.get(_ALGORITHM, "").upper()
        if algorithm:
            check_algorithm(algorithm)
        headers = {name: value for name, value in request.headers.items() if name != _ALGORITHM}
        answer = HeldAnswer()
        with beside_request(plan=multipart.Plan(algorithm, chosen=True) if algorithm else None) as beside:
            await self._moto.answer(request, answer.send, headers=headers)
            copied = beside.found
        if answer.status == 200 and copied:
            answer.drop("x-amz-sdk-checksum-algorithm")
            answer.rewrite(lambda xml: _with_checksum(xml, copied.checksum, with_type=True))
        await answer.forward(send)

    async def copy_part(self, request: Request, send: Send) -> None:
        """Let moto copy a range of an object as a part.

        :raises AWSError: there is no such upload.
        """
        plan = multipart.plan_of(self._services, request)
        answer = HeldAnswer()
        with beside_request() as beside:
            await self._moto.answer(request, answer.send)
            copied = beside.found
        if answer.status == 200 and copied and plan.chosen:
            answer.rewrite(lambda xml: _with_checksum(xml, copied.checksum, with_type=False))
        await answer.forward(send)


def _with_checksum(xml: bytes, checksum: Checksum, *, with_type: bool) -> bytes:
    root = ElementTree.fromstring(xml)
    result = root if tag(root).endswith("Result") else root[0]
    parts = {checksum.element: checksum.value} | ({"ChecksumType": checksum.kind} if with_type else {})
    for name, text in parts.items():
        ElementTree.SubElement(result, f"{{{NAMESPACE}}}{name}").text = text
    return ElementTree.tostring(root)
