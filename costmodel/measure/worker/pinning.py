"""`spread_threads`: the threads of a program that is timed stay on CPUs of their own."""

from __future__ import annotations

import os


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
