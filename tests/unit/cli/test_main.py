"""The command line: its options, and its reports of errors."""

import contextlib
import json
import subprocess
import sys

import pytest
from botocore.exceptions import EndpointConnectionError

from harness import __version__
from harness.cli import main
from harness.errors import SetupError

HEAVY = ("pyspark", "boto3", "moto", "numpy", "matplotlib", "xgboost", "rich")


@pytest.fixture
def execution(monkeypatch):
    """Commands given to ``harness exec``, which are not run, and what happens instead."""
    seen = []

    def run_command(settings, command, seeds, roles):
        seen.append((settings, command))
        return 5

    monkeypatch.setattr("harness.cli.local.run_command", run_command)
    return seen


@pytest.mark.parametrize(
    "arguments", [["compare", "no\x1b[2J\u202e", "nor"], ["no\x1b[2J\u202e"], ["doctor", "no\x1b[2J\u202e"]]
)
def test_an_error_quotes_what_was_given_literally(arguments, capsys):
    with contextlib.suppress(SystemExit):
        assert main.main(arguments)
    told = capsys.readouterr().err
    assert "no\\x1b[2J\\u202e" in told
    assert not {"\x1b", "\u202e"} & set(told)


def test_help_is_instant_because_it_imports_nothing_heavy():
    code = (
        "import sys; from harness.cli.main import build_parser; build_parser().format_help(); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("command", ["mnist", "exec", "serve", "doctor", "policy", "compare", "bench", "instances"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main.main([command, "--help"])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert f"usage: harness {command}" in told
    assert "(default: None)" not in told


def test_help_shows_what_can_be_chosen_and_every_default(capsys):
    with pytest.raises(SystemExit):
        main.main(["mnist", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "--mode {mock,real}" in told
    assert "hold back for validation (default: 0)" in told


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        main.main(["--version"])
    assert capsys.readouterr().out == f"harness {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["nothing"], ["mnist", "--no-such-option"], ["bench", "--rounds=2", "endpoint"]]
)
def test_an_unknown_argument_is_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main.main(arguments)
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert "usage: harness" in told
    assert "  to fix:  run 'harness" in told.splitlines()[-1]


def test_an_unknown_option_is_reported_with_its_commands_own_help(capsys):
    with pytest.raises(SystemExit):
        main.main(["mnist", "--bogus"])
    error, fix = capsys.readouterr().err.splitlines()[-2:]
    assert error == "harness: unrecognized arguments: --bogus."
    assert fix == "  to fix:  run 'harness mnist --help' to list its arguments"


def test_exec_passes_the_command_with_its_own_options_and_the_exit_code(execution):
    assert main.main(["exec", "--region", "eu-west-1", "--", "python", "x.py", "--", "--region=other"]) == 5
    settings, command = execution[0]
    assert settings.region == "eu-west-1"
    assert command == ["python", "x.py", "--", "--region=other"]


def test_settings_come_from_the_environment_where_no_option_is_given(execution, monkeypatch):
    monkeypatch.setenv("HARNESS_REGION", "eu-west-3")
    main.main(["exec", "--", "true"])
    assert execution[0][0].region == "eu-west-3"


def test_a_bad_option_is_reported_by_the_name_that_was_typed(execution, capsys):
    assert main.main(["exec", "--region", "nowhere", "--", "true"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "harness: --region is 'nowhere', which is not a valid AWS region.",
        "  to fix:  give one that looks like 'us-east-1'",
    ]
    assert not execution


def test_an_impossible_port_is_reported(capsys):
    assert main.main(["serve", "--port", "70000"]) == 2
    assert "--port is 70000" in capsys.readouterr().err


@pytest.fixture
def raising(monkeypatch):
    """Let ``harness mnist`` raise an error at once."""

    def raising(error):
        def run_mnist(*_):
            raise error

        monkeypatch.setattr("harness.cli.mnist.run_mnist", run_mnist)

    return raising


def test_an_error_is_reported_without_its_stack_trace_unless_that_is_asked_for(raising, capsys):
    raising(SetupError("No.", checked="this", fix="do that"))
    assert main.main(["mnist"]) == SetupError.exit_code
    assert capsys.readouterr().err == "harness: No.\n  checked: this\n  to fix:  do that\n"
    main.main(["mnist", "--traceback"])
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(("reason", "told"), [([], ""), (["process 7 cleans up"], ": process 7 cleans up")])
def test_an_interruption_has_the_exit_code_that_shells_give_and_its_reason_is_reported(raising, capsys, reason, told):
    raising(KeyboardInterrupt(*reason))
    assert main.main(["mnist"]) == 130
    assert capsys.readouterr().err == f"harness: interrupted{told}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--validation-fraction=1.5"], "--validation-fraction is 1.5."),
        (["--validation-fraction=nan"], "--validation-fraction is nan."),
        (["--role=mine"], "--role mine has no effect in mock mode: the local AWS has its own role."),
        (["--train-rows=5", "--train-data=x"], "--train-rows 5 has no effect with --train-data"),
        (["--test-rows=5", "--test-data=x"], "--test-rows 5 has no effect with --test-data"),
        (["--train-data=none.libsvm"], "--train-data is none.libsvm, which does not exist."),
    ],
)
def test_options_that_cannot_be_heeded_are_refused_by_name(arguments, told, capsys):
    assert main.main(["mnist", *arguments]) == 2
    assert told in capsys.readouterr().err


ACCOUNT = "--account=123456789012"


def test_policies_are_printed_with_what_each_is_for_or_one_alone(capsys):
    assert main.main(["policy", ACCOUNT]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == {"caller", "role", "role-trust"}
    assert main.main(["policy", ACCOUNT, "--for=caller"]) == 0
    assert json.loads(capsys.readouterr().out) == printed["caller"]


def test_a_policy_may_be_for_several_regions_a_role_of_ones_own_and_a_repository(capsys):
    main.main(["policy", ACCOUNT, "--region", "eu-west-1", "eu-west-2", "--role=mine", "--github=me/mine"])
    printed = json.loads(capsys.readouterr().out)
    caller = json.dumps(printed["caller"])
    assert all(f":{region}:123456789012:model/hsh-*" in caller for region in ("eu-west-1", "eu-west-2"))
    assert '"arn:aws:iam::123456789012:role/mine"' in caller
    assert "repo:me/mine:" in json.dumps(printed["caller-trust"])


@pytest.mark.parametrize(("form", "member"), [("cloudformation", "Resources"), ("terraform", "resource")])
def test_templates_need_no_account(capsys, form, member):
    assert main.main(["policy", f"--format={form}"]) == 0
    assert member in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--account is missing"),
        (["--account=12"], "--account is '12'"),
        (["--format=terraform", "--for=role"], "--for has no effect on a template"),
        ([ACCOUNT, "--github=me"], "--github is 'me'"),
        ([ACCOUNT, "--region=here"], "--region is 'here'"),
    ],
)
def test_a_policy_that_cannot_be_printed_is_reported_with_the_remedy(capsys, arguments, told):
    assert main.main(["policy", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "to fix:" in error


def test_an_error_of_boto3_is_reported_without_a_stack_trace(monkeypatch, capsys):
    def lost(*_, **__):
        raise EndpointConnectionError(endpoint_url="https://sts.amazonaws.com")

    monkeypatch.setattr("harness.cli.doctor.examine", lost)
    assert main.main(["doctor"]) == 1
    told = capsys.readouterr().err
    assert "Could not connect to the endpoint URL" in told
    assert "harness sweep" in told
