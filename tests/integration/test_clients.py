"""Clients of S3 in a session without network, as the table of docs/reference/clients.md says.

A client that is not installed is skipped, unless ``HARNESS_CLIENTS_PYTHON`` names the Python that has all of them.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.closed_network import attempts, command, unavailable
from tests.support.outside import OUTSIDE, ROOT

CLIENTS = Path(ROOT) / "tests" / "clients"
ALL = os.environ.get("HARNESS_CLIENTS_PYTHON")
PYTHON = ALL or sys.executable
LEAVE = {"aiohttp_without_setting", "pyarrow_filesystem_without_setting"}
"""Clients that leave the machine without a setting."""
REFUSE = {"duckdb_without_setting": "Failed to parse http_proxy"}
"""Clients that end before they connect, with what they say."""
WORK = sorted({path.stem.removesuffix("_client") for path in CLIENTS.glob("*_client.*")} - LEAVE - REFUSE.keys())
MISSING = ("No module named", "ImportError", "aws: not found", "curl: not found")


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """The end of every client, all of which run in one session."""
    if reason := unavailable():
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("clients")
    path = f"{Path(sys.executable).parent}{os.pathsep}{OUTSIDE['PATH']}"  # where the AWS CLI is
    variables = OUTSIDE | {"PYTHONPATH": ROOT, "TMPDIR": str(directory), "PATH": path, "HOME": str(directory)}
    session = [sys.executable, "-m", "harness", "exec", "--", sys.executable, CLIENTS / "run_all.py", PYTHON]
    done = subprocess.run(command(*session), env=variables, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def end_of(ends, client):
    """Return a client's end; skip the test if the client is not installed."""
    end = ends["clients"][client]
    if not ALL and any(text in end["output"] for text in MISSING):
        pytest.skip(f"{client} is not installed: tox -e clients installs all")
    return end


@pytest.mark.parametrize("client", WORK)
def test_a_client_works_and_leaves_nothing_for_the_network(ends, client):
    end = end_of(ends, client)
    assert end["code"] == 0, end["output"]
    assert end["attempts"] == 0


@pytest.mark.parametrize("client", sorted(LEAVE))
def test_a_client_that_leaves_the_machine_is_caught(ends, client):
    end = end_of(ends, client)
    assert end["code"] != 0
    assert end["attempts"] > 0, end["output"]


@pytest.mark.parametrize("client", REFUSE)
def test_a_client_that_cannot_use_the_proxy_ends_before_it_connects(ends, client):
    end = end_of(ends, client)
    assert (end["code"], end["attempts"]) == (1, 0)
    assert REFUSE[client] in end["output"]


def test_the_session_itself_leaves_nothing_for_the_network(ends):
    assert ends["session"] == 0


@pytest.mark.slow
@pytest.mark.spark
def test_a_whole_run_with_spark_leaves_nothing_for_the_network(tmp_path):
    if reason := unavailable():
        pytest.skip(reason)
    run = ["-m", "harness", "mnist", "--train-rows", "200", "--test-rows", "50"]
    code = f"import subprocess, sys\nfrom {attempts.__module__} import attempts\n"
    code += f"subprocess.run([sys.executable, *{run}], check=True)\nprint(attempts())"
    variables = OUTSIDE | {"PYTHONPATH": ROOT, "TMPDIR": str(tmp_path)}
    whole = command(sys.executable, "-c", code)
    done = subprocess.run(whole, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "0"


@pytest.mark.skipif(not shutil.which("unshare"), reason="namespaces need Linux")
@pytest.mark.parametrize("target", ["192.0.2.7", "2001:db8::1", "s3.amazonaws.com"])
def test_the_closed_network_counts_addresses_and_names_outside(target):
    if reason := unavailable():
        pytest.skip(reason)
    code = f"import socket, sys\nfrom {attempts.__module__} import attempts\nbefore = attempts()\n"
    code += f"try: socket.create_connection(('{target}', 443))\nexcept OSError: print(attempts() - before)"
    done = subprocess.run(
        command(sys.executable, "-c", code),
        env=OUTSIDE | {"PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) > 0
