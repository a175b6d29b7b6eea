"""Timing of compiled code without the interpreter in the loop."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import lru_cache

from compiler.backend.llvm.host.loader import Library, load_text

_TEXT = """
declare i32 @clock_gettime(i32, ptr) nounwind

define i64 @espalier_time_calls(ptr %function, ptr %args, ptr %workspace, i64 %number) nounwind {{
entry:
  %start = alloca [2 x i64], align 8
  %end = alloca [2 x i64], align 8
  %started = call i32 @clock_gettime(i32 {clock}, ptr %start)
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]
  call void %function(ptr %args, ptr %workspace)
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %number
  br i1 %more, label %loop, label %done
done:
  %ended = call i32 @clock_gettime(i32 {clock}, ptr %end)
  %start.fraction = getelementptr inbounds i64, ptr %start, i64 1
  %end.fraction = getelementptr inbounds i64, ptr %end, i64 1
  %s0 = load i64, ptr %start, align 8
  %s1 = load i64, ptr %end, align 8
  %n0 = load i64, ptr %start.fraction, align 8
  %n1 = load i64, ptr %end.fraction, align 8
  %seconds = sub i64 %s1, %s0
  %whole = mul i64 %seconds, 1000000000
  %fraction = sub i64 %n1, %n0
  %result = add i64 %whole, %fraction
  ret i64 %result
}}
"""


@lru_cache(maxsize=1)
def _library() -> Library:
    return load_text(_TEXT.format(clock=time.CLOCK_MONOTONIC), ("espalier_time_calls",))


def timer() -> Callable[[int, object, object, int], int]:
    """``(entry's address, args, workspace, number) -> nanoseconds`` of that many calls.

    The interpreter's lock is released meanwhile.
    """
    library = _library()
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    return kind(library.addresses["espalier_time_calls"])
