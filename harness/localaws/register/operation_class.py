"""Classes of operations, and the form in which the register lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum


class OperationClass(Enum):
    """Class of an operation."""

    EMULATED = "emulated"
    """It acts as on AWS, within what the register says of its members."""
    RECORDED = "record only"
    """State is kept and answered, and no one can take it for work done."""
    REFUSED = "refused"
    """It is answered with an error that names it."""


class Operations:
    """The operations of one service."""

    def __init__(
        self,
        emulated: Mapping[str, str],
        recorded: Mapping[str, str] | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the operations.

        Each mapping has names of operations, separated by spaces, by what they have in common: the program that
        answers, the records that are kept, the feature that is not emulated.

        :raises ValueError: an operation is listed twice.
        """
        self.groups = {
            OperationClass.EMULATED: _split(emulated),
            OperationClass.RECORDED: _split(recorded or {}),
            OperationClass.REFUSED: _split(refused or {}),
        }
        self._by_name: dict[str, tuple[OperationClass, str]] = {}
        for kind, groups in self.groups.items():
            for title, names in groups.items():
                for name in names:
                    if name in self._by_name:
                        raise ValueError(f"{name} is listed twice")
                    self._by_name[name] = kind, title

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def names(self, kind: OperationClass) -> list[str]:
        """Return the operations of a class, sorted."""
        return sorted(name for name, (its, _) in self._by_name.items() if its is kind)

    def find(self, name: str) -> tuple[OperationClass, str]:
        """Return an operation's class and the title of its group. An operation not listed here is refused."""
        return self._by_name.get(name, (OperationClass.REFUSED, "operations that are newer than its register"))


def _split(groups: Mapping[str, str]) -> dict[str, list[str]]:
    return {title: names.split() for title, names in groups.items()}
