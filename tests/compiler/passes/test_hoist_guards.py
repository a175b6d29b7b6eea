# ruff: noqa: E501  (a line of a program may be longer than one of ours)
"""Guard hoisting: loop-invariant conditions are evaluated outside of the loop."""

from __future__ import annotations

import pytest

from compiler.ir.text import parse_function
from compiler.passes.hoist_guards import hoist_guards

# name -> (before, after)
GOLDEN = {
    "a part of a condition": (
        """
        def main(C: float32[64]):
            for i in range(8):
                for j in range(8):
                    if i < 4 and j < i:
                        C[i * 8 + j] = 1.0
        """,
        """
        def main(C: float32[64]):
            for i in range(8):
                if i < 4:
                    for j in range(8):
                        if j < i:
                            C[i * 8 + j] = 1.0
        """,
    ),
    "through two loops, with an else": (
        """
        def main(n: size(1, 8), C: float32[n, 8]):
            for i in range(n):
                for j in parallel(8):
                    if n < 4:
                        C[i * 8 + j] = 1.0
                    else:
                        C[i * 8 + j] = 2.0
        """,
        """
        def main(n: size(1, 8), C: float32[n, 8]):
            if n < 4:
                for i in range(n):
                    for j in parallel(8):
                        C[i * 8 + j] = 1.0
            else:
                for i in range(n):
                    for j in parallel(8):
                        C[i * 8 + j] = 2.0
        """,
    ),
    "two guards, one inside of the other": (
        """
        def main(C: float32[64]):
            for i in range(8):
                for j in range(8, pragmas={"auto_unroll": 4}):
                    if j > 2:
                        if i < 4:
                            C[i * 8 + j] = 1.0
            for i in range(8):
                for j in range(8):
                    if i < 4:
                        if i > 2:
                            C[i * 8 + j] = 1.0
        """,
        """
        def main(C: float32[64]):
            for i in range(8):
                for j in range(8, pragmas={"auto_unroll": 4}):
                    if j > 2:
                        if i < 4:
                            C[i * 8 + j] = 1.0
            for i in range(8):
                if i < 4:
                    if i > 2:
                        for j in range(8):
                            C[i * 8 + j] = 1.0
        """,
    ),
}

KEPT = {
    "a condition that varies": "for i in range(8):\n    if i < 4:\n        C[i] = 1.0",
    "a condition that loads": "for i in range(8):\n    if C[0] < 4.0:\n        C[i] = 5.0",
    "an else of a condition that varies in part": (
        "for i in range(8):\n    for j in range(8):\n        if i < 4 and j < 3:\n            C[i] = 1.0\n"
        "        else:\n            C[i] = 2.0"
    ),
    "a statement beside the condition": (
        "for i in range(8):\n    for j in range(8):\n        C[j] = 0.0\n        if i < 4:\n            C[i] = 1.0"
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes) -> None:
    becomes(hoist_guards, *GOLDEN[name], meaning="size" not in GOLDEN[name][0])


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    lines = "\n".join("    " + line for line in KEPT[name].splitlines())
    func = parse_function(f"def main(C: float32[64]):\n{lines}")
    assert hoist_guards(func) is func
