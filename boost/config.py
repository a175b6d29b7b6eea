"""XGBoost's global configuration: whether warnings are muted, and the number of threads by default."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boost.errors import ParameterError, unknown

__all__ = ["config_context", "get_config", "set_config"]

# The options with their defaults and largest values; all but the first two are accepted without an effect.
OPTIONS = {
    "verbosity": (1, 3),
    "nthread": (0, 2**31 - 1),
    "use_rmm": (False, 1),
    "use_cuda_async_pool": (False, 1),
}


class _Store(threading.local):
    """The options of a thread, and whether its warnings are errors."""

    refuses = False

    def __init__(self) -> None:
        self.options: dict[str, Any] = {name: default for name, (default, _) in OPTIONS.items()}


_STORE = _Store()


def set_config(**options: Any) -> None:
    """Set options of this thread.

    Parameters
    ----------
    verbosity : int
        0 mutes the warnings of this package, and the notice that kernels are compiled.
    nthread : int
        Number of threads of trainings and predictions that give none; 0 means all cores.
    use_rmm, use_cuda_async_pool : bool
        Accepted for compatibility with XGBoost; they have no effect.

    Raises
    ------
    ParameterError
        For an unknown option, and a value out of range.
    """
    checked = {}
    for name, value in options.items():
        if name not in OPTIONS:
            raise ParameterError(unknown("option", name, OPTIONS))
        default, most = OPTIONS[name]
        try:
            fits = value == int(value) and 0 <= value <= most
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise ParameterError(f"{name} must be an integer in [0, {most}], got {value!r}")
        checked[name] = type(default)(value)
    _STORE.options = {**_STORE.options, **checked}


def get_config() -> dict[str, Any]:
    """Return the options of this thread by name."""
    return dict(_STORE.options)


@contextmanager
def config_context(**options: Any) -> Iterator[None]:
    """Set options of this thread as `set_config` does, and restore the earlier ones when the block ends."""
    before = _STORE.options
    set_config(**options)
    try:
        yield
    finally:
        _STORE.options = before


def warn(message: str) -> None:
    """Issue a `UserWarning` at the line outside of this package that led to it, unless verbosity is 0.

    Raises
    ------
    ParameterError
        In place of the warning, in a block of `warnings_as_errors`.
    """
    if _STORE.refuses:
        raise ParameterError(message)
    if _STORE.options["verbosity"] == 0:
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "boost":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


@contextmanager
def warnings_as_errors() -> Iterator[None]:
    """Return a block in which `warn` raises in this thread, whatever is muted."""
    before, _STORE.refuses = _STORE.refuses, True
    try:
        yield
    finally:
        _STORE.refuses = before
