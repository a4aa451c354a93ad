"""Fixtures with which a benchmark records its work, latency, endpoint and other values in its result.

The plugin also records the environment of every benchmark that uses the harness (:func:`record_environment`). Every
pytest session loads this module, so it imports what it needs where it needs it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from harness.settings import Settings

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from harness.aws import AWS
    from harness.bench.results.extra_info import ExtraInfo, Latency

HOSTING: pytest.StashKey[dict[str, ExtraInfo]] = pytest.StashKey()
"""Instances and price of the endpoints that this session asked AWS about, by name."""

_PERCENTS = (50, 90, 99)


class RecordValue(Protocol):
    """Records a value under a name and shows it."""

    def __call__(self, name: str, value: Any) -> None:
        """Record and show it."""


class RecordWork(Protocol):
    """Records the work of one round."""

    def __call__(self, *, rows: int, size: int | None = None, dataset: str | None = None) -> None:
        """Record it; see :func:`record_work`."""


class RecordLatency(Protocol):
    """Records the latency of the rounds."""

    def __call__(self) -> None:
        """Record it."""


class RecordEndpoint(Protocol):
    """Records the endpoint that is measured."""

    def __call__(self, name: str) -> None:
        """Record it."""


@pytest.fixture
def record_value(
    request: pytest.FixtureRequest, benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> RecordValue:
    """``record_value(name, value)`` keeps a value in the benchmark's result and shows it below the benchmark's name."""
    names: list[str] = []

    def record(name: str, value: Any) -> None:
        benchmark.extra_info[name] = value
        with capsys.disabled():
            if not names:
                print(f"\n{request.node.name}")
            print(f"  {name}: {shown(value)}")
        names.append(name)

    return record


def shown(value: Any) -> str:
    """Return a value as people read it: ``p50 4.2 · p90 5.1`` for several with their names."""
    if isinstance(value, Mapping):
        return " · ".join(f"{name} {each}" for name, each in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


@pytest.fixture
def record_work(benchmark: BenchmarkFixture, record_value: RecordValue) -> RecordWork:
    """``record_work(rows=…, size=…, dataset=…)`` records the work of one round and shows the rows and MB a second.

    ``rows`` is their number; ``size`` is in bytes; ``dataset`` is a hash of the data
    (``harness.bench.results.provenance.data_hash``), so that results on different data are not compared. Call it after
    the rounds. A second is one of the median round.
    """

    def record(*, rows: int, size: int | None = None, dataset: str | None = None) -> None:
        from harness.bench.results.extra_info import ExtraInfo  # noqa: PLC0415

        benchmark.extra_info.update(ExtraInfo(rows=rows, bytes=size, dataset=dataset).as_json())
        if not benchmark.stats:  # with --benchmark-disable
            return
        record_value("rows/s", round(rows / benchmark.stats.stats.median))
        if size is not None:
            record_value("MB/s", round(size / 1e6 / benchmark.stats.stats.median, 1))

    return record


@pytest.fixture
def record_latency(benchmark: BenchmarkFixture, record_value: RecordValue) -> RecordLatency:
    """``record_latency()`` records p50, p90 and p99 of the rounds, each of which must be one request.

    A percentile that too few requests support is not recorded: p99 needs 662.
    """

    def record() -> None:
        if not benchmark.stats:  # with --benchmark-disable
            return
        from harness.bench.results.extra_info import ExtraInfo  # noqa: PLC0415

        found = ExtraInfo(latency=latency(benchmark.stats.stats.data)).as_json()
        benchmark.extra_info.update(found)
        seconds = {name: value for name, value in found["latency"].items() if name != "requests"}
        record_value("latency, ms", {name: round(value * 1e3, 2) for name, value in seconds.items()})

    return record


def latency(seconds: Sequence[float]) -> Latency:
    """Return p50, p90 and p99 of some requests, each if there are requests enough to claim it."""
    from harness.bench.analysis.quantile_tests import queries_needed  # noqa: PLC0415 - imports scipy
    from harness.bench.results.extra_info import Latency  # noqa: PLC0415

    ordered = sorted(seconds)
    claimed = [percent for percent in _PERCENTS if len(ordered) >= queries_needed(percent / 100)]
    found = {f"p{percent}": ordered[math.ceil(percent * len(ordered) / 100) - 1] for percent in claimed}
    return Latency(**found, requests=len(ordered))


@pytest.fixture
def record_endpoint(benchmark: BenchmarkFixture, aws: AWS) -> RecordEndpoint:
    """``record_endpoint(name)`` records an endpoint in AWS, its instances and their price.

    It is for benchmarks that do not use ``trained_model``, whose endpoint is recorded without it. In mock mode it
    records nothing, because the local AWS runs on this machine.
    """

    def record(name: str) -> None:
        if aws.prices is None:
            return
        from harness.bench.results.endpoint_instances import described  # noqa: PLC0415

        benchmark.extra_info.update(described(aws, name).as_json())

    return record


def record_environment(config: pytest.Config, settings: Settings, fixtures: Mapping[str, Any]) -> None:
    """Record settings, versions, cores and commit in a benchmark's result, and in AWS the endpoint of its model.

    The model is ``trained_model``, or any other fixture of the test that is a model of the SDK. With several models,
    ``record_endpoint`` must say which of them is measured.

    :param fixtures: the fixtures of the test, by name; ``benchmark`` is one.
    :raises SettingsError: the settings name a file of prices that cannot be used.
    """
    from harness.bench.results.provenance import environment  # noqa: PLC0415

    extra_info = fixtures["benchmark"].extra_info
    extra_info.update(environment(settings, fixtures.get("aws")).as_json())
    if not settings.in_aws or "aws" not in fixtures:
        return
    names = endpoints_of(fixtures)
    if len(names) == 1:
        extra_info.update(_instances(config, settings, fixtures["aws"], names.pop(), "trained_model" in fixtures))


def endpoints_of(fixtures: Mapping[str, Any]) -> set[str]:
    """Return the names of the endpoints of all models among some fixtures."""
    models = [value for name, value in fixtures.items() if name == "trained_model" or _is_model(value)]
    return {str(model.endpointName) for model in models}


def _is_model(value: Any) -> bool:
    """Return whether a value is a model of the SDK, which this module must not import: it starts a JVM."""
    return hasattr(type(value), "endpointName")


def _instances(config: pytest.Config, settings: Settings, aws: AWS, name: str, by_settings: bool) -> dict[str, Any]:
    """Return the instances and the price of an endpoint, about which AWS is asked once in a session.

    :param by_settings: true if the settings say what the endpoint runs on.
    """
    from harness.bench.results.endpoint_instances import described, hosting  # noqa: PLC0415

    known = config.stash.setdefault(HOSTING, {})
    if name not in known:
        known[name] = hosting(aws, settings, name) if by_settings else described(aws, name)
    return known[name].as_json()
