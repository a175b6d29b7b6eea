"""Arithmetic of quantized numbers: an integer q with scale s and zero point z stands for (q - z) s."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.dtype import integer_range
from compiler.relay.infer.relations import broadcast_shapes, forward, normalized_axis, rank, tensor
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.layout import Layout
from compiler.relay.language.op import Fuse, Op
from compiler.relay.language.types import TensorType, TupleType, Type
from compiler.relay.operator.elementwise import check_dtype
from compiler.relay.operator.network import convolution, product
from compiler.relay.operator.network.product import along, fits
from compiler.relay.operator.network.windows import SPATIAL

Array = np.ndarray
INTEGERS = ("uint8", "int8", "uint16", "int16", "int32")


# scales and zero points ----------------------------------------------------------------------------------


def _parameter(attrs: Attrs, x: TensorType, *found: TensorType) -> None:
    """Raise ValueError, if scales or zero points are not one, one along the axis, or one for each block."""
    for p in found:
        shape = tuple(p.shape)  # type: ignore[arg-type]
        if len(shape) == 0 or shape == (1,):
            continue
        axis = normalized_axis(attrs.axis, rank(x))
        if len(shape) == 1 and fits(shape[0], x.shape[axis]):  # type: ignore[index]
            continue
        block = attrs.get("block_size", 0)
        if block and len(shape) == rank(x):
            given = x.shape[axis]  # type: ignore[index]
            blocks = -(-given // block) if type(given) is int else given
            wanted = [blocks if d == axis else n for d, n in enumerate(x.shape)]  # type: ignore[arg-type]
            if all(map(fits, shape, wanted)):
                continue
        raise ValueError(
            f"a scale or zero point is {p}; a scalar, one for each element of axis {attrs.axis} of {x}, "
            "or with block_size one for each block is needed"
        )


def _spread(attrs: Attrs, p: Array, shape: Sequence[int]) -> Array:
    """A parameter that is broadcast to a tensor of a shape."""
    if p.size == 1:
        return p.reshape(())
    if p.ndim == 1 and len(shape) != 1 or not attrs.get("block_size", 0):
        return along(p, attrs.axis, len(shape))
    axis = attrs.axis % len(shape)
    return np.repeat(p, attrs.block_size, axis).take(range(shape[axis]), axis)


def _at(attrs: Attrs, p: Any, at: Sequence[Any], count: int) -> Any:
    """The element of a parameter that belongs to an index of a tensor of `count` axes."""
    if p.ndim == 0:
        return p[()]
    axis = attrs.axis % count if count else 0
    if p.shape == (1,):
        return p[0]
    if p.ndim == 1 and count != 1 or not attrs.get("block_size", 0):
        return p[at[axis]]
    return p[tuple(i // attrs.block_size if d == axis else i for d, i in enumerate(at))]


def _saturated(x: Array, dtype: str) -> Array:
    low, high = integer_range(dtype)
    return np.clip(np.nan_to_num(x, nan=0.0), low, high).astype(dtype)


def _te_saturated(x: Any, zero: Any, dtype: str) -> Any:
    """``round(x) + zero`` of a float x, in the range of an integer type."""
    low, high = integer_range(dtype)
    wide = "int32" if dtype != "int32" else "int64"
    # as a float the sum may not be exact: x is bounded before it becomes an integer
    bound = float(2**30)
    whole = te.minimum(te.maximum(te.round(x), -bound), bound).astype(wide)
    return te.minimum(te.maximum(whole + zero.astype(wide), low), high).astype(dtype)


# quantize, dequantize, requantize ------------------------------------------------------------------------


def _quantize_type(attrs: Attrs, data: Type, scale: Type, zero: Type) -> Type:
    x, s, z = tensor(data), tensor(scale, "the scale"), tensor(zero, "the zero point")
    check_dtype(s, "a float", "the scale")
    check_dtype(z, "an integer", "the zero point")
    _parameter(attrs, x, s, z)
    return TensorType(x.shape, attrs.out_dtype)


def _quantize(attrs: Attrs, x: Array, scale: Array, zero: Array) -> Array:
    whole = np.rint(x.astype(np.float32) / _spread(attrs, scale.astype(np.float32), x.shape))
    return _saturated(whole.astype(np.float64) + _spread(attrs, zero, x.shape), attrs.out_dtype)


def _quantize_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    x, scale, zero = tensors

    def element(*at: Any) -> Any:
        value = x[at].astype("float32") / _at(attrs, scale, at, x.ndim).astype("float32")
        return _te_saturated(value, _at(attrs, zero, at, x.ndim), attrs.out_dtype)

    return te.compute(x.shape, element, "quantize")


def _dequantize_type(attrs: Attrs, data: Type, scale: Type, zero: Type) -> Type:
    x, s, z = tensor(data), tensor(scale, "the scale"), tensor(zero, "the zero point")
    check_dtype(x, "an integer")
    check_dtype(s, "a float", "the scale")
    check_dtype(z, "an integer", "the zero point")
    _parameter(attrs, x, s, z)
    return TensorType(x.shape, s.dtype)


def _dequantize(attrs: Attrs, x: Array, scale: Array, zero: Array) -> Array:
    distance = x.astype(np.int64) - _spread(attrs, zero.astype(np.int64), x.shape)
    wide = np.float64 if scale.dtype == np.float64 else np.float32
    return (distance.astype(wide) * _spread(attrs, scale.astype(wide), x.shape)).astype(scale.dtype)


def _dequantize_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    x, scale, zero = tensors
    wide = "float64" if scale.dtype == "float64" else "float32"
    whole = "int64" if x.dtype in ("int32", "uint32", "int64") else "int32"

    def element(*at: Any) -> Any:
        distance = x[at].astype(whole) - _at(attrs, zero, at, x.ndim).astype(whole)
        return (distance.astype(wide) * _at(attrs, scale, at, x.ndim).astype(wide)).astype(scale.dtype)

    return te.compute(x.shape, element, "dequantize")


def _requantize_type(attrs: Attrs, *given: Type) -> Type:
    x, *parameters = (tensor(t) for t in given)
    check_dtype(x, "an integer")
    _parameter(attrs, x, *parameters)
    return TensorType(x.shape, attrs.out_dtype)


def _requantize(attrs: Attrs, x: Array, s: Array, z: Array, out_s: Array, out_z: Array) -> Array:
    ratio = (s / out_s).astype(np.float32)
    distance = x.astype(np.int64) - _spread(attrs, z.astype(np.int64), x.shape)
    whole = np.rint(distance.astype(np.float32) * _spread(attrs, ratio, x.shape))
    return _saturated(whole.astype(np.float64) + _spread(attrs, out_z, x.shape), attrs.out_dtype)


def _requantize_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    x, s, z, out_s, out_z = tensors
    kept = s if s.ndim > out_s.ndim or (s.ndim == out_s.ndim and s.shape != (1,)) else out_s

    def quotient(*at: Any) -> Any:
        pick = [p[()] if not p.ndim else p[0] if p.shape == (1,) else p[at] for p in (s, out_s)]
        return (pick[0] / pick[1]).astype("float32")

    ratio = te.compute(kept.shape, quotient, "ratio")

    def element(*at: Any) -> Any:
        distance = x[at].astype("int64") - _at(attrs, z, at, x.ndim).astype("int64")
        value = distance.astype("float32") * _at(attrs, ratio, at, x.ndim)
        return _te_saturated(value, _at(attrs, out_z, at, x.ndim), attrs.out_dtype)

    return te.compute(x.shape, element, "requantize")


# dynamic_quantize ----------------------------------------------------------------------------------------


def _dynamic_type(attrs: Attrs, data: Type) -> Type:
    x = tensor(data)
    check_dtype(x, "a float")
    return TupleType((TensorType(x.shape, "uint8"), TensorType((), x.dtype), TensorType((), "uint8")))


def _dynamic(attrs: Attrs, x: Array) -> Any:
    low, high = (np.minimum(x.min(initial=0), 0), np.maximum(x.max(initial=0), 0))
    scale = ((high - low) / x.dtype.type(255)).astype(x.dtype)
    scale = np.where(scale == 0, 1, scale).astype(x.dtype)
    zero = _saturated(np.rint(-low / scale), "uint8")
    return _saturated(np.rint(x / scale) + zero.astype(x.dtype), "uint8"), scale, zero


def _dynamic_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    (x,) = tensors

    def extreme(reduce: Callable[..., Any], name: str) -> Any:
        taps = [te.reduce_axis((0, n), f"{name}{d}") for d, n in enumerate(x.shape)]
        return te.compute((), lambda: reduce(x[tuple(taps)], axis=taps) if taps else x[()], name)

    least, most = extreme(te.min, "low"), extreme(te.max, "high")
    none = te.const(0, x.dtype)

    def low() -> Any:
        return te.minimum(least[()], none)

    def step() -> Any:
        width = (te.maximum(most[()], none) - low()) / te.const(255, x.dtype)
        return te.select(te.equal(width, none), te.const(1, x.dtype), width)

    scale = te.compute((), step, "scale")
    zero = te.compute(
        (), lambda: _te_saturated((none - low()) / scale[()], te.const(0, "int32"), "uint8"), "zero"
    )
    y = te.compute(x.shape, lambda *at: _te_saturated(x[at] / scale[()], zero[()], "uint8"), "quantize")
    return [y, scale, zero]


# products ------------------------------------------------------------------------------------------------


def _one_or(p: TensorType, extent: Any, what: str) -> None:
    """Raise ValueError, if a zero point is neither a scalar nor a vector of `extent` elements."""
    check_dtype(p, "an integer", what)
    shape = tuple(p.shape)  # type: ignore[arg-type]
    if shape not in ((), (1,)) and not (len(shape) == 1 and fits(shape[0], extent)):
        raise ValueError(f"{what} is {p}; a scalar or ({extent},) is needed")


def _element(p: Any, at: Any) -> Any:
    return p[()] if not p.ndim else p[0] if p.shape == (1,) else p[at]


def _bytes(*types: TensorType) -> None:
    for t in types:
        if isinstance(t.dtype, str) and t.dtype not in ("int8", "uint8"):
            raise ValueError(f"the operands of a quantized product are int8 or uint8, not {t.dtype}")


def _shifted(x: Array, zero: Array) -> Array:
    """``x - zero``, as float64: the sums of products by NumPy are exact, and fast."""
    return x.astype(np.float64) - zero.astype(np.float64)


def _conv_row(count: int) -> Op:
    spatial = SPATIAL[count]

    def rule(attrs: Attrs, data: Type, weight: Type, zx: Type, zw: Type) -> Type:
        x, w = tensor(data), tensor(weight)
        _bytes(x, w)
        _one_or(tensor(zx), 1, "the zero point of the data")
        outs = Layout.parse(attrs.kernel_layout).dims(w.shape)["O"]  # type: ignore[arg-type]
        _one_or(tensor(zw), outs, "the zero point of the weight")
        found = convolution.type_rule(spatial, transposed=False)(attrs, x, w)
        return TensorType(found.shape, "int32")

    def evaluate(attrs: Attrs, x: Array, w: Array, zx: Array, zw: Array) -> Array:
        data = _shifted(Layout.parse(attrs.data_layout).unpacked(x, "NC" + spatial), zx.reshape(()))
        kernel = Layout.parse(attrs.kernel_layout).unpacked(w, "OI" + spatial)
        zero = zw.reshape(()) if zw.size == 1 else along(zw, 0, kernel.ndim)
        total = convolution.convolved(attrs, data, _shifted(kernel, zero))
        out = Layout.parse(attrs.out_layout or attrs.data_layout)
        return out.packed(total.astype(np.int32), "NC" + spatial)

    def compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
        x, w, zx, zw = tensors
        shift = (
            lambda value, channel: value - _element(zx, 0).astype("int32"),
            lambda value, channel: value - _element(zw, channel).astype("int32"),
        )
        return convolution.convolution(attrs, spatial, x, w, result.shape, shift)

    return Op(
        f"qnn.conv{count}d",
        ("data", "weight", "data_zero", "weight_zero"),
        forward(rule),
        evaluate,
        compute,
        Fuse.OUT_ELEMWISE_FUSABLE,
        convolution.attributes(spatial),
        doc="The convolution of quantized operands without their zero points, in int32.",
    )


def _dense_type(attrs: Attrs, data: Type, weight: Type, zx: Type, zw: Type) -> Type:
    x, w = tensor(data), tensor(weight)
    _bytes(x, w)
    _one_or(tensor(zx), 1, "the zero point of the data")
    if rank(w) == 2:
        _one_or(tensor(zw), w.shape[0], "the zero point of the weight")  # type: ignore[index]
    found = product.dense_type(Attrs(out_dtype="int32"), x, w)
    return TensorType(found.shape, "int32")  # type: ignore[attr-defined]


def _dense(attrs: Attrs, x: Array, w: Array, zx: Array, zw: Array) -> Array:
    zero = zw.reshape(()) if zw.size == 1 else zw[:, None]
    return (_shifted(x, zx.reshape(())) @ _shifted(w, zero).T).astype(np.int32)


def _dense_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    x, w, zx, zw = tensors
    k = te.reduce_axis((0, w.shape[1]), "k")

    def element(*at: Any) -> Any:
        left = x[(*at[:-1], k)].astype("int32") - _element(zx, 0).astype("int32")
        return te.sum(left * (w[at[-1], k].astype("int32") - _element(zw, at[-1]).astype("int32")), axis=k)

    return te.compute(result.shape, element, "dense")


def _rows_of(z: Any, *, column: bool) -> tuple[Any, ...]:
    """The shape of a zero point as it is broadcast: a vector has one for each row or column."""
    shape = tuple(z.shape)
    return (*shape, 1) if len(shape) == 1 and not column else shape


def _matmul_type(attrs: Attrs, left: Type, right: Type, zx: Type, zy: Type) -> Type:
    x, y = tensor(left), tensor(right)
    _bytes(x, y)
    found = product.matmul_type(Attrs(out_dtype="int32"), x, y)
    for operand, zero, column in ((x, tensor(zx), False), (y, tensor(zy), True)):
        check_dtype(zero, "an integer", "a zero point")
        shape = _rows_of(zero, column=column)
        if shape not in ((), (1,), (1, 1)) and broadcast_shapes(operand.shape, shape) != tuple(operand.shape):  # type: ignore[arg-type]
            raise ValueError(f"matmul_integer: the zero point {zero} cannot be broadcast to {operand}")
    return TensorType(found.shape, "int32")  # type: ignore[attr-defined]


def _matmul(attrs: Attrs, x: Array, y: Array, zx: Array, zy: Array) -> Array:
    left = zx.reshape(()) if zx.size == 1 else zx.reshape(_rows_of(zx, column=False))
    right = zy.reshape(()) if zy.size == 1 else zy
    return np.matmul(_shifted(x, left), _shifted(y, right)).astype(np.int32)


def _matmul_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    x, y, zx, zy = tensors

    def zero(z: Any, column: bool) -> Callable[..., Any]:
        shape = _rows_of(z, column=column)

        def pick(at: Sequence[Any]) -> Any:
            if all(n == 1 for n in shape):
                return z[(0,) * z.ndim]
            own = at[len(at) - len(shape) :]
            index = tuple(0 if n == 1 else i for n, i in zip(shape, own, strict=True))
            return z[index[: z.ndim]]

        return pick

    left, right = zero(zx, False), zero(zy, True)

    def shift(one: bool, at: Sequence[Any], value: Any) -> Any:
        return value.astype("int32") - (left if one else right)(at).astype("int32")

    return product.matmul_sums(x, y, result.shape, shift)


_AXIS = Attribute("axis", "int", 1)
_BLOCK = Attribute("block_size", "int", 0)
_OUT = Attribute("out_dtype", "dtype", "int8", INTEGERS)
_ZEROS = ("x_zero", "y_zero")
ROWS = (
    Op(
        "qnn.quantize",
        ("x", "scale", "zero_point"),
        forward(_quantize_type),
        _quantize,
        _quantize_compute,
        Fuse.BROADCAST,
        (_AXIS, _BLOCK, _OUT),
        doc="round(x / scale) + zero_point, in the range of an integer type.",
    ),
    Op(
        "qnn.dequantize",
        ("x", "scale", "zero_point"),
        forward(_dequantize_type),
        _dequantize,
        _dequantize_compute,
        Fuse.BROADCAST,
        (_AXIS, _BLOCK),
        doc="(x - zero_point) scale.",
    ),
    Op(
        "qnn.requantize",
        ("x", "scale", "zero_point", "out_scale", "out_zero_point"),
        forward(_requantize_type),
        _requantize,
        _requantize_compute,
        Fuse.BROADCAST,
        (_AXIS, _OUT),
        doc="A quantized tensor with another scale and zero point.",
    ),
    Op(
        "qnn.dynamic_quantize",
        ("x",),
        forward(_dynamic_type),
        _dynamic,
        _dynamic_compute,
        Fuse.OPAQUE,
        doc="Quantized to uint8, with the scale and zero point of the tensor's range.",
    ),
    *map(_conv_row, SPATIAL),
    Op(
        "qnn.dense",
        ("data", "weight", "data_zero", "weight_zero"),
        forward(_dense_type),
        _dense,
        _dense_compute,
        Fuse.OUT_ELEMWISE_FUSABLE,
        doc="The dense layer of quantized operands without their zero points, in int32.",
    ),
    Op(
        "qnn.matmul_integer",
        ("x", "y", *_ZEROS),
        forward(_matmul_type),
        _matmul,
        _matmul_compute,
        Fuse.OUT_ELEMWISE_FUSABLE,
        doc="The matrix product of quantized operands without their zero points, in int32.",
    ),
)
