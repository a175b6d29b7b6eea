# ruff: noqa: E501  (a line of a program may be longer than one of ours)
"""Loop clipping: a condition around the whole body of a loop becomes its extent."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.text import parse_function
from compiler.passes.clip_loops import HEAVY, clip_loops

# name -> (before, after); U is an unrolled loop that gives the body enough stores
GOLDEN = {
    "a loop further outside": (
        """
        def main(C: float32[2560]):
            for i in range(4):
                for j in range(8):
                    for k in unroll(16):
                        if i * 8 + j < 25:
                            C[i * 128 + j * 16 + k] = 1.0
        """,
        """
        def main(C: float32[2560]):
            for i in range(4):
                for j in range(min(8, 25 - i * 8)):
                    for k in unroll(16):
                        C[i * 128 + j * 16 + k] = 1.0
        """,
    ),
    "a number alone, and a step": (
        """
        def main(C: float32[256]):
            for j in range(8):
                for k in unroll(16):
                    if j * 3 <= 13:
                        C[j * 16 + k] = 1.0
        """,
        """
        def main(C: float32[256]):
            for j in range(5):
                for k in unroll(16):
                    C[j * 16 + k] = 1.0
        """,
    ),
    "one part of a condition, and the other way around": (
        """
        def main(C: float32[256]):
            for j in range(8):
                for k in unroll(16):
                    if 5 > j and j + k > 3:
                        C[j * 16 + k] = 1.0
        """,
        """
        def main(C: float32[256]):
            for j in range(5):
                for k in unroll(16):
                    if j + k > 3:
                        C[j * 16 + k] = 1.0
        """,
    ),
    "a condition around every statement": (
        """
        def main(C: float32[256]):
            for j in range(8):
                t = allocate(float32[16], "local")
                for k in unroll(16):
                    if j < 5:
                        t[k] = 1.0
                for k in range(16):
                    if k < 7 and j < 5:
                        C[j * 16 + k] = t[k]
        """,
        """
        def main(C: float32[256]):
            for j in range(5):
                t = allocate(float32[16], "local")
                for k in unroll(16):
                    t[k] = 1.0
                for k in range(16):
                    if k < 7:
                        C[j * 16 + k] = t[k]
        """,
    ),
}

BODY = "        for k in unroll(16):\n            "
KEPT = {
    "a body with few stores": "for i in range(4):\n    for j in range(8):\n        if i * 8 + j < 25:\n            C[i * 8 + j] = 1.0",
    "one statement does not ask": f"for i in range(4):\n    for j in range(8):\n        C[0] = 1.0\n{BODY}if i * 8 + j < 25:\n                C[k] = 1.0",
    "an else": f"for i in range(4):\n    for j in range(8):\n{BODY}if i * 8 + j < 25:\n                C[k] = 1.0\n            else:\n                C[k] = 2.0",
    "what varies inside": f"for i in range(4):\n    for j in range(8):\n{BODY}if j + k < 25:\n                C[k] = 1.0",
    "what holds from somewhere on": f"for i in range(4):\n    for j in range(8):\n{BODY}if j > i:\n                C[k] = 1.0",
    "what is read": f"for i in range(4):\n    for j in range(8):\n{BODY}if j < D[0]:\n                C[k] = 1.0",
    "an end that 32 bits do not hold": f"for i in range(2):\n    for j in range(8):\n{BODY}if j - i * 2000000000 < 2000000000:\n                C[k] = 1.0",
    "a parallel loop": "for j in parallel(8):\n    for k in unroll(16):\n        if j < 5:\n            C[j * 16 + k] = 1.0",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes) -> None:
    becomes(clip_loops, *GOLDEN[name])


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    lines = "\n".join("    " + line for line in KEPT[name].splitlines())
    func = parse_function(f"def main(C: float32[256], D: int32[1]):\n{lines}")
    assert clip_loops(func) is func


def test_a_dynamic_extent() -> None:
    func = parse_function(
        f"""
        def main(n: size(1, 40), C: float32[n, {HEAVY}]):
            for i in range((n + 7) // 8):
                for j in range(8):
                    for k in unroll({HEAVY}):
                        if i * 8 + j < n:
                            C[i * 8 + j, k] = cast(i * 8 + j, "float32")
        """
    )
    after = clip_loops(func)
    verify(after)
    assert "if" not in str(after)
    for n in (1, 7, 8, 9, 40):
        c = np.zeros((n, HEAVY), "float32")
        interpret(after, c)
        np.testing.assert_array_equal(c, np.repeat(np.arange(n, dtype="float32")[:, None], HEAVY, 1))


def test_a_loop_that_ends_before_it_begins() -> None:
    func = parse_function(
        """
        def main(C: float32[64]):
            for i in range(4):
                for j in range(8):
                    for k in unroll(16):
                        if i * 8 + j < 3:
                            C[j * 16 + k] = C[j * 16 + k] + 1.0
        """
    )
    after = clip_loops(func)
    assert after is not func
    results = []
    for version in (func, after):
        c = np.zeros(64, "float32")
        interpret(version, c)
        results.append(c)
    np.testing.assert_array_equal(*results)
    assert results[0].sum() == 48
