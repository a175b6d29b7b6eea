"""`Measurer`: measures candidates in a worker process that may crash or hang."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from costmodel.measure.comparison import Comparison
from costmodel.measure.host import cpu_name
from costmodel.measure.process import MeasureError, WorkerProcess
from costmodel.result import MeasureResult, Reason
from costmodel.space import Config
from costmodel.task import Task


def available_memory() -> int | None:
    """Return three quarters of the machine's memory in bytes; None if that is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    except (AttributeError, OSError, ValueError):
        return None


class Measurer:
    """Builds and runs candidates in a separate process, one at a time.

    The process is started at the first use and kept. A candidate that crashes it or exceeds a time limit
    makes a new process necessary, and has no other effect.

    Parameters
    ----------
    repeat : int
        Number of measurements of a candidate.
    min_repeat_ms : float
        Shortest measurement: a fast program is called more than once.
    budget_ms : float
        Time limit of all repeats: a slow program is measured fewer times,
        down to its first call alone.
    build_timeout, run_timeout, reference_timeout, start_timeout : float
        Time limits in seconds: of compiling, of running (each call or all repeats together), of the
        operator's reference, and of the start of the worker.
    modules : sequence of str
        Modules that the worker imports first: those that register the caller's operators.
    paths : sequence of str
        Folders of these modules, besides the module path of this process.
    threads : int, optional
        Threads of a parallel program; by default all of the machine.
    memory_bytes : int, optional
        Limit of the worker's address space; by default three quarters of the machine's memory.

    Attributes
    ----------
    machine : str
        Name of the machine in records: the CPU and the number of threads.
    restarts : int
        Number of workers that ended unexpectedly.

    Examples
    --------
    >>> with Measurer() as measurer:
    ...     result = measurer.measure(task, task.space.default)
    """

    def __init__(
        self,
        *,
        repeat: int = 3,
        min_repeat_ms: float = 12.0,
        budget_ms: float = 60.0,
        build_timeout: float = 10.0,
        run_timeout: float = 10.0,
        reference_timeout: float = 60.0,
        start_timeout: float = 60.0,
        modules: Sequence[str] = (),
        paths: Sequence[str] = (),
        threads: int | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        limits = {"build_timeout": build_timeout, "run_timeout": run_timeout}
        limits |= {
            "reference_timeout": reference_timeout,
            "start_timeout": start_timeout,
            "budget_ms": budget_ms,
        }
        for name, value in limits.items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, not {value}")
        if repeat < 1 or min_repeat_ms < 0:
            raise ValueError(
                f"repeat {repeat} must be at least 1 and min_repeat_ms {min_repeat_ms} not negative"
            )
        self.plan = {"repeat": repeat, "min_repeat_ms": min_repeat_ms, "budget_ms": budget_ms}
        self.timeouts = {
            "start": start_timeout,
            "reference": reference_timeout,
            "template": build_timeout,
            "build": build_timeout,
            "run": run_timeout,
        }
        self.start_request = {
            "do": "start",
            "modules": list(modules),
            "threads": threads,
            "memory_bytes": memory_bytes or available_memory(),
        }
        home = str(Path(__file__).resolve().parents[2])
        self.paths = [*map(str, paths), home, *(p for p in sys.path if p)]
        self.machine = cpu_name(threads)
        self.restarts = 0
        self._process: WorkerProcess | None = None

    def __enter__(self) -> Measurer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the worker without waiting for it; it loads in parallel with the caller."""
        if self._process is None:
            self._process = WorkerProcess(self.paths, self.start_request)

    def close(self) -> None:
        """End the worker."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def measure(self, task: Task, config: Config | Mapping[str, Any] | int | None = None) -> MeasureResult:
        """Build and run a candidate, check its outputs against the reference, and time it.

        Parameters
        ----------
        task : Task
        config : Config, mapping or int, optional
            By default the default configuration.

        Returns
        -------
        MeasureResult
            Failures of a candidate are results, not exceptions.
        """
        start = time.perf_counter()
        values = task.config(config).plain()
        reply = self._request({"do": "measure", "task": _named(task), "config": values, "plan": self.plan})
        reason = Reason(reply["done"])
        return MeasureResult(
            reason,
            tuple(reply.get("costs", ())),
            reply.get("message", ""),
            reply.get("build_seconds", 0.0),
            time.perf_counter() - start,
        )

    def compare(
        self,
        task: Task,
        configs: Mapping[str, Config],
        *,
        baseline: bool = False,
        rounds: int = 15,
        min_repeat_ms: float = 20.0,
        pause_ms: float = 5.0,
    ) -> list[Comparison]:
        """Measure several programs of one task in alternation, after checking the outputs of each.

        Parameters
        ----------
        task : Task
        configs : mapping from str to Config
            Name to configuration.
        baseline : bool
            Whether to include NumPy's usual implementation, if there is one (`costmodel.measure.baseline`).
        rounds : int
            Number of measurements of each program.
        min_repeat_ms : float
            Shortest measurement.
        pause_ms : float
            Shortest pause before each measurement; it lasts until the threads of the one before are idle.

        Returns
        -------
        list of Comparison
            In the order of `configs`; NumPy's last, with one thread and with as many as its BLAS uses.

        Raises
        ------
        MeasureError
            If a program fails, or its outputs are wrong.
        """
        entries: list[dict[str, Any]] = [{"name": n, "config": c.plain()} for n, c in configs.items()]
        if baseline:
            entries.append({"baseline": task.operator.name})
        plan = {"rounds": rounds, "min_repeat_ms": min_repeat_ms, "pause_ms": pause_ms}
        reply = self._request({"do": "compare", "task": _named(task), "entries": entries, "plan": plan})
        if reply["done"] != "ok":
            raise MeasureError(f"the comparison of {task.key} failed: {reply['done']}: {reply['message']}")
        named = zip(reply["names"], reply["costs"], strict=True)
        return [Comparison(name, tuple(costs), task.flops) for name, costs in named]

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        self.start()
        assert self._process is not None
        try:
            reply = self._process.request(request, self.timeouts)
        except BaseException:  # Ctrl-C: the reply of the running request would be taken for that of the next
            self.close()
            raise
        if not self._process.alive:
            self._process = None
            self.restarts += 1
        return reply


def _named(task: Task) -> dict[str, Any]:
    return {"operator": task.operator.name, "shape": task.shape, "target": task.target}
