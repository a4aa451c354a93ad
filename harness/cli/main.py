"""The ``harness`` command: its parser, dispatch and exit codes.

A command's module imports heavy packages only when it runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from harness import __version__
from harness.cli import (
    bench,
    bench_endpoint,
    coverage,
    doctor,
    local,
    mnist,
    parity,
    policy,
    sweep,
)
from harness.cli.options import with_own_options
from harness.cli.results import compare, instances, report
from harness.cli.reuse import cache, kept
from harness.errors import HarnessError, SettingsError

COMMANDS = (
    mnist.COMMAND,
    local.EXEC,
    local.SERVE,
    kept.UP,
    kept.DOWN,
    kept.STATUS,
    cache.COMMAND,
    coverage.COMMAND,
    sweep.COMMAND,
    doctor.COMMAND,
    policy.COMMAND,
    parity.COMMAND,
    compare.COMMAND,
    bench.COMMAND,
    bench_endpoint.COMMAND,
    report.COMMAND,
    instances.COMMAND,
)
_INTERRUPTED = 130
_READER_GONE = 141  # as a shell shows SIGPIPE


class _Parser(argparse.ArgumentParser):
    """A parser whose errors end with a fix."""

    def error(self, message: str) -> NoReturn:
        """Print the error and its fix, and exit with code 2."""
        self.print_usage(sys.stderr)
        fix = f"run '{self.prog} --help' to list its arguments"
        _complain(f"{message}.\n  to fix:  {fix}")
        self.exit(SettingsError.exit_code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    The code is the command's own; an error sets its :attr:`~harness.errors.HarnessError.exit_code`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:2] == ["bench", "endpoint"]:
        given[:2] = ["bench endpoint"]
    options, unknown = build_parser().parse_known_args(given)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return int(options.run(options))
    except HarnessError as error:
        if getattr(options, "traceback", False):
            traceback.print_exc()
        _complain(with_own_options(str(error)))
        return error.exit_code
    except KeyboardInterrupt as interruption:  # its text may name the process that cleans up
        _complain(": ".join(filter(None, ["interrupted", str(interruption)])))
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_GONE
    except Exception as error:
        if not _is_from_boto3(error):
            raise
        _complain(str(_aws_error(error)))
        return HarnessError.exit_code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line, with a subparser for each of :data:`COMMANDS`."""
    parser = _Parser(
        prog="harness",
        description="Test and measure Spark pipelines that use Amazon SageMaker, on this machine or in AWS.",
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        its_parser = commands.add_parser(
            command.name, help=command.help, description=command.description, usage=command.usage
        )
        its_parser.set_defaults(run=command.run, parser=its_parser)
        command.add_arguments(its_parser)
    return parser


def _complain(text: str) -> None:
    """Print an error; it may quote untrusted text."""
    from harness.console import print_text

    print_text(f"harness: {text}", sys.stderr)


def _is_from_boto3(error: Exception) -> bool:
    """Return whether boto3 raised an error, without importing boto3, which is slow."""
    raised = sys.modules.get("botocore.exceptions")
    return raised is not None and isinstance(error, (raised.BotoCoreError, raised.ClientError))


def _aws_error(error: Exception) -> HarnessError:
    return HarnessError(
        f"AWS request failed: {error}",
        checked="boto3 retried the call as often as it is configured to",
        fix="check the network and run the command again; 'harness sweep' lists resources left in AWS",
    )
