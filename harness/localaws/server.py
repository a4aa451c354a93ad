"""The process of the local AWS: its parts, its start and its end.

It prints one line of JSON when it is ready. It ends when the control API asks it to, or when its standard input closes.
The latter happens when its owner ends, even by a crash.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import secrets
import select
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from harness.localaws import price_list, quotas, watcher
from harness.localaws.app import LocalAWSApp, Operation
from harness.localaws.client import Connection
from harness.localaws.control.api import ControlApp
from harness.localaws.control.call_log import CallLog
from harness.localaws.control.faults import Fault, Faults
from harness.localaws.http.certificates import CertificateAuthority
from harness.localaws.http.gateway import Gateway
from harness.localaws.iam import buckets, identities, simulation
from harness.localaws.iam.authorization import Authorization, Enforced, Unrestricted
from harness.localaws.memory import return_free_memory
from harness.localaws.moto_backend import ACCOUNT, Services, role_arn
from harness.localaws.price_list import PriceListAPI
from harness.localaws.quotas import Quotas
from harness.localaws.sagemaker.control_plane import ControlPlane
from harness.localaws.sagemaker.hosting.deployment import Deployer
from harness.localaws.sagemaker.hosting.launch import Launcher
from harness.localaws.sagemaker.images import Images
from harness.localaws.sagemaker.prepared_containers import PreparedContainers
from harness.localaws.sagemaker.training.trainer import Trainer
from harness.processes import end_processes_of
from harness.regions import sample_bucket
from harness.scratch import make_scratch

_WATCH_SECONDS = 1
_SAMPLE_AFTER_SECONDS = 1.0
"""Time after which sample data is written that no client has asked for."""
PORT_TAKEN = 98
"""Exit code if the given port is taken (EADDRINUSE on Linux)."""


class LocalAWS:
    """The parts of the local AWS, with one directory for their files."""

    def __init__(self, region: str, directory: Path, *, enforce_iam: bool = False) -> None:
        self.region = region
        self.directory = directory
        self.run_id = secrets.token_hex(8)
        self.token = secrets.token_urlsafe(24)
        self.proxy_password = secrets.token_urlsafe(24)
        self.faults = Faults()
        self.calls = CallLog()
        self.prepared = PreparedContainers(directory / "prepared")
        self.images = Images(self.prepared)
        self.authority = CertificateAuthority(directory)
        buckets.install()
        self.services = Services(_made(directory / "objects"), enforce_iam=enforce_iam)
        self.administrator = identities.put_administrator(region) if enforce_iam else {}
        self.authorization = self._enforced() if enforce_iam else Unrestricted(ACCOUNT, self.services.has_object)
        self.quotas = Quotas(ACCOUNT)
        self.price_list = PriceListAPI()
        self.trainer = Trainer(self.services, directory / "training", self._container_environment, self.authorization)
        launcher = Launcher(
            self.services, self.images, directory / "endpoints", self._container_environment, self.authorization
        )
        self.deployer = Deployer(launcher)
        self.plane = ControlPlane(self.services, self.images, self.trainer, self.deployer, self.authorization)
        self.services.share_tags(self.plane.tagged)
        self.credentials = self.services.assume_role(region, role_arn(region), "harness")
        self.stopping = asyncio.Event()
        control = ControlApp(self.token, self._handlers())
        self.gateway = Gateway(self._app(), control, self.authority, self.proxy_password, self.calls.refuse)
        self.port = 0

    def _enforced(self) -> Authorization:
        tags_of = lambda arn: self.plane.tags_of(arn)  # noqa: E731, PLW0108 - there is no control plane yet
        return Enforced(ACCOUNT, tags_of, self.services.has_object)

    def _app(self) -> LocalAWSApp:
        own: dict[tuple[str, str], Operation] = {
            **{("service-quotas", name): self.quotas.call for name in quotas.OPERATIONS},
            **{("pricing", name): self.price_list.call for name in price_list.OPERATIONS},
            **{("iam", name): simulation.simulate for name in simulation.OPERATIONS},
        }
        return LocalAWSApp(self.services, self.plane, self.authorization, own, self.faults, self.calls)

    def connection(self) -> Connection:
        """Return the address and credentials with which clients reach this local AWS."""
        return Connection(
            port=self.port,
            token=self.token,
            proxy_password=self.proxy_password,
            run_id=self.run_id,
            region=self.region,
            account=ACCOUNT,
            role=role_arn(self.region),
            credentials=self.credentials,
            directory=str(self.directory),
            pem=str(self.authority.pem),
            trust_store=str(self.authority.trust_store),
            pid=os.getpid(),
            administrator=self.administrator,
        )

    def _container_environment(self, region: str, role: str) -> Mapping[str, str]:
        return self.connection().container_environment(region, self.services.assume_role(region, role, "SageMaker"))

    async def run(self, port: int) -> None:
        """Serve until :attr:`stopping` is set.

        :raises OSError: the port is taken.
        """
        self.port = await self.gateway.start(port)
        self.connection().prepare(os.environ)
        print(self.connection().to_json(), flush=True)
        await self.stopping.wait()
        await self.gateway.stop()
        for last in (self.plane.reset, self.prepared.end):
            await asyncio.get_running_loop().run_in_executor(None, last)
        watcher.kill_containers(self.directory)  # also one that was just being started

    def _handlers(self) -> dict[tuple[str, str], Any]:
        return {
            ("GET", "/status"): lambda _: self._status(),
            ("GET", "/calls"): lambda _: self.calls.as_json(),
            ("GET", "/faults"): lambda _: self.faults.as_json(),
            ("GET", "/faults/applied"): lambda _: self.faults.applied(),
            ("POST", "/faults"): lambda fault: self.faults.add(Fault.from_json(fault)),
            ("DELETE", "/faults"): lambda _: self.faults.clear(),
            ("POST", "/model-cache"): lambda cache: self._use_model_cache(cache["directory"]),
            ("GET", "/model-cache/jobs"): lambda _: self.trainer.from_cache(),
            ("POST", "/containers"): lambda image: self.images.register(image["image"], image["command"]),
            ("GET", "/resources"): lambda _: self.resources(),
            ("POST", "/network"): lambda network: self.gateway.cut(network["cut"]),
            ("POST", "/quotas"): lambda quota: self.quotas.set(quota["name"], quota["value"]),
            ("POST", "/prices"): lambda prices: self.price_list.put(prices["products"]),
            ("POST", "/reset"): lambda _: self._reset(),
            ("POST", "/renew"): lambda _: self._renew(),
            ("POST", "/shutdown"): lambda _: self.stopping.set(),
        }

    def _use_model_cache(self, directory: str | None) -> None:
        self.trainer.use_cache(Path(directory) if directory else None)

    def resources(self) -> dict[str, list[tuple[str, float]]]:
        """Return the existing resources by kind: name, and seconds since the epoch when each was created.

        The kinds are training jobs that still run, models, endpoint configs, endpoints, S3 objects and unfinished
        uploads (as URIs, without SageMaker's sample data), and log groups.
        """
        return self.plane.resources() | self.services.resources()

    def _status(self) -> dict[str, Any]:
        return {
            "memory": psutil.Process().memory_info().rss,
            "peak_memory": peak_memory(),
            "endpoints": {
                endpoint.name: {
                    "status": endpoint.status,
                    "pids": [instance.pid for variant in endpoint.variants for instance in variant.instances],
                }
                for endpoint in self.plane.endpoints.all()
            },
        }

    async def _renew(self) -> None:
        await self._reset()
        self.services.reset_identities(self.credentials["AWS_ACCESS_KEY_ID"])
        self.images.clear()
        self.calls.forget_refused()
        await asyncio.get_running_loop().run_in_executor(None, self.prepared.prepare_again)

    async def _reset(self) -> None:
        self.gateway.cut(False)
        self.faults.clear()
        self.quotas.reset()
        self.price_list.put([])
        for part in (self.plane, self.services):
            await asyncio.get_running_loop().run_in_executor(None, part.reset)
        self.calls.clear()


def peak_memory() -> int:
    """Return the largest amount of memory that this process has used, in bytes.

    On Linux, getrusage(2) does not serve: a process inherits the peak of the process that started it.
    """
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _watch_owner(local_aws: LocalAWS, loop: asyncio.AbstractEventLoop, owner: int) -> None:
    """End the run when the owner has ended without ending it.

    The owner's end then closes the pipe on standard input, or gives this process another parent if a fork of the owner
    holds the pipe open. While this process is busy or stopped, :mod:`~harness.localaws.watcher` ends the run instead.
    """
    while os.getppid() == owner:
        readable, _, _ = select.select([0], [], [], _WATCH_SECONDS)
        if readable and not os.read(0, 4096):
            break
    if not local_aws.stopping.is_set():
        try:
            local_aws.plane.ask_to_stop()
            end_processes_of(local_aws.run_id)
        finally:
            loop.call_soon_threadsafe(local_aws.stopping.set)


def _allow_many_files() -> None:
    """Raise the limit of open files as far as allowed. Each connection and each container needs a file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS refuses "unlimited"
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(region: str, port: int, directory: Path, *, enforce_iam: bool) -> None:
    local_aws = LocalAWS(region, directory, enforce_iam=enforce_iam)
    loop = asyncio.get_running_loop()
    owner = os.getppid()
    watcher.start(owner, directory, local_aws.run_id)
    threading.Thread(target=_watch_owner, args=(local_aws, loop, owner), daemon=True).start()
    # Writing MNIST takes two seconds of CPU. Spark takes longer to start, so no caller waits for it. A command that
    # needs no Spark may have ended before it begins.
    sample = threading.Timer(_SAMPLE_AFTER_SECONDS, local_aws.services.provide_sample_data, [sample_bucket(region)])
    sample.daemon = True
    sample.start()
    await local_aws.run(port)


def main(arguments: list[str] | None = None) -> int:
    """Run the local AWS; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.localaws", description=__doc__)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--enforce-iam", action="store_true", help="allow callers only what policies allow")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    return_free_memory()
    _allow_many_files()
    scratch = make_scratch("harness-localaws-")
    try:
        asyncio.run(_serve(options.region, options.port, scratch.path, enforce_iam=options.enforce_iam))
    except OSError as error:
        print(json.dumps({"error": str(error), "errno": error.errno}), flush=True)
        return PORT_TAKEN
    except KeyboardInterrupt:
        return 130
    finally:
        scratch.delete()
    return 0
