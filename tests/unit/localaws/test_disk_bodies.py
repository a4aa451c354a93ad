"""Bodies of objects: their bytes, the bytes that they share, and the end of their files."""

import copy
import hashlib
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.localaws.s3 import disk_bodies
from harness.localaws.s3.bodies import body as bodies
from harness.localaws.s3.bodies.body import IN_MEMORY, Body, BodyWriter

LARGE = bytes(range(256)) * (IN_MEMORY // 256)


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """The files of bodies."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return lambda: list(tmp_path.iterdir())


def whole(body):
    return b"".join(body.blocks(0, body.size))


@pytest.mark.parametrize(("data", "count"), [(b"", 0), (b"small", 0), (LARGE[1:], 0), (LARGE, 1)])
def test_a_body_is_a_file_from_one_mebibyte_on_and_the_file_goes_with_it(files, data, count):
    body = Body.of(data)
    assert len(files()) == count
    assert (whole(body), body.size, body.md5) == (data, len(data), hashlib.md5(data).hexdigest())
    del body
    assert files() == []


def test_a_body_that_is_not_finished_leaves_no_file(files):
    with BodyWriter() as writer:
        writer.write(LARGE)
        assert len(files()) == 1
    assert files() == []


def test_the_file_of_a_shared_body_stays_until_the_last_one_goes(files):
    first = Body.of(LARGE)
    both = Body.joined([first, Body.of(b"-"), first])
    listed = copy.deepcopy(both)
    assert len(files()) == 1
    del first, both
    assert whole(listed) == LARGE + b"-" + LARGE
    del listed
    assert files() == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=9), max_size=5), st.integers(0, 50), st.integers(0, 50))
def test_a_range_of_a_body_in_pieces_is_that_of_its_bytes(files, monkeypatch, pieces, start, length):
    monkeypatch.setattr(bodies, "IN_MEMORY", 4)  # some pieces in memory and some in files
    body, data = Body.joined(map(Body.of, pieces)), b"".join(pieces)
    assert b"".join(body.blocks(start, length)) == data[start : start + length]
    assert whole(body.part(start, length)) == data[start : start + length]


def test_a_range_of_joined_bodies_shares_them_and_any_other_is_a_copy(files):
    parts = [Body.of(LARGE), Body.of(LARGE[1:] + b"-"), Body.of(b"end")]
    body = Body.joined(parts)
    assert body.part(0, body.size) is body
    assert body.part(len(LARGE), len(LARGE)) is parts[1]
    shared = body.part(len(LARGE), len(LARGE) + 3)
    assert len(files()) == 2
    copied = body.part(1, len(LARGE))
    assert len(files()) == 3
    del body, parts
    assert len(files()) == 2
    assert whole(shared) == LARGE[1:] + b"-end"
    assert whole(copied) == (LARGE + LARGE[1:])[1 : len(LARGE) + 1]


def test_what_is_known_of_a_part_is_not_computed_again_for_its_copy(monkeypatch):
    def key(body):
        return disk_bodies._BodyKey("key", body, "123456789012", region_name="us-east-1")

    keys = [key(Body.of(data)) for data in (LARGE, LARGE[::-1])]
    known = [(key.etag, key.checksum, key.body.checksum("SHA1")) for key in keys]
    body = Body.joined(key.body for key in keys)
    copies = [key(body.part(start, len(LARGE))) for start in (0, len(LARGE))]
    monkeypatch.setattr(Body, "blocks", None)
    assert [(copy.etag, copy.checksum, copy.body.checksum("SHA1")) for copy in copies] == known
