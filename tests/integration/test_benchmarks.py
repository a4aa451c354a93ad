"""Results of the benchmarks, run once with few rows in a separate pytest."""

import subprocess
import sys

import pytest

from harness.bench.results.extra_info import COMPARED
from harness.bench.results.reader import read_file
from tests.support.outside import OUTSIDE, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.spark]

QUICK = (
    "benchmarks/test_endpoint.py",
    "benchmarks/test_transform.py",
    "benchmarks/test_fit.py",
    "benchmarks/test_loading.py::test_loading[10000-rows-s3a-dense-numFeatures]",
    "benchmarks/test_start.py::test_import_harness",
)
FEW = ("--harness-train-rows=500", "--harness-test-rows=200", "--batch=1", "--partitions=2", "--rows=10000")


def run_benchmarks(directory, *arguments):
    """Run pytest in the repository, outside of this session; its scratch files go to ``directory``."""
    command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-p", "no:cacheprovider", *arguments]
    environment = OUTSIDE | {"PYTHONPATH": ROOT, "TMPDIR": str(directory)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def saved(tmp_path_factory, harness_settings):
    """The file that the quick benchmarks wrote."""
    if harness_settings.mode == "real":
        pytest.skip("these run in the local AWS")
    path = tmp_path_factory.mktemp("benchmarks") / "results.json"
    done = run_benchmarks(path.parent, *QUICK, *FEW, "--benchmark-json", str(path), "--benchmark-save-data")
    assert done.returncode == 0, done.stdout + done.stderr
    return path


@pytest.fixture(scope="module")
def benchmarks(saved):
    """Measured benchmarks by the name of the function and its parameters."""
    result, problems = read_file(saved)
    assert not problems
    return {name.partition("::")[2]: benchmark for name, benchmark in result.benchmarks.items()}


@pytest.fixture(scope="module")
def noted(benchmarks):
    """Recorded values of each benchmark."""
    return {name: benchmark.extra_info for name, benchmark in benchmarks.items()}


def test_each_benchmark_records_its_environment(noted):
    assert len(noted) == 7
    unknown = {"dataset", "rows", "bytes"}  # to what is started
    for name, found in noted.items():
        assert found.keys() >= set(COMPARED) - (unknown if name == "test_import_harness" else set()), name
        assert found["mode"] == "mock"
        assert found["commit"]


def test_the_tasks_of_a_transform_take_no_longer_than_its_partitions_can(benchmarks):
    for form in ("dense", "sparse"):
        found = benchmarks[f"test_transform[2-partitions-{form}]"]
        assert 0 < found.extra_info["seconds of the tasks, summed over partitions"] < 2 * found.mean


def test_the_parts_of_transform_add_up_to_the_whole(noted):
    found = noted["test_transform[2-partitions-dense]"]
    parts = found["of these, seconds"]
    assert [*parts] == ["serialise", "model", "deserialise", "network and the rest"]
    assert sum(parts.values()) == pytest.approx(found["seconds of the tasks, summed over partitions"], abs=0.003)
    assert parts["model"] > 0.001 < parts["serialise"]
    assert found["calls to the endpoint"] == 2  # one a partition
    assert found["bytes"] == pytest.approx(200 * found["bytes a row"], rel=0.001)
    assert found["bytes a row"] > 4 * noted["test_transform[2-partitions-sparse]"]["bytes a row"]


def test_transform_is_compared_with_an_endpoint_that_reads_nothing(noted):
    found = noted["test_transform_beside_an_endpoint_that_reads_nothing"]
    assert found["rows"] == 200
    assert 0.1 < found["share of the null endpoint's rows/s"] < 2
    assert found["rows/s of the null endpoint"] > 0


def test_the_latency_of_the_endpoint_has_percentiles(noted):
    found = noted["test_the_endpoint_alone[1-rows]"]["latency"]
    assert found["requests"] == 700
    assert 0.0005 < found["p50"] <= found["p90"] <= found["p99"] < 1


def test_fit_is_reported_by_stage(noted):
    found = noted["test_fit"]
    assert [*found["parts, seconds"]] == ["upload", "train", "host"]
    assert all(seconds > 0 for seconds in found["parts, seconds"].values())
    assert found["rows"] == 500


def test_loading_reports_its_speed_and_memory(noted):
    found = noted["test_loading[10000-rows-s3a-dense-numFeatures]"]
    assert found["rows"] == 10_000
    assert found["rows/s"] > 100
    assert 10 < found["heap of the Spark driver before, MB"] < found["heap at its peak, with garbage, MB"] < 10_000


def test_pytest_benchmark_reads_the_results_too(saved):
    command = [sys.executable, "-m", "pytest_benchmark", "compare", str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=saved.parent, check=False)
    assert done.returncode == 0, done.stderr
    assert "test_the_endpoint_alone[1-rows]" in done.stdout


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--batch=ten", "--batch is 'ten'"),
        ("--partitions=0", "--partitions is '0'"),
        ("--rows=500", "multiples of 10,000"),
    ],
)
def test_an_invalid_option_stops_the_benchmarks_before_they_start(tmp_path, option, said):
    done = run_benchmarks(tmp_path, "benchmarks/test_endpoint.py", option)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in done.stderr
    assert "to fix:" in done.stderr
