"""Equality of functions up to the names and identities of their variables and buffers."""

from __future__ import annotations

from typing import Any

from compiler.ir.expr import Buffer, Const, Var
from compiler.ir.function import Intrinsic, PrimFunc
from compiler.ir.node import schema_of
from compiler.ir.recursion import recursive
from compiler.ir.stmt import Seq
from compiler.ir.visit import children


def structural_equal(a: PrimFunc, b: PrimFunc) -> bool:
    """Whether two functions are equal up to the names of their variables and buffers.

    Variables and buffers correspond if they are defined at the same place; their types, shapes and scopes
    must agree. Variables and buffers without a definition in the function must be identical. The names of the
    functions must agree, and so must the names and the descriptions of intrinsics. Nested sequences equal the
    flat sequence of their statements. Float literals are compared as in `compiler.ir.expr.Const`.
    """
    return a.name == b.name and _same(a, b, {})


def _same(a: PrimFunc, b: PrimFunc, pairs: dict[Any, Any]) -> bool:
    if len(a.params) != len(b.params):
        return False
    if not all(_define(x, y, pairs) for x, y in zip(a.params, b.params, strict=True)):
        return False
    return _equal(a.body, b.body, pairs)


def _define(a: Any, b: Any, pairs: dict[Any, Any]) -> bool:
    """Record in `pairs` that `a` and `b` correspond; False if their types differ."""
    pairs[a] = b
    if isinstance(a, Buffer):
        if (len(a.shape), a.dtype, a.scope) != (len(b.shape), b.dtype, b.scope):
            return False
        if not all(_extents(x, y, pairs) for x, y in zip(a.shape, b.shape, strict=True)):
            return False
        if a.strides is None or b.strides is None:
            return a.strides is b.strides
        return all(_extents(x, y, pairs) for x, y in zip(a.strides, b.strides, strict=True))
    return a.dtype == b.dtype


def _extents(a: int | Var, b: int | Var, pairs: dict[Any, Any]) -> bool:
    """Whether two extents correspond; the first use of a dynamic extent defines it."""
    if not (isinstance(a, Var) and isinstance(b, Var)):
        return a is b or (type(a) is type(b) and a == b)
    if a not in pairs and b not in pairs.values():
        pairs[a] = b
        return (a.dtype, a.bounds) == (b.dtype, b.bounds)
    return pairs.get(a) is b


@recursive
def _equal(a: Any, b: Any, pairs: dict[Any, Any]) -> bool:
    a, b = _single(a), _single(b)
    if type(a) is not type(b):
        return False
    if isinstance(a, (Var, Const)):
        return bool(pairs.get(a, a) == b)
    parts = schema_of(type(a)).fields
    if not all(
        _equal_attribute(getattr(a, part.name), getattr(b, part.name), pairs)
        for part in parts
        if part.role == "attribute"
    ):
        return False
    below_a, below_b = _below(a), _below(b)
    if len(below_a) != len(below_b):
        return False
    bound = [part.name for part in parts if part.role == "binding"]
    outside = len(below_a) - bool(bound)  # the last child is where the binding holds
    if not all(_equal(x, y, pairs) for x, y in zip(below_a[:outside], below_b[:outside], strict=True)):
        return False
    if not bound:
        return True
    inside = dict(pairs)  # a copy, since the binding holds in the last child alone
    return all(_define(getattr(a, name), getattr(b, name), inside) for name in bound) and _equal(
        below_a[-1], below_b[-1], inside
    )


def _equal_attribute(a: Any, b: Any, pairs: dict[Any, Any]) -> bool:
    """Whether two attributes of nodes agree; True is not 1 here."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(_equal_attribute(x, y, pairs) for x, y in zip(a, b, strict=True))
    if isinstance(a, Intrinsic):
        return a is b or (a.name == b.name and _same(a.description, b.description, {}))
    return bool((pairs.get(a, a) if isinstance(a, (Var, Buffer)) else a) == b)


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
