"""GitHub's workflows call what there is, fail when what they call fails, and sweep whatever happens.

That they are well formed and safe, `tox -e lint` says.
"""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from harness.cli import main

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_pipeline"
WORKFLOWS = {
    prefix + path.stem: yaml.safe_load(path.read_text())
    for prefix, directory in (("", ROOT), ("example-", EXAMPLE))
    for path in (directory / ".github" / "workflows").glob("*.yml")
}
"""This project's, and those that users copy."""
JOBS = [
    pytest.param(workflow, job, id=f"{name}:{key}")
    for name, workflow in WORKFLOWS.items()
    for key, job in workflow["jobs"].items()
]


def commands(job):
    """Return the words of each command of a job, up to a pipe or redirection."""
    lines = [line for step in job["steps"] for line in step.get("run", "").splitlines()]
    words = [shlex.split(line.partition(" | ")[0].partition(" > ")[0], comments=True) for line in lines]
    return [line for line in words if line]


def test_workflows_for_changes_and_for_nights_exist():
    assert {"ci", "nightly", "example-tests", "example-nightly"} <= WORKFLOWS.keys()


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_the_harness_is_called_as_its_command_line_allows(workflow, job):
    for words in commands(job):
        if words[0] == "harness":
            main.build_parser().parse_args(words[1:])


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_named_files_exist(workflow, job):
    named = [
        word.partition("::")[0]
        for words in commands(job)
        for word in words
        if word.startswith(("tests/", "benchmarks/"))
    ]
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_command_that_fails_before_a_pipe_fails_its_step(workflow, job):
    shells = [workflow.get("defaults", {}).get("run", {}).get("shell"), *(step.get("shell") for step in job["steps"])]
    piped = any(" | " in step.get("run", "") for step in job["steps"])
    assert not piped or "bash" in shells, "only a shell that is named has pipefail"


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_has_a_time_limit(workflow, job):
    assert job["timeout-minutes"] <= 360


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_jobs_in_aws_always_sweep_with_new_credentials(workflow, job):
    steps = job["steps"]
    real = [number for number, step in enumerate(steps) if "--harness-mode=real" in step.get("run", "")]
    for number in real:
        after = [step for step in steps[number + 1 :] if step.get("if", "").startswith("always()")]
        kinds = [step.get("uses", step.get("run", "")) for step in after]
        sweeps = [place for place, kind in enumerate(kinds) if "harness sweep --yes" in kind]
        assert sweeps, "no step sweeps always"
        assert any("configure-aws-credentials" in kind for kind in kinds[: sweeps[0]])
        assert after[sweeps[0]]["timeout-minutes"] >= 20, "AWS creates an endpoint for minutes before it can be deleted"


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_run_in_aws_does_not_expire_for_the_sweep_of_another_while_its_tests_may_run(workflow, job):
    for step in job["steps"]:
        if "--harness-mode=real" in step.get("run", ""):
            assert float(job["env"]["HARNESS_MAX_HOURS"]) * 60 > step["timeout-minutes"]


def test_the_local_aws_is_under_load_for_half_an_hour_each_night():
    job = WORKFLOWS["nightly"]["jobs"]["soak"]
    assert float(job["env"]["HARNESS_SOAK_SECONDS"]) == 1800 < job["timeout-minutes"] * 60
    assert ["pytest", "-m", "nightly", "tests/integration/test_soak.py"] in [words[:4] for words in commands(job)]


def test_the_nightly_run_uses_real_mode():
    assert "--harness-mode=real" in str(WORKFLOWS["nightly"]["jobs"]["real"]["steps"])


def test_the_workflows_that_users_copy_install_the_harness_from_a_place_and_not_by_its_bare_name():
    lines = (EXAMPLE / "requirements.txt").read_text().splitlines()
    needed = [Requirement(line) for line in lines if not line.startswith("#")]
    assert [each.name for each in needed if each.url] == ["sagemaker-spark-harness"]
    assert f"\n{needed[0]}\n" in (ROOT / "docs" / "guides" / "ci.md").read_text()


def test_the_guide_lists_the_variables_of_the_nightly_workflow_that_users_copy():
    section = (ROOT / "docs" / "guides" / "real-aws.md").read_text().partition("## 5. Run every night")[2]
    listed = re.findall(r"^ *\| `(HARNESS_\w+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(listed) == sorted(set(re.findall(r"vars\.(\w+)", str(WORKFLOWS["example-nightly"]))))
