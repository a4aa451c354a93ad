"""Jobs, artifacts and endpoints of LinearLearner."""

import io
import json
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from harness import recordio
from harness.containers.amazon import ndarrays, zips
from harness.containers.linear_learner import artifact, serving, training
from harness.containers.linear_learner.model import LinearModel
from harness.containers.runtime import UserError, read_job
from tests.support import algorithm_jobs as jobs

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"
QUICK = {"epochs": "12", "mini_batch_size": "50"}


def rows(kind, number=300, seed=0):
    random = np.random.default_rng(seed)
    features = random.normal(size=(number, 3)).astype(np.float32)
    values = features @ [2, -1, 0.5] + 0.3 * random.normal(size=number)
    labels = {BINARY: values > 0, MULTICLASS: np.digitize(values, [-1, 1]), REGRESSOR: values + 4}[kind]
    return features, labels.astype(np.float32)


def settings(kind, **given):
    """Return hyperparameters of a quick job."""
    return {"predictor_type": kind, **({"num_classes": "3"} if kind == MULTICLASS else {}), **QUICK, **given}


def metrics(output):
    return re.findall(r"#quality_metric: host=\S+, (?!epoch)(\S+ \S+) <", output)


LOGGED = {
    BINARY: [
        "binary_classification_cross_entropy_objective",
        "binary_classification_accuracy",
        "binary_f_1.000",
        "precision",
        "recall",
        "roc_auc_score",
    ],
    MULTICLASS: [
        "multiclass_cross_entropy_objective",
        "multiclass_accuracy",
        "multiclass_top_k_accuracy_3",
        "dcg",
        "macro_recall",
        "macro_precision",
        "macro_f_1.000",
        "multiclass_balanced_accuracy",
    ],
    REGRESSOR: ["mse_objective", "mse", "absolute_loss"],
}


@pytest.mark.parametrize("kind", LOGGED)
def test_a_job_logs_the_metrics_of_its_channels_and_saves_a_model(tmp_path, capsys, kind):
    channels = {"train": rows(kind), "validation": rows(kind, seed=1), "test": rows(kind, seed=2)}
    training.train(read_job(jobs.prepare(tmp_path, settings(kind), **channels)))
    output = capsys.readouterr().out
    expected = [f"{channel} {name}" for channel in ("validation", "test") for name in LOGGED[kind]]
    assert metrics(output) == expected
    assert re.search(r"#quality_metric: host=algo-1, epoch=2, validation \S+_objective <loss>=\d", output)
    assert "[INFO] Channel train: 300 rows, 3 columns" in output
    predicted = artifact.load(tmp_path / "model").predict(channels["test"][0])
    score = predicted["predicted_label"] if "predicted_label" in predicted else predicted["score"]
    assert np.mean(np.abs(score - channels["test"][1]) < 1) > 0.8


def test_without_validation_rows_the_training_rows_are_evaluated(tmp_path, capsys):
    training.train(read_job(jobs.prepare(tmp_path, settings(BINARY), train=rows(BINARY))))
    output = capsys.readouterr().out
    assert metrics(output) == [f"train {name}" for name in LOGGED[BINARY]]
    assert "criteria=binary_classification_cross_entropy_objective" in output
    assert "Test data is not provided." in output


def test_metrics_are_those_of_the_served_model(tmp_path, capsys):
    training.train(read_job(jobs.prepare(tmp_path, settings(BINARY), train=rows(BINARY), test=rows(BINARY, seed=2))))
    logged = float(re.search(r"test binary_classification_accuracy <score>=(\S+)", capsys.readouterr().out)[1])
    features, labels = rows(BINARY, seed=2)
    answer = serving.load(tmp_path / "model").invoke(
        recordio.encode(features), recordio.CONTENT_TYPE, "application/json"
    )
    predicted = [row["predicted_label"] for row in json.loads(answer.body)["predictions"]]
    assert np.mean(predicted == labels) == pytest.approx(logged)


@pytest.mark.parametrize(
    ("kind", "label", "message"),
    [
        (BINARY, 2, "must be 0 or 1, and the label of row 3 is 2"),
        (BINARY, 0.5, "must be 0 or 1, and the label of row 3 is 0.5"),
        (MULTICLASS, 3, "whole numbers from 0 to 2 (num_classes - 1), and the label of row 3 is 3"),
        (MULTICLASS, -1, "and the label of row 3 is -1"),
    ],
)
def test_labels_outside_of_the_classes_are_the_users_error(tmp_path, kind, label, message):
    features, labels = rows(kind)
    labels[2] = label
    with pytest.raises(UserError) as error:
        training.train(read_job(jobs.prepare(tmp_path, settings(kind), train=(features, labels))))
    assert message in error.value.what


def test_rows_without_labels_are_the_users_error(tmp_path):
    with pytest.raises(UserError, match="have no labels"):
        training.train(read_job(jobs.prepare(tmp_path, settings(REGRESSOR), train=recordio.encode(rows(REGRESSOR)[0]))))


def test_another_width_is_named_as_the_service_does(tmp_path):
    with pytest.raises(UserError, match="cannot copy sequence with size 3 to array axis with dimension 4"):
        training.train(read_job(jobs.prepare(tmp_path, settings(REGRESSOR, feature_dim="4"), train=rows(REGRESSOR))))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [BINARY, REGRESSOR])
def test_two_hosts_that_share_the_rows_train_the_model_of_one(tmp_path, kind):
    features, labels = rows(kind, 1000)
    order = np.arange(1000).reshape(-1, 2, 25)  # batches of 50, half of each on each host
    test, given = rows(kind, seed=2), settings(kind, num_models="4", epochs="2")
    bases = [tmp_path / "1", tmp_path / "2"]
    for number, base in enumerate(bases):
        own = order[:, number].ravel()
        jobs.prepare(base, given, train=(features[own], labels[own]), hosts=jobs.TWO_HOSTS, host=f"algo-{number + 1}")
    codes, outputs = jobs.run_all("linear_learner", bases)
    assert codes == [0, 0], outputs
    training.train(read_job(jobs.prepare(tmp_path / "alone", given, train=(features, labels))))
    one, two = (artifact.load(tmp_path / name / "model").predict(test[0])["score"] for name in ("alone", "1"))
    assert two == pytest.approx(one, abs=2e-3)
    assert list((bases[1] / "model").iterdir()) == []


@pytest.mark.slow
def test_rows_of_all_hosts_choose_the_model_and_its_threshold(tmp_path):
    features, labels = rows(BINARY, 600)
    order = np.argsort(labels, kind="stable")  # nearly all rows of a host have one label
    given = settings(BINARY, epochs="3", num_models="4")
    bases = [tmp_path / "1", tmp_path / "2"]
    for number, base in enumerate(bases):
        own = order[number * 300 : (number + 1) * 300]
        jobs.prepare(base, given, train=(features[own], labels[own]), hosts=jobs.TWO_HOSTS, host=f"algo-{number + 1}")
    codes, outputs = jobs.run_all("linear_learner", bases)
    assert codes == [0, 0], outputs
    predicted = artifact.load(bases[0] / "model").predict(features)["predicted_label"]
    assert np.mean(predicted == labels) > 0.9


@pytest.mark.slow
def test_hosts_with_rows_of_different_widths_fail_the_job(tmp_path):
    features, labels = rows(REGRESSOR)
    bases = [tmp_path / "1", tmp_path / "2"]
    for number, base in enumerate(bases):
        channel = {"train": (features[:, : 3 - number], labels)}
        jobs.prepare(base, settings(REGRESSOR), **channel, hosts=jobs.TWO_HOSTS, host=f"algo-{number + 1}")
    codes, outputs = jobs.run_all("linear_learner", bases)
    assert codes == [2, 2], outputs
    assert "cannot copy sequence with size 2 to array axis with dimension 3" in outputs[0]


@pytest.mark.slow
def test_a_host_with_fewer_rows_than_a_batch_fails_the_job_on_all_hosts(tmp_path):
    bases = [tmp_path / "1", tmp_path / "2"]
    for number, base in enumerate(bases):
        channel = {"train": rows(REGRESSOR, 60 if number == 0 else 49)}
        jobs.prepare(base, settings(REGRESSOR), **channel, hosts=jobs.TWO_HOSTS, host=f"algo-{number + 1}")
    codes, outputs = jobs.run_all("linear_learner", bases)
    assert codes == [2, 2], outputs
    assert "a host has 49 rows for training, and mini_batch_size is 50" in outputs[0]


def test_fewer_rows_than_the_default_batch_are_refused_as_by_aws(tmp_path):
    job = read_job(jobs.prepare(tmp_path, {"predictor_type": REGRESSOR}, train=rows(REGRESSOR, 999)))
    with pytest.raises(UserError, match="No training data processed") as error:
        training.train(job)
    assert error.value.fix == "set mini_batch_size to at most 999"


@pytest.mark.slow
def test_a_host_that_runs_out_of_rows_contributes_nothing(tmp_path):
    bases = [tmp_path / "1", tmp_path / "2"]
    for number, base in enumerate(bases):
        channel = {"train": rows(REGRESSOR, 300 if number == 0 else 55)}
        jobs.prepare(base, settings(REGRESSOR, epochs="1"), **channel, hosts=jobs.TWO_HOSTS, host=f"algo-{number + 1}")
    codes, outputs = jobs.run_all("linear_learner", bases)
    assert codes == [0, 0], outputs
    assert artifact.load(bases[0] / "model").width == 3


@pytest.mark.slow
def test_validation_rows_of_the_first_host_choose_the_model_on_all_hosts(tmp_path):
    bases = [tmp_path / "1", tmp_path / "2"]
    for number, base in enumerate(bases):
        validation = rows(BINARY, seed=1) if number == 0 else b""
        channels = {"train": rows(BINARY, seed=number), "validation": validation}
        jobs.prepare(base, settings(BINARY, epochs="2"), **channels, hosts=jobs.TWO_HOSTS, host=f"algo-{number + 1}")
    codes, outputs = jobs.run_all("linear_learner", bases)
    assert codes == [0, 0], outputs
    assert "criteria=sampled_accuracy" in outputs[0]
    assert "quality_metric" not in outputs[1]


# ---- artifacts and endpoints


@pytest.mark.parametrize(
    ("kind", "loss", "expected"),
    [
        (BINARY, "logistic", {"score": 1 / (1 + np.exp(-0.5)), "predicted_label": 0}),
        (BINARY, "hinge_loss", {"score": 0.5, "predicted_label": 0}),
        (REGRESSOR, "squared_loss", {"score": 0.5}),
    ],
)
def test_an_endpoint_answers_scores_of_the_loss(tmp_path, kind, loss, expected):
    weights, bias = np.array([[1.0, 2]], np.float32), np.array([-0.5], np.float32)
    artifact.save(LinearModel(weights, bias, kind, loss, 0.9), tmp_path)
    served = serving.load(tmp_path)
    answer = json.loads(served.invoke(b"1,0", "text/csv", None).body)
    assert answer["predictions"] == [pytest.approx(expected)]
    record = served.invoke(b'{"instances": [{"features": [1, 0]}]}', "application/json", recordio.CONTENT_TYPE)
    assert record.content_type == recordio.CONTENT_TYPE
    assert record.body == recordio.encode_answers(
        {name: np.array([value], np.float32) for name, value in expected.items()}
    )


def test_a_multiclass_endpoint_answers_the_probability_of_each_class(tmp_path):
    weights, bias = np.eye(3, dtype=np.float32), np.zeros(3, np.float32)
    artifact.save(LinearModel(weights, bias, MULTICLASS, "softmax_loss"), tmp_path)
    answer = serving.load(tmp_path).invoke(b"0,3,0\n9,0,0\n", "text/csv", "application/jsonlines")
    first, second = map(json.loads, answer.body.splitlines())
    assert first["predicted_label"] == 1
    assert first["score"] == pytest.approx(np.exp([0, 3, 0]) / np.exp([0, 3, 0]).sum(), rel=1e-5)
    assert second["predicted_label"] == 0


def test_the_artifact_has_the_files_and_arrays_of_aws(tmp_path):
    artifact.save(
        LinearModel(np.ones((3, 4), np.float32), np.ones(3, np.float32), MULTICLASS, "softmax_loss"), tmp_path
    )
    with zipfile.ZipFile(tmp_path / "model_algo-1") as archive:
        names = ["additional-params.json", "manifest.json", "mx-mod-symbol.json", "mx-mod-0000.params"]
        assert archive.namelist() == names
        arrays = ndarrays.read(archive.read("mx-mod-0000.params"))
    assert {name: array.shape for name, array in arrays.items()} == {"arg:fc0_weight": (3, 4), "arg:fc0_bias": (3,)}


def by_hand(folder, **files):
    arrays = {"fc0_weight": np.array([[2.0, 0]], np.float32), "fc0_bias": np.array([1.0], np.float32)}
    contents = {"mx-mod-0000.params": ndarrays.write(arrays)} | {
        f"{name.replace('__', '-')}.json": json.dumps(content).encode() for name, content in files.items()
    }
    (folder / "model_algo-1").write_bytes(zips.write(contents))


def test_a_model_made_by_hand_is_served(tmp_path):
    by_hand(tmp_path, additional__params={"predictor_type": REGRESSOR})
    answer = serving.load(tmp_path).invoke(b"3,1", "text/csv", None)
    assert json.loads(answer.body) == {"predictions": [{"score": 7.0}]}


def test_the_network_tells_the_type_of_a_model_made_by_hand(tmp_path):
    by_hand(tmp_path, mx__mod__symbol={"nodes": [{"op": "LogisticRegressionOutput"}], "heads": [[0, 0, 0]]})
    assert artifact.load(tmp_path).predictor_type == BINARY


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "does not say its predictor_type"),
        ({"additional__params": {"predictor_type": REGRESSOR, "cutoff": 0.3}}, "keys that are not known here: cutoff"),
        ({"additional__params": {"predictor_type": [BINARY]}}, "does not say its predictor_type"),
        ({"additional__params": {"predictor_type": BINARY, "threshold": "x"}}, "which is no finite number"),
        ({"additional__params": {"predictor_type": BINARY, "threshold": np.nan}}, "which is no finite number"),
        ({"additional__params": {"predictor_type": BINARY, "threshold": 10**400}}, "which is no finite number"),
        ({"additional__params": {"predictor_type": BINARY, "loss": "huber_loss"}}, "which is not one of a binary"),
        ({"additional__params": []}, "is not a JSON object"),
    ],
)
def test_a_model_that_could_be_misread_is_refused(tmp_path, files, message):
    by_hand(tmp_path, **files)
    with pytest.raises(UserError, match=message):
        artifact.load(tmp_path)


@pytest.mark.parametrize("name", ["fc0_weight", "fc0_bias"])
def test_a_model_with_nan_is_refused(tmp_path, name):
    arrays = {"fc0_weight": np.ones((1, 2)), "fc0_bias": np.ones(1)}
    arrays[name].flat[0] = np.nan
    files = {
        "mx-mod-0000.params": ndarrays.write(arrays),
        "additional-params.json": b'{"predictor_type": "regressor"}',
    }
    (tmp_path / "model_algo-1").write_bytes(zips.write(files))
    with pytest.raises(UserError, match=f"{name} in mx-mod-0000.params of the model's zip has NaN or infinity"):
        artifact.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (ndarrays.write([np.ones((2, 3), np.float32)]), "an MXNet list of the shapes (2, 3)"),
        (ndarrays.write({"v": np.ones(2, np.float32), "mean": np.ones(1)}), "an MXNet dictionary of mean, v"),
        (zips.write({"params": b"", "symbol.json": b""}), "a zip without mx-mod-0000.params"),
        (b"\x80\x03cxgboost", "bytes that are no zip"),
    ],
)
def test_a_model_of_another_algorithm_is_refused_by_its_form(tmp_path, content, found):
    (tmp_path / "model_algo-1").write_bytes(content)
    with pytest.raises(UserError, match="is not a model of linear-learner") as error:
        artifact.load(tmp_path)
    assert found in error.value.what


def test_a_damaged_zip_is_refused():
    good = zips.write({"a": b"x" * 1000})
    with pytest.raises(UserError, match="cannot be read"):
        zips.read(good[:200] + b"!" + good[201:], "linear-learner", ["a"])


def test_a_zip_that_lies_about_its_size_is_refused():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"x" * 1000)
    lying = target.getvalue().replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    with pytest.raises(UserError):
        zips.read(lying, "linear-learner", ["a"])


def test_an_endpoint_imports_neither_scipy_nor_a_schema_library(tmp_path):
    artifact.save(LinearModel(np.ones((1, 2), np.float32), np.ones(1, np.float32), REGRESSOR, "squared_loss"), tmp_path)
    code = (
        "import sys, pathlib; from harness.containers.linear_learner import serving;"
        "served = serving.load(pathlib.Path(sys.argv[1]));"
        "served.invoke(b'{\"instances\": [{\"features\": [1, 2]}]}', 'application/json', None);"
        "print(sorted({'scipy', 'sklearn', 'jsonschema', 'xgboost', 'pandas'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
