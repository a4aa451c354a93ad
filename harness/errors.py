"""What can go wrong, and how it is told.

Every error says what happened, what was checked, and what to do, in that order:

.. code-block:: text

    HarnessError
    ├── SettingsError        an option, ini key or environment variable has a value that cannot be used
    ├── SetupError           this machine lacks something (Java, a package, a free port, disk)
    │   ├── PreflightError   the account is not ready for a run: nothing was created
    │   └── PermissionMissingError  somebody may not do what a run needs
    ├── DataError            the data cannot be sent as it is
    │   └── LibSVMError      a line of LibSVM text breaks a rule
    ├── LocalAWSError        the local AWS did not start, answer or stop
    ├── PipelineError        a stage of load → fit → transform failed
    ├── ResultsError         results of benchmarks cannot be read or compared
    └── LeftoverError        a resource that should be gone is still there
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class HarnessError(Exception):
    """The base of all errors a user is expected to read.

    :param what: what happened, in one sentence.
    :param checked: what was looked at to find out, if that helps.
    :param fix: what the reader can do about it.
    """

    exit_code: ClassVar[int] = 1
    """The exit code of a command that ends with this error."""

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
    """An option, ini key or environment variable has a value that cannot be used."""

    exit_code = 2


class SetupError(HarnessError):
    """This machine lacks something that the harness needs."""

    exit_code = 3


class PreflightError(SetupError):
    """The account is not ready for a run in real mode; nothing was created in it."""


class PermissionMissingError(SetupError):
    """Somebody may not do what a run needs; the error has the statement to add to a policy."""


class DataError(HarnessError):
    """The data cannot be sent to SageMaker as it is."""


class LibSVMError(DataError):
    """A line of LibSVM text breaks a rule.

    :param line: the line's number, from 1.
    :param column: where in the line the offending text starts, from 1.
    :param rule: the rule that is broken, as a statement (``indices ascend``).
    :param text: the offending text.
    :param source: the file or stream the line came from, if known.
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
    """Results of benchmarks cannot be read or compared."""

    exit_code = 4


class LeftoverError(HarnessError):
    """A resource that should have been deleted is still there."""


@dataclass(frozen=True)
class Check:
    """Result of one check of this machine or of an account."""

    name: str
    status: str
    """``ok``, ``warning`` (a run may work), ``unknown`` (it could not be checked) or ``missing`` (a run would fail)."""
    found: str
    fix: str = ""
    error: HarnessError | None = None
    """The error to raise, if it is another than one of all that is missing."""

    @classmethod
    def failed(cls, name: str, error: HarnessError) -> Check:
        """Return a check that failed with an error."""
        return cls(name, "missing", error.what, error.fix)
