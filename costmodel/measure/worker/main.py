"""The main function of the worker process, which builds and runs candidates.

It reads one JSON request a line and replies with JSON lines: first the name of every phase that it
enters (`import`, `template`, `build`, `reference`, `run`), so that the parent can apply a time limit to each
and knows where a crash happened, then the outcome. It ends when its input ends, even while a
candidate hangs, so it never outlives its parent.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from importlib import import_module
from typing import Any, TextIO

from costmodel.measure.origin import define
from costmodel.measure.process import SETUP
from costmodel.measure.worker.bench import Bench, Failure, Yardstick, describe
from costmodel.measure.worker.pinning import spread_threads
from costmodel.measure.worker.program import Compiled
from costmodel.measure.worker.repeat import Plan
from costmodel.result import Reason
from costmodel.task import Task

# tasks whose arrays are kept; a search over all layers of a model changes between them
_BENCHES = 16


class Worker:
    """Serves requests one by one.

    Parameters
    ----------
    replies : text file
        The stream that JSON lines are written to.
    """

    def __init__(self, replies: TextIO) -> None:
        self.replies = replies
        self.benches: dict[str, Bench] = {}
        self.yardstick = Yardstick(self.enter)

    def reply(self, **fields: Any) -> None:
        """Send one line."""
        self.replies.write(json.dumps(fields) + "\n")
        self.replies.flush()

    def enter(self, phase: str) -> None:
        """Send the name of a phase that begins."""
        self.reply(phase=phase)

    def bench(self, named: dict[str, Any]) -> Bench:
        """Return the bench of a task, made at its first request."""
        key = json.dumps(named, sort_keys=True)
        if key not in self.benches:
            self.enter("import")
            for origin in named["origins"]:
                define(origin)
            shape = tuple(tuple(v) if isinstance(v, list) else v for v in named["shape"])
            task = Task(named["operator"], shape, named["target"])
            while len(self.benches) >= _BENCHES:
                del self.benches[next(iter(self.benches))]
            self.benches[key] = Bench(task, self.enter)
        self.benches[key] = self.benches.pop(key)  # the last one used is removed last
        return self.benches[key]

    def serve(self, request: dict[str, Any]) -> None:
        """Execute a request and send the reply; failures are replies too."""
        try:
            try:
                if request["do"] == "start":
                    self.start(request)
                    self.reply(done=Reason.OK.value)
                    return
                bench = self.bench(request["task"])
            except Exception as error:
                self.reply(done=SETUP, message=describe(error), detail=traceback.format_exc())
                return
            self.reply(done=Reason.OK.value, **self.execute(bench, request))
        except Exception as error:
            failure = error if isinstance(error, Failure) else Failure.of(error, Reason.RUN)
            self.reply(done=failure.reason.value, message=str(failure), detail=failure.detail)

    def execute(self, bench: Bench, request: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a request that is not the first one."""
        start = time.perf_counter()
        if request["do"] == "build":
            saved = bench.compile(request["config"], candidate=True).save(request["path"])
            return {"saved": saved, "build_seconds": time.perf_counter() - start}
        if request["do"] == "compare":
            return bench.compare(request["entries"], **request["plan"])
        if request["do"] == "calibrate":
            return self.yardstick.calibrate(**request["plan"])
        plan = Plan(**request["plan"])
        if request["do"] == "probe":
            if bench.last is None:
                bench.last = bench.program(bench.compile(bench.task.space.default.plain()))
            return bench.repeat(plan, self.yardstick)
        if request["do"] == "run":
            return bench.time(Compiled.load(request["saved"]), plan, self.yardstick)
        if request["do"] == "repeat":
            return bench.repeat(plan, self.yardstick)
        return bench.measure(request["config"], plan, self.yardstick)

    def start(self, request: dict[str, Any]) -> None:
        """Import modules, start the thread pool and limit memory: before the time of any candidate begins."""
        for module in request["modules"]:
            import_module(module)
        import_module("llvmlite.binding")
        if request.get("cpus") and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, request["cpus"])
        if request.get("threads"):
            import_module("compiler.runtime").set_num_threads(request["threads"])
        if request.get("runs"):
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
    # the output of a candidate must not mix with the replies
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(replies)
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_pump, args=(requests,), daemon=True).start()
    while True:
        worker.serve(json.loads(requests.get()))
