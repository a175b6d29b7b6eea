"""`RangeRewriter`: the base class of rewrites that track the intervals of the variables in scope."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from compiler.ir.expr import Const, Var
from compiler.ir.function import PrimFunc
from compiler.ir.simplify.bounds import Interval
from compiler.ir.simplify.simplify import Simplifier, simplify
from compiler.ir.stmt import For, Stmt, Store
from compiler.ir.visit import Rewriter


def iterations(loop: For, ranges: Mapping[Var, Interval]) -> Interval:
    """The interval of the variable of `loop`, given the intervals of the variables around it."""
    if type(loop.extent) is Const:
        return 0, loop.extent.value - 1
    return 0, Simplifier(ranges).bounds(loop.extent)[1] - 1


class RangeRewriter(Rewriter):
    """A rewrite of statements that tracks the interval of each variable in scope.

    The rule for loops rewrites the body while the range of the loop's variable is known; the rule for stores
    leaves them as they are. A subclass adds its rules to these, ``rules = RangeRewriter.rules | {...}``, and
    enters a loop by `loop`, or by ``with self.inside(node)``.

    Parameters
    ----------
    func : PrimFunc
        The function that is rewritten. Its dynamic extents have the intervals of their bounds.

    Attributes
    ----------
    ranges : dict of Var to (int, int)
        The closed interval of each dynamic extent, and of the variable of each loop around the current node.
    """

    def __init__(self, func: PrimFunc) -> None:
        self.sizes: dict[Var, Interval] = {s: s.bounds for s in func.sizes if s.bounds is not None}
        self.ranges = dict(self.sizes)

    def simplifier(self) -> Simplifier:
        """A simplifier with the ranges at the current node."""
        return Simplifier(self.ranges)

    def simplify(self, node: Any) -> Any:
        """An expression or statement simplified with the ranges at the current node."""
        return simplify(node, self.ranges)

    def inside(self, node: Stmt) -> AbstractContextManager[None]:
        """A context in which the children of `node` are rewritten: for a loop, its variable has its range."""
        if not isinstance(node, For):
            return nullcontext()
        return self.within(node.var, iterations(node, self.ranges))

    @contextmanager
    def within(self, var: Var, interval: Interval) -> Iterator[None]:
        """A context in which `var` has the given interval."""
        self.ranges[var] = interval
        try:
            yield
        finally:
            del self.ranges[var]

    def loop(self, node: For) -> Any:
        """A loop whose children are rewritten with the range of its variable."""
        with self.inside(node):
            return self.descend(node)

    rules = {For: loop, Store: lambda self, node: node}
