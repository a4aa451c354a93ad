"""Table of what Spark, scikit-learn, XGBoost, the SageMaker Spark SDK and this project make of deviating LibSVM.

``python -m tools.libsvm_differences`` (with the ``dev`` extras) writes the table into
``docs/reference/libsvm-differences.md``, below the prose that explains it. Every cell is a result of running the tool.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from py4j.protocol import Py4JJavaError
from pyspark.ml.linalg import Vector, Vectors, VectorUDT
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DoubleType, StructField, StructType
from scipy import sparse

from harness import libsvm
from harness.errors import DataError, LibSVMError
from harness.libsvm.dataset import to_csr
from harness.spark.internals import java_rows, java_schema, jvm
from harness.spark.validation import check_libsvm

FEATURES = 8
"""As many columns as readers are told there are, where they can be told."""

BEGIN = "<!-- written by python -m tools.libsvm_differences, which replaces everything below -->"

_SERIALIZERS = "com.amazonaws.services.sagemaker.sparksdk.transformation.serializers"
_XGBOOST_SECONDS = 60

# Reads the files named on stdin, a line for each on stdout; XGBoost's reader may end the process that it runs in.
_XGBOOST = """
import json, sys
import xgboost
for name in sys.stdin.read().splitlines():
    try:
        rows = xgboost.DMatrix(name + "?format=libsvm", silent=True)
        data, labels = rows.get_data(), rows.get_label()
        cells = [slice(*data.indptr[n:n + 2]) for n in range(rows.num_row())]
        found = [
            [str(labels[n]) if n < len(labels) else "?", data.indices[c].tolist(), [str(v) for v in data.data[c]]]
            for n, c in enumerate(cells)
        ]
    except Exception as error:
        found = type(error).__name__
    print("read " + json.dumps(found), flush=True)
"""


_GZIP = bytes.fromhex("1f8b0800000000000203335430b432e202004218ebd306000000")  # 1 1:2, the same bytes with every zlib


class Case(NamedTuple):
    """A text that readers differ on."""

    name: str
    text: bytes
    file: str = "rows"
    """The name of the file it is in."""


class Value(NamedTuple):
    """A row that a frame can hold."""

    name: str
    label: float | None
    features: Vector | None


_LINES: dict[str, bytes | str] = {
    "by the rules": "1 1:2 3:4",
    "no final newline": b"1 1:2",
    "a row without features": "1",
    "rows without features at the end": "1 1:2\n1\n1",
    "an explicit zero": "1 1:0 2:5",
    "minus zero": "1 1:-0.0",
    "descending indices": "1 3:4 1:2",
    "an index twice": "1 1:2 1:3",
    "index 0": "1 0:2 1:3",
    "index 0 in one row of two": "1 1:2\n1 0:2",
    "a negative index": "1 -1:2",
    "an index with a sign": "1 +1:2",
    "an index with leading zeros": "1 01:2",
    "an index above the width": "1 1:1 9:2",
    "index 2³¹ - 1": "1 2147483647:2",
    "index 2³¹": "1 2147483648:2",
    "index 2³² + 1": "1 4294967297:2",
    "an index with a fraction": "1 1.5:2",
    "an index in letters": "1 a:2",
    "no index": "1 :2",
    "no value": "1 1:",
    "no value, then another feature": "1 1: 2:3",
    "a value in letters": "1 1:abc",
    "a value that ends in letters": "1 1:2abc",
    "a value with Java's suffix": "1 1:2d",
    "a hexadecimal value": "1 1:0x10",
    "an underscore in a value": "1 1:1_000",
    "a decimal comma": "1 1:1,5",
    "two signs": "1 1:--1",
    "an exponent without digits": "1 1:1e",
    "nan": "1 1:nan",
    "NaN": "1 1:NaN",
    "inf": "1 1:inf",
    "Infinity": "1 1:-Infinity",
    "beyond a 64-bit float": "1 1:1e400",
    "beyond a 32-bit float": "1 1:3.5e38",
    "the least 64-bit float": "1 1:4.9E-324",
    "below the least 64-bit float": "1 1:1e-400",
    "below the least 32-bit float": "1 1:1e-50",
    "seventeen digits": "1 1:0.12345678901234567",
    "2⁵³ + 1": "1 1:9007199254740993",
    "no digit before the point": "1 1:.5",
    "no digit after the point": "1 1:5.",
    "a plus sign": "1 1:+5",
    "a large exponent": "1 1:1E22",
    "two colons": "1 1:2:3",
    "a blank after the colon": "1 1: 2",
    "a blank before the colon": "1 1 :2",
    "a number without a colon": "1 7",
    "a number without a colon, then a feature": "1 7 2:3",
    "a tab": "1\t1:2",
    "a tab between features": "1 1:2\t2:3",
    "two blanks": "1  1:2",
    "a blank at the start": " 1 1:2",
    "a blank at the end": "1 1:2 ",
    "CRLF": "1 1:2\r\n1 2:3\r",
    "CR alone between rows": "1 1:2\r1 2:3",
    "a form feed": "1 1:2\f2:3",
    "a no-break space": "1 1:2\u00a02:3",
    "a line separator": "1 1:2\u20281 2:3",
    "a blank line": "1 1:2\n\n1 2:3",
    "an empty file": b"",
    "a comment line": "# text\n1 1:2",
    "a comment at a line's end": "1 1:2 # text",
    "a comment with a feature in it": "1 1:2 # 2:3",
    "a query": "1 qid:7 1:2",
    "no label": "1:2 2:3",
    "a label in letters": "abc 1:2",
    "a label NaN": "nan 1:2",
    "a label beyond a 32-bit float": "3.5e38 1:2",
    "a label of nine digits": "123456789 1:2",
    "two labels": "1,2 1:3",
    "a byte-order mark": b"\xef\xbb\xbf1 1:2\n",
    "a NUL byte": b"1 1:2\x00\n1 2:3\n",
    "Arabic digits": "1 1:٣",
}

CASES = [
    *(Case(name, text if isinstance(text, bytes) else f"{text}\n".encode()) for name, text in _LINES.items()),
    Case("gzip", _GZIP, "rows.gz"),
    Case("gzip in a file of another name", _GZIP),
    Case("a file whose name starts with _", b"1 1:2\n", "_rows"),
]
"""The texts, in the order of the table."""

VALUES = [
    Value("dense, with zeros", 1.0, Vectors.dense([0.0, 2.5, 0.0])),
    Value("sparse, zeros left out", 1.0, Vectors.sparse(3, [1], [2.5])),
    Value("sparse, with a zero stored", 1.0, Vectors.sparse(3, [0, 1], [0.0, 2.5])),
    Value("sparse, nothing stored", 1.0, Vectors.sparse(3, [], [])),
    Value("minus zero", 1.0, Vectors.dense([-0.0])),
    Value("seventeen digits", 0.1, Vectors.dense([0.12345678901234567])),
    Value("large and small", 1.0, Vectors.dense([1e22, 1e-5, 123456789.0])),
    Value("the least 64-bit float", 1.0, Vectors.dense([5e-324])),
    Value("the largest 32-bit float", 1.0, Vectors.dense([3.4028234663852886e38])),
    Value("beyond a 32-bit float", 1.0, Vectors.dense([3.5e38])),
    Value("NaN", 1.0, Vectors.dense([float("nan"), 1.0])),
    Value("infinite", 1.0, Vectors.dense([float("-inf"), 1.0])),
    Value("a label NaN", float("nan"), Vectors.dense([1.0])),
    Value("no label", None, Vectors.dense([1.0])),
    Value("no features", 1.0, None),
]
"""The rows of frames, in the order of the table."""


# ---- what readers do


def read_by_spark(spark: SparkSession, files: Iterable[Path]) -> list[tuple[str, str]]:
    """Return what Spark's reader makes of each file, and what the SDK's serializer then sends."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda file: _spark_and_sdk(spark, file), files))


def _spark_and_sdk(spark: SparkSession, file: Path) -> tuple[str, str]:
    try:
        frame = spark.read.format("libsvm").option("numFeatures", str(FEATURES)).load(str(file))
        rows = java_rows(frame)
    except Py4JJavaError as error:
        return _refused(_java_kind(error)), "–"
    pairs = [(row, row.get(1)) for row in rows]
    shown = [(repr(row.getDouble(0)), [i + 1 for i in v.indices()], list(v.values())) for row, v in pairs]
    sent = b"".join(serialize(spark, frame, rows, "label"))
    return _rows(shown), _code(sent) if sent else "–"


def serialize(spark: SparkSession, frame: DataFrame, rows: Iterable[Any], label: str | None) -> list[bytes]:
    """Return what the SDK's serializer (its own Scala class) sends for Java rows of a frame, row by row.

    :param label: the column of labels; None takes the serializer without labels, which ``transform`` of XGBoost uses.
    """
    classes = jvm(spark)
    name = "LibSVMRequestRowSerializer" if label else "UnlabeledLibSVMRequestRowSerializer"
    columns = [label, "features"] if label else ["features"]
    serializer = getattr(classes, f"{_SERIALIZERS}.{name}")(classes.scala.Option.empty(), *columns)
    serializer.setSchema(java_schema(frame))
    return [bytes(serializer.serializeRow(row)) for row in rows]


def serialised(spark: SparkSession, frame: DataFrame, label: str | None = None) -> bytes:
    """Return the text that the SDK sends for all rows of a frame; ``label`` as for :func:`serialize`."""
    return b"".join(serialize(spark, frame, java_rows(frame), label))


def read_by_xgboost(files: Iterable[Path]) -> list[str]:
    """Return what XGBoost's text reader makes of each file, in a process that it may crash."""
    waiting, found = [str(file) for file in files], list[str]()
    while len(found) < len(waiting):
        done = subprocess.run(
            [sys.executable, "-c", _XGBOOST],
            input="\n".join(waiting[len(found) :]),
            capture_output=True,
            text=True,
            timeout=_XGBOOST_SECONDS,
            check=False,
        )
        found += [_xgboost_words(json.loads(line[5:])) for line in done.stdout.splitlines() if line.startswith("read ")]
        if len(found) < len(waiting):
            found.append("**ends the process**")
    return found


def _xgboost_words(found: str | list[Any]) -> str:
    return _refused(found) if isinstance(found, str) else _rows(found)


def read_by_scikit_learn(file: Path) -> str:
    """Return what scikit-learn makes of a file."""
    # Among the dev extras only.
    from sklearn.datasets import load_svmlight_file  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        matrix, labels = load_svmlight_file(str(file), n_features=FEATURES, zero_based=False)
    except Exception as error:
        return _refused(type(error).__name__)
    return _rows(_numbers(matrix, labels))


def read_by_us(file: Path, **options: Any) -> str:
    """Return what this project's reader makes of a file."""
    try:
        rows = libsvm.read(file, FEATURES, **options)
    except LibSVMError as error:
        return _refused(error.rule)
    except DataError as error:
        return _refused(error.what)
    return _rows(_numbers(sparse.csr_matrix(to_csr(rows.features, FEATURES)), rows.labels))


def _numbers(matrix: sparse.csr_matrix, labels: libsvm.Array) -> list[tuple[str, list[int], list[Any]]]:
    """Return each row's label, indices from 1 and values."""
    cells = [slice(*matrix.indptr[row : row + 2]) for row in range(len(labels))]
    texts = [repr(label) for label in labels.tolist()]
    return [
        (text, (matrix.indices[cell] + 1).tolist(), matrix.data[cell].tolist())
        for text, cell in zip(texts, cells, strict=True)
    ]


def _java_kind(error: Py4JJavaError) -> str:
    cause = error.java_exception
    while cause.getCause() is not None:
        cause = cause.getCause()
    return str(cause.getClass().getSimpleName())


# ---- words


def _rows(rows: Iterable[Any]) -> str:
    texts = [
        " ".join([_short(label), *(f"{i}:{_short(v)}" for i, v in zip(ids, vs, strict=True))])
        for label, ids, vs in rows
    ]
    return "<br>".join(f"`{text}`" for text in texts) or "no row"


def _short(number: Any) -> str:
    return str(number).removesuffix(".0")


def _refused(kind: str) -> str:
    return f"*{kind}*"


def _code(text: bytes) -> str:
    lines = text.removesuffix(b"\n").split(b"\n")
    return "<br>".join(f"`{_visible(line)}`" for line in lines)


def _visible(line: bytes) -> str:
    if line.startswith(b"\x1f\x8b"):
        return "(gzip)"
    text = line.decode("utf-8", "backslashreplace")
    return "".join(char if 32 <= ord(char) < 127 or char == "٣" else ascii(char)[1:-1] for char in text) or "(nothing)"


# ---- the tables


def reading_table(spark: SparkSession) -> list[list[str]]:
    """Return the cells of the table of texts, the head first."""
    head = [
        "case",
        "text",
        "Spark",
        "scikit-learn",
        "XGBoost",
        "Spark's result, sent by the SDK",
        "ours",
        "ours, tolerant",
    ]
    with tempfile.TemporaryDirectory() as directory:
        files = [_saved(Path(directory, str(number)), case) for number, case in enumerate(CASES)]
        by_spark, by_xgboost = read_by_spark(spark, files), read_by_xgboost(files)
        table = [head]
        for case, file, (read, sent), boosted in zip(CASES, files, by_spark, by_xgboost, strict=True):
            strict = read_by_us(file)
            tolerant = read_by_us(file, tolerate=libsvm.ODDITIES, non_finite="keep")
            also = "" if tolerant == strict else tolerant
            learnt = read_by_scikit_learn(file)
            table.append([case.name, _code(case.text), read, learnt, boosted, sent, strict, also])
    return table


def _saved(directory: Path, case: Case) -> Path:
    directory.mkdir()
    path = directory / case.file
    path.write_bytes(case.text)
    return path


def writing_table(spark: SparkSession) -> list[list[str]]:
    """Return the cells of the table of frames' rows, the head first."""
    head = ["row", "Spark's writer", "SDK's serializer", "our writer", "the XGBoost container", "`check_libsvm`"]
    whole = _frame(spark, [value for value in VALUES if value.features is not None])
    by_spark = iter(_written_by_spark(whole))
    everything = _frame(spark, VALUES)
    table = [head]
    for value, row in zip(VALUES, java_rows(everything), strict=True):
        frame = _frame(spark, [value])
        written = next(by_spark) if value.features is not None else _attempt(partial(_only_line, frame))
        sent = _attempt(partial(_only_sent, spark, frame, row))
        ours = "–" if None in value else _attempt(partial(_written_by_us, value))  # an array holds no null
        words = [cell if isinstance(cell, str) else _code(cell) for cell in (written, sent, ours)]
        table.append([value.name, *words, _contained(sent), _guarded(frame)])
    return table


def _frame(spark: SparkSession, values: list[Value]) -> DataFrame:
    schema = StructType([StructField("label", DoubleType()), StructField("features", VectorUDT())])
    return spark.createDataFrame([(value.label, value.features) for value in values], schema)


def _only_line(frame: DataFrame) -> bytes:
    return _written_by_spark(frame)[0]


def _only_sent(spark: SparkSession, frame: DataFrame, row: Any) -> bytes:
    return serialize(spark, frame, [row], "label")[0]


def _attempt(write: Callable[[], bytes]) -> bytes | str:
    """Return what is written, or the words for how that failed."""
    try:
        return write()
    except Py4JJavaError as error:
        return _refused(_java_kind(error))
    except DataError as error:
        return _refused(error.what)


def _written_by_spark(frame: DataFrame) -> list[bytes]:
    """Return the line of each row of a frame."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "written")
        frame.coalesce(1).write.format("libsvm").save(str(path))
        return b"".join(part.read_bytes() for part in path.glob("part-*")).splitlines(keepends=True)


def _written_by_us(value: Value) -> bytes:
    stream = io.BytesIO()
    features: Any = value.features
    dense = features.toArray().reshape(1, -1)
    if hasattr(features, "indices"):
        dense = sparse.csr_matrix((features.values, features.indices, [0, len(features.indices)]), (1, features.size))
    libsvm.write(stream, np.array([value.label]), dense)
    return stream.getvalue()


def _contained(sent: bytes | str) -> str:
    """Return what the XGBoost container makes of what the SDK sends."""
    if isinstance(sent, str):
        return "–"
    try:
        rows = libsvm.parse(sent, dtype=np.float32, tolerate=libsvm.BLANKS)
    except LibSVMError as error:
        return _refused(error.rule)
    width = rows.features.shape[1]
    matrix = to_csr(rows.features, width)
    texts = [(label, ids, [str(np.float32(v)) for v in vs]) for label, ids, vs in _numbers(matrix, rows.labels)]
    return _rows(texts)


def _guarded(frame: DataFrame) -> str:
    try:
        check_libsvm(frame)
    except DataError as error:
        return "refuses: " + error.what.removeprefix("1 of 1 rows ").removesuffix(".")
    return ""


# ---- the page


def tables(spark: SparkSession) -> str:
    """Return both tables as Markdown."""
    return (
        f"## Reading\n\n{_markdown(reading_table(spark))}\n## Writing and sending\n\n{_markdown(writing_table(spark))}"
    )


def _markdown(table: list[list[str]]) -> str:
    head, *rows = [[cell.replace("|", r"\|") for cell in row] for row in table]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page(before: str, generated: str) -> str:
    """Return a page with its tables replaced; what stands above them is kept."""
    return f"{before.partition(BEGIN)[0]}{BEGIN}\n\n{generated}"


def main(path: Path) -> None:
    """Write the tables into the page."""
    from harness.aws import open_aws  # noqa: PLC0415 - the tests bring their own session
    from harness.settings import Settings  # noqa: PLC0415
    from harness.spark.session import build_session  # noqa: PLC0415

    settings = Settings()
    with closing(open_aws(settings)) as aws, patch.dict("os.environ", aws.environment()):
        spark = build_session(aws, settings)
        spark.sparkContext.setLogLevel("OFF")  # most errors here are asked for
        generated = tables(spark)
        spark.stop()
    path.write_text(page(path.read_text(encoding="utf-8") if path.exists() else "", generated), encoding="utf-8")


if __name__ == "__main__":
    main(Path(__file__).parents[1] / "docs" / "reference" / "libsvm-differences.md")
