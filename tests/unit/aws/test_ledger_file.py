"""A ledger's file: what is in it is on disk, and a file that a run of this user's did not write is not believed."""

import errno
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from unittest import mock

import pytest

import harness
from harness.aws.cleanup.ledger_file import Entry, Header, LedgerFile, is_open, ledgers_in, read_ledger, state_directory
from harness.aws.cleanup.names import new_run
from harness.errors import HarnessError

ACCOUNT = "123456789012"
RUN = new_run(ACCOUNT)


def without_run(value):
    """Return the id of a parameter, the same each time although names of runs are random."""
    return re.sub("[a-z2-7]{12}", "run", str(value))


HEADER = Header(RUN, ACCOUNT, "us-east-1", "real", "arn", "2026-11-22T12:00:00Z", "2026-11-22T14:00:00Z", 1)
MODEL = {"kind": "model", "name": "m"}
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def file(tmp_path):
    """An open ledger with one entry, in its own directory."""
    opened = LedgerFile.create(tmp_path / "state", HEADER)
    opened.append(MODEL)
    yield opened
    opened.close()


def entries(file):
    """Return the names of the resources that another process would read now."""
    return [entry.name for entry in read_ledger(file.path)[1]]


def refused(path, why):
    """Check that a ledger is not believed, and for that reason."""
    with pytest.raises(HarnessError, match=why):
        read_ledger(path)


def in_another_process(code):
    environment = os.environ | {"PYTHONPATH": str(Path(harness.__file__).parents[1])}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)


def test_written_rows_are_read_again(file):
    file.append({**MODEL, "name": "n", "instance_type": "ml.m4.xlarge", "count": 2})
    assert read_ledger(file.path) == (HEADER, [Entry("model", "m"), Entry("model", "n", "ml.m4.xlarge", 2)])


def test_a_line_that_was_cut_short_is_left_out_and_the_others_are_read(file):
    file.append({**MODEL, "name": "n"})
    os.truncate(file.path, file.path.stat().st_size - 20)
    assert entries(file) == ["m"]


PLAIN = json.dumps(asdict(HEADER))
"""A header that no run sealed."""


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"not json", b"[]\n", b'{"run": "x"}\n', PLAIN.encode(), PLAIN.encode() + b"\n"),
        *(b"\n", b" \n", b"\0" * 5000 + b"\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"9" * 1_000_000 + b"\n"),
        b"0" * 64 + b" " + PLAIN.encode() + b"\n",
    ],
)
def test_a_file_that_is_no_ledger_is_refused(file, content):
    path = file.path.with_name("x.jsonl")
    path.write_bytes(content)
    refused(path, "is no ledger")


# --- who wrote it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [(b'"m"', b'"production"'), (b'"model"', b'"endpoint"'), (b'"pid": 1', b'"pid": 2')])
def test_a_line_that_was_changed_is_noticed(file, change):
    file.path.write_bytes(file.path.read_bytes().replace(*change))
    refused(file.path, "line [12] was not written by a run")


def test_a_line_that_was_added_removed_or_moved_is_noticed(file):
    file.append({**MODEL, "name": "n"})
    header, first, second = file.path.read_bytes().splitlines(keepends=True)
    for lines in ([header, second], [header, second, first], [header, first, second, second], [first, second]):
        file.path.write_bytes(b"".join(lines))
        refused(file.path, "was not written by a run")


def test_a_ledger_sealed_with_another_key_or_none_is_refused(file):
    key = file.path.with_name("key")
    key.write_bytes(bytes(32))
    refused(file.path, "was not written by a run")
    key.write_bytes(b"short")
    refused(file.path, "5 bytes instead of 32")
    key.unlink()
    refused(file.path, "no key")


def test_the_key_is_the_users_alone_and_one_that_others_can_read_is_not_used(file):
    key = file.path.with_name("key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in key.parent.iterdir()) == sorted(["key", file.path.name])
    key.chmod(0o644)
    refused(file.path, "key next to it cannot be trusted")


@pytest.mark.slow
def test_all_runs_of_a_directory_share_one_key_also_if_they_begin_at_once(tmp_path):
    code = f"""
from dataclasses import replace
from pathlib import Path
from harness.aws.cleanup.ledger_file import LedgerFile
from harness.aws.cleanup.names import new_run
from tests.unit.aws.test_ledger_file import HEADER
print(LedgerFile.create(Path({str(tmp_path / "new")!r}), replace(HEADER, run=new_run(HEADER.account))).path)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(harness.__file__).parents[1])}
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(4)]
    for process in processes:
        path, _ = process.communicate(timeout=60)
        assert read_ledger(Path(path.strip()))[0].account == ACCOUNT


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_ledger_that_others_can_write_to_is_refused(file, mode):
    file.path.chmod(mode)
    refused(file.path, "its mode")


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777])
def test_a_directory_that_others_can_write_to_has_no_ledgers_and_gets_none(file, mode):
    directory = file.path.parent
    directory.chmod(mode)
    refused(file.path, "other users can write there")
    with pytest.raises(HarnessError, match="other users can write there"):
        ledgers_in(directory)
    with pytest.raises(HarnessError, match="other users can write there"):
        LedgerFile.create(directory, replace(HEADER, run=new_run(ACCOUNT)))
    assert len(list(directory.iterdir())) == 2


@as_root
def test_a_ledger_of_another_user_is_refused(file):
    os.chown(file.path, NOBODY, NOBODY)
    refused(file.path, f"its owner is user {NOBODY}")


@as_root
def test_a_link_to_a_directory_of_another_user_is_no_state_directory(file, tmp_path):
    theirs = tmp_path / "theirs"
    shutil.move(file.path.parent, theirs)
    os.chown(theirs, NOBODY, NOBODY)
    (tmp_path / "state").symlink_to(theirs)
    refused(file.path, "other users can write there")
    with pytest.raises(HarnessError, match=f"cannot be trusted.*\n.*user {NOBODY}"):
        ledgers_in(tmp_path / "state")


def test_a_link_to_a_directory_of_ones_own_is_followed(file, tmp_path):
    (tmp_path / "link").symlink_to(file.path.parent)
    assert ledgers_in(tmp_path / "link") == [tmp_path / "link" / file.path.name]
    assert read_ledger(tmp_path / "link" / file.path.name)[0] == HEADER


# --- which file it is -------------------------------------------------------------------------------------------------


def test_a_copy_is_no_ledger_neither_under_another_name_nor_elsewhere_nor_in_place(file, tmp_path):
    copy = file.path.with_name(f"{new_run(ACCOUNT)}.jsonl")
    shutil.copy(file.path, copy)
    refused(copy, "it is a copy")
    shutil.copytree(file.path.parent, tmp_path / "backup")
    refused(tmp_path / "backup" / file.path.name, "it is a copy")
    copy.replace(file.path)
    refused(file.path, "it is a copy")


def test_a_ledger_under_another_name_is_refused_and_so_is_a_link_to_one(file):
    hard, soft = file.path.with_name("x.jsonl"), file.path.with_name("y.jsonl")
    os.link(file.path, hard)
    soft.symlink_to(file.path)
    refused(hard, "not named after its run")
    refused(soft, "is no ledger of the harness: Too many levels of symbolic links")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "directory"])
def test_a_ledger_that_is_no_regular_file_is_refused_without_waiting(file, make):
    path = file.path.with_name("x.jsonl")
    make(path)
    refused(path, "no regular file")
    is_open(path)


def test_a_file_larger_than_any_ledger_is_not_read(file):
    os.truncate(file.path, 1 << 40)
    refused(file.path, "1099511627776 bytes")


def test_ledgers_are_listed_whatever_lies_between_them(file):
    odd = b"\xff.jsonl".decode(errors="surrogateescape") if sys.platform == "linux" else "odd.jsonl"
    for name in ("x.log", "key2", ".key-1", odd):
        (file.path.parent / name).touch()
    assert file.path in ledgers_in(file.path.parent)
    assert len(ledgers_in(file.path.parent)) == 2
    assert ledgers_in(file.path.parent / "nowhere") == []


@pytest.mark.parametrize(
    "make", [Path.touch, os.mkfifo, lambda path: path.symlink_to(path)], ids=["file", "fifo", "loop"]
)
def test_a_state_directory_that_is_none_is_an_error_and_not_waited_for(tmp_path, make):
    make(tmp_path / "state")
    with pytest.raises(HarnessError, match="cannot be listed"):
        ledgers_in(tmp_path / "state")
    with pytest.raises(HarnessError, match="cannot be written"):
        LedgerFile.create(tmp_path / "state", HEADER)


# --- what it says -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        *({"run": run} for run in ("", "x" * 12, new_run("210987654321"))),
        *({"account": account} for account in ("", "1234", "x" * 12)),
        *({"region": "us-east-1; rm"}, {"mode": "dry"}, {"owner": 1}, {"pid": "1"}, {"pid": True}),
        *({"expires": text} for text in ("soon", "9999-12-31T23:59:59Z", None)),
        *({"hourly_prices": prices} for prices in ([], {"x": 1}, {"x": {"y": "z"}}, {"x": {"y": float("nan")}})),
    ],
    ids=without_run,
)
def test_a_header_that_no_run_writes_is_refused(tmp_path, changes):
    written = LedgerFile.create(tmp_path / "state", replace(HEADER, **changes))
    written.close()
    refused(written.path, "is no ledger")


@pytest.mark.parametrize(
    "changes",
    [
        *({"kind": kind} for kind in ("bucket", "", 7, None)),
        *({"name": name} for name in ("", "*", "a/b", "a\nb", 7, None, "x" * 64)),
        *({"tagged": 1}, {"refused": "no"}, {"count": "2"}, {"count": True}, {"instance_type": 4}, {"more": 1}),
        *({"kind": "S3 prefix", "name": f"s3://prod-data{rest}"} for rest in ("", "/", "/im", "//")),
        *({"kind": "S3 prefix", "name": name} for name in ("prod-data/x/", "https://prod-data/x/")),
        {"kind": "S3 prefix", "name": "s3://prod-data/x/", "tagged": True},
        {"kind": "S3 staging", "name": "s3://prod-data/*/churn/"},
        {"kind": "S3 staging", "name": f"s3://prod-data/*/hsh-{new_run(ACCOUNT)}-1-training-job/"},
    ],
    ids=without_run,
)
def test_an_entry_that_no_run_writes_makes_its_ledger_one_that_is_refused(file, changes):
    file.append(MODEL | changes)
    refused(file.path, "is no ledger")


@pytest.mark.parametrize(
    "entry", [MODEL, MODEL | {"tagged": True}, {"kind": "S3 prefix", "name": "s3://prod-data/x/"}], ids=str
)
def test_an_entry_that_a_run_writes_is_read_back(file, entry):
    file.append(entry)
    assert read_ledger(file.path)[1][-1] == Entry(**entry)


# --- a disk that is full ----------------------------------------------------------------------------------------------

LIMITED = """
import resource, sys
from pathlib import Path
from harness.aws.cleanup.ledger_file import LedgerFile, read_ledger
from tests.unit.aws.test_ledger_file import HEADER, MODEL
file = LedgerFile.create(Path(sys.argv[1]), HEADER)
file.append(MODEL)
size = file.path.stat().st_size
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
for room in (0, 10, 90):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, most))
    try:
        file.append({**MODEL, "name": "full"})
    except Exception as error:
        print(type(error).__name__, error)
    assert file.path.stat().st_size == size
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
file.append({**MODEL, "name": "later"})
print([entry.name for entry in read_ledger(file.path)[1]])
"""


def test_an_entry_that_the_disk_takes_only_a_part_of_is_not_in_the_file_and_later_ones_are(tmp_path):
    code = LIMITED.replace("sys.argv[1]", repr(str(tmp_path / "state")))
    lines = in_another_process(code).stdout.splitlines()
    assert [line.split(" ")[0] for line in lines if "cannot be written" in line] == ["HarnessError"] * 3
    assert lines[-1] == "['m', 'later']"


def test_an_entry_of_which_it_is_not_known_whether_it_is_on_disk_is_taken_back(file, monkeypatch):
    size = file.path.stat().st_size
    monkeypatch.setattr("os.fsync", mock.Mock(side_effect=OSError(errno.EIO, "Input/output error")))
    with pytest.raises(HarnessError, match="cannot be written: Input/output error"):
        file.append({**MODEL, "name": "lost"})
    assert file.path.stat().st_size == size


def test_an_entry_that_is_interrupted_is_not_in_the_file(file):
    with mock.patch("os.fsync", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        file.append({**MODEL, "name": "lost"})
    file.append({**MODEL, "name": "later"})
    assert entries(file) == ["m", "later"]


@as_root
def test_a_run_that_finds_no_room_for_its_ledger_leaves_no_file(tmp_path):
    disk = tmp_path / "full"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=4k,mode=700 tmpfs {disk} 2>/dev/null"):
        pytest.skip("a small disk cannot be mounted here")
    try:
        (disk / "rest").write_bytes(bytes(4096))
        with pytest.raises(HarnessError, match="cannot be written: No space left on device"):
            LedgerFile.create(disk, HEADER)
        assert os.listdir(disk) == ["rest"]
    finally:
        os.system(f"umount -l {disk}")


# --- whether its run is alive -----------------------------------------------------------------------------------------


def test_a_ledger_is_open_for_as_long_as_its_process_is(file):
    code = "from pathlib import Path; from harness.aws.cleanup.ledger_file import is_open; "
    assert in_another_process(f"{code}print(is_open(Path({str(file.path)!r})))").stdout == "True\n"
    other = LedgerFile.create(file.path.parent, replace(HEADER, run=new_run(ACCOUNT)))
    other.close()
    assert not is_open(other.path)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EBADF])
def test_a_ledger_that_cannot_be_locked_is_taken_for_open_and_one_that_is_gone_is_not(file, monkeypatch, code):
    monkeypatch.setattr("fcntl.flock", mock.Mock(side_effect=OSError(code, "no locks here")))
    assert is_open(file.path)
    file.path.unlink()
    assert not is_open(file.path)


def test_a_ledger_is_locked_in_ways_that_nfs_grants(tmp_path, monkeypatch):
    modes = []
    flags = lambda descriptor: fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE  # noqa: E731
    monkeypatch.setattr("fcntl.flock", lambda descriptor, how: modes.append(flags(descriptor)))
    file = LedgerFile.create(tmp_path / "state", HEADER)
    is_open(file.path)
    file.close()
    assert modes == [os.O_RDWR, os.O_RDWR]


def test_a_file_system_without_hard_links_has_a_key_too(tmp_path, monkeypatch):
    monkeypatch.setattr("os.link", mock.Mock(side_effect=OSError(errno.EOPNOTSUPP, "Operation not supported")))
    file = LedgerFile.create(tmp_path / "state", HEADER)
    file.close()
    assert read_ledger(file.path) == (HEADER, [])
    assert sorted(os.listdir(file.path.parent)) == sorted(["key", file.path.name])


def test_ledgers_of_real_runs_are_where_the_users_state_is(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory() == tmp_path / "sagemaker-spark-harness"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_directory() == tmp_path / ".local" / "state" / "sagemaker-spark-harness"
