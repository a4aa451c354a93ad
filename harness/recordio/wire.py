"""Bytes of the messages as the SDKs write them: the tags around the numbers of a row.

.. code-block:: text

    0a <length>                    Record.features, an entry of the map (12 for Record.label)
       0a 06 values                its key
       12 <length>                 its Value
          12 <length>              Value.float32_tensor
             0a <length> <floats>  Float32Tensor.values
             12 <length> <varints> Float32Tensor.keys
             1a <length> <varint>  Float32Tensor.shape
"""

from __future__ import annotations

FEATURES, LABEL = 0x0A, 0x12
KEY = b"\x0a\x06values"
VALUE = TENSOR = 0x12
VALUES, KEYS, SHAPE = 0x0A, 0x12, 0x1A


def varint(number: int) -> bytes:
    """Return the bytes of an unsigned number, 7 bits each, the lowest first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def dense_entry(payload: bytes, at: int, entry: int) -> range | None:
    """Return where the floats are in an entry of a map that holds nothing else, None for any other entry."""
    inner = _content(payload, at, entry)
    if inner is None or not payload.startswith(KEY, inner.start):
        return None
    end = inner.stop
    at = inner.start + len(KEY)
    for tag in (VALUE, TENSOR, VALUES):
        inner = _content(payload, at, tag)
        if inner is None or inner.stop != end:
            return None
        at = inner.start
    return inner


def _content(payload: bytes, at: int, tag: int) -> range | None:
    """Return where the content of a field with a length is, None if another field is there or the message ends."""
    if at >= len(payload) or payload[at] != tag:
        return None
    length = 0
    for shift in range(0, 35, 7):
        at += 1
        if at >= len(payload):
            return None
        length |= (payload[at] & 0x7F) << shift
        if payload[at] < 0x80:
            return range(at + 1, at + 1 + length) if at + 1 + length <= len(payload) else None
    return None
