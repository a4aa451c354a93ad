"""Where AWS is, in one shape: the local AWS of this machine (``mock``) or the real one (``real``).

The two differ where they are built, in :func:`open_aws`; nothing that receives an :class:`AWS` asks which it is.
"""

from __future__ import annotations

from typing import Any, Protocol

from harness.settings import Settings


class AWS(Protocol):
    """An AWS that Spark, boto3 and child processes can be pointed at."""

    @property
    def mode(self) -> str:
        """``mock`` or ``real``, to be shown to people."""

    @property
    def region(self) -> str:
        """The region's name (``us-east-1``)."""

    @property
    def account(self) -> str:
        """The account's twelve digits."""

    @property
    def role(self) -> str:
        """ARN of the role that SageMaker assumes."""

    def environment(self) -> dict[str, str]:
        """Return the environment variables by which AWS clients in Python and in child processes find their way."""

    def jvm_options(self) -> list[str]:
        """Return the ``-D`` options by which AWS clients in a JVM that we start find their way."""

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service, named as boto3 names it (``sagemaker-runtime``)."""

    def close(self) -> None:
        """Stop what was started; an AWS that was closed is not used again."""


def open_aws(settings: Settings) -> AWS:
    """Return the AWS that the settings ask for, checked and ready for use; close it when done.

    :raises HarnessError: it cannot be used, or a run cannot succeed in it; the error says why.
    """
    if settings.mode == "real":
        from harness.aws.account.preflight import open_checked  # noqa: PLC0415 - each side is imported only by who uses it

        return open_checked(settings)
    from harness.aws.local import MockAWS  # noqa: PLC0415

    return MockAWS.start(settings)
