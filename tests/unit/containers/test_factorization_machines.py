"""FactorizationMachines: training, jobs, artifacts and endpoints."""

import json
import re
import tracemalloc
import zipfile
from itertools import combinations

import numpy as np
import pytest
from scipy import sparse

from harness import recordio
from harness.containers.amazon import ndarrays, zips
from harness.containers.factorization_machines import artifact, hyperparameters, serving, training
from harness.containers.factorization_machines.learner import Learner
from harness.containers.factorization_machines.model import FactorizationMachine
from harness.containers.runtime import UserError, read_job
from harness.recordio import Records
from tests.support import algorithm_jobs as jobs

BINARY, REGRESSOR = "binary_classifier", "regressor"
USERS, ITEMS, NOISE = 20, 15, 0.5
FAST = {"factors_lr": "0.01", "linear_lr": "0.01", "mini_batch_size": "500"}


def ratings(rows=8000, seed=0, dense=False, kind=REGRESSOR):
    """Return ratings of items by users, one of each in a row, from a model of degree 2 and noise."""
    planted, random = np.random.default_rng(7), np.random.default_rng(seed)
    factors, linear = planted.normal(size=(USERS + ITEMS, 2)), planted.normal(size=USERS + ITEMS)
    pairs = np.stack([random.integers(USERS, size=rows), USERS + random.integers(ITEMS, size=rows)], axis=1)
    ends = np.arange(0, 2 * rows + 1, 2)
    features = sparse.csr_matrix((np.ones(2 * rows, np.float32), pairs.ravel(), ends), (rows, USERS + ITEMS))
    labels = 2 + linear[pairs].sum(axis=1) + factors[pairs].prod(axis=1).sum(axis=1) + NOISE * random.normal(size=rows)
    labels = labels > 2 if kind == BINARY else labels
    return Records(features.toarray() if dense else features, labels.astype(np.float32))


def settings(kind=REGRESSOR, **given):
    return {"feature_dim": str(USERS + ITEMS), "num_factors": "2", "predictor_type": kind, **FAST, **given}


def trained(rows, kind=REGRESSOR, **given):
    learner = Learner(hyperparameters.read(settings(kind, **given)), rows)
    list(learner.epochs())
    return learner.model


def test_scores_are_the_sum_over_all_pairs():
    random = np.random.default_rng(0)
    factors, linear, rows = random.normal(size=(5, 3)), random.normal(size=5), random.normal(size=(4, 5))
    expected = [
        0.5 + row @ linear + sum(factors[i] @ factors[j] * row[i] * row[j] for i, j in combinations(range(5), 2))
        for row in rows
    ]
    model = FactorizationMachine(factors, linear, 0.5, REGRESSOR)
    assert model.predict(rows)["score"] == pytest.approx(expected)
    assert model.predict(sparse.csr_matrix(rows))["score"] == pytest.approx(expected)


@pytest.mark.slow
def test_a_planted_model_of_degree_2_is_recovered():
    model, test = trained(ratings(), epochs="40", factors_wd="0", linear_wd="0"), ratings(seed=1)
    rmse = np.sqrt(np.mean((model.predict(test.features)["score"] - test.labels) ** 2))
    assert rmse <= 1.05 * NOISE


def test_a_classifier_uses_pairs_that_no_linear_model_can():
    random = np.random.default_rng(0)
    features = random.choice([-1, 1], (4000, 4)).astype(np.float32)
    rows = Records(features, (features[:, 0] * features[:, 1] > 0).astype(np.float32))
    model = trained(rows, BINARY, feature_dim="4", epochs="30", mini_batch_size="100", factors_init_sigma="0.1")
    assert np.mean(model.predict(features)["predicted_label"] == rows.labels) == 1


@pytest.mark.parametrize("kind", [BINARY, REGRESSOR])
def test_sparse_rows_give_the_model_of_the_same_dense_rows(kind):
    given = {"epochs": "3", "mini_batch_size": "1000"}  # so that each batch has each feature
    one, other = (trained(ratings(2000, dense=dense, kind=kind), kind, **given) for dense in (False, True))
    assert one.factors == pytest.approx(other.factors, abs=1e-4)
    assert one.linear == pytest.approx(other.linear, abs=1e-4)


def test_a_batch_costs_memory_for_its_present_features_only():
    width = 1_000_000
    features = sparse.csr_matrix(([1.0, 2.0], ([0, 1], [3, width - 1])), (2, width), dtype=np.float32)
    texts = settings(feature_dim=str(width), num_factors="1", mini_batch_size="2")
    learner = Learner(hyperparameters.read(texts), Records(features, np.ones(2, np.float32)))
    tracemalloc.start()
    list(learner.epochs())
    assert tracemalloc.get_traced_memory()[1] < width
    tracemalloc.stop()


def test_a_feature_that_no_row_has_keeps_its_first_weights():
    rows = ratings(500)
    features = sparse.csr_matrix((rows.features.data, rows.features.indices, rows.features.indptr), (500, 40))
    given = {"feature_dim": "40", "factors_init_method": "constant", "factors_init_value": "0.25"}
    model = trained(Records(features, rows.labels), **given)
    assert (model.factors[USERS + ITEMS :] == 0.25).all()
    assert (model.factors[: USERS + ITEMS] != 0.25).all()


EFFECTS = [  # a hyperparameter with a value that is not its default, and others that it needs
    ("num_factors", "3", {}),
    ("mini_batch_size", "100", {}),
    ("epochs", "2", {}),
    ("clip_gradient", "0.001", {}),
    ("eps", "0.1", {}),
    ("rescale_grad", "0.5", {}),
    *[
        effect
        for kind in ("bias", "linear", "factors")
        for effect in (
            (f"{kind}_lr", "0.05", {}),
            (f"{kind}_wd", "0.5", {}),
            (f"{kind}_init_method", "constant", {f"{kind}_init_value": "0.3"}),
            (f"{kind}_init_value", "0.2", {f"{kind}_init_method": "constant", f"{kind}_init_value": "0.3"}),
            (f"{kind}_init_scale", "0.2", {f"{kind}_init_method": "uniform", f"{kind}_init_scale": "0.3"}),
            (f"{kind}_init_sigma", "0.2", {}),
        )
    ],
]


def outcome(given):
    model = trained(ratings(600), **given)
    return model.factors.tolist(), model.linear.tolist(), model.bias


@pytest.mark.parametrize(("name", "value", "others"), EFFECTS, ids=[f"{effect[0]}" for effect in EFFECTS])
def test_a_hyperparameter_has_an_effect(name, value, others):
    assert outcome({**others, name: value}) != outcome(others)


def test_no_hyperparameter_is_left_without_an_effect():
    assert {effect[0] for effect in EFFECTS} | {"feature_dim", "predictor_type"} == set(hyperparameters.SCHEMA)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bias_l": "9"}, "Additional properties are not allowed (u'bias_l' was unexpected)"),
        ({"num_factors": "0"}, "u'0' is not valid under any of the given schemas"),
        ({"factors_lr": "-1"}, "u'-1' is not valid under any of the given schemas"),
        ({"predictor_type": "multiclass_classifier"}, "u'multiclass_classifier' is not one of"),
        ({"linear_init_method": "xavier"}, "u'xavier' is not one of"),
        ({"linear_init_method": "uniform"}, "linear_init_scale is missing, and linear_init_method is uniform"),
        ({"bias_init_method": "constant"}, "bias_init_value is missing, and bias_init_method is constant"),
    ],
)
def test_a_wrong_value_is_refused(given, message):
    with pytest.raises(UserError) as error:
        hyperparameters.read(settings(**given))
    assert message in error.value.what


def test_missing_hyperparameters_are_all_named():
    with pytest.raises(UserError, match=r"for 'feature_dim', 'num_factors', 'predictor_type' which are required"):
        hyperparameters.read({})


# ---- jobs


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (REGRESSOR, ["rmse", "mse", "absolute_loss"]),
        (BINARY, ["binary_classification_accuracy", "binary_classification_cross_entropy", "binary_f_1.000"]),
    ],
)
def test_a_job_logs_the_metrics_of_the_served_model(tmp_path, capsys, kind, names):
    train, test = ratings(2000, kind=kind), ratings(500, seed=1, kind=kind)
    channels = {"train": (train.features, train.labels), "test": (test.features, test.labels)}
    training.train(read_job(jobs.prepare(tmp_path, settings(kind, epochs="2"), **channels)))
    output = capsys.readouterr().out
    assert re.findall(r"#quality_metric: host=algo-1, (\S+ \S+) <", output) == [f"test {name}" for name in names]
    assert re.findall(r"epoch=1, train (\S+) <", output) == names
    logged = float(re.search(rf"test {names[0]} <\w+>=(\S+)", output)[1])
    answer = serving.load(tmp_path / "model").invoke(
        recordio.encode(test.features), recordio.CONTENT_TYPE, "application/json"
    )
    rows = json.loads(answer.body)["predictions"]
    if kind == BINARY:
        assert np.mean([row["predicted_label"] for row in rows] == test.labels) == pytest.approx(logged)
    else:
        assert np.mean(([row["score"] for row in rows] - test.labels) ** 2) ** 0.5 == pytest.approx(logged, rel=1e-5)


def test_csv_is_refused_in_channels_and_requests(tmp_path):
    with pytest.raises(UserError, match="No iterator has been registered for ContentType"):
        training.train(read_job(jobs.prepare(tmp_path, settings(), train=b"1,2,3\n", types={"train": "text/csv"})))
    artifact.save(FactorizationMachine(np.ones((2, 1)), np.ones(2), 1.0, REGRESSOR), tmp_path)
    assert serving.load(tmp_path).invoke(b"1,2", "text/csv", None).status == 415


def test_labels_other_than_0_and_1_are_the_users_error(tmp_path):
    rows = ratings(100)
    with pytest.raises(UserError, match="must be 0 or 1, and the label of row 1"):
        training.train(read_job(jobs.prepare(tmp_path, settings(BINARY), train=(rows.features, rows.labels))))


def test_diverged_training_is_the_users_error(tmp_path):
    rows = ratings(1000)
    job = read_job(jobs.prepare(tmp_path, settings(factors_lr="1e30", epochs="3"), train=(rows.features, rows.labels)))
    with pytest.raises(UserError, match="diverged"), np.errstate(all="ignore"):
        training.train(job)


@pytest.mark.slow
def test_two_hosts_that_share_the_rows_train_the_model_of_one(tmp_path):
    rows, order = ratings(2000), np.arange(2000).reshape(-1, 2, 50)  # batches of 100, half of each on each host
    given = settings(mini_batch_size="100", epochs="3")
    bases = [tmp_path / "1", tmp_path / "2"]
    for number, base in enumerate(bases):
        own = order[:, number].ravel()
        channel = {"train": (rows.features[own], rows.labels[own])}
        jobs.prepare(base, given, **channel, hosts=jobs.TWO_HOSTS, host=f"algo-{number + 1}")
    codes, outputs = jobs.run_all("factorization_machines", bases)
    assert codes == [0, 0], outputs
    training.train(read_job(jobs.prepare(tmp_path / "alone", given, train=(rows.features, rows.labels))))
    one, two = (artifact.load(tmp_path / name / "model") for name in ("alone", "1"))
    assert two.factors == pytest.approx(one.factors, abs=1e-3)
    assert two.linear == pytest.approx(one.linear, abs=1e-3)


# ---- artifacts and endpoints


def test_the_artifact_has_the_files_and_arrays_of_aws(tmp_path):
    artifact.save(FactorizationMachine(np.ones((4, 3)), np.ones(4), 0.5, BINARY), tmp_path)
    with zipfile.ZipFile(tmp_path / "model_algo-1") as archive:
        assert archive.namelist() == ["symbol.json", "params", "meta.json"]
        arrays = ndarrays.read(archive.read("params"))
    shapes = {"arg:v": (4, 3), "arg:w1_weight": (4, 1), "arg:w0_weight": (1, 1)}
    assert {name: array.shape for name, array in arrays.items()} == shapes


def by_hand(folder, meta, **changed):
    arrays = {"v": np.array([[1.0], [2.0]]), "w1_weight": np.array([[3.0], [4.0]]), "w0_weight": np.array([5.0])}
    files = {"params": ndarrays.write({**arrays, **changed}), "meta.json": json.dumps(meta).encode()}
    (folder / "model_algo-1").write_bytes(zips.write(files))


def test_a_model_made_by_hand_is_served(tmp_path):
    by_hand(tmp_path, {"predictor_type": REGRESSOR})
    body = {"instances": [{"data": {"features": {"keys": [0, 1], "shape": [2], "values": [1, 10]}}}]}
    answer = serving.load(tmp_path).invoke(json.dumps(body).encode(), "application/json", None)
    assert json.loads(answer.body) == {"predictions": [{"score": 5 + 3 + 40 + 20.0}]}


def test_a_score_of_a_half_is_labelled_1(tmp_path):
    artifact.save(FactorizationMachine(np.zeros((1, 1)), np.ones(1), 0.0, BINARY), tmp_path)
    body = b'{"instances": [{"features": [0]}, {"features": [-0.001]}]}'
    answer = serving.load(tmp_path).invoke(body, "application/json", "application/jsonlines")
    assert [json.loads(line)["predicted_label"] for line in answer.body.splitlines()] == [1, 0]


@pytest.mark.parametrize(
    ("meta", "changed", "message"),
    [
        ({}, {}, "does not say its predictor_type"),
        ({"predictor_type": REGRESSOR}, {"w1_weight": np.ones(3)}, "do not fit each other"),
        ({"predictor_type": REGRESSOR}, {"w0_weight": np.array([np.nan])}, "w0_weight in params .* has NaN"),
        ({"predictor_type": REGRESSOR}, {"v": np.array([[1.0], [1e300]])}, "v in params .* has NaN or infinity"),
    ],
)
def test_a_model_that_could_be_misread_is_refused(tmp_path, meta, changed, message):
    by_hand(tmp_path, meta, **changed)
    with pytest.raises(UserError, match=message):
        artifact.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (ndarrays.write([np.ones((2, 3), np.float32)]), "an MXNet list of the shapes (2, 3)"),
        (zips.write({"mx-mod-0000.params": b""}), "a zip without the file params"),
    ],
)
def test_a_model_of_another_algorithm_is_refused_by_its_form(tmp_path, content, found):
    (tmp_path / "model_algo-1").write_bytes(content)
    with pytest.raises(UserError, match="is not a model of factorization-machines") as error:
        artifact.load(tmp_path)
    assert found in error.value.what
