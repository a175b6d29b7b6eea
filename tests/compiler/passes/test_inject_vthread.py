"""Virtual threads: interleaving, parts of buffers, and statements that are executed once."""

from __future__ import annotations

import pytest

from compiler.ir.text import parse_function
from compiler.passes.inject_vthread import UNROLL_LIMIT, inject_vthread

# name -> (before, after)
GOLDEN = {
    "a buffer for each virtual thread, and one for all": (
        """
        def main(A: float32[8], C: float32[2]):
            for v in vthread(2):
                t = allocate(float32[4], "local")
                s = allocate(float32[4], "local")
                for k in range(4):
                    s[k] = A[k]
                for k in range(4):
                    t[k] = A[v * 4 + k] + s[k]
                C[v] = t[v]
        """,
        """
        def main(A: float32[8], C: float32[2]):
            t = allocate(float32[8], "local")
            s = allocate(float32[4], "local")
            for k in range(4):
                s[k] = A[k]
            for k in range(4):
                t[k] = A[k] + s[k]
                t[k + 4] = A[4 + k] + s[k]
            C[0] = t[0]
            C[1] = t[5]
        """,
    ),
    "two loops of virtual threads": (
        """
        def main(A: float32[4], C: float32[4]):
            for v in vthread(2):
                for w in vthread(2):
                    t = allocate(float32[1], "local")
                    t[0] = A[v * 2 + w]
                    for k in range(3):
                        t[0] = t[0] * 2.0
                    C[v * 2 + w] = t[0]
        """,
        """
        def main(A: float32[4], C: float32[4]):
            t = allocate(float32[4], "local")
            t[0] = A[0]
            t[2] = A[2]
            t[1] = A[1]
            t[3] = A[3]
            for k in range(3):
                t[0] = t[0] * 2.0
                t[2] = t[2] * 2.0
                t[1] = t[1] * 2.0
                t[3] = t[3] * 2.0
            C[0] = t[0]
            C[2] = t[2]
            C[1] = t[1]
            C[3] = t[3]
        """,
    ),
    "loops, branches and names that differ": (
        """
        def main(A: float32[8], C: float32[2]):
            for v in vthread(2):
                for k in range(v + 1):
                    C[v] = C[v] + A[k]
                if v < 1:
                    C[v] = C[v] * 2.0
                x = A[v]
                C[v] = C[v] + x
                y = A[3]
                C[v] = C[v] + y
        """,
        """
        def main(A: float32[8], C: float32[2]):
            for k in range(1):
                C[0] = C[0] + A[k]
            for k in range(2):
                C[1] = C[1] + A[k]
            if True:
                C[0] = C[0] * 2.0
            if False:
                C[1] = C[1] * 2.0
            with let(A[0]) as x:
                C[0] = C[0] + x
                y = A[3]
                C[0] = C[0] + y
            x = A[1]
            C[1] = C[1] + x
            y = A[3]
            C[1] = C[1] + y
        """,
    ),
    "barriers for all, and vectors": (
        """
        def main(A: float32[8], C: float32[8]):
            s = allocate(float32[4], "shared")
            for v in vthread(2):
                for t in bind(4, "threadIdx.x"):
                    r = allocate(float32[4], "local")
                    s[t] = A[t]
                    barrier("shared")
                    r[ramp(0, 1, 4)] = A[ramp(v * 4, 1, 4)]
                    C[v * 4 + t] = s[3 - t] + r[t]
                    barrier("shared")
        """,
        """
        def main(A: float32[8], C: float32[8]):
            s = allocate(float32[4], "shared")
            for t in bind(4, "threadIdx.x"):
                r = allocate(float32[8], "local")
                s[t] = A[t]
                barrier("shared")
                r[ramp(0, 1, 4)] = A[ramp(0, 1, 4)]
                r[ramp(4, 1, 4)] = A[ramp(4, 1, 4)]
                C[t] = s[3 - t] + r[t]
                C[4 + t] = s[3 - t] + r[t + 4]
                barrier("shared")
        """,
    ),
    "a virtual thread that updates an element of another one": (
        """
        def main(A: float32[8], C: float32[1]):
            for v in vthread(3):
                C[0] = 0.0
                for k in range(4):
                    C[0] = C[0] + A[k]
        """,
        """
        def main(A: float32[8], C: float32[1]):
            for v in range(3):
                C[0] = 0.0
                for k in range(4):
                    C[0] = C[0] + A[k]
        """,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes) -> None:
    becomes(inject_vthread, *GOLDEN[name])


def test_many_of_them_stay_a_loop(becomes) -> None:
    count = UNROLL_LIMIT + 1
    becomes(
        inject_vthread,
        f"""
        def main(A: float32[{count}], C: float32[{count}]):
            for v in vthread({count}):
                t = allocate(float32[1], "local")
                t[0] = A[v]
                C[v] = t[0]
        """,
        f"""
        def main(A: float32[{count}], C: float32[{count}]):
            t = allocate(float32[{count}], "local")
            for v in range({count}):
                t[v] = A[v]
            for v in range({count}):
                C[v] = t[v]
        """,
    )


def test_nothing_to_do_gives_the_same_object() -> None:
    func = parse_function("def main(C: float32[4]):\n    for i in range(4):\n        C[i] = 1.0")
    assert inject_vthread(func) is func
