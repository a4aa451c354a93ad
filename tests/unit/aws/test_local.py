"""Reasons for which a local AWS does not start, found before its process starts."""

import shutil
import socket
import subprocess
from types import SimpleNamespace

import pytest

from harness.aws.local import MockAWS
from harness.errors import SetupError
from harness.settings import Settings


@pytest.fixture(autouse=True)
def _no_process(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a process is started")

    monkeypatch.setattr(subprocess, "Popen", refuse)


def test_a_taken_port_is_found_before_a_process_starts():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SetupError, match=f"Port {port} cannot be used: Address already in use"):
            MockAWS.start(Settings(), port)


def test_a_full_disk_is_found_before_a_process_starts(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 << 20))
    with pytest.raises(SetupError, match=r"has 5\.0 MiB free, and a local AWS needs 128 MiB") as error:
        MockAWS.start(Settings())
    assert str(tmp_path) in error.value.what
    assert "TMPDIR" in error.value.fix
