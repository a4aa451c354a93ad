"""What benchmarks do inside Spark: load and consume frames, and ask the JVM and Spark what that took."""

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
    """Return LibSVM rows; Spark reads all of them right now to find the number of features where none is given."""
    reader = spark.read.format("libsvm").option("vectorType", form)
    return (reader.option("numFeatures", str(features)) if features else reader).load(paths)


def consume(frame):
    """Compute every row of a frame and throw it away, inside Spark; return how many there were."""
    counted = Observation()
    frame.observe(counted, F.count(F.lit(1)).alias("rows")).write.format("noop").mode("overwrite").save()
    return counted.get["rows"]


# --- what Spark's tasks took ------------------------------------------------------------------------------------------


@contextmanager
def job_group(spark):
    """Yield a name under which the jobs of a block can be found, and no others."""
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
    """Bytes of the JVM's heap that are used, by what lives and by garbage that was not collected yet."""

    before: int
    """After a full collection: what lives."""
    peak: int


def heap_use(spark, action):
    """Return how much of the heap of Spark's driver is used before an action, and at most while it runs.

    It is looked at every 20 ms, in which Java makes some ten MB of garbage here.
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
    """Serialise a Java list of rows as ``transform`` does, inside the JVM; return how many there were."""
    classes = jvm(spark)
    serializer = getattr(classes, f"{SDK}.serializers.LibSVMRequestRowSerializer")(
        classes.scala.Option.empty(), "label", "features"
    )
    serializer.setSchema(rows.get(0).schema())
    iterator = classes.scala.collection.JavaConverters.asScalaIteratorConverter(rows.iterator()).asScala()
    return getattr(classes, f"{SDK}.util.RequestRowIterator")(iterator, LARGEST_REQUEST, serializer).size()


def deserialise(spark, answer):
    """Make rows of an endpoint's answer (bytes) as ``transform`` does, inside the JVM; return how many there were."""
    deserializer = getattr(jvm(spark), f"{SDK}.deserializers.XGBoostCSVRowDeserializer")("prediction")
    return deserializer.deserializeResponse(answer).size()
