"""What benchmarks do inside Spark: load and consume frames, and ask the JVM and Spark what that took."""

import sys
from contextlib import contextmanager
from pathlib import Path

from pyspark import SparkContext
from pyspark.sql import Observation
from pyspark.sql import functions as F  # noqa: N812 - its customary name
from sdk_text import LARGEST_REQUEST

from harness.mnist import FEATURES

SDK = "com.amazonaws.services.sagemaker.sparksdk.transformation"
FORMS = ("dense", "sparse")


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
def job_group(spark, name):
    """Let the jobs of a block be found under a name."""
    spark.sparkContext.setJobGroup(name, name)
    try:
        yield
    finally:
        spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)


def task_seconds(spark, group):
    """Return the seconds that the tasks of a group's jobs ran, all tasks together."""
    context = spark.sparkContext._jsc.sc()
    context.listenerBus().waitUntilEmpty()
    tracker = spark.sparkContext.statusTracker()
    stages = {stage for job in tracker.getJobIdsForGroup(group) for stage in tracker.getJobInfo(job).stageIds}
    return sum(context.statusStore().lastStageAttempt(stage).executorRunTime() for stage in stages) / 1000


# --- the JVM's memory -------------------------------------------------------------------------------------------------


def has_peak_memory(spark):
    """Return whether the peak can be asked for: the executor is the driver's JVM, and the system is Linux."""
    return sys.platform == "linux" and spark.sparkContext.master.startswith("local")


def peak_memory(spark, action):
    """Return the memory in bytes that Spark's JVM held after a full collection, and the most while ``action`` ran.

    It is resident memory, and includes garbage that was not collected yet: with 4 GB of heap, Java is in no hurry.
    """
    process = Path("/proc", str(SparkContext._gateway.proc.pid))
    spark.sparkContext._jvm.System.gc()
    (process / "clear_refs").write_text("5")  # the peak starts anew from what is held now; see proc(5)
    before = _peak(process)
    action()
    return before, _peak(process)


def _peak(process):
    lines = (process / "status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


# --- the SDK's own parts ----------------------------------------------------------------------------------------------


def serialise(spark, rows):
    """Serialise a Java list of rows as ``transform`` does, inside the JVM; return how many there were."""
    jvm = spark.sparkContext._jvm
    serializer = getattr(jvm, f"{SDK}.serializers.LibSVMRequestRowSerializer")(
        jvm.scala.Option.empty(), "label", "features"
    )
    serializer.setSchema(rows.get(0).schema())
    iterator = jvm.scala.collection.JavaConverters.asScalaIteratorConverter(rows.iterator()).asScala()
    return getattr(jvm, f"{SDK}.util.RequestRowIterator")(iterator, LARGEST_REQUEST, serializer).size()


def deserialise(spark, answer):
    """Make rows of an endpoint's answer (bytes) as ``transform`` does, inside the JVM; return how many there were."""
    deserializer = getattr(spark.sparkContext._jvm, f"{SDK}.deserializers.XGBoostCSVRowDeserializer")("prediction")
    return deserializer.deserializeResponse(answer).size()
