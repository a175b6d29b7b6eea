"""Simplification of expressions and statements: what each case becomes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compiler.ir.calls import call
from compiler.ir.expr import (
    Binary,
    Broadcast,
    Buffer,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Not,
    Ramp,
    Select,
    Var,
    binary,
    equal,
    maximum,
    minimum,
)
from compiler.ir.simplify.simplify import FALSE, TRUE, UNKNOWN, Simplifier, simplify
from compiler.ir.stmt import For, Seq, Stmt, Store
from compiler.ir.text import parse_function, print_expr, print_stmt
from compiler.te.language import all as te_all

i, j, k, x, y, free = (Var(name) for name in ("i", "j", "k", "x", "y", "free"))
wide = Var("wide", "int64")
table = Buffer("table", (8,), "int32")
INT32 = (-(2**31), 2**31 - 1)
RANGES = {i: (0, 7), j: (0, 15), k: (0, 63), x: (0, 100), y: (0, 3)}
T = Load(table, (i,))
F = Load(Buffer("f", (8,)), (i,))
LOWEST, HIGHEST = -(2**31), 2**31 - 1
RULES: list[tuple[Expr, str]] = [
    # sums
    (i + j + i, "i * 2 + j"),
    (i - i + 3, "3"),
    ((i + 1) * 4 - i * 4, "4"),
    (2 * (i + j) - j, "i * 2 + j"),
    (i * 4 + 3 - (i * 4 + 5), "-2"),
    (3 - i, "3 - i"),
    (3 - 2 * i + j, "3 - i * 2 + j"),
    (-3 - i, "i * -1 - 3"),
    (call("if_then_else", i < 8, j + k, 0) + j, "j * 2 + k"),
    (j - i - 2, "j - i - 2"),
    (Const(2) * 3 + i, "i + 6"),
    ((i + 1) * (j + 2), "(i + 1) * (j + 2)"),
    (i * j - i * j, "0"),
    (T + T, "table[i] * 2"),
    # sums that wrap around: the value is the same, and every literal fits its type
    (i + Const(HIGHEST) + 1, "i + -2147483648"),
    (i * 65536 * 65536, "0"),
    (i * 65536 * 65536 + j, "j"),
    (j + i * 65536 * 32768, "j + i * -2147483648"),
    ((Const(HIGHEST) + 1) % 4, "0"),
    (Const(HIGHEST) + 1 < 0, "True"),
    ((i * 65536 * 65536 + y) % 4, "y"),
    # division: terms that are multiples of the divisor are extracted
    ((i * 16 + j) // 16, "i"),
    ((i * 16 + j) % 16, "j"),
    ((i * 16 + j + 16) // 16, "i + 1"),
    ((i * 32 + j) // 16, "i * 2"),
    ((x * 16 + k) // 16, "x + k // 16"),
    ((x * 16 + k) % 16, "k % 16"),
    ((i * 16 - 1) // 16, "i - 1"),
    ((i * 16 - 1) % 16, "15"),
    ((i * 16 + 5) % 16, "5"),
    (k // 64, "0"),
    (k % 64, "k"),
    ((k - 64) // 64, "-1"),
    ((k - 64) % 64, "k"),
    (k // 1, "k"),
    (k % 1, "0"),
    (k // -2, "k // -2"),
    (k // (i + 1), "k // (i + 1)"),
    # a factor that the divisor shares cancels
    ((4 * x + y) // 8, "x // 2"),
    ((4 * x + y) % 8, "x % 2 * 4 + y"),
    ((4 * x + y + 1) // 8, "(x * 4 + y + 1) // 8"),
    ((6 * x) // 4, "x * 3 // 2"),
    ((6 * x) % 4, "x * 3 % 2 * 2"),
    ((8 * x + 4 * i + y) // 16, "(x * 2 + i) // 4"),
    # nested divisions
    (x // 3 // 4, "x // 12"),
    (x % 8 % 4, "x % 4"),
    (x % 4 % 8, "x % 4"),
    (x % 6 % 4, "x % 6 % 4"),
    (free // 65536 // 65536, "free // 65536 // 65536"),
    # the sums that a fuse after a split makes
    ((k // 16) * 16 + k % 16, "k"),
    ((k // 16) * 32 + k % 16 * 2, "k * 2"),
    (k % 16 + (k // 16) * 16 + i, "k + i"),
    ((k // 16) * 8 + k % 16, "k // 16 * 8 + k % 16"),
    (k // 12 * 12 + k // 4 % 3 * 4 + k % 4, "k"),
    ((k // 16 * 16 + k % 16) // 16, "k // 16"),
    # extremes
    (minimum(i, 7), "i"),
    (minimum(i, -1), "-1"),
    (maximum(i, 7), "7"),
    (maximum(i + 1, i), "i + 1"),
    (minimum(i, 6), "min(i, 6)"),
    (minimum(k, k), "k"),
    (minimum(free, free), "free"),
    (maximum(free, free + 1), "max(free, free + 1)"),
    # comparisons
    (i < 8, "True"),
    (i < 7, "i < 7"),
    (i >= 0, "True"),
    (i > 7, "False"),
    (i <= -1, "False"),
    (equal(i, 8), "False"),
    (binary("!=", i, 8), "True"),
    (equal(i, i), "True"),
    (i * 16 + j < 128, "True"),
    (i * 16 + j < 127, "i * 16 + j < 127"),
    (i + j < j + 8, "True"),
    (free < free, "False"),
    (free < free + 1, "free < free + 1"),
    ((T * 4) // 4, "table[i] * 4 // 4"),
    (T % 4 < 4, "True"),
    (T + 1 > T, "table[i] + 1 > table[i]"),
    # terms that both sides share, and terms too small to decide, are dropped
    (i * 16 + j < 112, "i < 7"),
    (i * 16 + j >= 112, "i >= 7"),
    (i * 16 + j <= 111, "i < 7"),
    (i * 16 + y < 98, "i * 16 + y < 98"),
    (i * 16 + y < 104, "i < 7"),
    (i * 16 + y + 12 < 112, "i < 7"),
    (i * 16 + y < j + 16 * i, "y < j"),
    (i * 4 <= 13, "i < 4"),
    (i * 4 > 13, "i >= 4"),
    (4 * i - 4 * j < 6, "i < j + 2"),
    (-4 * i < -13, "i > 3"),
    (3 * i > 20, "i >= 7"),
    (binary("<", Const(20), 3 * i), "i > 6"),
    (6 * i + 4 * j < 9, "i * 3 + j * 2 < 5"),
    (Var("s", "int8") < Const(100, "int8"), "s < int8(100)"),
    (Cast(i, "int8") < Const(8, "int8"), "True"),
    (k // 16 < 3, "k < 48"),
    (k // 16 > 1, "k >= 32"),
    (T * 4 < 8, "table[i] * 4 < 8"),
    (i + j < 5, "i + j < 5"),
    # operands with different remainders are never equal
    (equal(2 * i, 2 * j + 1), "False"),
    (binary("!=", 4 * i, 2 * j + 1), "True"),
    (equal(4 * i, 2 * j + 2), "i * 2 == j + 1"),
    (8 * i < 8 * j + 3, "i < j + 1"),
    # products that are multiples for all values of their factors
    ((i * j * 8 + 3) % 4, "3"),
    ((i * (j * 8) + y) % 8, "y"),
    ((i * j * 8) % 16, "i * j % 2 * 8"),
    (Select(i < 3, i * 8, j * 4) % 4, "0"),
    # logic
    (te_all(i < 8, j < 3), "j < 3"),
    (te_all(i < 7, i < 7), "i < 7"),
    (te_all(i < 7, i > 7), "False"),
    (te_all(i < 5, i < 3), "i < 3"),
    (te_all(i < 3, i + j < 18), "i < 3"),
    (te_all(free < 5, free < 6), "free < 5"),
    (binary("or", i < 3, i >= 2), "True"),
    (te_all(F < 1.0, F < 1.0), "f[i] < 1.0"),
    (te_all(F < 1.0, Not(F < 1.0)), "False"),
    (binary("or", i < 8, j < 3), "True"),
    (binary("or", j < 3, i > 7), "j < 3"),
    (Not(i < 8), "False"),
    (Not(i < 7), "i >= 7"),
    (Not(F < 1.0), "not f[i] < 1.0"),
    # choices
    (Select(i < 8, j + 0, k), "j"),
    (Select(i > 7, j, k + 1 - 1), "k"),
    (Select(i < 7, j - j, k), "select(i < 7, 0, k)"),
    (call("if_then_else", i >= 0, T, j), "table[i]"),
    (call("if_then_else", i < 0, T, j), "j"),
    (call("if_then_else", i < 4, T, 0) // 1, "if_then_else(i < 4, table[i], 0)"),
    # an arm is simplified under its condition
    (call("if_then_else", i < 4, minimum(i, 5), i), "i"),
    (call("if_then_else", i < 4, i // 4, maximum(i, 2)), "if_then_else(i < 4, 0, i)"),
    (
        call("if_then_else", te_all(i < j, j < k), Select(i < k, i, Const(0)), T),
        "if_then_else(i < j and j < k, i, table[i])",
    ),
    (
        call("if_then_else", binary("or", i < 2, j < 2), 1, (i + j) // 4),
        "if_then_else(i < 2 or j < 2, 1, (i + j) // 4)",
    ),
    (
        call("if_then_else", binary("or", i < 2, j < 2), 1, i // 2 + 2),
        "if_then_else(i < 2 or j < 2, 1, i // 2 + 2)",
    ),
    (call("if_then_else", binary("or", i < 6, j < 2), 1, i // 2 + 2), "if_then_else(i < 6 or j < 2, 1, 5)"),
    (call("if_then_else", equal(k % 4, 2), k * 3 % 4, 9), "if_then_else(k % 4 == 2, 2, 9)"),
    (call("if_then_else", free < 4, minimum(free, 5), 0), "if_then_else(free < 4, free, 0)"),
    (call("if_then_else", T < 4, minimum(T, 5), 0), "if_then_else(table[i] < 4, table[i], 0)"),
    (Select(i < 4, minimum(i, 5), Const(9)), "select(i < 4, i, 9)"),
    # but not where it would read what it must not
    (Select(i < 4, Load(table, (minimum(i, 5),)), Const(9)), "select(i < 4, table[min(i, 5)], 9)"),
    (Select(F < 1.0, F, F), "f[i]"),
    (Select(F < 1.0, F, Const(1.0, "float32")), "select(f[i] < 1.0, f[i], 1.0)"),
    (Select(F <= 1.0, F, Const(1.0, "float32")), "select(f[i] <= 1.0, f[i], 1.0)"),
    # other types: only exact identities
    (Const(1.0, "float32") * Load(Buffer("f", (8,)), (i + i,)), "f[i * 2]"),
    (F / 1.0, "f[i]"),
    (F + 0.0, "f[i] + 0.0"),
    (F * 0.0, "f[i] * 0.0"),
    (F - F < 1.0, "f[i] - f[i] < 1.0"),
    (Const(100, "int8") + Const(27, "int8"), "int8(127)"),
    (Binary("+", Const(100, "int8"), Const(28, "int8"), "int8"), "int8(100) + int8(28)"),
    (wide * 2 - wide, "wide"),
    ((wide * 8 + 3) % 4, "(wide * int64(8) + int64(3)) % int64(4)"),  # it may wrap,
    (Cast(i + i, "float32"), 'cast(i * 2, "float32")'),
    (Cast(Cast(i, "int32"), "int32") - i, "0"),
    (Cast(Cast(i, "int64"), "int32") + 1, "i + 1"),
    (Cast(Cast(T, "int8"), "int32"), 'cast(cast(table[i], "int8"), "int32")'),
    (Cast(Cast(i, "int8"), "int64"), 'cast(i, "int64")'),
    (Cast(Const(300), "uint8"), "uint8(44)"),
    (Cast(Broadcast(i, 4), "float32x4"), 'broadcast(cast(i, "float32"), 4)'),
    # vectors
    (Ramp(i + i - i, Const(1), 4), "ramp(i, 1, 4)"),
    (Ramp(i, Const(0), 4), "broadcast(i, 4)"),
    (Ramp(i, Const(1), 4) * 4 + j, "ramp(i * 4 + j, 4, 4)"),
    (Ramp(i * 8, Const(8), 4) // 8, "ramp(i, 1, 4)"),
    (Ramp(i * 8, Const(1), 4) // 8, "broadcast(i, 4)"),
    (Ramp(i * 8, Const(1), 4) % 8, "ramp(0, 1, 4)"),
    (Ramp(i * 8 + y, Const(8), 4) % 8, "broadcast(y, 4)"),
    (Ramp(i * 8 + 6, Const(1), 4) // 8, "ramp(i * 8 + 6, 1, 4) // broadcast(8, 4)"),
    (Ramp(free, Const(8), 4) // 8, "ramp(free, 8, 4) // broadcast(8, 4)"),
    (Ramp(i, Const(1), 4) < 11, "broadcast(True, 4)"),
    (Ramp(i, Const(1), 4) < 10, "ramp(i, 1, 4) < broadcast(10, 4)"),
    (Ramp(i, Const(1), 4) >= 11, "broadcast(False, 4)"),
    (Load(table, (Broadcast(i, 4),)), "broadcast(table[i], 4)"),
    (
        Select(Broadcast(i < 3, 4), Ramp(i, Const(1), 4), Broadcast(j, 4)),
        "select(i < 3, ramp(i, 1, 4), broadcast(j, 4))",
    ),
    (Binary("+", Broadcast(i - i, 4), Broadcast(j, 4), "int32x4"), "broadcast(j, 4)"),
]


@pytest.mark.parametrize(
    ("expr", "expected"), RULES, ids=lambda v: v if isinstance(v, str) else print_expr(v)
)
def test_rules(expr: Expr, expected: str) -> None:
    assert print_expr(simplify(expr, RANGES)) == expected


@pytest.mark.parametrize("expr", [expr for expr, _ in RULES], ids=print_expr)
def test_a_simple_expression_stays_the_same_object(expr: Expr) -> None:
    once = simplify(expr, RANGES)
    assert simplify(once, RANGES) is once


BOUNDS: list[tuple[Expr, tuple[float, float]]] = [
    (Const(3), (3, 3)),
    (i, (0, 7)),
    (free, INT32),
    (i + j, (0, 22)),
    (i - j, (-15, 7)),
    (i * -2, (-14, 0)),
    ((i - 4) * (j - 8), (-28, 32)),
    (k // 10, (0, 6)),
    ((i - 4) // 3, (-2, 1)),
    (k // (i + 1), (0, 63)),
    (k // (i - 1), INT32),
    (k % 10, (0, 9)),
    (i % 10, (0, 7)),
    ((i - 4) % 10, (0, 9)),
    (free % 10, (0, 9)),
    (free % free, INT32),
    (minimum(i, 3), (0, 3)),
    (maximum(i - 4, y), (0, 3)),
    (minimum(free, 3), (LOWEST, 3)),
    (minimum(free, 3) - 1, INT32),
    (x * 100_000_000, INT32),
    (Select(i < 3, i, j + 1), (0, 16)),
    (call("if_then_else", i < 3, i, -1), (-1, 7)),
    (T, INT32),
    (Const(0.5, "float32"), UNKNOWN),
    (F, UNKNOWN),
]


@pytest.mark.parametrize(
    ("expr", "expected"), BOUNDS, ids=lambda v: "" if isinstance(v, tuple) else print_expr(v)
)
def test_bounds(expr: Expr, expected: tuple[float, float]) -> None:
    assert Simplifier(RANGES).bounds(expr) == expected


def test_a_comparison_of_narrow_integers_uses_the_bounds_of_simplified_operands() -> None:
    chosen = Call("if_then_else", (FALSE, Const(1, "uint8"), Const(184, "uint8")), "uint8")
    count = Call("popcount", (Const(0, "uint8"),), "uint8")
    assert simplify(Binary(">=", chosen, count, "bool")) == TRUE
    assert simplify(Binary("<", chosen, count, "bool")) == FALSE


def test_proves() -> None:
    simplifier = Simplifier(RANGES)
    assert simplifier.proves(i * 16 + j < 128)
    assert not simplifier.proves(i * 16 + j < 127)
    assert not simplifier.proves(i > 7)
    assert not simplifier.proves(T < 8)


def _simplified(text: str) -> str:
    return str(simplify(parse_function(text)))


STATEMENTS = {
    "a loop of one iteration is its body": (
        "for i in parallel(1):\n    for j in range(4):\n        A[i * 4 + j] = float32(1)",
        "for j in range(4):\n    A[j] = 1.0",
    ),
    "a counter of another type": (
        "for i in range(int64(1)):\n    A[i + int64(2)] = 1.0\nfor i in range(int64(0)):\n    A[i] = 1.0",
        "A[int64(2)] = 1.0",
    ),
    "a loop of no iterations is removed": ("for i in range(2 - 2):\n    A[0] = 1.0", "pass"),
    "a loop that never runs is removed": (
        "for i in range(4):\n    for j in range(i - 3):\n        A[1 // j] = 1.0\n    A[i] = 2.0",
        "for i in range(4):\n    A[i] = 2.0",
    ),
    "an empty loop is removed": ("for i in range(4):\n    if i > 3:\n        A[i] = 1.0", "pass"),
    "the loop gives the range": (
        "for i in range(4):\n    if i < 4:\n        A[(i * 4 + 3) // 4] = 1.0",
        "for i in range(4):\n    A[i] = 1.0",
    ),
    "the extent of an inner loop gives a range": (
        "for i in range(4):\n    for j in range(i + 1):\n        if j < 4:\n            A[j] = 1.0",
        "for i in range(4):\n    for j in range(i + 1):\n        A[j] = 1.0",
    ),
    "the other branch": ("if 1 > 2:\n    A[0] = 1.0\nelse:\n    A[1] = 1.0", "A[1] = 1.0"),
    "an empty branch": (
        "for i in range(4):\n    if i > 2:\n        for j in range(0):\n            A[j] = 1.0",
        "pass",
    ),
    "an empty branch with another one": (
        "for i in range(4):\n    if i > 2:\n        pass\n    else:\n        A[i] = 1.0",
        "for i in range(4):\n    if i > 2:\n        pass\n    else:\n        A[i] = 1.0",
    ),
    "an empty allocation is removed": (
        'b = allocate(float32[4], "local")\nfor i in range(0):\n    b[i] = 1.0',
        "pass",
    ),
    "a branch is simplified under its condition": (
        "for i in range(16):\n    if i < 8:\n        A[min(i, 7)] = 1.0\n"
        "    else:\n        A[max(i, 8)] = 2.0",
        "for i in range(16):\n    if i < 8:\n        A[i] = 1.0\n    else:\n        A[i] = 2.0",
    ),
    "a condition ends with its branch": (
        "for i in range(16):\n    if i < 8:\n        A[i // 8] = 1.0\n    A[i // 8] = 2.0",
        "for i in range(16):\n    if i < 8:\n        A[0] = 1.0\n    A[i // 8] = 2.0",
    ),
    "a condition that loads is not assumed": (
        "if A[0] < 1.0:\n    A[0] = 2.0\n    if A[0] < 1.0:\n        A[1] = 1.0",
        "if A[0] < 1.0:\n    A[0] = 2.0\n    if A[0] < 1.0:\n        A[1] = 1.0",
    ),
    "a condition inside of the same one": (
        "for i in range(16):\n    for j in range(9):\n        if i - j < 3:\n            if i < j + 4:\n"
        "                A[j] = 1.0",
        "for i in range(16):\n    for j in range(9):\n        if i - j < 3:\n            A[j] = 1.0",
    ),
    "a loop variable is less than its extent": (
        "for i in range(16):\n    for j in range(i):\n        if j < i:\n            A[j] = 1.0",
        "for i in range(16):\n    for j in range(i):\n        A[j] = 1.0",
    ),
    "a loop with pragmas is kept": (
        'for i in range(1, pragmas={"a": 1}):\n    A[i // 4] = 1.0',
        'for i in range(1, pragmas={"a": 1}):\n    A[0] = 1.0',
    ),
    "a loop over threads with a barrier is kept": (
        'for i in bind(1, "threadIdx.x"):\n    barrier("shared")\n'
        'for i in bind(1, "threadIdx.x"):\n    A[i] = 1.0',
        'for i in bind(1, "threadIdx.x"):\n    barrier("shared")\nA[0] = 1.0',
    ),
    "a let of a variable is substituted": (
        "for i in range(4):\n    x = i + 0\n    y = x\n    A[y] = 1.0",
        "for i in range(4):\n    A[i] = 1.0",
    ),
    "a let variable has the range of its value": (
        "for i in range(4):\n    x = i * 4\n    A[x // 13] = 1.0\n    A[x % 4] = 2.0",
        "for i in range(4):\n    x = i * 4\n    A[0] = 1.0\n    A[0] = 2.0",
    ),
    "an empty let is removed": (
        "for i in range(4):\n    x = i * 4\n    for j in range(0):\n        A[x] = 1.0",
        "pass",
    ),
    "two loops over one variable": (
        "for i in range(4):\n    A[i // 4] = 1.0\nfor i in range(8):\n    A[i // 4] = 1.0",
        "for i in range(4):\n    A[0] = 1.0\nfor i in range(8):\n    A[i // 4] = 1.0",
    ),
    "indices of every kind of access": (
        "for i in range(4):\n    prefetch(A[i * 2 // 2])\n    "
        "copy(region(A, i + i, (1,), (3 - 2,)), region(A, 0, (1,), (1,)), "
        "before=(0 * i,), after=(i - i,), fill=1.0)",
        "for i in range(4):\n    prefetch(A[i])\n    "
        "copy(region(A, i * 2, (1,), (1,)), region(A, 0, (1,), (1,)), before=(0,), after=(0,), fill=1.0)",
    ),
    "sequences are joined": (
        "for i in range(1):\n    A[i] = 1.0\n    A[i + 1] = 2.0\nA[2] = 3.0",
        "A[0] = 1.0\nA[1] = 2.0\nA[2] = 3.0",
    ),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements(name: str) -> None:
    before, after = (
        "def main(A: float32[16]):\n" + "\n".join("    " + line for line in text.splitlines())
        for text in STATEMENTS[name]
    )
    assert _simplified(before) == after


def test_two_loops_over_one_variable_have_separate_ranges() -> None:
    """The same nodes below, under another range."""
    A, store = Buffer("A", (8,)), None
    store = Store(A, (i // 4,), Const(1.0, "float32"))
    loops = Seq((For(i, Const(4), "serial", store), For(i, Const(8), "serial", store)))
    assert print_stmt(simplify(loops)) == (
        "for i in range(4):\n    A[0] = 1.0\nfor i in range(8):\n    A[i // 4] = 1.0"
    )


def test_dynamic_extents_have_the_ranges_of_their_bounds() -> None:
    func = parse_function(
        """
        def main(n: size(1, 64), A: float32[n]):
            for i in range(n):
                if i < n:
                    if n < 65:
                        A[i] = 1.0
                if i * 16 + 3 < n * 16:
                    A[n - 1] = 2.0
                if i + 1 < n:
                    A[i] = 3.0
        """
    )
    assert str(simplify(func)).splitlines()[1:] == [
        "    for i in range(n):",
        "        A[i] = 1.0",
        "        A[n - 1] = 2.0",
        "        if i + 1 < n:",
        "            A[i] = 3.0",
    ]


def test_nothing_to_do_gives_the_same_function() -> None:
    func = parse_function(
        """
        def main(A: float32[16], n: int32[1]):
            b = allocate(float32[4], "local")
            for i in range(4):
                b[i] = if_then_else(i < 2, A[i * 2 + 1], A[n[0]])
                if i >= 2:
                    A[i * 3] = select(i < n[0] and i > 2, b[i], 0.0)
                else:
                    A[i + 1] = cast(min(i, n[0]), "float32")
        """
    )
    assert simplify(func) is func


def test_a_range_ends_with_its_loop() -> None:
    A = Buffer("A", (8,), "int32")
    loop: Callable[[], Stmt] = lambda: For(i, Const(4), "serial", Store(A, (i,), i // 4))  # noqa: E731
    simplifier = Simplifier()
    assert print_stmt(simplifier(loop())) == "for i in range(4):\n    A[i] = 0"
    assert simplifier.bounds(i) == INT32
