"""Threads that run training jobs, one for each job."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.caches.models import ModelCache
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import Services
from harness.localaws.sagemaker.container_paths import without_directory
from harness.localaws.sagemaker.images import Image
from harness.localaws.sagemaker.training.job import Job, TrainingFailure
from harness.localaws.sagemaker.training.run import REASON_LENGTH, TrainingRun

_DISCARD_SECONDS = 10
log = logging.getLogger(__name__)


class Trainer:
    """Runs training jobs, each in its own thread."""

    def __init__(
        self,
        services: Services,
        directory: Path,
        environment: Callable[[str, str], Mapping[str, str]],
        authorization: Authorization,
    ) -> None:
        """Run jobs in subdirectories of ``directory``.

        :param environment: returns a container's environment variables for a region and a role.
        """
        self._services = services
        self._directory = directory
        self._environment = environment
        self._authorization = authorization
        self._threads: list[tuple[Job, threading.Thread]] = []
        self._lock = threading.Lock()
        self._cache: ModelCache | None = None

    def use_cache(self, directory: Path | None) -> None:
        """Take models of later jobs from the cache in a directory if it has them; train them if this is None."""
        self._cache = ModelCache(directory) if directory else None

    def from_cache(self) -> list[str]:
        """Return the names of the jobs since :meth:`use_cache` whose models came from the cache."""
        return list(self._cache.served) if self._cache else []

    def start(self, job: Job, image: Image) -> None:
        """Begin the job and return at once."""
        job.move("Starting")
        thread = threading.Thread(target=self._run, args=(job, image), name=job.name, daemon=True)
        with self._lock:
            thread.start()
            self._threads = [(known, worker) for known, worker in self._threads if worker.is_alive()] + [(job, thread)]

    def discard_all(self) -> None:
        """End every job at once, and wait at most :data:`_DISCARD_SECONDS` until none runs."""
        with self._lock:
            running = list(self._threads)
        for job, _ in running:
            job.discarded = True
        deadline = time.monotonic() + _DISCARD_SECONDS
        for _, thread in running:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))

    def _run(self, job: Job, image: Image) -> None:
        directory = self._directory / job.region / job.name
        try:
            environment = self._environment(job.region, job.request["RoleArn"])
            TrainingRun(job, image, self._services, directory, environment, self._authorization, self._cache).run()
        except TrainingFailure as failure:
            self._fail(job, directory, str(failure))
        except OSError as error:
            self._fail(job, directory, f"InternalServerError: the local AWS failed: {error}")
        except Exception as error:
            log.exception("training job %s", job.name)
            self._fail(job, directory, f"InternalServerError: the local AWS failed: {error!r}")
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _fail(self, job: Job, directory: Path, reason: str) -> None:
        job.failure = without_directory(reason, directory)[:REASON_LENGTH]
        job.move("Failed", "Failed")
