"""SageMaker's container contract for a process: input files, output files and exit codes of an algorithm.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms.html. As in the SageMaker toolkits,
``SAGEMAKER_BASE_DIR`` is the root in place of ``/opt/ml`` and ``SAGEMAKER_BIND_TO_PORT`` the port to serve on:

.. code-block:: text

    $SAGEMAKER_BASE_DIR
    ├── input/config/hyperparameters.json, inputdataconfig.json, resourceconfig.json
    ├── input/data/<channel>/
    ├── model/
    └── output/failure

``train`` exits with 0 on success, with 2 for an error that the user can fix, and with 1 for any other error. On SIGTERM
it saves the model trained so far and exits with 0. ``serve`` answers until SIGTERM. With ``HARNESS_DIE_WITH_STDIN=1``
both exit when their stdin closes, so that they do not outlive a killed parent.

``prepare train`` and ``prepare serve`` import what the work needs, and begin it when a line of JSON on stdin names the
``directory`` and the ``variables`` of the process.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from harness.errors import DataError, HarnessError

if TYPE_CHECKING:
    from harness.containers.server import Model

FAILURE_LIMIT = 1024
"""Longest failure reason that SageMaker shows, in characters of ``output/failure``."""
_NATIVE_STACK = re.compile(r"\n+Stack trace:\n(?:[ \t]*\[bt\].*(?:\n+|$))+")


class UserError(HarnessError):
    """The user's input prevents the job."""

    exit_code = 2


@dataclass(frozen=True)
class Channel:
    """An input channel: its directory and its settings from ``InputDataConfig``."""

    name: str
    path: Path
    content_type: str | None = None


@dataclass(frozen=True)
class TrainingJob:
    """Input of a training container."""

    base: Path
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Channel]
    hosts: tuple[str, ...] = ("algo-1",)
    host: str = "algo-1"
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when SageMaker requests a stop. The algorithm then ends soon and keeps the model trained so far."""

    @property
    def model_dir(self) -> Path:
        """Directory that becomes ``model.tar.gz``."""
        return self.base / "model"

    @property
    def is_first_host(self) -> bool:
        """True for the host that saves the model."""
        return self.host == self.hosts[0]


class Algorithm(Protocol):
    """Interface between the runtime and an algorithm."""

    def train(self, job: TrainingJob) -> None:
        """Train, and save a model in ``job.model_dir`` (on the first host).

        :raises UserError: a hyperparameter or channel is wrong. The runtime treats a DataError the same way.
        """

    def load(self, model_dir: Path) -> Model:
        """Return the model that :meth:`train` saved, ready for requests from several threads.

        :raises UserError: no readable model exists.
        """

    def prepare(self, work: str) -> None:
        """Import what ``train`` or ``serve`` needs."""


@dataclass(frozen=True)
class Package:
    """An algorithm in a package, which has the modules ``training`` and ``serving``.

    They are imported on demand, so that an endpoint starts fast.
    """

    name: str

    def train(self, job: TrainingJob) -> None:
        """See :meth:`Algorithm.train`."""
        self.module("training").train(job)

    def load(self, model_dir: Path) -> Model:
        """See :meth:`Algorithm.load`."""
        model: Model = self.module("serving").load(model_dir)
        return model

    def prepare(self, work: str) -> None:
        """See :meth:`Algorithm.prepare`."""
        self.module("training" if work == "train" else "serving")

    def module(self, name: str) -> Any:
        """Return a module of the package."""
        return import_module(f"{self.name}.{name}")


def run(algorithm: Algorithm, arguments: list[str] | None = None) -> NoReturn:
    """Be the container of an algorithm.

    :param arguments: of :func:`main`; by default those of the command line.
    """
    # XGBoost, which also connects the hosts of a job, imports scikit-learn if installed. That takes over a second.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    sys.exit(main(algorithm, sys.argv[1:] if arguments is None else arguments))


def main(algorithm: Algorithm, arguments: list[str]) -> int:
    """Run the container with its argument, ``train`` or ``serve``, after ``prepare`` or not; return the exit code."""
    cast("TextIOWrapper", sys.stdout).reconfigure(line_buffering=True)
    stopping = threading.Event()
    _on_sigterm(stopping.set)
    if arguments in (["prepare", "train"], ["prepare", "serve"]):
        arguments = arguments[1:]
        if not _is_given_work(algorithm, arguments[0], stopping):
            return 0
    if os.environ.get("HARNESS_DIE_WITH_STDIN") == "1":
        threading.Thread(target=_die_with_stdin, daemon=True).start()
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    if arguments == ["train"]:
        return _train(algorithm, base, stopping)
    if arguments == ["serve"]:
        return _serve(algorithm, base, stopping)
    print(f"usage: train | serve (not {' '.join(arguments) or 'nothing'})", file=sys.stderr)
    return 2


def _is_given_work(algorithm: Algorithm, work: str, stopping: threading.Event) -> bool:
    """Prepare for work, and wait for the line that gives it; return False if stdin closes or SIGTERM comes first.

    SIGTERM after the line is for the work, which the process may not have begun.
    """

    def end_if_idle() -> None:
        stopping.set()
        if not select.select([sys.stdin], [], [], 0)[0]:
            sys.exit(0)

    algorithm.prepare(work)
    if work == "serve":
        import harness.containers.server  # noqa: F401, PLC0415 - see _serve
    _on_sigterm(end_if_idle)
    if stopping.is_set():
        end_if_idle()
    line = sys.stdin.buffer.readline()
    _on_sigterm(stopping.set)
    if not line:
        return False
    given = json.loads(line)
    os.environ.clear()
    os.environ.update(given["variables"])
    os.chdir(given["directory"])
    return True


def read_job(base: Path) -> TrainingJob:
    """Return the job described by the files in ``input/config``.

    :raises OSError, ValueError: a file that SageMaker always writes is missing or not JSON.
    """
    config = base / "input" / "config"
    resources = _read_json(config / "resourceconfig.json")
    channels = {
        name: Channel(name, base / "input" / "data" / name, settings.get("ContentType"))
        for name, settings in _read_json(config / "inputdataconfig.json").items()
    }
    return TrainingJob(
        base,
        hyperparameters={name: str(value) for name, value in _read_json(config / "hyperparameters.json").items()},
        channels=channels,
        hosts=tuple(resources["hosts"]),
        host=resources["current_host"],
    )


def _read_json(path: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(path.read_text()))


def _train(algorithm: Algorithm, base: Path, stopping: threading.Event) -> int:
    try:
        job = replace(read_job(base), stopping=stopping)
        job.model_dir.mkdir(parents=True, exist_ok=True)
        algorithm.train(job)
    except (UserError, DataError) as error:
        print(_without_native_stack(f"[ERROR] {error}\n"), end="", file=sys.stderr, flush=True)
        hint = f" To fix: {error.fix}." if error.fix else ""
        return _fail(base, f"{error.what.rstrip('.')}.{hint}" if hint else error.what, UserError.exit_code)
    except Exception as error:
        print(_without_native_stack(traceback.format_exc()), end="", file=sys.stderr, flush=True)
        return _fail(base, _without_native_stack(f"{type(error).__name__}: {error}").strip(), 1)
    return 0


def _without_native_stack(text: str) -> str:
    """Return a text without the stack of C++ functions that XGBoost adds to its messages."""
    return _NATIVE_STACK.sub("\n", text)


def _fail(base: Path, reason: str, exit_code: int) -> int:
    (base / "output").mkdir(parents=True, exist_ok=True)
    (base / "output" / "failure").write_text(reason[:FAILURE_LIMIT])
    return exit_code


def _serve(algorithm: Algorithm, base: Path, stopping: threading.Event) -> int:
    from harness.containers.server import serve  # noqa: PLC0415 - a training job starts faster without a web server

    _on_sigterm(sys.exit)
    if stopping.is_set():
        return 0
    try:
        model = algorithm.load(base / "model")
    except (UserError, DataError) as error:
        print(_without_native_stack(f"[ERROR] {error}\n"), end="", file=sys.stderr, flush=True)
        return UserError.exit_code
    serve(model, int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")))
    return 0


def _on_sigterm(action: Callable[[], object]) -> None:
    def handle(_number: int, _frame: FrameType | None) -> None:
        action()

    signal.signal(signal.SIGTERM, handle)


def _die_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)
