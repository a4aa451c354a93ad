"""moto's services: sessions expire, and log streams are bounded."""

import base64
import binascii
import json
import subprocess
import sys

import pytest

SERVICES = """
import json, sys
from datetime import timedelta
from pathlib import Path
from harness.localaws import moto_backend
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

made = moto_backend.Services(Path(sys.argv[1]))
arn, account = moto_backend.role_arn("us-east-1"), moto_backend.ACCOUNT
sessions, keys = sts_backends[account]["aws"].assumed_roles, iam_backends[account]["aws"].access_keys
given = [made.assume_role("us-east-1", arn, name) for name in ("SageMaker", "SageMaker", "other")]
before = len(sessions), len(keys)
for session in sessions:
    session.expiration -= timedelta(hours=7)
renewed = made.assume_role("us-east-1", arn, "SageMaker")
for session in sessions:
    session.expiration -= timedelta(hours=5)
made.assume_role("us-east-1", arn, "third")
moto_backend.LOG_LINES = 20
write = made.log_writer("us-east-1", "group", "stream")
for number in range(50):
    write(f"line {number}")
lines = moto_backend.logs_backends[account]["us-east-1"].groups["group"].streams["stream"].events
iam_backends[account]["aws-cn"].create_user("cn-north-1", "developer")
key = iam_backends[account]["aws-cn"].create_access_key("developer")
ids = [given[0]["AWS_ACCESS_KEY_ID"], key.access_key_id]
print(json.dumps({
    "same": [given[0] == given[1], given[0] == given[2], given[0] == renewed],
    "ids": ids, "before": before, "after": (len(sessions), len(keys)), "lines": [lines[0].message, lines[-1].message],
}))
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """Sessions and log lines, in a separate process because moto is changed there."""
    command = [sys.executable, "-c", SERVICES, tmp_path_factory.mktemp("objects")]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_containers_of_a_role_share_a_session_until_half_of_its_time_has_passed(services):
    assert services["same"] == [True, False, False]
    assert services["before"] == [2, 2]


def test_expired_sessions_are_forgotten_with_their_keys(services):
    assert services["after"] == [2, 2], "the renewed one and the third"


def test_a_log_stream_keeps_its_latest_lines(services):
    assert services["lines"] == ["line 30", "line 49"]


def test_no_access_key_id_can_be_one_of_awss(services):
    """AWS's are four letters and 80 bits in Base32 (documentation only)."""
    assert [name[:4] for name in services["ids"]] == ["ASIA", "AKIA"]
    for name in services["ids"]:
        with pytest.raises(binascii.Error):
            base64.b32decode(name[4:])
