"""``harness bench endpoint``: refused options, and the output of a measurement."""

import json
import os
import signal
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from harness.aws.pricing import NoPrices
from harness.bench.endpoints import bodies
from harness.bench.load import runner
from harness.bench.load.generator import Measurement, Times
from harness.bench.load.plan import LoadPlan
from harness.bench.load.rate_search import RateVerdict, SearchResult, Tried
from harness.bench.load.result import Ceilings, LoadOutcome, curve, describe, print_outcome
from harness.bench.load.runner import stoppable
from harness.cli.main import main
from harness.errors import SettingsError
from harness.pipeline import plots
from harness.settings import Settings


def measured(queries=1000, failed=0):
    made = Measurement(planned=queries, sent=queries, answered=queries - failed, failed=failed, seconds=60.0)
    made.requests = made.rows = made.answered
    made.cpu_seconds = 0.1
    for number in range(made.answered):
        made.latencies.add(0.001 * (number + 1))
        made.lags.add(0.0001)
    if failed:
        made.failures["424 ModelError"], made.messages["424 ModelError"] = failed, "out of memory"
    return made


def outcome(measurement, *, objections=(), null=True, found=None, **plan):
    ceilings = Ceilings(measured(), measured(500) if null else None)
    return LoadOutcome(LoadPlan(**plan), "digits", ceilings, measurement, list(objections), found)


def told(capsys, tmp_path, **kwargs):
    print_outcome(outcome(**kwargs), tmp_path)
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--duration", "0"), "--duration is '0'"),
        (("--duration", "soon"), "--duration is 'soon'"),
        (("--rate", "0"), "--rate is 0"),
        (("--rate", "-3"), "--rate is -3"),
        (("--rate", "nan"), "--rate is nan"),
        (("--rate", "1e9"), "--rate is 1e+09"),
        (("--rate", "0.1", "--duration", "1s"), "sends no request"),
        (("--batch", "0"), "--batch is 0"),
        (("--batch", "7000"), "--batch 7,000 makes requests of 8,374,488 bytes"),
        (("--streams", "0"), "--streams is 0"),
        (("--seed", "-1"), "--seed is -1"),
        (("--p99-under", "0ms"), "--p99-under is '0ms'"),
        (("--find-rate",), "--find-rate finds"),
        (("--find-rate", "--p99-under", "1s", "--scenario", "offline"), "--find-rate finds"),
        (("--endpoint", "mine"), "--endpoint mine has no effect in mock mode"),
        (("--output", "/proc/no"), "--output is /proc/no, which cannot be written"),
    ],
)
def test_invalid_options_are_refused_before_anything_starts(arguments, complaint, capsys, monkeypatch):
    monkeypatch.setattr(runner, "open_aws", lambda *_, **__: pytest.fail("an AWS was opened"))
    assert main(["bench", "endpoint", *arguments]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("2min", 120), ("100ms", 0.1), ("60", 60), (".5s", 0.5)])
def test_durations_are_read_with_their_unit(text, seconds, monkeypatch):
    plans = []
    monkeypatch.setattr(runner, "run_endpoint_load", lambda _, plan, __: plans.append(plan) or 0)
    assert main(["bench", "endpoint", "--duration", text, "--rate", "100"]) == 0
    assert plans[0].seconds == pytest.approx(seconds)


def test_a_run_that_fails_leaves_no_empty_directory(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "open_aws", lambda *_, **__: (_ for _ in ()).throw(SettingsError("no")))
    with pytest.raises(SettingsError):
        runner.run_endpoint_load(Settings(), LoadPlan(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_training_uses_and_counts_one_instance(monkeypatch, tmp_path):
    opened = Mock(side_effect=SettingsError("no"))
    monkeypatch.setattr(runner, "open_aws", opened)
    with pytest.raises(SettingsError):
        runner.run_endpoint_load(Settings(training_instance_count=3), LoadPlan(), tmp_path / "out")
    assert opened.call_args.args[0].training_instance_count == 1


def test_an_unknown_price_is_reported_with_the_reason():
    told = runner._cost(NoPrices(), Settings(mode="real", region="us-gov-west-1"), LoadPlan())
    assert told.startswith("the cost is unknown: No price is known of ml.m4.xlarge for training, ml.m4.xlarge")


def test_an_earlier_result_is_not_reported_as_this_one(monkeypatch, tmp_path):
    (tmp_path / "load.json").write_text("{}")
    monkeypatch.setattr(runner, "open_aws", lambda *_, **__: (_ for _ in ()).throw(SettingsError("no")))
    with pytest.raises(SettingsError):
        runner.run_endpoint_load(Settings(), LoadPlan(), tmp_path)
    assert not (tmp_path / "load.json").exists()


def test_bodies_are_consecutive_rows_of_mnist():
    made = bodies(3, 2)
    assert [body.count(b"\n") for body in made] == [3, 3]
    assert made[0].startswith(b"7 203:84 204:185 ")
    assert len({line for body in made for line in body.splitlines()}) == 6


def test_more_rows_than_mnist_has_start_again_at_the_first():
    assert bodies(10_001, 1)[0].count(b"\n") == 10_001


def test_throughput_is_reported_with_the_limit_of_the_harness(capsys, tmp_path):
    text = told(capsys, tmp_path, measurement=measured())
    assert (
        "16.7 requests and 16.7 rows a second its ceiling 8 requests and 8 rows a second for an endpoint that" in text
    )
    assert "the load generator alone sent 17 a second, at 100 µs of CPU each" in text


def test_in_real_mode_the_ceiling_is_that_of_the_load_generator(capsys, tmp_path):
    assert "its ceiling the load generator alone sent 17 a second" in told(
        capsys, tmp_path, measurement=measured(), null=False
    )


def test_a_percentile_is_claimed_with_its_bounds_or_not_at_all(capsys, tmp_path):
    text = told(capsys, tmp_path, measurement=measured())
    assert "p99 990.2 ms, with 99% confidence from 982.0 ms to 998.4 ms" in text
    assert "p99.9 999.4 ms, not claimed: that needs at least 6,636 queries" in text


def test_failures_are_reported_by_class_with_the_first_message(capsys, tmp_path):
    text = told(capsys, tmp_path, measurement=measured(failed=500), objections=["50.0% of the queries failed"])
    assert "failures 500 × 424 ModelError: out of memory" in text
    assert "p99 unknown: too many queries failed" in text
    assert "INVALID 50.0% of the queries failed" in text


def test_a_valid_run_is_reported_as_valid(capsys, tmp_path):
    assert told(capsys, tmp_path, measurement=measured()).endswith("VALID")


def test_a_search_reports_its_rate_and_the_limit(capsys, tmp_path):
    late = Tried(140.0, 5.0, 700, 70, 0.2, RateVerdict.SENDER)
    found = SearchResult(rate=123.4, tried=[late, Tried(200.0, 5.0, 1000, 90, 0.3, RateVerdict.BREAKS)])
    text = told(capsys, tmp_path, measurement=measured(), found=found, find_rate=True, p99_under=0.1)
    assert "highest rate 123.4 requests a second that keeps p99 under 100 ms; the load generator, not" in text


def test_the_result_is_standard_json():
    run = outcome(measured(failed=10), p99_under=0.5, found=SearchResult())
    aws = SimpleNamespace(account="123456789012")
    content = json.loads(json.dumps(describe(run, Settings(), aws, [b"x" * 100]), allow_nan=False))
    assert content["valid"]
    assert content["plan"]["p99_under"] == 0.5
    assert content["failures"] == [{"class": "424 ModelError", "requests": 10, "first": "out of memory"}]
    assert content["environment"]["mode"] == "mock"
    assert HdrHistogram.decode(content["latencies_us_hdr"]).get_total_count() == 990


def test_the_first_signal_ends_the_load_and_the_second_everything():
    with stoppable() as stop:
        watch = stop.watch(None)
        assert watch(Measurement())
        os.kill(os.getpid(), signal.SIGINT)
        assert not watch(Measurement())
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_another_watch_ends_the_load_too():
    with stoppable() as stop:
        assert not stop.watch(lambda _: False)(Measurement())


def test_the_curve_ends_at_the_last_latency():
    latencies = Times()
    for number in range(1000):
        latencies.add(0.001 * (number + 1))
    percents, milliseconds = curve(latencies)
    assert percents[-1] == pytest.approx(99.9)
    assert milliseconds[-1] == pytest.approx(1000, rel=0.01)
    assert (np.diff(milliseconds) >= 0).all()


def test_the_picture_draws_the_bound(tmp_path):
    percents, milliseconds = np.array([0.0, 50, 90, 99]), np.array([1.0, 2, 4, 30])
    plots.latency(tmp_path / "with.png", percents, milliseconds, "a load", 20.0)
    plots.latency(tmp_path / "without.png", percents, milliseconds, "a load")
    assert (tmp_path / "with.png").read_bytes() != (tmp_path / "without.png").read_bytes()
