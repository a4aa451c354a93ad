"""Ledgers are opened, read and closed."""

import re
from types import SimpleNamespace

import pytest

from harness.aws.cleanup.ledger import Ledger
from harness.aws.cleanup.resources import Resource
from harness.errors import HarnessError
from harness.settings import Settings
from tests.support.ledgers import account, client


def test_runs_begin_and_expire_by_the_clock_of_aws(tmp_path):
    caller = {"Arn": "arn", "ResponseMetadata": {"HTTPHeaders": {"date": "Thu, 01 May 2031 12:00:00 GMT"}}}
    sts = SimpleNamespace(get_caller_identity=lambda: caller)
    ledger = Ledger.open(account(tmp_path, client=lambda _: sts), Settings(max_hours=3.0))
    ledger.close()
    assert re.fullmatch("2031-05-01T12:00:..Z", ledger.header.started)
    assert re.fullmatch("2031-05-01T15:00:..Z", ledger.header.expires)


def test_a_ledger_is_deleted_once_nothing_is_left_and_stays_otherwise(ledger):
    ledger.names()
    ledger.close()
    assert ledger.path.exists()
    again = Ledger.read(ledger.path, client)
    assert again.clean_up() == []
    again.close()
    assert not ledger.path.exists()


def test_a_kept_ledger_stays_without_leftovers(ledger):
    assert ledger.clean_up() == ledger.leftovers == []
    ledger.close(keep=True)
    assert ledger.path.exists()
    with pytest.raises(HarnessError, match="was closed"):
        ledger.expect(Resource("model", "m"))
