"""Threads, copies, intrinsics, tokens and prefetches in the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.text import parse_function


def run(text, *arrays):
    func = parse_function(text)
    verify(func)
    interpret(func, *arrays)
    return arrays[-1]


def same(actual, expected):
    """Equal bits, where any NaN equals any other."""
    expected = np.asarray(expected, actual.dtype)
    np.testing.assert_array_equal(actual, expected)
    if actual.dtype.kind == "f":
        zero = actual == 0
        np.testing.assert_array_equal(np.signbit(actual[zero]), np.signbit(expected[zero]))


def test_threads_exchange_values_at_barriers():
    # each thread passes its value to its neighbour, twice; without barriers some would read an old value
    text = """
    def f(out: int32[4]):
        box = allocate(int32[4], "shared")
        for t in bind(4, "threadIdx.x"):
            own = allocate(int32[1], "local")
            own[0] = t * 10
            for step in range(2):
                box[t] = own[0] + step
                barrier("shared")
                x = box[(t + 1) % 4]
                barrier("shared")
                own[0] = x
            out[t] = own[0]
    """
    same(run(text, np.zeros(4, "int32")), [21, 31, 1, 11])


def test_nested_loops_over_threads_are_one_block():
    text = """
    def f(out: int32[2, 3]):
        for b in bind(1, "blockIdx.x"):
            box = allocate(int32[2, 3], "shared")
            for ty in bind(2, "threadIdx.y"):
                for tx in bind(3, "threadIdx.x"):
                    box[ty, tx] = ty * 3 + tx
                    if b == 0:
                        barrier("shared")
                    out[ty, tx] = box[1 - ty, 2 - tx]
    """
    same(run(text, np.zeros((2, 3), "int32")), [[5, 4, 3], [2, 1, 0]])


def test_loops_over_threads_without_a_barrier_run_in_order():
    text = "def f(out: int32[1]):\n    for i in bind(5, 'threadIdx.x'):\n        out[0] = out[0] * 10 + i"
    same(run(text, np.zeros(1, "int32")), [1234])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "if t < 2:\n            barrier('shared')",
            r"the 3 threads of t \(threadIdx.x\) do not meet at one barrier: 2",
        ),
        (
            "if t < 2:\n            barrier('shared')\n        else:\n            barrier('shared')",
            r"3 wait at a barrier, and 0 have ended",
        ),
        ("for i in range(t):\n            barrier('shared')", r"2 wait at a barrier, and 1 have ended"),
    ],
)
def test_threads_that_do_not_reach_the_same_barrier(body, message):
    text = f"def f(A: int32[1]):\n    for t in bind(3, 'threadIdx.x'):\n        {body}"
    with pytest.raises(ValueError, match=message):
        run(text, np.zeros(1, "int32"))


def test_a_barrier_is_for_threads():
    with pytest.raises(
        ValueError, match=r'barrier\("shared"\) is outside of the loops that are bound to threadIdx'
    ):
        interpret(parse_function("def f(A: int32[1]):\n    barrier('shared')"), np.zeros(1, "int32"))


def test_a_copy_moves_a_rectangle_and_fills_its_margins():
    text = """
    def f(A: int32[3, 4], out: int32[4, 5]):
        copy(
            region(out, 0, (3, 4), (5, 1)),
            region(A, 1, (2, 2), (4, 2)),
            before=(1, 0), after=(0, 2), fill=7,
        )
    """
    a = np.arange(12, dtype="int32").reshape(3, 4)
    expected = [[7, 7, 7, 7, -1], [1, 3, 7, 7, -1], [5, 7, 7, 7, -1], [-1] * 5]
    same(run(text, a, np.full((4, 5), -1, "int32")), expected)


def test_a_copy_reads_before_it_writes():
    text = """
    def f(A: int32[5]):
        for i in range(1):
            copy(region(A, i + 1, (4,), (1,)), region(A, 0, (4,), (1,)), before=(i,), after=(0,), fill=0)
    """
    same(run(text, np.arange(5, dtype="int32")), [0, 0, 1, 2, 3])


@pytest.mark.parametrize(
    ("copy", "error", "message"),
    [
        (
            "region(A, 0, (3,), (1,)), region(A, 0, (2,), (1,)), before=(i,), after=(0,)",
            ValueError,
            r"a copy to A of \(3,\) elements from \(2,\) has margins \[\(0, 0\)\]",
        ),
        (
            "region(A, 0, (3,), (1,)), region(A, 0, (4,), (1,)), before=(i - 1,), after=(0,)",
            ValueError,
            r"has margins \[\(-1, 0\)\] \(before and after\)",
        ),
        (
            "region(A, i + 1, (2, 2), (2, 1)), region(A, 0, (2, 2), (2, 1)), before=(0, 0), after=(0, 0)",
            IndexError,
            r"A\[4\] is out of bounds: the shape of A is \(4,\)",
        ),
        (
            "region(A, 0, (2,), (1,)), region(A, 0, (2,), (i - 1,)), before=(0,), after=(0,)",
            IndexError,
            r"A\[-1\] is out of bounds",
        ),
    ],
)
def test_invalid_copies_are_refused(copy, error, message):
    text = f"def f(A: int32[4]):\n    for i in range(1):\n        copy({copy}, fill=0)"
    with pytest.raises(error, match=message):
        run(text, np.zeros(4, "int32"))


def test_an_intrinsic_equals_its_description():
    text = """
    @intrinsic
    def add(x: int32[2], y: int32[2]):
        for i in range(2):
            y[i] = y[i] + x[i]
    @intrinsic
    def multiply(x: int32[2, 2], y: int32[2]):
        t = allocate(int32[2], "local")
        for i in range(2):
            t[0] = x[i, 0]
            t[1] = x[i, 1]
            add(region(t, 0, (2,), (1,)), region(y, 0, (2,), (1,)))
    def f(A: int32[2, 4], out: int32[5]):
        for j in range(2):
            multiply(region(A, j, (2, 2), (4, 2)), region(out, j + 3, (2,), (-3,)))
    """
    a = np.arange(8, dtype="int32").reshape(2, 4)
    same(run(text, a, np.full(5, 100, "int32")), [108, 110, 100, 104, 106])


def test_an_intrinsic_stays_inside_of_its_buffers():
    text = """
    @intrinsic
    def clear(x: int32[2]):
        x[ramp(0, 1, 2)] = broadcast(0, 2)
    def f(A: int32[3]):
        for i in range(3):
            clear(region(A, i, (2,), (1,)))
    """
    a = np.ones(3, "int32")
    with pytest.raises(IndexError, match=r"A\[3\] is out of bounds: the shape of A is \(3,\)"):
        run(text, a)
    same(a, [0, 0, 0])
    a.flags.writeable = False
    with pytest.raises(ValueError, match=r"the function stores to it, but the array is read-only"):
        run(text, a)


def test_a_pop_requires_a_push():
    text = """
    def f():
        for i in range(2):
            push('load', 'compute')
        for i in range({}):
            pop('load', 'compute')
    """
    interpret(parse_function(text.format(1)))
    interpret(parse_function(text.format(2)))
    with pytest.raises(ValueError, match=r'pop\("load", "compute"\) without a push'):
        interpret(parse_function(text.format(3)))
    with pytest.raises(ValueError, match=r'pop\("load", "store"\) without a push'):
        interpret(parse_function(text.format(1).replace("pop('load', 'compute')", "pop('load', 'store')")))


def test_a_prefetch_only_evaluates_its_index():
    text = "def f(A: int32[4]):\n    for i in range(2):\n        prefetch(A[i * 100 + A[{} * i]])"
    run(text.format(1), np.zeros(4, "int32"))
    with pytest.raises(IndexError, match=r"A\[5\] is out of bounds"):
        run(text.format(5), np.zeros(4, "int32"))
