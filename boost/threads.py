"""Thread pool of one training run."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

# Work of fewer estimated nanoseconds than this runs on the calling thread. Waking a thread takes 0.05 to
# 0.2 milliseconds on an idle machine, and many times that when other processes compete for the cores.
SERIAL_WORK = 2_000_000


def available_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Team:
    """Thread pool that runs independent index ranges in parallel; use it as a context manager.

    Work below `SERIAL_WORK` runs on the calling thread. The pool starts at the first parallel call and ends
    with the ``with`` block: no thread outlives training, so the process may fork afterwards. Tasks run in
    parallel only while they release the GIL, as kernels do.

    Parameters
    ----------
    threads : int, optional
        Number of threads, the calling thread included. None (the default), 0 and negative numbers mean all
        cores that the process may run on.

    Attributes
    ----------
    size : int
        Number of threads, the calling thread included.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.size = threads if threads and threads > 0 else available_cores()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Team:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None

    def parts(self, count: int, work: float) -> int:
        """Return the number of ranges into which `share` divides ``range(count)``.

        Parameters
        ----------
        count : int
            Number of items.
        work : float
            Estimated time of all items on one thread, in nanoseconds.

        Returns
        -------
        int
            1 when the team has one thread or the work is below `SERIAL_WORK`, else ``min(size, count)``, but
            at least 1.
        """
        if self.size == 1 or work < SERIAL_WORK:
            return 1
        return max(1, min(self.size, count))

    def share(self, task: Callable[[int, int], None], count: int, work: float) -> None:
        """Call ``task(begin, end)`` in parallel on ranges of nearly equal length that cover ``range(count)``.

        Returns when all calls have ended. There is no call when `count` is 0. An exception of a task is
        raised as by `run`.

        Parameters
        ----------
        task : callable
            Must be safe to run concurrently: writes to shared arrays only at the items of its range.
        count : int
            Number of items.
        work : float
            Estimated time of all items on one thread, in nanoseconds.
        """
        parts = self.parts(count, work)
        if parts == 1:
            if count:
                task(0, count)
            return
        edges = [count * p // parts for p in range(parts + 1)]
        self.run([(task, edges[p], edges[p + 1]) for p in range(parts)])

    def run(self, calls: list[tuple[Callable[[int, int], None], int, int]]) -> None:
        """Make several calls in parallel, and return when all have ended.

        The first call runs on the calling thread. Exceptions are raised after all calls have ended; when
        several calls fail, the exception of the first of them in the list is raised.

        Parameters
        ----------
        calls : list of (task, begin, end)
            At least one; each is called as ``task(begin, end)``.
        """
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.size - 1 or 1, thread_name_prefix="boost")
        (first_task, begin, end), *others = calls
        futures: list[Future[None]] = [self._pool.submit(task, b, e) for task, b, e in others]
        try:
            first_task(begin, end)
        finally:
            errors = [future.exception() for future in futures]
        for error in errors:
            if error is not None:
                raise error
