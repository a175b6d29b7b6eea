"""`Bench`: builds, checks and times the candidates of one task, on its arrays."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from costmodel.measure.baseline import BASELINES, blas_threads, limit_blas
from costmodel.measure.check import check, fill_with_sentinel
from costmodel.measure.host import wait_until_idle
from costmodel.measure.program import Program
from costmodel.result import Reason
from costmodel.task import Task


class Failure(Exception):
    """A failure of a candidate that the worker detects; crashes and timeouts are detected by its parent.

    Parameters
    ----------
    reason : Reason
    message : str
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def describe(error: BaseException) -> str:
    """Return the type and the message of an error."""
    text = str(error).strip()
    name = type(error).__name__
    return f"{name}: {text}" if text else name


class Bench:
    """One task with its input and output arrays and the reference outputs.

    Parameters
    ----------
    operator : str
    shape : tuple
    target : str
    enter : callable
        Called with the name of each phase as it begins.
    """

    def __init__(
        self, operator: str, shape: tuple[Any, ...], target: str, enter: Callable[[str], None]
    ) -> None:
        self.enter = enter
        self.task = Task(operator, shape, target)
        enter("reference")
        try:
            self.arrays = self.task.operator.inputs(np.random.default_rng(0), *self.task.shape)
            self.outputs = self.task.operator.outputs(*self.task.shape)
            self.references = self.task.operator.references(self.arrays, *self.task.shape)
        except Exception as error:
            raise Failure(Reason.REFERENCE, f"the operator's reference failed: {describe(error)}") from error

    def build(self, config: dict[str, Any]) -> Program:
        """Return the compiled program of a configuration."""
        self.enter("template")
        try:
            template = self.task.instantiate(config)
        except Exception as error:
            raise Failure(Reason.TEMPLATE, describe(error)) from error
        self.enter("build")
        try:
            return Program(self.task, *template, self.arrays, self.outputs)
        except Exception as error:
            raise Failure(Reason.BUILD, describe(error)) from error

    def run(self, call: Callable[[], Any]) -> float:
        """Return the seconds of one call, and check its outputs."""
        fill_with_sentinel(self.outputs, self.references)
        self.enter("run")
        try:
            start = time.perf_counter()
            call()
            seconds = time.perf_counter() - start
        except Exception as error:
            raise Failure(Reason.RUN, describe(error)) from error
        outcome = check(self.outputs, self.references, self.task.operator.error_model(*self.task.shape))
        if not outcome.passed:
            raise Failure(Reason.WRONG, str(outcome))
        return seconds

    def measure(
        self, config: dict[str, Any], repeat: int, min_repeat_ms: float, budget_ms: float
    ) -> dict[str, Any]:
        """Return costs of a configuration in seconds per call, as many as the time budget allows."""
        start = time.perf_counter()
        program = self.build(config)
        build_seconds = time.perf_counter() - start
        first = self.run(program)
        if min_repeat_ms < first * 1e3 < 2 * budget_ms:
            # the first call may be slow because of page faults and sleeping threads
            first = min(first, _time_calls(program, 1))
        # one call is enough for a slow program
        repeats = min(repeat, int(budget_ms / max(first * 1e3, min_repeat_ms)))
        costs = [first]
        if repeats:
            number = max(1, round(min_repeat_ms / 1e3 / max(first, 1e-7)))
            # `first` may be the time of a cold call, so `number` may be too low: the evaluator then increases
            # it
            costs = list(program.time(number, repeats, min_repeat_ms / 2).results)
        return {"costs": costs, "build_seconds": build_seconds}

    def compare(
        self, entries: list[dict[str, Any]], rounds: int, min_repeat_ms: float, pause_ms: float
    ) -> dict[str, Any]:
        """Return costs of several programs, checked first, then measured interleaved."""
        names: list[str] = []
        calls: list[Callable[[], Any]] = []
        threads: list[int | None] = []
        for entry in entries:
            if "config" in entry:
                names.append(entry["name"])
                calls.append(self.build(entry["config"]))
                threads.append(None)
                continue
            if entry["baseline"] not in BASELINES:
                continue
            peer = BASELINES[entry["baseline"]]
            # a BLAS is not always faster with all threads
            for count in sorted({1, blas_threads()}):
                names.append(f"{peer.label}, {count} thread{'s' if count > 1 else ''}")
                calls.append(partial(peer.run, self.arrays, self.outputs, self.task.shape))
                threads.append(count)

        def limited(count: int | None) -> AbstractContextManager[Any]:
            return nullcontext() if count is None else limit_blas(count)

        numbers = []
        for call, blas in zip(calls, threads, strict=True):
            with limited(blas):
                self.run(call)
                self.enter("run")
                seconds = min(_time_calls(call, 1), _time_calls(call, 1))
            numbers.append(max(1, round(min_repeat_ms / 1e3 / max(seconds, 1e-7))))
        costs: list[list[float]] = [[] for _ in calls]
        for round_number in range(rounds):
            # each round begins with another program, so that none always follows the same one
            for i in sorted(range(len(calls)), key=lambda i: (i - round_number) % len(calls)):
                self.enter("run")
                wait_until_idle(pause_ms / 1e3)
                with limited(threads[i]):
                    calls[i]()
                    costs[i].append(_time_calls(calls[i], numbers[i]) / numbers[i])
        return {"names": names, "costs": costs}


def _time_calls(call: Callable[[], Any], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return time.perf_counter() - start
