"""Bodies and facts of S3 objects, read: moto answers as for HEAD, and the body is streamed from disk.

See https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (documentation only).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from harness.localaws.exceptions import InvalidArgument
from harness.localaws.http.answers import HeldAnswer, send_answer
from harness.localaws.http.moto_proxy import MotoProxy
from harness.localaws.http.request import Request, Send
from harness.localaws.http.threads import Threads
from harness.localaws.s3 import streaming
from harness.localaws.s3.bodies.checksums import Checksum
from harness.localaws.s3.disk_bodies import beside_request
from harness.localaws.s3.rules.xml_answers import NAMESPACE

_OVERRIDES = {
    f"response-{name}": name
    for name in (
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    )
}
_MOST_PARTS = 1000


@dataclass(frozen=True)
class _Extent:
    """The bytes of an object that an answer has, and how the answer says so."""

    start: int
    length: int
    partial: bool = False
    parts: int = 0
    checksum: Checksum | None = None


class Downloads:
    """Answers GetObject, HeadObject and GetObjectAttributes."""

    def __init__(self, moto: MotoProxy, threads: Threads) -> None:
        self._moto = moto
        self._threads = threads

    async def get(self, request: Request, send: Send) -> None:
        """Answer GetObject or HeadObject.

        :raises AWSError: the range or the part is outside the object.
        """
        answer, found = await self._head(request)
        if found is None:
            await self._refuse(request, answer, send)
            return
        extent = await self._threads.run(_extent, request, found)
        _describe(answer, request, found, extent)
        if request.scope["method"] == "HEAD":
            await answer.forward(send)
            return
        await answer.forward(send, ends=not extent.length)
        await streaming.send_body(found.body.read, self._threads.run, send, extent.start, extent.length)

    async def attributes(self, request: Request, send: Send) -> None:
        """Answer GetObjectAttributes."""
        answer, found = await self._head(request)
        if found is None:
            await self._refuse(request, answer, send)
            return
        content = await self._threads.run(_attributes, request, found)
        headers = {name: answer.value(name) for name in ("last-modified", "x-amz-version-id") if answer.value(name)}
        await send_answer(send, 200, "application/xml", content, headers)

    async def _head(self, request: Request) -> tuple[HeldAnswer, Any]:
        """Return moto's answer as for HEAD, and the object that it found, or None if it did not find one."""
        answer = HeldAnswer()
        headers = {name: value for name, value in request.headers.items() if name != "range"}
        for condition in headers.keys() & {"if-match", "if-none-match"}:
            headers[condition] = '"{}"'.format(headers[condition].strip('"'))  # S3A sends it without quotes
        with beside_request() as beside:
            await self._moto.answer(_plain(request), answer.send, method="HEAD", headers=headers)
            return answer, beside.found if answer.status == 200 else None

    async def _refuse(self, request: Request, answer: HeldAnswer, send: Send) -> None:
        """Send moto's answer. That to HEAD has no body, so moto answers other methods once more."""
        if request.scope["method"] == "HEAD":
            await answer.forward(send)
            return
        headers = {name: value for name, value in request.headers.items() if name != "range"}
        await self._moto.answer(request, send, headers=headers)


def _plain(request: Request) -> Request:
    """Return the request without the parameters of which moto would return only a part."""
    kept = {name: values for name, values in request.query.items() if name not in ("partNumber", "attributes")}
    return Request({**request.scope, "query_string": urlencode(kept, doseq=True).encode()}, request.receive)


def _extent(request: Request, found: Any) -> _Extent:
    size: int = found.body.size
    checked = request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
    if "partNumber" in request.query:
        return _part(found, int(request.query["partNumber"][0]), checked)
    asked = streaming.parse_range(request.headers.get("range", ""), size)
    if asked is not None:
        return _Extent(asked[0], asked[1] - asked[0] + 1, partial=True)  # S3 sends no checksum with a range
    return _Extent(0, size, checksum=found.checksum if checked else None)


def _part(found: Any, number: int, checked: bool) -> _Extent:
    """Return the bytes of a part. An object that was uploaded in one piece is its own part 1."""
    parts = [found.multipart.parts[each] for each in found.multipart.partlist] if found.multipart else [found]
    start, part = sum(each.size for each in parts[: number - 1]), parts[number - 1]
    checksum = part.checksum if checked else None
    return _Extent(start, part.size, True, len(parts) if found.multipart else 0, checksum)


def _describe(answer: HeldAnswer, request: Request, found: Any, extent: _Extent) -> None:
    """Change moto's answer to HEAD into that of the bytes that are sent."""
    answer.drop("x-amz-sdk-checksum-algorithm")  # moto's own
    for parameter, name in _OVERRIDES.items():
        if parameter in request.query:
            answer.replace(name, request.query[parameter][0])
    if extent.partial:
        answer.status = 206
        if extent.length:
            last = extent.start + extent.length - 1
            answer.replace("content-range", f"bytes {extent.start}-{last}/{found.body.size}")
    if extent.parts:
        answer.replace("x-amz-mp-parts-count", str(extent.parts))
    answer.replace("content-length", str(extent.length))
    for name, value in (extent.checksum.headers() if extent.checksum else {}).items():
        answer.replace(name, value)


def _attributes(request: Request, found: Any) -> bytes:
    asked = {each.strip() for each in request.headers.get("x-amz-object-attributes", "").split(",")}
    root = ElementTree.Element(f"{{{NAMESPACE}}}GetObjectAttributesResponse")
    if "ETag" in asked:
        _add(root, "ETag", found.etag.strip('"'))
    if "Checksum" in asked:
        checksum: Checksum = found.checksum
        _add_checksum(_add(root, "Checksum"), checksum, with_type=True)
    if "ObjectParts" in asked and found.multipart:
        _add_parts(_add(root, "ObjectParts"), request, found)
    if "StorageClass" in asked:
        _add(root, "StorageClass", found.storage_class)
    if "ObjectSize" in asked:
        _add(root, "ObjectSize", str(found.body.size))
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root)


def _add_parts(element: ElementTree.Element, request: Request, found: Any) -> None:
    """Add the parts of an object. S3 lists those of an upload whose client chose a checksum, else their number."""
    upload = found.multipart
    _add(element, "PartsCount", str(len(upload.partlist)))
    if not upload.plan.chosen:
        return
    most = min(_number(request, "x-amz-max-parts", _MOST_PARTS), _MOST_PARTS)
    marker = _number(request, "x-amz-part-number-marker", 0)
    later = [number for number in upload.partlist if number > marker]
    shown = later[:most]
    _add(element, "PartNumberMarker", str(marker))
    _add(element, "NextPartNumberMarker", str(shown[-1] if shown else 0))
    _add(element, "MaxParts", str(most))
    _add(element, "IsTruncated", str(len(shown) < len(later)).lower())
    for number in shown:
        part = _add(element, "Part")
        _add(part, "PartNumber", str(number))
        _add(part, "Size", str(upload.parts[number].size))
        _add_checksum(part, upload.parts[number].body.checksum(upload.plan.algorithm), with_type=False)


def _number(request: Request, header: str, default: int) -> int:
    text = request.headers.get(header, str(default))
    if not (text.isascii() and text.isdecimal()):
        raise InvalidArgument(f"Provided {header} not an integer or within integer range")
    return int(text)


def _add(parent: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    element.text = text
    return element


def _add_checksum(parent: ElementTree.Element, checksum: Checksum, *, with_type: bool) -> None:
    _add(parent, checksum.element, checksum.value)
    if with_type:
        _add(parent, "ChecksumType", checksum.kind)
