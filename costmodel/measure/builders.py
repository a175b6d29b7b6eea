"""`BuildPool`: processes that compile candidates side by side."""

from __future__ import annotations

import itertools
import queue
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from costmodel.measure.process import WorkerProcess


class BuildPool:
    """A fixed number of processes, each of which compiles one candidate at a time.

    A thread for each process hands it the requests. A process that ended is replaced at the next request.

    Parameters
    ----------
    paths : sequence of str
        Folders of modules, see `WorkerProcess`.
    start_request : mapping
        The first request of each process, without ``cpus``.
    cpus : sequence of int
        One process is confined to each of the first `count`; none if it is empty.
    count : int
        Number of processes.
    timeouts : mapping of str to float
        Seconds for each phase.
    """

    def __init__(
        self,
        paths: Sequence[str],
        start_request: Mapping[str, Any],
        cpus: Sequence[int],
        count: int,
        timeouts: Mapping[str, float],
    ) -> None:
        self._paths, self._timeouts = paths, timeouts
        self._folder = tempfile.TemporaryDirectory(prefix="espalier-")
        self._numbers = itertools.count()
        self._waiting: queue.Queue[tuple[dict[str, Any], Future[dict[str, Any]]] | None] = queue.Queue()
        self._closed = False
        self._lock = threading.Lock()
        self._processes: list[WorkerProcess | None] = [None] * count
        self._starts = [{**start_request, "cpus": [cpus[i]] if i < len(cpus) else []} for i in range(count)]
        for place in range(count):
            self._process(place)
        # daemons, so that an interpreter that ends does not wait for a compilation
        self._threads = [
            threading.Thread(target=self._serve, args=(place,), daemon=True) for place in range(count)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes that are there."""
        return [p.pid for p in self._processes if p is not None and p.alive]

    def submit(self, task: dict[str, Any], config: Mapping[str, Any]) -> Future[dict[str, Any]]:
        """Compile a candidate; its future has the reply of the worker, see `costmodel.measure.worker.main`.

        Whoever takes the result of a success loads the files in ``saved``, which removes them.
        """
        future: Future[dict[str, Any]] = Future()
        path = str(Path(self._folder.name) / f"{next(self._numbers)}.module")
        self._waiting.put(({"do": "build", "task": task, "config": dict(config), "path": path}, future))
        return future

    def close(self) -> None:
        """End all processes; futures that are not done are cancelled or fail."""
        with self._lock:
            self._closed = True
            processes = [p for p in self._processes if p is not None]
        for process in processes:
            process.kill()
        while True:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                break
            if item is not None:
                item[1].cancel()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(timeout=5.0)
        self._folder.cleanup()

    def _process(self, place: int) -> WorkerProcess:
        with self._lock:
            if self._closed:
                raise RuntimeError("the compilers are closed")
            process = self._processes[place]
            if process is None or not process.alive:
                process = self._processes[place] = WorkerProcess(self._paths, self._starts[place])
            return process

    def _serve(self, place: int) -> None:
        while True:
            item = self._waiting.get()
            if item is None:
                return
            request, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                reply = self._process(place).request(request, self._timeouts)
                if reply.get("signal") in KILLED:
                    # by someone else: the candidate is not to blame
                    reply = self._process(place).request(request, self._timeouts)
                future.set_result(reply)
            except BaseException as error:  # to whoever waits for the result
                future.set_exception(error)


# signals that programs do not raise themselves: SIGKILL, SIGTERM, SIGHUP, SIGINT
KILLED = frozenset({9, 15, 1, 2})
