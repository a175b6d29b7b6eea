# ruff: noqa: E501  (a line of a program may be longer than one of ours)
"""Dead-code elimination: statements without effect are removed."""

from __future__ import annotations

import pytest

from compiler.ir.text import parse_function
from compiler.passes.remove_no_op import remove_no_op

# name -> (before, after)
GOLDEN = {
    "a buffer that is never read, and one that only fills it": (
        't = allocate(float32[8], "local")\nu = allocate(float32[8], "local")\nfor i in range(8):\n    t[i] = A[i]\n'
        "for i in range(8):\n    u[i] = t[i]\n    C[i] = A[i]",
        "for i in range(8):\n    C[i] = A[i]",
    ),
    "a store of an element to itself": (
        "for i in range(8):\n    C[i] = C[i]\nC[0] = 1.0",
        "C[0] = 1.0",
    ),
    "empty arms": (
        "for i in range(8):\n    if i < 3:\n        C[i] = C[i]\n    else:\n        C[i] = A[i]\n    if i < 5:\n"
        "        C[i] = A[i]\n    else:\n        C[0] = C[0]\n    if i < 2:\n        C[0] = C[0]\n"
        "    else:\n        C[1] = C[1]",
        "for i in range(8):\n    if not i < 3:\n        C[i] = A[i]\n    if i < 5:\n        C[i] = A[i]",
    ),
    "a loop that does not run": ("for i in range(0):\n    C[i] = A[i]\nC[1] = 2.0", "C[1] = 2.0"),
    "a let that is not used": ("x = A[0]\nC[0] = 1.0", "C[0] = 1.0"),
    "everything": ("for i in range(8):\n    for j in range(2):\n        C[i] = C[i]", "pass"),
}

KEPT = {
    "another element": "for i in range(8):\n    C[i] = C[7 - i]",
    "a buffer that a copy reads": (
        't = allocate(float32[8], "local")\nt[0] = 1.0\n'
        "copy(region(C, 0, (8,), (1,)), region(t, 0, (8,), (1,)), before=(0,), after=(0,), fill=0.0)"
    ),
    "a let that is used": "x = A[0]\nC[0] = x",
    "a barrier": 'for i in bind(4, "threadIdx.x"):\n    barrier("shared")',
}


def program(body: str) -> str:
    lines = "\n".join("    " + line for line in body.splitlines())
    return f"def main(A: float32[8], C: float32[8]):\n{lines}"


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes) -> None:
    becomes(remove_no_op, *map(program, GOLDEN[name]))


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    func = parse_function(program(KEPT[name]))
    assert remove_no_op(func) is func
