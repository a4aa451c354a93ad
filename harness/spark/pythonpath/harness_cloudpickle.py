"""Replacement of the cloudpickle inside pyspark by the installed one.

This module imports nothing of this package, so it also runs in a Python that has only pyspark and cloudpickle.
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
    """Import hook that returns ``cloudpickle`` for ``pyspark.cloudpickle``, and likewise for its submodules."""

    def find_spec(self, fullname: str, *_: Sequence[str] | ModuleType | None) -> ModuleSpec | None:
        """Return a spec for the replaced names, and None for all others."""
        if fullname == _REPLACED or fullname.startswith(_REPLACED + "."):
            return ModuleSpec(fullname, self)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Register the installed module under the name, where the import system looks it up."""
        sys.modules[module.__name__] = import_module(module.__name__.removeprefix("pyspark."))


def install() -> None:
    """Replace pyspark's cloudpickle, before or after it is imported.

    Does nothing before Python 3.11, where pyspark's own works, or if no other cloudpickle is installed.
    """
    if sys.version_info < (3, 11) or find_spec("cloudpickle") is None:
        return
    if not any(isinstance(finder, _Alias) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Alias())
    if _REPLACED in sys.modules:
        _replace_imported()


def _replace_imported() -> None:
    """Replace pyspark's cloudpickle in the modules that have already imported it."""
    for part in [name for name in sys.modules if name.startswith(_REPLACED + ".")]:
        del sys.modules[part]
    cloudpickle = sys.modules[_REPLACED] = import_module("cloudpickle")
    for name in ("pyspark", "pyspark.serializers"):
        if name in sys.modules:
            setattr(sys.modules[name], "cloudpickle", cloudpickle)  # noqa: B010 - mypy does not know the attribute
