"""Checksums of S3 objects: computed, compared with those that a client sends, and returned.

See https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html (documentation only).
Texts of errors are those that users of AWS report, and that Ceph's S3 suite and versitygw's tests expect.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import anycrc

from harness.localaws.exceptions import AWSError

FULL_OBJECT, COMPOSITE = "FULL_OBJECT", "COMPOSITE"
DEFAULT = "CRC64NVME"
"""The algorithm of an object whose client sent no checksum, since December 2024.

See https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, ``x-amz-checksum-crc64nvme``.
"""
_CRCS = {"CRC32": ("CRC32", 4), "CRC32C": ("CRC32C", 4), "CRC64NVME": ("CRC64-NVME", 8)}
"""Name of the model and number of bytes of each cyclic redundancy check."""
HEADER = "x-amz-checksum-"
_NOT_VALUES = {f"{HEADER}{name}" for name in ("algorithm", "mode", "type")}
SDK_ALGORITHM = "x-amz-sdk-checksum-algorithm"


class Hasher(Protocol):
    """Computes a digest block by block."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes."""

    def digest(self) -> bytes:
        """Return the digest of all bytes so far."""


class _CRC:
    """A cyclic redundancy check with the interface of :mod:`hashlib`."""

    def __init__(self, algorithm: str) -> None:
        name, self._size = _CRCS[algorithm]
        self._model: Any = anycrc.Model(name)
        self._value: int | None = None

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = self._model.calc(data, self._value)

    def digest(self) -> bytes:
        return int(self._value or 0).to_bytes(self._size, "big")


_HASHERS: dict[str, Callable[[], Hasher]] = {
    **{name: partial(_CRC, name) for name in _CRCS},
    "SHA1": partial(hashlib.sha1, usedforsecurity=False),
    "SHA256": partial(hashlib.sha256, usedforsecurity=False),
}
ALGORITHMS = tuple(_HASHERS)
"""The algorithms of checksums that are emulated."""


class Readable(Protocol):
    """Bytes that can be read in blocks."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def blocks(self, start: int, length: int) -> Iterable[bytes]:
        """Yield bytes from an offset."""


@dataclass(frozen=True)
class Checksum:
    """A checksum in Base64, of a whole object or (``COMPOSITE``) of its parts' checksums."""

    algorithm: str
    value: str
    kind: str = FULL_OBJECT

    @property
    def element(self) -> str:
        """Name of the checksum in XML."""
        return f"Checksum{self.algorithm}"

    def headers(self) -> dict[str, str]:
        """Return the headers of an answer that has this checksum."""
        return {f"{HEADER}{self.algorithm.lower()}": self.value, f"{HEADER}type": self.kind}


def check_algorithm(algorithm: str) -> None:
    """Raise :class:`AWSError` unless the algorithm is one of :data:`ALGORITHMS`."""
    if algorithm not in _HASHERS:
        names = ", ".join(ALGORITHMS)
        text = "Checksum algorithm provided is unsupported. Please try again with any of the valid types"
        raise invalid(f"{text}: [{names}]")


def of_body(body: Readable, algorithm: str) -> Checksum:
    """Return the checksum of a whole body."""
    hasher = _HASHERS[algorithm]()
    for block in body.blocks(0, body.size):
        hasher.update(block)
    return Checksum(algorithm, _encoded(hasher.digest()))


def of_parts(parts: list[tuple[Checksum, int]], kind: str) -> Checksum:
    """Return the checksum of an object from the checksums and sizes of its parts.

    A checksum of the full object is combined from those of the parts without reading them.
    """
    algorithm = parts[0][0].algorithm
    digests = [base64.b64decode(checksum.value) for checksum, _ in parts]
    if kind == COMPOSITE:
        hasher = _HASHERS[algorithm]()
        hasher.update(b"".join(digests))
        return Checksum(algorithm, f"{_encoded(hasher.digest())}-{len(parts)}", COMPOSITE)
    name, size = _CRCS[algorithm]
    model: Any = anycrc.Model(name)
    combined = int.from_bytes(digests[0], "big")
    for digest, (_, length) in zip(digests[1:], parts[1:], strict=True):
        combined = model.combine(combined, int.from_bytes(digest, "big"), length)
    return Checksum(algorithm, _encoded(combined.to_bytes(size, "big")))


def given(headers: Mapping[str, str], what: str = "header") -> Checksum | None:
    """Return the checksum that headers have, or None. ``what`` names them in errors.

    :raises AWSError: there are two, or the checksum is not one of its algorithm.
    """
    names = [name for name in headers if name.startswith(HEADER) and name not in _NOT_VALUES]
    if not names:
        return None
    if len(names) > 1:
        raise invalid("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    algorithm, value = names[0].removeprefix(HEADER).upper(), headers[names[0]].strip()
    digest, _, parts = value.partition("-")  # that of parts ends with their number
    if algorithm not in _HASHERS:
        raise invalid("The value specified in the x-amz-trailer header is not supported")
    size = len(_HASHERS[algorithm]().digest())
    if len(_decoded(digest)) != size or (parts and not parts.isdecimal()):
        raise invalid(f"Value for {names[0]} {what} is invalid.")
    return Checksum(algorithm, value, COMPOSITE if parts else FULL_OBJECT)


class BodyChecks:
    """Compares a body, while it is received, with the checksums that its request has."""

    def __init__(self, headers: Mapping[str, str], kept: str = "") -> None:
        """Read the request's headers.

        :param kept: the algorithm of the checksum that is kept. By default that of the request.
        :raises AWSError: the headers contradict each other, or are not checksums.
        """
        self._md5 = _content_md5(headers)
        self._given = given(headers)
        self._trailer = _trailing(headers)
        if self._given and self._trailer:
            raise invalid("Expecting a single x-amz-checksum- header")
        self.algorithm = self._given.algorithm if self._given else self._trailer
        """The algorithm of the checksum that the request has, or ''."""
        _check_named(headers, self.algorithm)
        self._kept = kept or self.algorithm or DEFAULT
        self._hashers = {name: _HASHERS[name]() for name in {self._kept, self.algorithm} - {""}}

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the body."""
        for hasher in self._hashers.values():
            hasher.update(data)

    def finish(self, md5: str, trailers: Mapping[str, str]) -> Checksum:
        """Return the checksum to keep.

        :param md5: the body's MD5, in hexadecimal digits.
        :raises AWSError: the body is not the one that the client describes.
        """
        if self._md5 and self._md5.hex() != md5:
            raise bad_digest("The Content-MD5 you specified did not match what we received.")
        expected = self._given or self._trailing_checksum(trailers)
        if expected and expected.value != self._computed(expected.algorithm):
            raise bad_digest(f"The {expected.algorithm} you specified did not match the calculated checksum.")
        return Checksum(self._kept, self._computed(self._kept))

    def _computed(self, algorithm: str) -> str:
        return _encoded(self._hashers[algorithm].digest())

    def _trailing_checksum(self, trailers: Mapping[str, str]) -> Checksum | None:
        found = given(trailers, "trailing header")
        if (found.algorithm if found else "") != self._trailer:
            text = "The request contained trailing data that was not well-formed or did not conform to our published"
            error = AWSError(f"{text} schema.")
            error.code = "MalformedTrailerError"
            raise error
        return found


def _trailing(headers: Mapping[str, str]) -> str:
    """Return the algorithm of the checksum that follows the body, or ''."""
    name = headers.get("x-amz-trailer", "").strip().lower()
    if not name:
        return ""
    algorithm = name.removeprefix(HEADER).upper()
    if not name.startswith(HEADER) or algorithm not in _HASHERS:
        raise invalid("The value specified in the x-amz-trailer header is not supported")
    return algorithm


def _check_named(headers: Mapping[str, str], algorithm: str) -> None:
    """Raise :class:`AWSError` if the algorithm that an SDK names is unknown, or is not that of the checksum."""
    if (named := headers.get(SDK_ALGORITHM, "").upper()) == "":
        return
    if named not in _HASHERS:
        raise invalid(f"Value for {SDK_ALGORITHM} header is invalid.")
    if not algorithm:
        text = f"{SDK_ALGORITHM} specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."
        raise invalid(text)
    if named != algorithm:
        raise bad_digest(f"The checksum is one of {algorithm}, and {SDK_ALGORITHM} names {named}.")


def _content_md5(headers: Mapping[str, str]) -> bytes:
    text = headers.get("content-md5")
    if text is None:
        return b""
    if len(digest := _decoded(text.strip())) != 16:
        error = AWSError("The Content-MD5 you specified was invalid.")
        error.code = "InvalidDigest"
        raise error
    return digest


def invalid(message: str) -> AWSError:
    """Return the error ``InvalidRequest``."""
    error = AWSError(message)
    error.code = "InvalidRequest"
    return error


def bad_digest(message: str) -> AWSError:
    """Return the error ``BadDigest``: the body is not the one that the client describes."""
    error = AWSError(message)
    error.code = "BadDigest"
    return error


def _encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
