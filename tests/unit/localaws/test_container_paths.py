"""Texts of containers speak of /opt/ml, not of directories of this machine."""

import sys

from harness.localaws.sagemaker.container_paths import as_in_container, without_directory
from harness.localaws.sagemaker.container_process import ContainerProcess


def test_the_directory_of_a_container_reads_as_opt_ml(tmp_path):
    text = f"{tmp_path}/input/data/train/part-0, '{tmp_path}' and {tmp_path}"
    assert as_in_container(text, tmp_path) == "/opt/ml/input/data/train/part-0, '/opt/ml' and /opt/ml"


def test_links_are_followed_to_the_model_and_from_the_directory(tmp_path):
    (tmp_path / "variant/model").mkdir(parents=True)
    (tmp_path / "variant/0").mkdir()
    (tmp_path / "variant/0/model").symlink_to(tmp_path / "variant/model")
    (tmp_path / "link").symlink_to(tmp_path / "variant/0")
    text = f"{tmp_path}/variant/model/xgboost-model {tmp_path}/link/model/x {tmp_path}/variant/0/output"
    expected = "/opt/ml/model/xgboost-model /opt/ml/model/x /opt/ml/output"
    assert as_in_container(text, tmp_path / "link") == expected


def test_the_directories_of_all_hosts_and_instances_read_as_opt_ml(tmp_path):
    text = f"{tmp_path}/algo-1/model/0/x '{tmp_path}/3-name-v1/0/model' {tmp_path}/algo-2: full"
    assert without_directory(text, tmp_path) == "/opt/ml/model/0/x '/opt/ml/model' /opt/ml: full"


def test_lines_of_a_container_name_paths_as_on_aws(tmp_path):
    lines = []
    process = ContainerProcess([sys.executable, "-c", "import os; print(os.getcwd())"], tmp_path, {}, lines.append)
    assert process.wait(20) == 0
    assert lines == ["/opt/ml"]
