"""Operators that make tensors of attributes: constants, ranges, grids; and those of a tensor's shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, prod
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.expr import Expr as Element
from compiler.relay.infer.relations import forward, rank, tensor
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Expr, Tuple, TupleGetItem
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import TensorType, TupleType, Type
from compiler.relay.operator.elementwise import converted, dtype_of, numpy_dtype, row, te_cast, wide_dtype
from compiler.relay.operator.shape import fields_of, tuple_fields
from compiler.te.tensor import Tensor

_SHAPE = Attribute("shape", "ints")
_DTYPE = Attribute("dtype", "dtype", "float32")


def _checked_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if any(n < 0 for n in shape):
        raise ValueError(f"shape is {shape}; its dimensions must not be negative")
    return shape


def _filled(name: str, value: int) -> Op:
    return row(
        name,
        lambda attrs: TensorType(_checked_shape(attrs.shape), attrs.dtype),
        lambda attrs: np.full(attrs.shape, value, numpy_dtype(attrs.dtype)),
        lambda attrs, args, at, shape: te.const(value, attrs.dtype),
        inputs=(),
        attributes=(_SHAPE, _DTYPE),
        fuse=Fuse.ELEMWISE,
        doc=f"{name.capitalize()} of a shape.",
    )


# --- full -----------------------------------------------------------------------------------------


def _full_rule(attrs: Attrs, value: Any) -> Type:
    if rank(tensor(value)) != 0:
        raise ValueError(f"the value is {value}; a scalar is needed")
    return TensorType(_checked_shape(attrs.shape), attrs.dtype or value.dtype)


def _full(attrs: Attrs, value: np.ndarray) -> np.ndarray:
    return np.full(attrs.shape, converted(value, attrs.dtype or value.dtype.name))


def _full_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    source = dtype_of(call.args[0])
    total = op("sum")(grad)
    return [total if source == dtype_of(call) else op("cast")(total, dtype=source)]


# --- ranges ---------------------------------------------------------------------------------------


def _count(attrs: Attrs) -> int:
    for name in ("start", "stop", "step"):
        if type(attrs[name]) not in (int, float):
            raise ValueError(f"{name} is {attrs[name]!r}; a number is needed")
    if attrs.step == 0:
        raise ValueError("step is 0; a number that is not 0 is needed")
    if attrs.dtype == "bool":
        raise ValueError("the element type is bool; a number is needed")
    if all(type(attrs[name]) is int for name in ("start", "stop", "step")):
        return max(0, -((attrs.start - attrs.stop) // attrs.step))
    return max(0, ceil((attrs.stop - attrs.start) / attrs.step))


def _arange(attrs: Attrs) -> np.ndarray:
    # in the type that holds the products: a range of float16 is rounded once
    wide = wide_dtype(attrs.dtype)
    start, step = (converted(np.asarray(attrs[name]), wide) for name in ("start", "step"))
    return converted(np.arange(_count(attrs)).astype(wide) * step + start, attrs.dtype)


def _te_arange(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    wide = wide_dtype(attrs.dtype)
    start, step = (
        te.const(converted(np.asarray(attrs[name]), wide).item(), wide) for name in ("start", "step")
    )
    return te_cast(te.cast(at[0], wide) * step + start, attrs.dtype)


def _eye_shape(attrs: Attrs) -> tuple[int, ...]:
    columns = attrs.rows if attrs.columns is None else attrs.columns
    return _checked_shape((attrs.rows, columns))


def _eye(attrs: Attrs) -> np.ndarray:
    rows, columns = _eye_shape(attrs)
    return np.eye(rows, columns, attrs.k, dtype=numpy_dtype(attrs.dtype))


# --- grids ----------------------------------------------------------------------------------------


def _grid_axes(attrs: Attrs, count: int) -> list[int]:
    """The axis of the results along which each field varies."""
    axes = list(range(count))
    if attrs.indexing == "xy" and count > 1:
        axes[:2] = 1, 0
    return axes


def _meshgrid_rule(attrs: Attrs, fields: Any) -> Type:
    fields = tuple_fields(fields)
    dims: list[Any] = [0] * len(fields)
    for axis, field in zip(_grid_axes(attrs, len(fields)), fields, strict=True):
        if rank(field) > 1:
            raise ValueError(f"a field is {field}; a vector or a scalar is needed")
        dims[axis] = field.shape[0] if field.shape else 1
    return TupleType((TensorType(tuple(dims), fields[0].dtype),) * len(fields))


def _meshgrid(attrs: Attrs, fields: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    return tuple(np.meshgrid(*fields, indexing=attrs.indexing))


def _te_meshgrid(attrs: Attrs, args: Sequence[Any], type_: Any) -> list[Tensor]:
    def grid(x: Tensor, axis: int) -> Tensor:
        return te.compute(type_.fields[0].dims, lambda *at: x[(at[axis],) if x.ndim else ()], "grid")

    return [grid(x, axis) for x, axis in zip(args, _grid_axes(attrs, len(args)), strict=True)]


def _meshgrid_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    fields = fields_of(call.args[0])
    parts = []
    for k, (axis, field) in enumerate(zip(_grid_axes(call.attrs, len(fields)), fields, strict=True)):
        part = TupleGetItem(grad, k)
        parts.append(op("sum")(part, axis=axis, exclude=True) if field.shape else op("sum")(part))
    return [Tuple(tuple(parts))]


# --- shapes of tensors ----------------------------------------------------------------------------


def _dims_type(attrs: Attrs, x: Any) -> Type:
    return TensorType((rank(tensor(x)),), attrs.dtype)


def _te_dims(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    value: Any = te.const(args[0].shape[-1], attrs.dtype)
    for d in reversed(range(args[0].ndim - 1)):
        value = te.select(te.equal(at[0], d), te.const(args[0].shape[d], attrs.dtype), value)
    return value


def _size_type(attrs: Attrs, x: Any) -> Type:
    tensor(x)
    return TensorType((), attrs.dtype)


def _fixed(compute: Callable[[Any], int]) -> Callable[..., Element]:
    return lambda attrs, args, at, shape: te.const(compute(args[0]), attrs.dtype)


_COUNTED = (Attribute("dtype", "dtype", "int64"),)

ROWS = (
    _filled("zeros", 0),
    _filled("ones", 1),
    row(
        "full",
        _full_rule,
        _full,
        lambda attrs, args, at, shape: te_cast(args[0][()], attrs.dtype or args[0].dtype),
        _full_gradient,
        inputs=("value",),
        attributes=(_SHAPE, Attribute("dtype", "dtype?", None)),
        fuse=Fuse.BROADCAST,
        doc="A scalar at every place of a shape, converted to an element type if one is given.",
    ),
    row(
        "arange",
        lambda attrs: TensorType((_count(attrs),), attrs.dtype),
        _arange,
        _te_arange,
        inputs=(),
        attributes=(
            Attribute("start", "any", 0),
            Attribute("stop", "any"),
            Attribute("step", "any", 1),
            _DTYPE,
        ),
        doc="The numbers from start, with a step, before stop.",
    ),
    row(
        "eye",
        lambda attrs: TensorType(_eye_shape(attrs), attrs.dtype),
        _eye,
        lambda attrs, args, at, shape: te.select(
            te.equal(at[1] - at[0], attrs.k), te.const(1, attrs.dtype), te.const(0, attrs.dtype)
        ),
        inputs=(),
        attributes=(
            Attribute("rows", "int"),
            Attribute("columns", "int?", None),
            Attribute("k", "int", 0),
            _DTYPE,
        ),
        doc="A matrix with ones on the diagonal k.",
    ),
    Op(
        "meshgrid",
        ("fields",),
        forward(_meshgrid_rule),
        _meshgrid,
        _te_meshgrid,
        Fuse.INJECTIVE,
        (Attribute("indexing", "str", "ij", ("ij", "xy")),),
        _meshgrid_gradient,
        doc="For vectors the tensors of their coordinates on a grid, as in `numpy.meshgrid`.",
    ),
    row(
        "shape_of",
        _dims_type,
        lambda attrs, x: np.array(x.shape, attrs.dtype),
        _te_dims,
        attributes=_COUNTED,
        doc="The dimensions.",
    ),
    row(
        "ndarray_size",
        _size_type,
        lambda attrs, x: np.array(x.size, attrs.dtype),
        _fixed(lambda x: prod(x.shape)),
        attributes=_COUNTED,
        doc="The number of elements.",
    ),
)
