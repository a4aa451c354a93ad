"""``harness policy``: prints the IAM policies that runs in AWS need."""

from __future__ import annotations

import argparse
import os
import re
from typing import Any

from harness.cli.options import Command
from harness.errors import SettingsError
from harness.settings import read_settings


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=("json", "cloudformation", "terraform"),
        default="json",
        help="output format (default: json)",
    )
    parser.add_argument(
        "--for", dest="who", choices=("caller", "role"), help="print only the policy of the caller or of the role"
    )
    parser.add_argument("--account", metavar="DIGITS", help="AWS account; required for JSON")
    parser.add_argument(
        "--region", nargs="+", metavar="REGION", help="regions of the runs (default: the region of the settings)"
    )
    parser.add_argument(
        "--role", help="IAM role (name or ARN) that SageMaker assumes; for JSON only, since templates create one"
    )
    parser.add_argument(
        "--bucket",
        nargs="+",
        default=[],
        type=_bucket,
        metavar="NAME",
        help="your own buckets, which your pipeline reads and writes",
    )
    parser.add_argument(
        "--github",
        metavar="OWNER/REPO",
        help="let workflows of this repository start runs, in its environment 'nightly'",
    )


def _bucket(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
        raise argparse.ArgumentTypeError(f"{name!r} is no bucket's name")
    return name


def _run(options: argparse.Namespace) -> int:
    from harness.console import print_json

    regions = [read_settings({"region": region}, os.environ).region for region in options.region or [None]]
    if options.github and not re.fullmatch(r"[\w.-]+/[\w.-]+", options.github):
        raise SettingsError(f"--github is {options.github!r}.", fix="give it as OWNER/REPO")
    printed = _documents(options, regions) if options.format == "json" else _template(options, regions)
    print_json(printed)
    return 0


def _documents(options: argparse.Namespace, regions: list[str]) -> dict[str, Any]:
    """Return the requested policy, or all of them by name."""
    from harness.aws.account.policies import documents

    if not re.fullmatch(r"\d{12}", options.account or ""):
        given = repr(options.account) if options.account else "missing"
        raise SettingsError(
            f"--account is {given}; policies in JSON name the account.",
            fix="give its twelve digits, which 'aws sts get-caller-identity' prints, or use --format cloudformation or "
            "terraform, which look it up",
        )
    made = documents(options.account, regions, options.role, options.github, options.bucket)
    return made[options.who] if options.who else made


def _template(options: argparse.Namespace, regions: list[str]) -> dict[str, Any]:
    """Return the requested template."""
    from harness.aws.account.policies import cloudformation, terraform

    for option, name in (("who", "--for"), ("account", "--account"), ("role", "--role")):
        if getattr(options, option):
            raise SettingsError(
                f"{name} has no effect on a template, which creates role and policy where it is deployed.",
                fix="remove it",
            )
    return (cloudformation if options.format == "cloudformation" else terraform)(
        regions, options.github, options.bucket
    )


COMMAND = Command(
    "policy",
    "print the IAM policies that runs in AWS need",
    "Print least-privilege policies for the caller, who starts runs in AWS, and for the role that SageMaker assumes. "
    "AWS is not contacted. The CloudFormation and Terraform templates create the role and the policy.",
    _add_arguments,
    _run,
)
