"""The machine that measures."""

from __future__ import annotations

import platform
from functools import lru_cache


def cpu_name(threads: int | None = None) -> str:
    """The CPU as its maker calls it, and how many threads programs run on (the runtime's unless told)."""
    if threads is None:
        from compiler.runtime import num_threads

        threads = num_threads()
    return f"{_model_name()} ({threads} thread{'s' if threads > 1 else ''})"


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
