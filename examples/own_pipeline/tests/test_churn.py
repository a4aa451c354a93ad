"""Tests of the pipeline. They are the same on this machine and in AWS (``--harness-mode=real``)."""

import churn
import pytest

from harness.errors import PipelineError


def test_incomplete_customers_are_left_out(rows):
    assert rows.count() == 296


def test_the_model_finds_most_of_those_who_leave(model, rows):
    predictions = model.transform(rows).select("label", "prediction").collect()
    left = [row.prediction for row in predictions if row.label == 1]
    assert sum(probability > 0.5 for probability in left) / len(left) > 0.8


def test_every_customer_gets_a_probability_in_parquet(spark, model, rows, data):
    churn.score(model, rows, data + "predictions")
    written = spark.read.parquet(data + "predictions")
    assert written.count() == rows.count()
    assert written.where("prediction BETWEEN 0 AND 1").count() == rows.count()


def test_the_whole_program_leaves_nothing_but_its_predictions(
    spark, data, sagemaker_role, estimator_options, ledger, monkeypatch
):
    options, estimator = estimator_options(), churn.estimator
    monkeypatch.setenv("SAGEMAKER_ROLE", sagemaker_role)
    monkeypatch.setattr(churn, "estimator", lambda **own: estimator(**{**own, **options}))
    with ledger.tagging():
        churn.main(data + "customers.csv", data + "program")
    assert spark.read.parquet(data + "program").count() == 296


def test_a_job_that_fails_says_why(sagemaker_fit, estimator_options, rows):
    estimator = churn.estimator(**estimator_options())
    estimator.setObjective("rank:pairwise")  # needs groups, which these rows have not
    with pytest.raises(PipelineError, match="needs groups of rows"):
        sagemaker_fit(estimator, rows)
