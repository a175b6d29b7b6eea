"""The arithmetic of literals: every operator on every small integer, and what is left to run time."""

from __future__ import annotations

import operator

import pytest

from compiler.ir.operators import ARITHMETIC, BITWISE, COMPARISON, INTRINSICS, evaluated

PYTHON = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "min": min,
    "max": max,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@pytest.mark.parametrize("op", [op for op in ARITHMETIC + BITWISE + COMPARISON if op != "/"])
def test_small_integers(op: str) -> None:
    for x in range(-4, 5):
        for y in range(-4, 5):
            if op in ("//", "%") and y == 0:
                assert evaluated(op, "int32", x, y) == 0
            elif op in ("<<", ">>") and y < 0:
                assert evaluated(op, "int32", x, y) == (-1 if op == ">>" and x < 0 else 0)
            else:
                assert evaluated(op, "int32", x, y) == PYTHON[op](x, y)


@pytest.mark.parametrize(
    ("op", "dtype", "x", "y", "expected"),
    [
        ("and", "bool", True, False, False),
        ("or", "bool", True, False, True),
        ("==", "bool", True, False, False),
        ("+", "bool", True, True, None),
        ("+", "int8", 127, 1, None),  # it would wrap around
        ("//", "int8", -128, -1, None),
        ("-", "uint8", 0, 1, None),
        ("<<", "uint8", 1, 7, 128),
        ("<<", "uint8", 1, 8, 0),
        (">>", "uint8", 255, 8, 0),
        (">>", "int8", -128, 8, -1),
        ("//", "uint8", 1, 0, 0),
        (">>", "int32", -1, 31, -1),
        ("/", "int32", 4, 2, None),
        ("+", "float32", 1.0, 1.0, None),  # floats are rounded where the program runs
        ("<", "float32", 1.0, 2.0, None),
    ],
)
def test_operations_that_are_folded_and_that_run_later(op, dtype, x, y, expected) -> None:
    value = evaluated(op, dtype, x, y)
    assert value == expected
    assert type(value) is type(expected)


def test_the_types_that_functions_take() -> None:
    takes = {"a float": "float32", "an integer": "uint8"}
    for function in INTRINSICS.values():
        assert not function.refuses(takes.get(function.takes, "int64"))
        assert function.takes == "a number" or function.refuses(takes[({*takes} - {function.takes}).pop()])
        assert function.refuses("bool")
