"""Options of Spark that a user gives, and the check of its master."""

import socket
import warnings

import pytest
from pyspark import SparkConf

from harness.errors import SetupError
from harness.settings import Settings
from harness.spark.options import (
    add_default_jvm_options,
    check_reachable,
    needs_new_jvm,
    quick_jvm_options,
    with_setting,
)

OURS = {
    "spark.driver.memory": "4096m",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.extraClassPath": "/sdk.jar",
    "spark.driver.extraJavaOptions": "-Dhttps.proxyHost=127.0.0.1",
}


def test_a_users_options_are_added_and_replace_defaults():
    theirs = {
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "4",
        "spark.driver.extraClassPath": "/my.jar",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        options = with_setting(theirs, OURS)
    assert (options["spark.driver.memory"], options["spark.sql.shuffle.partitions"]) == ("1g", "4")
    assert options["spark.driver.extraClassPath"] == "/sdk.jar:/my.jar"


def test_what_the_harness_must_set_wins_and_a_warning_names_it():
    theirs = {"spark.driver.host": "0.0.0.0", "spark.master": "local[7]", "spark.driver.extraJavaOptions": "-Dmine=1"}
    with pytest.warns(UserWarning, match=r"no effect on spark\.driver\.host, spark\.master: the harness sets it"):
        options = with_setting(theirs, OURS)
    assert options["spark.driver.host"] == "127.0.0.1"
    assert options["spark.driver.extraJavaOptions"] == "-Dmine=1 -Dhttps.proxyHost=127.0.0.1"


@pytest.mark.parametrize(
    ("master", "options", "reason"),
    [
        ("local[*]", {"spark.sql.shuffle.partitions": "4", "spark.hadoop.fs.s3a.threads.max": "2"}, ""),
        ("local", {"spark.sql.catalogImplementation": "in-memory"}, ""),
        ("local", {"spark.sql.catalogImplementation": "hive"}, "spark.sql.catalogImplementation"),
        ("local[2]", {"spark.jars.packages": "a:b:1", "spark.driver.memory": "1g"}, "spark.driver.memory, spark.jars"),
        ("local[2]", {"spark.submit.deployMode": "client"}, "spark.submit.deployMode"),
        ("spark://host:7077", {}, "executors of spark://host:7077"),
        ("local-cluster[1,1,1024]", {}, "executors of local-cluster"),
    ],
)
def test_what_a_jvm_that_runs_cannot_have_is_named(master, options, reason):
    assert reason in needs_new_jvm(master, options)
    assert bool(reason) == bool(needs_new_jvm(master, options))


def test_a_master_that_does_not_answer_is_named_at_once():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SetupError, match=f"master spark://127.0.0.1:{port} does not answer: .*refused") as error:
        check_reachable(f"spark://127.0.0.1:{port}")
    assert "--harness-spark-master" in error.value.fix


@pytest.mark.parametrize("master", ["spark://nonsense", "spark://host:port"])
def test_a_master_without_host_and_port_is_refused(master):
    with pytest.raises(SetupError, match="is no host:port"):
        check_reachable(master)


def test_one_of_several_masters_is_enough_and_other_kinds_are_sparks_to_check():
    with socket.create_server(("127.0.0.1", 0)) as standby:
        check_reachable(f"spark://127.0.0.1:1,127.0.0.1:{standby.getsockname()[1]}")
    for master in ("local[*]", "yarn", "k8s://https://127.0.0.1:1"):
        check_reachable(master)


@pytest.mark.parametrize(
    ("rows", "given", "expected"),
    [
        (3000, "", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"),
        (3000, "-XX:+UseG1GC", "-XX:TieredStopAtLevel=1 -XX:+UseG1GC"),
        (60_000, "", ""),
    ],
)
def test_a_small_runs_jvm_compiles_quickly_unless_the_user_chose_otherwise(rows, given, expected):
    name = "spark.driver.defaultJavaOptions"
    conf = SparkConf(loadDefaults=False).set(name, given)
    add_default_jvm_options(conf, quick_jvm_options(Settings(train_rows=rows, test_rows=500), conf, {}))
    assert conf.get(name) == expected


def test_a_collector_that_a_variable_gives_to_each_jvm_is_the_only_one():
    environment = {"JAVA_TOOL_OPTIONS": "-Xss1m -XX:+UseParallelGC"}
    small = Settings(train_rows=10, test_rows=10)
    assert quick_jvm_options(small, SparkConf(loadDefaults=False), environment) == ["-XX:TieredStopAtLevel=1"]
