"""Calls that Ctrl-C does not break off in the middle: the import of Numba, and the compilation of kernels.

Python raises KeyboardInterrupt in the main thread, wherever it is. A half-done import of Numba cannot be
repeated: its modules are left partially initialised, and its tables of types incomplete, for as long as the
process lives. So another thread does such work, and the main thread waits for it. Ctrl-C ends the waiting at
once; the work is completed, and later calls find it done.

This module imports Numba, in that way: modules that use Numba import this one before it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from typing import Any


def uninterrupted(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function, and return what it returns or raise what it raises.

    The call is made in another thread where this one is the main thread, which must not hold a lock that the
    call needs.
    """
    if threading.current_thread() is not threading.main_thread():
        return function(*arguments)
    future: Future[Any] = Future()

    def call() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:  # raised by the thread that waits
            future.set_exception(error)

    try:
        threading.Thread(target=call, name="espalier-compile").start()
    except RuntimeError:  # no thread can be started while the interpreter ends
        call()
    return future.result()


def _load() -> None:
    import_module("numba")
    # The first kernel would load these tables, in the same way. After an interrupt two threads may do so.
    with import_module("numba.core.compiler_lock").global_compiler_lock:
        target = import_module("numba.core.registry").cpu_target
        target.typing_context.refresh()
        target.target_context.refresh()


uninterrupted(_load)
