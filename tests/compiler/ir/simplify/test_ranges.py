"""The base of rewrites that track the ranges of variables."""

from __future__ import annotations

from textwrap import dedent

import pytest

from compiler.ir.expr import Const, Expr, Var, binary
from compiler.ir.function import PrimFunc
from compiler.ir.simplify.bounds import Interval
from compiler.ir.simplify.ranges import RangeRewriter, iterations
from compiler.ir.stmt import For, If, Seq, Stmt
from compiler.ir.text import parse_function

PROGRAM = """
def main(n: size(2, 9), A: int32[n, 8], B: int32[8]):
    for i in range(n):
        for j in range(8 - i % 3):
            if i < 4:
                A[i, j] = 1
        B[0] = 2
    for k in range(3):
        B[k] = 3
"""


class _Seen(RangeRewriter):
    """Records the ranges by name at each branch and loop."""

    def __init__(self, func: PrimFunc) -> None:
        super().__init__(func)
        self.seen: list[tuple[str, dict[str, Interval]]] = []

    def note(self, what: str) -> None:
        self.seen.append((what, {var.name: known for var, known in self.ranges.items()}))

    def _if(self, node: If) -> Stmt:
        self.note("if")
        return self.descend(node)

    def _for(self, node: For) -> Stmt:
        self.note(node.var.name)
        inner = self.loop(node)
        self.note(f"behind {node.var.name}")
        return inner

    rules = RangeRewriter.rules | {If: _if, For: _for}


def program() -> PrimFunc:
    return parse_function(dedent(PROGRAM))


def test_ranges_hold_inside_of_their_loops_only() -> None:
    func = program()
    rewriter = _Seen(func)
    assert rewriter(func.body) is func.body
    assert rewriter.seen == [
        ("i", {"n": (2, 9)}),
        ("j", {"n": (2, 9), "i": (0, 8)}),
        ("if", {"n": (2, 9), "i": (0, 8), "j": (0, 7)}),
        ("behind j", {"n": (2, 9), "i": (0, 8)}),
        ("behind i", {"n": (2, 9)}),
        ("k", {"n": (2, 9)}),
        ("behind k", {"n": (2, 9)}),
    ]


def test_a_range_ends_with_an_error_too() -> None:
    func = program()
    rewriter = RangeRewriter(func)
    before = dict(rewriter.ranges)
    with pytest.raises(KeyError), rewriter.inside(For(Var("i"), Const(4), "serial", Seq(()))):
        raise KeyError
    assert rewriter.ranges == before


def test_a_statement_that_binds_nothing() -> None:
    rewriter = RangeRewriter(program())
    before = dict(rewriter.ranges)
    with rewriter.inside(Seq(())):
        assert rewriter.ranges == before


def test_expressions_are_simplified_under_the_ranges() -> None:
    rewriter, i = RangeRewriter(program()), Var("i")
    condition: Expr = binary("<", i, 8)
    with rewriter.within(i, (0, 7)):
        assert rewriter.simplify(condition) == Const(True, "bool")
        assert rewriter.simplifier().bounds(binary("*", i, 2)) == (0, 14)
    assert rewriter.simplify(condition) == condition


def test_iterations() -> None:
    i, n = Var("i"), Var("n")
    body = Seq(())
    assert iterations(For(i, Const(5), "serial", body), {}) == (0, 4)
    assert iterations(For(i, Const(0), "serial", body), {}) == (0, -1)
    assert iterations(For(i, binary("*", n, 2), "serial", body), {n: (1, 3)}) == (0, 5)


def test_stores_are_left_as_they_are() -> None:
    class Visit(RangeRewriter):
        def _var(self, node: Var) -> Expr:
            raise AssertionError(f"{node.name} is part of a store")

        rules = RangeRewriter.rules | {Var: _var}

    func = parse_function("def f(A: int32[8]):\n    for i in range(8):\n        A[i] = i")
    assert Visit(func)(func.body) is func.body
