"""Double buffering: the two halves of a buffer are used alternately."""

from __future__ import annotations

from textwrap import dedent

import pytest

from compiler.errors import ScheduleError
from compiler.ir.text import parse_function
from compiler.passes.inject_double_buffer import inject_double_buffer

# name -> (before, after)
GOLDEN = {
    "in the body of the loop": (
        """
        def main(A: float32[32], C: float32[32]):
            for k in range(8):
                r = allocate(float32[4], "local")
                t = allocate(float32[4], "shared", pragmas={"double_buffer": True})
                for i in range(4):
                    t[i] = A[k * 4 + i]
                for i in range(4):
                    r[i] = t[3 - i] * 2.0
                for i in range(4):
                    C[k * 4 + i] = r[i]
        """,
        """
        def main(A: float32[32], C: float32[32]):
            t = allocate(float32[8], "shared")
            for i in range(4):
                t[i] = A[i]
            for k in range(8):
                r = allocate(float32[4], "local")
                if k + 1 < 8:
                    for i in range(4):
                        t[i + (k + 1) % 2 * 4] = A[(k + 1) * 4 + i]
                for i in range(4):
                    r[i] = t[3 - i + k % 2 * 4] * 2.0
                for i in range(4):
                    C[k * 4 + i] = r[i]
        """,
    ),
    "two buffers, outside of the threads": (
        """
        def main(A: float32[32], C: float32[32]):
            t = allocate(float32[4], "shared", pragmas={"double_buffer": True})
            u = allocate(float32[2, 2], "shared", pragmas={"double_buffer": True, "bank": 1})
            for x in parallel(2):
                for k in range(4):
                    for i in range(4):
                        t[i] = A[x * 16 + k * 4 + i]
                    for i in range(2):
                        u[i, 1] = A[x * 16 + k * 4 + i]
                    for i in range(4):
                        C[x * 16 + k * 4 + i] = t[3 - i] + u[i // 2, 1]
        """,
        """
        def main(A: float32[32], C: float32[32]):
            t = allocate(float32[8], "shared")
            u = allocate(float32[8], "shared", pragmas={"bank": 1})
            for x in parallel(2):
                for i in range(4):
                    t[i] = A[x * 16 + i]
                for i in range(2):
                    u[i * 2 + 1] = A[x * 16 + i]
                for k in range(4):
                    if k + 1 < 4:
                        for i in range(4):
                            t[i + (k + 1) % 2 * 4] = A[x * 16 + (k + 1) * 4 + i]
                        for i in range(2):
                            u[i * 2 + 1 + (k + 1) % 2 * 4] = A[x * 16 + (k + 1) * 4 + i]
                    for i in range(4):
                        C[x * 16 + k * 4 + i] = t[3 - i + k % 2 * 4] + u[i // 2 * 2 + 1 + k % 2 * 4]
        """,
    ),
}

SKELETON = """
def main(A: float32[32], C: float32[32]):
    for k in {0}(8):
        s = allocate(float32[4], "local")
        for i in range(4):
            s[i] = C[k * 4 + i]
        t = allocate(float32[4], "local", pragmas={{"double_buffer": True}})
        {1}
        for i in range(4):
            t[i] = {2}
        for i in range(4):
            C[k * 4 + i] = t[3 - i] + s[i]
"""

REFUSED = {
    "a parallel loop": (
        SKELETON.format("parallel", "pass", "A[k * 4 + i]"),
        "t: double_buffer needs a serial loop",
    ),
    "a fill that reads a buffer of the same iteration": (
        SKELETON.format("range", "pass", "s[i]"),
        "t: double_buffer fills it for the next iteration, but that needs s of the same iteration",
    ),
    "a fill that reads what the previous iteration stores": (
        SKELETON.format("range", "pass", "C[i]"),
        "t: double_buffer fills it for the next iteration, but that needs C of the same iteration",
    ),
    "no loop": (
        """
        def main(A: float32[4], C: float32[4]):
            t = allocate(float32[4], "local", pragmas={"double_buffer": True})
            t[0] = A[0]
            C[0] = t[0]
        """,
        "t: double_buffer needs a serial loop around",
    ),
    "a use outside of the loop": (
        """
        def main(A: float32[8], C: float32[4]):
            t = allocate(float32[4], "local", pragmas={"double_buffer": True})
            for k in range(2):
                for i in range(4):
                    t[i] = A[k * 4 + i]
                for i in range(4):
                    C[i] = t[i]
            C[0] = t[0]
        """,
        "t: double_buffer of a buffer that is used outside of the loop",
    ),
    "a buffer that is filled again": (
        """
        def main(A: float32[8], C: float32[8]):
            for k in range(2):
                t = allocate(float32[4], "local", pragmas={"double_buffer": True})
                for i in range(4):
                    t[i] = A[k * 4 + i]
                for i in range(4):
                    C[k * 4 + i] = t[i]
                for i in range(4):
                    t[i] = A[i]
        """,
        "t: double_buffer of a buffer that is filled again after it was read",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes) -> None:
    becomes(inject_double_buffer, *GOLDEN[name])


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, message = REFUSED[name]
    with pytest.raises(ScheduleError, match=message):
        inject_double_buffer(parse_function(dedent(text)))


def test_a_loop_of_dynamic_extent(same_result) -> None:
    func = parse_function(
        """
        def main(n: size(0, 4), A: float32[n, 4], C: float32[n, 4]):
            for k in range(n):
                t = allocate(float32[4], "local", pragmas={"double_buffer": True})
                for i in range(4):
                    t[i] = A[k * 4 + i]
                for i in range(4):
                    C[k * 4 + i] = t[i]
        """
    )
    after = inject_double_buffer(func)
    assert "if 0 < n:" in str(after)
    same_result(func, after)
