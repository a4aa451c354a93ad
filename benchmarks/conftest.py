"""What the benchmarks share."""

import pytest

from harness.benchmarking.environment import environment


@pytest.fixture(autouse=True)
def noted_environment(request, harness_settings):
    """Every result says what it was measured on and with."""
    if "benchmark" in request.fixturenames:
        request.getfixturevalue("benchmark").extra_info.update(environment(harness_settings))


@pytest.fixture
def tell(benchmark, capsys):
    """A function that keeps a figure in the results' ``extra_info`` and shows it."""

    def show(name, value):
        benchmark.extra_info[name] = value
        with capsys.disabled():
            print(f"\n  {name}: {value}")

    return show
