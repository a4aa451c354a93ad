"""Helpers of benchmarks inside Spark: load and consume frames, and read resource usage from the JVM and Spark."""

import threading
import uuid
from contextlib import contextmanager
from typing import NamedTuple

from pyspark.sql import Observation
from pyspark.sql import functions as F  # noqa: N812 - its customary name
from sdk_text import LARGEST_REQUEST

from harness.mnist import FEATURES
from harness.spark.internals import jvm, scala_context

SDK = "com.amazonaws.services.sagemaker.sparksdk.transformation"
FORMS = ("dense", "sparse")
_LOOK_SECONDS = 0.02


def load(spark, paths, form, features=FEATURES):
    """Return LibSVM rows; without a number of features, Spark reads all of them at once to find it."""
    reader = spark.read.format("libsvm").option("vectorType", form)
    return (reader.option("numFeatures", str(features)) if features else reader).load(paths)


def consume(frame):
    """Compute and discard every row of a frame inside Spark; return the number of rows."""
    counted = Observation()
    frame.observe(counted, F.count(F.lit(1)).alias("rows")).write.format("noop").mode("overwrite").save()
    return counted.get["rows"]


# --- times of tasks in Spark ------------------------------------------------------------------------------------------


@contextmanager
def job_group(spark):
    """Yield a group name for exactly the jobs of the block."""
    name = uuid.uuid4().hex
    spark.sparkContext.setJobGroup(name, name)
    try:
        yield name
    finally:
        spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)


def task_seconds(spark, group):
    """Return the seconds that the tasks of a group's jobs ran, all tasks together."""
    context = scala_context(spark)
    context.listenerBus().waitUntilEmpty()
    tracker = spark.sparkContext.statusTracker()
    stages = {stage for job in tracker.getJobIdsForGroup(group) for stage in tracker.getJobInfo(job).stageIds}
    return sum(context.statusStore().lastStageAttempt(stage).executorRunTime() for stage in stages) / 1000


# --- the JVM's memory -------------------------------------------------------------------------------------------------


class HeapUse(NamedTuple):
    """Bytes of the JVM's heap that are used, by live objects and by garbage that is not yet collected."""

    before: int
    """Live objects, after a full collection."""
    peak: int


def heap_use(spark, action):
    """Return the heap used by the Spark driver before an action, and the most while it runs.

    The heap is sampled every 20 ms; Java produces about 10 MB of garbage in that time.
    """
    runtime = jvm(spark).java.lang.Runtime.getRuntime()
    runtime.gc()
    seen, over = [_used(runtime)], threading.Event()

    def look():
        while not over.wait(_LOOK_SECONDS):
            seen.append(_used(runtime))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        action()
    finally:
        over.set()
        watcher.join()
    return HeapUse(seen[0], max(seen))


def _used(runtime):
    return runtime.totalMemory() - runtime.freeMemory()


# --- the SDK's own parts ----------------------------------------------------------------------------------------------


def serialise(spark, rows):
    """Serialize a Java list of rows as ``transform`` does, inside the JVM; return the number of rows."""
    classes = jvm(spark)
    serializer = getattr(classes, f"{SDK}.serializers.LibSVMRequestRowSerializer")(
        classes.scala.Option.empty(), "label", "features"
    )
    serializer.setSchema(rows.get(0).schema())
    iterator = classes.scala.collection.JavaConverters.asScalaIteratorConverter(rows.iterator()).asScala()
    return getattr(classes, f"{SDK}.util.RequestRowIterator")(iterator, LARGEST_REQUEST, serializer).size()


def deserialise(spark, answer):
    """Parse an endpoint's answer (bytes) into rows as ``transform`` does, inside the JVM; return the number of rows."""
    deserializer = getattr(jvm(spark), f"{SDK}.deserializers.XGBoostCSVRowDeserializer")("prediction")
    return deserializer.deserializeResponse(answer).size()
