"""The ``harness`` command.

Heavy packages are imported by the command that needs them, so that ``harness --help`` answers at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from harness import __version__
from harness.errors import HarnessError, SettingsError
from harness.settings import Settings, read_settings, refuse_without_effect

Command = Callable[[argparse.Namespace], int]

_INTERRUPTED = 130
_READER_GONE = 141  # as a shell shows SIGPIPE
_SHOWN_BY = {
    "mnist": [setting.name for setting in dataclasses.fields(Settings) if setting.name != "endpoint"],
    "exec": ["region"],
    "serve": ["region"],
    "sweep": ["region", "prices"],
    "doctor": [
        setting.name
        for setting in dataclasses.fields(Settings)
        if not setting.name.endswith(("_rows", "_master", "endpoint"))
    ],
    "bench": [
        setting.name
        for setting in dataclasses.fields(Settings)
        if setting.name not in ("endpoint_instance_type", "spark_master", "training_instance_count", "endpoint")
    ],
    "bench endpoint": [
        "mode",
        "region",
        "role",
        "training_instance_type",
        "endpoint_instance_type",
        "endpoint_instance_count",
        "max_cost",
        "max_hours",
        "prices",
    ],
}
"""The settings that each command takes as options."""


class _Parser(argparse.ArgumentParser):
    """Ends what it says about a wrong command line with what to do."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit with code 2."""
        self.print_usage(sys.stderr)
        fix = f"run '{self.prog} --help', which lists what can be given"
        _complain(f"{message}.\n  to fix:  {fix}")
        self.exit(SettingsError.exit_code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, that of the error, or that of the command run by ``exec``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:2] == ["bench", "endpoint"]:
        given[:2] = ["bench endpoint"]
    options, unknown = _parser().parse_known_args(given)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        command: Command = options.run
        return command(options)
    except HarnessError as error:
        if getattr(options, "traceback", False):
            traceback.print_exc()
        _complain(str(error).replace("--harness-", "--"))  # pytest's options have the prefix
        return error.exit_code
    except KeyboardInterrupt as interruption:  # which may tell who cleans up now
        _complain(": ".join(filter(None, ["interrupted", str(interruption)])))
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_GONE
    except Exception as error:
        if not _is_of_aws(error):
            raise
        _complain(str(_unanswered(error)))
        return HarnessError.exit_code


def _complain(text: str) -> None:
    """Print an error, which may quote anything."""
    from harness.console import print_text  # noqa: PLC0415 - imports rich, which --help need not wait for

    print_text(f"harness: {text}", sys.stderr)


def _is_of_aws(error: Exception) -> bool:
    """Return whether boto3 raised an error; it is not imported for that, which takes long."""
    raised = sys.modules.get("botocore.exceptions")
    return raised is not None and isinstance(error, (raised.BotoCoreError, raised.ClientError))


def _unanswered(error: Exception) -> HarnessError:
    return HarnessError(
        f"AWS could not be asked, or refused: {error}",
        checked="the call was tried again as often as boto3 does",
        fix="see that the network is there and run it again; 'harness sweep' shows what was left in AWS",
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="harness",
        description="Test and measure Spark pipelines that use Amazon SageMaker, on this machine or in AWS.",
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_mnist(commands.add_parser("mnist", help="train, host and classify MNIST, and report"))
    _add_exec(
        commands.add_parser(
            "exec", help="run a command inside a local AWS", usage="harness exec [options] -- CMD [ARG ...]"
        )
    )
    _add_serve(commands.add_parser("serve", help="run a local AWS until it is interrupted"))
    _add_sweep(commands.add_parser("sweep", help="find and delete what earlier runs left in AWS"))
    _add_doctor(commands.add_parser("doctor", help="say what this machine, or an AWS account, has and what it lacks"))
    _add_policy(commands.add_parser("policy", help="print the permissions that runs in AWS need"))
    _add_compare(commands.add_parser("compare", help="say which benchmarks became faster or slower"))
    _add_bench(commands.add_parser("bench", help="run benchmarks over a matrix of instance types and Spark masters"))
    _add_bench_endpoint(commands.add_parser("bench endpoint", help="put load on an endpoint, and tell its latency"))
    _add_report(commands.add_parser("report", help="draw results of benchmarks on one page that opens offline"))
    _add_instances(commands.add_parser("instances", help="say which instance type to host a model on, and its cost"))
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return parser


def _add_settings(parser: argparse.ArgumentParser, command: str) -> None:
    for setting in dataclasses.fields(Settings):
        if setting.name in _SHOWN_BY[command]:
            choices = setting.metadata.get("choices")
            default = "" if setting.default is None else f" (default: {setting.default})"
            parser.add_argument(
                "--" + setting.name.replace("_", "-"),
                metavar=f"{{{','.join(choices)}}}" if choices else setting.name.rpartition("_")[2].upper(),
                help=setting.metadata["help"] + default,
            )


def _settings(options: argparse.Namespace) -> Settings:
    given = {setting.name: getattr(options, setting.name, None) for setting in dataclasses.fields(Settings)}
    settings = read_settings(given, os.environ)
    refuse_without_effect(settings, given)
    return settings


def _add_form(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    for name, text in (("markdown", "a table for a pull request"), ("json", "JSON")):
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=f"print {text}")
    parser.set_defaults(form="terminal")


# --- mnist ------------------------------------------------------------------------------------------------------------


def _add_mnist(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run the MNIST program: read from S3, train XGBoost, host it, classify, report, delete."
    _add_settings(parser, "mnist")
    parser.add_argument("--train-data", type=Path, metavar="FILE", help="train on this LibSVM file instead of MNIST's")
    parser.add_argument("--test-data", type=Path, metavar="FILE", help="predict this LibSVM file instead of MNIST's")
    parser.add_argument(
        "--validation-fraction",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the training rows to hold back and report on (default: 0)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("mnist-report"),
        metavar="DIR",
        help="where the report goes (default: mnist-report)",
    )
    parser.add_argument("--traceback", action="store_true", help="print the stack trace of an error too")
    parser.set_defaults(run=_mnist)


def _mnist(options: argparse.Namespace) -> int:
    settings = _settings(options)
    if not 0 <= options.validation_fraction < 1:
        raise SettingsError(
            f"--validation-fraction is {options.validation_fraction:g}.", fix="give one from 0 up to, not including, 1"
        )
    for split in ("train", "test"):
        if getattr(options, f"{split}_data") and getattr(options, f"{split}_rows"):
            raise SettingsError(
                f"--{split}-rows is how many of MNIST's rows to take, and --{split}-data names other rows.",
                fix=f"leave one of the two out; all rows of --{split}-data are taken",
            )
        _check_file(f"--{split}-data", getattr(options, f"{split}_data"))
    from harness.cli.mnist import run_mnist  # noqa: PLC0415
    from harness.pipeline.pipeline import Data  # noqa: PLC0415 - imports Spark

    run_mnist(settings, Data(options.train_data, options.test_data, options.validation_fraction), options.output)
    return 0


def _check_file(option: str, path: Path | None) -> None:
    if path is not None and not path.exists():
        raise SettingsError(f"{option} is {path}, which does not exist.", fix="name a LibSVM file that does")


# --- exec -------------------------------------------------------------------------------------------------------------


def _add_exec(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run any command (a script, a notebook through jupyter nbconvert, the AWS CLI) with every AWS client in it led "
        "to a local AWS. SAGEMAKER_ROLE names the role that exists there. The command's exit code is passed on."
    )
    _add_settings(parser, "exec")
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="CMD", help="the command and its arguments, after --"
    )
    parser.set_defaults(run=_exec)


def _exec(options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise SettingsError(
            "harness exec was given no command.", fix="put one after two dashes: harness exec -- python train.py"
        )
    from harness.cli.local import run_command  # noqa: PLC0415

    return run_command(_settings(options), command)


# --- serve ------------------------------------------------------------------------------------------------------------


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run a local AWS until it is interrupted; print the variables that lead AWS clients to it."
    _add_settings(parser, "serve")
    parser.add_argument(
        "--port", type=int, default=0, help="port of its proxy on 127.0.0.1 (default: any that is free)"
    )
    parser.add_argument(
        "--enforce-iam",
        action="store_true",
        help="let callers do what policies in its IAM allow, and print an administrator's credentials",
    )
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    from harness.cli.local import serve  # noqa: PLC0415

    if not 0 <= options.port < 65_536:
        raise SettingsError(f"--port is {options.port}.", fix="give a number from 0 to 65535")
    return serve(_settings(options), options.port, enforce_iam=options.enforce_iam)


# --- sweep ------------------------------------------------------------------------------------------------------------


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Find what earlier runs left in AWS, by their ledgers on this machine, by tags and by names, and show it. With "
        "--yes, delete it; the exit code is 1 if anything is left. Runs that may be alive are left alone."
    )
    _add_settings(parser, "sweep")
    parser.add_argument("--yes", action="store_true", help="delete what is shown")
    parser.add_argument("--all-regions", action="store_true", help="look in every region that has SageMaker")
    parser.add_argument(
        "--ttl",
        type=float,
        default=0.0,
        metavar="HOURS",
        help="leave alone what has been past its time for less than this (default: 0)",
    )
    parser.add_argument(
        "--include-unproven",
        action="store_true",
        help="delete, with --yes, resources too that only a name, a tag or a job's description leads to",
    )
    parser.add_argument("--logs", action="store_true", help="take log groups too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_sweep, mode="real")


def _sweep(options: argparse.Namespace) -> int:
    if not 0 <= options.ttl < 1e6:
        raise SettingsError(f"--ttl is {options.ttl:g}.", fix="give a number of hours, 0 or more")
    from harness.aws.cleanup.sweep import Wishes, sweep  # noqa: PLC0415 - imports boto3

    wishes = Wishes(
        options.yes, options.all_regions, options.include_unproven, options.logs, timedelta(hours=options.ttl)
    )
    return sweep(_settings(options), wishes, as_json=options.json)


# --- doctor -----------------------------------------------------------------------------------------------------------


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check what a run needs, and say what to do about what is missing. With --mode real the AWS account is checked "
        "too: nothing is created in it."
    )
    _add_settings(parser, "doctor")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from harness.cli.doctor import examine  # noqa: PLC0415

    return examine(_settings(options), as_json=options.json)


# --- compare ----------------------------------------------------------------------------------------------------------


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compare results of benchmarks (pytest-benchmark's JSON): each against the first. A directory holds one file a "
        "run; verdicts need 8 runs of each or more, best run in turns."
    )
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS", help="two or more files or directories")
    parser.add_argument(
        "--fail-on",
        metavar="SHARE",
        help="exit with 1 if a benchmark is slower by more than this, as 5%%, with confidence",
    )
    _add_form(parser)
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    if len(options.results) < 2:
        raise SettingsError(
            "harness compare was given one result.", fix="name two or more: harness compare base/ changed/"
        )
    from harness.cli.compare import run_compare  # noqa: PLC0415

    return run_compare(options.results, options.form, options.fail_on)


# --- instances --------------------------------------------------------------------------------------------------------


def _add_instances(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compare the instance types that benchmarks were run on in AWS: rows a second, latency, price, the cost of a "
        "million predictions, and the Pareto front; and recommend one for a goal. Intervals need 8 runs of each."
    )
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS", help="files or directories of results")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("--p99-under", metavar="TIME", help="recommend the cheapest that keeps this bound, as 100ms")
    goal.add_argument(
        "--budget", type=float, metavar="USD", help="recommend the fastest that costs no more than this an hour"
    )
    parser.add_argument("--prices", type=Path, metavar="FILE", help="take prices from this file first")
    parser.add_argument("--benchmark", metavar="NAME", help="recommend by the benchmark with this in its name")
    _add_form(parser)
    parser.set_defaults(run=_instances)


def _instances(options: argparse.Namespace) -> int:
    bound = None if options.p99_under is None else _duration("--p99-under", options.p99_under)
    if options.budget is not None and not 0 < options.budget < float("inf"):
        raise SettingsError(f"--budget is {options.budget:g}.", fix="give USD an hour above 0, as 1.50")
    from harness.bench.analysis.recommendation import Goal  # noqa: PLC0415
    from harness.cli.instances import run_instances  # noqa: PLC0415

    return run_instances(options.results, options.form, Goal(bound, options.budget), options.prices, options.benchmark)


# --- report -----------------------------------------------------------------------------------------------------------


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Draw results of benchmarks (pytest-benchmark's JSON) on one HTML page that holds all it needs: latency, "
        "throughput, cost against latency, the history over commits with its changes, and the environment."
    )
    parser.add_argument("results", type=Path, nargs="*", metavar="RESULTS", help="files or directories of results")
    parser.add_argument(
        "--mnist-report", type=Path, metavar="DIR", help="show the digits and the confusion of this harness mnist too"
    )
    parser.add_argument(
        "--load-report",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="show the latencies of this harness bench endpoint too; may be given several times",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("report.html"), metavar="FILE", help="the page (default: report.html)"
    )
    parser.add_argument("--figures", type=Path, metavar="DIR", help="write each chart as PNG and SVG too")
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    from harness.bench.report.page import run_report  # noqa: PLC0415 - imports ruptures and scipy

    return run_report(options.results, options.mnist_report, options.output, options.figures, options.load_report)


# --- policy -----------------------------------------------------------------------------------------------------------


def _add_policy(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print the least-privilege policies of who starts runs in AWS (the caller) and of the role that SageMaker "
        "assumes. Nothing is asked of AWS. The CloudFormation and Terraform templates make the role and the policy."
    )
    parser.add_argument(
        "--format",
        choices=("json", "cloudformation", "terraform"),
        default="json",
        help="what to print (default: json)",
    )
    parser.add_argument("--for", dest="who", choices=("caller", "role"), help="print this one policy only")
    parser.add_argument("--account", metavar="DIGITS", help="the AWS account; needed for JSON")
    parser.add_argument(
        "--region", nargs="+", metavar="REGION", help="regions that runs are in (default: that of the settings)"
    )
    parser.add_argument("--role", help="IAM role (name or ARN) that SageMaker assumes, for JSON: templates make one")
    parser.add_argument(
        "--github", metavar="OWNER/REPO", help="let the workflows of this repository's environment 'nightly' start runs"
    )
    parser.set_defaults(run=_policy)


def _policy(options: argparse.Namespace) -> int:
    from harness.aws.account import policies  # noqa: PLC0415 - only this command needs it

    regions = [read_settings({"region": region}, os.environ).region for region in options.region or [None]]
    if options.github and not re.fullmatch(r"[\w.-]+/[\w.-]+", options.github):
        raise SettingsError(f"--github is {options.github!r}.", fix="give it as OWNER/REPO")
    if options.format == "json":
        if not re.fullmatch(r"\d{12}", options.account or ""):
            given = repr(options.account) if options.account else "missing"
            raise SettingsError(
                f"--account is {given}, and policies in JSON name the account.",
                fix="give its twelve digits, as 'aws sts get-caller-identity' tells them, or choose --format "
                "cloudformation or terraform, which find it themselves",
            )
        documents = policies.documents(options.account, regions, options.role, options.github)
        printed = documents[options.who] if options.who else documents
    else:
        for option in ("who", "account", "role"):
            if getattr(options, option):
                name = "--for" if option == "who" else f"--{option}"
                raise SettingsError(
                    f"{name} is of no use to a template, which makes role and policy where it is deployed.",
                    fix="leave it out",
                )
        make = policies.cloudformation if options.format == "cloudformation" else policies.terraform
        printed = make(regions, options.github)
    print(json.dumps(printed, indent=2))
    return 0


# --- bench ------------------------------------------------------------------------------------------------------------


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run benchmarks over a matrix: each endpoint instance type with each Spark master is a cell, and each cell is "
        "run once a round, in an order drawn by lot, in a pytest of its own. What is to be done, how long it takes and "
        "what it costs is said first. The same command goes on where it was interrupted; with more --rounds, it adds "
        "them. 'harness bench endpoint' puts load on an endpoint instead."
    )
    parser.add_argument("--endpoint-instance-type", metavar="TYPE,…", help="instance types of endpoints, with commas "
        f"between; several need --mode real (default: {Settings.endpoint_instance_type})")  # fmt: skip
    parser.add_argument("--spark-master", metavar="MASTER;…", help="Spark masters, with semicolons between, since "
        f"masters have commas: 'local[1];local[2,4]' (default: {Settings.spark_master})")  # fmt: skip
    for name, what in (("batch", "rows of a request to the endpoint alone"), ("partitions", "partitions of a frame")):
        parser.add_argument(f"--{name}", metavar="N,…", help=f"{what}; given to pytest, whose benchmarks vary in it")
    parser.add_argument("--rounds", type=int, default=8, metavar="N", help="runs of each cell (default: 8, the least "
        "for a verdict)")  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path("bench-results"), metavar="DIR", help="gets the results, "
        "<cell>/<round>.json (default: bench-results)")  # fmt: skip
    _add_settings(parser, "bench")
    parser.add_argument("--pytest", nargs=argparse.REMAINDER, metavar="ARG", help="pytest's arguments, last: "
        "benchmarks to run, and options (default: benchmarks)")  # fmt: skip
    parser.set_defaults(run=_bench)


def _bench(options: argparse.Namespace) -> int:
    from harness.bench.matrix.plan import PYTEST, Plan, axis, counts  # noqa: PLC0415 - as light as this one

    if options.pytest is None and not Path("benchmarks").is_dir():
        raise SettingsError(
            "There is no directory 'benchmarks' here.",
            checked=str(Path("benchmarks").absolute()),
            fix="run this where they are, or name others last on the command line: --pytest my_benchmarks/",
        )
    types, masters = options.endpoint_instance_type, options.spark_master
    types = [None] if types is None else axis("--endpoint-instance-type", types)
    masters = [None] if masters is None else axis("--spark-master", masters, ";")
    cells = [
        _settings(argparse.Namespace(**{**vars(options), "endpoint_instance_type": each, "spark_master": master}))
        for each in types
        for master in masters
    ]
    from harness.bench.results.provenance import measured_code  # noqa: PLC0415
    from harness.cli.bench import run_bench  # noqa: PLC0415 - imports boto3

    plan = Plan(
        base=cells[0],
        endpoint_instance_types=list(dict.fromkeys(cell.endpoint_instance_type for cell in cells)),
        spark_masters=list(dict.fromkeys(cell.spark_master for cell in cells)),
        rounds=options.rounds,
        batches=[] if options.batch is None else counts("--batch", options.batch),
        partitions=[] if options.partitions is None else counts("--partitions", options.partitions),
        pytest=list(PYTEST) if options.pytest is None else options.pytest,
        commit=measured_code(),
    )
    run_bench(plan, options.output)
    return 0


def _add_bench_endpoint(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Put load on an endpoint as MLPerf's LoadGen does, and tell its latency and throughput. A small model is "
        "trained and hosted for it, and deleted afterwards. The run is VALID (exit code 0) or INVALID (4) and says why."
    )
    _add_settings(parser, "bench endpoint")
    parser.add_argument("--endpoint", metavar="NAME", help="measure this endpoint, which stays (--mode real)")
    parser.add_argument(
        "--scenario",
        choices=("server", "single-stream", "multi-stream", "offline"),
        default="server",
        help="requests at random times; one after another; several at once, one lot after another; as fast as it goes "
        "(default: server)",
    )
    parser.add_argument(
        "--rate", type=float, default=50.0, help="requests a second on average, in server (default: 50)"
    )
    parser.add_argument("--duration", default="60s", metavar="TIME", help="how long, as 90s or 10min (default: 60s)")
    parser.add_argument("--batch", type=int, default=1, metavar="ROWS", help="rows of a request (default: 1)")
    parser.add_argument(
        "--streams", type=int, default=8, metavar="N", help="requests at once in multi-stream and offline (default: 8)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the times of requests (default: 1)")
    parser.add_argument("--p99-under", metavar="TIME", help="a bound that p99 is to keep, as 100ms")
    parser.add_argument(
        "--find-rate", action="store_true", help="look for the highest rate that keeps --p99-under, from --rate on"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("endpoint-load"), metavar="DIR", help="where load.json and latency.png go "
        "(default: endpoint-load)"
    )  # fmt: skip
    parser.set_defaults(run=_bench_endpoint)


def _bench_endpoint(options: argparse.Namespace) -> int:
    seconds = _duration("--duration", options.duration)
    bound = None if options.p99_under is None else _duration("--p99-under", options.p99_under)
    from harness.bench.load.plan import LoadPlan  # noqa: PLC0415
    from harness.bench.load.runner import run_endpoint_load  # noqa: PLC0415

    plan = LoadPlan(
        scenario=options.scenario,
        rate=options.rate,
        seconds=seconds,
        batch=options.batch,
        streams=options.streams,
        seed=options.seed,
        endpoint=options.endpoint,
        p99_under=bound,
        find_rate=options.find_rate,
    )
    return run_endpoint_load(_settings(options), plan, options.output)


def _duration(option: str, text: str) -> float:
    """Return the seconds that a text such as ``100ms``, ``90s``, ``2min`` or ``60`` (seconds) means."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)(ms|s|min|)", text.strip())
    if match is None or not float(match[1]):
        raise SettingsError(f"{option} is {text!r}.", fix="give a time above 0, as 100ms, 90s or 2min")
    return float(match[1]) * {"ms": 0.001, "s": 1, "": 1, "min": 60}[match[2]]
