"""The load generator against a server with constant answers."""

import os
import signal
import socket
import threading
import time

import boto3
import numpy as np
import pytest
from botocore.config import Config

from harness.bench.load import signing
from harness.bench.load.connections import Connections, Route, aws_failure, count_failure
from harness.bench.load.generator import Times, closed_loop, open_loop, poisson
from harness.bench.load.null_server import null_server
from harness.bench.load.signing import SignedRequests

ROW = b"5 " + b" ".join(b"%d:255" % number for number in range(100, 240)) + b"\n"


def runtime():
    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret", "region_name": "eu-west-1"}
    return boto3.Session(**keys).client("sagemaker-runtime", config=Config(ignore_configured_endpoint_urls=True))


@pytest.fixture(scope="module")
def requests():
    return SignedRequests(runtime(), "digits", [ROW, ROW * 2], rows=1)


@pytest.fixture(scope="module")
def route(requests):
    with null_server(requests.next().url, rows=1) as found:
        yield found


@pytest.fixture
def connections(requests, route):
    made = Connections(requests, route)
    yield made
    made.close()


def test_requests_are_signed_by_boto3(requests):
    url, headers, body = requests.next()
    assert url == "https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/digits/invocations"
    assert any(header.startswith("Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") for header in headers)
    assert "Content-Type: text/libsvm" in headers
    assert body in (ROW, ROW * 2)


def test_bodies_rotate_and_are_signed_once():
    made = SignedRequests(runtime(), "digits", [ROW, ROW * 2], rows=1)
    first, second, third = made.next(), made.next(), made.next()
    assert [first.body, second.body] == [ROW, ROW * 2]
    assert first is third


def test_a_signature_is_renewed_before_it_is_too_old(monkeypatch):
    made = SignedRequests(runtime(), "digits", [ROW], rows=1)
    first, now = made.next(), time.monotonic()
    monkeypatch.setattr(signing.time, "monotonic", lambda: now + signing.SIGNED_SECONDS + 1)
    renewed = made.next()
    assert renewed is not first
    assert made.next() is renewed


def test_arrivals_are_a_poisson_process_of_the_seed():
    starts = poisson(200, 50, seed=7)
    gaps = np.diff(starts)
    assert len(starts) == 10_000
    assert gaps.mean() == pytest.approx(1 / 200, rel=0.05)
    assert gaps.std() == pytest.approx(1 / 200, rel=0.05)  # as an exponential distribution has it
    assert np.array_equal(starts, poisson(200, 50, seed=7))
    assert not np.array_equal(starts, poisson(200, 50, seed=8))


def test_every_rank_of_the_histogram_can_be_asked_for():
    times = Times()
    for milliseconds in range(1, 1001):
        times.add(milliseconds / 1000)
    assert [times.at_rank(rank) for rank in (1, 500, 999, 1000)] == pytest.approx([0.001, 0.5, 0.999, 1.0], rel=1e-3)


@pytest.mark.slow
def test_all_requests_of_an_open_loop_are_answered(connections):
    measurement = open_loop(connections, poisson(300, 1, seed=1))
    assert measurement.planned == measurement.sent == measurement.answered == 300
    assert measurement.rows == 300
    assert not measurement.failures


@pytest.mark.slow
def test_connections_are_kept(connections):
    closed_loop(connections, 0.1, queries=2)
    measurement = closed_loop(connections, 0.3, queries=2)
    assert measurement.connections == 0
    assert measurement.answered > 20


@pytest.mark.slow
def test_a_query_of_several_requests_counts_once(connections):
    measurement = closed_loop(connections, 0.3, requests=4)
    assert measurement.requests == 4 * measurement.answered
    assert measurement.sent == measurement.answered == len(measurement.latencies)


@pytest.mark.slow
def test_a_stalled_server_delays_all_requests_scheduled_meanwhile(requests):
    with null_server(requests.next().url, rows=1) as route:
        connections = Connections(requests, route)
        closed_loop(connections, 0.1)
        stood = []
        server = child_of(os.getpid(), "harness.bench.load.null_server", newest=True)
        freezer = threading.Timer(0.4, lambda: stood.append(stand_still(server, 1)))
        freezer.start()
        measurement = open_loop(connections, np.arange(0, 2, 0.01))
        freezer.join()
        connections.close()
    assert measurement.answered == 200
    assert measurement.latencies.percentile(99) > 0.9 * stood[0]
    assert measurement.latencies.percentile(85) > 0.5 * stood[0]  # a loop that waits would have asked but once


def stand_still(pid, seconds):
    """Stop a process for some seconds, and return the actual duration, which is longer on a busy machine."""
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    time.sleep(seconds)
    stood = time.monotonic() - began
    os.kill(pid, signal.SIGCONT)
    return stood


def child_of(parent, name, newest):
    import psutil

    children = [child for child in psutil.Process(parent).children() if name in " ".join(child.cmdline())]
    return max(children, key=lambda child: child.create_time()).pid


@pytest.mark.slow
def test_a_load_ends_when_its_watch_returns_false(connections):
    began = time.monotonic()
    measurement = open_loop(connections, poisson(50, 30, seed=1), watch=lambda so_far: so_far.sent < 20)
    assert time.monotonic() - began < 10
    assert measurement.interrupted
    assert 20 <= measurement.sent < 200
    assert measurement.latencies.percentile(50) > 0


@pytest.mark.slow
def test_an_answer_with_too_few_predictions_is_a_failure(route):
    connections = Connections(SignedRequests(runtime(), "digits", [ROW * 3], rows=3), route)
    measurement = closed_loop(connections, 0.1)
    connections.close()
    assert set(measurement.failures) == {"wrong answer"}
    assert measurement.messages["wrong answer"] == "1 predictions for 3 rows"
    assert measurement.answered == 0


@pytest.mark.slow
def test_an_answer_after_the_limit_is_a_timeout(requests, route):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        instead = f"runtime.sagemaker.eu-west-1.amazonaws.com:443:127.0.0.1:{silent.getsockname()[1]}"
        connections = Connections(requests, Route(route.certificates, instead=instead), timeout=0.2)
        measurement = open_loop(connections, np.array([0.0]))
        connections.close()
    assert measurement.failures == {"timeout": 1}
    assert measurement.failed == 1


def test_a_closed_port_is_no_connection(requests, route):
    instead = "runtime.sagemaker.eu-west-1.amazonaws.com:443:127.0.0.1:1"
    connections = Connections(requests, Route(route.certificates, instead=instead))
    measurement = open_loop(connections, np.array([0.0, 0.01]))
    connections.close()
    assert measurement.failures == {"no connection": 2}


def test_a_certificate_of_another_authority_is_refused(requests, route):
    connections = Connections(requests, Route.to(_Nowhere())._replace(proxy="", instead=route.instead))
    measurement = open_loop(connections, np.array([0.0]))
    connections.close()
    assert measurement.failures == {"TLS": 1}


class _Nowhere:
    def environment(self):
        return {}


def test_requests_wait_for_one_of_the_connections(requests, route):
    connections = Connections(requests, route, most=2)
    measurement = open_loop(connections, np.zeros(50))
    connections.close()
    assert 0 < measurement.waited <= 48
    assert measurement.answered == 50


@pytest.mark.parametrize(
    ("status", "headers", "body", "failure", "message"),
    [
        (424, [b"x-amzn-errortype: ModelError\r\n"], b'{"Message": "from primary"}', "424 ModelError", "from primary"),
        (400, [b"x-amzn-ErrorType: ThrottlingException:http://x\r\n"], b'{"message": "slow"}',
         "400 ThrottlingException", "slow"),
        (502, [b"content-type: text/html\r\n"], b"<html>no</html>", "502", "Bad Gateway"),
        (400, [], b"[1]", "400", "[1]"),
    ],
)  # fmt: skip
def test_errors_are_classified_as_in_boto3(status, headers, body, failure, message):
    assert aws_failure(status, headers, body) == (failure, message)


@pytest.mark.parametrize(("body", "rows"), [(b"7.0", 1), (b"7.0,3.0", 2), (b"7.0\n3.0\n", 2), (b"7.0,3.0,", 2)])
def test_predictions_are_counted_in_either_form(body, rows):
    assert count_failure(body, rows) == ("", "")
    assert count_failure(body, rows + 1)[0] == "wrong answer"


def test_an_empty_answer_has_no_prediction():
    assert count_failure(b"", 1) == ("wrong answer", "0 predictions for 1 rows")
