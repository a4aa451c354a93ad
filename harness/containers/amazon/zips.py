"""Zip files that LinearLearner and FactorizationMachines keep their models in, and the network that goes with them.

A zip may come from anyone. It is read in memory, its size is limited, and its compressed size is not believed. Members
are stored or deflated; other methods are refused.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from harness.containers.amazon import artifact, ndarrays
from harness.containers.runtime import UserError
from harness.errors import DataError
from harness.recordio import Array

LARGEST = 512 << 20
"""Most bytes of all files that are read, if the zip is smaller. Models as large as that are stored, not compressed."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Node = tuple[str, str, Mapping[str, str], Iterable[int]]
"""A node of a network: operator, or ``null`` for an input; name; attributes; numbers of the nodes that it takes."""

_MXNET_VERSION = 10901


def write(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of files. Equal files give equal bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return target.getvalue()


def read(content: bytes, algorithm: str, names: Iterable[str]) -> dict[str, bytes]:
    """Return the files of these names that a zip has.

    :param algorithm: name of its image, such as ``linear-learner``.
    :raises UserError: the content is no zip, or a damaged or too large one.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise artifact.refusal(algorithm, _described(content))
    most = max(LARGEST, len(content))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.getinfo(name) for name in names if name in archive.namelist()}
            if sum(member.file_size for member in members.values()) > most:
                raise UserError(f"The model's zip holds more than {most} bytes.")
            for member in members.values():
                if member.compress_type not in _METHODS:
                    raise UserError(f"{member.filename} in the model's zip is neither stored nor deflated.")
            return {name: _member(archive, member) for name, member in members.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise UserError(f"The model's zip cannot be read: {error}") from error


def read_json(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """Return the object in a file of a zip; an empty one if the zip lacks the file.

    :raises UserError: the file is not a JSON object.
    """
    try:
        found = json.loads(files.get(name, b"{}"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} in the model's zip is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise UserError(f"{name} in the model's zip is not a JSON object.")
    return found


def arrays(files: Mapping[str, bytes], name: str) -> dict[str, Array]:
    """Return the arrays in a file of a zip as 32-bit floats, without the prefix ``arg:`` of MXNet's checkpoints.

    :raises UserError: the file does not hold named arrays, or a number in it is NaN or infinite, or becomes infinite.
    """
    try:
        found = ndarrays.read(files[name])
    except DataError as error:
        raise UserError(f"{name} in the model's zip cannot be read: {error.what}") from error
    if not isinstance(found, dict):
        raise UserError(f"{name} in the model's zip holds arrays without names.")
    with np.errstate(over="ignore"):
        floats = {key.removeprefix("arg:"): array.astype(np.float32) for key, array in found.items()}
    for key, array in floats.items():
        if not np.isfinite(array).all():
            raise UserError(f"{key} in {name} of the model's zip has NaN or infinity.", fix="train the model again")
    return floats


def network(nodes: Iterable[Node]) -> bytes:
    """Return a network as MXNet's ``Symbol.tojson`` writes it; its output is the last node."""
    listed = [
        {"op": op, "name": name, **({"attrs": dict(attributes)} if attributes else {}), "inputs": _inputs(inputs)}
        for op, name, attributes, inputs in nodes
    ]
    graph = {
        "nodes": listed,
        "arg_nodes": [number for number, node in enumerate(listed) if node["op"] == "null"],
        "node_row_ptr": list(range(len(listed) + 1)),
        "heads": [[len(listed) - 1, 0, 0]],
        "attrs": {"mxnet_version": ["int", _MXNET_VERSION]},
    }
    return json.dumps(graph, indent=2).encode()


def output(files: Mapping[str, bytes], name: str) -> str:
    """Return the operator of a network's output, or '' if the zip has no such network."""
    graph = read_json(files, name)
    try:
        return str(graph["nodes"][graph["heads"][0][0]]["op"])
    except (KeyError, IndexError, TypeError):
        return ""


def _described(content: bytes) -> str:
    """Return what a file holds that is no zip: the arrays of another algorithm, or something else."""
    try:
        return ndarrays.described(ndarrays.read(content))
    except DataError:
        return f"{len(content)} bytes that are no zip, and start with {content[:8]!r}"


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise UserError(f"{member.filename} in the model's zip is not as large as the zip says.")
    return content


def _inputs(numbers: Iterable[int]) -> list[list[int]]:
    return [[number, 0, 0] for number in numbers]
