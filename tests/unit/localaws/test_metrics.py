"""Metrics are found in any line of a log, by any expression, in bounded time."""

import os
import signal

import pytest

from harness.localaws.sagemaker.images import Images
from harness.localaws.sagemaker.training import metrics
from harness.localaws.sagemaker.training.metrics import SEARCHED_CHARACTERS, Metrics
from harness.registries import SDK_ALGORITHMS, image
from harness.waiting import wait_until

ROUND = "[3]#011train-rmse:0.5#011validation-rmse:0.25"


@pytest.fixture
def look(tmp_path):
    """A function that makes a search for metrics. Its ``reports`` are the messages of all searches."""
    opened = []

    def start(*expressions):
        definitions = [(str(number), expression) for number, expression in enumerate(expressions)]
        opened.append(Metrics(definitions, tmp_path, look.reports.append))
        return opened[-1]

    look = start
    look.reports = []
    yield look
    for each in opened:
        each.close()


def test_values_are_found_as_the_expressions_say(look):
    found = look("loss=([0-9.]+)", "acc=(\\S+)", "lr=([0-9]+)?").find("epoch 1 loss=0.5 acc=1e-2 lr=")
    assert found == {"0": 0.5, "1": 0.01}
    assert look.reports == []


@pytest.mark.parametrize(
    "line", ["", "loss=", "loss=high", "loss=nan", "loss=inf", "loss=1e999", "\x00\ud7ff\U0010ffff"]
)
def test_only_a_finite_number_is_a_value(look, line):
    looking = look("loss=(\\S*)")
    assert looking.find(line) == {}
    assert looking.find("loss=2") == {"0": 2.0}


@pytest.mark.slow
def test_an_expression_that_takes_for_ever_is_given_up_and_others_are_not(look):
    looking = look("loss=([0-9.]+)", "(a+)+$", "(x+x+)+y")
    assert looking.find(f"loss=1 {'a' * 4_000} {'x' * 40_000}!") == {"0": 1.0}
    assert looking.find("loss=2 aaa") == {"0": 2.0}
    assert len(look.reports) == 2
    assert "The metric 1 is not read from here on. Its expression: it takes more than 1 s." in look.reports[0]


@pytest.mark.slow
def test_an_expression_that_is_slow_on_many_lines_is_given_up_too(look):
    looking = look("(a|a)*b", "=([0-9]+)")
    for number in range(100):
        assert looking.find(f"={number} {'a' * 20}") == {"1": float(number)}
    assert len(look.reports) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expression", "reported"),
    [("(", "it is not a regular expression: missing )"),
     ("loss=[0-9]+", "it has no group, in parentheses, for the value"),
     ("(" * 500, "it "), ("(?:(x?){9999}){9999}y", "it takes "), ("[[\0", "it is not a regular expression")],
)  # fmt: skip
def test_an_expression_that_cannot_be_used_is_reported_once(look, expression, reported):
    looking = look(expression)
    assert [looking.find("loss=1"), looking.find("loss=1")] == [{}, {}]
    assert len(look.reports) == 1
    assert reported in look.reports[0]


def test_the_built_in_expressions_are_fast_on_any_line(look):
    looking = look(*(regex for _, regex in Images().find(image("xgboost", "us-east-1")).metrics))
    parts = ["[1]", "[1", "#011train-rmse", "#011train-rmse:", "#011train-ndcg@1-", "1", "1.", "-", "x", " ", "#011"]
    for part in parts:
        for start in ("", "[1]", "[1]#011train-rmse:", "[1]#011train-ndcg@"):
            looking.find(start + part * (40_000 // len(part)))
    assert looking.find(ROUND) == {"0": 0.5, "11": 0.25}
    assert look.reports == []


@pytest.mark.parametrize("algorithm", [name for name in SDK_ALGORITHMS if name != "xgboost"])
def test_the_expressions_of_amazons_algorithms_are_fast_on_any_line(look, algorithm):
    looking = look(*(regex for _, regex in Images().find(image(algorithm, "us-east-1")).metrics))
    start, parts = "#quality_metric: host=", ["algo-1", ", ", "epoch=", "test ", "binary_f_", "_objective", "<loss>="]
    for part in [start, *parts]:
        for begun in ("", start, f"{start}algo-1, ", f"{start}algo-1, epoch=", f"{start}algo-1, test "):
            looking.find(begun + part * (40_000 // len(part)))
    assert len(looking.find("#progress_metric: host=algo-1, completed 50.0 %")) == 1
    assert look.reports == []


def test_metrics_are_searched_in_the_start_of_a_line(look):
    looking = look("loss=([0-9]+)")
    assert looking.find("x" * (SEARCHED_CHARACTERS - 6) + "loss=1") == {"0": 1.0}
    assert looking.find("x" * SEARCHED_CHARACTERS + "loss=1") == {}


def test_a_process_that_fails_or_stops_ends_the_metrics_and_not_the_job(monkeypatch, look):
    killed, stopped = look("=([0-9]+)"), look("=([0-9]+)")
    assert [killed.find("=1"), stopped.find("=1")] == [{"0": 1.0}, {"0": 1.0}]
    monkeypatch.setattr(metrics, "_ANSWER_SECONDS", 0.2)
    os.kill(killed._process.pid, signal.SIGKILL)
    os.kill(stopped._process.pid, signal.SIGSTOP)
    assert [killed.find("=1"), stopped.find("=1"), stopped.find("=1")] == [{}, {}, {}]
    assert ["No more metrics are read" in report for report in look.reports] == [True, True]


def test_closing_ends_the_process(look):
    looking = look("=([0-9]+)")
    looking.find("=1")
    looking.close()
    assert looking._process.returncode is not None
    assert looking.find("=1") == {}


def test_the_process_ends_with_the_one_that_started_it(look):
    looking = look("=([0-9]+)")
    looking.find("=1")
    looking._process.stdin.close()
    wait_until(lambda: looking._process.poll() is not None, "the process to end", timeout=10)
