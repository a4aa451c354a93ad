import pytest

from harness.containers.runtime import UserError
from harness.containers.xgboost import hyperparameters
from harness.containers.xgboost.versions import Version

FIRST, NEWER = Version("1"), Version("1.7-1")


def read(version=FIRST, hosts=1, **given):
    return hyperparameters.read({"num_round": "10", **given}, version, hosts)


def test_texts_become_typed_values():
    values = read(eta="0.2", max_depth="5", subsample="1", eval_metric="merror,ndcg@5-", updater="grow_colmaker,prune")
    assert values["eta"] == 0.2
    assert values["max_depth"] == 5
    assert values["eval_metric"] == ["merror", "ndcg@5-"]
    assert values["updater"] == "grow_colmaker,prune"


def test_only_num_round_is_required():
    assert read() == {"num_round": 10, "objective": "reg:squarederror", "base_score": 0.5}
    with pytest.raises(UserError, match="Missing required hyperparameter: num_round"):
        hyperparameters.read({"eta": "0.1"}, FIRST)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("eta", "1.5", r"Hyperparameter eta: 1.5 is not in \[0, 1\]"),
        ("subsample", "0", r"Hyperparameter subsample: 0.0 is not in \(0, 1\]"),
        ("gamma", "-1", r"Hyperparameter gamma: -1.0 is not in \[0, inf\)"),
        ("num_round", "0", r"Hyperparameter num_round: 0 is not in \[1, inf\)"),
        ("booster", "tree", r"Hyperparameter booster: tree is not in \['gbtree', 'gblinear', 'dart'\]"),
        ("eval_metric", "merror,foo", r"Hyperparameter eval_metric: value \['merror', 'foo'\] not in range \['auc', "),
        ("max_depth", "5.5", "Hyperparameter max_depth: could not parse value"),
        ("eta", "nan", "Hyperparameter eta: could not parse value"),
        ("eta", "", "Hyperparameter eta: could not parse value"),
        ("interaction_constraints", "[[0, 1], [2", "Hyperparameter interaction_constraints: could not parse value"),
        ("foo", "1", "Extraneous hyperparameter found: foo"),
        (
            "monotone_constraints",
            "(2, 0)",
            r"monotone_constraints: value \(2, 0\) not in range \[-1, 0, 1\]",
        ),
        ("monotone_constraints", "([1], 0)", r"monotone_constraints: value \(\[1\], 0\) not in range"),
    ],
)
def test_an_invalid_value_is_refused_with_the_message_of_the_algorithm(name, text, message):
    with pytest.raises(UserError, match=message):
        read(NEWER if name.endswith("_constraints") else FIRST, **{name: text})


@pytest.mark.parametrize(
    "given",
    [
        *({"eval_metric": "rmse, mae"}, {"updater": "grow_colmaker, prune"}, {"objective": " reg:linear"}),
        {"updater": "grow_quantile_histmaker"},
    ],
)
@pytest.mark.parametrize("version", [FIRST, NEWER], ids=["first", "newer"])
def test_names_are_those_of_a_list_without_blanks(given, version):
    with pytest.raises(UserError, match=" not in "):
        read(version, **given)


OF_90, OF_10 = Version("0.90-2"), Version("1.0-1")
MONOTONE = {"monotone_constraints": "(1, 0, -1)", "tree_method": "hist"}
GROUPS = {"interaction_constraints": "[[1, 2], [3]]", "tree_method": "hist"}


@pytest.mark.parametrize(
    ("given", "refusing", "taking"),
    [
        *(({"eval_metric": name}, OF_90, OF_10) for name in ("aucpr", "cox-nloglik", "mape", "rmsle")),
        ({"eval_metric": "mphe"}, OF_10, Version("1.2-1")),
        (MONOTONE, OF_90, OF_10),
        (MONOTONE, Version("1.5-1"), Version("1.7-1")),
        (GROUPS, OF_90, OF_10),
        (GROUPS, Version("1.5-1"), Version("1.3-1")),
        ({"predictor": "auto"}, OF_10, Version("1.2-1")),
    ],
)
def test_a_version_takes_what_its_xgboost_and_its_container_know(given, refusing, taking):
    assert read(taking, **given)
    with pytest.raises(UserError):
        read(refusing, **given)


@pytest.mark.parametrize(
    "given",
    [
        *(MONOTONE | {"monotone_constraints": text} for text in ("[1, 0]", "1")),
        *(GROUPS | {"interaction_constraints": text} for text in ("[[0, 1]]", "[1, 2]", "[['a']]", "(1, 2)")),
    ],
)
def test_constraints_of_another_form_are_refused(given):
    with pytest.raises(UserError, match="could not parse value"):
        read(NEWER, **given)


def test_num_class_is_required_for_multiclass_objectives_only():
    with pytest.raises(UserError, match="Require input for parameter 'num_class' for multi-classification"):
        read(objective="multi:softmax")
    with pytest.raises(UserError, match="Do not need to setup parameter 'num_class'"):
        read(num_class="3")


def test_dropped_parameters_of_the_first_image_are_accepted():
    values = read(objective="reg:linear", silent="1", sketch_eps="0.03", dsplit="row")
    assert values == {"num_round": 10, "objective": "reg:squarederror", "base_score": 0.5}


def test_classifiers_report_errors_as_the_first_image_does():
    assert read(objective="multi:softmax", num_class="3")["eval_metric"] == ["merror"]
    assert read(objective="binary:logistic", eval_metric="auc")["eval_metric"] == ["auc"]


# Names in com.amazonaws.services.sagemaker.sparksdk.algorithms.XGBoostParams.
SDK = """alpha base_score booster colsample_bylevel colsample_bytree dsplit eta eval_metric gamma grow_policy lambda
lambda_bias max_bin max_delta_step max_depth max_leaves min_child_weight normalize_type nthread num_class num_round
objective one_drop process_type rate_drop refresh_leaf sample_type scale_pos_weight seed silent sketch_eps skip_drop
subsample tree_method tweedie_variance_power updater"""


def test_every_hyperparameter_that_the_sdk_sends_is_known():
    assert set(SDK.split()) <= set(hyperparameters.table(FIRST))


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("num_round", "1", "0"),
        ("aft_loss_distribution_scale", "0", "-0.1"),
        ("alpha", "0", "-0.1"),
        ("base_score", "-1e9", "inf"),
        ("colsample_bylevel", "1", "0"),
        ("colsample_bytree", "0.1", "1.1"),
        ("csv_weights", "0", "-1"),
        ("early_stopping_rounds", "1", "0"),
        ("eta", "0", "-0.1"),
        ("eta", "1", "1.1"),
        ("max_bin", "2", "1"),
        ("max_depth", "0", "-1"),
        ("max_leaves", "0", "-1"),
        ("nthread", "1", "0"),
        ("num_parallel_tree", "1", "0"),
        ("one_drop", "1", "2"),
        ("one_drop", "0", "-1"),
        ("scale_pos_weight", "0.001", "0"),
        ("seed", "-2147483647", "-2147483648"),
        ("seed", "2147483646", "2147483647"),
        ("sketch_eps", "0.001", "0"),
        ("sketch_eps", "0.999", "1"),
        ("tweedie_variance_power", "1.001", "1"),
        ("tweedie_variance_power", "1.999", "2"),
        ("verbosity", "0", "-1"),
        ("verbosity", "3", "4"),
    ],
)
def test_a_range_ends_where_the_algorithms_documentation_ends_it(name, inside, outside):
    version = FIRST if name in hyperparameters.table(FIRST) else NEWER
    read(version, **{name: inside})
    with pytest.raises(UserError, match=f"Hyperparameter {name}: "):
        read(version, **{name: outside})


def test_a_classifier_has_two_classes_at_least():
    assert read(objective="multi:softprob", num_class="2")["num_class"] == 2
    with pytest.raises(UserError, match="Hyperparameter num_class: 1 is not in"):
        read(objective="multi:softprob", num_class="1")


def test_a_number_that_is_not_finite_is_refused_even_where_there_is_no_bound():
    with pytest.raises(UserError, match="Hyperparameter base_score: could not parse value"):
        read(base_score="-inf")


# ---- versions of the image


@pytest.mark.parametrize(
    ("version", "name"),
    [("1", "verbosity"), ("1", "colsample_bynode"), ("1", "_kfold"), ("1", "sagemaker_program"),
     ("0.90-1", "aft_loss_distribution"), ("1.0-1", "num_parallel_tree"), ("1.2-1", "silent"),
     ("3.0-5", "huber_slope")],
)  # fmt: skip
def test_a_version_refuses_the_hyperparameters_of_others(version, name):
    with pytest.raises(UserError, match=f"Extraneous hyperparameter found: {name}"):
        read(Version(version), **{name: "1"})


def test_newer_versions_know_other_names_of_hyperparameters():
    values = read(NEWER, learning_rate="0.1", min_split_loss="2", reg_lambda="3", reg_alpha="4")
    assert {name: values[name] for name in ("eta", "gamma", "lambda", "alpha")} == {
        "eta": 0.1,
        "gamma": 2,
        "lambda": 3,
        "alpha": 4,
    }


def test_hyperparameters_of_the_sagemaker_sdk_itself_have_no_effect():
    assert read(NEWER, sagemaker_job_name='"job"', sagemaker_region='"us-east-1"') == read(NEWER)


def test_the_first_image_names_the_objective_that_was_renamed_since():
    with pytest.raises(UserError, match=r"XGBoost 0\.72 calls it reg:linear"):
        read(objective="reg:squarederror")
    assert read(NEWER, objective="reg:squarederror")["objective"] == "reg:squarederror"


@pytest.mark.parametrize("version", ["1", "0.90-2", "1.0-1", "1.2-2", "1.3-1", "1.5-1", "1.7-1"])
def test_the_base_score_is_the_documented_one_if_xgboost_does_not_estimate_it(version):
    assert read(Version(version))["base_score"] == 0.5
    assert read(Version(version), base_score="0.25")["base_score"] == 0.25
    assert "base_score" not in read(Version("3.0-5"))


@pytest.mark.parametrize(
    ("objective", "old", "new"),
    [("binary:logistic", ["error"], None), ("binary:logitraw", ["auc"], None), ("reg:gamma", ["gamma-nloglik"], None)],
)
def test_default_metrics_changed_with_xgboost_1_3(objective, old, new):
    assert read(Version("1.2-2"), objective=objective)["eval_metric"] == old
    assert read(Version("1.3-1"), objective=objective).get("eval_metric") == new


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"process_type": "update", "updater": "refresh"}, "process_type: update is not emulated here"),
        ({"booster": "gblinear", "lambda_bias": "0.5"}, "lambda_bias: 0.5 is not emulated here: XGBoost dropped it"),
        ({"updater": "grow_skmaker,prune"}, "updater: grow_skmaker,prune is not emulated here: XGBoost dropped"),
        ({"tree_method": "gpu_hist"}, "tree_method: gpu_hist is not emulated here: there is no GPU"),
        ({"predictor": "gpu_predictor"}, "predictor: gpu_predictor is not emulated"),
        ({"sampling_method": "gradient_based"}, "sampling_method: gradient_based is not emulated"),
        ({"use_dask_gpu_training": "true"}, "use_dask_gpu_training: true is not emulated"),
        ({"eval_metric": "rmse,accuracy"}, "eval_metric: rmse,accuracy is not emulated here: accuracy is computed by"),
        ({"_kfold": "3"}, "_kfold: cross validation is not emulated"),
        ({"_tuning_objective_metric": "validation:rmse"}, "_tuning_objective_metric: hyperparameter tuning is not"),
        ({"sagemaker_program": "train.py"}, "sagemaker_program: script mode is not emulated"),
        ({"sagemaker_submit_directory": "s3://b/k"}, "sagemaker_submit_directory: script mode is not emulated"),
    ],
)  # fmt: skip
def test_what_cannot_be_given_here_is_refused_by_name(given, reason):
    with pytest.raises(UserError, match=f"Hyperparameter {reason}") as error:
        read(NEWER, **given)
    assert error.value.fix


def test_columns_are_not_divided_among_hosts():
    assert "dsplit" not in read(dsplit="col")
    with pytest.raises(UserError, match="dsplit: col is not emulated here: columns cannot be divided among hosts"):
        read(hosts=2, dsplit="col")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"updater": "prune"}, "updater: prune changes trees, and a job starts without any"),
        ({"updater": "grow_colmaker,grow_histmaker"}, "Only one tree grow plugin can be selected"),
        ({"updater": "shotgun"}, "Tree updater should be selected from these options"),
        ({"updater": "prune", "booster": "gblinear"}, "Linear updater should be one of these options: 'shotgun'"),
        ({"eval_metric": "auc", "objective": "multi:softmax", "num_class": "3"}, "Metric 'auc' can only be applied"),
        ({"eval_metric": "aft-nloglik"}, "Metric 'aft-nloglik' can only be applied for 'survival:aft'"),
        ({"eval_metric": "rmse@2"}, "Metric 'rmse@2' is not supported. Parameter 'eval_metric' with customized"),
        ({"eval_metric": "map@3-"}, "Threshold value 't' in 'map@t' expects float input"),
        ({"monotone_constraints": "(1,0)"}, "monotone_constraints can be used only when the tree_method"),
        ({"interaction_constraints": "[[1,2]]"}, "interaction_constraints can be used only when the tree_method"),
    ],
)
def test_hyperparameters_that_contradict_each_other_are_refused_as_the_container_does(given, message):
    with pytest.raises(UserError, match=message):
        read(NEWER, **given)


def test_the_sketch_of_old_versions_becomes_the_number_of_bins_that_replaced_it():
    assert read(tree_method="approx", sketch_eps="0.03")["max_bin"] == 34
    assert "max_bin" not in read(tree_method="hist", sketch_eps="0.03")
    assert "max_bin" not in read(NEWER, tree_method="approx", sketch_eps="0.03")


def test_a_stopped_job_of_a_newer_version_leaves_a_model_only_if_asked():
    assert hyperparameters.keeps_stopped_model({}, FIRST)
    assert not hyperparameters.keeps_stopped_model({}, NEWER)
    assert hyperparameters.keeps_stopped_model({"save_model_on_termination": "true"}, NEWER)
