"""Training jobs of Amazon's algorithms on tiny data, in directories as SageMaker makes them."""

import json
import os
import subprocess
import sys

from harness import recordio
from harness.containers.amazon import ndarrays
from harness.containers.runtime import Package, read_job
from harness.localaws.sagemaker.container_process import free_port

ONE_HOST, TWO_HOSTS = ("algo-1",), ("algo-1", "algo-2")


def prepare(base, hyperparameters, *, hosts=ONE_HOST, host="algo-1", types=None, **channels):
    """Write a job's files and return its directory; a channel is a matrix, one with labels, or the bytes
    of its only file.
    """
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
        (directory / "part-0.pbr").write_bytes(_encoded(rows))
    return base


def _encoded(rows):
    if isinstance(rows, bytes):
        return rows
    return recordio.encode(*rows) if isinstance(rows, tuple) else recordio.encode(rows)


def algorithm(name):
    """Return the algorithm of a container."""
    return Package(f"harness.containers.{name}")


def train(name, base):
    """Train in this process and return the arrays of the model."""
    algorithm(name).train(read_job(base))
    return model(base)


def model(base):
    """Return the arrays of a job's model."""
    return ndarrays.read((base / "model" / "model_algo-1").read_bytes())


def serve(name, base, arrays=None):
    """Return the model that the container serves, of these arrays if given."""
    (base / "model").mkdir(parents=True, exist_ok=True)
    if arrays is not None:
        (base / "model" / "model_algo-1").write_bytes(ndarrays.write(arrays))
    return algorithm(name).load(base / "model")


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


def run_all(name, bases):
    """Run the containers of all hosts of a job, and return their exit codes and logs."""
    port = str(free_port())
    processes = [start(name, base, HARNESS_TRACKER_PORT=port) for base in bases]
    logs = [process.communicate(timeout=120)[0] for process in processes]
    return [process.returncode for process in processes], logs


def run_on_hosts(name, directory, hyperparameters, parts):
    """Train on one host for each part of the rows, and return the model of the first host and the logs."""
    hosts = [f"algo-{number}" for number in range(1, len(parts) + 1)]
    for host, rows in zip(hosts, parts, strict=True):
        prepare(directory / host, hyperparameters, hosts=hosts, host=host, train=rows)
    codes, logs = run_all(name, [directory / host for host in hosts])
    assert codes == [0] * len(hosts), logs
    assert all(not list((directory / host / "model").iterdir()) for host in hosts[1:])
    return model(directory / hosts[0]), logs
