"""Common subexpression elimination: equal pure operations on the same operands are computed once."""

from __future__ import annotations

from typing import Any

from compiler.relay.language.expr import Call, Constant, Expr, Tuple, TupleGetItem
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op
from compiler.relay.language.visit import map_functions, rewrite

LARGEST_CONSTANT = 1024
"""Bytes up to which constants are compared by their elements; a larger one is equal only to itself."""


def eliminate_common_subexpressions(module: IRModule) -> IRModule:
    """Share calls of operators, tuples, fields and small constants that are equal.

    Operators alone: their values do not depend on when they are evaluated, so that those of two branches
    may be one.
    """
    return map_functions(module, lambda f: rewrite(f, _Table().share))


class _Table:
    def __init__(self) -> None:
        self._known: dict[Any, Expr] = {}

    def share(self, node: Any, old: Any) -> Any:
        key = _key(node)
        return node if key is None else self._known.setdefault(key, node)


def _key(node: Any) -> Any:
    """What two equal expressions have in common; None for one that is not shared."""
    if type(node) is Call and type(node.function) is Op and not node.function.effect:
        return node.function.name, node.attrs, tuple(map(id, node.args))
    if type(node) is TupleGetItem:
        return "field", id(node.tuple_value), node.index
    if type(node) is Tuple:
        return "tuple", tuple(map(id, node.fields))
    if type(node) is Constant and node.data.nbytes <= LARGEST_CONSTANT:
        return node.dtype, node.data.shape, node.data.tobytes()
    return None
