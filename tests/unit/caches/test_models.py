"""The store of the cache of trained models: complete entries or none, of this user, up to a limit."""

import logging
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.caches.models import Entry, ModelCache, Trained

READ = "[INFO] Channel train: {} rows"
LINES = [("algo-1", READ.format(60)), ("algo-2", READ.format(40)), ("algo-1", "ü\ud800")]


@pytest.fixture
def cache(tmp_path):
    return ModelCache(tmp_path / "cache" / "models")


@pytest.fixture
def trained(tmp_path):
    """Return an outcome whose model has this content."""

    def trained(content=b"model", names=("model.tar.gz",), at=1000.0):
        files = [tmp_path / name for name in names]
        for file in files:
            file.write_bytes(content)
        return Trained("xgboost:1", at, 2.5, LINES, {"train:error": 0.25}, files)

    return trained


@pytest.fixture
def target(tmp_path):
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def only_file(cache):
    [path] = cache.directory.iterdir()
    return path


def test_what_is_stored_is_found_again_byte_for_byte(cache, trained, target):
    cache.store("key", trained(os.urandom(3 << 20), ("model.tar.gz", "output.tar.gz")))
    found = cache.find("key", target)
    assert (found.image, found.at, found.seconds, found.metrics) == ("xgboost:1", 1000.0, 2.5, {"train:error": 0.25})
    assert [tuple(line) for line in found.lines] == LINES
    assert found.archives == [target / "model.tar.gz", target / "output.tar.gz"]
    assert all(file.read_bytes() == (target.parent / file.name).read_bytes() for file in found.archives)


def test_a_key_that_was_not_stored_is_not_found_and_nothing_is_made(cache, target):
    assert cache.find("key", target) is None
    assert cache.entries() == []
    assert not cache.directory.exists()


def test_only_its_user_can_read_an_entry(cache, trained):
    cache.store("key", trained())
    paths = (only_file(cache), cache.directory)
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600, 0o700]


DAMAGES = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[:-1],
    "one bit of the model": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "one bit of the log": lambda content: content.replace(b"60 rows", b"61 rows"),
    "one bit of the header": lambda content: content.replace(b'"seconds": 2.5', b'"seconds": 3.5'),
    "another format": lambda content: b"pickle",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_reported_and_deleted(cache, trained, target, caplog, damage):
    cache.store("key", trained())
    path = only_file(cache)
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert cache.find("key", target) is None
    assert str(path) in caplog.text
    assert not path.exists()


def test_an_entry_under_the_name_of_another_key_is_not_used(cache, trained, target):
    cache.store("key", trained())
    path = only_file(cache)
    path.rename(path.with_stem("other"))
    assert cache.find("other", target) is None


def test_files_of_another_user_are_not_read(cache, trained, target, monkeypatch):
    cache.store("key", trained())
    own = os.fstat
    monkeypatch.setattr(os, "fstat", lambda file: os.stat_result([*own(file)[:4], os.geteuid() + 1, *own(file)[5:]]))
    assert cache.find("key", target) is None


def test_a_cache_in_the_directory_of_another_user_is_neither_read_nor_written(cache, trained, target, monkeypatch):
    cache.store("key", trained())
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    cache.store("second", trained())
    assert cache.find("key", target) is None
    assert cache.entries() == []
    assert len(list(cache.directory.iterdir())) == 1


def test_a_link_and_a_directory_are_no_entries(cache, trained, target):
    cache.store("key", trained())
    path = only_file(cache)
    path.with_stem("link").symlink_to(path)
    path.with_stem("directory").mkdir()
    assert cache.find("link", target) is cache.find("directory", target) is None
    assert len(cache.entries()) == 1


def test_the_entries_that_were_not_used_for_the_longest_time_are_deleted_first(tmp_path, trained, target):
    cache = ModelCache(tmp_path / "cache", limit=35_000)
    for number, key in enumerate("abc"):
        cache.store(key, trained(bytes(10_000)))
        os.utime(cache.directory / f"{key}.model", (number, number))
    assert cache.find("a", target)
    cache.store("d", trained(bytes(10_000)))
    assert {path.stem for path in cache.directory.iterdir()} == {"a", "c", "d"}


def test_a_model_that_is_larger_than_the_limit_is_not_stored(tmp_path, trained):
    cache = ModelCache(tmp_path / "cache", limit=1000)
    cache.store("key", trained(bytes(1000)))
    assert not cache.directory.exists()


def test_a_cache_that_cannot_be_written_is_reported_and_harms_no_job(tmp_path, trained, caplog):
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        ModelCache(tmp_path / "file" / "models").store("key", trained())
    assert "the trained model is not cached" in caplog.text


def test_unfinished_files_of_killed_processes_are_deleted_after_an_hour(cache, trained):
    cache.store("a", trained())
    old, new = cache.directory / ".new-old", cache.directory / ".new-new"
    for file in (old, new):
        file.write_bytes(b"")
    os.utime(old, (time.time() - 3700, time.time() - 3700))
    cache.store("b", trained())
    assert (old.exists(), new.exists()) == (False, True)


def test_the_entries_are_listed_the_last_used_first_and_cleared(cache, trained, target):
    for key in "ab":
        cache.store(key, trained())
        os.utime(cache.directory / f"{key}.model", (5, 5))
    (cache.directory / "damaged.model").write_bytes(b"x")
    size = (cache.directory / "a.model").stat().st_size
    cache.find("a", target)
    first, second = cache.entries()
    assert second == Entry("xgboost:1", 1000.0, 5.0, 100, size)
    assert first.used > second.used
    assert cache.clear() == 3
    assert list(cache.directory.iterdir()) == []


WRITER = """
import sys
from pathlib import Path
from harness.caches.models import ModelCache, Trained
cache = ModelCache(Path(sys.argv[1]), limit=200_000)
archive = Path(sys.argv[2], "model.tar.gz")
for number in range(60):
    archive.write_bytes(bytes([number]) * 50_000)
    cache.store(str(number % 6), Trained("image", 1.0, 1.0, [("algo-1", str(number))], None, [archive]))
"""


def test_processes_that_store_find_and_evict_at_once_see_whole_entries(tmp_path, caplog):
    cache, places = ModelCache(tmp_path / "cache", limit=200_000), [tmp_path / name for name in "abcd"]
    for place in places:
        place.mkdir()
    command = [sys.executable, "-c", WRITER, str(cache.directory)]
    writers = [subprocess.Popen([*command, str(place)], stderr=subprocess.PIPE) for place in places[:2]]

    def read(place):
        while any(writer.poll() is None for writer in writers):
            for key in map(str, range(6)):
                if found := cache.find(key, place):
                    assert found.archives[0].read_bytes() == bytes([int(found.lines[0][1])]) * 50_000

    with ThreadPoolExecutor(2) as readers:
        list(readers.map(read, places[2:]))
    assert [(writer.wait(), writer.stderr.read()) for writer in writers] == [(0, b"")] * 2
    assert "damaged" not in caplog.text
    assert sum(Path(file).stat().st_size for file in cache.directory.iterdir()) <= 200_000
