"""Containers as processes: their end, and the lines of their output."""

import os
import signal
import sys

from harness.localaws.sagemaker.container_process import LINE_BYTES, ContainerProcess, split_lines


def test_a_container_is_killed_once_since_its_id_may_be_anothers_after(monkeypatch, tmp_path):
    signalled = []
    monkeypatch.setattr(os, "killpg", lambda group, number: signalled.append((group, number)))
    process = ContainerProcess([sys.executable, "-c", ""], tmp_path, {}, print)
    assert process.wait(20) == 0
    process.terminate()
    process.kill()
    process.kill()
    assert signalled == [(process.pid, signal.SIGKILL)]


def lines_of(*pieces):
    return list(split_lines(pieces))


def test_lines_end_at_newlines_and_carriage_returns():
    assert lines_of(b"a\nb\r\nc\r\r\nd\re") == [b"a", b"b", b"c", b"d", b"e"]
    assert lines_of(b"\n\r\n\r  1%\r  2%\r") == [b"", b"", b"  1%", b"  2%"]


def test_lines_do_not_depend_on_the_pieces_of_output():
    text = b"a\r\nb\rc\n\nd\r\r\n\ne"
    whole = lines_of(text)
    assert whole == [b"a", b"b", b"c", b"", b"d", b"", b"e"]
    for at in range(len(text)):
        assert lines_of(text[:at], text[at:]) == whole, text[:at]


def test_a_line_without_an_end_is_split_at_its_limit():
    pieces = [b"x" * 65_536] * 10
    lines = lines_of(*pieces, b"y\nz")
    assert max(map(len, lines)) == LINE_BYTES
    assert b"".join(lines) == b"".join(pieces) + b"yz"
    assert lines[-1] == b"z"


def test_a_flood_of_carriage_returns_is_no_line():
    assert lines_of(*[b"\r" * 65_536] * 8, b"done") == [b"done"]


def test_output_is_read_on_when_a_line_cannot_be_taken(tmp_path):
    taken = []

    def take(line):
        taken.append(line)
        raise KeyError("the log stream was deleted")

    process = ContainerProcess([sys.executable, "-c", "for n in range(50_000): print(n)"], tmp_path, {}, take)
    assert process.wait(60) == 0
    assert len(taken) == 50_000
