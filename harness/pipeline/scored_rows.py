"""Warnings of rows that ``model.transform`` sends in another form than those that the model was trained on.

The SDK sends each zero of a dense vector and omits those of a sparse one. XGBoost takes an omitted value for missing,
so a model that was trained on one kind answers worse for the other, without an error.

The check takes about 0.2 s: only the first rows are computed, and only if Spark can do so without a shuffle. Nothing
is computed while pytest-benchmark measures.
"""

from __future__ import annotations

import inspect
import warnings

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - its customary name
from pyspark.sql.utils import CapturedException

from harness.spark.internals import JavaObject, optimized_plan
from harness.spark.validation import ALL_DENSE, Shape, summarised

_ROWS = 100
"""Number of rows that are computed: enough to show most mixtures of dense and sparse vectors."""

_NARROW = {
    "ArrowEvalPython",
    "BatchEvalPython",
    "DeserializeToObject",
    "Filter",
    "InMemoryRelation",
    "LocalRelation",
    "LogicalRDD",
    "LogicalRelation",
    "MapElements",
    "MapPartitions",
    "Project",
    "Sample",
    "SerializeFromObject",
    "Union",
}
"""Nodes of optimized plans whose first rows come from the first partitions of their input."""


def warn_of_other_rows(frame: DataFrame, trained: Shape) -> None:
    """Warn if the first rows that a model is to score differ from those that it was trained on."""
    if _is_measured() or dict(frame.dtypes).get("features") != "vector" or not _is_narrow(optimized_plan(frame)):
        return
    found = _first_shapes(frame)
    others = [shape for shape in found if shape.is_dense != trained.is_dense]
    if others:
        kind, other = ("sparse", "dense") if trained.is_dense else ("dense", "sparse")
        _warn(
            f"{len(others)} of the first {len(found)} rows to score are {kind} vectors, but the model was trained on "
            f"{other} ones: XGBoost takes zeros that are omitted for missing values. Make all of them dense {ALL_DENSE}"
        )
    if widths := sorted({shape.width for shape in found} - {trained.width}):
        _warn(
            f"Rows to score have {widths[0]} features, but the model was trained on {trained.width}. "
            "Build all vectors from the same columns."
        )


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)  # the line that called transform


def _is_measured() -> bool:
    """Return whether pytest-benchmark measures this call."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") != "pytest_benchmark.fixture":
        frame = frame.f_back
    return frame is not None


def _is_narrow(plan: JavaObject) -> bool:
    """Return whether the first rows of a plan can be computed without a shuffle of all rows."""
    name = plan.nodeName()
    children = plan.children()
    if name not in _NARROW and not (name == "Sort" and not getattr(plan, "global")()):  # within each partition
        return False
    return all(_is_narrow(children.apply(number)) for number in range(children.size()))


def _first_shapes(frame: DataFrame) -> list[Shape]:
    """Return the shapes of the first rows; none if they cannot be computed, which the user's action will report."""
    rows = frame.select(F.lit(0.0).alias("label"), "features")
    try:
        found = summarised(rows).select("width", "is_dense").head(_ROWS)
    except (Py4JJavaError, CapturedException):
        return []
    return [Shape(row["width"], row["is_dense"]) for row in found if row["width"] is not None]
