"""``harness policy``: prints the permissions that runs in AWS need."""

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


def _run(options: argparse.Namespace) -> int:
    from harness.console import print_json

    regions = [read_settings({"region": region}, os.environ).region for region in options.region or [None]]
    if options.github and not re.fullmatch(r"[\w.-]+/[\w.-]+", options.github):
        raise SettingsError(f"--github is {options.github!r}.", fix="give it as OWNER/REPO")
    printed = _documents(options, regions) if options.format == "json" else _template(options, regions)
    print_json(printed)
    return 0


def _documents(options: argparse.Namespace, regions: list[str]) -> dict[str, Any]:
    """Return the policy that was asked for, or all of them by name."""
    from harness.aws.account.policies import documents

    if not re.fullmatch(r"\d{12}", options.account or ""):
        given = repr(options.account) if options.account else "missing"
        raise SettingsError(
            f"--account is {given}, and policies in JSON name the account.",
            fix="give its twelve digits, as 'aws sts get-caller-identity' tells them, or choose --format "
            "cloudformation or terraform, which find it themselves",
        )
    made = documents(options.account, regions, options.role, options.github)
    return made[options.who] if options.who else made


def _template(options: argparse.Namespace, regions: list[str]) -> dict[str, Any]:
    """Return the template that was asked for."""
    from harness.aws.account.policies import cloudformation, terraform

    for option, name in (("who", "--for"), ("account", "--account"), ("role", "--role")):
        if getattr(options, option):
            raise SettingsError(
                f"{name} is of no use to a template, which makes role and policy where it is deployed.",
                fix="leave it out",
            )
    return (cloudformation if options.format == "cloudformation" else terraform)(regions, options.github)


COMMAND = Command(
    "policy",
    "print the permissions that runs in AWS need",
    "Print the least-privilege policies of who starts runs in AWS (the caller) and of the role that SageMaker "
    "assumes. Nothing is asked of AWS. The CloudFormation and Terraform templates make the role and the policy.",
    _add_arguments,
    _run,
)
