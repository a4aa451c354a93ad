"""Parts that Amazon's algorithms share: hyperparameters, channels, artifacts, sums over hosts."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from harness import recordio
from harness.containers.amazon import artifact, channels, hyperparameters, instances, metrics, ndarrays
from harness.containers.runtime import Channel, TrainingJob, UserError
from harness.errors import DataError

SCHEMA = {
    "k": hyperparameters.integer(),
    "feature_dim": hyperparameters.integer(),
    "factor": hyperparameters.integer(default="auto", auto=True),
    "count": hyperparameters.integer(-1, default=0),
    "tol": hyperparameters.number(0, 1, default=1e-4),
    "rate": hyperparameters.number(0, ends="()", default="auto", auto=True),
    "init_method": hyperparameters.choice("random", "kmeans++", default="random"),
    "eval_metrics": hyperparameters.choices("msd", "ssd", default=["msd"]),
    "bias": hyperparameters.boolean(default=True),
}
GIVEN = {"k": "3", "feature_dim": "2"}


def job(tmp_path, content_type=None, hosts=("algo-1",), **files):
    folder = tmp_path / "input" / "data" / "train"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return TrainingJob(tmp_path, {}, {"train": Channel("train", folder, content_type)}, hosts)


# ---- hyperparameters


def test_texts_of_the_sdk_and_of_the_guide_become_values():
    given = {"tol": "1.0E-4", "factor": "2", "bias": "False", "rate": "0.5"}
    sdk = hyperparameters.read({**GIVEN, **given, "eval_metrics": '["msd","ssd"]'}, SCHEMA)
    guide = hyperparameters.read({**GIVEN, **given, "bias": "false", "eval_metrics": '["msd", "ssd"]'}, SCHEMA)
    assert sdk == guide
    assert sdk == {
        "k": 3, "feature_dim": 2, "factor": 2, "count": 0, "tol": 1e-4, "rate": 0.5, "init_method": "random",
        "eval_metrics": ["msd", "ssd"], "bias": False,
    }  # fmt: skip


def test_absent_hyperparameters_have_their_defaults():
    values = hyperparameters.read(GIVEN, SCHEMA)
    assert (values["factor"], values["tol"], values["rate"], values["bias"]) == ("auto", 1e-4, "auto", True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mini_batch_siz": "1"}, "Additional properties are not allowed (u'mini_batch_siz' was unexpected)"),
        ({"a": "1", "b": ""}, "Additional properties are not allowed (u'a', u'b' were unexpected)"),
        ({"k": "abc"}, "u'abc' is not valid under any of the given schemas"),
        ({"k": "0"}, "u'0' is not valid under any of the given schemas"),
        ({"k": "2.0"}, "u'2.0' is not valid under any of the given schemas"),
        ({"tol": "1.5"}, "u'1.5' is not valid under any of the given schemas"),
        ({"tol": "nan"}, "u'nan' is not valid under any of the given schemas"),
        ({"rate": "0"}, "u'0' is not valid under any of the given schemas"),
        ({"init_method": "best"}, "u'best' is not one of [u'random', u'kmeans++']"),
        ({"bias": "1"}, "u'1' is not one of [u'true', u'false', u'True', u'False']"),
        ({"k": "5\n"}, "u'5\\n' is not valid under any of the given schemas"),
        ({"k": "9" * 19}, "u'9999999999999999999' is not valid under any of the given schemas"),
        ({"count": "-" + "9" * 18}, "u'-999999999999999999' is not valid under any of the given schemas"),
        ({"eval_metrics": '["mse"]'}, "u'mse' is not one of [u'msd', u'ssd']"),
        ({"eval_metrics": '"msd"'}, "u'msd' is not of type u'array'"),
    ],
)
def test_a_hyperparameter_that_is_not_valid_has_the_services_message(given, message):
    with pytest.raises(UserError) as caught:
        hyperparameters.read({**GIVEN, **given}, SCHEMA)
    assert caught.value.what.startswith(f"{message} (caused by ValidationError)\n\nCaused by: {message}\n")


def test_the_reason_names_the_hyperparameter_and_its_schema():
    with pytest.raises(UserError) as caught:
        hyperparameters.read({"k": "abc", "feature_dim": "1"}, SCHEMA)
    assert (
        "Failed validating u'oneOf' in schema[u'properties'][u'k']:\n    {u'oneOf': [{u'pattern': u'^([1-9][0-9]*)$', "
        "u'type': u'string'}, {u'minimum': 1, u'type': u'integer'}]}\n\nOn instance[u'k']:\n    u'abc'"
    ) in caught.value.what


def test_all_missing_hyperparameters_are_named():
    with pytest.raises(
        UserError, match=r"^No value\(s\) were specified for 'k', 'feature_dim' which are required hyper"
    ):
        hyperparameters.read({}, SCHEMA)


@pytest.mark.parametrize("text", ["msd", "[msd]", "[" * 100_000, ""])
def test_a_list_that_is_not_json_has_the_services_message(text):
    with pytest.raises(UserError) as caught:
        hyperparameters.read({**GIVEN, "eval_metrics": text}, SCHEMA)
    assert caught.value.what == (
        "Hyperparameter must be valid json, but found eval_metrics: (caused by ValueError)\n\n"
        "Caused by: No JSON object could be decoded"
    )


@given(st.dictionaries(st.sampled_from(list(SCHEMA)) | st.text(max_size=5), st.text(max_size=50), max_size=4))
def test_any_text_is_a_value_or_the_users_error(given):
    try:
        assert set(hyperparameters.read(given, SCHEMA)) == set(SCHEMA)
    except UserError:
        return


# ---- channels


def test_a_channel_of_sparse_records_prints_its_rows(tmp_path, capsys):
    rows = sparse.csr_matrix(np.eye(3, dtype=np.float32))
    labels = np.arange(3, dtype=np.float32)
    files = {
        "part-0.pbr": recordio.encode(rows, labels),
        "part-1.pbr": b"",
        "part-2.pbr": recordio.encode(rows, labels),
    }
    read = channels.read(job(tmp_path, recordio.CONTENT_TYPE, **files), "train", width=3, labels="required")
    assert read.features.shape == (6, 3)
    assert read.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert capsys.readouterr().out == "[INFO] Channel train: 6 rows, 3 columns\n"


@pytest.mark.parametrize(("content_type", "labels"), [("text/csv", [1, 4]), ("text/csv;label_size=0", None)])
def test_csv_has_its_label_first_unless_it_has_none(tmp_path, content_type, labels):
    rows = channels.read(
        job(tmp_path, content_type, a=b"1,2,3\n", b=b"4,5,6"),
        "train",
        width=None,
        labels="required" if labels else "ignored",
    )
    assert rows.features.tolist() == ([[2, 3], [5, 6]] if labels else [[1, 2, 3], [4, 5, 6]])
    assert (None if rows.labels is None else rows.labels.tolist()) == labels


def test_an_absent_channel_has_no_rows(tmp_path):
    assert channels.read(job(tmp_path), "test", width=3, labels="ignored") is None


@pytest.mark.parametrize(
    ("content_type", "content", "message"),
    [
        (
            None,
            recordio.encode(np.ones((1, 3), np.float32)),
            "cannot copy sequence with size 3 to array axis with dimension 2 (/opt/ml/input/data/train/a, record 1)",
        ),
        (
            "text/csv",
            b"1,2,3,4\n",
            "cannot copy sequence with size 3 to array axis with dimension 2 (/opt/ml/input/data/train/a)",
        ),
        ("text/csv", b"y,a,b\n1,2,3\n", "Unable to parse csv: rows 1-2, file /opt/ml/input/data/train/a"),
        ("text/csv", b"1,,3\n", "Unable to parse csv: rows 1-1, file /opt/ml/input/data/train/a"),
        ("text/csv", b"1 2 3\n", "Unable to parse csv: rows 1-1, file /opt/ml/input/data/train/a"),
        ("csv", b"1,2,3\n", "No iterator has been registered for ContentType (u'csv', '1.0')"),
        ("text/csv;label_size=2", b"1,2,3\n", "Channel train: label_size=2 is not supported."),
        (None, b"1,2,3\n", "Unable to read data channel 'train'. Requested content-type is "),
        (None, b"", "No training data processed."),
        (None, recordio.encode(np.ones((1, 2), np.float32)), "Channel train: the rows have no labels"),
        (
            None,
            recordio.encode(np.array([[1, np.nan]], np.float32), np.ones(1, np.float32)),
            "Channel train: a value is NaN or infinite.",
        ),
        (
            None,
            recordio.encode(np.ones((1, 2), np.float32), np.array([np.inf], np.float32)),
            "Channel train: a label is NaN or infinite.",
        ),
    ],
)
def test_a_channel_that_cannot_be_read_is_the_users_error(tmp_path, content_type, content, message):
    with pytest.raises(UserError) as caught:
        channels.read(job(tmp_path, content_type, a=content), "train", width=2, labels="required")
    assert caught.value.what.startswith(message)


def test_a_host_without_rows_is_no_error_if_others_have_some(tmp_path):
    two = job(tmp_path, hosts=("algo-1", "algo-2"))
    assert channels.read(two, "train", width=2, labels="ignored").features.shape == (0, 2)


def test_channels_have_names_that_the_algorithm_knows(tmp_path):
    given = job(tmp_path)
    channels.check(given, "test")
    with pytest.raises(
        UserError, match=r"Failed to validate input data configuration.*\n\nCaused by: u'train' is a req"
    ):
        channels.check(TrainingJob(tmp_path, {}, {}))
    other = {**given.channels, "extra": given.channels["train"]}
    with pytest.raises(UserError, match=r"Additional properties are not allowed \(u'extra' was unexpected\)"):
        channels.check(TrainingJob(tmp_path, {}, other), "test")


# ---- artifacts

NUMBERS = st.sampled_from(["<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?"])
SHAPES = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple)
ARRAYS = st.tuples(NUMBERS, SHAPES).flatmap(lambda given: arrays(*given))


@given(
    st.lists(ARRAYS, max_size=3)
    | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), ARRAYS, max_size=3, min_size=1)
)
def test_arrays_of_mxnet_come_back(given):
    read = ndarrays.read(ndarrays.write(given))
    assert type(read) is type(given)
    pairs = [(read[key], given[key]) for key in given] if isinstance(given, dict) else zip(read, given, strict=True)
    for found, array in pairs:
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())


@given(st.binary(max_size=100) | st.tuples(st.integers(0, 99), st.binary(max_size=9)))
def test_a_damaged_file_of_arrays_is_refused(given):
    content = given
    if isinstance(given, tuple):
        whole = ndarrays.write({"v": np.eye(2, dtype=np.float32), "mean": np.ones(2)})
        content = whole[: given[0]] + given[1] + whole[given[0] + len(given[1]) :]
    try:
        assert len(ndarrays.read(content)) <= len(content)
    except DataError:
        return


def test_a_shape_that_is_not_there_takes_no_memory():
    content = bytearray(ndarrays.write([np.ones((1, 1))]))
    content[36:52] = b"\xff\xff\xff\xff\xff\xff\xff\x0f" * 2
    with pytest.raises(DataError, match=r"^it is truncated: \d+ bytes are missing"):
        ndarrays.read(bytes(content))


def test_a_model_directory_without_the_file_is_named(tmp_path):
    (tmp_path / "xgboost-model").write_bytes(b"")
    with pytest.raises(UserError, match=r"The model has no file model_algo-1\.") as caught:
        artifact.read(tmp_path)
    assert caught.value.checked == "/opt/ml/model contains xgboost-model"


def test_a_model_is_read_as_it_was_written(tmp_path):
    artifact.write(tmp_path, b"model")
    assert artifact.read(tmp_path) == b"model"


# ---- metrics and hosts


def test_metrics_are_printed_as_the_service_prints_them(capsys):
    metrics.quality("test", "msd", np.float32(1.5), loss=True)
    metrics.quality("validation", "accuracy", 0.5, loss=False, epoch=2)
    metrics.progress(50)
    assert capsys.readouterr().out.splitlines() == [
        "#quality_metric: host=algo-1, test msd <loss>=1.5",
        "#quality_metric: host=algo-1, epoch=2, validation accuracy <score>=0.5",
        "#progress_metric: host=algo-1, completed 50 % of epochs",
    ]


def test_one_host_sums_alone_and_imports_nothing(tmp_path):
    with instances.connected(job(tmp_path)):
        assert instances.sum_over(np.array([1.5, 2])).tolist() == [1.5, 2]
        assert instances.most(3) == 3


def test_the_error_of_a_host_is_reported_even_if_the_others_are_gone(monkeypatch):
    def finalize():
        raise xgboost.core.XGBoostError("Failed to shutdown.")

    monkeypatch.setattr(xgboost.collective, "init", lambda **_: None)
    monkeypatch.setattr(xgboost.collective, "finalize", finalize)
    with pytest.raises(UserError, match="k is 5"), instances._joined(1, "0000"):
        raise UserError("k is 5")


HOST = """
import sys, pathlib, numpy as np
from harness.containers.amazon import instances
from harness.containers.runtime import TrainingJob
job = TrainingJob(pathlib.Path("."), {}, {}, ("algo-1", "algo-2"), sys.argv[1])
with instances.connected(job):
    own = float(job.is_first_host)
    print(instances.sum_over(np.array([[own, 2.0]], np.float64)).tolist(), instances.most(int(own)))
"""


@pytest.mark.slow
def test_two_hosts_sum_their_arrays():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "HARNESS_TRACKER_PORT": port, "PYTHONPATH": str(Path(__file__).parents[4])}
    run = [sys.executable, "-c", HOST]
    hosts = [
        subprocess.Popen([*run, name], stdout=subprocess.PIPE, env=environment, text=True)
        for name in ("algo-1", "algo-2")
    ]
    assert [host.communicate(timeout=120)[0].splitlines()[-1:] for host in hosts] == [["[[1.0, 4.0]] 1"]] * 2
