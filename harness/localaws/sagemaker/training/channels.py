"""Channels of a training job: the S3 objects of each, their paths below its directory, its configuration."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.localaws.moto_backend import Services, StoredObject
from harness.localaws.s3.bodies.body import Body
from harness.localaws.sagemaker.training.job import TrainingFailure
from harness.regions import split_s3_uri


class Input(NamedTuple):
    """A file of a channel on a host."""

    host: str
    channel: str
    path: str
    """Path below the channel's directory."""
    body: Body


def download(inputs: Iterable[Input], roots: Mapping[str, Path]) -> None:
    """Write files below the directories of their hosts, which ``roots`` has in place of ``/opt/ml``."""
    for each in inputs:
        target = roots[each.host] / "input/data" / each.channel / each.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            file.writelines(each.body.blocks(0, each.body.size))


def files_on(host: str, inputs: Iterable[Input]) -> dict[str, list[tuple[str, Body]]]:
    """Return path and body of a host's files, by channel."""
    found: dict[str, list[tuple[str, Body]]] = {}
    for each in inputs:
        if each.host == host:
            found.setdefault(each.channel, []).append((each.path, each.body))
    return found


def path_inside(path: str, stored: StoredObject) -> str:
    """Return the path of an object below its channel's directory.

    :raises TrainingFailure: the path would leave the directory.
    """
    if ".." in path.split("/"):
        raise TrainingFailure(
            f"ClientError: Data download failed: the key of s3://{stored.bucket}/{stored.key} points outside the "
            "channel"
        )
    return path.lstrip("/")


def input_configuration(channel: dict[str, Any], mode: str) -> dict[str, str]:
    """Return the entry of ``inputdataconfig.json`` of a channel with an input mode."""
    source = channel["DataSource"]["S3DataSource"]
    configuration = {
        "TrainingInputMode": mode,
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if channel.get("ContentType"):
        configuration["ContentType"] = channel["ContentType"]
    return configuration


def find_objects(services: Services, source: dict[str, Any]) -> Iterator[tuple[str, StoredObject]]:
    """Yield the objects of an S3DataSource, each with its path below the channel's directory."""
    if source["S3DataType"] == "ManifestFile":
        yield from _manifest_objects(services, source["S3Uri"])
        return
    bucket, prefix = split_s3_uri(source["S3Uri"])
    parent = prefix[: prefix.rfind("/") + 1]
    for stored in services.list_objects(bucket, prefix):
        if not stored.key.endswith("/"):
            base = f"{prefix}/" if stored.key.startswith(f"{prefix}/") else parent
            yield stored.key.removeprefix(base), stored


def _manifest_objects(services: Services, uri: str) -> Iterator[tuple[str, StoredObject]]:
    """Yield the objects that a manifest names: ``[{"prefix": "s3://bucket/dir/"}, "path", …]``."""
    entries = _read_json(services, uri)
    if not isinstance(entries, list) or not entries or not isinstance(entries[0], dict) or "prefix" not in entries[0]:
        raise TrainingFailure(
            f'ClientError: Manifest {uri} must be a JSON list that begins with {{"prefix": "s3://…"}}'
        )
    try:
        bucket, prefix = split_s3_uri(str(entries[0]["prefix"]))
    except ValueError as error:
        raise TrainingFailure(f"ClientError: The prefix in manifest {uri} cannot be read: {error}") from None
    for path in entries[1:]:
        found = [stored for stored in services.list_objects(bucket, prefix + path) if stored.key == prefix + path]
        if not found:
            raise TrainingFailure(
                f"ClientError: Data download failed: s3://{bucket}/{prefix}{path} of manifest {uri} does not exist"
            )
        yield path, found[0]


def _read_json(services: Services, uri: str) -> Any:
    buffer = io.BytesIO()
    try:
        services.read_object(*split_s3_uri(uri), buffer)
        return json.loads(buffer.getvalue())
    except KeyError:
        raise TrainingFailure(f"ClientError: Manifest {uri} does not exist") from None
    except ValueError as error:
        raise TrainingFailure(f"ClientError: Manifest {uri} is not JSON: {error}") from None
