"""Configuration of a Spark session. Sessions start in the integration tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.errors import SetupError
from harness.java import Java, Rejected
from harness.spark import pythonpath, sdk, session
from harness.spark.options import merged
from harness.spark.pythonpath import python_environment
from harness.spark.sdk import sdk_jars

JAVA = Java(Path("/good"), "17.0.1", "PATH")
JAR = "sagemaker-spark_2.12-spark_3.3.0-1.4.5.jar"
ROLE = "arn:aws:iam::123456789012:role/r"
PROBE = "import pyspark.serializers as s, sys; print(s.cloudpickle.__name__)"


class FakeAWS:
    """An AWS that leads nowhere."""

    mode, region, account, role, lease = "mock", "us-east-1", "123456789012", ROLE, None

    def __init__(self, region="us-east-1"):
        self.region = region

    def environment(self):
        return {"AWS_REGION": self.region, "JAVA_TOOL_OPTIONS": "-Dtrust=a"}

    def jvm_options(self):
        return ["-Dtrust=a b"]

    def client(self, service):
        return None

    def close(self):
        pass


def options(master, tmp_path, region="us-east-1"):
    return session._options(FakeAWS(region=region), master, [Path("/a.jar"), Path("/b.jar")], tmp_path, JAVA)


def test_the_three_jars_that_share_no_class_are_taken():
    assert sorted(path.name.split("-")[0] for path in sdk_jars()) == ["aws", "hadoop", "sagemaker"]


@pytest.mark.parametrize("version", ["3.3.0", "3.3.4"])
def test_pyspark_of_the_jars_minor_version_is_taken(version):
    sdk._check_version(version, JAR)


@pytest.mark.parametrize("version", ["3.2.1", "3.5.0", "4.0.0", "3.30.0"])
def test_another_pyspark_is_refused_with_both_versions_and_the_remedy(version):
    with pytest.raises(SetupError, match=f"pyspark {version} is installed.*built for pyspark 3.3.0") as caught:
        sdk._check_version(version, JAR)
    assert "pip install pyspark==3.3.0" in caught.value.fix


@pytest.mark.parametrize(("version", "warns"), [("1.0-1", False), ("1.2-1", False), ("1.2-2", True), ("3.0-5", True)])
def test_the_deserializer_of_the_sdk_reads_the_answers_of_older_images_only(version, warns):
    image = f"683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:{version}"
    deserializer = "com.amazonaws.services.sagemaker.sparksdk.transformation.deserializers.XGBoostCSVRowDeserializer"
    assert bool(sdk.unreadable_answers(image, deserializer)) is warns
    assert not sdk.unreadable_answers(image, "com.mine.LinesDeserializer")
    assert not sdk.unreadable_answers("mine:1", deserializer)


def test_options_with_blanks_reach_the_jvm_whole(tmp_path):
    assert "'-Dtrust=a b'" in options("local[*]", tmp_path)["spark.driver.extraJavaOptions"]


def test_a_session_on_one_machine_listens_on_loopback_alone(tmp_path):
    given = options("local[2]", tmp_path)
    assert given["spark.driver.host"] == given["spark.driver.bindAddress"] == "127.0.0.1"


@pytest.mark.parametrize("master", ["local-cluster[2,1,1024]", "spark://head:7077"])
def test_executors_elsewhere_get_the_jars_the_options_and_the_variables(tmp_path, master):
    given = options(master, tmp_path)
    assert given["spark.executor.extraClassPath"] == given["spark.driver.extraClassPath"] == "/a.jar:/b.jar"
    assert given["spark.executor.extraJavaOptions"] == "'-Dtrust=a b'"
    assert given["spark.executorEnv.AWS_REGION"] == "us-east-1"
    assert "spark.executorEnv.JAVA_TOOL_OPTIONS" not in given
    assert "spark.driver.host" not in given


def test_options_of_a_builder_are_kept_and_joined_with_those_of_the_aws():
    ours = session._aws_options(FakeAWS(region="cn-north-1"), "local[2]", [Path("/a.jar")], JAVA)
    theirs = {
        "spark.driver.extraJavaOptions": "-Dmine=1",
        "spark.driver.extraClassPath": "/b.jar",
        "spark.app.name": "x",
    }
    options = merged(theirs | {"spark.hadoop.fs.s3a.endpoint": "mine"}, ours)
    assert options["spark.driver.extraJavaOptions"] == "-Dmine=1 '-Dtrust=a b'", "in Java the last one wins"
    assert options["spark.driver.extraClassPath"] == "/a.jar:/b.jar"
    assert (options["spark.app.name"], options["spark.hadoop.fs.s3a.endpoint"]) == ("x", "mine")
    assert merged({}, ours) == ours


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"), ("us-gov-west-1", "s3.us-gov-west-1.amazonaws.com")],
)
def test_s3a_uses_an_endpoint_of_the_partition_for_regions_outside_aws(tmp_path, region, endpoint):
    given = options("local[*]", tmp_path, region=region)
    assert given["spark.hadoop.fs.s3a.endpoint"] == endpoint
    assert "spark.hadoop.fs.s3a.endpoint" not in options("local[*]", tmp_path)


@pytest.fixture
def _some_java(monkeypatch):
    """A machine whose JAVA_HOME cannot be used and whose path has a Java that can."""
    java = Java(Path("/good"), "17.0.1", "PATH", (Rejected("JAVA_HOME", "/bad/bin/java", "does not run"),))
    monkeypatch.setattr(session, "find_java", lambda: java)


@pytest.mark.usefixtures("_some_java")
def test_a_java_home_that_cannot_be_used_is_reported():
    with pytest.warns(UserWarning, match=r"JAVA_HOME \(/bad/bin/java\): does not run. Using /good \(found by PATH\)"):
        java = session._java()
    assert session._launch_environment(FakeAWS(), "local[*]", java)["JAVA_HOME"] == "/good"


def test_java_gets_each_option_of_the_command_line_once(monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dtrust=a")
    assert "JAVA_TOOL_OPTIONS" not in session._launch_environment(FakeAWS(), "local[*]", JAVA)
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dmine=1")
    assert session._launch_environment(FakeAWS(), "local[*]", JAVA)["JAVA_TOOL_OPTIONS"] == "-Dmine=1"


def test_a_scripts_own_python_path_and_workers_python_are_kept():
    given = python_environment({"PYTHONPATH": "/mine", "PYSPARK_PYTHON": "/their/python"})
    assert given == {"PYTHONPATH": f"{pythonpath.DIRECTORY}:/mine", "PYSPARK_PYTHON": "/their/python"}
    assert python_environment({}) == {"PYTHONPATH": pythonpath.DIRECTORY, "PYSPARK_PYTHON": sys.executable}


def run(code, **environment):
    """Return what a Python prints that runs some code with ``python_environment``."""
    variables = os.environ | python_environment({"PYTHONPATH": str(Path(harness.__file__).parents[1])}) | environment
    return subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    ).stdout.strip()


needs_newer = pytest.mark.skipif(sys.version_info < (3, 11), reason="pyspark's own cloudpickle serves Python 3.10")


@needs_newer
def test_a_script_gets_the_installed_cloudpickle_in_place_of_pysparks():
    assert run(PROBE) == "cloudpickle"
    assert run("from pyspark.cloudpickle.cloudpickle import CloudPickler as C; print(C.__module__)") == (
        "cloudpickle.cloudpickle"
    )


@needs_newer
def test_a_pyspark_that_was_imported_before_gets_it_too():
    code = "import pyspark.serializers; from harness.spark.pythonpath import harness_cloudpickle as h; h.install(); "
    assert run(code + PROBE, PYTHONPATH=str(Path(harness.__file__).parents[1])) == "cloudpickle"


def test_the_environments_own_sitecustomize_still_runs(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.seen = __name__")
    found = run(
        "import sitecustomize; print(seen, sitecustomize.__file__)", **python_environment({"PYTHONPATH": str(tmp_path)})
    )
    assert found == f"sitecustomize {tmp_path / 'sitecustomize.py'}"
