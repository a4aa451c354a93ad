"""The installed cloudpickle in place of the one inside pyspark.

Stands alone, so that it also runs in a Python that has pyspark and cloudpickle but not this package.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

_REPLACED = "pyspark.cloudpickle"


class _Alias(MetaPathFinder, Loader):
    """Answers an import of ``pyspark.cloudpickle`` or a part of it with the module of the same name outside."""

    def find_spec(self, fullname: str, *_: Sequence[str] | ModuleType | None) -> ModuleSpec | None:
        """Return a spec for the names that this stands in for, None for all others."""
        if fullname == _REPLACED or fullname.startswith(_REPLACED + "."):
            return ModuleSpec(fullname, self)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Let the outside module stand under the name; the import system takes what it finds there."""
        sys.modules[module.__name__] = import_module(module.__name__.removeprefix("pyspark."))


def install() -> None:
    """Replace pyspark's cloudpickle, whether it was imported already or is yet to be.

    Does nothing before Python 3.11, which pyspark's own serves, and where no other cloudpickle is installed.
    """
    if sys.version_info < (3, 11) or find_spec("cloudpickle") is None:
        return
    if not any(isinstance(finder, _Alias) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Alias())
    if _REPLACED in sys.modules:
        _replace_imported()


def _replace_imported() -> None:
    """Put the installed cloudpickle wherever pyspark's own was imported to."""
    for part in [name for name in sys.modules if name.startswith(_REPLACED + ".")]:
        del sys.modules[part]
    cloudpickle = sys.modules[_REPLACED] = import_module("cloudpickle")
    for name in ("pyspark", "pyspark.serializers"):
        if name in sys.modules:
            setattr(sys.modules[name], "cloudpickle", cloudpickle)  # noqa: B010 - mypy knows no such attribute
