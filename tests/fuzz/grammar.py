"""A second implementation of the strict LibSVM grammar: small, slow, and without code of the reader."""

import math
import re

NUMBER = rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
LINE = re.compile(rb"(%b)((?: [0-9]+:%b)*)" % (NUMBER, NUMBER))
LARGEST_INDEX = 2**31 - 1


def read(text):
    """Return ``[(label, [(index, value), ...]), ...]``, or the number of the first line that is wrong."""
    lines = text[: -1 if text.endswith(b"\n") else None].split(b"\n") if text else []
    rows = []
    for number, line in enumerate(lines, 1):
        row = read_line(line)
        if row is None:
            return number
        rows.append(row)
    return rows


def read_line(line):
    """Return ``(label, [(index, value), ...])``, or None if the line is wrong."""
    found = LINE.fullmatch(line)
    if not found:
        return None
    fields = [field.split(b":") for field in found[2].split()]
    indices = [int(index) for index, _ in fields]
    numbers = [float(found[1]), *(float(value) for _, value in fields)]
    ascend = all(before < after for before, after in zip([0, *indices], indices, strict=False))
    in_range = not indices or indices[-1] <= LARGEST_INDEX
    if not (ascend and in_range and all(map(math.isfinite, numbers))):
        return None
    return numbers[0], list(zip(indices, numbers[1:], strict=True))
