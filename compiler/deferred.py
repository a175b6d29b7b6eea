"""`defer`: the names of a package, each imported at its first use, so that importing the package is cheap."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    """A package some of whose names are defined in other modules."""

    _homes: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        home, inner = self._homes.get(name), f"{self.__name__}.{name}"
        if home is not None:
            value = getattr(import_module(home), name)
        elif not name.startswith("_") and find_spec(inner) is not None:
            value = import_module(inner)
        else:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # the import system sets a module as an attribute of its package: a public name of it goes before
        if not (isinstance(value, ModuleType) and name in self._homes):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._homes})


def defer(package: str, homes: Mapping[str, str]) -> None:
    """Import public names of a package, and the modules in it, when they are first used.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping of str to str
        Module -> the names that it defines, separated by blanks.
    """
    module = sys.modules[package]
    module.__dict__["_homes"] = {name: home for home, names in homes.items() for name in names.split()}
    module.__class__ = _Deferred
