"""The examples, which know nothing of the harness, run as they are through ``harness exec``."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.outside import OUTSIDE, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.spark]

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = {"MNIST_TRAIN_ROWS": "600", "MNIST_TEST_ROWS": "200"}
NOTEBOOK_PARTS = ("nbconvert", "ipykernel")


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1"])
def test_the_script_runs_in_any_partition(run, tmp_path, region):
    script = EXAMPLES / "pyspark_mnist_xgboost.py"
    done = run("exec", f"--region={region}", "--", sys.executable, script, **ROWS)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[-2:]
    assert first.endswith(" on 200 digits")
    assert float(first.split()[1]) > 0.6
    assert second == "digits by predicted class: mnist-digits.png"
    assert (tmp_path / "mnist-digits.png").stat().st_size > 10_000
    assert "refused" not in done.stderr


ALGORITHMS = {
    "pyspark_mnist_kmeans.py": ("mean distance: ", 1000, 2000, "mnist-clusters.png"),
    "pyspark_mnist_pca.py": ("variance kept: ", 0.4, 0.6, "mnist-components.png"),
    "pyspark_mnist_linear_learner.py": ("accuracy: ", 0.6, 1, "mnist-confusion.png"),
    "pyspark_mnist_factorization_machines.py": ("accuracy: ", 0.93, 1, "mnist-zeros.png"),
    "pyspark_bars_lda.py": ("likeness: ", 0.97, 1, "topics.png"),
}
"""Text that each program prints, the bounds of the number after it, and its picture."""


@pytest.mark.parametrize("program", ALGORITHMS)
def test_a_program_for_each_algorithm_runs_and_draws_its_picture(run, tmp_path, program):
    told, least, most, picture = ALGORITHMS[program]
    done = run("exec", "--", sys.executable, EXAMPLES / program, **ROWS)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[-2:]
    assert first.startswith(told)
    assert least <= float(first.removeprefix(told).split()[0]) <= most
    assert second.endswith(f": {picture}")
    assert (tmp_path / picture).stat().st_size > 5_000
    assert "refused" not in done.stderr


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, NOTEBOOK_PARTS)),
    reason=f"notebooks need {' and '.join(NOTEBOOK_PARTS)} ('pip install sagemaker-spark-harness[dev]')",
)
def test_the_notebook_runs(run, tmp_path):
    shutil.copy(EXAMPLES / "pyspark_mnist_xgboost.ipynb", tmp_path / "mnist.ipynb")
    convert = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", "mnist.ipynb"]
    done = run("exec", "--", *convert, **ROWS)
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "mnist.ipynb").read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    printed = "".join("".join(output["text"]) for output in outputs if output.get("name") == "stdout")
    assert " on 200 digits" in printed
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert "refused" not in done.stderr


def test_the_tests_of_a_pipeline_of_ones_own_pass(tmp_path):
    shutil.copytree(EXAMPLES / "own_pipeline", tmp_path / "project")
    # From the directory above, since "python -m pytest" puts the one that it is started in on Python's path.
    command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-p", "no:cacheprovider", "project"]
    variables = OUTSIDE | {"PYTHONPATH": ROOT}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 5 passed" in done.stdout
    assert ", 0 left over" in done.stdout


def test_a_pipeline_of_ones_own_runs_on_a_seeded_bucket(run):
    pipeline = EXAMPLES / "own_pipeline"
    command = [sys.executable, pipeline / "churn.py", "s3a://shop/customers.csv", "s3a://shop/predictions"]
    done = run("exec", "--seed", f"{pipeline / 'data'}=s3://shop", "--", *command)
    assert done.returncode == 0, done.stderr
    assert ", would remain: " in done.stderr
    assert " in s3://shop (predictions/" in done.stderr
    assert "(customers.csv" not in done.stderr, "it was seeded"
