"""Model archives, hostile ones too, are unpacked below their directory and within limits, or refused."""

import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile

import pytest

from harness.localaws.sagemaker.hosting import archives
from harness.localaws.sagemaker.hosting.archives import ArchiveError, unpack


def member(name, kind=tarfile.REGTYPE, link="", mode=0o644, **pax):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.pax_headers = kind, link, mode, pax
    return info


@pytest.fixture
def pack(tmp_path):
    """A function that returns the path of a new archive of members, each with its content."""

    def archive(*members, form=tarfile.PAX_FORMAT):
        path = tmp_path / "model.tar.gz"
        with tarfile.open(path, "w:gz", format=form) as tar:
            for given in members:
                info, content = given if isinstance(given, tuple) else (given, b"")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return path

    return archive


def refusal(archive, target):
    with pytest.raises(ArchiveError) as error:
        unpack(archive, target)
    return str(error.value)


def below(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_files_and_directories_are_unpacked_with_their_modes(pack, tmp_path):
    run = member("./code/run.sh", mode=0o4777)
    packed = pack(member(".", tarfile.DIRTYPE), (run, b"echo"), (member("./deep/er/model"), b"1" * 99))
    unpack(packed, tmp_path / "model")
    assert below(tmp_path / "model") == ["code", "code/run.sh", "deep", "deep/er", "deep/er/model"]
    assert (tmp_path / "model/code/run.sh").stat().st_mode & 0o7777 & ~0o022 == 0o755 & ~0o022
    assert (tmp_path / "model/deep/er/model").read_bytes() == b"1" * 99


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_other_alphabets_are_unpacked(pack, tmp_path, form):
    name = f"{'long' * 30}/{'名' * 40}"
    unpack(pack((member(name), b"1"), form=form), tmp_path / "model")
    assert (tmp_path / "model" / name).read_bytes() == b"1"


@pytest.mark.parametrize(
    ("bad", "reported"),
    [
        (member("../out"), "'../out' is not a path within the archive"),
        (member("a/../../out"), "'a/../../out' is not a path within the archive"),
        (member("/out"), "'/out' is not a path within the archive"),
        (member("a\\..\\out"), r"'a\\..\\out' is not a path within the archive"),
        (member("x", path="a\0b"), r"'a\x00b' is not a path within the archive"),
        (member("link", tarfile.SYMTYPE, "/etc/passwd"), "'link' is a symbolic link; regular files and"),
        (member("link", tarfile.LNKTYPE, "model"), "'link' is a hard link; regular files and directories"),
        (member("dev", tarfile.CHRTYPE), "'dev' is a device"),
        (member("pipe", tarfile.FIFOTYPE), "'pipe' is a named pipe"),
        (member("\x1b[2J\u202e", tarfile.FIFOTYPE), r"'\x1b[2J\u202e' is a named pipe"),
    ],
)  # fmt: skip
def test_a_member_that_is_not_a_file_within_the_archive_is_refused_by_name(pack, tmp_path, bad, reported):
    assert reported in refusal(pack((member("model"), b"1"), bad), tmp_path / "model")
    assert below(tmp_path / "model") == ["model"]
    assert not (tmp_path / "out").exists()


def test_a_member_of_an_unknown_type_is_refused(tmp_path):
    (tmp_path / "model.tar.gz").write_bytes(gzip.compress(member("link", b"Z").tobuf() + bytes(1024)))
    assert "'link' is of the type b'Z'" in refusal(tmp_path / "model.tar.gz", tmp_path / "model")


def test_a_chain_of_links_that_is_too_long_to_resolve_writes_nothing_outside(pack, tmp_path):
    # CVE-2025-4517: os.path.realpath stops at paths beyond PATH_MAX and takes the rest as it is.
    long, path, members = "d" * 247, "", []
    for step in "abcdefghijklmnop":
        members += [member(f"{path}{long}", tarfile.DIRTYPE), member(f"{path}{step}", tarfile.SYMTYPE, long)]
        path += f"{step}/"
    escape = [member(f"{path}{'l' * 254}", tarfile.SYMTYPE, "../" * 16),
              member("escape", tarfile.SYMTYPE, f"{path}{'l' * 254}/../../victim")]  # fmt: skip
    (tmp_path / "victim").write_text("safe")
    attack = pack(*members, *escape, member("through", tarfile.LNKTYPE, "escape"), (member("through"), b"overwritten"))
    assert "is a symbolic link" in refusal(attack, tmp_path / "model" / "deep")
    assert (tmp_path / "victim").read_text() == "safe"


@pytest.mark.parametrize("second", ["model", "./model", "model/inside", "model/a/b"])
def test_a_file_occurs_once_and_is_not_a_directory(pack, tmp_path, second):
    attack = pack((member("model"), b"1"), (member(second), b"2"))
    assert refusal(attack, tmp_path / "model") == f"'{second}' occurs twice, or is below a file"
    assert (tmp_path / "model" / "model").read_bytes() == b"1"


@pytest.mark.slow
def test_an_archive_that_unpacks_to_a_thousand_times_its_size_is_stopped(pack, tmp_path):
    attack = pack((member("model"), bytes(200_000_000)))
    assert attack.stat().st_size < 205_000
    reported = refusal(attack, tmp_path / "model")
    assert reported.startswith("it unpacks to more than 67,108,864 bytes, the limit for its size (200 times that")
    assert (tmp_path / "model" / "model").stat().st_size <= archives.ALWAYS_BYTES


def test_no_archive_unpacks_to_more_than_the_total(monkeypatch, pack, tmp_path):
    monkeypatch.setattr(archives, "TOTAL_BYTES", 100_000)
    unpack(pack((member("model"), os.urandom(80_000))), tmp_path / "small")
    assert "more than 100,000 bytes" in refusal(pack((member("model"), os.urandom(120_000))), tmp_path / "large")


@pytest.mark.slow
def test_zeros_after_the_last_member_count_too(tmp_path):
    (tmp_path / "model.tar.gz").write_bytes(gzip.compress(member("model").tobuf() + bytes(100_000_000)))
    assert "it unpacks to more than" in refusal(tmp_path / "model.tar.gz", tmp_path / "model")


def test_there_is_a_limit_of_members(monkeypatch, pack, tmp_path):
    monkeypatch.setattr(archives, "MEMBERS", 20)
    unpack(pack(*(member(str(number)) for number in range(20))), tmp_path / "twenty")
    attack = pack(*(member(str(number)) for number in range(21)))
    assert refusal(attack, tmp_path / "more") == "it has more than 20 members, the limit"


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_header_is_not_read_beyond_its_limit(pack, tmp_path, form):
    attack = pack(member("n" * 1_000_000), form=form)
    reported = refusal(attack, tmp_path / "model")
    assert reported.startswith("a header has 1,000,0")
    assert reported.endswith("bytes; the limit is 65,536")


def test_headers_without_a_member_between_them_end(tmp_path):
    header = member("pax", tarfile.XHDTYPE)
    content = b"12 comment=\n"
    header.size = len(content)
    chain = (header.tobuf() + content.ljust(512, b"\0")) * 3000
    (tmp_path / "model.tar.gz").write_bytes(gzip.compress(chain + member("model").tobuf() + bytes(1024)))
    assert refusal(tmp_path / "model.tar.gz", tmp_path / "model") == "a member has too many headers"


@pytest.mark.parametrize(
    "pax",
    [{"GNU.sparse.size": "9999999999", "GNU.sparse.numblocks": "1"},
     {"GNU.sparse.map": "0,1", "GNU.sparse.size": "9999999999"},
     {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9999999999"}],
)  # fmt: skip
def test_sparse_files_are_refused_before_their_map_is_read(pack, tmp_path, pax):
    assert "is a sparse file" in refusal(pack((member("model", **pax), b"1\n0\n1\n".ljust(512))), tmp_path / "model")


def test_old_sparse_files_are_refused(tmp_path):
    header = member("model", tarfile.GNUTYPE_SPARSE)
    (tmp_path / "model.tar.gz").write_bytes(gzip.compress(header.tobuf() + bytes(1024)))
    assert "'model' is a sparse file" in refusal(tmp_path / "model.tar.gz", tmp_path / "model")


def negative_size():
    """Return a header with a size of -512, which tarfile of Python 3.11.13 reads forever."""
    block = bytearray(member("model").tobuf(format=tarfile.GNU_FORMAT))
    block[124:136] = struct.pack(">12s", b"\xff" * 10 + b"\xfe\x00")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_a_negative_size_is_refused(pack, tmp_path):
    (tmp_path / "model.tar.gz").write_bytes(gzip.compress(negative_size() + bytes(1024)))
    assert refusal(tmp_path / "model.tar.gz", tmp_path / "model") == "'model' has the size -512"
    assert refusal(pack((member("model", size="-512"), b"1")), tmp_path / "by-pax")


@pytest.mark.parametrize("form", ["cut", "plain", "bz2", "xz", "text", "empty", "checksum"])
def test_an_incomplete_tar_gz_is_refused(pack, tmp_path, form):
    packed = pack((member("model"), os.urandom(3000)))
    whole = packed.read_bytes()
    others = {"cut": whole[:-1500], "text": b"model", "empty": b"", "checksum": whole[:-8] + b"12345678"}
    if form in others:
        packed.write_bytes(others[form])
    else:
        with tarfile.open(packed, "w" if form == "plain" else f"w:{form}") as tar:
            tar.addfile(member("model"))
    assert refusal(packed, tmp_path / "model")


def test_an_archive_that_is_cut_inside_a_member_is_refused(tmp_path):
    header = member("model")
    header.size = 100_000
    (tmp_path / "model.tar.gz").write_bytes(gzip.compress(header.tobuf() + bytes(50_000)))
    assert refusal(tmp_path / "model.tar.gz", tmp_path / "model")


def test_an_archive_of_the_tar_command_is_unpacked(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "xgboost-model").write_bytes(b"1")
    subprocess.run(["tar", "czf", tmp_path / "model.tar.gz", "-C", tmp_path / "made", "."], check=True)
    unpack(tmp_path / "model.tar.gz", tmp_path / "model")
    assert below(tmp_path / "model") == ["xgboost-model"]


def test_nothing_is_unpacked_into_an_existing_directory(pack, tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(FileExistsError):
        unpack(pack(member("model")), tmp_path / "model")


@pytest.mark.slow
def test_unpacking_takes_memory_for_a_piece_and_not_for_the_archive(pack, tmp_path):
    packed = pack((member("model"), os.urandom(1 << 20) * 60))
    code = (
        "import pathlib, resource, sys; from harness.localaws.sagemaker.hosting.archives import unpack; "
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; "
        "unpack(*map(pathlib.Path, sys.argv[1:])); "
        "unit = 1 if sys.platform == 'darwin' else 1024; "
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit)"
    )
    shown = subprocess.run([sys.executable, "-c", code, packed, tmp_path / "model"], capture_output=True, check=True)
    assert int(shown.stdout) < 20 << 20
