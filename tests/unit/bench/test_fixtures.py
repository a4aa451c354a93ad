"""Fixtures and hooks that record metadata in results, in separate pytest sessions."""

import json
from types import SimpleNamespace

import pytest

from harness.bench.fixtures import latency, record_environment, shown
from harness.bench.results.extra_info import ExtraInfo
from harness.settings import Settings

ALONE = "def test_it(benchmark): benchmark(len, 'x')"
SETTINGS = "def test_it(benchmark, harness_settings): benchmark(len, 'x')"
RECORDS = """
def test_it(benchmark, record_work, record_latency, record_value):
    benchmark.pedantic(len, ["x"], rounds=64)
    record_work(rows=10, size=1000, dataset="1f")
    record_latency()
    record_value("parts", {"a": 1})
"""


@pytest.fixture
def recorded(pytester, monkeypatch):
    """A function that runs a benchmark in a separate session, and returns its ``extra_info`` and the session."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def recorded(test, *options):
        pytester.makepyfile(test)
        plugins = ("-p", "harness.plugin", "-p", "pytest_benchmark.plugin")
        session = pytester.runpytest(*plugins, "--benchmark-json=saved.json", *options)
        session.assert_outcomes(passed=1)
        saved = pytester.path / "saved.json"
        text = saved.read_text() if saved.exists() else ""
        return json.loads(text)["benchmarks"][0]["extra_info"] if text else {}, session

    return recorded


@pytest.mark.slow
def test_a_benchmark_that_uses_a_fixture_of_the_harness_records_its_environment(recorded):
    info = ExtraInfo.read(recorded(SETTINGS)[0])
    assert (info.mode, info.spark_master) == ("mock", Settings().spark_master)
    assert info.cores
    assert info.python


@pytest.mark.slow
def test_every_benchmark_of_a_session_with_an_option_of_the_harness_records_its_environment(recorded):
    assert recorded(ALONE, "--harness-spark-master=local[3]")[0]["spark_master"] == "local[3]"


@pytest.mark.slow
def test_a_benchmark_that_does_not_use_the_harness_keeps_its_result_as_it_is(recorded):
    assert recorded(ALONE)[0] == {}


def test_a_test_without_benchmark_and_one_with_a_benchmark_of_its_own_are_left_alone(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef benchmark(): return 'mine'")
    pytester.makepyfile("def test_a(benchmark): assert benchmark == 'mine'\ndef test_b(harness_settings): pass")
    pytester.runpytest("-p", "harness.plugin", "--harness-region=eu-west-1").assert_outcomes(passed=2)


def test_work_latency_and_values_are_recorded_and_shown(recorded):
    info, session = recorded(RECORDS)
    assert (info["rows"], info["bytes"], info["dataset"]) == (10, 1000, "1f")
    assert info["rows/s"] > 0 < info["MB/s"]
    assert [*info["latency"]] == ["p50", "p90", "requests"]
    assert info["parts"] == {"a": 1}
    session.stdout.fnmatch_lines(["test_it", "  rows/s: *", "  MB/s: *", "  latency, ms: p50 * p90 *", "  parts: a 1"])


def test_with_benchmarks_disabled_the_same_test_passes_and_records_no_time(recorded):
    _, session = recorded(RECORDS, "--benchmark-disable")
    session.stdout.no_fnmatch_line("*rows/s*")


def test_work_that_no_reader_would_accept_fails_the_benchmark(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(RECORDS.replace("rows=10", "rows=0"))
    session = pytester.runpytest("-p", "harness.plugin", "-p", "pytest_benchmark.plugin")
    session.stdout.fnmatch_lines(["*records rows 0, which no reader of its results would accept*"])


def test_in_real_mode_a_benchmark_of_the_trained_model_records_its_endpoint_and_asks_aws_once():
    asked = []
    prices = SimpleNamespace(find=lambda *each: asked.append(each))
    fixtures = {
        "benchmark": SimpleNamespace(extra_info={}),
        "trained_model": SimpleNamespace(endpointName="its-endpoint"),
        "aws": SimpleNamespace(prices=prices, is_local=False),
    }
    config = SimpleNamespace(stash=pytest.Stash())
    for _ in range(2):
        record_environment(config, Settings(mode="real", endpoint_instance_type="ml.m5.large"), fixtures)
    info = ExtraInfo.read(fixtures["benchmark"].extra_info)
    assert (info.mode, info.endpoint, info.endpoint_instance_type) == ("real", "its-endpoint", "ml.m5.large")
    assert asked == [("ml.m5.large", "hosting")]


class OwnModel:
    """A model of the SDK, as far as a benchmark knows it."""

    def __init__(self, name):
        self._name = name

    @property
    def endpointName(self):
        return self._name


class SageMaker:
    """An endpoint on two instances."""

    def describe_endpoint(self, **_):
        return {"EndpointConfigName": "c", "ProductionVariants": [{"CurrentInstanceCount": 2}]}

    def describe_endpoint_config(self, **_):
        return {"ProductionVariants": [{"InstanceType": "ml.c5.xlarge"}]}


def recorded_in_real_mode(is_local=False, **models):
    """Return what a benchmark in AWS records, whose test has these models as fixtures."""
    prices = SimpleNamespace(find=lambda *_: None)
    aws = SimpleNamespace(prices=prices, client=lambda _: SageMaker(), is_local=is_local)
    fixtures = {"benchmark": SimpleNamespace(extra_info={}), "aws": aws, **models}
    record_environment(SimpleNamespace(stash=pytest.Stash()), Settings(mode="real"), fixtures)
    return ExtraInfo.read(fixtures["benchmark"].extra_info)


def test_in_real_mode_the_instances_of_a_model_of_ones_own_are_recorded_as_aws_says_them():
    info = recorded_in_real_mode(scoring=OwnModel("mine"))
    assert (info.endpoint, info.endpoint_instance_type, info.endpoint_instance_count) == ("mine", "ml.c5.xlarge", 2)


def test_a_rehearsal_in_a_local_aws_is_not_recorded_as_aws():
    info = recorded_in_real_mode(scoring=OwnModel("mine"), is_local=True)
    assert (info.mode, info.in_aws) == ("rehearsal", False)


def test_of_two_models_none_is_taken_for_the_measured_one():
    assert recorded_in_real_mode(small=OwnModel("a"), large=OwnModel("b")).endpoint is None


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "claimed"),
    [(1, []), (63, ["p50"]), (64, ["p50", "p90"]), (661, ["p50", "p90"]), (662, ["p50", "p90", "p99"])],
)
def test_a_percentile_is_recorded_if_enough_requests_support_it(count, claimed):
    found = latency(range(1, count + 1))
    assert [name for name in ("p50", "p90", "p99") if getattr(found, name)] == claimed
    assert found.requests == count


def test_a_percentile_is_the_latency_that_its_share_does_not_exceed():
    found = latency(range(1000, 0, -1))
    assert [found.p50, found.p90, found.p99] == [500, 900, 990]


def test_values_are_shown_as_people_read_them():
    assert shown({"p50": 4.2, "p90": 5.1}) == "p50 4.2 · p90 5.1"
    assert [shown(13019), shown(8.3)] == ["13,019", "8.3"]
