"""A user's own estimator: ``estimator_options`` and ``sagemaker_fit``, and the checks of every ``fit``."""

import json
import os
import warnings
from dataclasses import replace

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.linalg import Vectors
from pyspark.sql.functions import lit, udf
from sagemaker_pyspark import EndpointCreationPolicy, IAMRole
from sagemaker_pyspark.algorithms import XGBoostSageMakerEstimator

from harness.aws.account.spending import Spending
from harness.aws.pricing import PriceFile
from harness.errors import DataError, PipelineError, SettingsError

pytestmark = [pytest.mark.slow, pytest.mark.spark]


@pytest.fixture(scope="module")
def estimator(estimator_options):
    """Make an estimator with hyperparameters, and without an endpoint, which takes time."""

    def estimator(**hyperparameters):
        no_endpoint = EndpointCreationPolicy.DO_NOT_CREATE
        built = XGBoostSageMakerEstimator(**estimator_options(), endpointCreationPolicy=no_endpoint)
        for name, value in ({"objective": "binary:logistic", "num_round": 1} | hyperparameters).items():
            built.set(built.getParam(name), value)
        return built

    return estimator


@pytest.fixture(scope="module")
def rows(spark):
    """Make rows with these labels."""

    def rows(*labels):
        table = [(label, Vectors.dense([float(number), 1.0])) for number, label in enumerate(labels)]
        return spark.createDataFrame(table, ["label", "features"])

    return rows


def jobs(aws):
    return aws.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]


def test_an_estimator_of_ones_own_is_trained_and_recorded(sagemaker_fit, estimator, rows, ledger):
    own = estimator()
    model = sagemaker_fit(own, rows(0.0, 1.0, 0.0))
    assert own.latestTrainingJob in {resource.name for resource in ledger.created}
    assert model.modelPath.toS3UriString().startswith(f"s3://{ledger.bucket}/hsh-{ledger.run}-")


@pytest.mark.parametrize("fit", ["sagemaker_fit", "fit"])
def test_rows_that_would_be_lost_are_refused_by_every_fit(fit, sagemaker_fit, estimator, rows, aws):
    before = len(jobs(aws))
    fit = sagemaker_fit if fit == "sagemaker_fit" else lambda own, frame: own.fit(frame)
    with pytest.raises(DataError, match="1 of 3 rows have no label"):
        fit(estimator(), rows(0.0, None, 1.0))
    assert len(jobs(aws)) == before


def test_labels_that_the_objective_cannot_train_on_are_named_as_labels(estimator, rows):
    with pytest.raises(DataError, match="1 of 3 rows have a label that is not a number from 0 to 1"):
        estimator().fit(rows(0.0, 2.0, 1.0))


def test_columns_that_are_not_sent_may_be_there(sagemaker_fit, estimator_options, rows):
    options = {**estimator_options(), "trainingProjectedColumns": ["label", "features"]}
    own = XGBoostSageMakerEstimator(**options, endpointCreationPolicy=EndpointCreationPolicy.DO_NOT_CREATE)
    own.setNumRound(1)
    sagemaker_fit(own, rows(0.0, 1.0).withColumn("customer", lit("a")))


@pytest.fixture(scope="module")
def dense_model(sagemaker_fit, estimator_options, rows):
    """A model behind an endpoint, trained on dense vectors of two features."""
    own = XGBoostSageMakerEstimator(**estimator_options())
    own.setNumRound(1)
    return sagemaker_fit(own, rows(0.0, 1.0, 0.0))


@pytest.fixture(scope="module")
def mixed(spark):
    """One dense vector and two sparse ones, all of two features."""
    vectors = [Vectors.dense(1.0, 0.0), Vectors.sparse(2, [0], [1.0]), Vectors.sparse(2, [], [])]
    return spark.createDataFrame([(0.0, vector) for vector in vectors], ["label", "features"])


def test_rows_to_score_of_another_kind_than_those_trained_on_are_warned_of_with_the_fix(dense_model, mixed):
    with pytest.warns(UserWarning, match="2 of the first 3 rows to score are sparse vectors") as warned:
        dense_model.transform(mixed)
    [ours] = [warning for warning in warned if warning.category is UserWarning]
    assert "in your preparation, so that training and scoring both get it" in str(ours.message)
    assert ours.filename == __file__


def test_rows_to_score_of_another_width_than_those_trained_on_are_warned_of(dense_model, spark):
    wide = spark.createDataFrame([(0.0, Vectors.dense(1.0, 0.0, 2.0))], ["label", "features"])
    with pytest.warns(UserWarning, match="have 3 features, but the model was trained on 2"):
        dense_model.transform(wide.randomSplit([1.0], 7)[0])


def test_transform_is_silent_for_rows_as_in_training_and_where_a_look_would_cost(dense_model, mixed, rows, benchmark):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert dense_model.transform(rows(1.0)).count() == 1
        dense_model.transform(mixed.repartition(2))
        benchmark.pedantic(dense_model.transform, [mixed], rounds=1)


def test_rows_to_score_that_cannot_be_computed_fail_in_the_users_action_as_without_a_look(dense_model, rows):
    broken = udf(lambda _: 1 / 0, "double")
    scored = dense_model.transform(rows(0.0).withColumn("label", broken("label")).where("label > 0"))
    with pytest.raises(Exception, match="ZeroDivisionError"):
        scored.count()


def test_other_rows_than_those_of_the_frame_fail_the_fit(estimator, rows):
    chance = udf(lambda _: os.urandom(1)[0] < 128, "boolean").asNondeterministic()
    changing = rows(*[0.0, 1.0] * 500).where(chance("label"))  # other rows in each pass
    with pytest.raises(PipelineError, match=r"of \d+ rows were trained on"):
        [estimator().fit(changing) for _ in range(5)]  # the numbers of two passes are sometimes equal


def test_names_that_no_ledger_knows_are_refused(sagemaker_fit, rows, aws):
    instances = {"trainingInstanceCount": 1, "endpointInitialInstanceCount": 1}
    types = dict.fromkeys(("trainingInstanceType", "endpointInstanceType"), "ml.m4.xlarge")
    own = XGBoostSageMakerEstimator(sagemakerRole=IAMRole(aws.role), **instances, **types)
    with pytest.raises(SettingsError, match="which no ledger records") as refused:
        sagemaker_fit(own, rows(0.0, 1.0))
    assert "estimator_options()" in refused.value.fix


def test_an_estimator_fits_once(sagemaker_fit, estimator, rows):
    own = estimator()
    sagemaker_fit(own, rows(0.0, 1.0))
    with pytest.raises(SettingsError, match="was used for training job"):
        sagemaker_fit(own, rows(0.0, 1.0))


def test_a_failed_fit_is_reported_with_the_containers_last_words_and_a_fix(sagemaker_fit, estimator, rows):
    with pytest.raises(PipelineError, match=r"Stage 'fit' failed: .* needs groups of rows") as failed:
        sagemaker_fit(estimator(objective="rank:pairwise"), rows(0.0, 1.0))
    assert "the container's last lines: " in failed.value.checked
    assert failed.value.fix


# --- the cost of a session --------------------------------------------------------------------------------------------


@pytest.fixture
def bound(ledger, harness_settings, tmp_path, monkeypatch):
    """Hold the session to a bound, for 2 hours at USD 0.25 an hour of each instance."""
    prices = {"ml.m4.xlarge": {"training": 0.25, "hosting": 0.25}}
    (tmp_path / "prices.json").write_text(json.dumps({"source": "a list", "date": "2026-11-01", "prices": prices}))

    def bound(usd):
        spending = Spending(PriceFile(tmp_path / "prices.json"), replace(harness_settings, max_hours=2.0), usd)
        monkeypatch.setattr(ledger, "spending", spending)
        return spending

    return bound


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"endpointInitialInstanceCount": 2}, "USD 1\\.50, above --harness-max-cost 1"),
        ({"endpointInstanceType": "ml.p3.16xlarge"}, "No price is known of ml.p3.16xlarge for hosting"),
    ],
)
@pytest.mark.parametrize("fit", ["sagemaker_fit", "fit"])
def test_every_fit_is_held_to_the_bound_with_its_own_instances(
    fit, changed, message, sagemaker_fit, estimator_options, rows, aws, bound
):
    spending, before = bound(1.0), len(jobs(aws))
    own = XGBoostSageMakerEstimator(**{**estimator_options(), "trainingMaxRuntimeInSeconds": 7200, **changed})
    with pytest.raises(SettingsError, match=message):
        sagemaker_fit(own, rows(0.0, 1.0)) if fit == "sagemaker_fit" else own.fit(rows(0.0, 1.0))
    assert (len(jobs(aws)), spending.total) == (before, 0)


def test_the_stages_of_a_pipeline_are_held_to_the_bound_together(sagemaker_fit, estimator, rows, aws, bound):
    spending, before = bound(0.9), len(jobs(aws))
    with pytest.raises(SettingsError, match=r"^This fit could bring this session's cost to USD 1\.00"):
        sagemaker_fit(Pipeline(stages=[estimator(), estimator()]), rows(0.0, 1.0))
    assert (len(jobs(aws)), spending.total) == (before, 0)


def test_a_fit_without_an_endpoint_costs_its_training_only_and_less_once_that_has_ended(
    sagemaker_fit, estimator, rows, bound
):
    spending = bound(0.5)
    sagemaker_fit(estimator(), rows(0.0, 1.0, 0.0))
    assert 0 < spending.total < 0.25
