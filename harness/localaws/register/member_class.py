"""Classes of the members of operations' input, and the form in which the register lists them.

A member is named by its path: ``ProductionVariants[].ServerlessConfig``. ``[]`` is each item of a list, and ``{}`` each
value of a map.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple


class MemberClass(Enum):
    """Class of a member."""

    HONOURED = "honoured"
    """It acts as on AWS."""
    NO_EFFECT = "without effect"
    """It is accepted. On one machine there is nothing that it could change."""
    REFUSED = "refused"
    """A request that has it is answered with an error that names it."""


class Only(NamedTuple):
    """The values that a member may have, and the reason to refuse the others."""

    values: tuple[Any, ...] | re.Pattern[str]
    reason: str

    @property
    def shown(self) -> str:
        """The values as text."""
        if isinstance(self.values, re.Pattern):
            return self.values.pattern
        return " or ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in self.values)

    def takes(self, value: Any) -> bool:
        """Return whether the member may have the value."""
        if isinstance(self.values, re.Pattern):
            return isinstance(value, str) and self.values.fullmatch(value) is not None
        return value in self.values


class Refusal(NamedTuple):
    """A member that a request has and that is refused."""

    path: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """Class of a member, with the reason unless it is honoured, and the values that it may have if not all."""

    kind: MemberClass
    reason: str = ""
    only: Only | None = None


class Members:
    """The members of one operation's input."""

    def __init__(
        self,
        honoured: str = "",
        *,
        no_effect: Mapping[str, str] | None = None,
        only: Mapping[str, Only] | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the members. Paths are separated by spaces, in mappings as keys.

        :param honoured: leaves that act.
        :param no_effect: paths of leaves, and the reason that they change nothing here.
        :param only: paths of leaves, and the values that act.
        :param refused: paths, and what the local AWS lacks. A path covers everything below it.
        :raises ValueError: a path is listed twice.
        """
        self.entries: dict[str, Entry] = {}
        self._add(honoured, Entry(MemberClass.HONOURED))
        for paths, reason in (no_effect or {}).items():
            self._add(paths, Entry(MemberClass.NO_EFFECT, reason))
        for paths, allowed in (only or {}).items():
            self._add(paths, Entry(MemberClass.HONOURED, allowed.reason, allowed))
        for paths, reason in (refused or {}).items():
            self._add(paths, Entry(MemberClass.REFUSED, reason))
        self._inner = {prefix for path in self.entries for prefix in _above(path)}

    def _add(self, paths: str, entry: Entry) -> None:
        for path in paths.split():
            if path in self.entries:
                raise ValueError(f"{path} is listed twice")
            self.entries[path] = entry

    def completed(self, paths: Iterable[str]) -> Members:
        """Return these members, with those of ``paths`` that they do not list as honoured."""
        added = Members()
        added.entries = {path: Entry(MemberClass.HONOURED) for path in paths if not self.lists(path)} | self.entries
        added._inner = {prefix for path in added.entries for prefix in _above(path)}
        return added

    def lists(self, path: str) -> bool:
        """Return whether a path is listed, or covered by a refused one."""
        return path in self.entries or any(self._is_refused(prefix) for prefix in _above(path))

    def _is_refused(self, path: str) -> bool:
        return path in self.entries and self.entries[path].kind is MemberClass.REFUSED

    def refusals(self, value: Any, path: str = "") -> Iterator[Refusal]:
        """Yield the members of a request that are refused. A null, an empty list and an empty map ask for nothing."""
        entry = self.entries.get(path)
        if value is None or (path and value == [] and (entry or f"{path}[]" in self._inner | self.entries.keys())):
            return
        if entry is not None:
            yield from _judge(entry, value, path)
        elif path and path not in self._inner:
            yield Refusal(path, "it does not know this member")
        elif isinstance(value, dict):
            is_map = f"{path}{{}}" in self._inner or f"{path}{{}}" in self.entries
            for name, member in value.items():
                yield from self.refusals(member, f"{path}{{}}" if is_map else f"{path}.{name}".lstrip("."))
        elif isinstance(value, list):
            for member in value:
                yield from self.refusals(member, f"{path}[]")


def _judge(entry: Entry, value: Any, path: str) -> Iterator[Refusal]:
    if entry.kind is MemberClass.REFUSED:
        yield Refusal(path, entry.reason)
    elif entry.only is not None and not entry.only.takes(value):
        yield Refusal(f"{path} {value!r}", entry.only.reason)


def _above(path: str) -> Collection[str]:
    """Return the paths above a path: ``A``, ``A[]`` for ``A[].B``."""
    return [path[: match.start()] for match in re.finditer(r"\.|\[\]|\{\}", path) if match.start()]
