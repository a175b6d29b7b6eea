"""Canonical sums: their arithmetic, and their form as expressions."""

from __future__ import annotations

import pytest

from compiler.ir.expr import Var
from compiler.ir.simplify.canonical import Sum
from compiler.ir.text import print_expr

i, j, w = Var("i"), Var("j"), Var("w", "int64")


def test_arithmetic() -> None:
    a, b = Sum({i: 2, j: 1}, 3), Sum({i: -2, j: 4}, 1)
    assert a + b == Sum({j: 5}, 4)
    assert a - b == Sum({i: 4, j: -3}, 2)
    assert a.scaled(3) == Sum({i: 6, j: 3}, 9)
    assert a.scaled(0) == Sum({}, 0)
    assert Sum({i: 6, j: -9}, 3).divided(3) == Sum({i: 2, j: -3}, 1)
    assert Sum({i: 6, j: -9}, 4).common() == 3
    assert a + Sum({}, 0) is a


def test_split() -> None:
    whole, rest = Sum({i: 8, j: 3}, 13).split(4)
    assert (whole, rest) == (Sum({i: 2}, 3), Sum({j: 3}, 1))
    assert Sum({i: 4}, -1).split(4) == (Sum({i: 1}, -1), Sum({}, 3))


def test_numbers_of_the_type() -> None:
    assert Sum({i: 2**32 + 3, j: 2**32}, 2**31).wrapped() == Sum({i: 3}, -(2**31))
    same = Sum({i: 3, w: -1}, 2**31 - 1)
    assert same.wrapped() is same


@pytest.mark.parametrize(
    ("total", "text"),
    [
        (Sum({}, 5), "5"),
        (Sum({i: 1}, 0), "i"),
        (Sum({i: 2, j: -1}, -3), "i * 2 - j - 3"),
        (Sum({i: -1}, 3), "3 - i"),
        (Sum({i: -1}, -3), "i * -1 - 3"),
        (Sum({i: 2**32 + 1}, 2**32), "i"),
        (Sum({i: 2**32}, 2**31), "-2147483648"),
        (Sum({w: 2**32}, 1, "int64"), "w * int64(4294967296) + int64(1)"),
        (Sum({w: 2**64 + 1}, 2**63, "int64"), "w + int64(-9223372036854775808)"),
    ],
)
def test_expressions(total: Sum, text: str) -> None:
    assert print_expr(total.expr()) == text
    assert total.expr().dtype == total.dtype
