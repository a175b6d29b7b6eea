"""`WorkerProcess`: the parent's handle of a process that builds and runs candidates."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from costmodel.measure.patience import Patience
from costmodel.result import Reason

# Python code of the process; its argument is a JSON list of folders that modules are searched in
BOOT = (
    "import sys, json; sys.path[:0] = json.loads(sys.argv[1]); "
    "from costmodel.measure.worker.main import main; main()"
)


# the outcome of a request that fails for each candidate alike: a module that cannot be imported, for example
SETUP = "setup"

# in the environment of a worker: it must not start workers itself
_INSIDE = "ESPALIER_MEASURES"

# what LLVM, C++ and Python write before a process ends for lack of memory
_OUT_OF_MEMORY = ("LLVM ERROR: out of memory", "std::bad_alloc", "MemoryError", "Cannot allocate memory")

# the end of what a worker wrote to standard error that is kept
_DETAIL = 8000


class MeasureError(ValueError):
    """A measurement failed; the message states the phase and the cause."""


class WorkerProcess:
    """One worker process and the pipes to it.

    Parameters
    ----------
    paths : sequence of str
        Folders of modules, in front of those of Python.
    start_request : mapping
        The first request, see `costmodel.measure.worker.main`.

    Raises
    ------
    MeasureError
        In a process that is a worker itself.
    """

    def __init__(self, paths: Sequence[str], start_request: dict[str, Any]) -> None:
        if os.environ.get(_INSIDE):
            raise MeasureError(
                "the process that measures imports the script that registers the template, and the script "
                'measures again: move what starts the search under `if __name__ == "__main__":`'
            )
        # standard error goes to a file: a full pipe would stop the worker
        self._stderr = tempfile.TemporaryFile("a+b")  # noqa: SIM115
        self._popen = subprocess.Popen(
            [sys.executable, "-c", BOOT, json.dumps(list(paths))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            encoding="utf-8",
            env={**os.environ, _INSIDE: "1"},
            start_new_session=True,  # Ctrl-C reaches the tuner alone, which then ends the worker
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
        with contextlib.suppress(BrokenPipeError, OSError):  # the process has ended; `_outcome` reports why
            self._popen.stdin.write(json.dumps(request) + "\n")
            self._popen.stdin.flush()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._popen.pid

    def request(self, request: dict[str, Any], timeouts: Mapping[str, float]) -> dict[str, Any]:
        """Return the outcome of a request; the process has ended afterwards if it crashed or was too slow.

        Parameters
        ----------
        request : dict
        timeouts : mapping of str to float
            Seconds for each phase.

        Returns
        -------
        dict
            ``done``, a value of `Reason`; of a failure ``message`` and ``detail``, and ``signal`` if one
            ended the process.

        Raises
        ------
        MeasureError
            If the worker could not start, or cannot register the operator of the request.
        """
        if not self._started:
            self._require(self._outcome("start", timeouts), "could not start")
            self._started = True
        with contextlib.suppress(OSError):
            self._stderr.truncate(0)  # what remains at a crash is of this request
        self._send(request)
        reply = self._outcome("import", timeouts)
        if reply["done"] == SETUP or reply.get("phase") == "import":
            self._require(reply, f"cannot make the task {request['task']['operator']!r}")
        return reply

    def _require(self, reply: dict[str, Any], what: str) -> None:
        if reply["done"] != Reason.OK.value:
            self.kill()
            detail = reply.get("detail", "")
            raise MeasureError(
                f"the worker process {what}: {reply.get('message')}" + (f"\n\n{detail}" if detail else "")
            )

    def _outcome(self, phase: str, timeouts: Mapping[str, float]) -> dict[str, Any]:
        while True:
            try:
                line = Patience(timeouts[phase]).wait(lambda s: self._replies.get(timeout=s), queue.Empty)
            except queue.Empty:
                self.kill()
                return {
                    "done": Reason.TIMEOUT.value,
                    "phase": phase,
                    "message": f"phase {phase!r} was not done within {timeouts[phase]:g} s",
                }
            if line is None:
                return self._describe_end(phase)
            reply = json.loads(line)
            if "done" in reply:
                return reply
            phase = reply["phase"]

    def _describe_end(self, phase: str) -> dict[str, Any]:
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
        text = self._stderr.read().decode("utf-8", "replace").strip()
        lines = text.splitlines()
        # a traceback names the error in its last line
        fatal = [line for line in lines if "Error" in line or "error" in line][-1:] or lines[-1:]
        self.kill()
        memory = any(sign in text for sign in _OUT_OF_MEMORY)
        return {
            "done": (Reason.MEMORY if memory else Reason.CRASH).value,
            "phase": phase,
            "signal": max(-code, 0),
            "message": f"in phase {phase!r} the worker was {cause}"
            + (f": {fatal[0].strip()}" if fatal else ""),
            "detail": text[-_DETAIL:],
        }

    def kill(self) -> None:
        """End the process immediately."""
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
            # closing a pipe that another thread reads would block until that thread ends
            if pipe is not None and not (pipe is self._popen.stdout and self._reader.is_alive()):
                with contextlib.suppress(OSError, BrokenPipeError):
                    pipe.close()
