"""Options of this project's benchmarks."""

import pytest

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


@pytest.fixture
def sizes(pytestconfig):
    """The numbers of ``--rows``, ascending, for a benchmark that compares them."""
    return sorted(chosen(pytestconfig, "rows"))


@pytest.fixture(autouse=True)
def _uses_the_harness(harness_settings):
    """Every result here says what it was measured on and with, also that of a benchmark without another fixture."""
