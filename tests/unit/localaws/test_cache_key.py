"""The key of a training job in the cache of trained models: what changes it, and what does not."""

import ast
from pathlib import Path

import pytest

import harness
from harness.localaws.s3.bodies.body import Body
from harness.localaws.sagemaker.training import cache_key as keys
from harness.localaws.sagemaker.training.cache_key import cache_key

ONE, OTHER = "0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"
TRAIN = [("part-0", Body.of(b"1 1:1\n")), ("part-1", Body.of(b"0 1:0\n"))]
CONFIG = {"hyperparameters": {"num_round": "2"}, "inputdataconfig": {"train": {"ContentType": "text/libsvm"}}}


def key(image="xgboost:1", command=("python", "-m", "it"), variables=None, config=CONFIG, hosts=1, **channels):
    seen = {f"algo-{number}": (config, channels or {"train": TRAIN}) for number in range(1, hosts + 1)}
    return cache_key(image, command, variables or {}, seen)


def renamed(*names):
    return [(name, body) for name, (_, body) in zip(names, TRAIN, strict=True)]


OTHERS = {
    "image": {"image": "xgboost:2"},
    "command": {"command": ("python", "-m", "other")},
    "variable": {"variables": {"OMP_NUM_THREADS": "1"}},
    "hyperparameter": {"config": CONFIG | {"hyperparameters": {"num_round": "3"}}},
    "content type": {"config": CONFIG | {"inputdataconfig": {"train": {"ContentType": "text/csv"}}}},
    "hosts": {"hosts": 2},
    "one byte": {"train": [TRAIN[0], ("part-1", Body.of(b"0 1:1\n"))]},
    "order of the files": {"train": renamed("part-1", "part-0")},
    "another file": {"train": [*TRAIN, ("part-2", Body.of(b""))]},
    "boundary of the files": {"train": [("part-0", Body.of(b"1 1:1\n0 1:0\n")), ("part-1", Body.of(b""))]},
    "hidden file": {"train": renamed("part-0", ".part-1")},
    "directory": {"train": renamed("part-0", "part/1")},
    "name of the channel": {"validation": TRAIN},
    "another channel": {"train": TRAIN, "validation": TRAIN},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_whatever_a_container_sees_changes_the_key(changes):
    assert key(**changes) != key()


@pytest.mark.parametrize("name", ["PYTHONPATH", "LD_LIBRARY_PATH"])
def test_variables_that_choose_the_code_change_the_key(monkeypatch, name):
    before = key()
    monkeypatch.setenv(name, "/elsewhere")
    assert key() != before


@pytest.mark.parametrize(("member", "other"), [("_cores", lambda: 63), ("_versions", lambda: {"numpy": "2"})])
def test_the_number_of_cores_and_the_versions_of_libraries_change_the_key(monkeypatch, member, other):
    before = key()
    monkeypatch.setattr(keys, member, other)
    assert key() != before


def test_the_order_in_which_objects_are_listed_does_not_count():
    assert key(train=TRAIN[::-1]) == key()


def test_a_uuid_in_the_names_that_spark_writes_does_not_count_but_the_order_does():
    names = [[f"part-0000{number}-{run}-c000.libsvm" for number in (0, 1)] for run in (ONE, OTHER)]
    first, second = (key(train=renamed(*each)) for each in names)
    swapped = key(train=renamed(*names[1][::-1]))
    assert first == second != swapped


def test_an_object_that_was_uploaded_in_parts_has_the_key_of_the_same_parts_only():
    parts = [Body.of(b"1 1:1\n"), Body.of(b"0 1:0\n")]
    first, second = (key(train=[("part-0", Body.joined(parts))]) for _ in range(2))
    other = key(train=[("part-0", Body.joined([parts[0], Body.of(b"0 1:1\n")]))])
    assert first == second != other


def test_an_edit_of_the_source_changes_the_key_without_another_version(monkeypatch, tmp_path):
    (tmp_path / "containers").mkdir()
    module = tmp_path / "containers" / "it.py"
    module.write_text("ETA = 1")
    monkeypatch.setattr(keys, "_ROOT", tmp_path)
    monkeypatch.setattr(keys, "SOURCE", ("containers",))
    before = key()
    module.write_text("ETA = 22")
    assert key() != before


def test_all_code_that_containers_import_from_the_harness_is_part_of_the_key():
    root = Path(harness.__file__).parent
    sources = [path for name in keys.SOURCE for path in ([root / name] if name.endswith(".py") else root.glob(name))]
    assert all(path.exists() for path in sources)
    packages = [path for name in ("containers", "libsvm", "recordio") for path in (root / name).rglob("*.py")]
    imported = {
        name
        for path in packages
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
        for name in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        if name.startswith("harness.")
    }
    assert {name.split(".")[1] for name in imported} <= {path.stem for path in sources}
