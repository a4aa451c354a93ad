"""Ledgers are opened, read and closed."""

import re
from types import SimpleNamespace

from harness.aws.cleanup.ledger import Ledger
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
