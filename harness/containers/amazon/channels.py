"""Rows of a training channel, RecordIO-protobuf or CSV, with the service's own messages.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/common-info-all-im-models.html#example-errors (widths), and reports:
https://github.com/aws/amazon-sagemaker-examples/issues/1017 (CSV), https://github.com/aws/sagemaker-python-sdk/issues/819
(types). No source was found for the words about an empty channel, records that cannot be read, and missing channels:
do not assert more than that the job fails. Nor was one found for a channel without a ContentType, which is read as
RecordIO-protobuf.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NoReturn

import numpy as np

from harness import recordio
from harness.containers.amazon import instances
from harness.containers.runtime import Channel, TrainingJob, UserError
from harness.errors import DataError
from harness.recordio import CONTENT_TYPE, Array, RecordError, Records

CSV = "text/csv"
NO_ROWS = (
    "No training data processed. Either the training channel is empty or the mini-batch size is too high. Verify that "
    "training data contains non-empty files and the mini-batch size is less than the number of records per training "
    "host."
)


def check(job: TrainingJob, *optional: str) -> None:
    """Check the names of the channels: ``train``, and the optional ones.

    :raises UserError: a channel is missing or unknown.
    """
    unknown = sorted(name for name in job.channels if name not in ("train", *optional))
    what = "u'train' is a required property" if "train" not in job.channels else ""
    if unknown and not what:
        were = "was" if len(unknown) == 1 else "were"
        names = ", ".join(f"u'{name}'" for name in unknown)
        what = f"Additional properties are not allowed ({names} {were} unexpected)"
    if what:
        raise UserError(
            "Unable to initialize the algorithm. Failed to validate input data configuration. "
            f"(caused by ValidationError)\n\nCaused by: {what}"
        )


def read(
    job: TrainingJob, name: str, *, width: int | None, labels: Literal["required", "ignored"], csv: bool = True
) -> Records | None:
    """Return the rows of all files of a channel, None for an absent channel, and print their number.

    Channels other than ``train`` may be empty. With several hosts, one of them may have no rows: see
    :func:`check_rows`.

    :param width: number of columns; None takes that of the first row.
    :param labels: ``ignored`` drops those that the rows have.
    :param csv: False for an algorithm that takes RecordIO-protobuf only.
    :raises UserError: a file cannot be read, a row has another width, or labels are required and missing.
    """
    channel = job.channels.get(name)
    if channel is None:
        return None
    kind, label_size = _content_type(channel, csv)
    files = sorted(path for path in channel.path.rglob("*") if path.is_file())
    rows = (
        _read_records(files, channel, width) if kind == CONTENT_TYPE else _read_csv(files, channel, width, label_size)
    )
    if labels == "ignored":
        rows = Records(rows.features)
    elif len(rows) and rows.labels is None:
        fix = "write the label of each row" + (", and no label_size=0" if kind == CSV else "")
        raise UserError(f"Channel {name}: the rows have no labels, which the algorithm needs.", fix=fix)
    _check_finite(rows, name)
    if len(job.hosts) == 1 and name == "train":
        check_rows(rows)
    print(f"[INFO] Channel {name}: {len(rows)} rows, {rows.features.shape[1]} columns", flush=True)
    return rows


def check_classes(rows: Records, channel: str, kind: str, classes: int, of: str | None = None) -> None:
    """Check that labels number classes from 0, as the guides of both classifiers say. The words are chosen here.

    :param kind: the ``predictor_type``.
    :param of: the hyperparameter that says how many classes there are, for the message.
    :raises UserError: a label does not.
    """
    labels = np.empty(0, np.float32) if rows.labels is None else rows.labels
    wrong = (labels < 0) | (labels >= classes) | (labels != np.floor(labels))
    if wrong.any():
        row = int(wrong.argmax())
        expected = f"whole numbers from 0 to {classes - 1} ({of} - 1)" if of else "0 or 1"
        raise UserError(
            f"Channel {channel}: labels for predictor_type {kind} must be {expected}, "
            f"and the label of row {row + 1} is {labels[row]:g}."
        )


def check_rows(rows: Records) -> None:
    """Check that at least one host has rows. Each host must call it, within :func:`instances.connected`.

    :raises UserError: none has.
    """
    if not instances.most(len(rows)):
        raise UserError(NO_ROWS)


def _content_type(channel: Channel, csv: bool) -> tuple[str, int]:
    """Return the type of a channel and the number of its label columns."""
    name, *parameters = [part.strip() for part in (channel.content_type or CONTENT_TYPE).split(";")]
    settings = dict(part.partition("=")[::2] for part in parameters)
    if name.lower() not in ((CONTENT_TYPE, CSV) if csv else (CONTENT_TYPE,)):
        raise UserError(
            f"No iterator has been registered for ContentType (u'{name}', '{settings.get('version', '1.0')}')",
            fix=f"set the ContentType of channel {channel.name} to {CONTENT_TYPE}{f' or {CSV}' if csv else ''}",
        )
    size = settings.get("label_size", "1").strip("\"' ")
    if size not in ("0", "1"):
        raise UserError(f"Channel {channel.name}: label_size={size} is not supported.", fix="set it to 0 or 1")
    return name.lower(), int(size)


def _read_records(files: list[Path], channel: Channel, width: int | None) -> Records:
    try:
        return recordio.read(files, width=width)
    except RecordError as error:
        place = f"{_place(Path(error.source), channel)}, record {error.number}"
        if error.widths is not None:
            _refuse_width(*error.widths, place)
        raise UserError(
            f"Unable to read data channel '{channel.name}'. Requested content-type is '{CONTENT_TYPE}'. Please verify "
            f"the data matches the requested content-type. (caused by MXNetError)\n\nCaused by: {place}: {error.rule}"
        ) from None


def _read_csv(files: list[Path], channel: Channel, width: int | None, label_size: int) -> Records:
    from harness.containers.amazon.text import read_csv  # noqa: PLC0415 - most channels do not need Arrow

    tables = [np.empty((0, (width or 0) + label_size), np.float32)]
    for file in files:
        text = file.read_bytes()
        if not text.strip():
            continue
        try:
            table = read_csv(text)
        except DataError as error:
            rows = text.count(b"\n") + (not text.endswith(b"\n"))
            place = _place(file, channel)
            raise UserError(f"Unable to parse csv: rows 1-{min(rows, 1000)}, file {place}\n\n{error.what}") from None
        if width is None:
            width = table.shape[1] - label_size
        if table.shape[1] - label_size != width or width < 1:
            _refuse_width(table.shape[1] - label_size, width, _place(file, channel))
        tables.append(table)
    table = np.concatenate(tables[1:] or tables)
    labels: Array | None = table[:, 0].copy() if label_size else None
    return Records(np.ascontiguousarray(table[:, label_size:]), labels)


def _refuse_width(found: int, expected: int, place: str) -> NoReturn:
    raise UserError(
        f"cannot copy sequence with size {found} to array axis with dimension {expected} ({place})",
        fix="set feature_dim to the number of columns, and give each row as many",
    ) from None


def _check_finite(rows: Records, name: str) -> None:
    """Raise :class:`UserError` for NaN or infinity, which no page allows."""
    features = rows.features
    values = features if isinstance(features, np.ndarray) else features.data
    if not np.isfinite(values).all():
        raise UserError(f"Channel {name}: a value is NaN or infinite.", fix="replace missing values before training")
    if rows.labels is not None and not np.isfinite(rows.labels).all():
        raise UserError(f"Channel {name}: a label is NaN or infinite.", fix="drop rows without a label")


def _place(file: Path, channel: Channel) -> str:
    """Return the path of a file as it is in SageMaker's containers."""
    return f"/opt/ml/input/data/{channel.name}/{file.relative_to(channel.path).as_posix()}"
