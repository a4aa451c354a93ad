import pytest

from harness.containers.runtime import UserError
from harness.containers.xgboost import hyperparameters
from harness.containers.xgboost.hyperparameters import TABLE


def read(**given):
    return hyperparameters.read({"num_round": "10", **given})


def test_texts_become_typed_values():
    values = read(eta="0.2", max_depth="5", subsample="1", eval_metric="merror, ndcg@5-", updater="grow_colmaker,prune")
    assert values["eta"] == 0.2
    assert values["max_depth"] == 5
    assert values["eval_metric"] == ["merror", "ndcg@5-"]
    assert values["updater"] == "grow_colmaker,prune"


def test_only_num_round_is_required():
    assert read() == {"num_round": 10}
    with pytest.raises(UserError, match="Missing required hyperparameter: num_round"):
        hyperparameters.read({"eta": "0.1"})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("eta", "1.5", r"Hyperparameter eta: 1.5 is not in \[0, 1\]"),
        ("subsample", "0", r"Hyperparameter subsample: 0.0 is not in \(0, 1\]"),
        ("gamma", "-1", r"Hyperparameter gamma: -1.0 is not in \[0, inf\)"),
        ("num_round", "0", r"Hyperparameter num_round: 0 is not in \[1, inf\)"),
        ("booster", "tree", r"Hyperparameter booster: tree is not in \['gbtree', 'gblinear', 'dart'\]"),
        ("eval_metric", "merror,foo", "Hyperparameter eval_metric: foo is not in"),
        ("max_depth", "5.5", "Hyperparameter max_depth: could not parse value"),
        ("eta", "nan", "Hyperparameter eta: could not parse value"),
        ("eta", "", "Hyperparameter eta: could not parse value"),
        ("interaction_constraints", "[[0, 1], [2", "Hyperparameter interaction_constraints: could not parse value"),
        ("foo", "1", "Extraneous hyperparameter found: foo"),
        ("csv_weights", "1", "csv_weights: weights in the second column of CSV are not emulated here"),
    ],
)
def test_an_invalid_value_is_refused_with_the_message_of_the_algorithm(name, text, message):
    with pytest.raises(UserError, match=message):
        read(**{name: text})


def test_num_class_is_required_for_multiclass_objectives_only():
    with pytest.raises(UserError, match="Require input for parameter 'num_class' for multi-classification"):
        read(objective="multi:softmax")
    with pytest.raises(UserError, match="Do not need to setup parameter 'num_class'"):
        read(num_class="3")


def test_dropped_parameters_of_the_first_image_are_accepted():
    values = read(objective="reg:linear", silent="1", sketch_eps="0.03", dsplit="row")
    assert values == {"num_round": 10, "objective": "reg:squarederror"}


def test_classifiers_report_errors_as_the_first_image_does():
    assert read(objective="multi:softmax", num_class="3")["eval_metric"] == "merror"
    assert read(objective="binary:logistic", eval_metric="auc")["eval_metric"] == ["auc"]


# Names in com.amazonaws.services.sagemaker.sparksdk.algorithms.XGBoostParams.
SDK = """alpha base_score booster colsample_bylevel colsample_bytree dsplit eta eval_metric gamma grow_policy lambda
lambda_bias max_bin max_delta_step max_depth max_leaves min_child_weight normalize_type nthread num_class num_round
objective one_drop process_type rate_drop refresh_leaf sample_type scale_pos_weight seed silent sketch_eps skip_drop
subsample tree_method tweedie_variance_power updater"""


def test_every_hyperparameter_that_the_sdk_sends_is_known():
    assert set(SDK.split()) <= set(TABLE)


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("num_round", "1", "0"),
        ("aft_loss_distribution_scale", "0.1", "0"),
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
        ("seed", "-2147483648", "-2147483649"),
        ("seed", "2147483647", "2147483648"),
        ("sketch_eps", "0.001", "0"),
        ("sketch_eps", "0.999", "1"),
        ("tweedie_variance_power", "1.001", "1"),
        ("tweedie_variance_power", "1.999", "2"),
        ("verbosity", "0", "-1"),
        ("verbosity", "3", "4"),
    ],
)
def test_a_range_ends_where_the_algorithms_documentation_ends_it(name, inside, outside):
    read(**{name: inside})
    with pytest.raises(UserError, match=f"Hyperparameter {name}: "):
        read(**{name: outside})


def test_a_classifier_has_two_classes_at_least():
    assert read(objective="multi:softprob", num_class="2")["num_class"] == 2
    with pytest.raises(UserError, match="Hyperparameter num_class: 1 is not in"):
        read(objective="multi:softprob", num_class="1")


def test_a_number_that_is_not_finite_is_refused_even_where_there_is_no_bound():
    with pytest.raises(UserError, match="Hyperparameter base_score: could not parse value"):
        read(base_score="-inf")
