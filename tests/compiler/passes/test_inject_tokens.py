"""Tokens between pipeline stages; `test_accelerators` tests that they are sufficient."""

from __future__ import annotations

from textwrap import dedent

import pytest

from compiler.errors import ScheduleError
from compiler.ir.text import parse_function
from compiler.passes.inject_tokens import inject_tokens

LOAD, COMPUTE, STORE = (f'pragmas={{"pipeline_stage": "{stage}"}}' for stage in ("load", "compute", "store"))

# name -> (before, after)
GOLDEN = {
    "from one iteration to the next": (
        f"""
        def main(A: float32[32], C: float32[32]):
            for k in range(4):
                t = allocate(float32[8], "npu.inp")
                for i in range(8, {LOAD}):
                    t[i] = A[k * 8 + i]
                for i in range(8, {STORE}):
                    C[k * 8 + i] = t[i]
        """,
        f"""
        def main(A: float32[32], C: float32[32]):
            push("store", "load")
            for k in range(4):
                t = allocate(float32[8], "npu.inp")
                pop("store", "load")
                for i in range(8, {LOAD}):
                    t[i] = A[k * 8 + i]
                push("load", "store")
                pop("load", "store")
                for i in range(8, {STORE}):
                    C[k * 8 + i] = t[i]
                push("store", "load")
            pop("store", "load")
        """,
    ),
    "parts that do not overlap": (
        f"""
        def main(A: float32[16], C: float32[16]):
            t = allocate(float32[16], "npu.inp")
            for i in range(8, {LOAD}):
                t[i] = A[i]
            for i in range(8, {LOAD}):
                t[i + 8] = A[i + 8]
            for i in range(8, {STORE}):
                C[i] = t[i]
            for i in range(8, {STORE}):
                C[i + 8] = t[i + 8]
        """,
        f"""
        def main(A: float32[16], C: float32[16]):
            t = allocate(float32[16], "npu.inp")
            for i in range(8, {LOAD}):
                t[i] = A[i]
            push("load", "store")
            for i in range(8, {LOAD}):
                t[i + 8] = A[i + 8]
            push("load", "store")
            pop("load", "store")
            for i in range(8, {STORE}):
                C[i] = t[i]
            pop("load", "store")
            for i in range(8, {STORE}):
                C[i + 8] = t[i + 8]
        """,
    ),
    "one token for two dependencies": (
        f"""
        def main(A: float32[8], C: float32[16]):
            t = allocate(float32[8], "npu.inp")
            u = allocate(float32[8], "npu.inp")
            for i in range(8, {LOAD}):
                t[i] = A[i]
            for i in range(8, {LOAD}):
                u[i] = A[i]
            for i in range(8, {STORE}):
                C[i] = u[i]
            for i in range(8, {STORE}):
                C[i + 8] = t[i]
        """,
        f"""
        def main(A: float32[8], C: float32[16]):
            t = allocate(float32[8], "npu.inp")
            u = allocate(float32[8], "npu.inp")
            for i in range(8, {LOAD}):
                t[i] = A[i]
            for i in range(8, {LOAD}):
                u[i] = A[i]
            push("load", "store")
            pop("load", "store")
            for i in range(8, {STORE}):
                C[i] = u[i]
            for i in range(8, {STORE}):
                C[i + 8] = t[i]
        """,
    ),
    "a loop inside of a loop": (
        f"""
        def main(A: float32[16], C: float32[4]):
            for j in range(4):
                c = allocate(float32[1], "npu.acc")
                for i in range(1, {COMPUTE}):
                    c[0] = 0.0
                for k in range(2):
                    t = allocate(float32[2], "npu.inp")
                    for i in range(2, {LOAD}):
                        t[i] = A[j * 4 + k * 2 + i]
                    for i in range(2, {COMPUTE}):
                        c[0] = c[0] + t[i]
                for i in range(1, {STORE}):
                    C[j] = c[0]
        """,
        f"""
        def main(A: float32[16], C: float32[4]):
            push("compute", "load")
            push("load", "compute")
            push("store", "compute")
            for j in range(4):
                c = allocate(float32[1], "npu.acc")
                pop("load", "compute")
                pop("store", "compute")
                for i in range(1, {COMPUTE}):
                    c[0] = 0.0
                pop("compute", "load")
                push("compute", "load")
                for k in range(2):
                    t = allocate(float32[2], "npu.inp")
                    pop("compute", "load")
                    for i in range(2, {LOAD}):
                        t[i] = A[j * 4 + k * 2 + i]
                    push("load", "compute")
                    pop("load", "compute")
                    for i in range(2, {COMPUTE}):
                        c[0] = c[0] + t[i]
                    push("compute", "load")
                pop("compute", "load")
                push("compute", "load")
                push("compute", "store")
                push("load", "compute")
                pop("compute", "store")
                for i in range(1, {STORE}):
                    C[j] = c[0]
                push("store", "compute")
            pop("compute", "load")
            pop("load", "compute")
            pop("store", "compute")
        """,
    ),
    "dependencies within a stage, and statements of the host": (
        f"""
        def main(A: float32[8], C: float32[8]):
            for i in range(8, {COMPUTE}):
                C[i] = A[i]
            for i in range(8, {COMPUTE}):
                C[i] = C[i] * 2.0
            for i in range(8):
                C[i] = C[i] + 1.0
        """,
        f"""
        def main(A: float32[8], C: float32[8]):
            for i in range(8, {COMPUTE}):
                C[i] = A[i]
            for i in range(8, {COMPUTE}):
                C[i] = C[i] * 2.0
            for i in range(8):
                C[i] = C[i] + 1.0
        """,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes) -> None:
    becomes(inject_tokens, *GOLDEN[name])


def test_a_loop_without_a_stage_is_refused() -> None:
    text = f"""
        def main(A: float32[8], C: float32[8]):
            t = allocate(float32[8], "npu.inp")
            for i in range(8):
                t[i] = A[i]
            for i in range(8, {STORE}):
                C[i] = t[i]
        """
    with pytest.raises(
        ScheduleError, match=r"t is in npu\.inp memory, but the loop that uses it names no stage"
    ):
        inject_tokens(parse_function(dedent(text)))


def test_no_pipeline_gives_the_same_object() -> None:
    func = parse_function("def main(C: float32[4]):\n    for i in range(4):\n        C[i] = 1.0")
    assert inject_tokens(func) is func
