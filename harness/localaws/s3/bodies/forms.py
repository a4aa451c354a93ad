"""Forms that are posted to a bucket: the fields are read, and the file is streamed past them.

See https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html (documentation only).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from xml.sax.saxutils import escape

from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from harness.localaws.exceptions import AWSError
from harness.localaws.http.request import Request
from harness.localaws.s3.rules.documents import parse, tag
from harness.localaws.s3.streaming import Writable

_LARGEST_FIELDS = 20_000
"""Bytes of all fields together, see MaxPostPreDataLengthExceededError in
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html."""
_HEADERS = {"cache-control", "content-type", "content-disposition", "content-encoding", "content-language", "expires"}
_SIGNING = {"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "x-amz-security-token"}
_STATUSES = ("200", "201")
_SIGNED = b"Signature=form"
"""Query of a PutObject made from a form, for which moto would otherwise decide as for an anonymous caller."""


@dataclass(frozen=True)
class Form:
    """The fields before the file, by lower-case name and with ``${filename}`` replaced, and the size of the file."""

    fields: dict[str, str]
    size: int


class FormReader:
    """Reads a form block by block, and hands its file on."""

    def __init__(self, content_type: str, file: Writable) -> None:
        """Hand the file's bytes to ``file``.

        :raises AWSError: the request is not a form with a file.
        """
        kind, options = parse_options_header(content_type)
        if kind != "multipart/form-data":
            text = "At least one of the pre-conditions you specified did not hold"
            condition = "Bucket POST must be of the enclosure-type multipart/form-data"
            raise _error("PreconditionFailed", text, 412, Condition=condition)
        if not options.get("boundary"):
            raise _malformed()
        self._decoder = MultipartDecoder(options["boundary"].encode("latin-1"))
        self._file = file
        self._fields: dict[str, str] = {}
        self._name, self._value = "", b""
        self._filename = ""
        self._size: int | None = None
        self._in_file = self._after_file = False

    async def read(self, blocks: AsyncIterator[bytes]) -> Form:
        """Read the whole form.

        :raises AWSError: it is not a form that S3 takes.
        """
        try:
            async for block in blocks:
                self._take(block)
            self._take(None)
        except ValueError:
            raise _malformed() from None
        if self._size is None:
            text = "POST requires exactly one file upload per request."
            raise _error("InvalidArgument", text, ArgumentName="file", ArgumentValue="0")
        if "key" not in self._fields:
            order = "If it is specified, please check the order of the fields."
            text = f"Bucket POST must contain a field named 'key'.  {order}"
            raise _error("InvalidArgument", text, ArgumentName="key", ArgumentValue="")
        named = {name: value.replace("${filename}", self._filename) for name, value in self._fields.items()}
        return Form(named, self._size)

    def _take(self, block: bytes | None) -> None:
        if block != b"":
            self._decoder.receive_data(block)
        while not isinstance(event := self._decoder.next_event(), NeedData):
            if isinstance(event, Epilogue):
                return
            self._on(event)

    def _on(self, event: Event) -> None:
        if isinstance(event, Field | File):
            self._begin(event)
        elif isinstance(event, Data) and self._in_file:
            self._file.write(event.data)
            self._size = (self._size or 0) + len(event.data)
            self._after_file = not event.more_data
        elif isinstance(event, Data) and not self._after_file:  # S3 ignores fields after the file
            self._read_field(event)

    def _begin(self, event: Field | File) -> None:
        self._name, self._value = event.name.lower(), b""
        self._in_file = self._name == "file" and not self._after_file
        if self._in_file and isinstance(event, File):
            self._filename = (event.filename or "").replace("\\", "/").rpartition("/")[2]

    def _read_field(self, event: Data) -> None:
        self._value += event.data
        if sum(len(name) + len(value) for name, value in self._fields.items()) + len(self._value) > _LARGEST_FIELDS:
            text = "Your POST request fields preceding the upload file were too large."
            raise _error("MaxPostPreDataLengthExceededError", text)
        if not event.more_data and self._name in self._fields:
            raise _error("InvalidArgument", f"The form has the field {self._name} twice.", ArgumentName=self._name)
        if not event.more_data:
            self._fields[self._name] = self._value.decode("utf-8", "replace")


def as_put(request: Request, form: Form) -> Request:
    """Return the PutObject that does what a form asks for. It has no body."""
    bucket, _ = request.bucket_and_key()
    key = form.fields["key"]
    path = f"/{key}" if request.host.bucket else f"/{bucket}/{key}"
    kept = {name: value for name, value in form.fields.items() if name in _HEADERS or name.startswith("x-amz-")}
    kept |= {"x-amz-acl": form.fields["acl"]} if "acl" in form.fields else {}
    kept |= {"x-amz-tagging": _tagging(form.fields["tagging"])} if "tagging" in form.fields else {}
    kept |= {name: value for name, value in request.headers.items() if name in ("host", "authorization")}
    headers = [(name.encode("latin-1"), _header_value(value)) for name, value in kept.items() if name not in _SIGNING]
    scope = {
        "method": "PUT",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": _SIGNED,
        "headers": headers,
    }
    return Request({**request.scope, **scope}, request.receive)


def _header_value(value: str) -> bytes:
    return value.encode("utf-8").replace(b"\r", b"").replace(b"\n", b"")


def _tagging(document: str) -> str:
    """Return the tags of an XML document as the header of PutObject has them."""
    tags = [[part.text or "" for part in each] for each in parse(document.encode()).iter() if tag(each) == "Tag"]
    return urlencode([(each[0], each[1]) for each in tags if len(each) == 2])


def success(request: Request, form: Form, etag: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the answer to a form whose file was stored."""
    bucket, _ = request.bucket_and_key()
    key = form.fields["key"]
    location = f"https://{request.host_name}/{'' if request.host.bucket else bucket + '/'}{quote(key)}"
    headers = {"etag": etag, "location": location}
    redirect = form.fields.get("success_action_redirect") or form.fields.get("redirect")
    if redirect and urlsplit(redirect).scheme:
        parts = urlsplit(redirect)
        asked = [*parse_qsl(parts.query), ("bucket", bucket), ("key", key), ("etag", etag)]
        return 303, headers | {"location": urlunsplit(parts._replace(query=urlencode(asked)))}, b""
    status = form.fields.get("success_action_status", "")
    if status == "201":
        return 201, headers | {"content-type": "application/xml"}, _post_response(location, bucket, key, etag)
    return (200 if status in _STATUSES else 204), headers, b""


def _post_response(location: str, bucket: str, key: str, etag: str) -> bytes:
    parts: Mapping[str, str] = {"Location": location, "Bucket": bucket, "Key": key, "ETag": etag}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{inner}</PostResponse>'.encode()


def _malformed() -> AWSError:
    return _error("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")


def _error(code: str, message: str, status: int = 400, **members: object) -> AWSError:
    error = AWSError(message, **members)
    error.status, error.code = status, code
    return error
