"""The check that a JVM uses the session's AWS. The JVMs here are what their properties and variables say."""

from types import SimpleNamespace

import pytest

from harness.errors import SetupError
from harness.java import OPTIONS_FILE, system_properties
from harness.spark import internals, jvm

LOCAL = {"https.proxyHost": "127.0.0.1", "https.proxyPort": "4711", "https.proxyUser": "harness"}
VARIABLES = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "local", "AWS_ROLE_ARN": "", "HTTPS_PROXY": "http://p"}


class AWS:
    """An AWS with these system properties and variables."""

    mode, region = "mock", "us-east-1"

    def __init__(self, properties=None, variables=None):
        self._properties = LOCAL if properties is None else properties
        self._variables = VARIABLES if variables is None else variables

    def jvm_options(self):
        return [f"-D{name}={value}" for name, value in self._properties.items()]

    def environment(self):
        return self._variables


@pytest.fixture
def start(monkeypatch):
    """Let this process have a JVM with these properties, variables and Spark options."""

    def start(properties, variables, master="local[2]", **options):
        monkeypatch.setattr(jvm, "_used_for", None)
        conf = {name.replace("_", "."): value for name, value in options.items()}
        context = SimpleNamespace(master=master, getConf=lambda: SimpleNamespace(getAll=conf.items))
        monkeypatch.setattr(internals, "has_jvm", lambda: True)
        monkeypatch.setattr(internals, "system_property", properties.get)
        monkeypatch.setattr(internals, "variable", variables.get)
        monkeypatch.setattr(internals, "running_context", lambda: context)
        monkeypatch.setattr(internals, "has_class", lambda name: False)
        return conf

    return start


def refusal(aws, **options):
    with pytest.raises(SetupError) as caught:
        jvm.require_jvm_of(aws, **options)
    return str(caught.value)


def test_a_jvm_with_the_properties_and_variables_of_the_aws_is_taken_whoever_started_it(start):
    start(LOCAL | {"theirs": "1"}, {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "local"})
    jvm.require_jvm_of(AWS())


@pytest.mark.parametrize("name", [*LOCAL, "AWS_REGION", "AWS_ACCESS_KEY_ID"])
def test_a_jvm_that_differs_in_one_is_refused_by_its_name_and_with_the_way_that_works(start, name):
    properties, variables = (
        {key: value for key, value in given.items() if key != name} for given in (LOCAL, VARIABLES)
    )
    start(properties, variables)
    told = refusal(AWS())
    assert "does not use the mock AWS in us-east-1" in told
    assert f"those that differ: {name}\n" in told
    assert "harness.spark.session.get_or_create(builder, aws)" in told


def test_an_error_shows_no_value_of_a_variable_and_few_names(start):
    start({}, {"AWS_ACCESS_KEY_ID": "a users key"})
    told = refusal(AWS())
    assert "differ: https.proxyHost, https.proxyPort, https.proxyUser, AWS_REGION and 1 more\n" in told
    assert "key" not in told.replace("AWS_ACCESS_KEY_ID", "")


def test_a_jvm_of_a_local_aws_is_refused_for_another_aws(start):
    real = AWS({"aws.region": "us-east-1"}, {"AWS_REGION": "us-east-1"})
    start({"aws.region": "us-east-1"}, {"AWS_REGION": "us-east-1", "HARNESS_LOCAL_AWS": "http://127.0.0.1:1"})
    assert "differ: HARNESS_LOCAL_AWS\n" in refusal(real)
    rehearsal = LOCAL | {"aws.region": "us-east-1"}  # 'harness serve --enforce-iam' stands where AWS would
    start(rehearsal, {"AWS_REGION": "us-east-1"})
    jvm.require_jvm_of(real)


def test_executors_elsewhere_need_the_options_and_variables_too(start):
    conf = start(LOCAL, VARIABLES, master="spark://head:7077")
    told = (
        "differ: spark.executor.extraJavaOptions, spark.executorEnv.AWS_REGION, spark.executorEnv.AWS_ACCESS_KEY_ID\n"
    )
    assert told in refusal(AWS())
    conf["spark.executor.extraJavaOptions"] = " ".join([*AWS().jvm_options(), "-Dtheirs=1"])
    conf |= {f"spark.executorEnv.{name}": value for name, value in VARIABLES.items()}
    jvm.require_jvm_of(AWS())


def test_a_jvm_without_the_sdk_is_refused_where_the_sdk_is_needed(start):
    start(LOCAL, VARIABLES)
    jvm.require_jvm_of(AWS())
    assert "was started without the SageMaker SDK" in refusal(AWS(), sdk=True)


def test_a_jvm_that_has_ended_before_does_not_prevent_an_aws(start, monkeypatch):
    start({}, {})
    monkeypatch.setattr(internals, "system_property", lambda name: (_ for _ in ()).throw(ConnectionRefusedError))
    with jvm.refused_if_foreign(AWS()):
        pass


def test_the_properties_of_options_in_a_file_are_known(tmp_path):
    (tmp_path / "jvm.options").write_text("-Dhttps.proxyPort=4711 '-Dpath=/a b' -Xmx1g")
    options = [f"{OPTIONS_FILE}{tmp_path / 'jvm.options'}", "-Dempty", "-Dequation=a=b"]
    expected = {"https.proxyPort": "4711", "path": "/a b", "empty": "", "equation": "a=b"}
    assert system_properties(options) == expected
