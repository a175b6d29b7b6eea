"""`Sequence`: compiled functions called one after another, without the interpreter in between."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from collections.abc import Sequence as Items
from functools import lru_cache

import numpy as np

from compiler.backend.llvm.host.loader import Library, load_object, load_text
from compiler.backend.llvm.host.pool import LAUNCH, launch_address
from compiler.runtime.artifact import Artifact, field

_WORDS = 3  # of an entry: the address of ``void entry(ptr slots, ptr workspace)``, and its arguments

_TEXT = """
declare i32 @clock_gettime(i32, ptr) nounwind

define void @espalier_run_sequence(ptr %table, i64 %count) nounwind {{
entry:
  %some = icmp sgt i64 %count, 0
  br i1 %some, label %loop, label %done
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]
  %word = mul i64 %i, {words}
  %p.function = getelementptr inbounds ptr, ptr %table, i64 %word
  %p.slots = getelementptr inbounds ptr, ptr %p.function, i64 1
  %p.workspace = getelementptr inbounds ptr, ptr %p.function, i64 2
  %function = load ptr, ptr %p.function, align 8
  %slots = load ptr, ptr %p.slots, align 8
  %workspace = load ptr, ptr %p.workspace, align 8
  call void %function(ptr %slots, ptr %workspace)
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %count
  br i1 %more, label %loop, label %done
done:
  ret void
}}

define internal i64 @now() nounwind {{
  %time = alloca [2 x i64], align 8
  %status = call i32 @clock_gettime(i32 {clock}, ptr %time)
  %seconds = load i64, ptr %time, align 8
  %p.rest = getelementptr inbounds i64, ptr %time, i64 1
  %rest = load i64, ptr %p.rest, align 8
  %whole = mul i64 %seconds, 1000000000
  %result = add i64 %whole, %rest
  ret i64 %result
}}

; the time before each function, and after the last one
define void @espalier_time_sequence(ptr %table, i64 %count, ptr %times) nounwind {{
entry:
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]
  %time = call i64 @now()
  %p.time = getelementptr inbounds i64, ptr %times, i64 %i
  store i64 %time, ptr %p.time, align 8
  %more = icmp slt i64 %i, %count
  br i1 %more, label %loop, label %done
loop:
  %word = mul i64 %i, {words}
  %entry.of = getelementptr inbounds ptr, ptr %table, i64 %word
  call void @espalier_run_sequence(ptr %entry.of, i64 1)
  %i.next = add i64 %i, 1
  br label %test
done:
  ret void
}}
"""

_SYMBOLS = ("espalier_run_sequence", "espalier_time_sequence")


@lru_cache(maxsize=1)
def _library() -> Library:
    return load_text(_TEXT.format(clock=time.CLOCK_MONOTONIC, words=_WORDS), _SYMBOLS)


@lru_cache(maxsize=1)
def _functions() -> tuple[Callable[..., None], Callable[..., None]]:
    """Both functions; they run without the interpreter's lock."""
    run, timed = (_library().addresses[symbol] for symbol in _SYMBOLS)
    run_kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
    time_kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
    return run_kind(run), time_kind(timed)


class Sequence:
    """Compiled functions, linked into this process, and a list of calls of them with fixed arguments.

    Parameters
    ----------
    artifacts : sequence of Artifact
        Functions of the LLVM back end that call no C functions of a user.
    calls : sequence of (int, sequence of int, int)
        For each call the position of its function, the addresses of its arrays, and that of its scratch
        memory. The memory must outlive this object.

    Raises
    ------
    ValueError
        If the code cannot be linked.
    """

    def __init__(self, artifacts: Items[Artifact], calls: Items[tuple[int, Items[int], int]]) -> None:
        self._libraries = [_linked(artifact) for artifact in artifacts]
        entries = [next(iter(library.addresses.values())) for library in self._libraries]
        words = np.array([slot for _, slots, _ in calls for slot in slots] or [0], np.int64)
        self.slots = words.data
        """The addresses of the arrays of all calls, one call's after another's; they may be changed."""
        self._table = np.zeros((max(len(calls), 1), _WORDS), np.int64)
        at = words.ctypes.data
        for number, (function, slots, workspace) in enumerate(calls):
            self._table[number] = entries[function], at, workspace
            at += 8 * len(slots)
        self._address = self._table.ctypes.data
        self._run, self._timed = _functions()

    def run(self, begin: int, end: int) -> None:
        """Make the calls from `begin` to before `end`."""
        self._run(self._address + 8 * _WORDS * begin, end - begin)

    def timed(self, begin: int, end: int) -> list[int]:
        """The same; the time of the monotonic clock in ns before each call, and after the last one."""
        times = np.empty(end - begin + 1, np.int64)
        self._timed(self._address + 8 * _WORDS * begin, end - begin, times.ctypes.data)
        return times.tolist()


def _linked(artifact: Artifact) -> Library:
    imports = {LAUNCH: launch_address()} if field(artifact.details, "is_parallel", bool) else {}
    return load_object(artifact.code, (field(artifact.details, "entry", str),), imports)
