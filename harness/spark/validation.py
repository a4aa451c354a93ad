"""Validation of rows before anything is uploaded: rows that would be lost or changed on their way to a model.

Rows travel twice as text. Spark's LibSVM writer uploads them for the training container, and the SDK's serializer sends
them to the endpoint. Neither objects to NaN, or to values that XGBoost's 32-bit floats cannot hold. Neither objects to
a mix of rows with and without their zeros, although XGBoost takes omitted values for missing ones. Spark's reader skips
files that it considers hidden.

Spark counts indices from 1 and refuses index 0. XGBoost counts columns from 0 and leaves column 0 empty for such rows.
Models and requests of LibSVM agree on this, but a CSV request to a model trained on these rows is off by one.
``docs/reference/libsvm-differences.md`` has the behaviour of each tool.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt
from py4j.protocol import Py4JJavaError
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F  # noqa: N812 - its customary name
from pyspark.sql.types import DoubleType, StructField, StructType

from harness.errors import DataError
from harness.mnist import ROWS
from harness.regions import region_of_sample_bucket, split_s3_uri
from harness.spark.internals import JavaObject, optimized_plan, under_schema
from harness.spark.labels import Labels, labels_of
from harness.spark.session import root_cause

BEYOND = 2.0**128 - 2.0**103
"""The smallest number that becomes infinite as a 32-bit float."""

ALL_DENSE = (
    "in your preparation, so that training and scoring both get it: from pyspark.ml.functions import array_to_vector, "
    "vector_to_array; frame.withColumn('features', array_to_vector(vector_to_array('features')))"
)
"""Place and code of the fix for vectors of two kinds."""
_COLUMNS = (("label", "double"), ("features", "vector"))
_GLOB = "*?[]{}\\"
_GZIP = b"\x1f\x8b"


@overload
def check_libsvm(data: str | Path, *, features: int | None = None, classes: int | None = None) -> int: ...
@overload
def check_libsvm(
    data: DataFrame, *, features: int | None = None, classes: int | None = None, objective: str | None = None
) -> int | None: ...
def check_libsvm(
    data: DataFrame | str | Path,
    *,
    features: int | None = None,
    classes: int | None = None,
    objective: str | None = None,
) -> int | None:
    """Refuse rows that would be lost or changed on their way to a model; return the number of rows.

    A frame is checked inside the JVM in one pass, which computes the frame. With 60,000 dense rows of 784 features that
    takes longer than a second, most of it for reading. The values of the sample bucket are known, so a frame of
    its rows alone has only its columns checked and is not counted (None).

    :param data: a frame with the columns ``label`` and ``features``, or a LibSVM file or directory.
    :param features: number of features of a row. None allows any number; all rows of a frame must have the same.
    :param classes: labels are the whole numbers from 0 to ``classes`` - 1; None allows any number.
    :param objective: name of the objective in XGBoost, such as ``binary:logistic``. Labels of a frame that it cannot
        train on are refused. With it, ``classes`` counts for ``multi:…`` only.
    :raises DataError: rows would be lost or changed, or cannot be read. A file with index 0 cannot be read by Spark.
        The error has the reason and a fix.
    """
    if isinstance(data, DataFrame):
        checked = check_frame(data, features, labels_of(objective, classes))
        return checked.rows if checked else None
    return _check_file(Path(data), features, classes)


# ---- files


def _check_file(path: Path, features: int | None, classes: int | None) -> int:
    from harness import libsvm  # noqa: PLC0415 - imports pyarrow, which frames do not need

    spark_reads = libsvm.BLANKS - {"tab"}
    try:
        for file in _files(path):
            _check_name(file, path)
        rows = libsvm.read([path], features=features, dtype=np.float32, tolerate=spark_reads)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", fix="name a LibSVM file") from error
    if not len(rows):
        raise DataError(f"{path} has no rows.", fix="name a LibSVM file with one row per line")
    _check_labels(path, rows.labels, classes)
    return len(rows)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return [file for file in path.rglob("*") if file.is_file() and not file.name.startswith((".", "_"))]
    return [path]


def _check_name(file: Path, given: Path) -> None:
    """Raise :class:`DataError` if Spark would misread or skip the file because of its name."""
    with file.open("rb") as stream:
        is_gzip = stream.read(len(_GZIP)) == _GZIP
    if is_gzip != (file.suffix == ".gz"):
        kind = "is compressed with gzip" if is_gzip else "is not compressed"
        raise DataError(
            f"{file} {kind}, but Spark goes by its name.", fix="end the names of gzip files, and only those, in .gz"
        )
    if any(sign in str(given) for sign in _GLOB):
        raise DataError(f"{given} has a name that Spark reads as a pattern.", fix=f"rename it without any of {_GLOB}")
    if file.parent not in (given, given.parent):
        raise DataError(f"{file} is not directly in {given}: Spark skips it.", fix=f"move it into {given}")
    if file.name.startswith(("_", ".")):
        raise DataError(f"{file} starts with '_' or '.': Spark skips it and reads no row.", fix="rename it")


def _check_labels(path: Path, labels: npt.NDArray[np.float64], classes: int | None) -> None:
    odd = np.flatnonzero(np.abs(labels) >= BEYOND)
    if len(odd):
        raise DataError(
            f"{path}, row {odd[0] + 1}: the label {labels[odd[0]]:g} does not fit in a 32-bit float.", fix="scale it"
        )
    odd = np.flatnonzero(~np.isin(labels, np.arange(classes))) if classes else odd
    if len(odd):
        raise DataError(
            f"{path}, line {odd[0] + 1}: the label {labels[odd[0]]:g} is not a class from 0 to {(classes or 0) - 1}.",
            fix="number the classes from 0, and label each row with the number of its class",
        )


# ---- frames


def _check_columns(frame: DataFrame) -> None:
    """Raise :class:`DataError` unless Spark's writer takes the columns. It goes by position, not by name."""
    found = tuple((column.name, column.dataType.simpleString()) for column in frame.schema.fields)
    if found == _COLUMNS:
        return
    shown = f"its columns: {', '.join(f'{name} ({kind})' for name, kind in found)}"
    for name, kind in _COLUMNS:
        if (name, kind) not in found:
            raise DataError(
                f"The frame has no column '{name}' of type {kind}.",
                checked=shown,
                fix="rename or cast the column, or build it with pyspark.ml.feature.VectorAssembler",
            )
    raise DataError(
        "The frame has more columns than label and features, or has them in another order.",
        checked=shown,
        fix="give the estimator trainingProjectedColumns=['label', 'features'], or fit "
        "frame.select('label', 'features')",
    )


def is_sample(frame: DataFrame) -> bool:
    """Return whether a frame has only (the first) rows of the SageMaker sample bucket."""
    files = frame.inputFiles() if _source(frame).nodeName().startswith("LogicalRelation") else []
    return bool(files) and all(region_of_sample_bucket(split_s3_uri(file)[0]) for file in files)


def sample_rows(frame: DataFrame) -> int | None:
    """Return the number of rows of a frame that :func:`is_sample`, without computing it; None for any other frame.

    None too if it has other data than the digits, whose number is unknown here.
    """
    if not is_sample(frame):
        return None
    files = list(_source(frame).relation().location().inputFiles())  # a file that is read twice is there twice
    splits = [split for file in files for split in ROWS if file.endswith(f"/spark/mnist/{split}/mnist_{split}.libsvm")]
    if len(splits) < len(files):
        return None
    rows, limit = sum(ROWS[split] for split in splits), optimized_plan(frame).maxRows()
    return min(rows, int(limit.get())) if limit.isDefined() else rows


def _source(frame: DataFrame) -> JavaObject:
    """Return the part of a frame's plan below what limits or moves its rows."""
    plan = optimized_plan(frame)
    while plan.nodeName() in ("GlobalLimit", "LocalLimit", "Repartition"):
        plan = plan.child()
    return plan


class Shape(NamedTuple):
    """Form that all vectors of a frame have in common, on which XGBoost depends."""

    width: int
    is_dense: bool


class Checked(NamedTuple):
    """A frame that passed."""

    rows: int
    shape: Shape


def check_frame(frame: DataFrame, features: int | None, labels: Labels | None) -> Checked | None:
    """Check a frame as :func:`check_libsvm` does, and return the form of its rows.

    :return: None for rows of the sample bucket alone, which are not computed.
    :raises DataError: rows would be lost or changed.
    """
    _check_columns(frame)
    return None if is_sample(frame) else _check_rows(frame, features, labels)


class Fault(NamedTuple):
    """A fault that rows may have."""

    what: str
    """Predicate of the sentence '12 of 500 rows …'."""
    fix: str
    found: Column


def _check_rows(frame: DataFrame, features: int | None, labels: Labels | None) -> Checked:
    dense = F.count(F.when(F.col("is_dense"), 1))
    found = counted(summarised(frame), _faults(features, labels), dense=dense)
    _check_shape(found["narrowest"], found["widest"], found["dense"], found["rows"])
    return Checked(int(found["rows"]), Shape(int(found["widest"]), found["dense"] > 0))


def counted(summary: DataFrame, faults: Sequence[Fault], **more: Column) -> Row:
    """Return ``rows``, the ``narrowest`` and the ``widest`` of a frame, and further aggregates, in one pass.

    :param summary: a summary of each row, from :func:`summarised`.
    :raises DataError: there is no row, or one has a fault. The first fault that any row has is reported.
    """
    counts = {f"fault{number}": F.count(F.when(fault.found, 1)) for number, fault in enumerate(faults)}
    facts = {"rows": F.count(F.lit(1)), "narrowest": F.min("width"), "widest": F.max("width"), **more}
    found = _compute(summary.agg(*(column.alias(name) for name, column in (counts | facts).items())))
    if not found["rows"]:
        raise DataError("The frame has no rows.", fix="check its plan for the step that loses them: frame.explain()")
    for number, fault in enumerate(faults):
        if found[f"fault{number}"]:
            raise DataError(f"{found[f'fault{number}']:,} of {found['rows']:,} rows {fault.what}.", fix=fault.fix)
    return found


def _compute(frame: DataFrame) -> Row:
    """Return the only row of a frame."""
    try:
        return frame.collect()[0]
    except Py4JJavaError as error:
        raise DataError(
            f"The frame cannot be computed: {root_cause(error)}", fix="fix the problem in the message"
        ) from error


def _check_shape(narrowest: int, widest: int, dense: int, rows: int) -> None:
    if narrowest != widest or not widest:
        raise DataError(
            f"Rows have from {narrowest} to {widest} features." if widest else "Rows have no features.",
            checked=f"the sizes of {rows:,} vectors, which the text that is sent does not contain",
            fix="build all vectors from the same columns",
        )
    if 0 < dense < rows:
        raise DataError(
            f"{dense:,} of {rows:,} vectors are dense and the others sparse: zeros of dense ones are sent as values, "
            "and those of sparse ones are omitted, which means missing to XGBoost.",
            fix=f"make all of them dense {ALL_DENSE}",
        )


def _faults(features: int | None, labels: Labels | None) -> list[Fault]:
    """Return the faults to check for, in the order in which they are reported."""
    label, least, largest, width = (F.col(name) for name in ("label", "least", "largest", "width"))
    faults = [
        Fault("have no label", "drop them: frame.na.drop()", label.isNull()),
        Fault("have no features", "drop them: frame.na.drop()", width.isNull()),
        Fault(
            "have a label that is NaN or infinite",
            "drop them, or give them a label",
            ~is_between(label, label, np.inf),
        ),
        Fault(
            "have a value that is NaN or infinite, which the training container refuses",
            "omit missing values from sparse vectors, or replace them: pyspark.ml.feature.Imputer",
            ~is_between(least, largest, np.inf),
        ),
        Fault(
            "have a label or value that becomes infinite as a 32-bit float, which is what XGBoost computes with",
            "scale the column",
            ~is_between(label, label, BEYOND) | ~is_between(least, largest, BEYOND),
        ),
    ]
    if labels is not None:
        faults.append(Fault(f"have a label that is not {labels.text}", labels.fix, labels.odd(label)))
    if features is not None:
        faults.append(
            Fault(f"do not have {features} features", f"build vectors of {features} features", width != features)
        )
    return faults


def is_between(least: Column, largest: Column, bound: float) -> Column:
    """Return whether numbers lie between -bound and bound. NaN, which Spark ranks above all numbers, does not."""
    return (least > -bound) & (largest < bound)


def summarised(frame: DataFrame, **more: Column) -> DataFrame:
    """Return a summary of each row: ``label``, ``least`` and ``largest`` value, ``width``, ``is_dense``.

    :param more: further columns, of ``features.values`` and the others that Spark stores.
    """
    is_dense = F.col("features.type") == 1
    return _unwrapped(frame).select(
        "label",
        F.array_min("features.values").alias("least"),
        F.array_max("features.values").alias("largest"),
        F.when(is_dense, F.size("features.values")).otherwise(F.col("features.size")).alias("width"),
        is_dense.alias("is_dense"),
        *(column.alias(name) for name, column in more.items()),
    )


def _unwrapped(frame: DataFrame) -> DataFrame:
    """Return the frame with its vectors as the structs that Spark stores: type, size, indices, values.

    Spark 3.3's SQL cannot read the values of a vector, and its functions on vectors copy it or ignore NaN. The rows are
    the same under another schema; nothing is copied or computed.
    """
    schema = StructType([StructField("label", DoubleType()), StructField("features", VectorUDT.sqlType())])
    return under_schema(frame, schema)
