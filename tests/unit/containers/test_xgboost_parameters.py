"""Every hyperparameter gives the model that ``xgboost.train`` gives with the values that AWS documents."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.containers.runtime import UserError, read_job
from harness.containers.xgboost import hyperparameters, serving, training
from harness.containers.xgboost.versions import Version

COLUMNS = 4
LABELS = {
    "binary:logistic": lambda x: x > 0,
    "binary:logitraw": lambda x: x > 0,
    "count:poisson": lambda x: np.floor(np.abs(x) * 3),
    "multi:softmax": lambda x: np.digitize(x, [-0.5, 0.5]),
    "multi:softprob": lambda x: np.digitize(x, [-0.5, 0.5]),
    "reg:gamma": lambda x: np.abs(x) + 0.1,
    "reg:linear": lambda x: x * 10 + 50,
    "reg:logistic": lambda x: x > 0,
    "reg:tweedie": lambda x: np.abs(x) * (x > 0),
    "survival:cox": lambda x: x + np.sign(x),
}
"""Objectives of every version, and their labels for a normally distributed number."""

# The defaults of https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-72.html.
DOCUMENTED = {
    "alpha": 0,
    "colsample_bylevel": 1,
    "colsample_bytree": 1,
    "eta": 0.3,
    "gamma": 0,
    "grow_policy": "depthwise",
    "lambda": 1,
    "max_bin": 256,
    "max_delta_step": 0,
    "max_depth": 6,
    "max_leaves": 0,
    "min_child_weight": 1,
    "normalize_type": "tree",
    "one_drop": 0,
    "process_type": "default",
    "rate_drop": 0,
    "refresh_leaf": 1,
    "sample_type": "uniform",
    "scale_pos_weight": 1,
    "seed": 0,
    "skip_drop": 0,
    "subsample": 1,
    "tree_method": "auto",
}
METRICS = {"binary:logistic": "error", "binary:logitraw": "auc", "multi:softmax": "merror", "multi:softprob": "merror"}

COMMON = {
    "alpha": st.sampled_from([0.0, 0.5]),
    "base_score": st.sampled_from([0.3, 0.7]),
    "eta": st.sampled_from([0.0, 0.1, 1.0]),
    "lambda": st.sampled_from([0.0, 2.0]),
    "scale_pos_weight": st.sampled_from([0.5, 3.0]),
    "seed": st.integers(-5, 5),
    "silent": st.sampled_from([0, 1]),
    "dsplit": st.sampled_from(["row", "col"]),
    "eval_metric": st.sampled_from(["mae", "rmse,mae"]),
    "early_stopping_rounds": st.integers(1, 2),
}
TREES = {
    "colsample_bylevel": st.sampled_from([0.5, 1.0]),
    "colsample_bytree": st.sampled_from([0.5, 1.0]),
    "gamma": st.sampled_from([0.0, 0.5]),
    "grow_policy": st.sampled_from(["depthwise", "lossguide"]),
    "max_bin": st.sampled_from([2, 16]),
    "max_delta_step": st.sampled_from([0.0, 0.2]),
    "max_depth": st.integers(1, 3),
    "max_leaves": st.sampled_from([0, 3]),
    "min_child_weight": st.sampled_from([0.0, 3.0]),
    "subsample": st.sampled_from([0.5, 1.0]),
    "tree_method": st.sampled_from(["auto", "exact", "approx", "hist"]),
    "tweedie_variance_power": st.sampled_from([1.2, 1.8]),
    "updater": st.sampled_from(["grow_colmaker,prune", "grow_histmaker"]),
}
DROPOUT = {
    "normalize_type": st.sampled_from(["tree", "forest"]),
    "one_drop": st.sampled_from([0, 1]),
    "rate_drop": st.sampled_from([0.0, 0.5]),
    "sample_type": st.sampled_from(["uniform", "weighted"]),
    "skip_drop": st.sampled_from([0.0, 0.5]),
}
BOOSTERS = {
    "gbtree": {**COMMON, **TREES},
    "dart": {**COMMON, **TREES, **DROPOUT},
    "gblinear": {**COMMON, "updater": st.just("coord_descent"), "lambda_bias": st.just(0.0)},
}


@st.composite
def jobs(draw):
    """Draw a version, an objective, hyperparameters, and whether there is a validation channel."""
    version = Version(draw(st.sampled_from(["1", "1.0-1", "1.7-1", "3.0-5"])))
    booster = draw(st.sampled_from(sorted(BOOSTERS)))
    chosen = draw(st.fixed_dictionaries({}, optional=BOOSTERS[booster]))
    if version.xgboost >= (1, 2):
        chosen.pop("silent", None)
    if booster == "gblinear" and version.uses_callbacks:
        chosen.pop("early_stopping_rounds", None)  # fails the job, as on AWS
    objective = draw(st.sampled_from(sorted(LABELS)))
    if "multi" in objective:
        chosen = {name: "merror,mlogloss" if name == "eval_metric" else value for name, value in chosen.items()}
    fixed = {"num_round": 5, "nthread": 1, "booster": booster, "objective": objective}
    return version, {**chosen, **fixed, **({"num_class": 3} if "multi" in objective else {})}, draw(st.booleans())


def data(objective, seed):
    values = np.random.default_rng(seed).normal(size=(40, COLUMNS)).astype(np.float32)
    return values, LABELS[objective](values[:, 0]).astype(np.float64)


def expected(version, chosen, channels):
    """Return the predictions and the number of rounds of the documented parameters."""
    chosen = dict(chosen)
    rounds, patience = chosen.pop("num_round"), chosen.pop("early_stopping_rounds", None)
    objective = chosen["objective"]
    defaults = dict(DOCUMENTED)
    if not version.name.startswith("3") and "multi" not in objective:
        defaults["base_score"] = 0.5
    if chosen["booster"] == "gblinear":  # every version of XGBoost has other defaults for linear models
        defaults = {
            "lambda": 0,
            "alpha": 0,
            "eta": 0.5,
            **{name: defaults[name] for name in defaults.keys() & {"base_score"}},
        }
    if objective == "count:poisson":
        defaults["max_delta_step"] = 0.7
    if version.xgboost < (1, 3) and objective in METRICS:
        defaults["eval_metric"] = METRICS[objective]
    for name in ("silent", "dsplit", "lambda_bias"):
        chosen.pop(name, None)
    asked = chosen.get("eval_metric")
    if asked:
        chosen["eval_metric"] = asked.split(",")
    chosen["objective"] = objective.replace("reg:linear", "reg:squarederror")
    matrices = {name: xgb.DMatrix(rows, labels) for name, (rows, labels) in channels.items()}
    if version.uses_callbacks and (not asked or "validation" not in channels):
        patience = None
    evals = [(matrix, name) for name, matrix in matrices.items()]
    booster = xgb.train(
        {**defaults, **chosen},
        matrices["train"],
        rounds,
        evals=evals,
        early_stopping_rounds=patience,
        verbose_eval=False,
    )
    if patience and chosen["booster"] != "gblinear":
        return booster.predict(matrices["train"], iteration_range=(0, booster.best_iteration + 1))
    return booster.predict(matrices["train"])


def prepare(base, chosen, channels):
    config = base / "input" / "config"
    config.mkdir(parents=True)
    (base / "model").mkdir()
    texts = {name: str(value) for name, value in {"nthread": 1, **chosen}.items()}
    (config / "hyperparameters.json").write_text(json.dumps(texts))
    (config / "inputdataconfig.json").write_text(json.dumps({name: {"ContentType": "text/csv"} for name in channels}))
    (config / "resourceconfig.json").write_text(json.dumps({"hosts": ["algo-1"], "current_host": "algo-1"}))
    for name, (rows, labels) in channels.items():
        directory = base / "input" / "data" / name
        directory.mkdir(parents=True)
        np.savetxt(directory / "part", np.column_stack([labels, rows]), delimiter=",", fmt="%r")


def trained(version, chosen, channels):
    """Return the model that the container serves after the job."""
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), chosen, channels)
        training.train(read_job(Path(name)), version)
        return serving.load(Path(name) / "model", version)


@pytest.mark.slow
@settings(max_examples=30, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(jobs())
def test_a_model_predicts_as_xgboost_with_the_documented_parameters_does(job):
    version, chosen, validates = job
    channels = {"train": data(chosen["objective"], 1)}
    if validates:
        channels["validation"] = data(chosen["objective"], 2)
    model = trained(version, chosen, channels)
    assert np.array_equal(model.predict(channels["train"][0]), expected(version, chosen, channels))


@pytest.mark.parametrize("objective", ["rank:pairwise", "rank:ndcg", "rank:map"])
def test_a_ranking_without_groups_is_refused_instead_of_trained_as_one_group(objective):
    channels = {"train": data("reg:logistic", 1)}
    with pytest.raises(UserError, match=f"Hyperparameter objective: {objective} needs groups of rows"):
        trained(Version("1"), {"num_round": 1, "objective": objective}, channels)


@pytest.mark.parametrize("metric", ["error", "error@0.7", "map@5", "ndcg@10"])
def test_a_metric_may_have_its_threshold(metric):
    given = {"num_round": "1", "objective": "rank:pairwise", "eval_metric": metric}
    assert hyperparameters.read(given, Version("1.7-1"))["eval_metric"] == [metric]


@pytest.mark.parametrize("metric", ["auc@0.5", "ndcg@5-"])
def test_a_threshold_that_is_none_is_refused(metric):
    given = {"num_round": "1", "objective": "rank:pairwise", "eval_metric": metric}
    with pytest.raises(UserError, match=metric.partition("@")[0]):
        hyperparameters.read(given, Version("1.7-1"))
