"""`Bench`: builds, checks and times the candidates of one task, on its arrays."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from compiler import Target, loop_nest
from costmodel.footprint import measure_footprint
from costmodel.measure.host import wait_until_idle
from costmodel.measure.noise import REFERENCE
from costmodel.measure.worker.baseline import BASELINES, blas_threads, limit_blas
from costmodel.measure.worker.check import check, fill_with_sentinel
from costmodel.measure.worker.program import Compiled, Program
from costmodel.measure.worker.repeat import Plan, median_error, repeat
from costmodel.measure.worker.watch import DISTURBED, Interval, Watch
from costmodel.refuse import refusal
from costmodel.result import Reason
from costmodel.task import Task

# duration of a sample of the reference program
_REFERENCE_SECONDS = 1.5e-3


class Failure(Exception):
    """A failure of a candidate that the worker detects; crashes and timeouts are detected by its parent.

    Parameters
    ----------
    reason : Reason
    message : str
    detail : str
        The whole traceback.
    """

    def __init__(self, reason: Reason, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.detail = detail

    @classmethod
    def of(cls, error: BaseException, reason: Reason, what: str = "") -> Failure:
        """The failure with this cause; where memory was short, that is the reason."""
        memory = isinstance(error, MemoryError) and reason is not Reason.REFERENCE
        detail = "".join(traceback.format_exception(error))
        return cls(Reason.MEMORY if memory else reason, what + describe(error), detail)


def describe(error: BaseException) -> str:
    """Return the type and the message of an error."""
    text = str(error).strip()
    name = type(error).__name__
    return f"{name}: {text}" if text else name


class Data(NamedTuple):
    """The arrays of a task: inputs, outputs that programs write to, and what they should be."""

    arrays: list[np.ndarray]
    outputs: list[np.ndarray]
    references: list[np.ndarray]


class Bench:
    """One task with its input and output arrays and the reference outputs, which are made when needed.

    Parameters
    ----------
    task : Task
    enter : callable
        Called with the name of each phase as it begins.
    """

    def __init__(self, task: Task, enter: Callable[[str], None]) -> None:
        self.task = task
        self.enter = enter
        self.last: Program | None = None

    @cached_property
    def data(self) -> Data:
        """Inputs, outputs and the reference's outputs."""
        self.enter("reference")
        try:
            arrays = self.task.operator.inputs(np.random.default_rng(0), *self.task.shape)
            outputs = self.task.operator.outputs(*self.task.shape)
            references = self.task.operator.references(arrays, *self.task.shape)
        except Exception as error:
            raise Failure.of(error, Reason.REFERENCE, "the operator's reference failed: ") from error
        return Data(list(arrays), list(outputs), list(references))

    def compile(self, config: Mapping[str, Any], *, candidate: bool = False) -> Compiled:
        """Return the compiled program of a configuration.

        A candidate of a search is refused if it cannot be fast (`costmodel.refuse`), but for the default,
        with which others are compared.
        """
        self.enter("template")
        try:
            chosen = self.task.config(config)
            template = self.task.instantiate(chosen)
        except Exception as error:
            raise Failure.of(error, Reason.TEMPLATE) from error
        self.enter("build")
        try:
            nest = loop_nest(*template) if candidate and chosen != self.task.space.default else None
        except Exception as error:
            raise Failure.of(error, Reason.BUILD) from error
        if nest is not None:
            reason = refusal(nest, measure_footprint(nest), Target.parse(self.task.target).hardware)
            if reason is not None:
                raise Failure(Reason.REFUSED, reason)
        try:
            return Compiled.of(self.task, *template)
        except Exception as error:
            raise Failure.of(error, Reason.BUILD) from error

    def program(self, compiled: Compiled) -> Program:
        """Return a compiled program on the arrays of this task."""
        arrays, outputs, _ = self.data
        self.enter("run")  # the part that depends on constants alone
        try:
            return Program(compiled, arrays, outputs)
        except Exception as error:
            raise Failure.of(error, Reason.RUN) from error

    def run(self, call: Callable[[], Any]) -> float:
        """Return the seconds of one call, and check its outputs."""
        _, outputs, references = self.data
        fill_with_sentinel(outputs, references)
        self.enter("run")
        try:
            watch = Watch()
            call()
            seconds = watch.stop().net
        except Exception as error:
            raise Failure.of(error, Reason.RUN) from error
        outcome = check(outputs, references, self.task.operator.error_model(*self.task.shape))
        if not outcome.passed:
            raise Failure(Reason.WRONG, str(outcome))
        return seconds

    def time(self, compiled: Compiled, plan: Plan, yardstick: Yardstick) -> dict[str, Any]:
        """Return the seconds per call of a program, and their relative standard error.

        Returns
        -------
        dict
            ``costs``; ``noise``, None for a single cost; and ``drift``.
        """
        self.last = self.program(compiled)
        return self.repeat(plan, yardstick)

    def repeat(self, plan: Plan, yardstick: Yardstick) -> dict[str, Any]:
        """Do what `time` does, with the program that it was given last."""
        program = self.last
        if program is None:
            raise Failure(Reason.CRASH, "the worker was replaced, and has not the program any more")
        first = self.run(program)
        yardstick.prepare()
        self.enter("run")
        if first * 1e3 > 2 * plan.budget_ms:
            plan = replace(plan, repeat=1)  # one more call is enough for a slow program
            found = repeat(partial(_sample, _once(program)), yardstick.sample, first, plan)
        else:
            calls = program.timed()  # it calls the program once: caches and threads are warm then
            found = repeat(partial(_sample, calls), yardstick.sample, min(first, _sample(calls, 1).net), plan)
        noise = median_error(found.costs) if len(found.costs) > 1 else None
        if found.uncertain > DISTURBED:
            noise = max(noise or 0.0, found.uncertain)
        return {"costs": found.costs, "noise": noise, "drift": found.drift}

    def measure(self, config: Mapping[str, Any], plan: Plan, yardstick: Yardstick) -> dict[str, Any]:
        """Build a configuration here, and time it."""
        start = time.perf_counter()
        compiled = self.compile(config, candidate=True)
        build_seconds = time.perf_counter() - start
        return {**self.time(compiled, plan, yardstick), "build_seconds": build_seconds}

    def compare(
        self, entries: list[dict[str, Any]], rounds: int, min_repeat_ms: float, pause_ms: float
    ) -> dict[str, Any]:
        """Return costs of several programs, checked first, then measured interleaved."""
        names: list[str] = []
        calls: list[Callable[[], Any]] = []
        threads: list[int | None] = []
        arrays, outputs, _ = self.data
        for entry in entries:
            if "config" in entry:
                names.append(entry["name"])
                calls.append(self.program(self.compile(entry["config"])))
                threads.append(None)
                continue
            if entry["baseline"] not in BASELINES:
                continue
            peer = BASELINES[entry["baseline"]]
            # a BLAS is not always faster with all threads
            for count in sorted({1, blas_threads()}):
                names.append(f"{peer.label}, {count} thread{'s' if count > 1 else ''}")
                calls.append(partial(peer.run, arrays, outputs, self.task.shape))
                threads.append(count)

        def limited(count: int | None) -> AbstractContextManager[Any]:
            return nullcontext() if count is None else limit_blas(count)

        numbers = []
        for call, blas in zip(calls, threads, strict=True):
            with limited(blas):
                self.run(call)
                self.enter("run")
                once = partial(_time_calls, call)
                seconds = min(_sample(once, 1).net, _sample(once, 1).net)
            numbers.append(max(1, round(min_repeat_ms / 1e3 / max(seconds, 1e-7))))
        costs: list[list[float]] = [[] for _ in calls]
        for round_number in range(rounds):
            # each round begins with another program, so that none always follows the same one
            for i in sorted(range(len(calls)), key=lambda i: (i - round_number) % len(calls)):
                self.enter("run")
                wait_until_idle(pause_ms / 1e3)
                with limited(threads[i]):
                    calls[i]()
                    taken = _sample(partial(_time_calls, calls[i]), numbers[i])
                    costs[i].append(taken.net / numbers[i])
        return {"names": names, "costs": costs}


class Yardstick:
    """The reference program, which shows how fast the machine is at the moment.

    Parameters
    ----------
    enter : callable
        Called with the name of each phase as it begins.
    """

    def __init__(self, enter: Callable[[str], None]) -> None:
        self._bench = Bench(Task(*REFERENCE), enter)
        self._calls: Callable[[int], float] | None = None
        self._number = 1

    def prepare(self) -> Callable[[int], float]:
        """Compile the program, at the first call."""
        if self._calls is None:
            bench = self._bench
            self._calls = bench.program(bench.compile(bench.task.space.default.plain())).timed()
            seconds = min(_sample(self._calls, 1).net for _ in range(5))
            self._number = max(1, round(_REFERENCE_SECONDS / seconds))
        return self._calls

    def sample(self) -> Interval:
        """Return the seconds of one call."""
        interval = _sample(self.prepare(), self._number)
        busy = None if interval.busy is None else interval.busy / self._number
        return replace(interval, seconds=interval.seconds / self._number, busy=busy)

    def calibrate(self, rounds: int, pause_ms: float) -> dict[str, Any]:
        """Return the usual time of a call: the shortest of samples with pauses between them.

        A core is slower than usual for a while, seldom faster; a median is that of a slow moment, if it began
        in one.
        """
        self.prepare()
        self._bench.enter("run")
        seen = []
        for _ in range(rounds):
            seen.append(self.sample().net)
            time.sleep(pause_ms * 1e-3)
        return {"usual": min(seen)}


def _once(program: Program) -> Callable[[int], float]:
    return lambda number: _time_calls(program, number)


def _sample(calls: Callable[[int], float], number: int) -> Interval:
    watch = Watch()
    seconds = calls(number)
    interval = watch.stop()
    return replace(interval, seconds=seconds)


def _time_calls(call: Callable[[], Any], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return time.perf_counter() - start
