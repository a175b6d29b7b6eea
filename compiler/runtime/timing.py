"""Timing of compiled code without the interpreter in the loop."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from compiler.runtime.loader import Library, load_text

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


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds per call, one number per repeat.

    Attributes
    ----------
    results : tuple of float
        In the order of measuring.
    """

    results: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the results."""
        return statistics.median(self.results)

    @property
    def mean(self) -> float:
        """The arithmetic mean of the results."""
        return statistics.fmean(self.results)

    @property
    def min(self) -> float:
        """The least of the results."""
        return min(self.results)


def measure(time_calls: Callable[[int], float], number: int, repeat: int, min_repeat_ms: float) -> Timing:
    """Repeat a measurement.

    Parameters
    ----------
    time_calls : callable
        Seconds that the given number of calls takes.
    number : int
        Calls per repeat; it grows, and stays grown, until a repeat lasts `min_repeat_ms`.
    repeat : int
        Results to make.
    min_repeat_ms : float
        Least duration of a repeat in milliseconds.
    """
    results = []
    least = min_repeat_ms / 1000
    for _ in range(repeat):
        seconds = time_calls(number)
        while seconds < least:
            # a little beyond what this measurement asks for, and by no more than it can be trusted
            wish = number * least / seconds * 1.1 if seconds > 0 else number * 100
            number = int(min(max(wish, number * 1.6), number * 100)) + 1
            seconds = time_calls(number)
        results.append(seconds / number)
    return Timing(tuple(results))


def check(number: object, repeat: object, min_repeat_ms: object) -> None:
    """Refuse settings that are not numbers of the right size.

    Raises
    ------
    ValueError
        Naming the setting.
    """
    for name, value in (("number", number), ("repeat", repeat)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
    if (
        isinstance(min_repeat_ms, bool)
        or not isinstance(min_repeat_ms, (int, float))
        or not min_repeat_ms >= 0
    ):
        raise ValueError(f"min_repeat_ms must be a number of milliseconds, at least 0, not {min_repeat_ms!r}")


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
