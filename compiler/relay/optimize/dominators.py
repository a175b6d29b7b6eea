"""`DataFlow`: the values of a function and their uses; `post_dominators` of its graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from compiler.ir.node import CHILDREN
from compiler.relay.language.expr import (
    Call,
    Clause,
    Expr,
    Function,
    If,
    Let,
    Match,
    Tuple,
    TupleGetItem,
    Var,
)
from compiler.relay.language.op import Fuse, Op, is_call_of
from compiler.relay.language.types import TensorType

GROWTH = 4
"""An arithmetic operator is not fused into one whose result has more than this many times as many elements:
it would be evaluated again for each of them."""


def is_primitive(expr: Any) -> bool:
    """Whether an expression is a function that is compiled as one."""
    return type(expr) is Function and bool(expr.attrs.get("primitive"))


@dataclass(eq=False, slots=True)
class FlowNode:
    """A value of the data-flow graph.

    Parameters
    ----------
    expr : Expr
    index : int
        Its place in the order, in which values come before their uses.
    kind : Fuse
    region : int
        The body of a function, a branch or a clause that computes it.
    uses : list of (FlowNode, Fuse)
        The operators that use it, each with the kind of the use.
    escapes : bool
        Whether anything else uses it: another region, a function's result, a call of a closure.
    """

    expr: Expr
    index: int
    kind: Fuse
    region: int
    uses: list[tuple[FlowNode, Fuse]] = field(default_factory=list)
    escapes: bool = False


class DataFlow:
    """The values of a function and of the functions inside of it, with their uses.

    A variable that a let binds to the call of an operator is the call, within the region of the let. What is
    bound to other expressions, and what crosses the border of a region, escapes.

    Attributes
    ----------
    nodes : list of FlowNode
        Values before uses.
    of : dict of int to FlowNode
        ``id`` of an expression -> its node.
    bound : dict of Var to Expr
        Variables of lets that stand for the call of an operator.
    """

    def __init__(self, function: Function) -> None:
        self.nodes: list[FlowNode] = []
        self.of: dict[int, FlowNode] = {}
        self.bound: dict[Var, Expr] = {}
        regions: list[Expr] = [function.body]
        for number, root in enumerate(regions):  # grows
            for expr in self._order(root, regions):
                if id(expr) not in self.of:
                    node = FlowNode(expr, len(self.nodes), _kind(expr), number)
                    self.nodes.append(node)
                    self.of[id(expr)] = node
        roots = {id(self.value(root)) for root in regions}
        for node in self.nodes:
            node.escapes |= id(node.expr) in roots
            self._add_uses(node)

    def value(self, expr: Any) -> Any:
        """The expression that a variable of a let stands for; any other expression itself."""
        while type(expr) is Var and expr in self.bound:
            expr = self.bound[expr]
        return expr

    def _order(self, root: Expr, regions: list[Expr]) -> list[Expr]:
        """The expressions of a region that are not yet in the graph, in order; adds the regions inside."""
        found: list[Expr] = []
        seen: set[int] = set()
        pending: list[tuple[Any, bool]] = [(root, False)]
        while pending:
            expr, complete = pending.pop()
            if complete:
                if type(expr) is not Clause:
                    found.append(expr)
                continue
            if id(expr) in seen or id(expr) in self.of:
                continue
            seen.add(id(expr))
            if type(expr) is Let and flows(expr.value):
                self.bound[expr.var] = expr.value
            below, inside = _parts(expr)
            regions += inside
            pending.append((expr, True))
            pending += [(child, False) for child in reversed(below)]
        return found

    def _add_uses(self, node: FlowNode) -> None:
        pure = flows(node.expr)
        below, _ = _parts(node.expr)
        for child in below:
            used = self.of.get(id(self.value(child)))
            if used is None:
                continue
            if type(node.expr) is Let and child is node.expr.value and node.expr.var in self.bound:
                continue  # uses of the variable are uses of the value
            if not pure or used.region != node.region:
                used.escapes = True
            else:
                used.uses.append((node, _use(used, node)))
        for child in CHILDREN[type(node.expr)](
            node.expr
        ):  # roots of regions, and variables that are used there
            if child not in below and id(self.value(child)) in self.of:
                self.of[id(self.value(child))].escapes = True


def _parts(expr: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The children in the same region, and the roots of the regions inside."""
    if type(expr) is Function:
        return (), () if is_primitive(expr) else (expr.body,)
    if type(expr) is If:
        return (expr.condition,), (expr.then, expr.otherwise)
    if type(expr) is Match:
        return (expr.data,), tuple(clause.body for clause in expr.clauses)
    if type(expr) is Call and type(expr.function) is Op:
        return expr.args, ()
    return CHILDREN[type(expr)](expr), ()


def flows(expr: Any) -> bool:
    """Whether an expression is pure data flow, which may be computed at another place."""
    if type(expr) in (Tuple, TupleGetItem):
        return True
    return is_call_of(expr) and not expr.function.effect


def _kind(expr: Any) -> Fuse:
    if is_call_of(expr):
        if expr.function.name == "stop_fusion" or expr.function.effect or expr.function.compute is None:
            return Fuse.OPAQUE
        return expr.function.fuse
    if type(expr) is Tuple:
        return Fuse.TUPLE
    return Fuse.INJECTIVE if type(expr) is TupleGetItem else Fuse.OPAQUE


def _use(used: FlowNode, user: FlowNode) -> Fuse:
    """The kind of the use of one value by another."""
    kind = _kind(user.expr)
    if type(user.expr) is Tuple:
        return Fuse.INJECTIVE
    if used.kind <= Fuse.BROADCAST and _elements(user.expr) > GROWTH * _elements(used.expr) > 0:
        return Fuse.OPAQUE
    if kind == Fuse.BROADCAST and _shape(used.expr) is not None and _shape(used.expr) == _shape(user.expr):
        return Fuse.ELEMWISE
    return kind


def _shape(expr: Expr) -> Any:
    type_ = expr.checked_type if expr.has_type else None
    return type_.shape if isinstance(type_, TensorType) else None


def _elements(expr: Expr) -> int:
    shape = _shape(expr)
    return prod(shape) if isinstance(shape, tuple) and all(type(d) is int for d in shape) else 0


@dataclass(eq=False, slots=True)
class Dominator:
    """A node of the tree of post-dominators.

    Parameters
    ----------
    node : FlowNode
    parent : Dominator, optional
        Of its immediate post-dominator; None, where the value escapes.
    depth : int
    kind : Fuse
        The greatest kind of the uses on all paths to the parent.
    """

    node: FlowNode
    parent: Dominator | None
    depth: int
    kind: Fuse


def post_dominators(graph: DataFlow) -> list[Dominator]:
    """The tree of post-dominators, one entry for each node in the order of the graph.

    One pass from uses to values: the parent is the least common ancestor of all users.
    """
    tree: dict[FlowNode, Dominator] = {}
    for node in reversed(graph.nodes):
        parent: Dominator | None = None
        kind = Fuse.OPAQUE
        if not node.escapes and node.uses:
            kind = max(use for _, use in node.uses)
            parent = tree[node.uses[0][0]]
            for user, _ in node.uses[1:]:
                parent, kind = _common(parent, tree[user], kind)
        tree[node] = Dominator(node, parent, 1 if parent is None else parent.depth + 1, kind)
    return [tree[node] for node in graph.nodes]


def _common(a: Dominator | None, b: Dominator | None, kind: Fuse) -> tuple[Dominator | None, Fuse]:
    """The least common ancestor, and the greatest kind up to there."""
    while a is not b:
        if a is None or b is None:
            return None, Fuse.OPAQUE
        if a.depth >= b.depth:
            deep, a = a, a.parent
        else:
            deep, b = b, b.parent
        kind = max(kind, deep.kind)
    return a, kind
