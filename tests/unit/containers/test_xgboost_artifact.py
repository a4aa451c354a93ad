"""The file ``xgboost-model``: what users do with it on AWS works, and what cannot be served is named."""

import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import xgboost as xgb

from harness.containers.runtime import UserError, read_job
from harness.containers.xgboost import artifact, serving, training
from harness.containers.xgboost.versions import Version
from tests.unit.containers.test_xgboost_parameters import data, prepare

FIRST, NEWER = Version("1"), Version("1.3-1")
ROWS, LABELS = data("reg:linear", 1)
UNPICKLE = "import pickle; booster = pickle.load(open('xgboost-model', 'rb'))"
LOAD = "booster = xgboost.Booster(); booster.load_model('xgboost-model')"


def train(base, version, **changed):
    objective = changed.get("objective", "reg:linear")
    prepare(base, {"num_round": 5, "objective": objective, **changed}, {"train": data(objective, 1)})
    training.train(read_job(base), version)
    return base / "model"


@pytest.fixture(scope="module")
def booster():
    return xgb.train({"max_depth": 3}, xgb.DMatrix(ROWS, LABELS), 5)


def as_in_the_documentation(directory, code):
    """Return the predictions of a process that runs the documented code."""
    np.save(directory.parent / "rows.npy", ROWS)
    code = f"import numpy, xgboost\n{code}\nrows = xgboost.DMatrix(numpy.load('../rows.npy'))\n"
    code += "print(*booster.predict(rows).tolist())"
    done = subprocess.run([sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [float(number) for number in done.stdout.split()]


@pytest.mark.slow
@pytest.mark.parametrize(("version", "code"), [(FIRST, UNPICKLE), (NEWER, LOAD)])
def test_a_model_loads_as_aws_documents_it_for_the_version(tmp_path, version, code):
    directory = train(tmp_path, version)
    model = serving.load(directory, version)
    assert as_in_the_documentation(directory, code) == model.predict(ROWS).tolist()


@pytest.mark.parametrize(
    ("version", "start"), [("0.90-2", b"\x80"), ("1.2-2", b"\x80"), ("1.7-1", b"{L"), ("3.0-5", b"{L")]
)
def test_models_are_pickled_up_to_version_1_2(tmp_path, version, start):
    assert (train(tmp_path, Version(version)) / "xgboost-model").read_bytes().startswith(start)


def saved(booster, kind):
    return booster.save_raw(kind) if isinstance(kind, str) else pickle.dumps(booster, kind)


@pytest.mark.parametrize("kind", ["json", "ubj", *range(pickle.HIGHEST_PROTOCOL + 1)])
@pytest.mark.parametrize("version", [FIRST, NEWER])
def test_every_version_serves_pickles_json_and_ubj(tmp_path, booster, kind, version):
    (tmp_path / "xgboost-model").write_bytes(saved(booster, kind))
    model = serving.load(tmp_path, version)
    assert np.array_equal(model.predict(ROWS), booster.predict(xgb.DMatrix(ROWS)))


def test_a_model_of_any_name_is_served(tmp_path, booster):
    booster.save_model(tmp_path / "mine.json")
    assert serving.load(tmp_path, NEWER).features == 4


class Dangerous:
    """Unpickles by creating a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_a_pickle_of_anything_else_is_named_and_runs_nothing(tmp_path):
    path = tmp_path / "xgboost-model"
    path.write_bytes(pickle.dumps(Dangerous(tmp_path / "made")))
    with pytest.raises(UserError, match=r"it is a pickle of posix\.mkdir, not of an xgboost\.Booster") as error:
        artifact.load(path)
    assert "get_booster() of a scikit-learn model" in error.value.fix
    assert not (tmp_path / "made").exists()


def old_binary():
    return np.float32(0.5).tobytes() + bytes(132) + (9).to_bytes(8, "little") + b"reg:linear" + b"gbtree" + bytes(500)


def archive(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.pkl", b"")
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "empty"),
        (b"\x1f\x8b\x08" + bytes(20), "gzip data"),
        (archive, "a ZIP archive"),
        (b"hello world\n", "text"),
        (b"booster[0]:\n0:[f0<1] yes=1,no=2\n", "a dump of trees"),
        (b'[{"nodeid": 0, "leaf": 1}]', "a dump of trees"),
        (b"binf" + bytes(400), "in the binary format that XGBoost 3.1 removed"),
        (old_binary(), "in the binary format that XGBoost 3.1 removed"),
        (b"\x08\x07\x12\x0connxmltools" + bytes(50), "an ONNX model"),
        (bytes(range(1, 200)), "in an unknown format"),
        (b"{}", "not a model that it knows"),
        (b'{"learner": {}}', "not a model that it knows"),
        (pickle.dumps({"a": 1}), "a pickle of dict, not of an xgboost.Booster"),
        (pickle.dumps(np.zeros(3)), "a pickle of numpy."),
        (b"\x80\x04\x95\x00", "a damaged pickle"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_that_cannot_be_read_is_named_with_the_way_out(tmp_path, content, found):
    path = tmp_path / "xgboost-model"
    path.write_bytes(content(tmp_path / "zip") if callable(content) else content)
    with pytest.raises(UserError) as error:
        artifact.load(path)
    assert error.value.what.startswith(f"XGBoost {xgb.__version__} cannot read the model xgboost-model: it is {found}")
    assert "\n" not in error.value.what
    assert error.value.fix


@pytest.mark.parametrize("kind", ["json", "ubj", 2, 5])
def test_a_truncated_model_is_refused_and_does_not_crash_the_container(tmp_path, booster, kind):
    path = tmp_path / "xgboost-model"
    path.write_bytes(saved(booster, kind)[:-40])
    with pytest.raises(UserError, match=r"ends too early|damaged pickle"):
        artifact.load(path)


def test_the_pickle_of_a_booster_of_another_xgboost_is_named(tmp_path, booster):
    path = tmp_path / "xgboost-model"
    content = pickle.dumps(booster, 4)
    start = content.index(b"{L")
    path.write_bytes(content[:start] + b"binf" + content[start + 4 :])
    with pytest.raises(UserError, match="it is the pickle of a booster of an older XGBoost"):
        artifact.load(path)


@pytest.mark.parametrize("others", [["other"], []])
def test_a_directory_without_exactly_one_model_is_refused(tmp_path, booster, others):
    (tmp_path / "code").mkdir()
    for name in ("xgboost-model", *others) if others else ():
        booster.save_model(tmp_path / f"{name}.json")
    with pytest.raises(UserError, match="must contain one file to serve") as error:
        serving.load(tmp_path, NEWER)
    assert error.value.checked.startswith("/opt/ml/model contains code")


@pytest.mark.parametrize("name", ["SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"])
def test_a_model_with_a_script_is_refused_by_name(tmp_path, booster, monkeypatch, name):
    monkeypatch.setenv(name, "inference.py")
    booster.save_model(tmp_path / "model.json")
    with pytest.raises(UserError, match=f"{name} is set: script mode is not emulated here"):
        serving.load(tmp_path, NEWER)


# ---- early stopping, and stopped jobs


def stopped_early(base, version, **changed):
    """Train on labels that validation contradicts. Return the booster and the rounds printed."""
    rows, labels = data("reg:linear", 1)
    channels = {"train": (rows, labels), "validation": (rows, labels[::-1])}
    prepare(base, {"num_round": 50, "objective": "reg:linear", "early_stopping_rounds": 2, **changed}, channels)
    training.train(read_job(base), version)
    return artifact.load(base / "model" / "xgboost-model")


def test_early_stopping_of_the_first_image_keeps_all_rounds_and_serves_the_best(tmp_path):
    booster = stopped_early(tmp_path, FIRST)
    assert booster.num_boosted_rounds() == booster.best_iteration + 3 < 50
    best = booster.predict(xgb.DMatrix(ROWS), iteration_range=(0, booster.best_iteration + 1))
    assert np.array_equal(serving.load(tmp_path / "model", FIRST).predict(ROWS), best)


def test_early_stopping_of_newer_versions_keeps_the_best_rounds_only(tmp_path):
    booster = stopped_early(tmp_path, NEWER, eval_metric="rmse")
    assert booster.num_boosted_rounds() == booster.best_iteration + 1 < 50


def test_newer_versions_do_not_stop_early_without_a_metric(tmp_path, capfd):
    assert stopped_early(tmp_path, NEWER).num_boosted_rounds() == 50
    assert "early_stopping_rounds has no effect without eval_metric" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("version", "given", "files"),
    [("1", {}, 1), ("1.3-1", {}, 0), ("1.3-1", {"save_model_on_termination": "true"}, 1)],
)
def test_a_stopped_job_leaves_a_model_if_the_version_saves_one(tmp_path, version, given, files):
    prepare(tmp_path, {"num_round": 1000, **given}, {"train": data("reg:linear", 1)})
    job = read_job(tmp_path)
    job.stopping.set()
    training.train(job, Version(version))
    assert len(list(job.model_dir.iterdir())) == files
