"""Growth of loading, ``fit`` and ``transform`` with the number of rows, and the memory of the local AWS meanwhile.

Each number of ``--rows`` is done once, after a round with the smallest one. The exponent is that of the power law
between the two largest: 1.0 is time in proportion to the rows. Constant times lower it, so give large numbers.
"""

import math
import time

import pytest
from in_spark import FORMS, consume, load
from sdk_text import row_sizes
from test_loading import local_files, splits  # noqa: F401 - a fixture

from harness import mnist
from harness.bench.results.provenance import mnist_hash
from harness.pipeline.failures import rows_logged
from harness.pipeline.pipeline import fit_in_parts
from harness.regions import sample_bucket


@pytest.fixture
def frame(spark, aws):
    """Return a number of MNIST's rows, from S3A or from a directory."""

    def frame(rows, form, directory=None):
        root = directory or f"s3a://{sample_bucket(aws.region)}/spark/mnist"
        return load(spark, [f"{root}/{split}" for split in splits(rows)], form)

    return frame


@pytest.fixture
def grows(benchmark, record_value, record_work, aws, sizes):
    """Measure an action for each number of rows, and record the exponent."""

    def measure(action, size_of):
        action(sizes[0])
        seconds = {}
        for rows in sizes[:-1]:
            began = time.perf_counter()
            action(rows)
            seconds[rows] = time.perf_counter() - began
        benchmark.pedantic(action, args=sizes[-1:], rounds=1)
        record_work(rows=sizes[-1], size=size_of(sizes[-1]), dataset=mnist_hash())
        if not benchmark.stats:
            return
        seconds[sizes[-1]] = benchmark.stats.stats.max
        record_value("seconds by rows", {f"{rows:,}": round(each, 2) for rows, each in seconds.items()})
        if len(sizes) > 1:
            less, more = sizes[-2:]
            record_value("exponent", round(math.log(seconds[more] / seconds[less]) / math.log(more / less), 3))
        if aws.mode == "mock":
            record_value("memory of the local AWS at its peak, MB", round(aws.status()["peak_memory"] / 1e6))

    return measure


def sent(form):
    """Return a function that returns the bytes of a number of rows as the SDK sends them."""
    return lambda rows: sum(int(row_sizes(mnist.load(split).images, form).sum()) for split in splits(rows))


@pytest.mark.benchmark(group="growth")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("source", ["s3a", "disk"])
def test_growth_of_loading(grows, frame, local_files, source, form):  # noqa: F811 - a fixture
    directory = local_files if source == "disk" else None

    def read(rows):
        assert consume(frame(rows, form, directory)) == rows

    grows(read, lambda rows: sum((local_files / split).stat().st_size for split in splits(rows)))


@pytest.mark.benchmark(group="growth")
@pytest.mark.parametrize("form", FORMS)
def test_growth_of_transform(grows, trained_model, frame, form):
    def transform(rows):
        assert consume(trained_model.transform(frame(rows, form))) == rows

    grows(transform, sent(form))


@pytest.mark.benchmark(group="growth")
@pytest.mark.parametrize("form", FORMS)
def test_growth_of_fit(grows, aws, ledger, harness_settings, frame, form):
    ledger.make_bucket()

    def fit(rows):
        names = ledger.names(harness_settings)
        fit_in_parts(aws, ledger, harness_settings, names, frame(rows, form))
        assert rows_logged(aws, names.training_job) in (rows, None)  # AWS may show a log late
        assert ledger.clean_up(names.resources) == []

    grows(fit, sent(form))
