"""The machine that measures."""

from __future__ import annotations

import os
import platform
from functools import lru_cache


def cpu_name(threads: int | None = None) -> str:
    """The CPU as its maker calls it, and the number of its threads that programs run on (all unless told)."""
    count = threads or usable_threads()
    return f"{_model_name()} ({count} thread{'s' if count > 1 else ''})"


def usable_threads() -> int:
    """Hardware threads that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


@lru_cache(maxsize=1)
def _model_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown CPU"
