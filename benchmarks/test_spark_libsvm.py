"""Spark's reader and writer of LibSVM on the files of ``test_libsvm.py``, in the same groups.

Run both files together to see the results side by side. Spark's reader reads every row and returns none;
its writer writes rows that are in its memory. Spark uses both cores, as this project's reader and writer do.
"""

import shutil

import pytest
from bare_parts import NoAWS
from test_libsvm import DENSE_ROWS, FEATURES, note_speed, texts  # noqa: F401 - the same files

from harness import mnist
from harness.settings import Settings
from harness.spark.session import build_session
from harness.spark.validation import check_libsvm

ROWS = {"sparse": mnist.ROWS["train"], "dense": DENSE_ROWS}


@pytest.fixture(scope="module")
def session():
    """Spark without AWS."""
    session = build_session(NoAWS(), Settings())
    yield session
    session.stop()


@pytest.fixture
def frame(session, texts, form):  # noqa: F811
    """The file's rows, read when they are asked for."""
    reader = session.read.format("libsvm").option("numFeatures", str(FEATURES)).option("vectorType", form)
    return reader.load(str(texts[form]))


@pytest.mark.benchmark(group="read MNIST")
@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_reading_a_file_with_spark(benchmark, texts, frame, form):  # noqa: F811
    benchmark.pedantic(lambda: frame.write.format("noop").mode("overwrite").save(), rounds=3, warmup_rounds=1)
    assert frame.count() == ROWS[form]
    note_speed(benchmark, texts[form].stat().st_size, ROWS[form])


@pytest.mark.benchmark(group="write 10,000 rows of MNIST")
@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_writing_with_spark(benchmark, frame, tmp_path):
    rows = frame.limit(DENSE_ROWS).repartition(2).cache()
    assert rows.count() == DENSE_ROWS
    target = tmp_path / "written"
    benchmark.pedantic(
        lambda: rows.write.format("libsvm").save(str(target)),
        setup=lambda: shutil.rmtree(target, ignore_errors=True),
        rounds=3,
        warmup_rounds=1,
    )
    size = sum(part.stat().st_size for part in target.glob("part-*"))
    note_speed(benchmark, size, DENSE_ROWS)
    rows.unpersist()


@pytest.mark.benchmark(group="check 60,000 rows of MNIST")
@pytest.mark.parametrize("form", ["sparse"])
@pytest.mark.parametrize("kind", ["frame", "file"])
def test_checking(benchmark, texts, frame, form, kind):  # noqa: F811
    data = frame if kind == "frame" else texts[form]
    count = benchmark.pedantic(check_libsvm, args=(data,), rounds=3, warmup_rounds=1)
    assert count == ROWS[form]
    note_speed(benchmark, texts[form].stat().st_size, count)
