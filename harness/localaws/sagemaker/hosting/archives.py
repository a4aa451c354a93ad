"""Unpacking of untrusted model archives: regular files and directories, below one new directory.

``tarfile.extractall(filter="data")`` is not used. In versions of Python without the fix of CVE-2025-4517 links let an
archive write outside, and nothing limits the size. Only tar with gzip is read, which SageMaker requires
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html).
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Any

TOTAL_BYTES = 8 << 30
"""Bytes that an archive may unpack to: more than fits the memory of the machines that run tests."""
ALWAYS_BYTES = 64 << 20
"""Bytes that an archive of any size may unpack to."""
RATIO = 200
"""Bytes that a byte of an archive may unpack to, beyond :data:`ALWAYS_BYTES`. Models reach 20, gzip 1,032."""
MEMBERS = 50_000
"""Members that an archive may have: enough for all but the largest Python environments."""
HEADER_BYTES = 64 << 10
"""Bytes of a long name, or of a member's pax attributes, which memory must hold."""

_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.DIRTYPE)
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
_PIECE = 1 << 20


class ArchiveError(Exception):
    """The archive is damaged, exceeds a limit, or has a member of a refused kind."""


def unpack(archive: Path, target: Path) -> None:
    """Unpack a ``.tar.gz`` into a new directory.

    :raises ArchiveError: it is not such an archive, exceeds a limit, or has a member that is neither a regular file nor
        a directory, or whose path leaves ``target`` or occurs twice. The message names the reason.
    :raises OSError: a file cannot be written.
    """
    target.mkdir(parents=True)
    most = min(TOTAL_BYTES, max(ALWAYS_BYTES, RATIO * archive.stat().st_size))
    try:
        with archive.open("rb") as file, gzip.GzipFile(fileobj=file) as unzipped:
            stream: Any = _Bounded(unzipped, most)
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member, errors="surrogateescape") as tar:
                _unpack_members(tar, target)
            stream.read_to_end()
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ArchiveError(str(error) or type(error).__name__) from None
    except RecursionError:
        raise ArchiveError("a member has too many headers") from None


class _Bounded:
    """A stream unpacked by gzip, limited in bytes."""

    def __init__(self, stream: gzip.GzipFile, most: int) -> None:
        self._stream = stream
        self._most = most
        self._left = most

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveError(
                f"it unpacks to more than {self._most:,} bytes, the limit for its size ({RATIO} times that, at least "
                f"{ALWAYS_BYTES:,} and at most {TOTAL_BYTES:,} bytes)"
            )
        return data

    def read_to_end(self) -> None:
        """Read the rest after the last member, so that gzip's checksum is compared."""
        while self.read(_PIECE):
            pass


class _Member(tarfile.TarInfo):
    """A member that cannot be sparse, and whose headers are limited before they are read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> _Member:
        header = super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]
        if header.size < 0:
            raise ArchiveError(f"{_quoted(header.name)} has the size {header.size}")
        if header.type in _HEADERS and header.size > HEADER_BYTES:
            raise ArchiveError(f"a header has {header.size:,} bytes; the limit is {HEADER_BYTES:,}")
        if header.type == tarfile.GNUTYPE_SPARSE:  # before its map is read
            raise _unwanted(header)
        return header

    def _refuse_sparse(self, member: tarfile.TarInfo, *_: Any) -> None:
        raise ArchiveError(f"{_quoted(member.name)} is a sparse file; regular files and directories are unpacked")

    # tarfile's own hooks for the sparse files of pax headers, whose maps could fill the memory.
    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


def _unpack_members(tar: Any, target: Path) -> None:
    number = 0
    while (member := tar.next()) is not None:
        number += 1
        if number > MEMBERS:
            raise ArchiveError(f"it has more than {MEMBERS:,} members, the limit")
        _unpack_member(tar, member, target)
        tar.members.clear()  # else tarfile keeps all headers
        tar.pax_headers.clear()


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    if member.type not in _PLAIN:
        raise _unwanted(member)
    if member.size < 0:
        raise ArchiveError(f"{_quoted(member.name)} has the size {member.size}")
    path = target.joinpath(*_parts(member.name))
    directory = path if member.isdir() else path.parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if Path(os.path.realpath(directory)) != Path(os.path.realpath(target)) / directory.relative_to(target):
            raise ArchiveError(f"{_quoted(member.name)} points outside the archive")
        if not member.isdir():
            _write(tar, member, path)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise ArchiveError(f"{_quoted(member.name)} occurs twice, or is below a file") from None


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None, "it is a regular file"
    mode = 0o600 | member.mode & 0o755
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with source, os.fdopen(descriptor, "wb") as file:
        _copy(source, file, member)


def _copy(source: IO[bytes], file: IO[bytes], member: tarfile.TarInfo) -> None:
    left = member.size
    while left:
        piece = source.read(min(_PIECE, left))
        if not piece:
            raise ArchiveError(f"it ends inside {_quoted(member.name)}")
        file.write(piece)
        left -= len(piece)


def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of a member's path; none for the archive's root, ``.``.

    :raises ArchiveError: the path is absolute or empty, or may point outside.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise ArchiveError(f"{_quoted(name)} is not a path within the archive")
    return path.parts


def _unwanted(member: tarfile.TarInfo) -> ArchiveError:
    kind = _KINDS.get(member.type, f"of the type {member.type!r}")
    return ArchiveError(f"{_quoted(member.name)} is {kind}; regular files and directories are unpacked")


def _quoted(name: str) -> str:
    """Return a name for an error message: on one line, without control characters, and of limited length."""
    return repr(name if len(name) <= 200 else f"{name[:200]}…")
