"""The process in which candidates are built and run.

It reads one JSON request a line and answers with JSON lines: first the name of every phase that it
enters (`template`, `build`, `reference`, `run`), so that the other side can hold each to its own time limit
and knows where a crash happened, then the outcome. It ends when its input ends, even in the middle
of a candidate that hangs, so it never outlives the process that started it.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

from costmodel.measure.host import rest, spread_threads

if TYPE_CHECKING:
    from costmodel.measure.program import Program

# how to start it: argv holds a JSON list of folders to look for modules in
BOOT = (
    "import sys, json; sys.path[:0] = json.loads(sys.argv[1]); "
    "from costmodel.measure.worker import main; main()"
)


class Failure(Exception):
    """A candidate's failure that the worker itself sees: a reason and a message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _said(error: BaseException) -> str:
    text = str(error).strip()
    name = type(error).__name__
    return f"{name}: {text}" if text else name


class Bench:
    """One task with its input arrays, its output array and the right answer.

    Parameters
    ----------
    operator : str
    shape : tuple
    target : str
    enter : callable
        Told the name of each phase as it begins.
    """

    def __init__(
        self, operator: str, shape: tuple[Any, ...], target: str, enter: Callable[[str], None]
    ) -> None:
        import numpy as np

        from costmodel.task import Task

        self.enter = enter
        self.task = Task(operator, shape, target)
        enter("reference")
        try:
            self.arrays = self.task.operator.inputs(np.random.default_rng(0), *self.task.shape)
            self.output = self.task.operator.output(*self.task.shape)
            self.reference = np.asarray(self.task.operator.reference(*self.arrays, *self.task.shape))
        except Exception as error:
            raise Failure("reference error", f"the operator's reference failed: {_said(error)}") from error

    def build(self, config: dict[str, Any]) -> Program:
        """The compiled program of a configuration."""
        from costmodel.measure.program import Program

        self.enter("template")
        try:
            template = self.task.instantiate(config)
        except Exception as error:
            raise Failure("template error", _said(error)) from error
        self.enter("build")
        try:
            return Program(self.task, *template, self.arrays, self.output)
        except Exception as error:
            raise Failure("build error", _said(error)) from error

    def run(self, call: Callable[[], Any]) -> float:
        """Seconds of one call, whose answer is compared with the reference."""
        from costmodel.measure import check as answer

        answer.fill_with_sentinel(self.output)
        self.enter("run")
        try:
            start = time.perf_counter()
            call()
            seconds = time.perf_counter() - start
        except Exception as error:
            raise Failure("run error", _said(error)) from error
        outcome = answer.check(self.output, self.reference, self.task.flops)
        if not outcome.right:
            raise Failure("wrong answer", str(outcome))
        return seconds

    def measure(
        self, config: dict[str, Any], repeat: int, min_repeat_ms: float, budget_ms: float
    ) -> dict[str, Any]:
        """Costs of a configuration in seconds a call, as many as the time budget allows."""
        start = time.perf_counter()
        program = self.build(config)
        build_seconds = time.perf_counter() - start
        first = self.run(program)
        if min_repeat_ms < first * 1e3 < 2 * budget_ms:
            # perhaps only the start was slow: memory that was not there yet, threads that slept
            first = min(first, _time_calls(program, 1))
        # a slow program is known to be slow after one call: repeating it would only cost time
        repeats = min(repeat, int(budget_ms / max(first * 1e3, min_repeat_ms)))
        costs = [first]
        if repeats:
            number = max(1, round(min_repeat_ms / 1e3 / max(first, 1e-7)))
            # the first call is cold and may promise too few calls: the evaluator then makes more
            costs = list(program.time(number, repeats, min_repeat_ms / 2).results)
        return {"costs": costs, "build_seconds": build_seconds}

    def compare(
        self, entries: list[dict[str, Any]], rounds: int, min_repeat_ms: float, pause_ms: float
    ) -> dict[str, Any]:
        """Costs of several programs, taken in turns, each checked against the reference first."""
        from costmodel.measure.baseline import BASELINES, blas_threads, limit_blas

        names: list[str] = []
        calls: list[Callable[[], Any]] = []
        threads: list[int | None] = []
        for entry in entries:
            if "config" in entry:
                names.append(entry["name"])
                calls.append(self.build(entry["config"]))
                threads.append(None)
                continue
            peer = BASELINES[entry["baseline"]][1]
            # a BLAS is not always quicker with all threads, so its user's best choice is shown too
            for count in sorted({1, blas_threads()}):
                names.append(f"{entry['name']}, {count} thread{'s' if count > 1 else ''}")
                calls.append(partial(peer, self.arrays, self.output, self.task.shape))
                threads.append(count)

        def limited(count: int | None) -> AbstractContextManager[Any]:
            return nullcontext() if count is None else limit_blas(count)

        numbers = []
        for call, of_blas in zip(calls, threads, strict=True):
            with limited(of_blas):
                self.run(call)
                self.enter("run")
                seconds = min(_time_calls(call, 1), _time_calls(call, 1))
            numbers.append(max(1, round(min_repeat_ms / 1e3 / max(seconds, 1e-7))))
        costs: list[list[float]] = [[] for _ in calls]
        for turn in range(rounds):
            # each round begins elsewhere, so that no program always follows the same one
            for i in sorted(range(len(calls)), key=lambda i: (i - turn) % len(calls)):
                self.enter("run")
                rest(pause_ms / 1e3)
                with limited(threads[i]):
                    calls[i]()
                    costs[i].append(_time_calls(calls[i], numbers[i]) / numbers[i])
        return {"names": names, "costs": costs}


def _time_calls(call: Callable[[], Any], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return time.perf_counter() - start


class Worker:
    """Answers requests until there are no more.

    Parameters
    ----------
    replies : text file
        Where the JSON lines go.
    """

    def __init__(self, replies: TextIO) -> None:
        self.replies = replies
        self.benches: dict[tuple, Bench] = {}

    def reply(self, **fields: Any) -> None:
        """Send one line."""
        self.replies.write(json.dumps(fields) + "\n")
        self.replies.flush()

    def bench(self, task: dict[str, Any]) -> Bench:
        """The bench of a task, made at its first request."""
        shape = tuple(tuple(v) if isinstance(v, list) else v for v in task["shape"])
        key = (task["operator"], shape, task["target"])
        if key not in self.benches:
            self.benches[key] = Bench(*key, enter=lambda phase: self.reply(phase=phase))
        return self.benches[key]

    def answer(self, request: dict[str, Any]) -> None:
        """Do what a request asks, and reply."""
        try:
            if request["do"] == "start":
                self.start(request)
                self.reply(done="ok")
                return
            bench = self.bench(request["task"])
            if request["do"] == "measure":
                self.reply(done="ok", **bench.measure(request["config"], **request["plan"]))
            else:
                self.reply(done="ok", **bench.compare(request["entries"], **request["plan"]))
        except Failure as failure:
            self.reply(done=failure.reason, message=str(failure))
        except Exception as error:
            self.reply(done="template error", message=_said(error))

    def start(self, request: dict[str, Any]) -> None:
        """Load what every candidate needs, so that the first one does not pay for it."""
        for module in request["modules"]:
            import_module(module)
        import_module("compiler.ops")
        import_module("llvmlite.binding")
        if request.get("threads"):
            import_module("compiler.runtime").set_num_threads(request["threads"])
        spread_threads()
        _limit_memory(request.get("memory_bytes"))


def _limit_memory(limit: int | None) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    if limit:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))


def _pump(requests: queue.Queue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def main() -> None:
    """Serve requests from standard input."""
    import faulthandler

    faulthandler.enable()
    # what a candidate prints must not mix with the replies
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(replies)
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_pump, args=(requests,), daemon=True).start()
    while True:
        worker.answer(json.loads(requests.get()))
