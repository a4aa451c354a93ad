"""Real AWS: clients with the default credential chain, not redirected."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound

from harness.aws.account.permissions import explain_denied
from harness.aws.cleanup.ledger_file import state_directory
from harness.aws.cleanup.resources import Remaining
from harness.aws.credentials import SharedCredentials, session_of
from harness.aws.pricing import PriceSource, price_source
from harness.errors import HarnessError, SettingsError, SetupError
from harness.localaws.client import ACCOUNT, MARK
from harness.regions import partition_of
from harness.settings import Settings, environment_name, ini_name, option_name

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "RequestExpired", "SignatureDoesNotMatch"}
_NOTEBOOK = Path("/opt/ml/metadata/resource-metadata.json")
"""File on SageMaker's notebooks. sagemaker.get_execution_role reads it too (sagemaker 2, session.py)."""


@dataclass(frozen=True)
class RealAWS:
    """An account of the real AWS. See :class:`harness.aws.AWS` for the members that both AWS's share."""

    region: str
    account: str
    role: str
    """ARN; empty if none is needed."""
    caller: str
    """The caller's ARN from STS."""
    session: boto3.Session
    credentials: SharedCredentials
    role_origin: str
    """Source of the role: an option, a variable, the notebook or the caller."""
    mode: str = "real"
    hourly_prices: dict[str, dict[str, float]] = field(default_factory=dict)
    """USD an hour of one instance, by kind of resource and instance type, for those that preflight found."""

    notes: list[str] = field(default_factory=list)
    price_file: str | None = None
    """JSON file of prices, used instead of the AWS Price List."""

    outlives_process = True
    faults = None
    lease = None
    runs_registered_containers = False

    @classmethod
    def start(cls, settings: Settings, *, needs_role: bool = True) -> RealAWS:
        """Return the account of the default credential chain. Nothing else is checked.

        :param needs_role: False if nothing is created, so that SageMaker assumes no role.
        :raises SettingsError: no role is given and none can be found.
        :raises SetupError: there are no credentials, AWS does not accept them, or this process uses a local AWS.
        :raises HarnessError: the role cannot be looked up.
        """
        refuse_local_aws(os.environ)
        session, identity = session_and_caller(settings.region)
        account, caller = identity["Account"], identity["Arn"]
        role, origin = _role(session, settings, caller) if needs_role else ("", "")
        credentials = SharedCredentials(session, dict(os.environ))
        return cls(settings.region, account, role, caller, session, credentials, origin, price_file=settings.prices)

    @cached_property
    def prices(self) -> PriceSource:
        """Source of the region's prices, the same for all that ask: AWS is asked once for each instance type.

        :raises SettingsError: the file of prices cannot be used.
        """

        def pricing(place: str) -> Any:
            return self.session.client("pricing", region_name=place)

        return price_source(self.price_file, self.partition, self.region, pricing)

    @property
    def is_local(self) -> bool:
        """True if STS names the local AWS's account, as ``harness serve --enforce-iam`` does in a rehearsal."""
        return self.account == ACCOUNT

    @property
    def partition(self) -> str:
        """``aws``, ``aws-cn`` or ``aws-us-gov``."""
        return partition_of(self.caller)

    @property
    def ledger_directory(self) -> Path:
        """The directory for the ledgers of this user's runs."""
        return state_directory()

    def register_container(self, image: str, command: list[str]) -> None:  # noqa: ARG002 - as the local AWS's
        """Refuse: a real AWS runs images of registries.

        :raises HarnessError: always.
        """
        raise HarnessError(
            f"The image {image} cannot be backed by a command: SageMaker in AWS runs images of Amazon ECR.",
            fix=f"push the image to Amazon ECR, or choose {option_name('mode')}=mock",
        )

    def environment(self) -> dict[str, str]:
        """Return the variables of the region and of the credentials that boto3 uses."""
        return {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region} | self.credentials.environment()

    def refused_hosts(self) -> list[str]:
        """See :meth:`harness.aws.AWS.refused_hosts`."""
        return []

    def recorded_calls(self) -> list[dict[str, Any]]:
        """See :meth:`harness.aws.AWS.recorded_calls`."""
        return []

    def jobs_from_cache(self) -> list[str]:
        """See :meth:`harness.aws.AWS.jobs_from_cache`."""
        return []

    def redirected(self, environment: Mapping[str, str]) -> dict[str, str]:
        """See :meth:`harness.aws.AWS.redirected`."""
        return {**environment, **self.environment()}

    def jvm_options(self) -> list[str]:
        """Return the option that sets the Java SDK's region."""
        return [f"-Daws.region={self.region}"]

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service."""
        return self.session.client(service)

    def remaining(self) -> list[Remaining]:
        """Return nothing: others use the account too. ``harness sweep`` finds what runs of the harness left."""
        return []

    def close(self) -> None:
        """Stop serving credentials to the JVM and to child processes."""
        self.credentials.close()


def refuse_local_aws(environment: Mapping[str, str]) -> None:
    """Raise :class:`SetupError` if the environment redirects AWS clients to a local AWS."""
    if MARK in environment:
        raise SetupError(
            f"Real mode cannot start: the environment redirects AWS clients to a local AWS at {environment[MARK]}.",
            checked=f"the variable {MARK}, which 'harness serve' and 'harness exec' set together with HTTPS_PROXY",
            fix="run this in a shell without the lines of 'harness serve', and outside 'harness exec'",
        )


_CREDENTIALS: dict[type[Exception], str] = {
    NoCredentialsError: "set AWS_PROFILE to a profile of yours ('aws configure list-profiles'), log in with "
    "'aws sso login', or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ProfileNotFound: "set AWS_PROFILE to a profile that 'aws configure list-profiles' shows, or unset it",
}
"""Fix for missing credentials, by botocore's error."""


def session_and_caller(region: str) -> tuple[boto3.Session, dict[str, str]]:
    """Return a session with the default credential chain, and STS's answer on its caller (``Account``, ``Arn``).

    :raises SetupError: there are no credentials, or AWS does not accept them.
    """
    try:
        session = session_of(os.environ, region)
        return session, session.client("sts").get_caller_identity()
    except ClientError as error:
        raise _refused(error) from error
    except (BotoCoreError, RuntimeError) as error:  # the latter: renewed credentials that have expired already
        raise SetupError(
            f"The owner of the credentials could not be looked up: {error}.",
            checked="boto3's default chain: environment, shared files, SSO, container, instance",
            fix=_CREDENTIALS.get(type(error), "run 'aws sts get-caller-identity' until it succeeds, then try again"),
        ) from error


def _refused(error: ClientError) -> SetupError:
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    return SetupError(
        f"AWS does not accept the credentials: {message} ({code})",
        checked="STS GetCallerIdentity",
        fix="renew them ('aws sso login', or new keys)" if code in _EXPIRED else "ask the administrator of the account",
    )


# --- the role that SageMaker assumes ----------------------------------------------------------------------------------


def _role(session: boto3.Session, settings: Settings, caller: str) -> tuple[str, str]:
    """Return the ARN of the role that SageMaker assumes, and its source."""
    if settings.role is not None:
        return _role_arn(session, settings.role, caller), settings.origin("role")
    if _NOTEBOOK.is_file():
        return _role_of_notebook(session, json.loads(_NOTEBOOK.read_text())), "the notebook's own"
    if ":assumed-role/" in caller:
        return principal(session, caller), "the caller's own"
    names = (option_name("role"), environment_name("role"), ini_name("role"))
    raise SettingsError(
        "Real mode needs a role that SageMaker assumes; none is given, and the caller is not one itself.",
        checked="{} on the command line, {} in the environment, {} in the ini file; ".format(*names) + caller,
        fix=f"give {names[0]} the role's name or ARN; 'harness policy --format cloudformation' makes one",
    )


def _role_arn(session: boto3.Session, role: str, caller: str) -> str:
    """Return the ARN of a role given by name or ARN."""
    if role.startswith("arn:"):
        return role
    try:
        return str(session.client("iam").get_role(RoleName=role)["Role"]["Arn"])
    except (BotoCoreError, ClientError) as error:
        denied = explain_denied(str(error))
        said = error.response["Error"]["Message"] if isinstance(error, ClientError) else error
        fix = f"give {option_name('role')} the role's ARN, or a name that exists in this account"
        raise HarnessError(
            f"The role {role!r} could not be looked up: {denied.what if denied else said}",
            checked=f"IAM GetRole in account {caller.split(':')[4]}",
            fix=f"{fix}; or {denied.fix}" if denied else fix,
        ) from error


def _role_of_notebook(session: boto3.Session, metadata: Mapping[str, str]) -> str:
    """Return the execution role of the SageMaker notebook instance or Studio space that this process runs in."""
    if "ExecutionRoleArn" in metadata:
        return metadata["ExecutionRoleArn"]
    client = session.client("sagemaker")
    try:
        if "DomainId" not in metadata:
            notebook = client.describe_notebook_instance(NotebookInstanceName=metadata["ResourceName"])
            return str(notebook["RoleArn"])
        domain = client.describe_domain(DomainId=metadata["DomainId"])["DefaultUserSettings"]["ExecutionRole"]
        if "UserProfileName" not in metadata:
            return str(domain)
        user = {"DomainId": metadata["DomainId"], "UserProfileName": metadata["UserProfileName"]}
        return str(client.describe_user_profile(**user).get("UserSettings", {}).get("ExecutionRole", domain))
    except (BotoCoreError, ClientError) as error:
        raise HarnessError(
            f"The role of this SageMaker notebook could not be looked up: {error}",
            checked=str(_NOTEBOOK),
            fix=f"give {option_name('role')} the role's ARN",
        ) from error


def principal(session: boto3.Session, caller: str) -> str:
    """Return the ARN that a caller's policies belong to. For an assumed role that is the role's.

    STS omits the role's path, and only IAM knows it. If IAM refuses to answer, the role is assumed to have no path.
    """
    if ":assumed-role/" not in caller:
        return caller
    _, partition, _, _, account, resource = caller.split(":", 5)
    name = resource.split("/")[1]
    try:
        return str(session.client("iam").get_role(RoleName=name)["Role"]["Arn"])
    except (BotoCoreError, ClientError):
        return f"arn:{partition}:iam::{account}:role/{name}"
