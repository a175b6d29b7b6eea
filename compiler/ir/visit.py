"""The one mechanism by which code walks the IR: dispatch on the type of a node.

`children` and `rebuild` know the shape of every node, so a walk or a rewrite only
names the nodes that it cares about. A rewrite that changes nothing returns the
same object, which lets passes stop early and callers compare with ``is``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from compiler.ir.expr import (
    INDEX,
    Binary,
    Broadcast,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Not,
    Ramp,
    Select,
    Var,
    fold,
)
from compiler.ir.stmt import (
    Allocate,
    Barrier,
    Copy,
    For,
    If,
    Invoke,
    Let,
    Prefetch,
    Region,
    Seq,
    Stmt,
    Store,
    Token,
)

Node = Expr | Stmt | Region

# node type -> its child nodes, in the order of evaluation
_CHILDREN: dict[type, Callable[[Any], tuple[Node, ...]]] = {
    Var: lambda n: (),
    Const: lambda n: (),
    Binary: lambda n: (n.a, n.b),
    Not: lambda n: (n.a,),
    Select: lambda n: (n.condition, n.a, n.b),
    Cast: lambda n: (n.value,),
    Load: lambda n: n.indices,
    Call: lambda n: n.args,
    Ramp: lambda n: (n.base, n.stride),
    Broadcast: lambda n: (n.value,),
    For: lambda n: (n.extent, n.body),
    Store: lambda n: (*n.indices, n.value),
    If: lambda n: (n.condition, n.then) if n.otherwise is None else (n.condition, n.then, n.otherwise),
    Seq: lambda n: n.stmts,
    Allocate: lambda n: (n.body,),
    Let: lambda n: (n.value, n.body),
    Prefetch: lambda n: n.indices,
    Barrier: lambda n: (),
    Region: lambda n: (n.offset, *n.strides),
    Copy: lambda n: (n.target, n.source, *n.before, *n.after, n.fill),
    Invoke: lambda n: n.operands,
    Token: lambda n: (),
}


def _copy(node: Copy, c: tuple[Any, ...]) -> Copy:
    ndim = len(node.before)
    return Copy(c[0], c[1], c[2 : 2 + ndim], c[2 + ndim : -1], c[-1])


def _fold(node: Binary, a: Expr, b: Expr) -> Expr:
    """Literals are folded as they meet, so that an unrolled index is a number at once."""
    op = node.op
    if type(b) is Const:
        if node.dtype == INDEX and ((op == "+" and b.value == 0) or (op in ("*", "//") and b.value == 1)):
            return a
        folded = fold(op, a, b) if type(a) is Const else None
        if folded is not None:
            return folded
    elif type(a) is Const and node.dtype == INDEX and (op, a.value) in (("+", 0), ("*", 1)):
        return b
    return Binary(op, a, b, node.dtype)


# node type -> the same node around other children
_REBUILD: dict[type, Callable[[Any, tuple[Any, ...]], Node]] = {
    Binary: lambda n, c: _fold(n, *c),
    Not: lambda n, c: Not(c[0]),
    Select: lambda n, c: Select(*c),
    Cast: lambda n, c: Cast(c[0], n.dtype),
    Load: lambda n, c: Load(n.buffer, c),
    Call: lambda n, c: Call(n.name, c, n.dtype),
    Ramp: lambda n, c: Ramp(c[0], c[1], n.lanes),
    Broadcast: lambda n, c: Broadcast(c[0], n.lanes),
    For: lambda n, c: For(n.var, c[0], n.kind, c[1], n.pragmas),
    Store: lambda n, c: Store(n.buffer, c[:-1], c[-1]),
    If: lambda n, c: If(*c),
    Seq: lambda n, c: Seq(c),
    Allocate: lambda n, c: Allocate(n.buffer, c[0], n.pragmas),
    Let: lambda n, c: Let(n.var, *c),
    Prefetch: lambda n, c: Prefetch(n.buffer, c),
    Region: lambda n, c: Region(n.buffer, c[0], n.extents, c[1:]),
    Copy: _copy,
    Invoke: lambda n, c: Invoke(n.intrinsic, c),
}


def register(node_type: type, children: Callable, rebuild: Callable) -> None:
    """Teach the walk one more node type (a tensor language above this IR has its own leaves)."""
    _CHILDREN[node_type] = children
    _REBUILD[node_type] = rebuild


def children(node: Node) -> tuple[Node, ...]:
    """The child nodes of `node`, in the order of evaluation."""
    return _CHILDREN[type(node)](node)


def rebuild(node: Any, new: tuple[Node, ...]) -> Any:
    """`node` around `new` children; `node` itself when they are the same objects."""
    for a, b in zip(new, _CHILDREN[type(node)](node), strict=True):
        if a is not b:
            break
    else:
        return node
    return _REBUILD[type(node)](node, new)


def walk(node: Node) -> Iterator[Node]:
    """Every node below and including `node`, parents before children."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        below = _CHILDREN[type(top)](top)
        if below:
            stack.extend(below[::-1])


class Rewriter:
    """A rewrite from the leaves up.

    A subclass sets `rules`, a table from node type to a method ``(self, node) -> node``.
    A node whose type has no rule is rebuilt around its rewritten children. A rule
    calls `self.descend(node)` where it wants the children rewritten first.
    """

    rules: Mapping[type, Callable[[Any, Any], Any]] = {}

    def __call__(self, node: Any) -> Any:
        rule = self.rules.get(type(node))
        return self.descend(node) if rule is None else rule(self, node)

    def descend(self, node: Any) -> Any:
        """`node` around its rewritten children."""
        quick = _DESCEND.get(type(node))
        if quick is not None:
            return quick(self, node)
        return rebuild(node, tuple([self(child) for child in children(node)]))


def _binary(rewriter: Rewriter, node: Binary) -> Expr:
    a, b = rewriter(node.a), rewriter(node.b)
    return node if a is node.a and b is node.b else _fold(node, a, b)


def _load(rewriter: Rewriter, node: Load) -> Expr:
    old = node.indices
    if len(old) != 1:
        return rebuild(node, tuple([rewriter(index) for index in old]))
    index = rewriter(old[0])
    return node if index is old[0] else Load(node.buffer, (index,))


# what a rewrite meets most, without the way over tuples of children; the meaning is that of `rebuild`
_DESCEND: dict[type, Callable[[Any, Any], Any]] = {
    Var: lambda rewriter, node: node,
    Const: lambda rewriter, node: node,
    Binary: _binary,
    Load: _load,
}


class _Substitution(Rewriter):
    def __init__(self, bindings: Mapping[Var, Expr]) -> None:
        self.bindings = bindings

    def _var(self, node: Var) -> Expr:
        return self.bindings.get(node, node)

    rules = {Var: _var}


def substitute(node: Any, bindings: Mapping[Var, Expr]) -> Any:
    """`node` with each variable of `bindings` replaced."""
    return _Substitution(bindings)(node) if bindings else node
