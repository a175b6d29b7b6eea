"""Storage flattening: one row-major index for each access."""

from __future__ import annotations

from textwrap import dedent

import numpy as np

from compiler.ir.address import position
from compiler.ir.expr import Buffer, Const, Var, binary
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.simplify.simplify import simplify
from compiler.ir.text import parse_function, print_expr
from compiler.passes.flatten import flatten

BEFORE = dedent(
    """\
    def main(A: float32[3, 4, 5], B: float32[3, 5], n: int32[()]):
        t = allocate(float32[4, 5], "local")
        for i in range(3):
            for j in range(4):
                for k in range(5):
                    t[j, k] = A[i, j, k] * 2.0
            if i < n[()]:
                for k in range(5):
                    B[i, k] = t[i, k] + t[3, 4 - k]"""
)
AFTER = dedent(
    """\
    def main(A: float32[3, 4, 5], B: float32[3, 5], n: int32[()]):
        t = allocate(float32[20], "local")
        for i in range(3):
            for j in range(4):
                for k in range(5):
                    t[j * 5 + k] = A[i * 20 + j * 5 + k] * 2.0
            if i < n[0]:
                for k in range(5):
                    B[i * 5 + k] = t[i * 5 + k] + t[19 - k]"""
)


def test_golden() -> None:
    assert str(simplify(flatten(parse_function(BEFORE)))) == AFTER


def test_same_result() -> None:
    before = parse_function(BEFORE)
    after = flatten(before)
    verify(after)
    a = np.random.default_rng(0).standard_normal((3, 4, 5), "float32")
    results = []
    for func in (before, after):
        b = np.full((3, 5), 9, "float32")
        interpret(func, a, b, np.array(2, "int32"))
        results.append(b)
    np.testing.assert_array_equal(*results)
    np.testing.assert_array_equal(results[0][2], 9)


def test_parameters_keep_their_shapes() -> None:
    before = parse_function(BEFORE)
    assert flatten(before).params is before.params


def test_flat_accesses_give_the_same_object() -> None:
    func = parse_function(
        """
        def main(A: float32[8], B: float32[2, 4]):
            t = allocate(float32[4], "local")
            for i in range(4):
                t[i] = A[i * 2]
                B[i + 1] = t[i]
        """
    )
    assert flatten(func) is func
    once = flatten(parse_function(BEFORE))
    assert flatten(once) is once


def test_position() -> None:
    i, j, k = Var("i"), Var("j"), Var("k")
    cube = Buffer("cube", (3, 4, 5))
    assert print_expr(simplify(position(cube, (i, j, k)))) == "i * 20 + j * 5 + k"
    assert position(cube, (Const(2), Const(3), Const(4))) == Const(59)
    assert position(Buffer("row", (7,)), (binary("+", i, j),)) == binary("+", i, j)
    assert position(Buffer("number", ()), ()) == Const(0)
