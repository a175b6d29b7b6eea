"""Arithmetic of addresses: row-major positions, shifted indices, and indices converted to another type."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir.dtype import index_type, lanes_of, scalar_of, vector_of
from compiler.ir.expr import Buffer, Const, Expr, Ramp, binary


def position(buffer: Buffer, indices: Sequence[Expr]) -> Expr:
    """The row-major position of an element, in a type that holds it; a single index already is a position."""
    if len(indices) == 1:
        return widened(indices[0])
    if not indices:
        return Const(0)
    size = buffer.size
    total = widened(indices[0], size)
    for index, extent in zip(indices[1:], buffer.shape[1:], strict=True):
        inner = widened(index, size)
        total = inner if total == Const(0) else binary("+", binary("*", total, extent), inner)
    return total


def strided_position(buffer: Buffer, indices: Sequence[Expr]) -> Expr:
    """The position of an element of a buffer with strides, relative to its first element."""
    total: Expr = Const(0, "int64")
    for index, stride in zip(indices, buffer.strides or (), strict=True):
        term = binary("*", in_type(widened(index), "int64"), stride)
        total = term if total == Const(0, "int64") else binary("+", total, term)
    return total


def widened(index: Expr, size: int = 0) -> Expr:
    """An index in a type that holds its product with an extent: int32, or int64 for the wide types.

    Whatever computes with an index of unknown type widens it first: in uint8, ``index * 16`` would wrap
    around. With `size`, the products are positions among as many elements.
    """
    scalar = scalar_of(index.dtype)
    if scalar == "int64" or (scalar == "int32" and index_type(size) == "int32"):
        return index
    wide = "int64" if scalar in ("uint32", "uint64") else index_type(size)
    if isinstance(index, Ramp) and scalar == "int32":
        return Ramp(widened(index.base, size), widened(index.stride, size), index.lanes)
    return in_type(index, vector_of(wide, lanes_of(index.dtype)))


def part(number: Expr, old: Buffer, new: Buffer) -> Expr:
    """The position in `new` of part `number` of as many elements as `old` has."""
    return number if old.size == 1 else binary("*", widened(number, new.size), old.size)


def shifted(index: Expr, by: Expr) -> Expr:
    """An index, or a ramp of indices, plus a scalar."""
    if by == Const(0, by.dtype):
        return index
    index = widened(index)
    if isinstance(index, Ramp):
        base = shifted(index.base, by)
        return Ramp(base, in_type(index.stride, base.dtype), index.lanes)
    return by if index == Const(0, index.dtype) else binary("+", index, widened(by))


def in_type(index: Expr, dtype: str) -> Expr:
    """An index converted to another type, which must hold its value."""
    return Const(index.value, dtype) if isinstance(index, Const) else index.astype(dtype)
