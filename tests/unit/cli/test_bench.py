"""The table of a matrix has the same values as the report page, and is complete in a file."""

import io

import pytest
from rich.console import Console

from harness.bench.report import charts
from harness.bench.results.series import arrange
from harness.cli.bench import print_results
from harness.console import JOINED
from tests.support.samples import MOCK, result, save

LONG = "benchmarks/test_x.py::test_transform[" + "a-long-name-" * 9 + "x]"


@pytest.fixture
def runs():
    """Two runs of one commit, so different that a mean of rates would be another value."""
    return [result(number, {LONG: times}, 0, MOCK) for number, times in enumerate([[0.1, 0.2, 0.9], [0.4, 0.4]])]


@pytest.fixture
def told(runs, tmp_path):
    """Print the runs as those of one cell; return the lines."""

    def told(**console):
        save(tmp_path / "local-2", runs)
        print_results(Console(file=(written := io.StringIO()), **console), tmp_path, ["local-2"])
        return written.getvalue().splitlines()

    return told


def test_its_figures_are_those_of_the_page(runs, told):
    row = next(line for line in told() if line.startswith("  local-2"))
    [latency], [throughput] = charts.latency(arrange(runs)), charts.throughput(arrange(runs))
    assert latency.table.rows[0][1] == f"300{JOINED}ms"
    assert row.split()[1:3] == latency.table.rows[0][1].split()
    assert throughput.table.rows[0][1] == "3,330"
    assert "3,330" in row.split()


def test_names_are_not_wrapped_in_a_file(told):
    assert LONG in told(width=80)
    assert LONG not in told(width=80, force_terminal=True)
