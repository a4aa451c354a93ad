"""``fit``: upload, training and hosting, each round with names from the ledger and its own cleanup."""

from statistics import median

import pytest
from sdk_text import row_sizes

from harness import mnist
from harness.bench.results.provenance import mnist_hash
from harness.pipeline.failures import rows_logged
from harness.pipeline.pipeline import fit_in_parts
from harness.spark.data import read_mnist

ROUNDS = {"mock": 3, "real": 1}
FEW_ROWS = 3000
"""Unless the number is given: all 60,000 take half a minute a round, most of it to train, which is XGBoost's."""


@pytest.mark.benchmark(group="fit")
def test_fit(benchmark, record_value, record_work, spark, aws, ledger, harness_settings):
    given = harness_settings.origin("train_rows") != "the default"
    rows = harness_settings.train_rows if given else FEW_ROWS
    train = read_mnist(spark, aws, "train", rows)
    ledger.make_bucket()
    fits, parts = [], []

    def fit(names):
        parts.append(fit_in_parts(aws, ledger, harness_settings, names, train)[1])

    def name():
        if fits:
            clean_up()
        fits.append(ledger.names(harness_settings))
        return (fits[-1],), {}

    def clean_up():
        assert rows_logged(aws, fits[-1].training_job) in (rows, None)  # AWS may show a log late
        assert ledger.clean_up(fits[-1].resources) == []

    benchmark.pedantic(fit, setup=name, rounds=ROUNDS[aws.mode])
    clean_up()
    size = int(row_sizes(mnist.load("train", rows).images, "dense").sum())
    record_work(rows=rows, size=size, dataset=mnist_hash())
    record_value("parts, seconds", {part: round(median(each[part] for each in parts), 2) for part in parts[0]})
