"""Zips of models: they may come from anyone, and what cannot be read is refused, not a crash."""

import io
import zipfile

import numpy as np
import pytest

from harness.containers.amazon import ndarrays, zips
from harness.containers.runtime import UserError
from harness.errors import DataError


def zipped(method, content=b"x" * 1000):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr("a", content)
    return target.getvalue()


def read(content):
    return zips.read(content, "linear-learner", ["a"])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_files_are_read(method):
    assert read(zipped(method)) == {"a": b"x" * 1000}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_of_compression_are_refused_before_anything_is_unpacked(method):
    damaged = zipped(method)[:45] + b"\xff\xff\xff" + zipped(method)[48:]
    with pytest.raises(UserError, match="a in the model's zip is neither stored nor deflated"):
        read(damaged)


def test_a_name_that_is_not_the_text_it_says_is_refused():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("é", b"x")
    with pytest.raises(UserError, match="The model's zip cannot be read"):
        read(target.getvalue().replace("é".encode(), b"\xff\xff"))


def test_a_small_zip_may_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(zips, "LARGEST", 10_000)
    with pytest.raises(UserError, match="holds more than 10000 bytes"):
        read(zipped(zipfile.ZIP_DEFLATED, b"x" * 20_000))
    assert len(read(zipped(zipfile.ZIP_STORED, b"x" * 20_000))["a"]) == 20_000


def test_nested_json_is_refused():
    with pytest.raises(UserError, match="a in the model's zip is not JSON"):
        zips.read_json({"a": b"[" * 100_000}, "a")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_with_numbers_that_are_not_finite_is_refused(value):
    content = ndarrays.write({"arg:fc0_weight": np.array([1, value], np.float32)})
    with pytest.raises(UserError, match="fc0_weight in a of the model's zip has NaN or infinity"):
        zips.arrays({"a": content}, "a")


def test_a_shape_beyond_all_memory_is_refused_even_if_it_holds_nothing():
    content = bytearray(ndarrays.write([np.ones((0, 1, 1))]))
    content[44:60] = (1 << 62).to_bytes(8, "little") * 2
    with pytest.raises(DataError, match=r"the shape \(0, 4611686018427387904, 4611686018427387904\)"):
        ndarrays.read(bytes(content))
