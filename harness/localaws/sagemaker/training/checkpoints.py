"""Checkpoints of a training job: restored from S3 before the containers start, saved during the job and at its end.

Files that a container adds or changes are written to S3, files that it deletes are deleted there, and what others add
in S3 during the job is not restored: https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html. All hosts
of a job save to the same place. That a role without permission fails the job is documentation only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.localaws.iam.s3_actions import bucket_arn, object_arn
from harness.localaws.moto_backend import Services
from harness.localaws.sagemaker.training.channels import path_inside
from harness.regions import split_s3_uri

EVERY_SECONDS = 1.0
"""Seconds between two saves during a job."""
_State = tuple[int, int]
"""Time of the last change and size of a file."""
Check = Callable[[str, str, str, str], None]
"""Raises TrainingFailure unless the role may do something: what failed, the action, the resource, a prefix."""


class Checkpoints:
    """The checkpoints of one job: a directory on each host, and a place in S3."""

    def __init__(
        self, services: Services, uri: str, directories: Sequence[Path], region: str, check_may: Check
    ) -> None:
        self._services = services
        self._bucket, key = split_s3_uri(uri)
        self._prefix = f"{key.rstrip('/')}/" if key.rstrip("/") else ""
        self._directories = directories
        self._region = region
        self._check_may = check_may
        self._saved: list[dict[str, _State]] = [{} for _ in directories]
        self._seen: list[dict[str, _State]] = [{} for _ in directories]
        self._due = time.monotonic() + EVERY_SECONDS

    def restore(self) -> None:
        """Download the checkpoints that exist to every host.

        :raises TrainingFailure: the role may not read them, or a key points outside the directory.
        """
        what = "Checkpoint download"
        self._check_may(what, "s3:ListBucket", bucket_arn(self._region, self._bucket), self._prefix)
        for stored in self._services.list_objects(self._bucket, self._prefix):
            if stored.key.endswith("/"):
                continue
            self._check_may(what, "s3:GetObject", object_arn(self._region, self._bucket, stored.key), "")
            path = path_inside(stored.key.removeprefix(self._prefix), stored)
            for directory, saved in zip(self._directories, self._saved, strict=True):
                (directory / path).parent.mkdir(parents=True, exist_ok=True)
                with (directory / path).open("wb") as file:
                    self._services.read_object(self._bucket, stored.key, file)
                saved[path] = _state(directory / path)

    def save_if_due(self) -> None:
        """Save files that have not changed since the last look, which was :data:`EVERY_SECONDS` ago.

        :raises TrainingFailure: the role may not write them.
        """
        if time.monotonic() < self._due:
            return
        self._save(only_unchanged=True)
        self._due = time.monotonic() + EVERY_SECONDS

    def save(self) -> None:
        """Save every file that differs from S3.

        :raises TrainingFailure: the role may not write it.
        """
        self._save(only_unchanged=False)

    def _save(self, *, only_unchanged: bool) -> None:
        for number, directory in enumerate(self._directories):
            found, saved, seen = dict(_files(directory)), self._saved[number], self._seen[number]
            for path, state in found.items():
                if saved.get(path) != state and (not only_unchanged or seen.get(path) == state):
                    self._upload(directory / path, path)
                    saved[path] = state
            for path in saved.keys() - found.keys():
                del saved[path]
                self._delete(path)
            self._seen[number] = found

    def _upload(self, file: Path, path: str) -> None:
        resource = object_arn(self._region, self._bucket, self._prefix + path)
        self._check_may("Checkpoint upload", "s3:PutObject", resource, "")
        try:
            self._services.write_object(self._bucket, self._prefix + path, file)
        except FileNotFoundError:
            return  # the container deleted it meanwhile

    def _delete(self, path: str) -> None:
        if any(path in saved for saved in self._saved):
            return  # another host has it
        resource = object_arn(self._region, self._bucket, self._prefix + path)
        self._check_may("Checkpoint upload", "s3:DeleteObject", resource, "")
        self._services.delete_object(self._bucket, self._prefix + path)


def _files(directory: Path) -> Iterator[tuple[str, _State]]:
    """Yield the regular files below a directory, each by its path and its state."""
    for parent, _, names in os.walk(directory):
        for path in (Path(parent, name) for name in names):
            try:
                if path.is_file() and not path.is_symlink():
                    yield path.relative_to(directory).as_posix(), _state(path)
            except FileNotFoundError:
                continue  # deleted while this looked


def _state(path: Path) -> _State:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
