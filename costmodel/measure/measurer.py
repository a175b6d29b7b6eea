"""`Measurer`: measures candidates on this machine, in worker processes that may crash or hang."""

from __future__ import annotations

import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

from compiler import Target
from compiler.runtime import num_threads
from costmodel.measure.builders import KILLED, BuildPool
from costmodel.measure.comparison import Comparison
from costmodel.measure.confirm import confirm, is_surprise
from costmodel.measure.host import available_memory, cpu_name
from costmodel.measure.noise import PROBE, REFERENCE, Noise
from costmodel.measure.origin import TaskRequest
from costmodel.measure.placement import place_here
from costmodel.measure.process import MeasureError, WorkerProcess
from costmodel.measure.protocol import Choice
from costmodel.result import MeasureResult, Reason
from costmodel.space import Config
from costmodel.task import Task

# candidates of a batch that are compiled before the first of them runs, where both need all cores
_COMPILED_FIRST = 32
# and compiled ahead by each compiler, where they have cores of their own
_AHEAD = 2
# seconds before a surprise is measured again: what disturbed the first measurement may be over then
_PAUSE = 0.15
# samples of the reference program at the start, and the pauses between them in shortest measurements
_CALIBRATION = 9
_CALIBRATION_PAUSES = 15


class Measurer:
    """Builds and runs candidates in separate processes, on this machine.

    One process runs the candidates, one at a time, on fixed CPUs. The candidates of a batch are compiled by
    further processes, side by side: while others run, if there are cores that the programs do not use;
    otherwise before the first of them runs, on all cores. The processes are started at the first use and
    reused. After a candidate that crashes one or exceeds a time limit, a new one is started.

    A candidate takes turns with a reference program, until the relative standard error of the median is small
    or its time is spent. Its cost is the median of the ratios, times the usual time of the reference program,
    which is measured once at the start: so costs are comparable where the speed of a core changes within
    seconds. Samples during which another program had the CPU, or the machine slept, are replaced. The
    candidate that is the fastest so far is measured again, until two measurements agree. Another program,
    measured every few seconds like a candidate, shows the noise floor; see `context`.

    An operator that `costmodel.register` made needs no preparation: the processes import the module or
    execute the script of its template, but for its part under ``if __name__ == "__main__":``; the template of
    a notebook is sent as source, with the functions and values that it uses.

    Parameters
    ----------
    repeat : int
        Least number of measurements of a candidate.
    min_repeat_ms : float
        Shortest measurement: a fast program is called more than once.
    budget_ms : float
        Time limit of all repeats: a slow program is measured fewer times,
        down to its first call alone.
    precision : float
        Relative standard error of the median at which no further repeats are made.
    build_timeout, run_timeout, reference_timeout, start_timeout : float
        Time limits in seconds: of compiling, of running (each call or all repeats together), of the
        operator's reference, and of the start of a worker or the import of the caller's modules.
    modules : sequence of str
        Modules that the workers import first, besides those of the templates.
    paths : sequence of str
        Folders of these modules, besides the module path of this process.
    threads : int, optional
        Threads of a parallel program; by default `compiler.runtime.num_threads`.
    builders : int, optional
        Number of processes that compile; by default as many as there are CPUs for them, at most eight. With
        0, the process that runs the candidates compiles them, too.
    memory_bytes : int, optional
        Limit of the address space of each worker; by default three quarters of the machine's memory.

    Attributes
    ----------
    machine : str
        Name of the machine in records: the CPU and the number of threads.
    placement : Placement
        The CPUs of the programs and of the compilers.
    restarts : int
        Number of workers that ended unexpectedly while a candidate ran.

    Examples
    --------
    >>> with Measurer() as measurer:
    ...     for result in measurer.measure_many(task, [0, 1, 2]):
    ...         print(result.reason, result.cost)
    """

    def __init__(
        self,
        *,
        repeat: int = 4,
        min_repeat_ms: float = 3.0,
        budget_ms: float = 45.0,
        precision: float = 0.03,
        build_timeout: float = 10.0,
        run_timeout: float = 10.0,
        reference_timeout: float = 60.0,
        start_timeout: float = 60.0,
        modules: Sequence[str] = (),
        paths: Sequence[str] = (),
        threads: int | None = None,
        builders: int | None = None,
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
        if not precision >= 0 or (builders is not None and builders < 0):
            raise ValueError(f"precision {precision} and builders {builders} must not be negative")
        self.plan: dict[str, Any] = {
            "repeat": repeat,
            "min_repeat_ms": min_repeat_ms,
            "budget_ms": budget_ms,
            "precision": precision,
        }
        self.timeouts = {
            "start": start_timeout,
            "import": start_timeout,
            "reference": reference_timeout,
            "template": build_timeout,
            "build": build_timeout,
            "run": run_timeout,
        }
        self.threads = num_threads() if threads is None else threads
        self.placement = place_here(self.threads)
        self.builders = self.placement.builders if builders is None else builders
        self.start_request: dict[str, Any] = {
            "do": "start",
            "modules": list(modules),
            "threads": self.threads,
            "memory_bytes": memory_bytes or available_memory(),
        }
        root = str(Path(__file__).resolve().parents[2])
        self.paths = [*map(str, paths), root, *(p for p in sys.path if p)]
        self.machine = cpu_name(self.threads)
        self.restarts = 0
        self._process: WorkerProcess | None = None
        self._pool: BuildPool | None = None
        self._noise = Noise(self._probe)
        self._usual: float | None = None
        self._best: dict[str, float] = {}

    def __enter__(self) -> Measurer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process that runs candidates, without waiting until it has loaded its modules."""
        if self._process is None:
            cpus = list(self.placement.runs)
            self._process = WorkerProcess(self.paths, {**self.start_request, "cpus": cpus, "runs": True})

    def close(self) -> None:
        """End all processes."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def check(self, target: str) -> None:
        """Refuse a target whose programs cannot run on this machine.

        Raises
        ------
        ValueError
        """
        if reason := Target.parse(target).missing():
            raise ValueError(
                f"programs for {target!r} cannot run on this machine, so they cannot be tuned on it: {reason}"
            )

    def context(self) -> dict[str, Any]:
        """Return the conditions of the measurements so far.

        Returns
        -------
        dict
            Plain values: ``machine``; ``noise``, the relative distance between the quartiles of repeated
            measurements of one program, None before a batch was measured; ``drift``, the time of the
            reference program lately, relative to its usual time, ``usual``, in seconds; ``run_cpus``;
            ``builders``; ``build_beside_runs``, whether candidates are compiled while others run;
            ``restarts``.
        """
        return {
            "machine": self.machine,
            "noise": self._noise.floor,
            "drift": self._noise.drift,
            "usual": self._usual,
            "run_cpus": list(self.placement.runs),
            "builders": self.builders,
            "build_beside_runs": self.placement.beside,
            "restarts": self.restarts,
        }

    def measure(self, task: Task, config: Choice | None = None) -> MeasureResult:
        """Build and run one candidate, check its outputs against the reference, and time it.

        Parameters
        ----------
        task : Task
        config : Config, mapping or int, optional
            By default the default configuration.

        Returns
        -------
        MeasureResult
            Failures of a candidate are results, not exceptions.

        Raises
        ------
        MeasureError
            If the worker cannot start, or cannot register the operator.
        """
        return next(self.measure_requests(TaskRequest.of(task), [task.config(config).plain()]))

    def measure_many(self, task: Task, configs: Sequence[Choice]) -> Iterator[MeasureResult]:
        """Build, check and time candidates; each result is there as soon as it is known.

        Parameters
        ----------
        task : Task
        configs : sequence of Config, mapping or int

        Returns
        -------
        iterator of MeasureResult
            In the order of `configs`. Failures of a candidate are results, not exceptions. Whoever stops
            reading it loses at most the candidate that runs.

        Raises
        ------
        MeasureError
            While reading: if a worker cannot start, or cannot register the operator.
        ValueError
            If the target cannot run here, or a configuration is not of the task's space.
        """
        self.check(task.target)
        return self.measure_requests(TaskRequest.of(task), [task.config(c).plain() for c in configs])

    def measure_requests(
        self, task: TaskRequest, configs: Sequence[Mapping[str, Any]]
    ) -> Iterator[MeasureResult]:
        """Do what `measure_many` does, for a task that this process need not be able to make."""
        self.start()
        if self.builders == 0 or len(configs) == 1:
            for config in configs:
                yield self._judged(task, config, None)
            return
        ahead = self.builders * _AHEAD if self.placement.beside else _COMPILED_FIRST
        waiting = deque(configs)
        compiled: deque[tuple[Mapping[str, Any], Future[dict[str, Any]]]] = deque()
        try:
            while waiting or compiled:
                if self.placement.beside or not compiled:
                    while waiting and len(compiled) < ahead:
                        config = waiting.popleft()
                        compiled.append((config, self._builders().submit(task.named, config)))
                    if not self.placement.beside:
                        wait([future for _, future in compiled])
                config, future = compiled.popleft()
                yield self._judged(task, config, self._built(future))
        except KeyboardInterrupt:
            self.close()
            raise
        finally:
            for _, future in compiled:
                future.cancel()

    def _built(self, future: Future[dict[str, Any]]) -> dict[str, Any]:
        reply = future.result()
        if reply.get("signal") or reply["done"] == Reason.TIMEOUT.value:
            self.restarts += 1
        return reply

    def _judged(
        self, task: TaskRequest, config: Mapping[str, Any], built: dict[str, Any] | None
    ) -> MeasureResult:
        """Time a candidate; again if the result is a surprise."""
        if built is not None and built["done"] != Reason.OK.value:
            return _result(built, built.get("build_seconds", 0.0))
        self._calibrate()
        self._noise.update()
        best = self._best.get(task.key)
        plan = {**self.plan, "usual": self._usual}
        first = {**plan, "best": best}
        measure = {"do": "measure", "task": task.named, "config": dict(config), "plan": first}
        if built is None:
            result = self._timed(measure, measure, 0.0)
        else:
            run = {"do": "run", "task": task.named, "saved": built["saved"], "plan": first}
            result = self._timed(run, measure, built["build_seconds"])
        if is_surprise(result, best):
            repeat = {"do": "repeat", "task": task.named, "plan": plan}

            def again() -> MeasureResult:
                time.sleep(_PAUSE)
                return self._timed(repeat, {**measure, "plan": plan}, 0.0)

            result = confirm(result, again, self._noise.tolerance)
        if not result.ok:
            return result
        self._best[task.key] = min(result.cost, self._best.get(task.key, result.cost))
        known = [n for n in (result.noise, self._noise.floor) if n is not None]
        return replace(result, noise=max(known, default=None))

    def _timed(self, request: dict[str, Any], anew: dict[str, Any], build_seconds: float) -> MeasureResult:
        """Send a request to the process that runs candidates, and `anew` if someone killed it meanwhile."""
        start = time.perf_counter()
        reply = self._request(request)
        if reply.get("signal") in KILLED:
            reply = self._request(anew)
        if "drift" in reply:
            self._noise.observe(reply["drift"])
        build_seconds = reply.get("build_seconds", build_seconds)
        seconds = time.perf_counter() - start
        if request["do"] == "run":
            seconds += build_seconds
        return _result({**reply, "build_seconds": build_seconds}, seconds)

    def _calibrate(self) -> None:
        """Measure the usual time of the reference program, once."""
        if self._usual is None:
            pause = _CALIBRATION_PAUSES * self.plan["min_repeat_ms"]
            plan = {"rounds": _CALIBRATION, "pause_ms": pause}
            named = TaskRequest.of(Task(*REFERENCE)).named
            self._usual = self._sound({"do": "calibrate", "task": named, "plan": plan})["usual"]

    def _probe(self) -> float:
        """Measure a program of ours like a candidate."""
        plan = {**self.plan, "usual": self._usual}
        named = TaskRequest.of(Task(*PROBE)).named
        return statistics.median(self._sound({"do": "probe", "task": named, "plan": plan})["costs"])

    def _sound(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request of a program of ours, which does not fail unless the machine is at fault."""
        reply = self._request(request)
        if reply.get("signal") in KILLED:
            reply = self._request(request)
        if reply["done"] != Reason.OK.value:
            raise MeasureError(f"the reference program failed: {reply['done']}: {reply['message']}")
        return reply

    def _builders(self) -> BuildPool:
        if self._pool is None:
            cpus = self.placement.builds if self.placement.runs else ()
            self._pool = BuildPool(self.paths, self.start_request, cpus, self.builders, self.timeouts)
        return self._pool

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
        """Check the outputs of several programs of one task, then measure the programs interleaved.

        Parameters
        ----------
        task : Task
        configs : mapping from str to Config
            Name to configuration.
        baseline : bool
            Whether to include NumPy's usual implementation, if there is one (`BASELINES` of the worker).
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
        plain = {name: config.plain() for name, config in configs.items()}
        named = self.compare_requests(
            TaskRequest.of(task).named,
            plain,
            baseline=baseline,
            rounds=rounds,
            min_repeat_ms=min_repeat_ms,
            pause_ms=pause_ms,
        )
        return [Comparison(name, tuple(costs), task.flops) for name, costs in named]

    def compare_requests(
        self,
        named: dict[str, Any],
        configs: Mapping[str, dict[str, Any]],
        *,
        baseline: bool,
        rounds: int,
        min_repeat_ms: float = 20.0,
        pause_ms: float = 5.0,
    ) -> list[tuple[str, list[float]]]:
        """Do what `compare` does, for a task that this process need not be able to make."""
        entries: list[dict[str, Any]] = [{"name": n, "config": c} for n, c in configs.items()]
        if baseline:
            entries.append({"baseline": named["operator"]})
        plan = {"rounds": rounds, "min_repeat_ms": min_repeat_ms, "pause_ms": pause_ms}
        reply = self._request({"do": "compare", "task": named, "entries": entries, "plan": plan})
        if reply["done"] != "ok":
            raise MeasureError(
                f"the comparison of {named['operator']} failed: {reply['done']}: {reply['message']}"
            )
        return list(zip(reply["names"], reply["costs"], strict=True))

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        self.start()
        assert self._process is not None
        try:
            reply = self._process.request(request, self.timeouts)
        except BaseException:  # e.g. Ctrl-C: the next request must not read the reply of this one
            self.close()
            raise
        if not self._process.alive:
            self._process = None
            self.restarts += 1
        return reply


def _result(reply: dict[str, Any], seconds: float) -> MeasureResult:
    return MeasureResult(
        Reason(reply["done"]),
        tuple(reply.get("costs", ())),
        reply.get("message", ""),
        reply.get("build_seconds", 0.0),
        seconds,
        noise=reply.get("noise"),
        drift=reply.get("drift", 1.0),
        detail=reply.get("detail", ""),
    )
