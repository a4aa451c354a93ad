"""A user's own benchmarks, in a directory without a clone of this project, from harness bench to the report."""

import pytest

from harness.bench.results.reader import read

BENCHMARKS = """
import pytest
from harness import libsvm
from harness.bench.endpoints import bodies, host_model
from harness.bench.results.provenance import data_hash

pytestmark = pytest.mark.slow

[TEXT] = bodies(rows=2, count=1)

@pytest.fixture(scope="session")
def endpoint(aws, ledger, harness_settings):
    return host_model(aws, ledger, harness_settings, print)

@pytest.mark.benchmark(group="endpoint")
def test_asking(benchmark, record_work, record_latency, endpoint, sagemaker_runtime_client):
    asked = {"EndpointName": endpoint, "Body": TEXT, "ContentType": "text/libsvm"}
    answer = benchmark.pedantic(lambda: sagemaker_runtime_client.invoke_endpoint(**asked)["Body"].read(), rounds=64)
    assert answer.count(b",") == 1
    record_work(rows=2, size=len(TEXT), dataset=data_hash(TEXT))
    record_latency()

def test_parsing(benchmark, record_value):
    benchmark.pedantic(libsvm.parse, [TEXT], rounds=3)
    record_value("lines", len(TEXT.splitlines()))
"""
ASKING, PARSING = (f"benchmarks/test_own.py::test_{name}" for name in ("asking", "parsing"))


@pytest.fixture(scope="module")
def measured(start_in, tmp_path_factory, harness_settings):
    """A directory in which ``harness bench`` measured the benchmarks above on one core and on two."""
    if harness_settings.mode == "real":
        pytest.skip("these run in the local AWS")
    directory = tmp_path_factory.mktemp("users-project")
    (directory / "benchmarks").mkdir()
    (directory / "benchmarks" / "test_own.py").write_text(BENCHMARKS)
    process = start_in(directory, "bench", "--spark-master", "local[1];local[2]", "--rounds", "1")
    stdout, stderr = process.communicate(timeout=500)
    assert process.returncode == 0, stderr
    assert stdout.count("test_asking") == stdout.count("test_parsing") == 1
    return directory


@pytest.fixture
def there(run_in, measured):
    """Run ``harness`` in that directory."""
    return lambda *arguments: run_in(measured, *arguments)


def test_each_result_has_its_settings_and_versions_and_work(measured):
    for cell, master in (("local-1", "local[1]"), ("local-2", "local[2]")):
        [result] = read(measured / "bench-results" / cell).results
        infos = {name: benchmark.info for name, benchmark in result.benchmarks.items()}
        assert {(info.mode, info.spark_master) for info in infos.values()} == {("mock", master)}
        assert (infos[ASKING].rows, infos[PARSING].rows) == (2, None)
        assert infos[ASKING].bytes > 500
        assert infos[ASKING].latency.requests == 64
        assert result.benchmarks[PARSING].extra_info["lines"] == 2


def test_compare_names_the_setting_in_which_they_differ(there):
    done = there("compare", "bench-results/local-1", "bench-results/local-2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("inconclusive") >= 2
    assert "spark_master" in done.stdout
    assert "local[1] → local[2]" in done.stdout


def test_the_report_shows_throughput_by_setting(there, measured):
    done = there("report", "bench-results", "--output", "page.html")
    assert done.returncode == 0, done.stderr
    page = (measured / "page.html").read_text()
    assert "spark master local[2]" in page
    assert "rows/s" in page


def test_instances_refuses_them_since_the_local_aws_is_no_instance_type(there):
    done = there("instances", "bench-results")
    assert done.returncode == 4
    assert "Refused: 2 runs of 1 benchmark in mock mode" in " ".join((done.stdout + done.stderr).split())
