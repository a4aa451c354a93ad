"""``harness coverage``: counts, the lists of a service, and JSON."""

import json
import re

import pytest

from harness.cli import main
from harness.localaws.register.lookup import OPERATIONS


def test_without_a_service_the_operations_of_each_are_counted(capsys):
    assert main.main(["coverage"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    counted = {row[0]: sum(map(int, row[1:])) for row in rows if row[0] in OPERATIONS}
    assert counted == {service: len(list(operations)) for service, operations in OPERATIONS.items()}


def test_a_service_is_listed_with_the_limits_of_its_members(capsys):
    assert main.main(["coverage", "sagemaker"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "batch transform CreateTransformJob DescribeTransformJob ListTransformJobs StopTransformJob" in printed
    assert "members of CreateModel limit" in printed
    assert "PrimaryContainer.Mode only SingleModel: it has no multi-model endpoints" in printed


def test_json_has_every_class_of_one_service_or_of_all(capsys):
    main.main(["coverage", "pricing", "--json"])
    (report,) = json.loads(capsys.readouterr().out).values()
    assert report["counts"] == {"emulated": 1, "record only": 0, "refused": 4}
    assert {"member": "ServiceCode", "class": "honoured"} in report["members"]["GetProducts"]
    main.main(["coverage", "--json"])
    assert sorted(json.loads(capsys.readouterr().out)) == sorted([*OPERATIONS, "s3"])


def test_a_service_that_is_not_emulated_is_an_error_that_lists_the_others(capsys):
    assert main.main(["coverage", "dynamodb"]) == 2
    assert "give one of iam, logs" in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 100])
def test_the_lists_fit_a_terminal(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    main.main(["coverage", "logs"])
    lines = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert width - 10 < max(map(len, lines)) <= width
