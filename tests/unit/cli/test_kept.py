"""``harness up``, ``down`` and ``status`` where nothing is kept."""

import json

import pytest

from harness.cli import main


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_the_status_of_nothing_has_its_own_exit_code(capsys):
    assert main.main(["status"]) == 1
    assert capsys.readouterr().out == "No environment is kept for this directory. 'harness up' starts one.\n"
    assert main.main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {}


def test_down_is_done_where_nothing_is_kept(capsys):
    assert main.main(["down"]) == 0
    assert capsys.readouterr().out == "No environment is kept for this directory.\n"


@pytest.mark.parametrize("idle", ["0", "-1", "nan", "1e9"])
def test_a_time_that_is_none_is_refused_before_anything_starts(idle, capsys, monkeypatch):
    monkeypatch.setattr("harness.keeper.launch.launch", lambda *_: pytest.fail("it was started"))
    assert main.main(["up", "--idle", idle]) == 2
    assert "give a number of minutes above 0" in capsys.readouterr().err
