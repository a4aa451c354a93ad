"""The tool that makes a class archive before the tests."""

from types import SimpleNamespace

import pytest

from tools import class_archive


@pytest.fixture
def started(monkeypatch):
    """The environments of the programs that the tool started."""
    found = []
    monkeypatch.setattr(class_archive.subprocess, "run", lambda *_, env, **__: found.append(env))
    monkeypatch.setattr(class_archive, "find_java", lambda: None)
    return found


@pytest.mark.parametrize("there", [True, False])
def test_the_program_runs_as_outside_ci_if_there_is_no_archive(started, monkeypatch, tmp_path, there):
    archive = SimpleNamespace(path=tmp_path / "archive")
    monkeypatch.setattr(class_archive, "class_archive", lambda *_: archive)
    monkeypatch.setenv("CI", "true")
    if there:
        archive.path.touch()
    class_archive.main()
    assert ["CI" in environment for environment in started] == ([] if there else [False])


def test_nothing_runs_for_a_java_without_archives(started, monkeypatch):
    monkeypatch.setattr(class_archive, "class_archive", lambda *_: None)
    class_archive.main()
    assert started == []
