"""The failure file of a container: the reason with its hint, without a library's stack."""

import json
import threading

import pytest

from harness.containers import runtime
from harness.containers.runtime import UserError

STACK = "\nStack trace:\n  [bt] (0) /lib/libxgboost.so(+0x1) [0x7f]\n  [bt] (1) /lib/libffi.so(+0x2) [0x7e]\n\n"


class Fails:
    """An algorithm that raises an error."""

    def __init__(self, error):
        self.error = error

    def train(self, job):
        raise self.error


@pytest.mark.parametrize(
    ("error", "reason"),
    [(UserError("It is bad.", checked="x", fix="do it right"), "It is bad. To fix: do it right."),
     (UserError("Missing required channel: train"), "Missing required channel: train"),
     (ValueError(f"label must be in [0, 3).{STACK}"), "ValueError: label must be in [0, 3)."),
     (ValueError("Stack trace: none"), "ValueError: Stack trace: none")],
)  # fmt: skip
def test_the_failure_file_has_the_reason_and_its_hint(tmp_path, capsys, error, reason):
    (tmp_path / "input/config").mkdir(parents=True)
    configuration = {"resourceconfig": {"hosts": ["algo-1"], "current_host": "algo-1"}}
    for name in ("hyperparameters", "inputdataconfig", "resourceconfig"):
        (tmp_path / f"input/config/{name}.json").write_text(json.dumps(configuration.get(name, {})))
    assert runtime._train(Fails(error), tmp_path, threading.Event()) in (1, 2)
    assert (tmp_path / "output/failure").read_text() == reason
    assert "libxgboost" not in capsys.readouterr().err
