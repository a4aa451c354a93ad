"""The unavoidable parts of the MNIST program, done bare: Spark, XGBoost and the SDK without S3, SageMaker or endpoints.

Run as a script it prints the seconds of each part as one line of JSON; ``test_program.py`` compares their sum with the
whole program.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import xgboost
from in_spark import serialise

from harness import mnist
from harness.mnist import HYPERPARAMETERS
from harness.settings import Settings
from harness.spark.data import read_libsvm
from harness.spark.internals import java_rows
from harness.spark.session import build_session


class NoAWS:
    """An AWS without any configuration for clients."""

    mode, region, account, role, lease, notes = "none", "us-east-1", "", "", None, []

    def environment(self):
        return {}

    def jvm_options(self):
        return []


def main():
    seconds = {}
    with tempfile.TemporaryDirectory() as scratch:
        files = {split: Path(scratch, f"{split}.libsvm") for split in ("train", "test")}
        for split, path in files.items():
            with path.open("wb") as file:
                file.writelines(mnist.libsvm(split))

        began = time.perf_counter()
        spark = build_session(NoAWS(), Settings())
        began = _lap(seconds, "Spark session", began)

        read_libsvm(spark, str(files["train"])).write.format("libsvm").save(str(Path(scratch, "written")))
        _lap(seconds, "Spark reads and writes LibSVM", began)

        digits = mnist.load("train")
        began = time.perf_counter()
        matrix = xgboost.DMatrix(digits.images.astype(np.float32), digits.labels)
        parameters = {name: value for name, value in HYPERPARAMETERS.items() if name not in ("silent", "num_round")}
        xgboost.train(parameters | {"nthread": os.cpu_count()}, matrix, HYPERPARAMETERS["num_round"])
        _lap(seconds, "xgboost.train", began)

        rows = java_rows(read_libsvm(spark, str(files["test"])))
        began = time.perf_counter()
        assert serialise(spark, rows) == mnist.ROWS["test"]
        _lap(seconds, "SDK's serialisation", began)
        spark.stop()
    print(json.dumps(seconds))


def _lap(seconds, part, began):
    now = time.perf_counter()
    seconds[part] = now - began
    return now


if __name__ == "__main__":
    sys.exit(main())
