"""Answers of each version of the image."""

import json

import numpy as np
import pytest
import xgboost as xgb

from harness.containers.xgboost.serving import XGBoostModel
from harness.containers.xgboost.versions import Version
from tests.unit.containers.test_xgboost_parameters import LABELS, data

COMMAS = ["1", "0.90-1", "0.90-2", "1.0-1", "1.2-1"]
LINES = ["1.2-2", "1.3-1", "1.5-1", "1.7-1", "3.0-5"]
BODY = b"0.5,1,2,3\n-2,0,,1\n"


def booster(objective):
    rows, _ = data("reg:linear", 1)
    extra = {"num_class": 3} if "multi" in objective else {}
    labels = LABELS.get(objective, LABELS["reg:linear"])(rows[:, 0])
    return xgb.train({"objective": objective, "base_score": 0.5, **extra}, xgb.DMatrix(rows, labels), 3)


BOOSTERS = {
    name: booster(name)
    for name in ("binary:logistic", "binary:logitraw", "multi:softmax", "multi:softprob", "reg:squarederror")
}
GIVEN = xgb.DMatrix(np.array([[0.5, 1, 2, 3], [-2, 0, np.nan, 1]], np.float32))


def ask(version, objective="reg:squarederror", accept=None, body=BODY, content_type="text/csv"):
    answer = XGBoostModel(BOOSTERS[objective], Version(version)).invoke(body, content_type, accept)
    return answer.status, answer.content_type, answer.body.decode()


def values(objective="reg:squarederror"):
    return BOOSTERS[objective].predict(GIVEN).tolist()


@pytest.mark.parametrize("accept", [None, "text/csv", "application/json", "image/png"])
@pytest.mark.parametrize("version", COMMAS)
def test_older_versions_answer_one_line_of_csv_whatever_is_accepted(version, accept):
    expected = ",".join(map(str, values()))
    assert ask(version, accept=accept) == (200, "text/csv; charset=utf-8", expected)


@pytest.mark.parametrize("accept", [None, "", "*/*", "text/csv", "TEXT/CSV; charset=utf-8"])
@pytest.mark.parametrize("version", LINES)
def test_newer_versions_answer_a_prediction_a_line(version, accept):
    expected = "".join(f"{value}\n" for value in values())
    assert ask(version, accept=accept) == (200, "text/csv; charset=utf-8", expected)


@pytest.mark.parametrize("objective", ["reg:squarederror", "multi:softprob"])
def test_newer_versions_answer_json_with_a_score_for_each_row(objective):
    status, kind, text = ask("1.7-1", objective, "application/json")
    assert (status, kind) == (200, "application/json")
    assert json.loads(text) == {"predictions": [{"score": value} for value in values(objective)]}


def test_newer_versions_take_the_default_type_from_the_environment(monkeypatch):
    monkeypatch.setenv("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json")
    assert ask("1.7-1")[1] == "application/json"
    assert ask("1.7-1", accept="text/csv")[1] == "text/csv; charset=utf-8"


def test_newer_versions_refuse_a_type_that_they_do_not_write():
    status, _, text = ask("1.7-1", accept="image/png")
    assert status == 406
    assert text.startswith(
        "Accept type image/png is not supported. Please use supported accept types: ['application/json'"
    )
    assert ask("1.7-1", accept="application/jsonlines")[0] == 500


@pytest.mark.parametrize("version", ["1", "1.7-1"])
def test_transform_jobs_get_a_prediction_a_line(monkeypatch, version):
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    assert ask(version)[2] == "".join(f"{value}\n" for value in values())


def test_softprob_has_a_list_for_each_row_in_one_line_or_its_numbers_in_a_line_each():
    first, second = values("multi:softprob")
    assert ask("1", "multi:softprob")[2] == f"{first},{second}"
    assert ask("1.7-1", "multi:softprob")[2] == "".join(",".join(map(str, row)) + "\n" for row in (first, second))


@pytest.mark.parametrize("content_type", ["application/x-parquet", "application/x-recordio-protobuf; v=1"])
def test_a_type_that_only_newer_versions_read_is_refused_by_name(content_type):
    status, _, text = ask("1.7-1", content_type=content_type)
    assert (status, "is read by AWS's image, and not emulated here" in text) == (415, True)
    assert "is not an accepted ContentType" in ask("1", content_type=content_type)[2]


def test_a_request_without_a_type_is_csv_for_the_first_image_and_libsvm_for_newer_ones():
    csv, libsvm = b"1,2,3", b"0 0:1 1:2 2:3"
    assert [ask("1", body=body, content_type=None)[0] for body in (csv, libsvm)] == [200, 415]
    assert [ask("1.7-1", body=body, content_type=None)[0] for body in (csv, libsvm)] == [415, 200]


# ---- SAGEMAKER_INFERENCE_OUTPUT


def select(monkeypatch, keys, objective, accept="application/json", version="1.7-1"):
    monkeypatch.setenv("SAGEMAKER_INFERENCE_OUTPUT", keys)
    return ask(version, objective, accept)


def test_the_contents_of_a_binary_answer_can_be_selected(monkeypatch):
    keys = "predicted_label, labels,probability,probabilities,raw_score,RAW_SCORES"
    status, kind, text = select(monkeypatch, keys, "binary:logistic")
    assert (status, kind) == (200, "application/json")
    score = values("binary:logistic")[0]
    assert json.loads(text)["predictions"][0] == {
        "predicted_label": int(score > 0.5),
        "labels": [0, 1],
        "probability": score,
        "probabilities": [1.0 - score, score],
        "raw_score": score,
        "raw_scores": [1.0 - score, score],
    }


def test_the_contents_of_an_answer_about_classes_can_be_selected(monkeypatch):
    keys = "labels,predicted_label,probability,probabilities"
    row = json.loads(select(monkeypatch, keys, "multi:softprob")[2])["predictions"][1]
    shares = values("multi:softprob")[1]
    assert row == {
        "predicted_label": int(np.argmax(shares)),
        "labels": [0, 1, 2],
        "probability": max(shares),
        "probabilities": shares,
    }


def test_contents_that_an_objective_lacks_are_nan(monkeypatch):
    row = json.loads(select(monkeypatch, "predicted_score,probability", "reg:squarederror")[2])["predictions"][0]
    assert row["predicted_score"] == values()[0]
    assert np.isnan(row["probability"])


def test_selected_contents_are_csv_in_the_order_asked_and_json_lines(monkeypatch):
    shares = values("multi:softprob")
    labels = [int(np.argmax(row)) for row in shares]
    text = select(monkeypatch, "probabilities,predicted_label", "multi:softprob", "text/csv")[2]
    assert text == "\n".join(f'"{row}",{label}' for row, label in zip(shares, labels, strict=True))
    lines = select(monkeypatch, "predicted_label", "multi:softprob", "application/jsonlines")[2].splitlines()
    assert [json.loads(line) for line in lines] == [{"predicted_label": label} for label in labels]


def test_older_versions_select_too_except_the_first_ones(monkeypatch):
    assert json.loads(select(monkeypatch, "predicted_label", "multi:softmax", version="1.0-1")[2])["predictions"]
    plain = ",".join(map(str, values("multi:softmax")))
    assert select(monkeypatch, "predicted_label", "multi:softmax", version="1")[2] == plain


def test_records_are_refused_by_name(monkeypatch):
    status, _, text = select(monkeypatch, "predicted_label", "multi:softmax", "application/x-recordio-protobuf")
    assert (status, "not emulated here" in text) == (500, True)
