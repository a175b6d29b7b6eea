"""Equality of functions up to the names and identities of their variables and buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compiler.ir.expr import Binary, Broadcast, Call, Cast, Const, Load, Ramp, Var, is_float
from compiler.ir.function import Buffer, PrimFunc
from compiler.ir.stmt import Allocate, Barrier, For, Invoke, Let, Prefetch, Region, Seq, Store, Token
from compiler.ir.visit import children


def structural_equal(a: PrimFunc, b: PrimFunc) -> bool:
    """Whether two functions are the same program.

    Variables and buffers correspond by where they are defined: the names may differ, but
    the types, shapes and scopes may not. What is used without a definition must be
    identical. The names of the functions count, and so do those of the intrinsics, whose
    descriptions must be equal. Sequences count as the flat list of their statements, since
    nesting has no meaning. Float literals are equal if they are the same number, where zero
    has a sign and any NaN equals any other.
    """
    return a.name == b.name and _same(a, b, {})


def _same(a: PrimFunc, b: PrimFunc, pairs: dict[Any, Any]) -> bool:
    if len(a.params) != len(b.params):
        return False
    if not all(_define(x, y, pairs) for x, y in zip(a.params, b.params, strict=True)):
        return False
    return _equal(a.body, b.body, pairs)


def _define(a: Any, b: Any, pairs: dict[Any, Any]) -> bool:
    """Let `a` and `b` correspond from now on, if their types agree."""
    pairs[a] = b
    if isinstance(a, Buffer):
        if (len(a.shape), a.dtype, a.scope) != (len(b.shape), b.dtype, b.scope):
            return False
        return all(_extents(x, y, pairs) for x, y in zip(a.shape, b.shape, strict=True))
    return a.dtype == b.dtype


def _extents(a: int | Var, b: int | Var, pairs: dict[Any, Any]) -> bool:
    """Whether two extents correspond; the first use of a size defines it."""
    if not (isinstance(a, Var) and isinstance(b, Var)):
        return a is b or (type(a) is type(b) and a == b)
    if a not in pairs and b not in pairs.values():
        pairs[a] = b
        return (a.dtype, a.bounds) == (b.dtype, b.bounds)
    return pairs.get(a) is b


def _equal(a: Any, b: Any, pairs: dict[Any, Any]) -> bool:
    a, b = _single(a), _single(b)
    if type(a) is not type(b):
        return False
    attributes = _ATTRIBUTES.get(type(a))
    if attributes is not None and attributes(a, pairs) != attributes(b, None):
        return False
    if isinstance(a, Invoke) and not _same_intrinsic(a, b):
        return False
    binding = _BINDING.get(type(a))
    below_a, below_b = _below(a), _below(b)
    if binding is not None:
        *outside_a, inside_a = below_a  # the body is the last child
        *outside_b, inside_b = below_b
        if not all(_equal(x, y, pairs) for x, y in zip(outside_a, outside_b, strict=True)):
            return False
        # a copy, so that what is defined in here does not count outside
        inside = dict(pairs)
        return _define(binding(a), binding(b), inside) and _equal(inside_a, inside_b, inside)
    return len(below_a) == len(below_b) and all(
        _equal(x, y, pairs) for x, y in zip(below_a, below_b, strict=True)
    )


def _same_intrinsic(a: Invoke, b: Invoke) -> bool:
    one, other = a.intrinsic, b.intrinsic
    return one is other or (one.name == other.name and _same(one.description, other.description, {}))


def _below(node: Any) -> tuple[Any, ...]:
    """The children of a node, with nested sequences joined."""
    if not isinstance(node, Seq):
        return children(node)
    return tuple(x for stmt in node.stmts for x in (_below(stmt) if isinstance(stmt, Seq) else (stmt,)))


def _single(node: Any) -> Any:
    """The only statement of a sequence of one, else `node`."""
    if isinstance(node, Seq):
        below = _below(node)
        return below[0] if len(below) == 1 else node
    return node


def _other(item: Any, pairs: dict[Any, Any] | None) -> Any:
    """What `item` stands for in the other function."""
    return item if pairs is None else pairs.get(item, item)


# node type that defines a variable or buffer for its last child -> that
_BINDING: dict[type, Callable[[Any], Any]] = {
    For: lambda n: n.var,
    Allocate: lambda n: n.buffer,
    Let: lambda n: n.var,
}

# node type -> what must agree beside the children
_ATTRIBUTES: dict[type, Callable[[Any, dict[Any, Any] | None], Any]] = {
    Var: _other,
    # the text of a float tells -0.0 from 0.0, and one NaN not from another
    Const: lambda n, _: (n.dtype, repr(float(n.value)) if is_float(n.dtype) else n.value),
    Binary: lambda n, _: (n.op, n.dtype),
    Cast: lambda n, _: n.dtype,
    Call: lambda n, _: (n.name, n.dtype),
    Load: lambda n, pairs: _other(n.buffer, pairs),
    Store: lambda n, pairs: _other(n.buffer, pairs),
    Prefetch: lambda n, pairs: _other(n.buffer, pairs),
    Region: lambda n, pairs: (_other(n.buffer, pairs), n.extents),
    Ramp: lambda n, _: n.lanes,
    Broadcast: lambda n, _: n.lanes,
    # the text of a pragma tells True from 1
    For: lambda n, _: (n.kind, repr(n.pragmas)),
    Allocate: lambda n, _: repr(n.pragmas),
    Barrier: lambda n, _: n.scope,
    Token: lambda n, _: (n.action, n.source, n.target),
}
