"""Tests of what the XGBoost container makes of text: indices, weights, types, CSV, and files that are no data."""

import json

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st

from harness.containers.runtime import Channel, TrainingJob, UserError
from harness.containers.xgboost import artifact, training
from harness.containers.xgboost.data import check_first_lines, media_type, read_channel, read_request
from harness.containers.xgboost.serving import XGBoostModel
from harness.containers.xgboost.versions import Version
from harness.errors import DataError, HarnessError

RANDOM = np.random.default_rng(7)
FEATURES = RANDOM.integers(0, 9, (60, 3)).astype(float)
LABELS = (FEATURES[:, 0] > 4).astype(float)
WEIGHTS = RANDOM.integers(1, 9, 60) / 4
FIRST, NEWER = Version("1"), Version("1.7-1")


def text_of(rows):
    return "".join(f"{row}\n" for row in rows)


def as_libsvm(features, first, heads):
    return text_of(
        " ".join([head, *(f"{index}:{value:g}" for index, value in enumerate(row, first))])
        for head, row in zip(heads, features.tolist(), strict=True)
    )


def as_csv(*columns):
    return text_of(",".join(f"{value:g}" for value in row) for row in np.column_stack(columns).tolist())


def channel(tmp_path, content_type=None, **files):
    """Return a channel with files; in their names __ is a dot."""
    for name, text in files.items():
        (tmp_path / name.replace("__", ".")).write_bytes(text if isinstance(text, bytes) else text.encode())
    return Channel("train", tmp_path, content_type)


def trained(tmp_path, text, content_type=None, version=FIRST, **hyperparameters):
    """Return the booster that the container trains on a text."""
    (tmp_path / "model").mkdir()
    data = tmp_path / "input/data/train"
    data.mkdir(parents=True)
    channels = {"train": channel(data, content_type, part=text)}
    parameters = {"num_round": "3", "objective": "reg:linear", **hyperparameters}
    training.train(TrainingJob(tmp_path, parameters, channels), version)
    return artifact.load(tmp_path / "model" / "xgboost-model")


def in_process(features, objective="reg:squarederror", group=None, **data):
    matrix = xgb.DMatrix(features, **data)
    if group:
        matrix.set_group(group)
    return xgb.train({"objective": objective, "base_score": 0.5}, matrix, 3)


def same_trees(one, other):
    return one.num_features() == other.num_features() and one.get_dump("", True) == other.get_dump("", True)


def with_column_0(features):
    return np.column_stack([np.full(len(features), np.nan), features])


def answer(model, body, content_type=None):
    found = model.invoke(body.encode(), content_type, "text/csv")
    return found.status, found.body.decode()


def predictions(booster, features):
    return ",".join(map(str, booster.predict(xgb.DMatrix(features)).tolist()))


def refusal(given, **options):
    with pytest.raises(HarnessError) as caught:
        read_channel(given, **options)
    return caught.value.what


# ---- indices


def test_index_0_is_column_0_in_training_and_in_requests(tmp_path):
    booster = trained(tmp_path, as_libsvm(FEATURES, 0, LABELS.astype(str)))
    assert same_trees(booster, in_process(FEATURES, label=LABELS))
    body = as_libsvm(FEATURES, 0, ["0"] * 60)
    assert answer(XGBoostModel(booster, FIRST), body, "text/libsvm") == (200, predictions(booster, FEATURES))
    assert answer(XGBoostModel(booster, FIRST), "1 0:1.5 3:2", "text/libsvm")[0] == 200


@pytest.mark.slow
def test_rows_from_index_1_leave_column_0_empty_in_training_and_in_requests(tmp_path):
    booster = trained(tmp_path, as_libsvm(FEATURES, 1, LABELS.astype(str)))
    assert same_trees(booster, in_process(with_column_0(FEATURES), label=LABELS))
    body = as_libsvm(FEATURES, 1, ["0"] * 60)
    expected = predictions(booster, with_column_0(FEATURES))
    assert answer(XGBoostModel(booster, FIRST), body, "text/libsvm") == (200, expected)


@pytest.mark.filterwarnings("ignore:.*Text file input has been deprecated")
def test_rows_are_read_as_xgboost_reads_the_file(tmp_path):
    heads = [f"{label}:{weight}" for label, weight in zip(LABELS, WEIGHTS, strict=True)]
    ours = read_channel(channel(tmp_path, rows=as_libsvm(FEATURES, 1, heads)))
    theirs = xgb.DMatrix(f"{tmp_path}/rows?format=libsvm", silent=True)
    assert np.array_equal(theirs.get_data().toarray(), np.nan_to_num(ours.features))
    assert theirs.get_label().tolist() == ours.labels.tolist()
    assert theirs.get_weight().tolist() == ours.weights.tolist()


@pytest.mark.slow
def test_a_libsvm_request_to_a_model_of_csv_is_off_by_one(tmp_path):
    booster = trained(tmp_path, as_csv(LABELS, FEATURES), "text/csv")
    assert same_trees(booster, in_process(FEATURES, label=LABELS))
    shifted = with_column_0(FEATURES)[:, :3]
    body = as_libsvm(FEATURES, 1, ["0"] * 60)
    for version in (FIRST, Version("1.0-1")):
        assert answer(XGBoostModel(booster, version), body, "text/libsvm") == (200, predictions(booster, shifted))
    for version in (Version("1.2-1"), NEWER):
        status, reason = answer(XGBoostModel(booster, version), body, "text/libsvm")
        assert (status, "Number of columns does not match" in str(reason)) == (400, True)
    assert answer(XGBoostModel(booster, FIRST), as_csv(FEATURES), "text/csv") == (
        200,
        predictions(booster, FEATURES),
    )


@pytest.mark.slow
def test_a_csv_request_to_a_model_of_libsvm_from_index_1_is_off_by_one(tmp_path):
    booster = trained(tmp_path, as_libsvm(FEATURES, 1, LABELS.astype(str)))
    shifted = np.column_stack([FEATURES, np.full(60, np.nan)])
    assert answer(XGBoostModel(booster, FIRST), as_csv(FEATURES), "text/csv") == (
        200,
        predictions(booster, shifted),
    )


@pytest.mark.parametrize(
    ("body", "content_type", "found"),
    [
        ("0 0:1\n0 4:1", "text/libsvm", "libsvm inference data 5 is larger than feature size of trained model 3."),
        ("1,2,3,4,5", "text/csv", "csv inference data 5 is not consistent with feature size of trained model 3."),
        ("1", "text/csv", "csv inference data 1 is not consistent with feature size of trained model 3."),
    ],
)
def test_a_request_that_does_not_fit_the_model_is_400(body, content_type, found):
    model = XGBoostModel(in_process(FEATURES, label=LABELS), FIRST)
    expected = f"Unable to evaluate payload provided: Feature size of {found}"
    assert answer(model, body, content_type) == (400, expected)


@pytest.mark.parametrize("booster", ["gbtree", "gblinear", "dart"])
def test_narrow_and_wide_requests_are_answered_by_every_booster(booster):
    data = xgb.DMatrix(FEATURES, label=LABELS)
    model = XGBoostModel(xgb.train({"booster": booster, "objective": "reg:squarederror"}, data, 2), FIRST)
    expected = predictions(model.booster, np.array([[1, np.nan, np.nan], [np.nan, 2, np.nan]]))
    assert answer(model, "0 0:1\n0 1:2", "text/libsvm") == (200, expected)
    assert answer(model, "0 0:1\n0 1:2 3:9", "text/libsvm") == (200, expected)


@given(first=st.integers(0, 1), order=st.permutations(range(3)), unlabelled=st.booleans())
def test_requests_may_be_unordered_and_lack_labels(first, order, unlabelled):
    fields = [f"{first + index}:{index + 5}" for index in order]
    text = " ".join(fields if unlabelled else ["0", *fields])
    read = read_request(f"{text}\n{text}".encode(), "text/libsvm")
    dense = read if isinstance(read, np.ndarray) else read.toarray()
    assert dense[:, first:].tolist() == [[5, 6, 7]] * 2


# ---- weights and queries


def test_weights_of_libsvm_rows_give_the_model_of_xgboost_in_process(tmp_path):
    heads = [f"{label}:{weight}" for label, weight in zip(LABELS, WEIGHTS, strict=True)]
    booster = trained(tmp_path, as_libsvm(FEATURES, 0, heads))
    assert same_trees(booster, in_process(FEATURES, label=LABELS, weight=WEIGHTS))
    assert not same_trees(booster, in_process(FEATURES, label=LABELS))


@pytest.mark.slow
def test_csv_weights_takes_the_second_column_as_weights(tmp_path):
    booster = trained(tmp_path, as_csv(LABELS, WEIGHTS, FEATURES), "text/csv", csv_weights="1")
    assert same_trees(booster, in_process(FEATURES, label=LABELS, weight=WEIGHTS))


@pytest.mark.slow
def test_csv_weights_of_0_keeps_the_second_column_a_feature(tmp_path):
    booster = trained(tmp_path, as_csv(LABELS, WEIGHTS, FEATURES), "text/csv", csv_weights="0")
    assert same_trees(booster, in_process(np.column_stack([WEIGHTS, FEATURES]), label=LABELS))


def test_queries_are_the_groups_of_a_ranking(tmp_path):
    heads = [f"{label:g} qid:{row // 20}" for row, label in enumerate(LABELS)]
    booster = trained(tmp_path, as_libsvm(FEATURES, 0, heads), objective="rank:pairwise")
    assert same_trees(booster, in_process(FEATURES, "rank:pairwise", [20, 20, 20], label=LABELS))
    assert not same_trees(booster, in_process(FEATURES, "rank:pairwise", label=LABELS))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1:2 0:1\n0 0:2\n", "Channel train: some rows have a weight and others have none."),
        ("1:-2 0:1\n0:1 0:2\n", "Channel train: the weight -2 is negative."),
        ("1 qid:1 0:1\n0 0:2\n", "Channel train: some rows have a qid and others have none."),
        ("1:2 qid:1 0:1\n", "Channel train: rows have both a weight and a qid, but XGBoost weighs queries."),
    ],
)
def test_weights_and_queries_that_xgboost_cannot_use_are_refused(tmp_path, text, reason):
    assert refusal(channel(tmp_path, part=text)) == reason


# ---- types


def test_a_channel_without_a_type_is_libsvm_and_a_request_without_one_is_csv(tmp_path):
    assert read_channel(channel(tmp_path, part="1 0:5\n")).features.tolist() == [[5]]
    model = XGBoostModel(in_process(FEATURES, label=LABELS), FIRST)
    assert answer(model, "1,2,3") == (200, predictions(model.booster, np.array([[1, 2, 3]])))
    status, why = answer(model, "1 0:1 1:2")
    assert status == 415
    assert "ensure data is in csv format: line 1: '0:1' is not a number, with ' ' between fields" in why


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/csv; label_size=1", "text/csv"),
        ('TEXT/CSV;charset=utf-8; label_size="1"', "text/csv"),
        ("text/libsvm ;charset=utf8", "text/libsvm"),
        ("X", UserError("x is not an accepted ContentType: text/libsvm, text/x-libsvm, libsvm, text/csv, csv.")),
        ("text/csv;label_size=2", UserError("text/csv;label_size=2 is not an accepted csv ContentType.")),
        ("application/x-parquet", UserError("application/x-parquet is not an accepted ContentType")),
        ("x-recordio-protobuf", UserError("x-recordio-protobuf is not an accepted ContentType")),
    ],
)  # fmt: skip
def test_the_type_is_known_by_its_name_or_refused_by_it(content_type, expected):
    if isinstance(expected, str):
        assert media_type(content_type, "text/libsvm") == expected
        return
    with pytest.raises(UserError) as caught:
        media_type(content_type, "text/libsvm")
    assert caught.value.what.startswith(expected.what)


# ---- CSV


@pytest.mark.parametrize(
    "text",
    ["1,2\n3,4", "1,2\n3,4\n", "1,2\r\n3,4\r\n", "\n1,2\n3,4\n\n", " 1, 2\n3 ,4", "1;2\n3;4", "1\t2\n3\t4", "1 2\n3 4"],
)
def test_each_line_of_csv_is_a_row_of_a_request(text):
    assert read_request(text.encode(), "text/csv").tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "text", ["0,1,2\n1,3,4", "0,1,2\r\n1,3,4\r\n", "0,1,2\n\n1,3,4\n\n", "\ufeff0, 1,2\n1,3,4", "0;1;2\n1;3;4"]
)
def test_each_line_of_csv_is_a_row_of_a_channel(tmp_path, text):
    rows = read_channel(channel(tmp_path, "text/csv", part=text))
    assert (rows.labels.tolist(), rows.features.tolist()) == ([0, 1], [[1, 2], [3, 4]])


def test_an_empty_field_is_missing():
    assert np.isnan(read_request(b"1,,3\n,,nan", "text/csv")).tolist() == [[False, True, False], [True, True, True]]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1,2\n3", "line 2: 1 columns, but the first line has 2"),
        ("1,2\n\n3,4", "line 2: no column, but the first line has 2"),
        ('1,2\n"3",4', "line 2: '\"3\"' is not a number"),
        ("\n\n1,2\n3,x", "line 4: 'x' is not a number"),
        ("1,2\n3, ", "line 2: ' ' is not a number"),
        ("1,2\r3,4", "line 1: '2\\r3' is not a number"),
        ("1,2\n1e40,4", "line 2: a value is not a finite 32-bit float"),
        ("1;2\n3;x", "line 2: 'x' is not a number, with ';' between fields"),
        (" \n ", "line 1: the request has no row."),
    ],
)
def test_a_line_of_csv_that_cannot_be_read_is_named(text, fault):
    with pytest.raises(DataError) as caught:
        read_request(text.encode(), "text/csv")
    assert caught.value.what == fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("label,age\n1,2\n", "line 1: 'label' is not a number. {} A CSV channel has no header, numbers only."),
        ("1,2\n1,x\n", "line 2: 'x' is not a number. {}"),
        ("1,2\n\n\n,2\n", "line 4: the row lacks its label, which is the first column. {}"),
        ("1\n0\n", "line 1: 1 columns, which leaves none for features. {}"),
    ],
)
def test_an_error_in_a_channel_names_file_line_and_assumed_type(tmp_path, text, fault):
    given = channel(tmp_path, "text/csv; label_size=1", part__csv=text)
    type_ = "It is read as CSV, because the channel's ContentType is text/csv; label_size=1."
    assert refusal(given) == "/opt/ml/input/data/train/part.csv, " + fault.format(type_)


def test_a_row_without_its_weight_is_refused(tmp_path):
    assert "line 1: the row lacks its label or weight" in refusal(
        channel(tmp_path, "text/csv", part="1,,3\n"), csv_weights=True
    )


def test_csv_in_a_channel_without_a_type_is_recognized(tmp_path):
    assert refusal(channel(tmp_path, part="1,2,3\n")) == (
        "/opt/ml/input/data/train/part, line 1: Blankspace and colon not found in firstline '1,2,3'. "
        "It is read as LibSVM, because the channel has no ContentType; for CSV, set it to text/csv."
    )


def test_files_of_a_channel_have_one_number_of_columns(tmp_path):
    given = channel(tmp_path, "text/csv", a="1,2,3\n", b="1,2\n")
    assert "train/b, line 1: 2 columns, but the file before has 3" in refusal(given)


# ---- files that are no data


@pytest.mark.parametrize("content_type", ["text/libsvm", "text/csv"])
@pytest.mark.parametrize("name", ["_SUCCESS", "_committed_8", "_started_8"])
def test_a_marker_with_content_is_named_and_an_empty_one_is_no_row(tmp_path, content_type, name):
    part = "1 0:2\n" if content_type == "text/libsvm" else "1,2\n"
    assert len(read_channel(channel(tmp_path, content_type, part=part, **{name: ""}))) == 1
    marked = channel(tmp_path, content_type, part=part, **{name: json.dumps({"added": ["part-0"]})})
    kind = "Spark or Hadoop writes when a job is complete" if name == "_SUCCESS" else "Databricks writes"
    assert refusal(marked).startswith(f"/opt/ml/input/data/train/{name} is a marker that {kind}")
    assert refusal(marked).endswith("not data. XGBoost reads every file of a channel: remove this one.")


def test_a_compressed_file_is_refused_since_xgboost_would_read_its_bytes(tmp_path):
    assert "train/part is compressed with gzip" in refusal(channel(tmp_path, part=b"\x1f\x8b\x08"))


def test_a_first_line_without_blank_and_colon_is_refused_as_in_the_container(tmp_path):
    for head in ("\n", "\r\n", "1\n", "1\t0:2\n"):
        assert "train/part, line 1" in refusal(channel(tmp_path, part=f"{head}1 0:2\n"))
    assert len(read_channel(channel(tmp_path, part="1 0:2\n\n1 0:3\n\n"))) == 2


@pytest.mark.parametrize(
    "text",
    ["1 0:1 1:2 \n", "1 0:1  1:2\n", "1\t0:1 1:2\n", "1 0:1\n\n0 0:1 1:2\n", "1:2:3 0:1 1:2\n", "1\n0 0:1 1:2 \n"],
)
def test_first_lines_with_other_blanks_are_refused_by_newer_images_as_there(tmp_path, text):
    train = channel(tmp_path, part=text)
    with pytest.raises(DataError, match="is not 'LIBSVM' format"):
        check_first_lines(train)


@pytest.mark.parametrize("text", ["1 0:1 1:2\n0 0:1 \n", "1\n0 0:2\n1 0:1 1:2\r\n\n", "1:0.5 qid:1 0:2\n"])
def test_lines_after_the_first_with_two_features_may_have_other_blanks(tmp_path, text):
    check_first_lines(channel(tmp_path, part=text))
    check_first_lines(channel(tmp_path, "text/csv", part="1,2 ,3\n"))


# ---- errors of training


@pytest.mark.slow
def test_all_channels_are_read_as_the_type_of_train(tmp_path, capsys):
    for name in ("train", "validation", "model"):
        (tmp_path / name).mkdir()
    channels = {
        "train": channel(tmp_path / "train", "text/csv", part="1,2,3\n0,1,2\n"),
        "validation": channel(tmp_path / "validation", "text/libsvm", part="1 0:2 1:3\n"),
    }
    with pytest.raises(DataError, match=r"'0:2' is not a number.*the channel's ContentType is text/csv"):
        training.train(TrainingJob(tmp_path, {"num_round": "1"}, channels), FIRST)
    assert "is read as CSV, like train: its ContentType has no effect" in capsys.readouterr().out
    channels["validation"] = channel(tmp_path / "validation", None, part="1,2,3\n")
    training.train(TrainingJob(tmp_path, {"num_round": "1"}, channels), NEWER)


@pytest.mark.slow
def test_groups_of_columns_are_trained_with(tmp_path):
    for name in ("train", "model"):
        (tmp_path / name).mkdir()
    rows = "".join(f"{n % 2} 1:{n} 2:{n * n % 7} 3:{n % 5}\n" for n in range(40))
    channels = {"train": channel(tmp_path / "train", part=rows)}
    parameters = {"num_round": "2", "tree_method": "hist", "interaction_constraints": "[[1, 2], [3]]"}
    training.train(TrainingJob(tmp_path, parameters, channels), Version("1.3-1"))
    assert (tmp_path / "model" / "xgboost-model").exists()


def test_channels_of_different_width_are_refused(tmp_path):
    directories = [tmp_path / name for name in ("train", "validation", "model")]
    for directory in directories:
        directory.mkdir()
    channels = {
        name: channel(tmp_path / name, part=f"1 0:{n}\n0 {n}:5\n") for n, name in [(1, "train"), (2, "validation")]
    }
    with pytest.raises(UserError, match=r"mismatched between training and validation input.*: 2 and 3 columns"):
        training.train(TrainingJob(tmp_path, {"num_round": "1"}, channels), FIRST)


@pytest.mark.parametrize(
    ("objective", "label", "reason"),
    [
        ("binary:logistic", "40", "Label must be in [0,1] for logistic regression task."),
        ("binary:logitraw", "-2", "Label must be in [0,1] for logistic regression task."),
        ("count:poisson", "-1", "label must be non-negative for Poisson/Tweedie regression."),
        ("reg:linear", "1e39", "Label contains NaN, infinity or a value too large"),
        ("reg:gamma", "-1", "label must be positive for gamma regression."),
    ],
)
def test_a_label_outside_the_objectives_range_is_named_as_a_label(tmp_path, objective, label, reason):
    with pytest.raises(UserError) as caught:
        trained(tmp_path, f"1 0:1\n{label} 0:2\n", objective=objective)
    assert caught.value.what.startswith(reason)


def test_a_base_score_that_xgboost_estimates_wrongly_is_an_error_about_labels(tmp_path):
    with pytest.raises(UserError, match=r"Labels are outside the range of the objective reg:gamma\."):
        trained(tmp_path, "1 0:1\n-1 0:2\n", version=Version("3.0-5"), objective="reg:gamma")


def test_an_error_inside_xgboost_has_no_stack(tmp_path):
    with pytest.raises(RuntimeError) as caught:
        trained(tmp_path, "1 0:1\n2 0:2\n", version=Version("1.5-1"), objective="survival:aft")
    assert str(caught.value).startswith("XGB train call failed with exception: Check failed: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("version", "refused"), [("1", True), ("1.0-1", True), ("1.2-1", False)])
def test_weights_of_validation_are_refused_where_older_images_take_them_for_a_feature(tmp_path, version, refused):
    for name in ("train", "validation", "model"):
        (tmp_path / name).mkdir()
    rows = "1,0.5,2,3\n0,1,1,2\n"
    channels = {name: channel(tmp_path / name, "text/csv", part=rows) for name in ("train", "validation")}
    job = TrainingJob(tmp_path, {"num_round": "1", "csv_weights": "1"}, channels)
    if refused:
        with pytest.raises(UserError, match="csv_weights with a channel validation is not emulated here"):
            training.train(job, Version(version))
    else:
        training.train(job, Version(version))
