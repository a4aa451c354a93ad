"""AWS in one shape: the local AWS of this machine (``mock``) or the real one (``real``).

Only :func:`open_aws` decides between the two. Code that receives an :class:`AWS` uses its members and never its mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.settings import Settings

if TYPE_CHECKING:
    from harness.aws.cleanup.resources import Remaining
    from harness.aws.faults import FaultInjection
    from harness.aws.pricing import PriceSource
    from harness.kept.lease import Lease


class AWS(Protocol):
    """An AWS that Spark, boto3 and child processes can be configured to use."""

    @property
    def mode(self) -> str:
        """``mock`` or ``real``, for reports and messages only."""

    @property
    def region(self) -> str:
        """The region's name (``us-east-1``)."""

    @property
    def account(self) -> str:
        """The account's twelve digits."""

    @property
    def role(self) -> str:
        """ARN of the role that SageMaker assumes."""

    @property
    def is_local(self) -> bool:
        """True if a local AWS answers: in mock mode, and in real mode during a rehearsal."""

    @property
    def outlives_process(self) -> bool:
        """True if resources remain after the process that created them is killed: then a reaper deletes them."""

    @property
    def ledger_directory(self) -> Path:
        """The directory for the ledgers of runs."""

    @property
    def hourly_prices(self) -> Mapping[str, Mapping[str, float]]:
        """USD an hour of one instance, by kind of resource and instance type; empty if nothing costs money."""

    @property
    def prices(self) -> PriceSource | None:
        """Source of the region's prices; None if nothing costs money."""

    @property
    def lease(self) -> Lease | None:
        """The lease of the kept environment that this AWS is in; None if it was started for this process."""

    @property
    def notes(self) -> list[str]:
        """Sentences for the user about how this AWS was opened."""

    @property
    def faults(self) -> FaultInjection | None:
        """Injection of faults; None if this AWS has no such means."""

    @property
    def runs_registered_containers(self) -> bool:
        """True if :meth:`register_container` works; False if images come from registries only."""

    def remaining(self) -> list[Remaining]:
        """Return what exists now and would remain in AWS; empty if others use the account too.

        Of S3 it has the number of objects in each bucket, and the first keys. Logs do not count.
        """

    def refused_hosts(self) -> list[str]:
        """Return the hosts that clients asked for and did not reach, sorted; empty if clients reach all hosts."""

    def recorded_calls(self) -> list[dict[str, Any]]:
        """Return the calls that this AWS has recorded, as JSON; empty if it records none."""

    def jobs_from_cache(self) -> list[str]:
        """Return the names of training jobs that were not trained, but copied from the cache of trained models."""

    def register_container(self, image: str, command: list[str]) -> None:
        """Have ``command`` (run with ``train`` or ``serve`` appended) back a container image.

        :raises HarnessError: the command is not a list of words, or images come from registries only.
        """

    def environment(self) -> dict[str, str]:
        """Return the environment variables that configure AWS clients in Python and in child processes.

        Clients find this AWS also if one that is empty is set. :meth:`redirected` removes these.
        """

    def redirected(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return a copy of an environment in which AWS clients use this AWS."""

    def jvm_options(self) -> list[str]:
        """Return the options that configure the AWS clients of a JVM."""

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service, named as boto3 names it (``sagemaker-runtime``)."""

    def close(self) -> None:
        """Stop what was started. An AWS that was closed must not be used again."""


def open_aws(
    settings: Settings,
    *,
    creates: bool = True,
    reuses: bool = False,
    meanwhile: Callable[[], object] | None = None,
) -> AWS:
    """Return the AWS that the settings ask for, checked and ready for use. The caller closes it.

    :param creates: False if nothing will be created in it: then no role is needed, and a real account is not checked.
    :param reuses: True to use a kept environment and the cache of trained models, where the settings allow it. What is
        measured must not depend on earlier uses.
    :param meanwhile: called while a local AWS starts.
    :raises HarnessError: it cannot be used, or a run cannot succeed in it.
    """
    if settings.in_aws:
        from harness.aws.account.preflight import open_checked  # noqa: PLC0415 - imported in this mode only
        from harness.aws.real import RealAWS  # noqa: PLC0415

        return open_checked(settings) if creates else RealAWS.start(settings, needs_role=False)
    if not reuses:
        from harness.aws.local import MockAWS  # noqa: PLC0415

        return MockAWS.start(settings, meanwhile=meanwhile)
    from harness.aws.kept import kept_or_started  # noqa: PLC0415

    return kept_or_started(settings, meanwhile)
