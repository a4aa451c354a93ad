"""What the benchmarks share: their options, and what they note in their results."""

import pytest

from harness.bench.results.endpoint_instances import hosting
from harness.bench.results.extra_info import environment, work

DEFAULTS = {"batch": "1,10,100,815", "partitions": "1,2", "rows": "10000,60000"}
UNITS = {"batch": "rows", "partitions": "partitions", "rows": "rows"}
HELP = {
    "batch": "rows of a request, in the benchmark of the endpoint alone",
    "partitions": "partitions of the frame that is transformed",
    "rows": "rows that are loaded, in multiples of 10,000",
}


def pytest_addoption(parser):
    group = parser.getgroup("benchmarks", "benchmarks of sagemaker-spark-harness")
    for name, default in DEFAULTS.items():
        text = f"{HELP[name]}; several, separated by commas, are measured one after the other (default: {default})"
        group.addoption(f"--{name}", metavar="N,…", default=default, help=text)


COLUMNS = ["median", "iqr", "min", "rounds"]
"""Of pytest-benchmark's tables, where none are chosen: all of them are twice as wide as a terminal."""


def pytest_configure(config):
    if not any(argument.startswith("--benchmark-columns") for argument in config.invocation_params.args):
        config.option.benchmark_columns = COLUMNS
    for name in DEFAULTS:
        chosen(config, name)


def pytest_generate_tests(metafunc):
    for name in DEFAULTS:
        if name in metafunc.fixturenames:
            metafunc.parametrize(
                name, chosen(metafunc.config, name), ids=lambda number, unit=UNITS[name]: f"{number}-{unit}"
            )


def chosen(config, name):
    """Return the numbers that an option was given."""
    numbers = whole_numbers(config.getoption(name), f"--{name}")
    if name == "rows" and any(number % 10_000 for number in numbers):
        raise pytest.UsageError(
            "--rows takes multiples of 10,000, the rows of MNIST's test split.\n  to fix:  --rows 10000,60000,600000"
        )
    return numbers


def whole_numbers(text, option):
    """Return the numbers of a text such as ``1,10,100``, each once; pytest.UsageError if it is no such text."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise pytest.UsageError(
            f"{option} is {text!r}.\n  to fix:  give whole numbers from 1, separated by commas: {option} 1,2"
        )
    return list(dict.fromkeys(map(int, parts)))


@pytest.fixture(autouse=True)
def noted_environment(request, harness_settings):
    """Every result says what it was measured on and with."""
    if "benchmark" in request.fixturenames:
        noted = environment(harness_settings)
        if harness_settings.mode == "real" and "trained_model" in request.fixturenames:
            noted |= request.getfixturevalue("noted_hosting")
        request.getfixturevalue("benchmark").extra_info.update(noted)


@pytest.fixture(scope="session")
def noted_hosting(aws, harness_settings, trained_model):
    """Which endpoint in AWS it is, what stands behind it, and what that costs."""
    return hosting(aws, harness_settings, str(trained_model.endpointName))


@pytest.fixture
def tell(request, benchmark, capsys):
    """A function that keeps a figure in the results' ``extra_info`` and shows it, below the benchmark's name."""
    told = []

    def show(name, value):
        benchmark.extra_info[name] = value
        with capsys.disabled():
            if not told:
                print(f"\n{request.node.name}")
            print(f"  {name}: {shown(value)}")
        told.append(name)

    return show


def shown(value):
    """Return a figure as people read it: ``p50 4.2 · p90 5.1`` for several with their names."""
    if isinstance(value, dict):
        return " · ".join(f"{name} {each}" for name, each in value.items())
    return f"{value:,}" if isinstance(value, int) else value


@pytest.fixture
def note_work(benchmark, tell):
    """A function that notes the work of a round, and how much of it was done in a second of the median round."""

    def note(*, rows, size, dataset):
        benchmark.extra_info.update(work(rows=rows, size=size, dataset=dataset))
        if benchmark.stats:  # not with --benchmark-disable
            tell("rows/s", round(rows / benchmark.stats.stats.median))
            tell("MB/s", round(size / 1e6 / benchmark.stats.stats.median, 1))

    return note
