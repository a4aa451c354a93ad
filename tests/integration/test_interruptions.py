"""A real run that is interrupted at any call leaves no resource, and changes no other user's resource.

The run is ``harness mnist --mode real`` on the independent local AWS, which interrupts it: when the chosen call
arrives, or when it has been applied and not yet answered, the process is killed, terminated, interrupted or cut off.
Then the run itself, its reaper, or one ``harness sweep`` has to have deleted everything.
"""

import itertools
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import psutil
import pytest

from tests.support.outside import OUTSIDE, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.spark]

WAYS = ("SIGKILL", "SIGTERM", "SIGINT", "cut")
CALLS = 200
"""About as many calls as a run on so few rows makes, the number differs by how often it asks how things stand."""
CUT_CALLS = 25
"""Number of consecutive calls that a cut network loses."""
AT_ONCE = 3
HARNESS = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
from harness.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
PROGRAM_SECONDS, REAPER_SECONDS = 300, 600


class Point(NamedTuple):
    """Place and kind of an interruption."""

    way: str
    skip: int
    """Calls that pass before the one that is hit."""
    after: bool
    """True if that call is applied."""


def draw(count):
    """Return that many points, the same ones each time, each way as often as the others."""
    chance = random.Random(0)
    boundaries = list(itertools.product(range(CALLS), (False, True)))
    orders = {way: chance.sample(boundaries, len(boundaries)) for way in WAYS}
    ways = itertools.islice(itertools.cycle(WAYS), count)
    return [Point(way, *orders[way][number // len(WAYS)]) for number, way in enumerate(ways)]


class Interrupted:
    """A run of the program by a separate user, interrupted at one point."""

    def __init__(self, aws, role, point, directory):
        self._aws, self._point, self._directory = aws, point, directory
        directory.mkdir()
        self._user = aws.user()
        self._caller = self._user["AWS_ACCESS_KEY_ID"]
        process = self._start("mnist", "--mode", "real", "--role", role, "--spark-master", "local[1]",
                              "--train-rows", "300", "--test-rows", "50")  # fmt: skip
        self._add_fault(process.pid)
        self.error = self._wait(process)
        self._exit_code = process.returncode

    def _start(self, *arguments):
        environment = {"PYTHONPATH": ROOT, "XDG_STATE_HOME": str(self._directory), "COLUMNS": "100"}
        with (self._directory / "output").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-c", HARNESS, *arguments],
                cwd=self._directory, env=OUTSIDE | self._user | environment, stdout=output, stderr=output,
            )  # fmt: skip

    def _add_fault(self, pid):
        point, add = self._point, self._aws.faults.add
        common = {"skip": point.skip, "caller": self._caller}
        if point.way != "cut":
            add("*", effect="signal", pid=pid, signal=point.way, after=point.after, **common)
            return
        add("*", effect="lose_answer" if point.after else "cut", **common)
        add("*", effect="cut", times=CUT_CALLS, **common)

    def _wait(self, process):
        """Wait for the program's end and its reaper's; return which of them did not end, if any."""
        try:
            process.wait(PROGRAM_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return "the program did not end"
        deadline = time.monotonic() + REAPER_SECONDS
        while self._reaper_runs():
            if time.monotonic() > deadline:
                return "the reaper did not end"
            time.sleep(0.5)
        return None

    def _reaper_runs(self):
        lines = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
        return any(str(self._directory) in argument for line in lines for argument in line)

    @property
    def happened(self):
        """True if the run reached the point, and was ended there if the point ends it."""
        waiting = self._aws.connection.control("GET", "/faults")
        reached = not any(fault["caller"] == self._caller and fault["effect"] != "cut" for fault in waiting)
        return reached and (self._point.way == "cut" or self._exit_code != 0)

    @property
    def has_ledger(self):
        """True if a ledger remains, which means that resources may still exist."""
        return any(self._directory.rglob("*.jsonl"))

    def sweep(self):
        """Run ``harness sweep --yes`` once, with the network restored."""
        self._aws.faults.clear()
        return self._start("sweep", "--yes").wait(PROGRAM_SECONDS)


@pytest.fixture
def decoys(independent_aws):
    """Other users' resources, some of them similar to a run's: everything that exists at first."""
    client, s3 = independent_aws.client("sagemaker"), independent_aws.client("s3")
    bucket = f"{independent_aws.account}-sagemaker-{independent_aws.region}"
    s3.create_bucket(Bucket=bucket)
    for key in ("hsh-aaaaaaaaaaaa-1/rows/part-0", "hsh-run10/model.tar.gz", "theirs/part-0"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"theirs")
    role = independent_aws.role()
    image = f"811284229777.dkr.ecr.{independent_aws.region}.amazonaws.com/xgboost:1"
    for name in ("hsh-aaaaaaaaaaaa-1-model", "theirs"):
        client.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": image})
    return costly(independent_aws)


def costly(aws):
    """Return everything that exists except the log groups, which are kept."""
    return {kind: names for kind, names in aws.everything().items() if kind != "log group"}


def interrupt_runs(aws, decoys, points, directory):
    """Interrupt a run at each point, a few in parallel; assert that only the decoys remain; return the outcomes."""
    role = aws.role()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        places = [directory / f"{number}-{'-'.join(map(str, point))}" for number, point in enumerate(points)]
        runs = list(pool.map(lambda point, place: Interrupted(aws, role, point, place), points, places))
    happened = [run.happened for run in runs]
    swept = [run for run in runs if run.has_ledger]
    for run in swept:
        run.sweep()
    print(f"{sum(happened)} of {len(runs)} runs were interrupted; {len(swept)} needed a sweep")
    assert [(point, run.error) for point, run in zip(points, runs, strict=True) if run.error] == []
    assert costly(aws) == decoys
    return happened


def test_a_run_interrupted_at_any_call_leaves_nothing_and_touches_nothing_of_others(independent_aws, decoys, tmp_path):
    assert any(interrupt_runs(independent_aws, decoys, draw(4), tmp_path))


@pytest.mark.nightly
def test_runs_interrupted_at_two_hundred_points_leave_nothing(independent_aws, decoys, tmp_path):
    happened = interrupt_runs(independent_aws, decoys, draw(240), tmp_path)
    assert sum(happened) >= 200
