"""``harness cache``: where the cache is, what it holds, and clearing it."""

import json

import pytest

from harness.caches.models import ModelCache, Trained
from harness.cli.main import main


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """The user's cache, with one model."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = ModelCache(tmp_path / "sagemaker-spark-harness" / "models")
    (tmp_path / "model.tar.gz").write_bytes(bytes(5000))
    lines = [("algo-1", "[INFO] Channel train: 60000 rows, 784 columns")]
    cache.store("key", Trained("xgboost:1", 0.0, 1.0, lines, {}, [tmp_path / "model.tar.gz"]))
    return cache


def test_the_entries_are_listed_with_image_time_rows_and_size(cache, capsys):
    assert main(["cache"]) == 0
    shown = capsys.readouterr().out
    for text in (str(cache.directory), "5 KiB of 1,024 MiB, in 1 entry", "xgboost:1", "1970-01-01 00:00", "60,000"):
        assert text in shown


def test_the_json_has_the_same(cache, capsys):
    assert main(["cache", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    [entry] = found.pop("entries")
    assert found == {
        "directory": str(cache.directory), "bytes": entry["bytes"], "limit": 1 << 30, "class_archives": [],
    }  # fmt: skip
    assert (entry["image"], entry["rows"], entry["trained"]) == ("xgboost:1", 60_000, "1970-01-01T00:00:00+00:00")


@pytest.mark.parametrize(("option", "shown"), [([], "1 entry deleted from "), (["--json"], '"deleted": 1')])
def test_clearing_deletes_all_and_says_how_many(cache, capsys, option, shown):
    assert main(["cache", "--clear", *option]) == 0
    assert shown in capsys.readouterr().out
    assert cache.entries() == []


def test_archives_of_classes_are_counted_and_cleared_too(cache, capsys):
    archive = cache.directory.parent / "classes" / "key.jsa"
    archive.parent.mkdir()
    archive.write_bytes(bytes(20 << 20))
    assert main(["cache"]) == 0
    assert f"20 MiB in 1 files below {archive.parent}" in " ".join(capsys.readouterr().out.split())
    assert main(["cache", "--clear"]) == 0
    assert not archive.exists()


def test_a_cache_that_was_never_used_is_empty(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    assert main(["cache"]) == 0
    assert "in 0 entries" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_a_user_without_a_home_directory_is_told_what_to_set(monkeypatch, capsys):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert main(["cache"]) == 3
    assert "set XDG_CACHE_HOME" in capsys.readouterr().err
