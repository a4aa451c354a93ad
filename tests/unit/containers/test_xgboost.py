"""Tests of the real container, as a process, on tiny data."""

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xgboost as xgb

from harness import libsvm
from harness.containers.runtime import read_job
from harness.containers.xgboost import artifact, training
from harness.containers.xgboost.versions import Version
from harness.waiting import wait_until

PARAMETERS = {"num_round": "3", "objective": "multi:softmax", "num_class": "3", "max_depth": "3", "silent": "1"}
ONE_HOST = {"hosts": ["algo-1"], "current_host": "algo-1"}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def digits(rows=120, features=6, seed=1):
    values = np.random.default_rng(seed).integers(0, 256, (rows, features)).astype(float)
    return values, (values[:, 0] // 86).clip(0, 2)


def save(path, features, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        libsvm.write(stream, labels, features, base=0)


def prepare(base, hyperparameters=PARAMETERS, channels=("train",), resources=ONE_HOST, content_type=None):
    config = base / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    settings = {"ContentType": content_type} if content_type else {}
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    (config / "inputdataconfig.json").write_text(json.dumps(dict.fromkeys(channels, settings)))
    (config / "resourceconfig.json").write_text(json.dumps(resources))


def start(command, base, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "harness.containers.xgboost", command],
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(base), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def train(base):
    process = start("train", base)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def failure(base):
    return (base / "output" / "failure").read_text()


def trained(base):
    return artifact.load(base / "model" / "xgboost-model")


@pytest.fixture
def base(tmp_path):
    prepare(tmp_path)
    save(tmp_path / "input/data/train/part-0", *digits())
    return tmp_path


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Directory of a trained model, and the port that serves it."""
    base = tmp_path_factory.mktemp("served")
    features, labels = digits(400)
    matrix = xgb.DMatrix(features, labels)
    booster = xgb.train({"objective": "multi:softmax", "num_class": 3, "max_depth": 4}, matrix, 5)
    (base / "model").mkdir()
    booster.save_model(base / "model" / "model.ubj")
    port = free_port()
    process = start("serve", base, SAGEMAKER_BIND_TO_PORT=str(port))
    wait_until(lambda: answers_ping(port), "the container to answer", timeout=20)
    yield booster, port
    process.terminate()
    assert process.wait(10) == 0


def answers_ping(port):
    try:
        return request(port, "GET", "/ping")[0] == 200
    except OSError:
        return False


def request(port, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names, encode_chunked="Transfer-Encoding" in names)
    response = connection.getresponse()
    return response.status, response.read().decode()


def invoke(port, body, content_type="text/x-libsvm", **headers):
    return request(port, "POST", "/invocations", body, Content_Type=content_type, **headers)


def as_libsvm(features):
    return "".join("0.0" + "".join(f" {j}:{v}" for j, v in enumerate(row)) + "\n" for row in features.tolist())


# ---- training


def test_training_needs_no_information_that_only_linux_provides(base, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    (base / "model").mkdir()
    training.train(read_job(base), Version("1"))
    assert trained(base).num_features() == 6


@pytest.mark.slow
def test_training_saves_a_model_that_xgboost_reads(base):
    code, output = train(base)
    assert code == 0, output
    booster = trained(base)
    assert booster.num_features() == 6
    assert booster.num_boosted_rounds() == 3


@pytest.mark.slow
def test_training_equals_xgboost_in_process(base):
    train(base)
    features, labels = digits()
    same = xgb.train({"objective": "multi:softmax", "num_class": 3, "max_depth": 3}, xgb.DMatrix(features, labels), 3)
    booster = trained(base)
    new = xgb.DMatrix(digits(500, seed=9)[0])
    assert np.array_equal(booster.predict(new), same.predict(new))


@pytest.mark.slow
def test_each_round_prints_its_metrics_with_train_first(base):
    prepare(base, {**PARAMETERS, "eval_metric": "merror,mlogloss"}, ("validation", "train"))
    save(base / "input/data/validation/part-0", *digits(seed=2))
    _, output = train(base)
    lines = [line for line in output.splitlines() if line.startswith("[") and "#011" in line]
    assert len(lines) == 3
    names = [field.split(":")[0] for field in lines[0].split("#011")]
    assert names == ["[0]", "train-merror", "train-mlogloss", "validation-merror", "validation-mlogloss"]


@pytest.mark.slow
def test_early_stopping_of_the_first_image_keeps_all_rounds_and_knows_the_best(base):
    features, labels = digits(60)
    save(base / "input/data/validation/part-0", features, labels[::-1])
    prepare(base, {**PARAMETERS, "num_round": "200", "early_stopping_rounds": "2"}, ("train", "validation"))
    code, output = train(base)
    rounds = sum("#011" in line for line in output.splitlines())
    booster = trained(base)
    assert code == 0
    assert booster.num_boosted_rounds() == rounds < 100
    assert booster.best_iteration == rounds - 3


@pytest.mark.slow
def test_the_first_column_of_csv_is_the_label(base):
    features, labels = digits()
    np.savetxt(base / "input/data/train/part-0", np.column_stack([labels, features]), delimiter=",", fmt="%g")
    prepare(base, content_type="text/csv; label_size=1")
    code, output = train(base)
    assert code == 0, output
    assert trained(base).num_features() == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"foo": "1"}, "Extraneous hyperparameter found: foo"),
        ({"eta": "2.0"}, "Hyperparameter eta: 2.0 is not in [0, 1]"),
        ({"num_class": "1"}, "Hyperparameter num_class: 1 is not in [2, inf)"),
    ],
)
def test_a_wrong_hyperparameter_is_a_user_error(base, changed, message):
    prepare(base, {**PARAMETERS, **changed})
    assert train(base)[0] == 2
    assert failure(base) == message


@pytest.mark.parametrize(
    ("channels", "message"),
    [(["validation"], "Missing required channel: train"), (["train", "foo"], "Extraneous channel found: foo")],
)
def test_a_wrong_channel_is_a_user_error(base, channels, message):
    prepare(base, channels=channels)
    assert train(base)[0] == 2
    assert failure(base) == message


@pytest.mark.slow
def test_a_bad_line_is_a_user_error_that_names_the_line(base):
    (base / "input/data/train/part-1").write_text("1 1:2\n1 -1:3\n")
    assert train(base)[0] == 2
    assert failure(base) == (
        "/opt/ml/input/data/train/part-1, line 2, column 3: '-1' breaks the rule that indices count from 0. "
        "It is read as LibSVM, because the channel has no ContentType. To fix: correct the line, or the ContentType."
    )


@pytest.mark.slow
@pytest.mark.parametrize("index", ["4194305", "2000000000", "99999999999999999999"])
def test_an_index_above_the_limit_is_a_user_error_that_names_it(base, index):
    (base / "input/data/train/part-1").write_text(f"1 1:2\n1 1:1 {index}:3\n")
    assert train(base)[0] == 2
    assert f"part-1, line 2, column 7: '{index}' breaks the rule that no index is above" in failure(base)


@pytest.mark.slow
def test_too_many_columns_are_a_user_error(base):
    prepare(base, content_type="text/csv")
    (base / "input/data/train/part-0").write_text("1," * 9_999_999 + "1\n")
    assert train(base)[0] == 2
    assert "part-0, line 1: 10,000,000 columns; the limit is 100,000. It is read as CSV" in failure(base)


@pytest.mark.slow
@pytest.mark.parametrize("number", ["1" * 500_000 + "x", "1" * 500_000 + ".5.", "1e" + "9" * 500_000, "." * 500_000])
def test_an_invalid_number_is_a_user_error(base, number):
    (base / "input/data/train/part-1").write_text(f"1 1:{number}\n")
    assert train(base)[0] == 2
    assert "part-1, line 1, column 5: " in failure(base)


@pytest.mark.slow
def test_a_label_beyond_the_classes_is_a_user_error(base):
    (base / "input/data/train/part-1").write_text("7 1:2\n")
    assert train(base)[0] == 2
    assert failure(base).startswith("Label must be in [0, num_class) for multi classification task.")


def test_hidden_files_are_refused(base):
    (base / "input/data/train/.part-0.crc").write_bytes(b"crc")
    assert train(base)[0] == 2
    assert failure(base) == (
        "Hidden file found in the data path! Remove that before training. "
        "It is /opt/ml/input/data/train/.part-0.crc, a checksum that Hadoop writes next to a file."
    )


@pytest.mark.slow
def test_an_empty_channel_is_a_user_error(base):
    (base / "input/data/train/part-0").write_bytes(b"")
    assert train(base)[0] == 2
    assert failure(base) == "Channel train has no rows."


def test_an_error_that_the_user_cannot_fix_is_an_algorithm_error(base):
    (base / "input/config/resourceconfig.json").unlink()
    assert train(base)[0] == 1
    assert failure(base).startswith("FileNotFoundError")


@pytest.mark.slow
def test_sigterm_saves_the_model_so_far(base):
    prepare(base, {**PARAMETERS, "num_round": "1000000"})
    process = start("train", base)
    while not process.stdout.readline().startswith("[2]"):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert 3 <= trained(base).num_boosted_rounds() < 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "serve"])
def test_a_container_ends_with_its_stdin(base, command):
    prepare(base, {**PARAMETERS, "num_round": "1000000"})
    xgb.train({}, xgb.DMatrix(*digits()), 1).save_model(base / "xgboost-model.ubj")
    (base / "model").mkdir()
    (base / "xgboost-model.ubj").rename(base / "model" / "xgboost-model")
    process = start(command, base, HARNESS_DIE_WITH_STDIN="1", SAGEMAKER_BIND_TO_PORT=str(free_port()))
    process.stdout.readline()
    process.stdin.close()
    assert process.wait(10) != 0


@pytest.mark.slow
def test_two_hosts_train_one_model_of_all_rows_in_any_order_of_start(tmp_path):
    features, labels = digits(200)
    hosts, port = ["algo-1", "algo-2"], free_port()
    for part, host in enumerate(hosts):
        prepare(tmp_path / host, resources={"hosts": hosts, "current_host": host})
        save(tmp_path / host / "input/data/train/part", features[part::2], labels[part::2])
    early = start("train", tmp_path / "algo-2", HARNESS_TRACKER_PORT=str(port))
    said = next(line for line in early.stdout if "Failed to connect" in line)
    late = start("train", tmp_path / "algo-1", HARNESS_TRACKER_PORT=str(port))
    outputs = [late.communicate(timeout=60)[0], said + early.communicate(timeout=60)[0]]
    assert [late.returncode, early.returncode] == [0, 0], outputs
    assert "Retrying connection" not in outputs[1], "XGBoost waits for seconds before it retries"
    assert not list((tmp_path / "algo-2" / "model").iterdir())
    booster = trained(tmp_path / "algo-1")
    assert (booster.predict(xgb.DMatrix(features)) == labels).mean() > 0.95


# ---- serving


@pytest.mark.slow
def test_csv_has_one_float_for_each_row_separated_by_commas(served):
    booster, port = served
    features = digits(50, seed=5)[0]
    status, text = invoke(port, as_libsvm(features))
    assert status == 200
    assert text == ",".join(map(str, booster.predict(xgb.DMatrix(features)).tolist()))


@pytest.mark.slow
@pytest.mark.parametrize("rows", ["0\n0 1:5\n0", "0 1:1 2:2\n0\n 0 3:4\n", "1\n2\n3\n"])
def test_every_row_is_answered_even_if_empty(served, rows):
    assert len(invoke(served[1], rows)[1].split(",")) == 3


@pytest.mark.slow
def test_written_zeros_are_not_missing_values(served):
    booster, port = served
    features = np.zeros((1, 6))
    assert invoke(port, as_libsvm(features))[1] == str(booster.predict(xgb.DMatrix(features)).tolist()[0])
    missing = np.full((1, 6), np.nan)
    assert invoke(port, "0\n")[1] == str(booster.predict(xgb.DMatrix(missing)).tolist()[0])


def test_csv_rows_have_no_label(served):
    booster, port = served
    features = digits(5)[0]
    body = "\n".join(",".join(map(str, row)) for row in features.tolist())
    expected = booster.predict(xgb.DMatrix(features)).tolist()
    assert invoke(port, body, "text/csv")[1] == ",".join(map(str, expected))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "headers", "status", "text"),
    [
        ("", {}, 204, ""),
        ("0 1:1", {"content_type": "image/png"}, 415, "image/png is not an accepted ContentType: text/libsvm"),
        ("0 1:1\n0 2:x", {}, 415, "ensure data is in libsvm format: line 2, column 5: 'x' breaks"),
        ("0 1:1\n0 7:1", {}, 400, "libsvm inference data 8 is larger than feature size of trained model 6."),
        ("1,2,3", {"content_type": "text/csv"}, 400, "Feature size of csv inference data 3 is not consistent"),
        ("1,2,3,4,5,6\n1,2,3,4,5,a", {"content_type": "text/csv"}, 415, "line 2"),
        ("1," * 3_000_000, {"content_type": "text/csv"}, 415, "line 1: 3,000,001 columns; the limit is 100,000"),
        ("0 1:" + "1" * 6_000_000 + "x", {}, 415, "line 1, column 5"),
        (gzip.compress(b"0 1:1\n" * 1_000_000), {}, 415, "line 1: the request is compressed"),
        ("0" * 6_291_457, {}, 413, "Payload exceeds the limit of 6291456 bytes."),
    ],
    ids=[
        "empty",
        "type",
        "unreadable",
        "wide",
        "csv-columns",
        "csv-text",
        "columns",
        "number",
        "gzip",
        "large",
    ],
)
def test_an_invalid_request_gets_a_reason(served, body, headers, status, text):
    answered, why = invoke(served[1], body, **headers)
    assert answered == status
    assert text in why


def test_a_chunked_request_is_read(served):
    pieces = iter([b"0 1:", b"1\n", b"0 1:250"])
    status, text = invoke(served[1], pieces, Transfer_Encoding="chunked")
    assert (status, text.count(",")) == (200, 1)


@pytest.mark.parametrize(
    "request_",
    ["Content-Length: -1\r\n\r\n", "Content-Length: 1_0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n-5\r\n",
     "Transfer-Encoding: chunked\r\n\r\n" + "1" * 9000, "Transfer-Encoding: chunked\r\n\r\n0\r\n" + "a: b\r\n" * 101],
)  # fmt: skip
def test_a_badly_framed_body_is_refused_without_waiting(served, request_):
    with socket.create_connection(("127.0.0.1", served[1])) as connection:
        connection.sendall(f"POST /invocations HTTP/1.1\r\nHost: x\r\n{request_}".encode())
        connection.settimeout(60)
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_a_connection_serves_more_requests_after_a_refusal(served):
    connection = http.client.HTTPConnection("127.0.0.1", served[1], timeout=20)
    statuses = []
    for body in (b"0 1:1", b"0 x", b"0" * 7_000_000, b"0 1:1"):
        connection.request("POST", "/invocations", body, {"Content-Type": "text/libsvm"})
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    assert statuses == [200, 415, 413, 200]


def test_concurrent_requests_get_their_own_answers(served):
    booster, port = served
    batches = [digits(100 + seed, seed=seed)[0] for seed in range(16)]
    expected = [",".join(map(str, booster.predict(xgb.DMatrix(batch)).tolist())) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        assert [text for _, text in pool.map(lambda batch: invoke(port, as_libsvm(batch)), batches)] == expected


def test_execution_parameters_are_served(served):
    status, text = request(served[1], "GET", "/execution-parameters")
    assert status == 200
    assert json.loads(text)["MaxPayloadInMB"] == 6


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, b"no model"])
def test_an_unreadable_model_ends_the_container(tmp_path, content):
    (tmp_path / "model").mkdir()
    if content:
        (tmp_path / "model" / "xgboost-model").write_bytes(content)
    process = start("serve", tmp_path, SAGEMAKER_BIND_TO_PORT=str(free_port()))
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "[ERROR]" in output
