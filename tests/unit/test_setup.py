"""Installation under a Python that Spark does not run on."""

import platform
import runpy
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "setup.py"


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 12, 1)])
def test_installation_under_another_python_is_refused_with_a_fix(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(platform, "python_version", lambda: ".".join(map(str, version)))
    with pytest.raises(SystemExit) as refused:
        runpy.run_path(str(SETUP))
    assert f"this is {version[0]}.{version[1]}" in refused.value.code
    assert "python3.11 -m venv" in refused.value.code
