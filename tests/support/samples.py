"""Made-up results of benchmarks for tests, with known values."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from harness import mnist
from harness.bench.results.reader import Benchmark, Result
from harness.pipeline import plots
from harness.pipeline.outcome import confusion_counts

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
MACHINE = {"node": "here", "cpu": {"brand_raw": "Made-up 3000", "count": 2}, "python_version": "3.11.7"}
MOCK = {"mode": "mock", "endpoint_instance_type": "ml.m5.large", "rows": 1000, "bytes": 2_000_000}


def result(number, times, commit=None, extra_info=MOCK, machine=MACHINE):
    """Return one run: ``times`` are the rounds' seconds by benchmark; ``commit`` is a number, by default its own."""
    commit = number if commit is None else commit
    benchmarks = {
        name: Benchmark(
            name=name,
            group="transform",
            times=tuple(rounds),
            median=float(np.median(rounds)),
            mean=float(np.mean(rounds)),
            extra_info=extra_info,
        )
        for name, rounds in times.items()
    }
    made = {"id": f"{commit:09x}ffff", "time": (START + timedelta(hours=commit)).isoformat(), "dirty": False}
    date = START + timedelta(days=30, minutes=number)
    return Result(Path(f"{number}.json"), date, "5.3.1", machine, made, benchmarks)


def history(medians, name="benchmarks/test_x.py::test_transform[dense]"):
    """Return one run for each median, each with a different commit and three rounds around the median."""
    return [result(number, {name: [0.99 * m, m, 1.01 * m]}) for number, m in enumerate(medians)]


def noisy(count, seconds=0.1, noise=0.03, seed=0):
    """Return ``count`` medians with log-normal noise."""
    return seconds * np.exp(noise * np.random.default_rng(seed).normal(size=count))


def on_instances(runs=1):
    """Return runs in AWS on each of four instance types, of which the last is beaten by the others; prices made up."""
    offers = [("ml.m5.large", 0.4, 0.115), ("ml.c5.xlarge", 0.2, 0.204), ("ml.c5.4xlarge", 0.1, 0.816)]
    return [
        result(
            5000 + 4 * run + number,
            {"benchmarks/test_x.py::test_transform": [each * seconds for each in (1, 1.02, 0.98)]},
            commit=0,
            extra_info={
                "mode": "real",
                "endpoint_instance_type": kind,
                "endpoint_instance_count": 1,
                "rows": 1000,
                "price": {"usd_per_hour": price, "source": "made up", "date": "2026-03-01"},
            },
        )
        for number, (kind, median, price) in enumerate([*offers, ("ml.m4.xlarge", 0.45, 0.28)])
        for run, seconds in enumerate(noisy(runs, median, 0.05, number) if runs > 1 else [median])
    ]


def save(directory, results):
    """Write results as pytest-benchmark does; return the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for one in results:
        content = {
            "version": one.version,
            "datetime": one.date.isoformat(),
            "machine_info": one.machine,
            "commit_info": one.commit,
            "benchmarks": [
                {
                    "fullname": benchmark.name,
                    "group": benchmark.group,
                    "extra_info": benchmark.extra_info,
                    "stats": {"data": benchmark.times},
                }
                for benchmark in one.benchmarks.values()
            ],
        }
        (directory / one.path.name).write_text(json.dumps(content))
    return directory


def mnist_report(directory):
    """Write what ``harness mnist`` writes into a directory: 300 digits, of which every 4 was taken for a 9."""
    directory.mkdir(parents=True, exist_ok=True)
    digits = mnist.load("test", 300)
    predictions = np.where(digits.labels == 4, 9, digits.labels)
    plots.digits(directory / "digits.png", digits.images, digits.labels, predictions)
    plots.confusion(directory / "confusion.png", digits.labels, predictions, 0.9)
    content = {
        "accuracy": 0.9,
        "validation_accuracy": None,
        "rows_trained": 5000,
        "rows_predicted": 300,
        "rows_per_second": 1000.0,
        "stages": {"Spark": 4.0, "train": 2.5},
        "confusion": confusion_counts(digits.labels, predictions).tolist(),
        "mode": "mock",
        "region": "us-east-1",
        "training_instance_type": "ml.m4.xlarge",
        "endpoint_instance_type": "ml.m4.xlarge",
        "endpoint_instance_count": 1,
        "spark_master": "local[*]",
        "versions": {"python": "3.11.7"},
    }
    (directory / "report.json").write_text(json.dumps(content))
    return directory


def load_report(directory, **content):
    """Write what ``harness bench endpoint`` writes into a directory, as far as the report reads it."""
    directory.mkdir(parents=True, exist_ok=True)
    whole = {
        "kind": "endpoint load",
        "format": 1,
        "valid": False,
        "objections": ["it lasted 3.2 s, but the minimum is 60 s"],
        "plan": {"scenario": "server", "batch": 1},
        "requests": {"sent": 120, "answered": 118},
        "requests_per_second": 37.4,
        "rows_per_second": 37.4,
        "confidence": 0.99,
        "percentiles": [
            {"percent": 50.0, "value": 0.0109, "low": 0.0091, "high": 0.0128},
            {"percent": 99.0, "value": 0.0592, "low": 0.0496, "high": None},
        ],
        "ceilings": {"generator": {"requests_per_second": 2400.0}},
    }
    (directory / "load.json").write_text(json.dumps(whole | content))
    return directory
