"""Loop clipping: a condition around the whole body of a loop becomes its extent."""

from __future__ import annotations

from compiler.ir.dtype import INDEX
from compiler.ir.expr import Expr, Var, binary
from compiler.ir.function import PrimFunc
from compiler.ir.recursion import recursive
from compiler.ir.semantics.access import expanded_stores
from compiler.ir.simplify.condition import Bound, assuming, below_zero, is_bound
from compiler.ir.simplify.ranges import RangeRewriter
from compiler.ir.simplify.simplify import Simplifier, Sum, fits, simplify
from compiler.ir.stmt import Allocate, For, If, Let, Seq, Stmt
from compiler.ir.visit import conjuncts, walk

HEAVY = 16
"""The minimum number of stores, with unrolled loops expanded, of a body whose loop is clipped."""


def clip_loops(func: PrimFunc) -> PrimFunc:
    """End a loop where a condition around its whole body ceases to hold.

    ::

        for i in range(4):                        for i in range(4):
            for j in range(32):                       for j in range(min(100 - i * 32, 32)):
                if i * 32 + j < 100:      ->              C[i * 32 + j] = ...
                    C[i * 32 + j] = ...

    Only bodies with at least `HEAVY` stores are clipped, such as a tile of sums. For smaller bodies
    `loop_partition` makes copies with loops of fixed extents.
    """
    return func.with_body(_Clip(func)(func.body)) if any(type(n) is If for n in walk(func.body)) else func


class _Clip(RangeRewriter):
    def _for(self, node: For) -> Stmt:
        if node.kind == "serial" and node.var.dtype == INDEX and expanded_stores(node.body) >= HEAVY:
            node = self.clipped(node)
        return self.loop(node)

    rules = RangeRewriter.rules | {For: _for}

    def clipped(self, loop: For) -> For:
        with self.inside(loop):
            simplifier = self.simplifier()
        for condition in _guards(loop.body):
            end = self.end(condition, loop.var, simplifier)
            if end is not None:
                extent = self.simplify(binary("min", loop.extent, end))
                body = simplify(assuming(loop.body, condition), simplifier.ranges)
                loop = For(loop.var, extent, loop.kind, body, loop.pragmas)
        return loop

    def end(self, condition: Expr, var: Var, simplifier: Simplifier) -> Expr | None:
        """The value of `var` from which on `condition` is false, if it is true for all smaller ones."""
        below = below_zero(condition, simplifier) if is_bound(condition) else None
        if below is None:
            return None
        step = below.terms.get(var, 0)
        rest = Sum({atom: factor for atom, factor in below.terms.items() if atom is not var}, 0)
        if step <= 0 or not all(atom in self.ranges for atom in rest.terms):
            return None
        # the dividend of the end must not wrap around either
        if not fits(simplifier.sum_bounds(rest.scaled(-1) + Sum({}, step - 1 - below.constant))):
            return None
        return Bound(rest, below.constant).first_false(step)


@recursive
def _guards(node: Stmt) -> list[Expr]:
    """The conditions under which every statement in `node` is."""
    if isinstance(node, If) and node.otherwise is None:
        return conjuncts(node.condition) + _guards(node.then)
    if isinstance(node, (For, Let, Allocate)):
        return _guards(node.body)
    if isinstance(node, Seq) and node.stmts:
        first, *others = map(_guards, node.stmts)
        return [condition for condition in first if all(condition in other for other in others)]
    return []
