"""The team of threads that lives as long as one training run."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

# Below this many nanoseconds of work, handing it to threads costs more than it saves: a wake-up takes 0.05 to
# 0.2 milliseconds on an idle machine, and many times that when other processes want the core.
SERIAL_WORK = 2_000_000


def available_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Team:
    """Share out ranges of independent work among threads; small work stays on the caller's thread.

    The threads are Python's own and end with the ``with`` block, so that a process may fork after training.

    Parameters
    ----------
    threads : int or None
        0, -1 or None means all cores.
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
        """Number of parts that `share` would cut ``count`` items of this much work into."""
        if self.size == 1 or work < SERIAL_WORK:
            return 1
        return max(1, min(self.size, count))

    def share(self, task: Callable[[int, int], None], count: int, work: float) -> None:
        """Call ``task(begin, end)`` on ranges that cover ``range(count)``, at the same time.

        Parameters
        ----------
        task : callable
            Must write only what belongs to its own range.
        count : int
        work : float
            Estimate of the time that all of it takes on one thread, in nanoseconds.
        """
        parts = self.parts(count, work)
        if parts == 1:
            if count:
                task(0, count)
            return
        edges = [count * p // parts for p in range(parts + 1)]
        self.run([(task, edges[p], edges[p + 1]) for p in range(parts)])

    def run(self, calls: list[tuple[Callable[[int, int], None], int, int]]) -> None:
        """Make all calls at the same time; the first exception is raised after all of them have ended."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.size - 1 or 1, thread_name_prefix="boost")
        (own, begin, end), *others = calls
        waiting: list[Future[None]] = [self._pool.submit(task, b, e) for task, b, e in others]
        try:
            own(begin, end)
        finally:
            errors = [future.exception() for future in waiting]
        for error in errors:
            if error is not None:
                raise error
