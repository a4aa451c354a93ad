"""Forms that browsers post to a bucket: their fields, and the file.

See https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder

from harness.localaws.exceptions import AWSError

_LARGEST_FIELDS = 20_000
"""Bytes of all fields before the file: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
(MaxPostPreDataLengthExceeded)."""


@dataclass(frozen=True)
class Form:
    """The fields before the file, by names in lower case and with ``${filename}`` replaced, and the file."""

    fields: dict[str, str]
    file: bytes

    def encoded(self) -> tuple[str, bytes]:
        """Return a content type and a body with these fields, each once, and the file, so that moto reads no others."""
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Disposition: form-data; name="
        fields = "".join(f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in self.fields.items())
        before, after = f'{fields}{head}"file"; filename="file"\r\n\r\n', f"\r\n--{boundary}--\r\n"
        return f"multipart/form-data; boundary={boundary}", before.encode() + self.file + after.encode()


def read(content: bytes, content_type: str) -> Form:
    """Return a form.

    :raises AWSError: it is not a form that S3 takes.
    """
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_boundary()
    if header.get_content_type() != "multipart/form-data":
        condition = "Bucket POST must be of the enclosure-type multipart/form-data"
        text = "At least one of the pre-conditions you specified did not hold"
        raise _error("PreconditionFailed", text, status=412, Condition=condition)
    try:
        fields, filename, file = _parts(_events(content, boundary or ""))
    except ValueError:
        raise _error(
            "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data."
        ) from None
    if "key" not in fields:
        order = "If it is specified, please check the order of the fields."
        text = f"Bucket POST must contain a field named 'key'.  {order}"
        raise _error("InvalidArgument", text, ArgumentName="key", ArgumentValue="")
    if file is None:
        text = "POST requires exactly one file upload per request."
        raise _error("InvalidArgument", text, ArgumentName="file", ArgumentValue="0")
    if sum(len(name) + len(value) for name, value in fields.items()) > _LARGEST_FIELDS:
        text = "Your POST request fields preceding the upload file were too large."
        raise _error("MaxPostPreDataLengthExceededError", text)
    return Form({name: value.replace("${filename}", filename) for name, value in fields.items()}, file)


def _events(content: bytes, boundary: str) -> Iterator[Event]:
    decoder = MultipartDecoder(boundary.encode("latin-1"))
    decoder.receive_data(content)
    decoder.receive_data(None)
    while not isinstance(event := decoder.next_event(), Epilogue):
        yield event


def _parts(events: Iterator[Event]) -> tuple[dict[str, str], str, bytes | None]:
    """Return the fields before the file, the file's name, and the file, which is None if there is none."""
    fields: dict[str, str] = {}
    name, filename, data = "", "", b""
    for event in events:
        if isinstance(event, Field | File):
            name, data = (event.name or "").lower(), b""
            filename = event.filename if isinstance(event, File) and name == "file" else ""
        elif isinstance(event, Data):
            data += event.data
            if not event.more_data and name == "file":
                return fields, filename.replace("\\", "/").rpartition("/")[2], data
            if not event.more_data and name in fields:
                raise _error("InvalidArgument", f"The form has the field {name} twice.", ArgumentName=name)
            if not event.more_data:
                fields[name] = data.decode("utf-8", "replace")
    return fields, "", None


def _error(code: str, message: str, *, status: int = 400, **members: object) -> AWSError:
    error = AWSError(message, **members)
    error.status, error.code = status, code
    return error
