"""Barriers between the threads of a block."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

from compiler.errors import ScheduleError
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.text import parse_function
from compiler.passes.thread_sync import thread_sync

HEAD = """
def main(A: float32[16], C: float32[16]):
    s = allocate(float32[4], "shared")
    for t in bind(4, "threadIdx.x"):
"""

# name -> (the body of the loop over threads before, and after, or None where no barrier is required)
GOLDEN = {
    "written, then read": (
        """
        s[t] = A[t]
        C[t] = s[3 - t]
        """,
        """
        s[t] = A[t]
        barrier("shared")
        C[t] = s[3 - t]
        """,
    ),
    "from one iteration to the next": (
        """
        for k in range(4):
            s[t] = A[k * 4 + t]
            C[k * 4 + t] = s[3 - t]
        """,
        """
        for k in range(4):
            barrier("shared")
            s[t] = A[k * 4 + t]
            barrier("shared")
            C[k * 4 + t] = s[3 - t]
        """,
    ),
    "before a loop, not in it": (
        """
        for i in range(4):
            s[i] = A[i]
        for i in range(4):
            C[t * 4 + i] = s[i]
        """,
        """
        for i in range(4):
            s[i] = A[i]
        barrier("shared")
        for i in range(4):
            C[t * 4 + i] = s[i]
        """,
    ),
    "before a branch that some threads take": (
        """
        if t < 2:
            s[t] = A[t]
            s[t + 2] = A[t]
        if t < 3:
            C[t] = s[t]
        """,
        """
        if t < 2:
            s[t] = A[t]
            s[t + 2] = A[t]
        barrier("shared")
        if t < 3:
            C[t] = s[t]
        """,
    ),
    "in a branch that all threads take": (
        """
        s[t] = A[t]
        for k in range(2):
            if k < 1:
                C[t] = s[k]
            else:
                C[t + 4] = A[t]
        """,
        """
        s[t] = A[t]
        barrier("shared")
        for k in range(2):
            if k < 1:
                C[t] = s[k]
            else:
                C[t + 4] = A[t]
        """,
    ),
    "a let of a load": (
        """
        s[t] = A[t]
        x = s[0] * 2.0
        C[t] = x
        """,
        """
        s[t] = A[t]
        barrier("shared")
        x = s[0] * 2.0
        C[t] = x
        """,
    ),
    "an existing barrier": (
        """
        s[t] = A[t]
        barrier("shared")
        C[t] = s[3 - t]
        """,
        None,
    ),
    "an element that its thread updates": (
        """
        s[t] = 0.0
        for k in range(4):
            s[t] = s[t] + A[k * 4 + t]
        """,
        None,
    ),
    "memory of each thread": (
        """
        r = allocate(float32[4], "shared")
        r[t] = A[t]
        C[t] = r[t]
        """,
        None,
    ),
}

REFUSED = {
    "in a branch": "if t < 2:\n    s[t] = A[t]\n    C[t] = s[1 - t]",
    "in a loop": "for k in range(t):\n    s[t] = A[t]\n    C[t] = s[3 - t]",
    "after a value that depends on the thread": (
        'r = allocate(float32[1], "local")\nr[0] = A[t]\nif r[0] < 2.0:\n    s[t] = A[t]\n    C[t] = s[3 - t]'
    ),
    "after a let": "x = t * 2\nif x < 2:\n    s[t] = A[t]\n    C[t] = s[3 - t]",
}


def program(body: str) -> str:
    lines = dedent(body).strip().splitlines()
    return HEAD.lstrip() + "\n".join("        " + line for line in lines)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    before, after = GOLDEN[name]
    func = parse_function(program(before))
    result = thread_sync(func)
    verify(result)
    assert str(result) == program(before if after is None else after)
    assert thread_sync(result) is result
    if after is None:
        assert result is func


def test_results_with_barriers_are_those_of_a_serial_program() -> None:
    a, c = np.arange(16, dtype="float32"), np.zeros(16, "float32")
    func = thread_sync(parse_function(program(GOLDEN["from one iteration to the next"][0])))
    interpret(func, a, c)
    np.testing.assert_array_equal(c.reshape(4, 4), a.reshape(4, 4)[:, ::-1])


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(ScheduleError, match="s: the threads of a block exchange it under a condition"):
        thread_sync(parse_function(program(REFUSED[name])))


def test_two_axes_of_threads_in_blocks(becomes) -> None:
    becomes(
        thread_sync,
        """
        def main(A: float32[16], C: float32[16]):
            for b in bind(4, "blockIdx.x"):
                s = allocate(float32[4], "shared")
                for y in bind(2, "threadIdx.y"):
                    for x in bind(2, "threadIdx.x"):
                        s[y * 2 + x] = A[b * 4 + y * 2 + x]
                        C[b * 4 + y * 2 + x] = s[x * 2 + y]
        """,
        """
        def main(A: float32[16], C: float32[16]):
            for b in bind(4, "blockIdx.x"):
                s = allocate(float32[4], "shared")
                for y in bind(2, "threadIdx.y"):
                    for x in bind(2, "threadIdx.x"):
                        s[y * 2 + x] = A[b * 4 + y * 2 + x]
                        barrier("shared")
                        C[b * 4 + y * 2 + x] = s[x * 2 + y]
        """,
        meaning=False,  # without the barrier, a thread reads what another one has not written yet
    )


def test_no_threads_gives_the_same_object() -> None:
    func = parse_function("def main(C: float32[4]):\n    for i in range(4):\n        C[i] = 1.0")
    assert thread_sync(func) is func
