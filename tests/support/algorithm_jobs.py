"""Training jobs of Amazon's algorithms on tiny data, in directories as SageMaker makes them."""

import json
import os
import socket
import subprocess
import sys

from harness import recordio
from harness.containers.amazon import ndarrays
from harness.containers.runtime import read_job

ONE_HOST = ("algo-1",)


def prepare(base, hyperparameters, *, hosts=ONE_HOST, host="algo-1", types=None, **channels):
    """Write a job's files and return its directory; a channel is a matrix, or the bytes of its only file."""
    config = base / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (base / "model").mkdir(exist_ok=True)
    settings = {name: {"ContentType": (types or {})[name]} if name in (types or {}) else {} for name in channels}
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    (config / "inputdataconfig.json").write_text(json.dumps(settings))
    (config / "resourceconfig.json").write_text(json.dumps({"hosts": hosts, "current_host": host}))
    for name, rows in channels.items():
        directory = base / "input" / "data" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "part-0.pbr").write_bytes(rows if isinstance(rows, bytes) else recordio.encode(rows))
    return base


def train(algorithm, base):
    """Train in this process and return the arrays of the model."""
    algorithm().train(read_job(base))
    return model(base)


def model(base):
    """Return the arrays of a job's model."""
    return ndarrays.read((base / "model" / "model_algo-1").read_bytes())


def serve(algorithm, base, arrays=None):
    """Return the model that the container serves, of these arrays if given."""
    (base / "model").mkdir(parents=True, exist_ok=True)
    if arrays is not None:
        (base / "model" / "model_algo-1").write_bytes(ndarrays.write(arrays))
    return algorithm().load(base / "model")


def start(name, base, command="train", **environment):
    """Start the container as SageMaker does."""
    return subprocess.Popen(
        [sys.executable, "-m", f"harness.containers.{name}", command],
        env={**os.environ, "OMP_NUM_THREADS": "1", "SAGEMAKER_BASE_DIR": str(base), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(name, base):
    """Train in a container and return its exit code, log and failure."""
    process = start(name, base)
    log = process.communicate(timeout=120)[0]
    failure = base / "output" / "failure"
    return process.returncode, log, failure.read_text() if failure.exists() else ""


def run_on_hosts(name, directory, hyperparameters, parts):
    """Train on one host for each part of the rows, and return the model of the first host and the logs."""
    hosts = [f"algo-{number}" for number in range(1, len(parts) + 1)]
    for host, rows in zip(hosts, parts, strict=True):
        prepare(directory / host, hyperparameters, hosts=hosts, host=host, train=rows)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    processes = [start(name, directory / host, HARNESS_TRACKER_PORT=port) for host in hosts]
    logs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(hosts), logs
    assert all(not list((directory / host / "model").iterdir()) for host in hosts[1:])
    return model(directory / hosts[0]), logs
