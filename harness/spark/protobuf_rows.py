"""Validation of rows that travel as RecordIO-protobuf, before anything is uploaded: the sibling of ``check_libsvm``.

The SDK's writer (``ProtobufConverter.scala``) rounds each number to a 32-bit float, and objects to nothing: a number
beyond them becomes infinite, NaN stays NaN, and a label that is null becomes 0. All of these are refused.

Rounding itself is not. Most numbers are not exact in 32 bits, 0.1 among them, and the algorithms compute in 32 bits in
any case. Whole numbers above 2²⁴ may be identifiers, of which two then become the same, or amounts, for which it makes
no difference. They cause a warning.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - its customary name

from harness.errors import DataError
from harness.spark.labels import Labels, labels_of_predictor, whole
from harness.spark.validation import BEYOND, Fault, counted, is_between, is_sample, summarised

_EXACT = 2.0**24
"""All whole numbers up to this one are exact as 32-bit floats."""


@dataclass(frozen=True)
class Rules:
    """Needs of an algorithm regarding its rows.

    :ivar features: number of features of a row; None allows any number, the same for all rows.
    :ivar labels: labels that the algorithm can train on; None allows any number.
    :ivar needs_labels: the frame must have the column of labels.
    :ivar reads_labels: False if the algorithm ignores them.
    :ivar counts: values must not be negative.
    """

    features: int | None = None
    labels: Labels | None = None
    needs_labels: bool = False
    reads_labels: bool = True
    counts: bool = False


_NO_RULES = Rules()
_WITH_LABELS, _WITHOUT_LABELS = ("linear-learner", "factorization-machines"), ("kmeans", "pca", "lda")


def rules_of(algorithm: str | None, hyperparameters: Mapping[str, object]) -> Rules:
    """Return the rules of an algorithm for its rows.

    :param algorithm: repository of its image; None for one that is not built in, which may read labels or not.
    :param hyperparameters: those that are given, as values or texts.
    """
    kind = hyperparameters.get("predictor_type")
    return Rules(
        features=whole(hyperparameters.get("feature_dim")),
        labels=labels_of_predictor(None if kind is None else str(kind), whole(hyperparameters.get("num_classes"))),
        needs_labels=algorithm in _WITH_LABELS or kind is not None,
        reads_labels=algorithm not in _WITHOUT_LABELS,
        counts=algorithm == "lda",
    )


def check_protobuf(
    frame: DataFrame,
    rules: Rules = _NO_RULES,
    *,
    label_column: str = "label",
    features_column: str = "features",
) -> int | None:
    """Refuse rows that would be lost or changed on their way to a training job; return the number of rows.

    A frame is checked inside the JVM in one pass, which computes the frame. The values of the sample bucket are known,
    so a frame of its rows alone is not computed (None) if no rule for labels applies.

    :raises DataError: rows would be lost or changed, or the algorithm cannot train on them. The error has a fix.
    """
    has_labels = _check_columns(frame, label_column, features_column, rules.needs_labels)
    known = frame.schema[features_column].metadata.get("numFeatures")
    if rules.labels is None and rules.features in (None, known) and is_sample(frame):
        return None
    label = F.col(label_column) if has_labels and rules.reads_labels else F.lit(0.0)
    rows = frame.select(label.alias("label"), F.col(features_column).alias("features"))
    return _check_rows(rows, _faults(rules.features, rules.labels, rules.counts))


def _check_columns(frame: DataFrame, label_column: str, features_column: str, needs_labels: bool) -> bool:
    """Return whether the frame has labels. Other columns are not sent."""
    found = {column.name: column.dataType.simpleString() for column in frame.schema.fields}
    shown = f"its columns: {', '.join(f'{name} ({kind})' for name, kind in found.items())}"
    required = {
        features_column: "vector",
        **({label_column: "double"} if needs_labels or label_column in found else {}),
    }
    for name, kind in required.items():
        if found.get(name) != kind:
            raise DataError(
                f"The frame has no column '{name}' of type {kind}.",
                checked=shown,
                fix="rename or cast the column, or name it in trainingSparkDataFormatOptions (labelColumnName, "
                "featuresColumnName)",
            )
    return label_column in found


def _check_rows(rows: DataFrame, faults: list[Fault]) -> int:
    rounded = F.count(F.when(F.col("rounded") | _rounds(F.col("label")), 1))
    found = counted(summarised(rows, rounded=_rounded("features.values")), faults, rounded=rounded)
    if found["narrowest"] != found["widest"] or not found["widest"]:
        what = f"Rows have from {found['narrowest']} to {found['widest']} features."
        raise DataError(
            what if found["widest"] else "Rows have no features.", fix="build all vectors from the same columns"
        )
    if found["rounded"]:
        warnings.warn(
            f"{found['rounded']:,} of {found['rows']:,} rows have a whole number above {_EXACT:,.0f} that changes as a "
            "32-bit float, which is what the SDK sends. If it is an identifier, encode it.",
            stacklevel=2,
        )
    return int(found["rows"])


def _faults(features: int | None, labels: Labels | None, counts: bool) -> list[Fault]:
    """Return the faults to check for, in the order in which they are reported."""
    label, least, largest, width = (F.col(name) for name in ("label", "least", "largest", "width"))
    drop = "drop them: frame.na.drop()"
    faults = [
        Fault("have no label, for which the SDK sends 0", drop, label.isNull()),
        Fault("have no features", drop, width.isNull()),
        Fault("have a label that is NaN or infinite", "drop them", ~is_between(label, label, np.inf)),
        Fault(
            "have a value that is NaN or infinite",
            "replace missing values: pyspark.ml.feature.Imputer",
            ~is_between(least, largest, np.inf),
        ),
        Fault(
            "have a label or value that becomes infinite as a 32-bit float, which is what the SDK sends",
            "scale the column",
            ~is_between(label, label, BEYOND) | ~is_between(least, largest, BEYOND),
        ),
    ]
    if labels is not None:
        faults.append(Fault(f"have a label that is not {labels.text}", labels.fix, labels.odd(label)))
    if counts:
        faults.append(
            Fault("have a negative value, but LDA takes counts of words", "check the column of counts", least < 0)
        )
    if features is not None:
        fix = "set feature_dim to the size of the vectors"
        faults.append(Fault(f"do not have {features} features, which is feature_dim", fix, width != features))
    return faults


def _rounds(number: Column) -> Column:
    """Return whether a number is whole, above 2²⁴, and another one as a 32-bit float."""
    return (F.abs(number) > _EXACT) & (number % 1 == 0) & (number.cast("float").cast("double") != number)


def _rounded(values: str) -> Column:
    """Return whether a value of a row rounds. Most rows have no number above 2²⁴, and are not searched."""
    large = (F.array_min(values) < -_EXACT) | (F.array_max(values) > _EXACT)
    return F.coalesce(F.when(large, F.exists(values, _rounds)).otherwise(F.lit(False)), F.lit(False))
