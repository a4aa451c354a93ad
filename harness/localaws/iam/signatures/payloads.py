"""Bodies whose content is signed: by one digest, or chunk by chunk.

See https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hashlib
import hmac
import re

from harness.localaws.exceptions import AWSError, ContentMismatch
from harness.localaws.iam.refusals import refusal
from harness.localaws.iam.signatures.sigv4 import ALGORITHM, Signature, signing_key

UNSIGNED = ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
SIGNED_CHUNKS = (f"STREAMING-{ALGORITHM}-PAYLOAD", f"STREAMING-{ALGORITHM}-PAYLOAD-TRAILER")
_EMPTY = hashlib.sha256(b"").hexdigest()
_LONGEST_LINE = 4096


class Digest:
    """Compares a body, block by block, with the signed SHA-256."""

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._found = hashlib.sha256()

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the body."""
        self._found.update(block)

    @property
    def matches(self) -> bool:
        """True if all bytes so far are the body that was signed."""
        return hmac.compare_digest(self._found.hexdigest(), self._expected)

    def failure(self) -> AWSError:
        """Return S3's answer to a body that does not match."""
        return ContentMismatch(
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ClientComputedContentSHA256=self._expected,
            S3ComputedContentSHA256=self._found.hexdigest(),
        )


class SignedChunks:
    """Verifies a body in signed chunks, ``<hex size>;chunk-signature=…CRLF data CRLF``, block by block."""

    def __init__(self, signature: Signature, secret: str, *, trailer: bool = False) -> None:
        """Verify the chunks of a request whose signature was verified.

        :param trailer: True if trailing headers and their signature must follow the chunks.
        """
        self._trailer = trailer
        self._signature = signature
        self._secret = signing_key(signature.scope, secret)
        self._previous = signature.value
        self._buffer = bytearray()
        self._left = -1  # bytes of the chunk's data and its line end that are to come; -1 in a line
        self._expected = ""
        self._data = hashlib.sha256()
        self._trailers = bytearray()
        self._ended = False
        self._right = True
        self._trailer_signature = ""

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the body."""
        self._buffer += block
        while self._right and (self._take_data() if self._left >= 0 else self._take_line()):
            pass

    @property
    def matches(self) -> bool:
        """True if all chunks arrived, and they and the trailing headers, if any, have the right signatures."""
        if self._trailer or self._trailers or self._trailer_signature:
            signed = self._sign("TRAILER", hashlib.sha256(self._trailers).hexdigest())
            self._right = self._right and hmac.compare_digest(signed, self._trailer_signature)
        return self._right and self._ended

    def failure(self) -> AWSError:
        """Return S3's answer to a chunk or trailer with a wrong signature."""
        return refusal("s3", "signature", AWSAccessKeyId=self._signature.key, SignatureProvided=self._expected)

    def _take_line(self) -> bool:
        line, found, rest = bytes(self._buffer).partition(b"\n")
        if not found:
            self._right = len(self._buffer) <= _LONGEST_LINE
            return False
        self._buffer = bytearray(rest)
        if self._ended:
            self._take_trailer(line.strip())
            return True
        size, _, extension = line.strip().partition(b";")
        name, _, value = extension.partition(b"=")
        self._right = name == b"chunk-signature" and re.fullmatch(rb"[0-9a-fA-F]{1,16}", size) is not None
        self._expected = value.decode("latin-1")
        self._data = hashlib.sha256()
        if self._right:
            self._left = int(size, 16) + 2
            if self._left == 2:
                self._left, self._ended = -1, True
                self._end_chunk()
        return True

    def _take_data(self) -> bool:
        taken = bytes(self._buffer[: self._left])
        del self._buffer[: self._left]
        self._data.update(taken[: max(0, self._left - 2)])
        self._left -= len(taken)
        if self._left:
            return False
        self._left = -1
        self._end_chunk()
        return True

    def _take_trailer(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"x-amz-trailer-signature":
            self._trailer_signature = value.strip().decode("latin-1")
        elif name:
            self._trailers += name.strip().lower() + b":" + value.strip() + b"\n"

    def _end_chunk(self) -> None:
        signed = self._sign("PAYLOAD", f"{_EMPTY}\n{self._data.hexdigest()}")
        self._right = hmac.compare_digest(signed, self._expected)
        self._previous = signed

    def _sign(self, kind: str, digests: str) -> str:
        parts = (f"{ALGORITHM}-{kind}", self._signature.timestamp, self._signature.scope, self._previous, digests)
        return hmac.new(self._secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()
