"""The main function of the worker process, which builds and runs candidates.

It reads one JSON request a line and replies with JSON lines: first the name of every phase that it
enters (`template`, `build`, `reference`, `run`), so that the parent can apply a time limit to each
and knows where a crash happened, then the outcome. It ends when its input ends, even while a
candidate hangs, so it never outlives its parent.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from importlib import import_module
from typing import Any, TextIO

from costmodel.measure.bench import Bench, Failure, describe
from costmodel.measure.host import spread_threads
from costmodel.result import Reason


class Worker:
    """Serves requests one by one.

    Parameters
    ----------
    replies : text file
        The stream that JSON lines are written to.
    """

    def __init__(self, replies: TextIO) -> None:
        self.replies = replies
        self.benches: dict[tuple, Bench] = {}

    def reply(self, **fields: Any) -> None:
        """Send one line."""
        self.replies.write(json.dumps(fields) + "\n")
        self.replies.flush()

    def bench(self, task: dict[str, Any]) -> Bench:
        """Return the bench of a task, made at its first request."""
        shape = tuple(tuple(v) if isinstance(v, list) else v for v in task["shape"])
        key = (task["operator"], shape, task["target"])
        if key not in self.benches:
            self.benches[key] = Bench(*key, enter=lambda phase: self.reply(phase=phase))
        return self.benches[key]

    def serve(self, request: dict[str, Any]) -> None:
        """Execute a request and send the reply; failures are replies too."""
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
            self.reply(done=failure.reason.value, message=str(failure))
        except Exception as error:
            self.reply(done=Reason.TEMPLATE.value, message=describe(error))

    def start(self, request: dict[str, Any]) -> None:
        """Import modules, start the thread pool and limit memory: before the time of any candidate begins."""
        for module in request["modules"]:
            import_module(module)
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
    # the output of a candidate must not mix with the replies
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(replies)
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_pump, args=(requests,), daemon=True).start()
    while True:
        worker.serve(json.loads(requests.get()))
