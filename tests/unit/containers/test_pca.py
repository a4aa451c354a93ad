"""The container of PCA: training jobs and requests, compared with scikit-learn's PCA."""

import json

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import decomposition

from harness import recordio
from harness.containers.pca import hyperparameters
from harness.containers.runtime import UserError
from tests.support import algorithm_jobs as jobs

WIDTH, COUNT = 12, 3
GIVEN = {"feature_dim": str(WIDTH), "num_components": str(COUNT), "mini_batch_size": "100"}


def drawn(rows=700, seed=1):
    random = np.random.default_rng(seed)
    wide = random.normal(0, 1, (rows, WIDTH)) * np.linspace(5, 0.5, WIDTH) + 4
    return (wide @ np.linalg.qr(random.normal(0, 1, (WIDTH, WIDTH)))[0]).astype(np.float32)


def answered(model, rows, accept="application/json"):
    return model.invoke(recordio.encode(rows), recordio.CONTENT_TYPE, accept).body


def projections(model, rows):
    return np.array([row["projection"] for row in json.loads(answered(model, rows))["projections"]])


@pytest.mark.parametrize("as_matrix", [np.asarray, csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_answers_are_the_projections_of_scikit_learn_in_ascending_order(tmp_path, mode, as_matrix):
    rows = drawn()
    jobs.train("pca", jobs.prepare(tmp_path, {**GIVEN, "algorithm_mode": mode}, train=as_matrix(rows)))
    found = projections(jobs.serve("pca", tmp_path), as_matrix(rows[:50]))
    expected = decomposition.PCA(COUNT, svd_solver="full").fit(rows.astype(np.float64)).transform(rows[:50])[:, ::-1]
    signs = np.sign((found * expected).sum(axis=0))
    assert np.abs(found * signs - expected).max() < 1e-4 * np.abs(expected).max()


def test_the_model_has_the_arrays_and_shapes_of_aws(tmp_path):
    arrays = jobs.train("pca", jobs.prepare(tmp_path, GIVEN, train=drawn()))
    assert {name: array.shape for name, array in arrays.items()} == {
        "s": (COUNT,),
        "v": (WIDTH, COUNT),
        "mean": (1, WIDTH),
    }
    assert np.all(np.diff(arrays["s"]) > 0)


@pytest.mark.parametrize("text", ["false", "False"])
def test_without_subtraction_the_model_has_no_mean(tmp_path, text):
    rows = drawn()
    arrays = jobs.train("pca", jobs.prepare(tmp_path, {**GIVEN, "subtract_mean": text}, train=rows))
    assert sorted(arrays) == ["s", "v"]
    assert np.allclose(projections(jobs.serve("pca", tmp_path), rows[:5]), rows[:5] @ arrays["v"], atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 2), (2,)])
def test_a_model_written_by_hand_is_served(tmp_path, shape):
    arrays = {"v": np.array([[0, 1], [2, 0]], np.float32), "mean": np.ones(2, np.float32).reshape(shape)}
    model = jobs.serve("pca", tmp_path, arrays)
    assert answered(model, np.array([[3, 5]], np.float32)) == b'{"projections": [{"projection": [8.0, 2.0]}]}'
    lines = answered(model, np.array([[3, 5], [1, 1]], np.float32), "application/jsonlines")
    assert lines == b'{"projection": [8.0, 2.0]}\n{"projection": [0.0, 0.0]}\n'


def test_the_default_of_extra_components_is_ten_at_least():
    assert hyperparameters.read(GIVEN)["extra_components"] == 10
    assert hyperparameters.read({**GIVEN, "num_components": "12"})["extra_components"] == 12
    assert hyperparameters.read({**GIVEN, "extra_components": "0"})["extra_components"] == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_components": "0"}, "u'0' is not valid under any of the given schemas"),
        ({"num_components": "13"}, "num_components is 13, but feature_dim is 12"),
        ({"mini_batch_size": "x"}, "u'x' is not valid"),
        ({"algorithm_mode": "fast"}, r"u'fast' is not one of \[u'regular', u'randomized'\]"),
        ({"extra_components": "-2"}, "u'-2' is not valid"),
        ({"subtract_mean": "yes"}, "u'yes' is not one of"),
        ({"num_component": "3"}, r"Additional properties are not allowed \(u'num_component' was unexpected\)"),
    ],
)
def test_a_wrong_hyperparameter_has_the_message_of_the_service(tmp_path, given, message):
    with pytest.raises(UserError, match=message):
        jobs.train("pca", jobs.prepare(tmp_path, {**GIVEN, **given}, train=drawn()))
    assert not list((tmp_path / "model").iterdir())


def test_a_job_stopped_at_once_leaves_no_model(tmp_path):
    job = jobs.read_job(jobs.prepare(tmp_path, GIVEN, train=drawn()))
    job.stopping.set()
    jobs.algorithm("pca").train(job)
    assert not list((tmp_path / "model").iterdir())


def test_a_test_channel_is_checked_like_the_other(tmp_path):
    base = jobs.prepare(tmp_path, GIVEN, train=drawn(), test=np.ones((3, 2), np.float32))
    with pytest.raises(UserError, match="cannot copy sequence with size 2 to array axis with dimension 12"):
        jobs.train("pca", base)


@pytest.mark.slow
def test_missing_hyperparameters_fail_the_container_with_exit_code_2(tmp_path):
    code, log, failure = jobs.run("pca", jobs.prepare(tmp_path, {"feature_dim": "12"}, train=drawn()))
    assert code == 2, log
    assert failure.startswith("No value(s) were specified for 'mini_batch_size', 'num_components' which are required")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_two_hosts_find_the_components_of_all_rows(tmp_path, mode):
    rows, given = drawn(), {**GIVEN, "algorithm_mode": mode}
    rows = rows[np.argsort(rows[:, 0])]  # so that the two parts differ
    alone = jobs.train("pca", jobs.prepare(tmp_path / "one", given, train=rows))
    arrays, _ = jobs.run_on_hosts("pca", tmp_path, given, [rows[:500], rows[500:]])
    assert np.allclose(arrays["v"], alone["v"], atol=1e-4)
    assert np.allclose(arrays["s"], alone["s"], rtol=1e-4)


@pytest.mark.parametrize("arrays", [[np.ones((2, 3), np.float32)], {"mean": np.ones(3, np.float32)}])
def test_the_model_of_another_algorithm_is_refused(tmp_path, arrays):
    with pytest.raises(UserError, match=r"model_algo-1 is not a model of pca: it is an MXNet (list|dictionary) of"):
        jobs.serve("pca", tmp_path, arrays)


def test_a_mean_of_another_width_is_refused(tmp_path):
    arrays = {"v": np.ones((3, 2), np.float32), "mean": np.ones((1, 2), np.float32)}
    with pytest.raises(UserError, match="is not a model of pca"):
        jobs.serve("pca", tmp_path, arrays)
