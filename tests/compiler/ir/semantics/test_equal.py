"""Equality of functions up to names."""

from __future__ import annotations

import pytest

from compiler.ir.expr import (
    Buffer,
    Const,
    Var,
)
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.equal import structural_equal
from compiler.ir.stmt import For, If, Seq, Store
from compiler.ir.text import parse_function

A, B, C = Buffer("A", (64, 64)), Buffer("B", (64, 64)), Buffer("C", (64, 64))
TRUE = Const(True, "bool")


def test_equality_is_up_to_names():
    a = parse_function("def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i]")
    assert structural_equal(
        a, parse_function("def f(x: int32[4], A: int32[4]):\n    for k in range(4):\n        x[k] = A[k]")
    )


@pytest.mark.parametrize(
    "text",
    [
        "def g(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1",
        "def f(A: int32[4]):\n    for i in range(4):\n        A[i] = A[i] + 1",
        "def f(A: int64[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1",
        "def f(A: int32[5], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1",
        "def f(A: (int32[4], 'local'), B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        B[i] = A[i] + 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in unroll(4):\n        A[i] = B[i] + 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(3):\n        A[i] = B[i] + 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4, dtype='int8'):\n        A[i] = B[i] + 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] - 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 2",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + int8(1)",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + i",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1\n        A[i] = 1",
        "def f(A: int32[4], B: int32[4]):\n    if True:\n        A[0] = B[0] + 1",
    ],
)
def test_every_difference_makes_functions_unequal(text):
    a = parse_function("def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1")
    assert structural_equal(a, a)
    assert not structural_equal(a, parse_function(text))


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("0.0", "-0.0", False),
        ('float32("nan")', 'float32("nan")', True),
        ("float64(1.0)", "1.0", False),
        ('cast(1, "float32")', 'cast(1, "float64")', False),
        ("exp(1.0)", "log(1.0)", False),
        ("broadcast(1.0, 4)", "broadcast(1.0, 8)", False),
        ("ramp(1, 1, 4)", "ramp(1, 1, 8)", False),
        ("ramp(1, 1, 4)", "ramp(1, 2, 4)", False),
    ],
)
def test_equality_of_expressions(a, b, same):
    f, g = (parse_function(f"def f(A: float32[1]):\n    A[0] = {x}") for x in (a, b))
    assert structural_equal(f, g) == same


def test_equality_of_scopes_and_free_variables():
    free, other = Var("n"), Var("n")

    def uses(var):
        return PrimFunc("f", (), For(Var("i"), var, "serial", Seq(())))

    assert structural_equal(uses(free), uses(free))
    assert not structural_equal(uses(free), uses(other))
    # outside of its loop, a variable does not correspond to that of another loop
    a, b = Var("i"), Var("i")
    loop_a, loop_b = (For(v, Const(2), "serial", Seq(())) for v in (a, b))
    leak_a, leak_b = (Store(C, (v, v), Const(1.0, "float32")) for v in (a, b))
    assert not structural_equal(
        PrimFunc("f", (C,), Seq((loop_a, leak_a))), PrimFunc("f", (C,), Seq((loop_b, leak_b)))
    )


def test_equality_ignores_the_nesting_of_sequences_but_not_an_empty_else():
    one, two = (Store(A, (Const(0), Const(x)), Const(1.0, "float32")) for x in (1, 2))

    def func(*stmts):
        return PrimFunc("f", (A,), Seq(stmts))

    assert structural_equal(func(one, two, one), func(Seq((one, Seq((two,)))), Seq(()), one))
    assert structural_equal(func(Seq((one,))), PrimFunc("f", (A,), one))
    assert not structural_equal(func(one, two), func(two, one))
    assert not structural_equal(func(If(TRUE, one)), func(If(TRUE, one, Seq(()))))


BASE = (
    "@intrinsic\ndef g(x: int8[1]):\n    x[0] = int8(1)\n"
    "def f(n: size(1, 4), m: size(1, 4), A: int8[n, m]):\n    "
)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x = 1\n    A[x, 0] = int8(1)", "x = 2\n    A[x, 0] = int8(1)"),
        ("x = 1\n    A[x, 0] = int8(1)", "x = int8(1)\n    A[x, 0] = int8(1)"),
        ("prefetch(A[0, 0])", "prefetch(A[0, 1])"),
        ("barrier('shared')", "barrier('global')"),
        ("push('a', 'b')", "pop('a', 'b')"),
        ("push('a', 'b')", "push('a', 'c')"),
        ("g(region(A, 0, (1,), (1,)))", "g(region(A, 1, (1,), (1,)))"),
        ("g(region(A, 0, (1,), (1,)))", "g(region(A, 0, (2,), (1,)))"),
        ("g(region(A, 0, (1,), (1,)))", "g(region(A, 0, (1,), (2,)))"),
        ("for i in range(4):\n        pass", "for i in range(4, pragmas={'a': 1}):\n        pass"),
        (
            "for i in range(4, pragmas={'a': True}):\n        pass",
            "for i in range(4, pragmas={'a': 1}):\n        pass",
        ),
        ("x = allocate(int8[1], 'local')", "x = allocate(int8[1], 'local', pragmas={'a': 1})"),
        (
            "copy(region(A, 0, (1,), (1,)), region(A, 1, (1,), (1,)), before=(0,), after=(0,), fill=int8(0))",
            "copy(region(A, 0, (1,), (1,)), region(A, 1, (1,), (1,)), before=(0,), after=(0,), fill=int8(1))",
        ),
        ("A[0, 0] = cast(n, 'int8')", "A[0, 0] = cast(m, 'int8')"),
    ],
)
def test_equality_of_statements(a, b):
    one, same, other = parse_function(BASE + a), parse_function(BASE + a), parse_function(BASE + b)
    assert structural_equal(one, same)
    assert not structural_equal(one, other)
    assert not structural_equal(other, one)


@pytest.mark.parametrize(
    "header",
    [
        "n: size(1, 4), m: size(1, 5), A: int8[n, m]",
        "n: size(1, 4), A: int8[n, n]",
        "n: size(1, 4), A: int8[n, 4]",
        "A: int8[4, 4]",
        "n: size(1, 4), m: size(1, 4, dtype='int64'), A: int8[n, m]",
        "n: size(1, 4), m: size(1, 4), A: int8[n, m, 1]",
    ],
)
def test_equality_of_sizes(header):
    one = parse_function("def f(n: size(1, 4), m: size(1, 4), A: int8[n, m]):\n    pass")
    other = parse_function(f"def f({header}):\n    pass")
    assert structural_equal(one, parse_function(str(one)))
    assert not structural_equal(one, other)
    assert not structural_equal(other, one)


def test_equality_of_intrinsics():
    def text(value):
        return BASE.replace("int8(1)", f"int8({value})") + "g(region(A, 0, (1,), (1,)))"

    assert structural_equal(parse_function(text(1)), parse_function(text(1)))
    assert not structural_equal(parse_function(text(1)), parse_function(text(2)))
    renamed = text(1).replace("def g", "def h").replace("    g(", "    h(")
    assert not structural_equal(parse_function(text(1)), parse_function(renamed))
