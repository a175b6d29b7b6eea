"""Guard hoisting: a loop-invariant condition around the body of a loop is evaluated outside of the loop."""

from __future__ import annotations

from compiler.ir.expr import conjunction
from compiler.ir.function import PrimFunc
from compiler.ir.recursion import recursive
from compiler.ir.semantics.access import is_pure, mentions
from compiler.ir.stmt import For, If, Stmt, Store
from compiler.ir.visit import Rewriter, conjuncts, walk


def hoist_guards(func: PrimFunc) -> PrimFunc:
    """Move conditions around a whole loop body out of the loop, if they are loop-invariant.

    ::

        for i in range(8):                       for i in range(8):
            for j in range(8):                       if i < 4:
                if i < 4 and j < i:       ->             for j in range(8):
                    C[i * 8 + j] = 1.0                       if j < i:
                                                                 C[i * 8 + j] = 1.0

    A condition with an ``else`` makes two loops. A condition that reads memory is not moved: the loop may
    have no iterations, or store there.
    """
    return func.with_body(_Hoist()(func.body)) if any(type(n) is If for n in walk(func.body)) else func


class _Hoist(Rewriter):
    def _for(self, node: For) -> Stmt:
        return _hoisted(self.descend(node))

    rules = {For: _for, Store: lambda self, node: node}


@recursive
def _hoisted(loop: For) -> Stmt:
    guard = loop.body
    if not isinstance(guard, If):
        return loop
    parts = conjuncts(guard.condition)
    fixed = [part for part in parts if is_pure(part) and not mentions(part, (loop.var,))]
    rest = [part for part in parts if part not in fixed]
    if not fixed or (guard.otherwise is not None and rest):
        return loop
    then = If(conjunction(rest), guard.then) if rest else guard.then
    otherwise = None if guard.otherwise is None else _around(loop, guard.otherwise)
    return If(conjunction(fixed), _around(loop, then), otherwise)


def _around(loop: For, body: Stmt) -> Stmt:
    """`loop` with another body, whose guards are hoisted too."""
    return _hoisted(For(loop.var, loop.extent, loop.kind, body, loop.pragmas))
