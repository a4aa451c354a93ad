"""Exceptions of the harness, and the check of a machine or an account.

Every error says what failed, what was checked, and how to fix it, in that order:

.. code-block:: text

    HarnessError
    ├── SettingsError        invalid value of an option, ini key or environment variable
    ├── SetupError           something is missing on this machine (Java, a package, a free port, disk)
    │   ├── PreflightError   the account is not ready for a run; nothing was created
    │   └── PermissionMissingError  the caller or the role lacks a permission that a run needs
    ├── DataError            the data cannot be sent without loss
    │   └── LibSVMError      a line of LibSVM text breaks a rule
    ├── LocalAWSError        the local AWS did not start, answer or stop
    ├── PipelineError        a stage of load → fit → transform failed
    ├── ResultsError         benchmark results cannot be read or compared
    └── LeftoverError        a resource that should have been deleted still exists
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class HarnessError(Exception):
    """Base class of all errors that a user is expected to read.

    :param what: the failure, in one sentence.
    :param checked: the things that were checked to find it, if they help the reader.
    :param fix: the steps that fix it.
    """

    exit_code: ClassVar[int] = 1
    """Exit code of a command that fails with this error."""

    def __init__(self, what: str, *, checked: str = "", fix: str = "") -> None:
        self.what = what
        self.checked = checked
        self.fix = fix
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.checked:
            lines.append(f"  checked: {self.checked}")
        if self.fix:
            lines.append(f"  to fix:  {self.fix}")
        return "\n".join(lines)


class SettingsError(HarnessError):
    """The value of an option, ini key or environment variable is invalid."""

    exit_code = 2


class SetupError(HarnessError):
    """Something that the harness needs is missing on this machine."""

    exit_code = 3


class PreflightError(SetupError):
    """The account is not ready for a run in real mode. Nothing was created in it."""


class PermissionMissingError(SetupError):
    """The caller or the role lacks a permission. The error has the statement to add to a policy."""


class DataError(HarnessError):
    """The data cannot be sent to SageMaker without loss."""


class LibSVMError(DataError):
    """A line of LibSVM text breaks a rule.

    :param line: line number, from 1.
    :param column: column at which the offending text starts, from 1.
    :param rule: the broken rule, as a statement (``indices ascend``).
    :param text: the offending text.
    :param source: file or stream that the line came from, if known.
    """

    def __init__(self, line: int, column: int, rule: str, text: str, source: str = "") -> None:
        self.line = line
        self.column = column
        self.rule = rule
        self.text = text
        self.source = source
        shown = text if len(text) <= 60 else text[:57] + "..."
        place = f"{source}, " if source else ""
        super().__init__(
            f"{place}line {line}, column {column}: {shown!r} breaks the rule that {rule}",
            fix="write each row as '<label> <index>:<value> ...' with indices ascending from 1",
        )


class LocalAWSError(HarnessError):
    """The local AWS did not start, answer or stop."""


class PipelineError(HarnessError):
    """A stage of load → fit → transform failed."""


class ResultsError(HarnessError):
    """Benchmark results cannot be read or compared."""

    exit_code = 4


class LeftoverError(HarnessError):
    """A resource that should have been deleted still exists."""


@dataclass(frozen=True)
class Check:
    """Result of one check of this machine or of an account."""

    name: str
    status: str
    """``ok``, ``warning`` (a run may work), ``unknown`` (it could not be checked) or ``missing`` (a run would fail)."""
    found: str
    fix: str = ""
    error: HarnessError | None = None
    """The error to raise for this check alone; by default one error lists all missing checks."""

    @classmethod
    def failed(cls, name: str, error: HarnessError) -> Check:
        """Return a check that failed with an error."""
        return cls(name, "missing", error.what, error.fix)
