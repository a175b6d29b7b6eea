"""The machine that measures: its name, its memory, and whether its threads are idle."""

from __future__ import annotations

import os
import platform
import time
from functools import lru_cache


def cpu_name(threads: int | None = None) -> str:
    """Return the model name of the CPU, and the number of threads of a program.

    Where ``ESPALIER_CPU`` holds the compiler to a lesser CPU, that is part of the name: its programs are
    others.

    Parameters
    ----------
    threads : int, optional
        By default `compiler.runtime.num_threads`.
    """
    if threads is None:
        from compiler.runtime import num_threads

        threads = num_threads()
    held = os.environ.get("ESPALIER_CPU", "")
    name = f"{_model_name()} held to {held}" if held else _model_name()
    return f"{name} ({threads} thread{'s' if threads > 1 else ''})"


@lru_cache(maxsize=1)
def _model_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:  # not on Linux
        pass
    return platform.processor() or platform.machine() or "unknown CPU"


def available_memory() -> int | None:
    """Return three quarters of the machine's memory in bytes; None if that is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    except (AttributeError, OSError, ValueError):
        return None


def wait_until_idle(pause: float = 0.005, timeout: float = 1.0) -> None:
    """Wait until the threads of this process are idle: those of a BLAS spin for a while after its last call.

    Parameters
    ----------
    pause : float
        Seconds between two observations, at least a thousandth.
    timeout : float
        Time limit in seconds.
    """
    pause, end = max(pause, 1e-3), time.perf_counter() + timeout
    while time.perf_counter() < end:
        used = time.process_time()
        time.sleep(pause)
        if time.process_time() - used < pause / 10:
            return
