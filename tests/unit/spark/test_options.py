"""Options of Spark that a user gives, and the check of its master."""

import socket
import warnings

import pytest

from harness.errors import SetupError
from harness.spark.options import check_reachable, with_setting

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
