"""The container of LDA: training jobs and requests, on documents drawn from known topics."""

import json

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix

from harness import recordio
from harness.containers.runtime import UserError
from tests.support import algorithm_jobs as jobs

TOPICS, WORDS = 3, 20
GIVEN = {"num_topics": "3", "feature_dim": "20", "mini_batch_size": "500", "alpha0": "0.6"}
BETA = np.random.default_rng(0).dirichlet(np.full(WORDS, 0.1), TOPICS)


def documents(count=500, length=60, seed=1):
    random = np.random.default_rng(seed)
    mixtures = random.dirichlet(np.full(TOPICS, 0.2), count)
    return np.array([random.multinomial(length, mixture @ BETA) for mixture in mixtures], np.float32), mixtures


def order(beta):
    """Return the found topic of each planted one, and the cosines."""
    unit = [topics / np.linalg.norm(topics, axis=1, keepdims=True) for topics in (BETA, beta)]
    cosines = unit[0] @ unit[1].T
    places = linear_sum_assignment(-cosines)
    return places[1], cosines[places]


def mixtures_of(model, rows):
    answer = model.invoke(recordio.encode(rows), recordio.CONTENT_TYPE, "application/json")
    return np.array([row["topic_mixture"] for row in json.loads(answer.body)["predictions"]])


@pytest.mark.parametrize("as_matrix", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_a_job_recovers_the_topics_and_their_mixtures(tmp_path, as_matrix):
    alpha, beta = jobs.train("lda", jobs.prepare(tmp_path, GIVEN, train=as_matrix(documents()[0])))
    places, cosines = order(beta)
    assert cosines.min() >= 0.95
    assert np.allclose(alpha.sum(), 0.6)
    assert np.allclose(beta.sum(axis=1), 1, atol=1e-5)
    rows, mixtures = documents(40, length=5000, seed=2)
    found = mixtures_of(jobs.serve("lda", tmp_path), as_matrix(rows))
    assert np.abs(found[:, places] - mixtures).max() < 0.1
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)


def test_test_documents_are_scored_by_the_likelihood_of_a_word(tmp_path, capsys):
    jobs.train("lda", jobs.prepare(tmp_path, GIVEN, train=documents()[0], test=documents(100, seed=3)[0]))
    rows, mixtures = documents(100, seed=3)
    truth = (rows * np.log(mixtures @ BETA + 1e-12)).sum() / rows.sum()
    line = next(line for line in capsys.readouterr().out.splitlines() if "pwll" in line)
    name, value = line.rsplit("=", 1)
    assert name == "#quality_metric: host=algo-1, test pwll <score>"
    assert float(value) == pytest.approx(truth, abs=0.05)


def test_an_empty_test_channel_is_no_reason_to_fail(tmp_path, capsys):
    alpha, _ = jobs.train("lda", jobs.prepare(tmp_path, GIVEN, train=documents()[0], test=b""))
    assert alpha.shape == (3,)
    assert "pwll" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_topics": "0"}, "u'0' is not valid under any of the given schemas"),
        ({"alpha0": "0"}, "u'0' is not valid"),
        ({"alpha0": "inf"}, "u'inf' is not valid"),
        ({"max_restarts": "0"}, "u'0' is not valid"),
        ({"max_iterations": "-1"}, "u'-1' is not valid"),
        ({"tol": "0.0"}, "u'0.0' is not valid"),
        ({"tolerance": "1"}, r"Additional properties are not allowed \(u'tolerance' was unexpected\)"),
        ({"num_topics": "21"}, "num_topics is 21, but the documents of channel train determine"),
    ],
)
def test_a_wrong_hyperparameter_is_refused(tmp_path, given, message):
    with pytest.raises(UserError, match=message):
        jobs.train("lda", jobs.prepare(tmp_path, {**GIVEN, **given}, train=documents()[0]))
    assert not list((tmp_path / "model").iterdir())


def test_several_instances_are_refused(tmp_path):
    base = jobs.prepare(tmp_path, GIVEN, hosts=("algo-1", "algo-2"), train=documents()[0])
    with pytest.raises(UserError, match="LDA trains on one instance only, and the job has 2"):
        jobs.train("lda", base)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (-np.ones((3, WORDS), np.float32), "Channel train: a count of words is negative"),
        (np.zeros((3, WORDS), np.float32), "Channel train: no document has a word"),
        (np.eye(WORDS, dtype=np.float32), "Channel train: no document has three words"),
    ],
)
def test_documents_without_topics_are_refused(tmp_path, rows, message):
    with pytest.raises(UserError, match=message):
        jobs.train("lda", jobs.prepare(tmp_path, GIVEN, train=rows))


def test_a_job_stopped_before_its_first_start_leaves_no_model(tmp_path):
    job = jobs.read_job(jobs.prepare(tmp_path, GIVEN, train=documents()[0]))
    job.stopping.set()
    jobs.algorithm("lda").train(job)
    assert not list((tmp_path / "model").iterdir())


def test_a_model_written_by_hand_is_served(tmp_path):
    beta = np.array([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]], np.float32)
    model = jobs.serve("lda", tmp_path, [np.array([1, 1], np.float32), beta])
    found = mixtures_of(model, np.array([[1, 1, 0, 0], [3, 0, 0, 1]], np.float32))
    assert np.allclose(found, [[1, 0], [0.75, 0.25]], atol=1e-4)


def test_negative_counts_and_other_types_are_refused(tmp_path):
    model = jobs.serve("lda", tmp_path, [np.ones(2, np.float32), np.full((2, 2), 0.5, np.float32)])
    assert model.invoke(b"1,-1\n", "text/csv", None).status == 400
    assert model.invoke(b"1,1\n", "text/csv", "text/csv").content_type == "application/json"
    assert model.invoke(b'{"features": [1, 1]}', "application/jsonlines", None).status == 415


@pytest.mark.parametrize(
    "arrays",
    [
        [np.ones((2, 3), np.float32)],
        [np.ones(2, np.float32), np.ones((3, 3), np.float32)],
        {"alpha": np.ones(2, np.float32), "beta": np.ones((2, 3), np.float32)},
    ],
)
def test_the_model_of_another_algorithm_is_refused(tmp_path, arrays):
    with pytest.raises(UserError, match=r"model_algo-1 is not a model of lda: it is an MXNet (list|dictionary) of"):
        jobs.serve("lda", tmp_path, arrays)


@pytest.mark.slow
def test_missing_hyperparameters_fail_the_container_with_exit_code_2(tmp_path):
    code, log, failure = jobs.run("lda", jobs.prepare(tmp_path, {"num_topics": "3"}, train=documents()[0]))
    assert code == 2, log
    assert failure.startswith("No value(s) were specified for 'feature_dim', 'mini_batch_size' which are required")
