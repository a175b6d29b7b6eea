"""How kernels are compiled: cached on disk, without the interpreter lock, for the signatures they name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numba
import numba.core.event as numba_event

# Two neighbouring float64 additions become one 128-bit one: twice the speed of a histogram update.
numba.config.SLP_VECTORIZE = 1  # type: ignore[attr-defined]


class _CompileNotice(numba_event.Listener):
    """Say once that kernels are being compiled; a kernel that comes from the cache causes no such event."""

    said = False

    def on_start(self, event: numba_event.Event) -> None:
        module = event.data["dispatcher"].py_func.__module__
        if not self.said and module.startswith("boost."):
            self.said = True
            print("boost: compiling kernels, once on this machine (some seconds)", file=sys.stderr)

    def on_end(self, event: numba_event.Event) -> None:
        pass


NOTICE = _CompileNotice()
numba_event.register("numba:compile", NOTICE)


def kernel(*signatures: str, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function for exactly these signatures, when its module is imported.

    With no signature, the function is only ever called from other kernels, and is compiled into them.
    Division by zero gives infinity or NaN, as in NumPy: a test before each division would keep loops from
    being vectorised.
    """
    if not signatures:
        return numba.njit(nogil=True, error_model="numpy", **options)
    return numba.njit(list(signatures), cache=True, nogil=True, error_model="numpy", **options)
