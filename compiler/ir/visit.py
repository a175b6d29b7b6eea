"""Traversal and rewriting of the IR.

`compiler.ir.node` derives the shape of every node from its fields, so a traversal or a rewrite only names the
nodes that it treats specially. A rewrite that changes nothing returns the same object, which lets passes stop
early and callers compare with ``is``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from compiler.ir.expr import Binary, Const, Expr, Var
from compiler.ir.node import CHILDREN, DESCEND, REBUILD, Node
from compiler.ir.recursion import LEVELS, Recursive
from compiler.ir.stmt import Barrier, Stmt


def children(node: Node) -> tuple[Node, ...]:
    """The child nodes of `node`, in the order of evaluation."""
    return CHILDREN[type(node)](node)


def rebuild(node: Any, new: tuple[Node, ...]) -> Any:
    """`node` with the children `new`, as many as it has; `node` itself when they are the same objects."""
    kind = type(node)
    for a, b in zip(new, CHILDREN[kind](node), strict=True):
        if a is not b:
            return REBUILD[kind](node, new)
    return node


def walk(node: Node) -> Iterator[Node]:
    """Every node below and including `node`, parents before children."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        below = CHILDREN[type(top)](top)
        if below:
            stack.extend(below[::-1])


def conjuncts(condition: Expr) -> list[Expr]:
    """The operands of the conjunction that `condition` is; of any other condition, itself."""
    found, pending = [], [condition]
    while pending:
        part = pending.pop()
        if type(part) is Binary and part.op == "and":
            pending += (part.b, part.a)
        else:
            found.append(part)
    return found


def contains_barrier(stmt: Stmt) -> bool:
    """Whether `stmt` contains a barrier."""
    return any(type(node) is Barrier for node in walk(stmt))


class Rewriter(Recursive):
    """A rewrite from the leaves up, of nodes of any depth.

    A subclass sets `rules`, a table from node type to a method ``(self, node) -> node``. A node whose type
    has no rule is rebuilt with its rewritten children. A rule calls `self.descend(node)` to rewrite the
    children first.
    """

    rules: Mapping[type, Callable[[Any, Any], Any]] = {}

    def __call__(self, node: Any) -> Any:
        kind = type(node)
        rule = self.rules.get(kind)
        if rule is None and (kind is Const or kind is Var):
            return node
        level = self.level
        if level == LEVELS:
            return self.deeper(self, node)
        self.level = level + 1
        try:
            return DESCEND[kind](self, node) if rule is None else rule(self, node)
        finally:
            self.level = level

    def descend(self, node: Any) -> Any:
        """`node` with its rewritten children."""
        return DESCEND[type(node)](self, node)


class _Substitution(Rewriter):
    def __init__(self, bindings: Mapping[Var, Expr]) -> None:
        self.bindings = bindings

    def _var(self, node: Var) -> Expr:
        return self.bindings.get(node, node)

    rules = {Var: _var}


def substitute(node: Any, bindings: Mapping[Var, Expr]) -> Any:
    """`node` with each variable of `bindings` replaced."""
    return _Substitution(bindings)(node) if bindings else node
