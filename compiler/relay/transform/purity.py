"""Which expressions may be removed, repeated or moved: those that neither write nor read references."""

from __future__ import annotations

from compiler.ir.node import CHILDREN
from compiler.relay.language.expr import (
    Call,
    Constructor,
    Expr,
    Function,
    GlobalVar,
    RefCreate,
    RefRead,
    RefWrite,
    Var,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op
from compiler.relay.language.visit import post_order


class Purity:
    """Decides for the expressions of a module.

    To evaluate a pure expression writes and reads no reference, so that its value is the same wherever and
    how often it is evaluated. A recursive function is pure if its body is: programs are assumed to end.

    Parameters
    ----------
    module : IRModule
    """

    def __init__(self, module: IRModule) -> None:
        impure = {name for name, f in module.functions.items() if not self._is_pure_alone(f.body)}
        calls = {
            name: {n for n in post_order(f.body) if type(n) is GlobalVar}
            for name, f in module.functions.items()
        }
        changed = True
        while changed:
            reached = {name for name, called in calls.items() if called & impure} | impure
            changed, impure = reached != impure, reached
        self._impure = impure

    def is_pure(self, expr: Expr) -> bool:
        """Whether the evaluation of `expr` has no effect and does not depend on one."""
        for node in self._evaluated(expr):
            if not self._is_pure_node(node):
                return False
            if type(node) is GlobalVar and node in self._impure:
                return False
        return True

    def _is_pure_alone(self, body: Expr) -> bool:
        return all(map(self._is_pure_node, self._evaluated(body)))

    @staticmethod
    def _is_pure_node(node: object) -> bool:
        if isinstance(node, (RefCreate, RefRead, RefWrite)):
            return False
        if type(node) is Call:
            function = node.function
            if type(function) is Op:
                return not function.effect
            # the body of a function that is called is among the nodes; what a variable holds is unknown
            return type(function) in (Constructor, GlobalVar, Function)
        return True

    @staticmethod
    def _evaluated(expr: Expr) -> list[object]:
        """The nodes that the evaluation of `expr` may evaluate: not those of functions that it only makes."""
        found: list[object] = []
        seen: set[int] = set()
        pending: list[object] = [expr]
        while pending:
            node = pending.pop()
            if id(node) in seen or type(node) is Var:
                continue
            seen.add(id(node))
            found.append(node)
            if type(node) is Function:
                continue
            if type(node) is Call and type(node.function) is Function:
                pending.append(node.function.body)
            pending.extend(CHILDREN[type(node)](node))
        return found
