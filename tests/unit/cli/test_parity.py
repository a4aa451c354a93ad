"""``harness parity record``: the stamps of new snapshots."""

import argparse

import pytest

from harness.cli import parity
from harness.parity.snapshot import DIRECTORY, DOCUMENTATION, read


@pytest.mark.parametrize(("is_local", "stamp"), [(False, "observed 20"), (True, DOCUMENTATION)])
def test_only_answers_of_aws_itself_are_stamped_observed(monkeypatch, tmp_path, is_local, stamp):
    shipped = read(DIRECTORY, "s3a")
    answered = [(call, call.answer) for call in shipped.calls]
    monkeypatch.setattr(parity, "_replayed", lambda *_: (is_local, [(shipped, answered)]))
    assert parity._record(argparse.Namespace(output=tmp_path / "new"), [shipped]) == 0
    recorded = read(tmp_path / "new", "s3a")
    assert [call.answer for call in recorded.calls] == [call.answer for call in shipped.calls]
    assert all(call.stamp.startswith(stamp) for call in recorded.calls)
