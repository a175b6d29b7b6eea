"""Conversions of convolutions, pooling and products of matrices."""

from __future__ import annotations

import math
from typing import Any

from compiler.relay.importer.converter.shapes import full
from compiler.relay.importer.converter.table import (
    NodeView,
    converts,
    dtype_of,
    rank_of,
    shape_of,
)
from compiler.relay.importer.errors import OnnxError
from compiler.relay.language.expr import Constant, Expr
from compiler.relay.language.types import AnyDim


def spatial(node: NodeView, x: Expr) -> int:
    """How many spatial dimensions a batch of images, or the like, has.

    Raises
    ------
    OnnxError
        If it is none or more than three.
    """
    count = rank_of(x) - 2
    if not 1 <= count <= 3:
        raise OnnxError(f"the input has {rank_of(x)} dimensions; 3 to 5 are supported")
    return count


def window(node: NodeView, x: Expr, kernel: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Strides, dilations and pads (all begins, then all ends) of a convolution or pooling.

    Raises
    ------
    OnnxError
        If their numbers do not fit, or a value is not allowed.
    """
    count = spatial(node, x)
    strides, dilations = node.attr("strides") or [1] * count, node.attr("dilations") or [1] * count
    pads, auto = node.attr("pads") or [0] * (2 * count), node.attr("auto_pad")
    if (len(kernel), len(strides), len(dilations), len(pads)) != (count, count, count, 2 * count):
        raise OnnxError(
            f"kernel_shape {kernel}, strides {strides}, dilations {dilations} and pads {pads} do not fit "
            f"{count} spatial dimensions"
        )
    if min(kernel) < 1 or min(strides) < 1 or min(dilations) < 1 or min(pads) < 0:
        raise OnnxError("kernel_shape, strides and dilations are at least 1, pads at least 0")
    if auto == "VALID":
        return strides, dilations, [0] * (2 * count)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        extents = shape_of(x)[2:]
        total = []
        for extent, k, s, d in zip(extents, kernel, strides, dilations, strict=True):
            if isinstance(extent, AnyDim):
                if s != 1:
                    node.static(x)
                total.append((k - 1) * d)
            else:
                total.append(max(0, (-(-extent // s) - 1) * s + (k - 1) * d + 1 - extent))
        pads = _halves(total, auto == "SAME_UPPER")
    return strides, dilations, pads


def _halves(total: list[int], more_after: bool) -> list[int]:
    less, more = [t // 2 for t in total], [t - t // 2 for t in total]
    return less + more if more_after else more + less


def add_bias(node: NodeView, x: Expr, bias: Expr | None) -> Expr:
    """A value for each channel added."""
    return x if bias is None else node.call("nn.bias_add", x, bias, axis=1)


@converts("Conv")
def _conv(node: NodeView, x: Expr, weight: Expr, bias: Expr | None = None) -> Expr:
    result = node.call(f"nn.conv{spatial(node, x)}d", x, weight, **conv_options(node, x, weight))
    return add_bias(node, result, bias)


def conv_options(node: NodeView, x: Expr, weight: Expr) -> dict[str, Any]:
    """The attributes of a convolution."""
    kernel = list(node.static(weight, "the weight")[2:])
    declared = node.attr("kernel_shape")
    if declared is not None and list(declared) != kernel:
        raise OnnxError(f"kernel_shape is {declared}; the weight has {kernel}")
    strides, dilations, pads = window(node, x, kernel)
    return {
        "strides": tuple(strides),
        "dilation": tuple(dilations),
        "padding": tuple(pads),
        "groups": node.attr("group"),
    }


@converts("ConvTranspose")
def _conv_transpose(node: NodeView, x: Expr, weight: Expr, bias: Expr | None = None) -> Expr:
    count, kernel = spatial(node, x), list(node.static(weight, "the weight")[2:])
    strides, dilations = node.attr("strides") or [1] * count, node.attr("dilations") or [1] * count
    extra, pads = node.attr("output_padding") or [0] * count, node.attr("pads") or [0] * (2 * count)
    wanted, auto = node.attr("output_shape"), node.attr("auto_pad")
    if auto in ("SAME_UPPER", "SAME_LOWER") and wanted is None:
        wanted = [e * s for e, s in zip(node.static(x)[2:], strides, strict=True)]
    if wanted is not None:
        extents = node.static(x)[2:]
        total = [
            s * (e - 1) + p + (k - 1) * d + 1 - w
            for s, e, p, k, d, w in zip(
                strides, extents, extra, kernel, dilations, wanted[-count:], strict=True
            )
        ]
        extra = [p - min(t, 0) for p, t in zip(extra, total, strict=True)]
        pads = _halves([max(t, 0) for t in total], auto == "SAME_UPPER")
    elif auto == "VALID":
        pads = [0] * (2 * count)
    result = node.call(
        f"nn.conv{count}d_transpose",
        x,
        weight,
        strides=tuple(strides),
        dilation=tuple(dilations),
        padding=tuple(pads),
        output_padding=tuple(extra),
        groups=node.attr("group"),
    )
    return add_bias(node, result, bias)


@converts("MaxPool", "AveragePool")
def _pool(node: NodeView, x: Expr) -> Any:
    kernel = list(node.attr("kernel_shape"))
    strides, dilations, pads = window(node, x, kernel)
    options: dict[str, Any] = {
        "pool_size": tuple(kernel),
        "strides": tuple(strides),
        "dilation": tuple(dilations),
        "padding": tuple(pads),
        "ceil_mode": bool(node.attr("ceil_mode", 0)),
    }
    if node.has_output(1):
        both = node.call("nn.max_pool_indices", x, storage_order=node.attr("storage_order", 0), **options)
        return node.field(both, 0), node.field(both, 1)
    if node.proto.op_type == "MaxPool":
        return node.call(f"nn.max_pool{len(kernel)}d", x, **options)
    return node.call(
        f"nn.avg_pool{len(kernel)}d", x, count_include_pad=bool(node.attr("count_include_pad", 0)), **options
    )


@converts("MaxUnpool")
def _max_unpool(node: NodeView, x: Expr, index: Expr, shape: Expr | None = None) -> Expr:
    kernel, sizes = list(node.attr("kernel_shape")), node.static(x)
    strides, _, pads = window(node, x, kernel)
    count = len(kernel)
    made = [
        (extent - 1) * s - pads[i] - pads[count + i] + k
        for i, (extent, s, k) in enumerate(zip(sizes[2:], strides, kernel, strict=True))
    ]
    dims = [*sizes[:2], *made]
    total = [math.prod(dims)]
    flat = node.call(
        "scatter_elements",
        full(node, total, node.like(0, x)),
        node.call("reshape", index, newshape=(-1,)),
        node.call("reshape", x, newshape=(-1,)),
        axis=0,
        reduction="update",
    )
    result = node.call("reshape", flat, newshape=tuple(dims))
    target = dims if shape is None else node.ints(shape, "output_shape")
    missing = tuple((0, t - d) for t, d in zip(target, dims, strict=True))
    return node.call("pad", result, pad_width=missing) if any(map(any, missing)) else result


@converts("LpPool")
def _lp_pool(node: NodeView, x: Expr) -> Expr:
    kernel = list(node.attr("kernel_shape"))
    strides, dilations, pads = window(node, x, kernel)
    return node.call(
        f"nn.lp_pool{len(kernel)}d",
        x,
        p=node.attr("p"),
        pool_size=tuple(kernel),
        strides=tuple(strides),
        dilation=tuple(dilations),
        padding=tuple(pads),
        ceil_mode=bool(node.attr("ceil_mode", 0)),
    )


@converts("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(node: NodeView, x: Expr) -> Expr:
    kind = "avg" if node.proto.op_type == "GlobalAveragePool" else "max"
    return node.call(f"nn.global_{kind}_pool2d", x)


@converts("GlobalLpPool")
def _global_lp_pool(node: NodeView, x: Expr) -> Expr:
    return node.call("nn.global_lp_pool2d", x, p=node.attr("p"))


@converts("MatMul")
def _matmul(node: NodeView, a: Expr, b: Expr) -> Expr:
    return node.call("nn.matmul", a, b)


@converts("Gemm")
def _gemm(node: NodeView, a: Expr, b: Expr, c: Expr | None = None) -> Expr:
    if rank_of(a) != 2 or rank_of(b) != 2:
        raise OnnxError(f"matrices are needed, not tensors of {rank_of(a)} and {rank_of(b)} dimensions")
    if node.attr("transA"):
        a = node.call("transpose", a, axes=(1, 0))
    if not node.attr("transB"):
        b = node.call("transpose", b, axes=(1, 0))
    alpha, beta = node.attr("alpha"), node.attr("beta")
    if alpha != 1 and isinstance(b, Constant):
        b, alpha = node.call("multiply", b, node.like(alpha, b)), 1
    if dtype_of(a).startswith("float"):
        result = node.call("nn.dense", a, b)
    else:
        result = node.call("nn.matmul", a, node.call("transpose", b, axes=(1, 0)))
    if alpha != 1:
        result = node.call("multiply", result, node.like(alpha, result))
    if c is None or not beta:
        return result
    scaled = c if beta == 1 else node.call("multiply", c, node.like(beta, c))
    return node.call("add", result, scaled)
