"""Measurement of candidates in a worker process that may crash or hang."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from costmodel.measure.baseline import BASELINES
from costmodel.measure.host import cpu_name
from costmodel.measure.worker import BOOT
from costmodel.space import Config
from costmodel.task import Task


class Reason(str, Enum):
    """How a measurement ended."""

    OK = "ok"
    TEMPLATE = "template error"
    BUILD = "build error"
    RUN = "run error"
    WRONG = "wrong answer"
    TIMEOUT = "timeout"
    CRASH = "crash"
    REFERENCE = "reference error"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class MeasureResult:
    """The outcome of one measurement.

    Parameters
    ----------
    reason : Reason
        ``Reason.OK``, or why there are no costs.
    costs : tuple of float
        Seconds a call, one per repeat; empty for a failure.
    message : str
        What went wrong, in words.
    build_seconds : float
        Instantiating, lowering and compiling.
    total_seconds : float
        The whole measurement as the caller sees it.
    timestamp : float
        When it ended, in seconds since 1970.
    """

    reason: Reason
    costs: tuple[float, ...] = ()
    message: str = ""
    build_seconds: float = 0.0
    total_seconds: float = 0.0
    timestamp: float = field(default_factory=time.time)

    @property
    def ok(self) -> bool:
        """Whether the candidate ran and gave the right answer."""
        return self.reason is Reason.OK

    @property
    def cost(self) -> float:
        """Median seconds a call; infinite for a failure."""
        return statistics.median(self.costs) if self.costs else float("inf")


@dataclass(frozen=True)
class Comparison:
    """One program's costs from measurements in turns with others.

    Parameters
    ----------
    name : str
        What the program is called.
    costs : tuple of float
        Seconds a call, one per round.
    flops : int
        Floating-point operations a call.
    """

    name: str
    costs: tuple[float, ...]
    flops: int

    def _speed(self, cost: float) -> float:
        return self.flops / cost / 1e9

    @property
    def gflops(self) -> float:
        """Median speed, in 1e9 operations a second."""
        return self._speed(statistics.median(self.costs))

    @property
    def quartiles(self) -> tuple[float, float]:
        """Speed at the first and the third quartile of the rounds, lowest first."""
        if len(self.costs) < 2:
            return self.gflops, self.gflops
        low, _, high = statistics.quantiles(self.costs, n=4, method="inclusive")
        return self._speed(high), self._speed(low)


class MeasureError(ValueError):
    """A comparison that could not be made; says which phase failed and why."""


def available_memory() -> int | None:
    """Three quarters of the machine's memory in bytes; None where that is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    except (AttributeError, OSError, ValueError):
        return None


class Measurer:
    """Builds and runs candidates in a process of its own, one at a time.

    The process is started at the first use and kept warm. A candidate that crashes it, or is not
    done in time, costs a new process and nothing else.

    Parameters
    ----------
    repeat : int
        Measurements of a candidate.
    min_repeat_ms : float
        Shortest measurement: a quick program is called more than once.
    budget_ms : float
        A program so slow that the repeats would take longer is measured fewer times,
        down to its first call alone.
    build_timeout, run_timeout, reference_timeout : float
        Seconds that compiling, running (each call or repeat together), and the operator's reference may take.
    modules : sequence of str
        Modules that the worker imports first: those which register operators of the caller's.
    paths : sequence of str
        Folders where the worker looks for them, besides those of this process.
    threads : int, optional
        Threads of a parallel program; as many as the machine has unless told.
    memory_bytes : int, optional
        Address space that the worker may use; three quarters of the machine's memory unless told.

    Attributes
    ----------
    machine : str
        What records call the machine: the CPU and the number of threads.
    restarts : int
        How many workers were lost.

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
        self._process: _Process | None = None

    def __enter__(self) -> Measurer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the worker without waiting for it; it loads while the caller goes on."""
        if self._process is None:
            self._process = _Process(self.paths, self.start_request)

    def close(self) -> None:
        """End the worker."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def measure(self, task: Task, config: Config | Mapping[str, Any] | int | None = None) -> MeasureResult:
        """Build and run a candidate, compare its answer with the reference, and time it.

        Parameters
        ----------
        task : Task
        config : Config, mapping or int, optional
            The default configuration unless told.

        Returns
        -------
        MeasureResult
            Never raises for what a candidate does.
        """
        start = time.perf_counter()
        values = task.config(config).plain()
        reply = self._ask({"do": "measure", "task": _named(task), "config": values, "plan": self.plan})
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
        """Measure several programs of one task in turns, after checking each one's answer.

        Parameters
        ----------
        task : Task
        configs : mapping from str to Config
            The programs and what they are called.
        baseline : bool
            Whether NumPy's way takes part (`costmodel.measure.baseline`).
        rounds : int
            Turns.
        min_repeat_ms : float
            Shortest measurement.
        pause_ms : float
            Shortest rest before each turn; it goes on until the threads of the one before rest too.

        Returns
        -------
        list of Comparison
            In the order of `configs`; NumPy's last, with one thread and with as many as its BLAS uses.

        Raises
        ------
        MeasureError
            If a program fails, or its answer is wrong.
        """
        entries: list[dict[str, Any]] = [{"name": n, "config": c.plain()} for n, c in configs.items()]
        if baseline and task.operator.name in BASELINES:
            entries.append({"name": BASELINES[task.operator.name][0], "baseline": task.operator.name})
        plan = {"rounds": rounds, "min_repeat_ms": min_repeat_ms, "pause_ms": pause_ms}
        reply = self._ask({"do": "compare", "task": _named(task), "entries": entries, "plan": plan})
        if reply["done"] != "ok":
            raise MeasureError(f"the comparison of {task.key} failed: {reply['done']}: {reply['message']}")
        pairs = zip(reply["names"], reply["costs"], strict=True)
        return [Comparison(name, tuple(costs), task.flops) for name, costs in pairs]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self.start()
        assert self._process is not None
        try:
            reply = self._process.ask(request, self.timeouts)
        except BaseException:  # Ctrl-C: what runs now is of no use to anyone
            self.close()
            raise
        if not self._process.alive:
            self._process = None
            self.restarts += 1
        return reply


def _named(task: Task) -> dict[str, Any]:
    return {"operator": task.operator.name, "shape": task.shape, "target": task.target}


class _Process:
    """One worker process and the pipes to it."""

    def __init__(self, paths: Sequence[str], start_request: dict[str, Any]) -> None:
        # standard error goes to a file, for a full pipe would stop the worker; it lives as long as the worker
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        self._popen = subprocess.Popen(
            [sys.executable, "-c", BOOT, json.dumps(list(paths))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the tuner, which then ends the worker itself
        )
        self._replies: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._pump, daemon=True)
        self._reader.start()
        self._send(start_request)
        self.alive = True
        self._started = False

    def _pump(self) -> None:
        assert self._popen.stdout is not None
        with contextlib.suppress(ValueError, OSError):  # closed by kill
            for line in self._popen.stdout:
                self._replies.put(line)
        self._replies.put(None)

    def _send(self, request: dict[str, Any]) -> None:
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError, OSError):  # it died: the reply will say so
            self._popen.stdin.write(json.dumps(request) + "\n")
            self._popen.stdin.flush()

    def ask(self, request: dict[str, Any], timeouts: Mapping[str, float]) -> dict[str, Any]:
        """The outcome of a request; the process is dead afterwards if it crashed or was too slow."""
        if not self._started:
            reply = self._outcome("start", timeouts)
            if reply["done"] != "ok":
                self.kill()
                raise MeasureError(f"the worker process could not start: {reply.get('message')}")
            self._started = True
        self._send(request)
        return self._outcome("reference", timeouts)

    def _outcome(self, phase: str, timeouts: Mapping[str, float]) -> dict[str, Any]:
        while True:
            try:
                line = self._replies.get(timeout=timeouts[phase])
            except queue.Empty:
                self.kill()
                return {
                    "done": Reason.TIMEOUT.value,
                    "message": f"phase {phase!r} was not done within {timeouts[phase]:g} s",
                }
            if line is None:
                return {"done": Reason.CRASH.value, "message": self._epitaph(phase)}
            reply = json.loads(line)
            if "done" in reply:
                return reply
            phase = reply["phase"]

    def _epitaph(self, phase: str) -> str:
        code = self._popen.wait()
        if code < 0:
            try:
                cause = f"killed by {signal.Signals(-code).name}"
            except ValueError:
                cause = f"killed by signal {-code}"
            if -code == getattr(signal, "SIGKILL", 9):
                cause += " (out of memory?)"
        else:
            cause = f"exited with status {code}"
        self._stderr.seek(0)
        said = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        # the first line of a fatal error names it; the last one of a traceback does
        fatal = [line for line in said if "Error" in line or "error" in line][-1:] or said[-1:]
        self.kill()
        return f"in phase {phase!r} the worker was {cause}" + (f": {fatal[0].strip()}" if fatal else "")

    def kill(self) -> None:
        """End the process at once."""
        self.alive = False
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(self._popen.pid, signal.SIGKILL)
                else:
                    self._popen.kill()
        self._popen.wait()
        self._stderr.close()
        self._reader.join(timeout=1.0)
        for pipe in (self._popen.stdin, self._popen.stdout):
            # closing a pipe that another thread reads would wait for that thread
            if pipe is not None and not (pipe is self._popen.stdout and self._reader.is_alive()):
                with contextlib.suppress(OSError, BrokenPipeError):
                    pipe.close()
