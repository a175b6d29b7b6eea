"""Loop clipping: what a whole iteration asks for becomes the end of the loop."""

from __future__ import annotations

from compiler.ir.dtype import INDEX
from compiler.ir.expr import Expr, Var, binary, conjuncts
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.access import weight
from compiler.ir.simplify.condition import Bound, below_zero, given, is_bound
from compiler.ir.simplify.ranges import RangeRewriter
from compiler.ir.simplify.simplify import Simplifier, Sum, fits, simplify
from compiler.ir.stmt import Allocate, For, If, Let, Seq, Stmt
from compiler.ir.visit import walk

HEAVY = 16
"""Stores, unrolled loops written out, of a body that is not worth a copy to have loops of fixed lengths."""


def clip_loops(func: PrimFunc) -> PrimFunc:
    """End a loop where a condition around all that it does ceases to hold.

    ::

        for i in range(4):                        for i in range(4):
            for j in range(32):                       for j in range(min(100 - i * 32, 32)):
                if i * 32 + j < 100:      ->              C[i * 32 + j] = ...
                    C[i * 32 + j] = ...

    Here the body stands for a heavy one, such as a tile of sums. A light one is left to `loop_partition`,
    which makes copies of it that run a fixed number of times.
    """
    return func.with_body(_Clip(func)(func.body)) if any(type(n) is If for n in walk(func.body)) else func


class _Clip(RangeRewriter):
    def _for(self, node: For) -> Stmt:
        if node.kind == "serial" and node.var.dtype == INDEX and weight(node.body) >= HEAVY:
            node = self.clipped(node)
        return self.loop(node)

    rules = RangeRewriter.rules | {For: _for}

    def clipped(self, loop: For) -> For:
        with self.inside(loop):
            simplifier = self.simplifier()
        for condition in _asked(loop.body):
            end = self.end(condition, loop.var, simplifier)
            if end is not None:
                extent = self.simplify(binary("min", loop.extent, end))
                body = simplify(given(loop.body, condition), simplifier.ranges)
                loop = For(loop.var, extent, loop.kind, body, loop.pragmas)
        return loop

    def end(self, condition: Expr, var: Var, simplifier: Simplifier) -> Expr | None:
        """The value of `var` from which on `condition` fails, where it holds for all smaller ones."""
        below = below_zero(condition, simplifier) if is_bound(condition) else None
        if below is None:
            return None
        step = below.terms.get(var, 0)
        rest = Sum({atom: factor for atom, factor in below.terms.items() if atom is not var}, 0)
        if step <= 0 or not all(atom in self.ranges for atom in rest.terms):
            return None
        # what is divided to find the end has to fit 32 bits, too
        if not fits(simplifier.sum_bounds(rest.scaled(-1) + Sum({}, step - 1 - below.constant))):
            return None
        return Bound(rest, below.constant).over(step)


def _asked(node: Stmt) -> list[Expr]:
    """The conditions that are asked around everything that `node` does."""
    if isinstance(node, If) and node.otherwise is None:
        return conjuncts(node.condition) + _asked(node.then)
    if isinstance(node, (For, Let, Allocate)):
        return _asked(node.body)
    if isinstance(node, Seq) and node.stmts:
        first, *others = map(_asked, node.stmts)
        return [condition for condition in first if all(condition in other for other in others)]
    return []
