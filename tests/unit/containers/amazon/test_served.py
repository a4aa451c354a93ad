"""Requests and answers of Amazon's algorithms: each row gets exactly one answer, in order, or the request a 4xx."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from harness import recordio
from harness.containers.amazon import requests
from harness.containers.amazon.model import Served
from harness.recordio import frames
from harness.recordio.schema import Record

RECORDS = recordio.CONTENT_TYPE
ROWS = np.array([[1, 2, 0, 0.1], [0, 5, 0, 0], [0, 0, 0, 0]], np.float32)


def sums(rows):
    """Return answers that depend on every value and its column."""
    dense = rows if isinstance(rows, np.ndarray) else rows.toarray()
    return {
        "closest_cluster": dense.argmax(axis=1).astype(np.float32),
        "distance_to_cluster": dense @ np.float32([1, 10, 100, 1000]),
    }


MODEL = Served(4, sums, csv=("closest_cluster", "distance_to_cluster"))
DENSE = [{"features": row.astype(float).round(1).tolist()} for row in ROWS]
NESTED = [{"data": {"features": {"values": each["features"]}}} for each in DENSE]
SPARSE = [
    {"data": {"features": {"keys": [0, 1, 3], "shape": [4], "values": [1, 2, 0.1]}}},
    {"data": {"features": {"keys": [1], "shape": [4], "values": [5]}}},
    {"data": {"features": {"keys": [], "shape": [4], "values": []}}},
]


def lines(rows):
    return "\n".join(map(json.dumps, rows)).encode()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (RECORDS, recordio.encode(ROWS)),
        (RECORDS, recordio.encode(sparse.csr_matrix(ROWS))),
        ("text/csv", b"1,2,0,0.1\n0,5,0,0\n0,0,0,0"),
        ("text/csv; label_size=0", b"1,2,0,0.1\r\n0,5,0,0\r\n0,0,0,0\r\n"),
        ("application/json", json.dumps({"instances": DENSE}).encode()),
        ("application/json", json.dumps({"instances": NESTED}).encode()),
        ("application/json", json.dumps({"instances": SPARSE}).encode()),
        ("application/json", json.dumps({"instances": [DENSE[0], SPARSE[1], NESTED[2]]}).encode()),
        ("application/jsonlines", lines(DENSE)),
        ("application/jsonlines", lines([SPARSE[0], NESTED[1], DENSE[2]]) + b"\n"),
    ],
)
def test_each_row_of_a_request_has_one_answer_in_order(content_type, body):
    answer = MODEL.invoke(body, content_type, None)
    assert (answer.status, answer.content_type) == (200, "application/json")
    expected = sums(ROWS)["distance_to_cluster"].tolist()
    assert [row["distance_to_cluster"] for row in json.loads(answer.body)["predictions"]] == expected


def test_an_answer_has_the_type_that_the_client_accepts():
    body = b"1,2,0,0\n0,5,0,0\n"
    assert MODEL.invoke(body, "text/csv", "application/json;verbose=true").body == (
        b'{"predictions": [{"closest_cluster": 1.0, "distance_to_cluster": 21.0}, '
        b'{"closest_cluster": 1.0, "distance_to_cluster": 50.0}]}'
    )
    assert MODEL.invoke(body, "text/csv", "application/jsonlines").body == (
        b'{"closest_cluster": 1.0, "distance_to_cluster": 21.0}\n'
        b'{"closest_cluster": 1.0, "distance_to_cluster": 50.0}\n'
    )
    assert MODEL.invoke(body, "text/csv", "text/csv").body == b"1.0,21.0\n1.0,50.0\n"
    answer = MODEL.invoke(body, "text/csv", RECORDS)
    found = frames.find(np.frombuffer(answer.body, np.uint8))
    first = Record.FromString(answer.body[found.starts[0] : found.starts[0] + found.lengths[0]])
    assert len(found) == 2
    assert list(first.label["distance_to_cluster"].float32_tensor.values) == [21]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv;q=0.1, application/jsonlines", "application/jsonlines"),
        ("text/csv;q=0, */*;q=0.5", "application/json"),
        ("text/csv;q=0.5, application/jsonlines;q=0.5", "text/csv; charset=utf-8"),
        ("text/csv;q=x", "text/csv; charset=utf-8"),
    ],
)
def test_of_several_types_the_one_of_most_weight_is_answered(accept, kind):
    assert MODEL.invoke(b"1,2,0,0\n", "text/csv", accept).content_type == kind


def test_a_type_of_no_weight_is_not_answered():
    assert MODEL.invoke(b"1,2,0,0\n", "text/csv", "text/csv;q=0").content_type == requests.JSON


def test_vectors_are_lists_and_labels_have_a_point():
    model = Served(
        1,
        lambda rows: {"score": np.float32([[0.1, 0.9]] * len(rows)), "predicted_label": np.array([1])},
        key="projections",
    )
    answer = model.invoke(b"1", "text/csv", None)
    assert (
        answer.body
        == b'{"projections": [{"score": [0.10000000149011612, 0.8999999761581421], "predicted_label": 1.0}]}'
    )


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("text/csv", b"", "the request has no row"),
        ("text/csv", b"1,2,3\n", "row 1 has 3 features, but the model has 4"),
        ("text/csv", b"1,2,3,x\n", "line 1: 'x' is not a number"),
        ("text/csv", b"1,2,3,\n", "row 1: a field is missing or not a number"),
        ("text/csv", b"1,2,3,nan\n", "row 1: a field is missing or not a number"),
        ("text/csv;label_size=1", b"1,2,3,4\n", "a request has no label: set label_size=0"),
        (RECORDS, b"1,2,3,4\n", "record 1: its frame starts with"),
        (RECORDS, recordio.encode(ROWS[:, :3]), "record 1: it has 3 columns, expected 4"),
        (RECORDS, recordio.encode(ROWS * np.float32(np.nan)), "a value is NaN or infinite"),
        (
            RECORDS,
            recordio.encode(sparse.csr_matrix((1, 1_000_000_001), dtype=np.float32)),
            "record 1: it has 1000000001 columns",
        ),
        ("application/json", b"{}", 'the body is not {"instances": […]}'),
        ("application/json", b"[" * 100_000, "the JSON is nested too deeply"),
        ("application/json", b'{"instances": [{"features": [NaN, 1, 1, 1]}]}', "NaN is not a number of JSON"),
        ("application/json", b'{"instances": [{"features": [1e99, 1, 1, 1]}]}', "a value is NaN or infinite"),
        ("application/json", b'{"instances": [{"features": [true, 1, 1, 1]}]}', "values of instance 1 are not"),
        ("application/json", b'{"instances": [{"features": [[1, 1, 1, 1]]}]}', "values of instance 1 are not"),
        ("application/json", b'{"instances": [[1, 1, 1, 1]]}', 'instance 1 has neither "features" nor "data"'),
        (
            "application/json",
            b'{"instances": [{"features": [1' + b"0" * 400 + b", 1, 1, 1]}]}",
            "values of instance 1 are not",
        ),
        ("application/json", b'\xff{"instances": []}', "the body is not JSON"),
        (
            "application/jsonlines",
            b'{"features": [1, 2, 3, 4]}\n{"features": [1]}',
            "row 2 has 1 features, but the model has 4",
        ),
    ],
)
def test_a_request_that_cannot_be_read_is_refused_with_the_reason(content_type, body, reason):
    answer = MODEL.invoke(body, content_type, None)
    assert answer.status == 400
    assert answer.body.decode().startswith(f"unable to evaluate payload provided: {reason}")


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        (
            {"keys": [1_000_000_000], "shape": [4], "values": [1]},
            "keys of instance 1 are not whole numbers from 0 to 3",
        ),
        ({"keys": [1], "shape": [1_000_000_000], "values": [1]}, "row 1 has 1000000000 features, but the model has 4"),
        ({"keys": [1.0], "shape": [4], "values": [1]}, "keys of instance 1 are not whole numbers from 0 to 3"),
        ({"keys": [2, 1], "shape": [4], "values": [1, 1]}, "keys of instance 1 do not ascend"),
        ({"keys": [1, 2], "shape": [4], "values": [1]}, "instance 1 has 2 keys and 1 values"),
        ({"keys": [1], "values": [1]}, "instance 1 needs a shape of one number"),
        ({"keys": [1], "shape": [2, 2], "values": [1]}, "instance 1 needs a shape of one number"),
        ({"shape": [4], "values": [1]}, "instance 1 has 1 values, and the shape [4]"),
    ],
)
def test_a_sparse_instance_that_is_not_one_row_is_refused(features, reason):
    answer = MODEL.invoke(lines([{"data": {"features": features}}]), "application/jsonlines", None)
    assert (answer.status, answer.body.decode()) == (400, f"unable to evaluate payload provided: {reason}")


@pytest.mark.parametrize("accept", ["application/json", "application/jsonlines", "text/csv", RECORDS])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_an_answer_that_is_not_a_finite_number_is_an_error_in_every_type(accept, value):
    model = Served(1, lambda rows: {"score": np.array([[0.0, 1.0], [0.0, value]])}, csv=("score",))
    answer = model.invoke(b"1\n2\n", "text/csv", accept)
    assert answer.status == 400
    assert answer.body == b"unable to evaluate payload provided: score of row 2 is not a finite 32-bit float"


def test_a_type_that_the_algorithm_does_not_take_is_refused_and_one_that_it_does_not_write_becomes_json():
    model = Served(4, sums, takes=(RECORDS, requests.JSON), answers=(RECORDS, requests.JSON))
    refused = [
        model.invoke(b"1,2,3,4", kind, None) for kind in ("text/csv", "application/jsonlines", "image/png", None)
    ]
    assert [answer.status for answer in refused] == [415] * 4
    assert refused[0].body == b"Customer Error: Content-Type header value 'text/csv' not supported"
    answer = model.invoke(recordio.encode(ROWS), RECORDS, "text/csv")
    assert (answer.status, answer.content_type) == (200, requests.JSON)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["instances", "features", "data", "values", "keys", "shape"]), inner, max_size=3
        )
    ),
)


@given(JSON, st.sampled_from(["application/json", "application/jsonlines"]))
def test_any_json_is_answered_or_refused(document, kind):
    assert MODEL.invoke(json.dumps(document).encode(), kind, None).status in (200, 400)


@given(st.binary(max_size=60), st.sampled_from([*requests.ALL, "text/csv;label_size", "a;b", ""]))
def test_any_body_is_answered_or_refused(body, kind):
    assert MODEL.invoke(body, kind, None).status in (200, 400, 415)


def test_serving_imports_no_library_that_only_training_needs():
    heavy = "scipy", "sklearn", "pyarrow", "jsonschema", "google.protobuf", "xgboost"
    code = "import sys; from harness.containers.amazon import artifact, model, ndarrays; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(heavy) & set(done.stdout.split()) == set()
