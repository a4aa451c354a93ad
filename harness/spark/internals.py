"""Spark's internals: every private member of pyspark that the harness uses, and the Java objects behind them.

pyspark's public interface neither ends a JVM nor shows the plan of a frame or the rows that a job has read. All members
are those of pyspark 3.3 (https://github.com/apache/spark/tree/v3.3.0/python/pyspark). No other module uses one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

JavaObject: TypeAlias = Any
"""A Java object in py4j. It has the members of its Java class."""

# ---- the JVM of this process


def has_jvm() -> bool:
    """Return whether Spark was started in this process, by anyone."""
    return SparkContext._gateway is not None


def jvm_process() -> subprocess.Popen[bytes] | None:
    """Return the process of this process's JVM; None if there is none, or another process started it."""
    process: subprocess.Popen[bytes] | None = getattr(SparkContext._gateway, "proc", None)
    return process


def start_context(conf: SparkConf, popen: Mapping[str, Any]) -> SparkContext:
    """Return a Spark context in this process's JVM, which is started if there is none.

    :param popen: arguments of the JVM's :class:`subprocess.Popen`.
    """
    gateway = SparkContext._gateway or launch_gateway(conf, dict(popen))
    return SparkContext(conf=conf, gateway=gateway)


def forget_jvm() -> None:
    """Let pyspark forget a JVM that has ended, so that it starts another."""
    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None


def jvm(spark: SparkSession) -> JavaObject:
    """Return the JVM, whose members are packages and classes: ``jvm(spark).java.lang.Runtime``."""
    return spark.sparkContext._jvm


def delete_with_jvm(context: SparkContext, directory: Path) -> None:
    """Have the JVM delete a directory when it ends in order."""
    java: JavaObject = context._jvm
    java.org.apache.spark.util.ShutdownHookManager.registerShutdownDeleteDir(java.java.io.File(str(directory)))


# ---- jobs


def scala_context(spark: SparkSession) -> JavaObject:
    """Return Scala's ``SparkContext``."""
    return spark.sparkContext._jsc.sc()


def rows_read(spark: SparkSession) -> Callable[[], int]:
    """Return a function that returns the rows that the jobs under way have read, from Spark's own status store.

    It raises ``Py4JError`` or ``OSError`` once the JVM has ended.
    """
    store = scala_context(spark).statusStore()

    def count() -> int:
        stages = store.activeStages()
        active = [stages.apply(number) for number in range(stages.size())]
        return sum(stage.inputRecords() + stage.shuffleReadRecords() for stage in active)

    return count


# ---- frames


def optimized_plan(frame: DataFrame) -> JavaObject:
    """Return the optimized logical plan of a frame."""
    return frame._jdf.queryExecution().optimizedPlan()


def java_rows(frame: DataFrame) -> JavaObject:
    """Compute a frame and return a Java list of its rows."""
    return frame._jdf.collectAsList()


def java_schema(frame: DataFrame) -> JavaObject:
    """Return the schema of a frame as Scala's ``StructType``."""
    return frame._jdf.schema()


def under_schema(frame: DataFrame, schema: StructType) -> DataFrame:
    """Return the same rows under another schema, which must fit how Spark stores them; nothing is copied or checked."""
    session: JavaObject = frame.sparkSession._jsparkSession
    rows = frame._jdf.queryExecution().toRdd()
    java_frame = session.internalCreateDataFrame(rows, session.parseDataType(schema.json()), False)
    return DataFrame(java_frame, frame.sparkSession)
