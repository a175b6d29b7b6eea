"""The number of threads that the parallel loops of compiled code use.

``ESPALIER_NUM_THREADS`` in the environment caps the number of threads that is used by default.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

ENVIRONMENT = "ESPALIER_NUM_THREADS"
MAX_THREADS = 256

_lock = threading.RLock()
_threads: int | None = None
_listeners: list[Callable[[int], None]] = []


def available_threads() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def num_threads() -> int:
    """The number of threads that a parallel loop uses, the calling one included.

    By default as many as there are CPUs that this process may use, or ``ESPALIER_NUM_THREADS`` if that
    is less.

    Raises
    ------
    ValueError
        If ``ESPALIER_NUM_THREADS`` is not a positive number.
    """
    global _threads
    if _threads is None:
        _threads = _default_threads()
    return _threads


def set_num_threads(count: int) -> None:
    """Set the number of threads that parallel loops use, from the next loop on; 1 makes them serial.

    Raises
    ------
    ValueError
        If `count` is not between 1 and `MAX_THREADS`.
    """
    global _threads
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_THREADS:
        raise ValueError(f"the number of threads is a whole number from 1 to {MAX_THREADS}, not {count!r}")
    with _lock:
        _threads = count
        for listener in _listeners:
            listener(count)


def on_num_threads(listener: Callable[[int], None]) -> None:
    """Call `listener` with the number of threads, now and after each change."""
    with _lock:
        listener(num_threads())
        _listeners.append(listener)


def reset_after_fork() -> None:
    """Replace the lock in a forked child, since the thread that held it may not exist there."""
    global _lock
    _lock = threading.RLock()


def _default_threads() -> int:
    available = available_threads()
    text = os.environ.get(ENVIRONMENT)
    if text is None:
        return min(available, MAX_THREADS)
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError(f"{ENVIRONMENT} must be a positive whole number, not {text!r}")
    return min(available, int(text), MAX_THREADS)
