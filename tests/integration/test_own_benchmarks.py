"""A user's own benchmarks, in a directory without a clone of this project, from harness bench to the report."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.bench.results.reader import read
from tests.support.outside import OUTSIDE, ROOT

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
    assert "Refused: 2 runs of 1 benchmark on the local AWS, in mock mode or a rehearsal" in " ".join(
        (done.stdout + done.stderr).split()
    )


GUIDE = Path(ROOT) / "docs" / "guides" / "benchmarks.md"


def example(name):
    """Return the code of the guide's example that is a file of this name."""
    return GUIDE.read_text(encoding="utf-8").partition(f"```python\n# benchmarks/{name}\n")[2].partition("```")[0]


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.parametrize("batch", [100, 500])
def test_the_guides_example_sends_the_chosen_rows_in_a_request(
    batch, aws, benchmark, record_work, trained_model, mnist_test, harness_settings
):
    if harness_settings.mode == "real":
        pytest.skip("this counts the calls of the local AWS")
    namespace = {}
    exec(example("test_rows_per_request.py"), namespace)
    before = aws.calls()["counts"].get("InvokeEndpoint", 0)
    namespace["test_rows_per_request"](benchmark, record_work, trained_model, mnist_test, batch)
    rounds = 1 if benchmark.disabled else 3 + 1  # and a warm-up
    assert aws.calls()["counts"]["InvokeEndpoint"] - before == rounds * harness_settings.test_rows / batch
    assert benchmark.extra_info["rows"] == harness_settings.test_rows


@pytest.mark.slow
@pytest.mark.spark
def test_the_variants_of_the_guide_are_compared_in_one_session_with_one_model(run_in, tmp_path, harness_settings):
    if harness_settings.mode == "real":
        pytest.skip("this runs in the local AWS")
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "test_partitions.py").write_text(example("test_partitions.py"))
    few = ("--harness-train-rows=500", "--harness-test-rows=100", "--harness-alternate=8")
    command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-q", "benchmarks/test_partitions.py", *few]
    done = subprocess.run(
        [*command, "--benchmark-json=partitions.json"], cwd=tmp_path, env=OUTSIDE | {"PYTHONPATH": ROOT},
        capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nharness compare partitions.json --by partitions\n" in done.stdout
    compared = run_in(tmp_path, "compare", "partitions.json", "--by", "partitions")
    assert compared.returncode == 0, compared.stderr
    assert "partitions=2 against partitions=1: 8 blocks of 1 session, alternating" in compared.stdout
