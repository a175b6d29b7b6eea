"""Products of matrices: dense, matmul and batch_matmul; the bias of a channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.ops import DENSE, MATMUL, Operator
from compiler.relay.infer.relations import (
    broadcast_dim,
    broadcast_shapes,
    forward,
    normalized_axis,
    rank,
    same_dtype,
    shape_text,
    tensor,
)
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Expr
from compiler.relay.language.op import Fuse, Op, Template, op
from compiler.relay.language.types import TensorType, Type
from compiler.relay.operator.arithmetic import sum_to

Array = np.ndarray
OUT_DTYPE = Attribute("out_dtype", "dtype?", None)


def result_dtype(attrs: Attrs, operand: Any) -> Any:
    """The element type of a sum of products: ``out_dtype``, int32 for bytes, else that of the operands."""
    if attrs.out_dtype is not None:
        return attrs.out_dtype
    return "int32" if operand in ("int8", "uint8") else operand


def accumulator(dtype: str) -> str:
    """The element type in which products of a type are summed."""
    if dtype in ("float16", "bfloat16"):
        return "float32"
    return "int32" if dtype in ("int8", "uint8", "int16", "uint16") else dtype


def exact(array: Array) -> Array:
    """Operands of a sum of products by NumPy: narrow integers as float64, whose sums are exact and fast."""
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype == np.float16:
        return array.astype(np.float32)
    return array.astype(np.float64) if array.dtype.itemsize <= 2 else array


def rounded(total: Array, dtype: str) -> Array:
    """A sum that `exact` operands give, in the element type of the result."""
    return total.astype(np.int64).astype(dtype) if np.dtype(dtype).kind in "iu" else total.astype(dtype)


def scheduled(operator: Operator, arguments: Sequence[int], **values: Any) -> Template | None:
    """The template of an operator with these parameters; None, if it does not take them."""
    try:
        operator.shape(**values)
    except ValueError:
        return None
    return Template(operator, values, tuple(arguments))


def product_dtype(operator: Operator, attrs: Attrs, left: TensorType, right: TensorType) -> str | None:
    """The operator's parameter ``dtype`` for these operands; None, if it has no such."""
    allowed = operator.parameters[-1].options
    second = "int8" if left.dtype == "uint8" else left.dtype
    if left.dtype not in allowed or right.dtype != second:
        return None
    stored = "int32" if left.dtype in ("int8", "uint8") else left.dtype
    stored = "float32" if left.dtype == "bfloat16" else stored
    return str(left.dtype) if result_dtype(attrs, left.dtype) == stored else None


def operands_dtype(attrs: Attrs, left: TensorType, right: TensorType) -> Any:
    """The element type of the result; both operands have one type, but bytes may differ in their sign."""
    if {left.dtype, right.dtype} <= {"int8", "uint8"}:
        return result_dtype(attrs, left.dtype)
    return result_dtype(attrs, same_dtype(left, right))


def swapped(x: Expr, count: int) -> Expr:
    """`x` of `count` axes with the last two exchanged."""
    return op("transpose")(x, axes=(*range(count - 2), count - 1, count - 2))


def cast_to(x: Expr, dtype: Any, wanted: Any) -> Expr:
    """`x`, of the element type `dtype`, in another one."""
    return x if dtype == wanted else op("cast")(x, dtype=wanted)


def _sums(x: Any, y: Any, k: Any, dtype: str) -> Any:
    kind = accumulator(dtype)
    return te.sum(x.astype(kind) * y.astype(kind), axis=k)


def stored(total: Any, dtype: str, name: str) -> Any:
    """The sum in the element type of the result."""
    return (
        total if total.dtype == dtype else te.compute(total.shape, lambda *at: total[at].astype(dtype), name)
    )


# dense ---------------------------------------------------------------------------------------------------


def dense_type(attrs: Attrs, data: Type, weight: Type) -> Type:
    """The type of a dense layer's result."""
    x, w = tensor(data, "the data"), tensor(weight, "the weight")
    if rank(x) < 1 or rank(w) != 2:
        raise ValueError(f"data (..., K) and weight (N, K) are needed, not {x} and {w}")
    if not fits(x.shape[-1], w.shape[1]):  # type: ignore[index]
        raise ValueError(f"the data has rows of {x.shape[-1]} elements, but the weight of {w.shape[1]}")  # type: ignore[index]
    return TensorType((*x.shape[:-1], w.shape[0]), operands_dtype(attrs, x, w))  # type: ignore[index,misc]


def fits(a: Any, b: Any) -> bool:
    """Whether two dimensions can be equal."""
    return a == b or type(a) is not int or type(b) is not int


def _dense(attrs: Attrs, x: Array, w: Array) -> Array:
    dtype = result_dtype(attrs, x.dtype.name)
    return rounded(exact(x) @ exact(w).T, dtype)


def _dense_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    x, w = tensors
    k = te.reduce_axis((0, w.shape[1]), "k")
    total = te.compute(result.shape, lambda *at: _sums(x[(*at[:-1], k)], w[at[-1], k], k, x.dtype), "dense")
    return stored(total, result.dtype, "out")


def _dense_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    x, w = call.args
    wide = x.checked_type.dims  # type: ignore[attr-defined]
    rows = op("reshape")(x, newshape=(prod(wide[:-1]), wide[-1]))
    out = op("reshape")(grad, newshape=(prod(wide[:-1]), w.checked_type.dims[0]))  # type: ignore[attr-defined]
    return op("nn.matmul")(grad, w), op("nn.dense")(swapped(out, 2), swapped(rows, 2))


def _dense_template(attrs: Attrs, types: Sequence[TensorType]) -> Template | None:
    x, w = types
    dtype = product_dtype(DENSE, attrs, x, w)
    if dtype is None or prod(x.dims[:-1]) == 0:
        return None
    return scheduled(DENSE, (0, 1), M=prod(x.dims[:-1]), N=w.dims[0], K=w.dims[1], dtype=dtype)


# matmul --------------------------------------------------------------------------------------------------


def matmul_type(attrs: Attrs, left: Type, right: Type) -> Type:
    """The type of a matrix product."""
    x, y = tensor(left), tensor(right)
    if not rank(x) or not rank(y):
        raise ValueError(f"matmul needs operands of at least one axis, not {x} and {y}")
    a, b = tuple(x.shape), tuple(y.shape)  # type: ignore[arg-type]
    if not fits(a[-1], b[-2] if len(b) > 1 else b[0]):
        raise ValueError(f"matmul: the last axis of {shape_text(a)} does not fit {shape_text(b)}")
    batch = broadcast_shapes(a[:-2], b[:-2])
    return TensorType((*batch, *a[-2:-1], *(b[-1:] if len(b) > 1 else ())), operands_dtype(attrs, x, y))


def _matmul(attrs: Attrs, x: Array, y: Array) -> Array:
    return rounded(np.matmul(exact(x), exact(y)), result_dtype(attrs, x.dtype.name))


def _batch_at(x: Any, batch: Sequence[Any]) -> tuple[Any, ...]:
    """The index of an operand's matrix in a broadcast batch."""
    own = x.shape[:-2]
    at = batch[len(batch) - len(own) :] if own else ()
    return tuple(0 if n == 1 else i for n, i in zip(own, at, strict=True))


def matmul_sums(x: Any, y: Any, shape: Sequence[int], term: Callable[..., Any]) -> Any:
    """The sums of a matrix product as a tensor expression.

    Parameters
    ----------
    x, y : Tensor
    shape : sequence of int
        Of the result.
    term : callable
        ``term(of_x, index, element)``: what is multiplied, in the type of the accumulator.
    """
    k = te.reduce_axis((0, x.shape[-1]), "k")
    left, right = x.ndim > 1, y.ndim > 1

    def element(*at: Any) -> Any:
        batch = at[: len(at) - left - right]
        inner = at[len(batch) :]
        row = (*_batch_at(x, batch), inner[0], k) if left else (k,)
        column = (*_batch_at(y, batch), k, inner[-1]) if right else (k,)
        return te.sum(term(True, row, x[row]) * term(False, column, y[column]), axis=k)

    return te.compute(tuple(shape), element, "matmul")


def _matmul_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    x, y = tensors
    kind = accumulator(x.dtype)
    total = matmul_sums(x, y, result.shape, lambda of_x, at, value: value.astype(kind))
    return stored(total, result.dtype, "out")


def _matmul_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    x, y = call.args
    a, b = x.checked_type.dims, y.checked_type.dims  # type: ignore[attr-defined]
    left = x if len(a) > 1 else op("expand_dims")(x, axis=0)
    right = y if len(b) > 1 else op("expand_dims")(y, axis=1)
    wide = (1, *a) if len(a) == 1 else a
    tall = (*b, 1) if len(b) == 1 else b
    batch = broadcast_shapes(wide[:-2], tall[:-2])
    out = op("reshape")(grad, newshape=(*batch, wide[-2], tall[-1]))
    dx = op("nn.matmul")(out, swapped(right, len(tall)))
    dy = op("nn.matmul")(swapped(left, len(wide)), out)
    if batch != wide[:-2]:
        dx = op("collapse_sum")(dx, shape=wide)
    if batch != tall[:-2]:
        dy = op("collapse_sum")(dy, shape=tall)
    return op("reshape")(dx, newshape=a), op("reshape")(dy, newshape=b)


def _matmul_template(attrs: Attrs, types: Sequence[TensorType]) -> Template | None:
    x, y = types
    dtype = product_dtype(MATMUL, attrs, x, y)
    if dtype is None:
        return None
    a, b = x.dims if len(x.dims) > 1 else (1, *x.dims), y.dims if len(y.dims) > 1 else (*y.dims, 1)
    sizes = {"N": b[-1], "K": b[-2], "dtype": dtype}
    if prod(b[:-2]) == 1:  # one matrix for all rows
        return scheduled(MATMUL, (0, 1), M=prod(a[:-1]), **sizes)
    if a[:-2] == b[:-2] or prod(a[:-2]) == prod(b[:-2]) and 1 not in (*a[:-2], *b[:-2]):
        return scheduled(MATMUL, (0, 1), M=a[-2], batch=prod(b[:-2]), **sizes)
    return None


# batch_matmul --------------------------------------------------------------------------------------------


def _turned(shape: Sequence[Any], transposed: bool) -> tuple[Any, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if transposed else tuple(shape)


def _batch_type(attrs: Attrs, left: Type, right: Type) -> Type:
    x, y = tensor(left), tensor(right)
    if rank(x) != 3 or rank(y) != 3:
        raise ValueError(f"batch_matmul needs operands of three axes, not {x} and {y}")
    a, b = _turned(x.shape, attrs.transpose_a), _turned(y.shape, attrs.transpose_b)  # type: ignore[arg-type]
    batch = broadcast_dim(a[0], b[0])
    if batch is None or not fits(a[2], b[1]):
        raise ValueError(
            f"batch_matmul: matrices of {shape_text(a)} and {shape_text(b)} cannot be multiplied"
        )
    return TensorType((batch, a[1], b[2]), operands_dtype(attrs, x, y))


def _batch_matmul(attrs: Attrs, x: Array, y: Array) -> Array:
    a = x.swapaxes(1, 2) if attrs.transpose_a else x
    b = y.swapaxes(1, 2) if attrs.transpose_b else y
    return rounded(np.matmul(exact(a), exact(b)), result_dtype(attrs, x.dtype.name))


def _batch_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    x, y = tensors
    k = te.reduce_axis((0, x.shape[1 if attrs.transpose_a else 2]), "k")

    def element(b: Any, i: Any, j: Any) -> Any:
        left = x[(*_batch_at(x, (b,)), *((k, i) if attrs.transpose_a else (i, k)))]
        right = y[(*_batch_at(y, (b,)), *((j, k) if attrs.transpose_b else (k, j)))]
        return _sums(left, right, k, x.dtype)

    return stored(te.compute(result.shape, element, "batch_matmul"), result.dtype, "out")


def _batch_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    x, y = call.args
    ta, tb = call.attrs.transpose_a, call.attrs.transpose_b
    multiply = op("nn.batch_matmul")
    if ta:
        dx = multiply(y, grad, transpose_a=tb, transpose_b=True)
    else:
        dx = multiply(grad, y, transpose_a=False, transpose_b=not tb)
    if tb:
        dy = multiply(grad, x, transpose_a=True, transpose_b=ta)
    else:
        dy = multiply(x, grad, transpose_a=not ta, transpose_b=False)
    count = max(e.checked_type.dims[0] for e in (x, y))  # type: ignore[attr-defined]
    return tuple(
        sum_to(d, TensorType((count, *e.checked_type.dims[1:]), e.checked_type.dtype), e)  # type: ignore[attr-defined]
        for d, e in ((dx, x), (dy, y))
    )


def _batch_template(attrs: Attrs, types: Sequence[TensorType]) -> Template | None:
    x, y = types
    dtype = product_dtype(MATMUL, attrs, x, y)
    a, b = _turned(x.dims, attrs.transpose_a), _turned(y.dims, attrs.transpose_b)
    if dtype is None or a[0] != b[0]:
        return None
    word = ("T" if attrs.transpose_a else "N") + ("T" if attrs.transpose_b else "N")
    return scheduled(MATMUL, (0, 1), M=a[1], N=b[2], K=a[2], batch=a[0], transpose=word, dtype=dtype)


# bias ----------------------------------------------------------------------------------------------------


def _bias_type(attrs: Attrs, data: Type, bias: Type) -> Type:
    x, b = tensor(data), tensor(bias, "the bias")
    axis = normalized_axis(attrs.axis, rank(x))
    if rank(b) != 1 or not fits(b.shape[0], x.shape[axis]):  # type: ignore[index]
        raise ValueError(f"bias_add: a bias of ({x.shape[axis]},) is needed for axis {axis} of {x}, not {b}")  # type: ignore[index]
    same_dtype(x, b)
    return x


def along(vector: Array, axis: int, count: int) -> Array:
    """A vector as an array of `count` axes that is broadcast along the others."""
    return vector.reshape([-1 if d == axis % count else 1 for d in range(count)])


def _bias_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    x, b = tensors
    return te.compute(x.shape, lambda *at: x[at] + b[at[attrs.axis % x.ndim]], "bias_add")


def _bias_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    return grad, op("sum")(grad, axis=(call.attrs.axis,), exclude=True)


_PRODUCT = Fuse.OUT_ELEMWISE_FUSABLE
ROWS = (
    Op(
        "nn.dense",
        ("data", "weight"),
        forward(dense_type),
        _dense,
        _dense_compute,
        _PRODUCT,
        (OUT_DTYPE,),
        _dense_gradient,
        _dense_template,
        doc="data (..., K) times weight (N, K), transposed",
    ),
    Op(
        "nn.matmul",
        ("x", "y"),
        forward(matmul_type),
        _matmul,
        _matmul_compute,
        _PRODUCT,
        (OUT_DTYPE,),
        _matmul_gradient,
        _matmul_template,
        doc="the matrix product of the last two axes, the others broadcast, as numpy.matmul",
    ),
    Op(
        "nn.batch_matmul",
        ("x", "y"),
        forward(_batch_type),
        _batch_matmul,
        _batch_compute,
        _PRODUCT,
        (Attribute("transpose_a", "bool", False), Attribute("transpose_b", "bool", True), OUT_DTYPE),
        _batch_gradient,
        _batch_template,
        doc="x (B, M, K) times y (B, N, K), transposed as the attributes say",
    ),
    Op(
        "nn.bias_add",
        ("data", "bias"),
        forward(_bias_type),
        lambda attrs, x, b: x + along(b, attrs.axis, x.ndim),
        _bias_compute,
        Fuse.BROADCAST,
        (Attribute("axis", "int", 1),),
        _bias_gradient,
        doc="a number for each channel added",
    ),
)
