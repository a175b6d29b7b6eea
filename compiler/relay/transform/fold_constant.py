"""Constant folding: operators on constants are evaluated by their definition."""

from __future__ import annotations

from typing import Any

import numpy as np

from compiler.relay.language.expr import Call, Constant, Expr, Function, If, Tuple, TupleGetItem
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op, evaluated
from compiler.relay.language.types import TensorType
from compiler.relay.language.visit import map_functions, rewrite

LARGEST_RESULT = 1 << 26
"""Bytes up to which a result is stored in the program, unless its operands together are as large."""

KEPT = frozenset({"stop_fusion", "annotation.checkpoint"})
"""Operators that mean something besides their value."""


def fold_constant(module: IRModule) -> IRModule:
    """Evaluate operators on constants, take fields of written out tuples and the branch of a constant."""
    return map_functions(module, folded)


def folded(root: Any) -> Any:
    """An expression with its constant parts evaluated."""

    def enter(node: Any) -> bool:
        return not (type(node) is Function and node.attrs.get("primitive"))

    return rewrite(root, lambda node, old: _fold(node), enter)


def _fold(node: Any) -> Any:
    if type(node) is TupleGetItem and type(node.tuple_value) is Tuple and _constant(node.tuple_value):
        return node.tuple_value.fields[node.index]
    if type(node) is If and type(node.condition) is Constant:
        return node.then if node.condition.data.item() else node.otherwise
    if type(node) is not Call or type(node.function) is not Op:
        return node
    row = node.function
    if row.effect or row.evaluate is None or row.name in KEPT or not all(map(_constant, node.args)):
        return node
    if row.name in ("shape_of", "ndarray_size") or _expected_bytes(node) <= max(
        LARGEST_RESULT, sum(map(_bytes, node.args))
    ):
        return _as_expr(evaluated(row, node.attrs, [_value(a) for a in node.args]))
    return node


def _constant(expr: Expr) -> bool:
    if type(expr) is Tuple:
        return all(map(_constant, expr.fields))
    return type(expr) is Constant and expr.dtype != "bfloat16"


def _value(expr: Any) -> Any:
    return tuple(map(_value, expr.fields)) if type(expr) is Tuple else expr.data


def _bytes(expr: Any) -> int:
    return sum(map(_bytes, expr.fields)) if type(expr) is Tuple else expr.data.nbytes


def _expected_bytes(call: Call) -> int:
    """Bytes of the result, if its type is inferred and static; else 0, so that it is folded."""
    if call.has_type and isinstance(call.checked_type, TensorType) and call.checked_type.concrete:
        dtype = call.checked_type.dtype
        size = 2 if dtype == "bfloat16" else np.dtype(str(dtype)).itemsize
        return int(np.prod(call.checked_type.dims, dtype=np.int64)) * size
    return 0


def _as_expr(value: Any) -> Expr:
    if isinstance(value, tuple):
        return Tuple(tuple(map(_as_expr, value)))
    return Constant(value)
