"""The directory of this user's caches: where it is, and who may enter it."""

import os
import stat
import sys
from pathlib import Path

import pytest

from harness.caches.directory import cache_directory, is_own, make_private


def test_the_directory_is_below_xdg_cache_home(tmp_path):
    assert cache_directory("models", {"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "sagemaker-spark-harness/models"


@pytest.mark.parametrize("environment", [{}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "relative"}])
@pytest.mark.parametrize(("platform", "usual"), [("linux", ".cache"), ("darwin", "Library/Caches")])
def test_without_an_absolute_xdg_cache_home_it_is_where_the_system_keeps_caches(
    monkeypatch, environment, platform, usual
):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_directory("models", environment) == Path("/home/someone", usual, "sagemaker-spark-harness/models")


def test_a_user_without_a_home_directory_has_none(monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert cache_directory("models", {}) is None


def test_only_its_user_can_enter_a_directory_that_was_open_to_all(tmp_path):
    tmp_path.chmod(0o777)
    assert make_private(tmp_path)
    assert make_private(tmp_path / "parent" / "new")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, tmp_path / "parent" / "new")}
    assert modes == {0o700}


def test_a_link_and_the_directory_of_another_user_are_not_used(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path)
    assert not make_private(tmp_path / "link")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert not make_private(tmp_path)


def test_a_file_that_does_not_exist_is_nobodys(tmp_path):
    assert not is_own(tmp_path / "none")
