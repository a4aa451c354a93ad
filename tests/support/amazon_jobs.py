"""Training jobs of Amazon's algorithms: directories as SageMaker lays them out, and containers as processes."""

import json
import os
import socket
import subprocess
import sys

from harness import recordio
from harness.containers.runtime import read_job

PROTOBUF = recordio.CONTENT_TYPE


def prepare(base, hyperparameters, channels, hosts=("algo-1",), host="algo-1", content_type=PROTOBUF):
    """Write a job below ``base`` and return it; ``channels`` maps names to (features, labels) or to bytes."""
    config = base / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (base / "model").mkdir(exist_ok=True)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    (config / "inputdataconfig.json").write_text(json.dumps({name: {"ContentType": content_type} for name in channels}))
    (config / "resourceconfig.json").write_text(json.dumps({"hosts": list(hosts), "current_host": host}))
    for name, content in channels.items():
        folder = base / "input" / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "part-0").write_bytes(content if isinstance(content, bytes) else recordio.encode(*content))
    return read_job(base)


def start(algorithm, base, **environment):
    """Start the container of a job as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", f"harness.containers.{algorithm}", "train"],
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(base), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(algorithm, bases):
    """Run the containers of all hosts of a job, and return their exit codes and outputs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    processes = [start(algorithm, base, HARNESS_TRACKER_PORT=port) for base in bases]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    return [process.returncode for process in processes], outputs
