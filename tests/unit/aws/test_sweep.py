"""Decisions and searches of a sweep, without an AWS."""

from datetime import datetime, timedelta, timezone
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from harness.aws.cleanup import discovery, sweep
from harness.aws.cleanup.discovery import Look, Remain
from harness.aws.cleanup.ledger_file import Header, LedgerFile, state_directory
from harness.aws.cleanup.names import new_run
from harness.aws.cleanup.record import EXPIRES_TAG, RUN_TAG
from harness.aws.cleanup.resources import Leftover, Resource
from harness.aws.cleanup.sweep import Wishes
from harness.errors import HarnessError
from harness.settings import Settings

ACCOUNT = "123456789012"
NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("found_by", "age", "wishes", "fate"),
    [
        ("name and tag", MINUTE, {}, "delete"),
        ("ledger", MINUTE, {}, "delete"),
        ("name", MINUTE, {}, "unproven"),
        ("tag", MINUTE, {}, "unproven"),
        ("job", MINUTE, {}, "unproven"),
        ("name", MINUTE, {"unproven": True}, "delete"),
        ("name and tag", -MINUTE, {"unproven": True}, "early"),
        ("name", -MINUTE, {"unproven": True}, "early"),
        ("name and tag", 59 * MINUTE, {"ttl": timedelta(hours=1)}, "early"),
        ("name and tag", 61 * MINUTE, {"ttl": timedelta(hours=1)}, "delete"),
    ],
)
def test_the_fate_of_a_resource_follows_from_its_age_and_the_way_it_was_found(found_by, age, wishes, fate):
    remain = Remain(Resource("model", "m"), "us-east-1", "r", found_by, NOW - age, "exists")
    assert Wishes(**wishes).fate(remain, NOW) == fate


RUN = new_run(ACCOUNT)


@pytest.mark.parametrize(
    "tags",
    [
        {RUN_TAG: RUN},
        {EXPIRES_TAG: "2026-11-22T12:00:00Z"},
        {RUN_TAG: RUN, EXPIRES_TAG: "tomorrow"},
        {RUN_TAG: RUN[:-1], EXPIRES_TAG: "2026-11-22T12:00:00Z"},
        {RUN_TAG: new_run("999999999999"), EXPIRES_TAG: "2026-11-22T12:00:00Z"},
    ],
)
def test_tags_that_are_not_all_of_a_runs_of_this_account_say_nothing(tags):
    assert discovery._mark(tags, ACCOUNT) is None


def test_a_runs_tags_say_whose_something_is_and_when_it_expires():
    assert discovery._mark({RUN_TAG: RUN, EXPIRES_TAG: "2026-11-22T12:00:00Z"}, ACCOUNT) == (RUN, NOW)


class Refusing:
    """A client of a region that refuses every list."""

    def get_paginator(self, name):
        answer = {"Error": {"Code": "UnrecognizedClientException", "Message": "the region is not enabled"}}
        return mock.Mock(paginate=mock.Mock(side_effect=ClientError(answer, name)))


def test_a_region_that_refuses_is_not_searched_further():
    seen = discovery.look("me-south-1", ACCOUNT, lambda service: {"sagemaker": Refusing()}[service])
    assert (seen.remains, seen.refused) == ([], True)
    assert "me-south-1: training jobs: " in seen.trouble[0]


@pytest.mark.parametrize(
    ("home", "left", "unseen"), [("me-south-1", 0, True), ("us-east-1", 0, False), ("us-east-1", 1, True)]
)
def test_a_refusal_of_a_region_is_reported_and_counts_at_home_or_with_resources(
    home, left, unseen, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    remain = Remain(Resource("model", "m"), "me-south-1", "r", "tag", NOW, "exists")
    seen = Look("me-south-1", [remain] * left, ["me-south-1: data in S3: denied"])
    monkeypatch.setattr(sweep, "look", lambda *_, **__: seen)
    found = sweep._find(sweep._Account(mock.Mock(), ACCOUNT), home, ["me-south-1"], Wishes(all_regions=True))
    assert (found.notes, found.unseen, len(found.remains)) == (seen.trouble, unseen, left)


def test_regions_that_refuse_everything_share_one_note(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(sweep, "look", lambda name, *_, **__: Look(name, [], [f"{name}: models: denied"] * 4, True))
    regions = ["us-east-1", "eu-west-1", "me-south-1"]
    found = sweep._find(sweep._Account(mock.Mock(), ACCOUNT), "us-east-1", regions, Wishes(all_regions=True))
    assert found.notes == [f"nothing could be searched in {', '.join(regions)}; us-east-1: models: denied"]


def test_a_resource_with_a_runs_tag_and_a_users_name_is_found_by_its_arn():
    arns = [f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:{part}" for part in ("endpoint/theirs", "notebook-instance/theirs")]
    pages = [{"ResourceTagMappingList": [{"ResourceARN": arn} for arn in arns]}]
    tagging = mock.Mock(get_paginator=lambda _: mock.Mock(paginate=lambda **_: pages))
    region = discovery._Region("us-east-1", ACCOUNT, lambda _: tagging)
    assert region._tagged() == [Resource("endpoint", "theirs")]


@pytest.mark.parametrize(("code", "told"), [("AccessDeniedException", 0), ("InternalServiceException", 1)])
def test_a_failed_search_of_tags_is_reported_and_a_denied_one_is_not(code, told):
    failing = mock.Mock(side_effect=ClientError({"Error": {"Code": code, "Message": "no"}}, "GetResources"))
    tagging = mock.Mock(get_paginator=lambda _: mock.Mock(paginate=failing))
    region = discovery._Region("us-east-1", ACCOUNT, lambda _: tagging)
    assert region._tagged() == []
    assert len(region._trouble) == told


def searched(**wishes):
    """Search an account without resources, from us-east-1."""
    wishes = Wishes(all_regions=True, **wishes)
    return sweep._find(sweep._Account(mock.Mock(), ACCOUNT), "us-east-1", [], wishes)


def test_ledgers_that_others_can_write_are_not_believed_and_the_search_is_incomplete(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert not searched().unseen
    state_directory().mkdir(parents=True, mode=0o700)
    state_directory().chmod(0o777)
    found = searched()
    assert "None of them is believed" in found.notes[0]
    assert found.unseen


def test_a_run_is_over_once_its_process_has_ended_whatever_its_time(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    header = Header(RUN, ACCOUNT, "eu-west-1", "real", "arn", "2026-11-22T12:00:00Z", "2199-01-01T00:00:00Z", 1)
    ledger = LedgerFile.create(state_directory(), header)
    assert searched().notes == []
    ledger.close()
    assert searched().notes == [f"{ledger.path} is of region eu-west-1: add --region eu-west-1 or --all-regions."]


def test_what_a_damaged_ledger_leaves_has_the_reason_in_its_state(monkeypatch):
    monkeypatch.setattr(sweep, "_finish", mock.Mock(side_effect=HarnessError("The ledger was changed.")))
    ledger = mock.Mock()
    ledger.deletion.remaining.return_value = [Leftover(Resource("model", "m"), "exists", None, "aws …")]
    assert [each.state for each in sweep._finish_safely(ledger, mock.Mock(), False)] == [
        "exists: The ledger was changed."
    ]


@pytest.mark.parametrize(
    ("left", "unseen", "billed", "delete", "clean"),
    [
        (0, False, False, True, True),
        (1, False, False, True, False),
        (0, True, False, True, False),
        (0, False, True, True, False),
        (0, False, True, False, True),
    ],
)
def test_an_account_is_clean_if_all_was_searched_and_nothing_that_costs_stays(left, unseen, billed, delete, clean):
    endpoint = Remain(Resource("endpoint", "e"), "us-east-1", "r", "name", NOW, "InService")
    seen = sweep._Seen([endpoint] * billed, unseen=unseen)
    wishes = Wishes(delete=delete)
    account = sweep._Account(mock.Mock(), ACCOUNT)
    found = sweep.Sweep(account, Settings(mode="mock"), wishes, seen)
    assert found.is_clean([Leftover(Resource("model", "m"), "exists", 0.25, "aws …")] * left) is clean
