"""Reader of the input for XGBoost: LibSVM and CSV, in training channels and in requests.

Sources: ``data_utils.py``, ``encoder.py`` and ``algorithm_mode/serve_utils.py`` of
https://github.com/aws/sagemaker-xgboost-container, dmlc-core's ``libsvm_parser.h``, which reads channels there, and
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-72.html. The source of ``xgboost:1`` is private, so for that
image only the documentation and messages in public bug reports are known.

Columns count from 0. Index *i* of LibSVM is column *i*, so rows that count from 1 leave column 0 empty. The first
feature of CSV is column 0.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import numpy as np

from harness import libsvm
from harness.containers import csv_rows
from harness.containers.runtime import Channel, UserError
from harness.errors import DataError, LibSVMError
from harness.libsvm import Array, Deviation, LibSVM, Matrix

LIBSVM_TYPES = ("text/libsvm", "text/x-libsvm", "libsvm")
CSV_TYPES = ("text/csv", "csv")
CHANNEL_TYPE = "text/libsvm"
"""Type of a channel that names none."""
REQUEST_TYPE = "text/csv"
"""Type of a request to ``xgboost:1`` that names none (documentation only). Newer images take :data:`CHANNEL_TYPE`."""

COLUMNS = 1 << 22
"""Most columns of LibSVM data, and so a limit for indices. XGBoost needs 360 bytes for each column and a second a round
for a million columns (measured), used or not. Without a limit one index could fill the memory of a machine."""

_IN_REQUESTS: frozenset[Deviation] = (libsvm.BLANKS - {"tab"}) | {"order"}
_IN_CHANNELS: frozenset[Deviation] = _IN_REQUESTS | {"blank line", "weight", "qid"}

_GZIP = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_SNIFFED = 512
_NO_HEADER = "A CSV channel has no header, numbers only"
_LABEL = re.compile(rb"[^:\s]+(:[^:\s]+)?")
"""A label, or ``label:weight``. Whether they are numbers, the reader says."""
_NO_LABEL = re.compile(rb"^(?=[^ \n]*:)", re.MULTILINE)
_MARKERS = (
    (re.compile(r"_SUCCESS"), "a marker that Spark or Hadoop writes when a job is complete"),
    (re.compile(r"_(started|committed)_.*"), "a marker that Databricks writes when it commits files"),
    (re.compile(r"\..*\.crc"), "a checksum that Hadoop writes next to a file"),
)


def media_type(content_type: str | None, default: str) -> str:
    """Return the type without its parameters: ``text/csv; label_size=1`` → ``text/csv``.

    :param default: the type of a channel or request that names none.
    :raises UserError: the container does not read the type.
    """
    name, *parameters = [part.strip().lower() for part in (content_type or default).split(";")]
    if name not in LIBSVM_TYPES + CSV_TYPES:
        accepted = ", ".join(LIBSVM_TYPES + CSV_TYPES)
        raise UserError(f"{name} is not an accepted ContentType: {accepted}.", fix="set the content type")
    sizes = [value.strip('" ') for key, _, value in (part.partition("=") for part in parameters) if key == "label_size"]
    if name in CSV_TYPES and sizes not in ([], ["1"]):
        raise UserError(
            f"{content_type} is not an accepted csv ContentType. Optional parameter label_size must be equal to 1",
            fix="remove label_size",
        )
    return name


# ---- channels


def read_channel(channel: Channel, csv_weights: bool = False) -> LibSVM:
    """Return the rows of all files of a channel; values are rounded to 32-bit floats, as XGBoost uses them.

    :param csv_weights: the second column of CSV is the weight of the row. LibSVM has ``label:weight``.
    :raises UserError: the channel has hidden or compressed files, or rows of different kinds.
    :raises DataError: a line cannot be read. The error names the file below ``/opt/ml``, and the assumed type.
    """
    files = _files(channel)
    for file in files:
        _check_file(file, channel)
    rows = _read_libsvm_files(files, channel) if is_libsvm(channel) else _read_csv_files(files, channel, csv_weights)
    _check_weights(rows, channel)
    return rows


def is_libsvm(channel: Channel) -> bool:
    """Return whether a channel is LibSVM by its type, and not CSV.

    :raises UserError: the container does not read the type.
    """
    return media_type(channel.content_type, CHANNEL_TYPE) in LIBSVM_TYPES


def _check_file(file: Path, channel: Channel) -> None:
    if any(part.startswith(".") for part in file.relative_to(channel.path).parts):
        kind = _marker(file)
        raise UserError(
            "Hidden file found in the data path! Remove that before training. "
            f"It is {_place(file, channel)}{f', {kind}' if kind else ''}."
        )
    with file.open("rb") as stream:
        head = stream.readline(_SNIFFED)
    if head.startswith(_GZIP):
        raise UserError(
            f"{_place(file, channel)} is compressed with gzip, which XGBoost does not read.",
            fix="unpack it before it is uploaded: a channel in File mode is not decompressed",
        )
    if head and not head.strip():
        _refuse(file, channel, "line 1 is blank", "SageMaker determines the format by the first line.")
    if is_libsvm(channel) and head and not (b" " in head and b":" in head):
        # xgboost:1 refuses such a file in these words: https://github.com/aws/amazon-sagemaker-examples/issues/668
        found = csv_rows.shown(head.decode("utf-8", "replace").strip())
        what = f"line 1: Blankspace and colon not found in firstline {found}"
        hint = "; for CSV, set it to text/csv" if b"," in head else ""
        _refuse(file, channel, what, f"It is read as LibSVM, because {_reason(channel)}{hint}.")


def check_first_lines(channel: Channel) -> None:
    """Check the lines of each file up to the first with two features, as images newer than ``xgboost:1`` do.

    They split LibSVM at each blank, and take no tab, no second blank and none at the end
    (``_get_num_valid_libsvm_features`` of ``data_utils.py``). CSV is not checked.

    :raises DataError: a line is not LibSVM for them.
    """
    if is_libsvm(channel):
        for file in _files(channel):
            _check_first_lines(file, channel)


def _files(channel: Channel) -> list[Path]:
    return sorted(path for path in channel.path.rglob("*") if path.is_file())


def _check_first_lines(file: Path, channel: Channel) -> None:
    with file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            head, *features = line.rstrip(b"\r\n").split(b" ")
            if not _LABEL.fullmatch(head) or any(feature.count(b":") != 1 for feature in features):
                found = csv_rows.shown(line.decode("utf-8", "replace").rstrip("\r\n"))
                what = f"line {number}: {found} is not 'LIBSVM' format"
                _refuse(file, channel, what, "Newer images read single blanks between features, and none at the end.")
            if len(features) > 1:
                return


def _read_libsvm_files(files: list[Path], channel: Channel) -> LibSVM:
    try:
        rows = libsvm.read(files, dtype=np.float32, tolerate=_IN_CHANNELS, base=0, nan_column_0=True)
        if rows.features.shape[1] > COLUMNS:  # read again for an error that names file, line and index
            libsvm.read(files, COLUMNS, np.float32, tolerate=_IN_CHANNELS, base=0)
    except LibSVMError as error:
        file = Path(error.source)
        what = (
            f"line {error.line}, column {error.column}: {csv_rows.shown(error.text)} breaks the rule that {error.rule}"
        )
        _refuse(file, channel, what, f"It is read as LibSVM, because {_reason(channel)}.")
    return rows


def _read_csv_files(files: list[Path], channel: Channel, csv_weights: bool) -> LibSVM:
    leading = 2 if csv_weights else 1
    tables = [np.empty((0, leading + 1), dtype=np.float32)]
    for file in (file for file in files if file.stat().st_size):
        text = file.read_bytes().removeprefix(_UTF8_MARK)
        try:
            table = csv_rows.parse(text, skip_blank=True)
            _check_columns(text, table, leading, tables[-1])
        except csv_rows.CSVError as error:
            header = f" {_NO_HEADER}." if error.is_text and error.line == 1 else ""
            _refuse(file, channel, error.what, f"It is read as CSV, because {_reason(channel)}.{header}")
        tables.append(table)
    table = np.concatenate(tables[1:] or tables)
    weights = table[:, 1].astype(np.float64) if csv_weights else None
    return LibSVM(table[:, 0].astype(np.float64), table[:, leading:], weights=weights)


def _check_columns(text: bytes, table: Array, leading: int, before: Array) -> None:
    """Raise CSVError if rows lack a label, weight or features, or differ from those of the file before."""
    if table.shape[1] <= leading:
        raise csv_rows.CSVError(1, f"{table.shape[1]} columns, which leaves none for features")
    if len(before) and table.shape[1] != before.shape[1]:
        raise csv_rows.CSVError(1, f"{table.shape[1]} columns, but the file before has {before.shape[1]}")
    lacking = np.flatnonzero(np.isnan(table[:, :leading]).any(axis=1))
    if len(lacking):
        lines = [number for number, _ in csv_rows.lines(text, skip_blank=True)]
        what = "its label, which is the first column" if leading == 1 else "its label or weight, the first two columns"
        raise csv_rows.CSVError(lines[lacking[0]], f"the row lacks {what}")


def _check_weights(rows: LibSVM, channel: Channel) -> None:
    """Raise :class:`UserError` if only some rows have weights or queries, or XGBoost cannot use them."""
    weights, qids = rows.weights, rows.qids
    if weights is not None and np.isnan(weights).any():
        _refuse_rows(channel, "some rows have a weight and others have none", "give each row a weight, or none")
    if weights is not None and (weights < 0).any():
        _refuse_rows(channel, f"the weight {weights.min():g} is negative", "give weights of 0 or more")
    if qids is not None and (qids < 0).any():
        _refuse_rows(channel, "some rows have a qid and others have none", "give each row a qid, or none")
    if weights is not None and qids is not None:
        _refuse_rows(channel, "rows have both a weight and a qid, but XGBoost weighs queries", "remove one of them")


def _refuse_rows(channel: Channel, what: str, fix: str) -> NoReturn:
    raise UserError(f"Channel {channel.name}: {what}.", fix=fix)


def _refuse(file: Path, channel: Channel, what: str, why: str) -> NoReturn:
    marker = _marker(file)
    if marker:
        raise DataError(
            f"{_place(file, channel)} is {marker}, not data. XGBoost reads every file of a channel: remove this one.",
            checked=what,
        ) from None
    raise DataError(f"{_place(file, channel)}, {what}. {why}", fix="correct the line, or the ContentType") from None


def _marker(file: Path) -> str:
    """Return the kind of a file that is no data by its name, or nothing."""
    return next((kind for name, kind in _MARKERS if name.fullmatch(file.name)), "")


def _place(file: Path, channel: Channel) -> str:
    """Return the path of a file as it is in SageMaker's containers."""
    return f"/opt/ml/input/data/{channel.name}/{file.relative_to(channel.path).as_posix()}"


def _reason(channel: Channel) -> str:
    train = "the channel" if channel.name == "train" else "channel train"  # whose type all channels have
    given = channel.content_type
    return f"{train}'s ContentType is {given}" if given else f"{train} has no ContentType"


# ---- requests


def read_request(body: bytes, kind: str) -> Matrix:
    """Return the features of a request: an array, or a CSR matrix in which absent values are missing.

    As in the open container, rows of LibSVM may lack their labels, and blanks and newlines around the text are no rows.

    :param kind: one of :data:`LIBSVM_TYPES` or :data:`CSV_TYPES`.
    :raises DataError: the text cannot be read.
    """
    if body.startswith(_GZIP):  # a few compressed bytes could fill the memory
        raise DataError("line 1: the request is compressed, but this container does not read gzip.")
    text = body.strip() if body[:1].isspace() or body[-2:].isspace() else body
    if not text:
        raise DataError("line 1: the request has no row.")
    first_line = 1 + body[: body.find(text[:1])].count(b"\n")
    if kind in CSV_TYPES:
        return csv_rows.parse(text, first_line)
    if b":" in text.partition(b"\n")[0].partition(b" ")[0]:
        text = _NO_LABEL.sub(b"0 ", text)
    rows = libsvm.parse(text, dtype=np.float32, first_line=first_line, tolerate=_IN_REQUESTS, base=0, nan_column_0=True)
    return rows.features


def plain_message(error: Exception) -> str:
    """Return XGBoost's message without its source line, C++ class and stack."""
    line = next(line for line in str(error).splitlines() if line.strip())
    content = re.sub(r"^\[[\d:]+\] \S+:\d+: ", "", line).strip()
    return re.sub(r"^Check failed: .*?: (?=.)(\w+Obj: )?", "", content)
