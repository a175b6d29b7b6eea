# ruff: noqa: E501  (a line of a program may be longer than one of ours)
"""Copy injection: loop nests that copy memory become strided copies."""

from __future__ import annotations

from textwrap import dedent

import pytest

from compiler.errors import ScheduleError
from compiler.ir.text import parse_function
from compiler.passes.inject_copy import inject_copy

HEAD = "def main(A: float32[64], B: float32[1], C: float32[64]):\n"
MARK = 'pragmas={"dma_copy": True}'

# name -> (before, after)
GOLDEN = {
    "margins on both axes": (
        f"""
        for i in range(6, {MARK}):
            for j in range(8):
                C[i * 8 + j] = if_then_else(i >= 1 and i < 4 and j >= 2 and j < 7, A[i * 10 + j - 12], 7.0)
        """,
        """
        copy(region(C, 0, (6, 8), (8, 1)), region(A, 0, (3, 5), (10, 1)), before=(1, 2), after=(2, 1), fill=7.0)
        """,
    ),
    "a tile, inside of other loops": (
        f"""
        for k in range(2):
            for i in range(4, {MARK}):
                for j in range(4):
                    C[k * 16 + i * 4 + j] = A[i * 16 + k * 4 + j]
        """,
        """
        for k in range(2):
            copy(region(C, k * 16, (4, 4), (4, 1)), region(A, k * 4, (4, 4), (16, 1)), before=(0, 0), after=(0, 0), fill=0.0)
        """,
    ),
    "contiguous loops are fused": (
        f"""
        for i in range(4, {MARK}):
            for j in range(2):
                for k in range(3):
                    C[i * 6 + j * 3 + k] = A[i * 8 + j * 3 + k + 5]
        """,
        """
        copy(region(C, 0, (4, 6), (6, 1)), region(A, 5, (4, 6), (8, 1)), before=(0, 0), after=(0, 0), fill=0.0)
        """,
    ),
    "a transposition": (
        f"""
        for i in range(3, {MARK}):
            for j in range(4):
                C[j * 3 + i] = A[i * 4 + j]
        """,
        """
        copy(region(C, 0, (3, 4), (1, 3)), region(A, 0, (3, 4), (4, 1)), before=(0, 0), after=(0, 0), fill=0.0)
        """,
    ),
    "bounds of other forms, and a fill that is read": (
        f"""
        for i in range(8, {MARK}):
            C[i] = if_then_else(2 < i and i * 2 <= 10 and 7 - i > 0, A[i], B[0])
        """,
        """
        copy(region(C, 0, (8,), (1,)), region(A, 3, (3,), (1,)), before=(3,), after=(2,), fill=B[0])
        """,
    ),
    "nothing inside of the bounds": (
        f"""
        for i in range(8, {MARK}):
            C[i] = if_then_else(i < 0, A[i], 1.0)
        """,
        """
        copy(region(C, 0, (8,), (1,)), region(A, 0, (0,), (1,)), before=(0,), after=(8,), fill=1.0)
        """,
    ),
    "other pragmas of the loop": (
        """
        for i in range(8, pragmas={"dma_copy": True, "pipeline_stage": "load"}):
            C[i] = A[i]
        """,
        """
        for i in range(1, pragmas={"pipeline_stage": "load"}):
            copy(region(C, 0, (8,), (1,)), region(A, 0, (8,), (1,)), before=(0,), after=(0,), fill=0.0)
        """,
    ),
}

REFUSED = {
    "a value that is computed": ("C[i] = A[i] + 1.0", "the stored value is neither an element of a buffer"),
    "a condition": ("if i < 3:\n    C[i] = A[i]", "in its loops is a condition"),
    "two stores": ("C[i] = A[i]\nC[i + 8] = A[i]", "in its loops is no store"),
    "an index that is not linear": ("C[i] = A[i // 2]", "an index is not linear in the loops"),
    "a bound that varies": (
        "C[i] = if_then_else(i < k, A[i], 0.0)",
        "a condition does not bound one loop by fixed numbers",
    ),
    "a condition on two loops": (
        "for j in range(2):\n    C[i * 2 + j] = if_then_else(i + j < 3, A[i], 0.0)",
        "a condition does not bound one loop",
    ),
    "a condition of another kind": (
        "C[i] = if_then_else(i % 2 < 1, A[i], 0.0)",
        "a condition does not bound one loop",
    ),
    "a fill that varies": (
        "C[i] = if_then_else(i < 3, A[i], A[i + 8])",
        "nor an if_then_else of an element and a",
    ),
    "an extent that varies": (
        "for j in range(k):\n    C[i + j] = A[i]",
        "the loop 'j' is serial, or its extent",
    ),
    "a parallel loop": ("for j in parallel(2):\n    C[i + j] = A[i]", "the loop 'j' is parallel"),
}


def program(body: str) -> str:
    return HEAD + "\n".join("    " + line for line in dedent(body).strip().splitlines())


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes) -> None:
    before, after = GOLDEN[name]
    becomes(inject_copy, program(before), program(after))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    body, message = REFUSED[name]
    inside = "\n".join("        " + line for line in body.splitlines())
    nest = f"for k in range(3):\n    for i in range(4, {MARK}):\n{inside}"
    with pytest.raises(ScheduleError, match=rf"dma_copy of `for i in range\(4.*{message}"):
        inject_copy(parse_function(program(nest)))


def test_no_pragma_gives_the_same_object() -> None:
    func = parse_function(program("for i in range(4):\n    C[i] = A[i]"))
    assert inject_copy(func) is func
