"""The directory in which a kept environment is found."""

from pathlib import Path

import pytest

from harness.errors import SetupError
from harness.kept.lease import NotKeptError, Talk, borrow
from harness.kept.place import SOCKET, is_private, make_place, place, runtime_directory


@pytest.fixture(autouse=True)
def runtime(tmp_path_factory, monkeypatch):
    directory = tmp_path_factory.mktemp("run")  # the path of a socket must be short
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory))
    return directory


def test_each_working_directory_has_its_own_place(tmp_path, runtime):
    assert place(tmp_path) != place(runtime)
    assert place(tmp_path) == place(runtime / ".." / tmp_path.name)
    assert place(tmp_path).parent == runtime


def test_without_a_runtime_directory_it_is_in_the_temporary_one(tmp_path, runtime, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "absent"))
    monkeypatch.setattr("tempfile.tempdir", str(runtime))
    assert runtime_directory() is None
    assert place(tmp_path).parent == runtime


def test_a_temporary_directory_with_a_long_path_is_not_used(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("long" * 30)))
    assert place(tmp_path).parent == Path("/tmp")


def test_a_place_is_private_and_what_a_killed_keeper_left_is_replaced(tmp_path):
    made = make_place(tmp_path)
    (made / SOCKET).touch()
    assert is_private(make_place(tmp_path))
    assert list(made.iterdir()) == []


def test_a_place_that_others_could_use_is_not_replaced(tmp_path):
    make_place(tmp_path).chmod(0o755)
    with pytest.raises(SetupError, match="cannot be made: File exists"):
        make_place(tmp_path)


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_place_that_others_can_use_is_not_used(tmp_path, mode):
    made = make_place(tmp_path)
    made.chmod(mode)
    with pytest.raises(NotKeptError, match="No environment is kept"):
        Talk.to(tmp_path)


def test_a_link_of_another_user_is_not_followed(tmp_path, runtime):
    (tmp_path / "target").mkdir(mode=0o700)
    place(tmp_path).symlink_to(tmp_path / "target")
    assert not is_private(place(tmp_path))


def test_a_place_without_a_keeper_is_said_not_to_answer(tmp_path):
    (make_place(tmp_path) / SOCKET).touch()
    with pytest.raises(NotKeptError, match="does not answer"):
        borrow(tmp_path, {})
