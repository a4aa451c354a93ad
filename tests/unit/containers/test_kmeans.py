"""The container of k-means: training jobs and requests, on data whose clusters are known."""

import json
import re
import threading

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from harness import recordio
from harness.containers.kmeans import clustering, training
from harness.containers.runtime import UserError
from tests.support import algorithm_jobs as jobs

CORNERS = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]], dtype=np.float32)
GIVEN = {"k": "4", "feature_dim": "3"}


def blobs(rows=1200, seed=1):
    random = np.random.default_rng(seed)
    return (CORNERS[random.integers(0, 4, rows)] + random.normal(0, 0.5, (rows, 3))).astype(np.float32)


def corners_of(centres):
    """Return the corner that each centre is at."""
    found = clustering.closest(centres, CORNERS)
    assert np.abs(centres - CORNERS[found]).max() < 0.3, centres
    return sorted(found)


def inertia(rows, centres):
    return clustering.squared_distances(rows, centres, clustering.closest(rows, centres)).sum()


@pytest.fixture
def served(tmp_path):
    return jobs.serve("kmeans", tmp_path, [CORNERS])


# ---- training


@pytest.mark.parametrize("as_matrix", [np.asarray, csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("method", ["random", "kmeans++"])
def test_a_job_finds_the_clusters(tmp_path, as_matrix, method):
    base = jobs.prepare(tmp_path, {**GIVEN, "init_method": method}, train=as_matrix(blobs()))
    (centres,) = jobs.train("kmeans", base)
    assert centres.dtype == np.float32
    assert corners_of(centres) == [0, 1, 2, 3]


@pytest.mark.parametrize("as_matrix", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_a_job_finds_clusters_far_from_zero(tmp_path, as_matrix, capsys):
    rows = blobs() + np.float32(10_000)
    (centres,) = jobs.train("kmeans", jobs.prepare(tmp_path, GIVEN, train=as_matrix(rows), test=as_matrix(rows)))
    assert corners_of(centres - 10_000) == [0, 1, 2, 3]
    (found,) = re.findall(r"test msd <loss>=(\S+)", capsys.readouterr().out)
    assert float(found) == pytest.approx(3 * 0.5**2, rel=0.1)


def test_test_rows_are_scored_some_at_a_time(tmp_path, capsys, monkeypatch):
    given, scores = {**GIVEN, "eval_metrics": '["ssd"]'}, []
    for at_a_time in (1200, 7):
        monkeypatch.setattr(training, "_SCORED", at_a_time)
        jobs.train("kmeans", jobs.prepare(tmp_path / str(at_a_time), given, train=blobs(), test=blobs(seed=2)))
        scores += map(float, re.findall(r"test ssd <loss>=(\S+)", capsys.readouterr().out))
    assert scores[0] == pytest.approx(scores[1], rel=1e-12)


def test_csv_trains_the_same_model(tmp_path):
    rows = blobs()
    text = "".join(",".join(map(repr, [7.0, *row])) + "\n" for row in rows.tolist()).encode()
    of_csv = jobs.train("kmeans", jobs.prepare(tmp_path / "csv", GIVEN, train=text, types={"train": "text/csv"}))
    of_records = jobs.train("kmeans", jobs.prepare(tmp_path / "records", GIVEN, train=rows))
    assert np.array_equal(of_csv[0], of_records[0])


def test_a_job_has_the_same_result_each_time(tmp_path):
    found = [jobs.train("kmeans", jobs.prepare(tmp_path / name, GIVEN, train=blobs()))[0] for name in "ab"]
    assert np.array_equal(*found)


@pytest.mark.parametrize("given", [{"epochs": "3"}, {"half_life_time_size": "100"}, {"mini_batch_size": "50"}])
def test_the_clusters_are_found_with_other_hyperparameters(tmp_path, given):
    (centres,) = jobs.train("kmeans", jobs.prepare(tmp_path, {**GIVEN, **given}, train=blobs()))
    assert corners_of(centres) == [0, 1, 2, 3]


def test_the_log_has_the_lines_of_aws(tmp_path, capsys):
    jobs.train("kmeans", jobs.prepare(tmp_path, GIVEN, train=blobs()))
    log = capsys.readouterr().out
    assert "Channel train: 1200 rows, 3 columns" in log
    assert "'extra_center_factor' was set to 'auto', evaluated to 10." in log
    assert "Effective batch size used to initialize is 1200" in log
    assert "shrinking 40 centers into 4" in log
    assert log.count("local kmeans attempt #") == 10
    assert "#quality_metric: host=algo-1, train msd <loss>=0." in log
    assert "Test data is not provided." in log


def test_an_empty_test_channel_is_no_reason_to_fail(tmp_path, capsys):
    (centres,) = jobs.train("kmeans", jobs.prepare(tmp_path, GIVEN, train=blobs(), test=b""))
    assert corners_of(centres) == [0, 1, 2, 3]
    assert "test msd" not in capsys.readouterr().out


def test_test_rows_are_scored_by_the_asked_metrics(tmp_path, capsys):
    test = np.array([[0, 0, 0], [10, 0, 1]], dtype=np.float32)
    given = {**GIVEN, "eval_metrics": '["msd","ssd"]'}
    (centres,) = jobs.train("kmeans", jobs.prepare(tmp_path, given, train=blobs(), test=test))
    expected = float(inertia(test, centres))
    log = capsys.readouterr().out
    assert f"test msd <loss>={expected / 2!r}\n" in log
    assert f"test ssd <loss>={expected!r}\n" in log


def test_no_extra_centres_leave_nothing_to_shrink(tmp_path, capsys):
    given = {**GIVEN, "extra_center_factor": "1", "init_method": "kmeans++"}
    (centres,) = jobs.train("kmeans", jobs.prepare(tmp_path, given, train=blobs()))
    assert corners_of(centres) == [0, 1, 2, 3]
    assert "shrinking" not in capsys.readouterr().out


def test_as_many_clusters_as_rows_are_the_rows(tmp_path):
    (centres,) = jobs.train("kmeans", jobs.prepare(tmp_path, GIVEN, train=CORNERS))
    assert sorted(centres.tolist()) == sorted(CORNERS.tolist())


def test_more_clusters_than_rows_are_refused(tmp_path):
    base = jobs.prepare(tmp_path, {**GIVEN, "k": "5"}, train=CORNERS)
    with pytest.raises(UserError, match="k is 5, but channel train has 4 rows"):
        jobs.train("kmeans", base)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"k": "0"}, "u'0' is not valid under any of the given schemas"),
        ({"k": "two"}, "u'two' is not valid under any of the given schemas"),
        ({"epochs": "0"}, "u'0' is not valid"),
        ({"epochs": "1.5"}, "u'1.5' is not valid"),
        ({"extra_center_factor": "-1"}, "u'-1' is not valid"),
        ({"half_life_time_size": "-1"}, "u'-1' is not valid"),
        ({"init_method": "k-means++"}, r"u'k-means\+\+' is not one of"),
        ({"local_lloyd_init_method": "x"}, "u'x' is not one of"),
        ({"local_lloyd_max_iter": "0"}, "u'0' is not valid"),
        ({"local_lloyd_num_trials": "0"}, "u'0' is not valid"),
        ({"local_lloyd_tol": "1.5"}, "u'1.5' is not valid"),
        ({"mini_batch_size": "0"}, "u'0' is not valid"),
        ({"eval_metrics": '["mse"]'}, "u'mse' is not one of"),
        ({"mini_batch_size": "9" * 400}, "is not valid under any of the given schemas"),
        ({"extra_center_factor": "9" * 400}, "is not valid under any of the given schemas"),
        ({"eval_metrics": "[" * 100_000}, "Hyperparameter must be valid json, but found eval_metrics"),
        ({"eval_metrics": "[msd]"}, "Hyperparameter must be valid json, but found eval_metrics"),
        ({"mini_batch_siz": "10"}, r"Additional properties are not allowed \(u'mini_batch_siz' was unexpected\)"),
    ],
)
def test_a_wrong_hyperparameter_has_the_message_of_the_service(tmp_path, given, message):
    with pytest.raises(UserError, match=message):
        jobs.train("kmeans", jobs.prepare(tmp_path, {**GIVEN, **given}, train=blobs()))
    assert not list((tmp_path / "model").iterdir())


def test_numbers_as_scala_writes_them_are_read(tmp_path):
    given = {**GIVEN, "local_lloyd_tol": "1.0E-4", "extra_center_factor": "auto", "force_dense": "True"}
    assert corners_of(jobs.train("kmeans", jobs.prepare(tmp_path, given, train=blobs()))[0]) == [0, 1, 2, 3]


def test_rows_of_another_width_are_refused(tmp_path):
    base = jobs.prepare(tmp_path, GIVEN, train=np.ones((9, 2), np.float32))
    with pytest.raises(UserError, match="cannot copy sequence with size 2 to array axis with dimension 3"):
        jobs.train("kmeans", base)


def test_a_job_stopped_before_its_first_batch_leaves_no_model(tmp_path):
    base = jobs.prepare(tmp_path, GIVEN, train=blobs())
    job = jobs.read_job(base)
    job.stopping.set()
    jobs.algorithm("kmeans").train(job)
    assert not list((base / "model").iterdir())


@pytest.mark.slow
def test_a_stopped_job_leaves_the_model_so_far(tmp_path, monkeypatch):
    base = jobs.prepare(tmp_path, {**GIVEN, "epochs": "1000000"}, train=blobs())
    job = jobs.read_job(base)
    timer = threading.Timer(0.5, job.stopping.set)
    timer.start()
    jobs.algorithm("kmeans").train(job)
    timer.join()
    assert corners_of(jobs.model(base)[0]) == [0, 1, 2, 3]


# ---- processes


@pytest.mark.slow
def test_a_missing_hyperparameter_fails_the_container_with_exit_code_2(tmp_path):
    code, log, failure = jobs.run("kmeans", jobs.prepare(tmp_path, {}, train=blobs()))
    assert code == 2, log
    assert failure.startswith("No value(s) were specified for 'k', 'feature_dim' which are required hyperparameter(s)")


@pytest.mark.slow
def test_two_hosts_train_as_good_a_model_as_one(tmp_path):
    random = np.random.default_rng(5)
    means = random.normal(0, 1, (8, 20))
    rows = (means[random.integers(0, 8, 4000)] + random.normal(0, 0.7, (4000, 20))).astype(np.float32)
    rows = rows[np.argsort(rows[:, 0])]  # so that the two halves differ
    given = {"k": "8", "feature_dim": "20", "mini_batch_size": "500"}
    alone = inertia(rows, jobs.train("kmeans", jobs.prepare(tmp_path / "one", given, train=rows))[0])
    for name, parts in [("sharded", [rows[:2000], rows[2000:]]), ("replicated", [rows, rows])]:
        (centres,), _ = jobs.run_on_hosts("kmeans", tmp_path / name, given, parts)
        assert inertia(rows, centres) == pytest.approx(alone, rel=0.03)


@pytest.mark.parametrize(
    ("counts", "most", "shares"),
    [
        ([10, 10], 6, [3, 3]), ([2, 1000], 500, [2, 498]), ([2, 3], 500, [2, 3]), ([0, 9, 50], 30, [0, 9, 21]),
        ([7], 5, [5]),
    ],
)  # fmt: skip
def test_hosts_with_more_rows_stand_in_for_those_with_few(counts, most, shares):
    assert training._shares(np.array(counts, float), most).tolist() == shares


@pytest.mark.slow
def test_a_host_without_rows_adds_nothing(tmp_path):
    parts = [blobs(), blobs()[:0]]
    (centres,), logs = jobs.run_on_hosts("kmeans", tmp_path, GIVEN, parts)
    assert corners_of(centres) == [0, 1, 2, 3], logs


# ---- serving


@pytest.mark.parametrize("as_matrix", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_each_row_gets_its_cluster_and_the_distance_to_it(served, as_matrix):
    rows = np.array([[9, 0, 0], [0, 3, 4]], dtype=np.float32)
    answer = served.invoke(recordio.encode(as_matrix(rows)), recordio.CONTENT_TYPE, "application/json")
    assert json.loads(answer.body) == {
        "predictions": [
            {"closest_cluster": 1.0, "distance_to_cluster": 1.0},
            {"closest_cluster": 0.0, "distance_to_cluster": 5.0},
        ]
    }


def test_csv_answers_the_cluster_first(served):
    assert served.invoke(b"9,0,0\n0,3,4\n", "text/csv", "text/csv").body == b"1.0,1.0\n0.0,5.0\n"


def test_records_answer_both_keys(served):
    answer = served.invoke(b"9,0,0\n", "text/csv", recordio.CONTENT_TYPE)
    assert answer.body.count(b"closest_cluster") == answer.body.count(b"distance_to_cluster") == 1


def test_a_request_of_another_width_is_refused(served):
    answer = served.invoke(b"1,2\n", "text/csv", None)
    assert answer.status == 400
    assert answer.body.startswith(b"unable to evaluate payload provided")


@pytest.mark.parametrize(
    ("arrays", "found"),
    [
        ([np.ones(4, np.float32), CORNERS], r"an MXNet list of the shapes \(4,\), \(4, 3\)"),
        ({"v": CORNERS, "s": CORNERS[0]}, "an MXNet dictionary of s, v"),
        ([np.full((2, 2), np.nan, np.float32)], "a file of arrays with NaN or infinity"),
    ],
)
def test_the_model_of_another_algorithm_is_refused(tmp_path, arrays, found):
    with pytest.raises(UserError, match=f"model_algo-1 is not a model of kmeans: it is {found}"):
        jobs.serve("kmeans", tmp_path, arrays)


@pytest.mark.parametrize(
    ("content", "found"), [(b"PK\x03\x04", "a ZIP archive"), (b"\x80\x02", "no file of MXNet arrays")]
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, found):
    (tmp_path / "model_algo-1").write_bytes(content)
    with pytest.raises(UserError, match=f"is not a model of kmeans: it is {found}"):
        jobs.algorithm("kmeans").load(tmp_path)
