"""Timing of compiled modules."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.backend import build
from compiler.ir.expr import Buffer, Load, Var, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Allocate, For, Seq, Store
from compiler.runtime import Module, Timing
from compiler.runtime.timing import measure

i = Var("i")


@pytest.fixture(scope="module")
def counter() -> Module:
    """A module that counts its calls."""
    count, scratch = Buffer("count", (1,), "int64"), Buffer("s", (100,), "int64")
    zero = const(0)
    body = Seq(
        (
            For(i, const(100), "serial", Store(scratch, (i,), Load(count, (zero,)) + 1)),
            Store(count, (zero,), Load(scratch, (const(99),))),
        )
    )
    return build(PrimFunc("count", (count,), Allocate(scratch, body)))


def test_the_requested_number_of_calls_is_made(counter: Module) -> None:
    calls = np.zeros(1, np.int64)
    timing = counter.time_evaluator(number=7, repeat=5)(calls)
    assert calls[0] == 7 * 5 + 1  # one before, untimed
    assert len(timing.results) == 5
    assert all(0 < seconds < 60 for seconds in timing.results)


def test_a_repeat_lasts_at_least_the_requested_time(counter: Module) -> None:
    calls = np.zeros(1, np.int64)
    timing = counter.time_evaluator(number=1, repeat=2, min_repeat_ms=5)(calls)
    assert timing.min * calls[0] >= 2 * 0.005
    assert calls[0] > 100


def test_the_numbers_of_a_timing() -> None:
    timing = Timing((3.0, 1.0, 2.0, 10.0))
    assert (timing.min, timing.median, timing.mean) == (1.0, 2.5, 4.0)
    assert timing.results == (3.0, 1.0, 2.0, 10.0)


def test_the_number_of_calls_grows_with_what_was_measured() -> None:
    asked: list[int] = []

    def calls(number: int) -> float:
        asked.append(number)
        return number * 1e-3

    timing = measure(calls, number=1, repeat=3, min_repeat_ms=50)
    assert timing.results == pytest.approx((1e-3,) * 3)
    assert asked[0] == 1
    assert asked[1:] == [asked[1]] * 3
    assert 50 <= asked[1] <= 60


def test_a_clock_that_does_not_advance_does_not_end_the_growth() -> None:
    timing = measure(lambda number: 0.0 if number < 1000 else 1.0, number=1, repeat=1, min_repeat_ms=10)
    assert 0 < timing.median <= 1e-3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"number": 0}, "number must be a whole number of at least 1, not 0"),
        ({"number": 1.5}, "number must be a whole number of at least 1, not 1.5"),
        ({"repeat": 0}, "repeat must be a whole number of at least 1, not 0"),
        ({"repeat": True}, "repeat must be a whole number of at least 1, not True"),
        ({"min_repeat_ms": -1}, "min_repeat_ms must be a number of milliseconds, at least 0, not -1"),
        ({"min_repeat_ms": float("nan")}, "min_repeat_ms must be a number of milliseconds"),
        ({"min_repeat_ms": "5"}, "min_repeat_ms must be a number of milliseconds"),
    ],
)
def test_invalid_settings_are_refused(counter: Module, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        counter.time_evaluator(**settings)
