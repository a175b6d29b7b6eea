"""Compiled functions called one after another, without the interpreter in between."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from compiler.backend.llvm.host.loader import Library, load_text

WORDS = 3
"""Words of an entry of the table: the address of ``void entry(ptr slots, ptr workspace)``, and its arguments."""

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
    return load_text(_TEXT.format(clock=time.CLOCK_MONOTONIC, words=WORDS), _SYMBOLS)


@lru_cache(maxsize=1)
def run_sequence() -> Callable[[int, int], Any]:
    """``(address of the table, number of entries)``: calls them in order, without the interpreter's lock."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
    return kind(_library().addresses[_SYMBOLS[0]])


@lru_cache(maxsize=1)
def time_sequence() -> Callable[[int, int, int], Any]:
    """``(table, number, times)``: the same; ``times`` receives one more int64 than functions, in nanoseconds."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
    return kind(_library().addresses[_SYMBOLS[1]])
