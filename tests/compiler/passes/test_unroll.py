# ruff: noqa: E501  (a line of a program may be longer than one of ours)
"""Unrolling: short loops are replaced by their iterations."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.text import parse_function
from compiler.passes.unroll import SHARE, STATEMENT_LIMIT, unroll

# name -> (before, after)
GOLDEN = {
    "a loop": (
        "for i in unroll(2):\n    C[i * 2 + 1] = A[i]",
        "C[1] = A[0]\nC[3] = A[1]",
    ),
    "two loops, one inside of the other": (
        "for i in unroll(2):\n    for j in unroll(2):\n        C[i * 2 + j] = A[j]",
        "C[0] = A[0]\nC[1] = A[1]\nC[2] = A[0]\nC[3] = A[1]",
    ),
    "a serial loop inside": (
        "for i in unroll(2):\n    for j in range(2):\n        C[i * 2 + j] = A[j]",
        "for j in range(2):\n    C[j] = A[j]\nfor j in range(2):\n    C[2 + j] = A[j]",
    ),
    "a loop whose extent is a variable": (
        "for i in unroll(3):\n    for j in unroll(i):\n        C[i * 2 + j] = A[j]",
        "for j in unroll(0):\n    C[j] = A[j]\nfor j in unroll(1):\n    C[2 + j] = A[j]\n"
        "for j in unroll(2):\n    C[4 + j] = A[j]",
    ),
    "an allocation inside": (
        'for i in unroll(2):\n    t = allocate(float32[1], "local")\n    t[0] = A[i]\n    C[i] = t[0]',
        'with allocate(float32[1], "local") as t:\n    t[0] = A[0]\n    C[0] = t[0]\n'
        't = allocate(float32[1], "local")\nt[0] = A[1]\nC[1] = t[0]',
    ),
    "a counter of another type": (
        "for i in unroll(int64(2)):\n    C[i + int64(1)] = A[i]",
        "C[int64(1)] = A[int64(0)]\nC[int64(2)] = A[int64(1)]",
    ),
    "a vector": (
        "for i in unroll(2):\n    C[ramp(i * 4, 1, 4)] = broadcast(A[i], 4)",
        "C[ramp(0, 1, 4)] = broadcast(A[0], 4)\nC[ramp(4, 1, 4)] = broadcast(A[1], 4)",
    ),
    "conditions decided by unrolling": (
        "for i in unroll(3):\n    for j in range(2):\n        if i * 2 + j < 5:\n            C[i * 2 + j] = A[j]",
        "for j in range(2):\n    C[j] = A[j]\nfor j in range(2):\n    C[2 + j] = A[j]\n"
        "for j in range(2):\n    if j + 4 < 5:\n        C[4 + j] = A[j]",
    ),
    "short loops inside of a pragma": (
        'for i in range(2, pragmas={"auto_unroll": 4}):\n    for j in range(2):\n        for k in range(2):\n'
        "            C[i * 4 + j * 2 + k] = A[j]",
        'for i in range(2, pragmas={"auto_unroll": 4}):\n    C[i * 4] = A[0]\n    C[i * 4 + 1] = A[0]\n'
        "    C[i * 4 + 2] = A[1]\n    C[i * 4 + 2 + 1] = A[1]",
    ),
    "a loop that is too long for the pragma": (
        'for i in range(2, pragmas={"auto_unroll": 3}):\n    for j in range(2):\n        for k in range(2):\n'
        "            C[i * 4 + j * 2 + k] = A[j]",
        'for i in range(2, pragmas={"auto_unroll": 3}):\n    for j in range(2):\n'
        "        C[i * 4 + j * 2] = A[j]\n        C[i * 4 + j * 2 + 1] = A[j]",
    ),
    "other loops": ("for i in parallel(2):\n    C[i] = A[i]", "for i in parallel(2):\n    C[i] = A[i]"),
    "a loop of no iteration": ("for i in unroll(0):\n    C[i] = A[i]", "pass"),
    "a loop around two statements": (
        "for i in unroll(2):\n    C[i] = A[i]\n    C[i + 2] = A[i]\nC[7] = 1.0",
        "C[0] = A[0]\nC[2] = A[0]\nC[1] = A[1]\nC[3] = A[1]\nC[7] = 1.0",
    ),
}


def program(body: str) -> str:
    lines = "\n".join("    " + line for line in body.splitlines())
    return f"def main(A: float32[8], C: float32[8]):\n{lines}"


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    before, after = GOLDEN[name]
    func = unroll(parse_function(program(before)))
    verify(func)
    assert str(func) == program(after)


@pytest.mark.parametrize("name", GOLDEN)
def test_same_result(name: str) -> None:
    before = parse_function(program(GOLDEN[name][0]))
    a = np.random.default_rng(0).standard_normal(8, "float32")
    results = []
    for func in (before, unroll(before)):
        c = np.full(8, 9, "float32")
        interpret(func, a, c)
        results.append(c)
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("extent", [STATEMENT_LIMIT // 2, STATEMENT_LIMIT // 2 + 1])
def test_a_loop_that_would_grow_too_long_stays(extent: int) -> None:
    func = parse_function(
        dedent(
            f"""
            def main(A: float32[4096]):
                for i in unroll({extent}):
                    A[i] = 1.0
                    A[i + 2048] = 2.0
            """
        )
    )
    after = unroll(func)
    if 2 * extent <= STATEMENT_LIMIT:
        assert len(str(after).splitlines()) == 1 + 2 * extent
    else:
        assert after is func


def test_a_loop_around_one_that_was_unrolled_counts_its_statements() -> None:
    func = parse_function(
        f"""
        def main(A: float32[4096]):
            for i in unroll(2):
                for j in unroll({STATEMENT_LIMIT}):
                    A[i * {STATEMENT_LIMIT} + j] = 1.0
        """
    )
    lines = str(unroll(func)).splitlines()
    assert lines[1] == "    for i in unroll(2):"
    assert len(lines) == 2 + STATEMENT_LIMIT


def test_nothing_to_unroll_gives_the_same_object() -> None:
    func = parse_function(program("for i in range(4):\n    if i < 2:\n        C[i] = A[i]"))
    assert unroll(func) is func


def test_a_loop_after_a_much_longer_one_stays() -> None:
    """What takes a hundredth of the time of a block is not worth the code of its copies."""
    text = """
        def main(A: float32[4096], C: float32[32]):
            tile = allocate(float32[32], "local")
            for i in unroll(32):
                tile[i] = 0.0
            for k in range({steps}):
                for i in unroll(32):
                    tile[i] = tile[i] + A[k * 32 + i]
            for i in unroll(32):
                C[i] = tile[i]
        """
    for steps, stays in ((round(1 / SHARE), True), (round(1 / SHARE) - 1, False)):
        lines = str(unroll(parse_function(dedent(text.format(steps=steps)).lstrip()))).splitlines()
        assert sum("C[" in line for line in lines[1:]) == (1 if stays else 32)
        assert sum(" = 0.0" in line for line in lines) == sum("A[k" in line for line in lines) == 32


def test_copies_share_expressions() -> None:
    text = "for k in range(2):\n    for i in unroll(4):\n        for j in unroll(2):\n            C[i * 2 + j] = A[k * 4 + i]"
    body = unroll(parse_function(program(text))).body
    values = [store.value for store in body.body.stmts]  # type: ignore[attr-defined]
    assert len(values) == 8
    assert len({id(value) for value in values}) == 4
