"""What the benchmarks share."""

import pytest


@pytest.fixture
def tell(benchmark, capsys):
    """A function that keeps a figure in the results' ``extra_info`` and shows it."""

    def show(name, value):
        benchmark.extra_info[name] = value
        with capsys.disabled():
            print(f"\n  {name}: {value}")

    return show
