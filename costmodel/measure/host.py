"""The machine that measures: its name, and the placement of its threads."""

from __future__ import annotations

import os
import platform
import time
from functools import lru_cache


def cpu_name(threads: int | None = None) -> str:
    """Return the model name of the CPU, and the number of threads of a program.

    Parameters
    ----------
    threads : int, optional
        By default `compiler.runtime.num_threads`.
    """
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


def spread_threads() -> None:
    """Start the thread pool, with one CPU for the calling thread and the others for the pool's.

    Otherwise the system may schedule a worker on the CPU of the thread that woke it while another CPU is
    idle: every program then takes twice as long for tens of milliseconds. The affinity of the calling thread
    is changed permanently, so only the worker process calls this.
    """
    import numpy as np

    import compiler
    from compiler import te

    x = te.placeholder((64,), "x")
    y = te.compute((64,), lambda i: x[i], "y")
    s = te.create_schedule(y.op)
    s[y].parallel(y.op.axis[0])
    copy = compiler.build(s, [x, y])
    arrays = np.zeros(64, np.float32), np.empty(64, np.float32)
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    if compiler.runtime.num_threads() == 1 or len(cpus) < 2:
        copy(*arrays)
        return
    os.sched_setaffinity(0, cpus[1:])  # a thread inherits the affinity of the one that starts it
    copy(*arrays)
    os.sched_setaffinity(0, cpus[:1])
