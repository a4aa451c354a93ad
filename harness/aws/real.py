"""The real AWS: unswapped clients with the default credential chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from harness.errors import HarnessError, SettingsError, SetupError
from harness.settings import Settings, environment_name, ini_name, option_name

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "RequestExpired", "SignatureDoesNotMatch"}


@dataclass(frozen=True)
class RealAWS:
    """An account of the real AWS; see :class:`harness.aws.AWS` for what the members are."""

    region: str
    account: str
    role: str
    session: boto3.Session
    mode: str = "real"

    @classmethod
    def start(cls, settings: Settings) -> RealAWS:
        """Return the account that the default credential chain leads to.

        :raises SettingsError: no role is given.
        :raises SetupError: there are no credentials, or AWS does not accept them.
        :raises HarnessError: the role cannot be looked up.
        """
        role = required_role(settings)
        session, account = _session_and_account(settings.region)
        return cls(settings.region, account, _role_arn(session, role, account), session)

    def environment(self) -> dict[str, str]:
        """Return the region's variables and the credentials that boto3's chain finds, as they are now.

        The JVM's chain knows profiles and SSO differently; with these it is the same caller as boto3. What was meant to
        be renewed is not: temporary credentials end when they end, for the JVM and for child processes.
        """
        found = self.session.get_credentials().get_frozen_credentials()
        credentials = {
            "AWS_ACCESS_KEY_ID": found.access_key,
            "AWS_SECRET_ACCESS_KEY": found.secret_key,
            "AWS_SESSION_TOKEN": found.token,
        }
        region = {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        return region | {name: value for name, value in credentials.items() if value}

    def jvm_options(self) -> list[str]:
        """Return the option that tells the Java SDK its region."""
        return [f"-Daws.region={self.region}"]

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service."""
        return self.session.client(service)

    def close(self) -> None:
        """Do nothing: nothing was started."""


def required_role(settings: Settings) -> str:
    """Return the role, by name or ARN, that real mode asks for.

    :raises SettingsError: none is given.
    """
    if settings.role is None:
        names = (option_name("role"), environment_name("role"), ini_name("role"))
        raise SettingsError(
            "Real mode needs a role that SageMaker assumes, and none is given.",
            checked="{} on the command line, {} in the environment, {} in the ini file".format(*names),
            fix=f"give {names[0]} the role's name or ARN",
        )
    return settings.role


def _session_and_account(region: str) -> tuple[boto3.Session, str]:
    try:
        session = boto3.Session(region_name=region)
        return session, str(session.client("sts").get_caller_identity()["Account"])
    except ClientError as error:
        raise _refused(error) from error
    except BotoCoreError as error:
        raise SetupError(
            f"AWS could not be asked whose credentials these are: {error}.",
            checked="boto3's default chain: environment, shared files, SSO, container, instance",
            fix="run 'aws sts get-caller-identity'; when it answers, so will this",
        ) from error


def _refused(error: ClientError) -> SetupError:
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    return SetupError(
        f"AWS does not accept the credentials: {message} ({code})",
        checked="STS GetCallerIdentity",
        fix="renew them ('aws sso login', or new keys)" if code in _EXPIRED else "ask who administers the account",
    )


def _role_arn(session: boto3.Session, role: str, account: str) -> str:
    """Return the ARN of a role given by name or ARN."""
    if role.startswith("arn:"):
        return role
    try:
        return str(session.client("iam").get_role(RoleName=role)["Role"]["Arn"])
    except (BotoCoreError, ClientError) as error:
        raise HarnessError(
            f"The role {role!r} could not be looked up: {error}",
            checked=f"IAM GetRole in account {account}",
            fix=f"give {option_name('role')} the role's ARN, or a name that exists in this account",
        ) from error
