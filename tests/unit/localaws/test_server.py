"""The process of the local AWS."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_importing_the_local_aws_starts_no_process_and_needs_no_java():
    code = "import harness.localaws.server, sys; print('pyspark' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PATH": ""})
    assert shown.stdout.strip() == "False"


@pytest.mark.slow
def test_the_local_aws_starts_without_libraries_that_only_sample_data_needs():
    code = "import sys, harness.localaws.server; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
