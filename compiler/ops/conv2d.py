"""Two-dimensional convolution of float32 images in the layout NCHW, one group."""

from __future__ import annotations

import numpy as np

from compiler import te
from compiler.ops.knobs import Knobs, divisor, vector_lanes
from compiler.ops.operator import Array, Operator, positive
from compiler.schedule.schedule import Schedule
from compiler.tensor import Tensor

PARAMETERS = ("N", "CI", "H", "W", "CO", "kernel", "stride", "pad")


def output_size(size: int, kernel: int, stride: int, pad: int) -> int:
    """Pixels of the output along one side."""
    return (size + 2 * pad - kernel) // stride + 1


def template(
    knobs: Knobs, N: int, CI: int, H: int, W: int, CO: int, kernel: int, stride: int, pad: int
) -> tuple[Schedule, list[Tensor]]:
    """Direct convolution with output channels in the lanes of vectors.

    A tile of some pixels of a row by a block of channels is accumulated in registers: each
    pixel of the input is broadcast to the lanes, and meets the weights of all channels of
    the block, which are packed to lie side by side. The input is padded once, so that the
    hot loop has no conditions.
    """
    OH, OW = output_size(H, kernel, stride, pad), output_size(W, kernel, stride, pad)
    _, c_inner = knobs.split("tile_co", CO, 2, max_inner=64, default=(divisor(CO, 32),))
    _, w_inner = knobs.split("tile_ow", OW, 2, max_inner=28, default=(divisor(OW, 7),))
    _, h_inner = knobs.split("tile_oh", OH, 2, max_inner=8, default=(1,))
    _, ci_inner = knobs.split("tile_ci", CI, 2, max_inner=64, default=(divisor(CI, 8),))
    reduction_order = knobs.choice("reduction", ["kernel_inside", "channel_inside"])
    outer_orders = [(0, 1, 2, 3), (1, 0, 2, 3), (0, 1, 3, 2), (1, 0, 3, 2)]
    unroll_kernel = knobs.annotate("unroll_kernel", ["none", "unroll"])

    data = te.placeholder((N, CI, H, W), "data")
    weight = te.placeholder((CO, CI, kernel, kernel), "weight")
    ci = te.reduce_axis((0, CI), "ci")
    kh = te.reduce_axis((0, kernel), "kh")
    kw = te.reduce_axis((0, kernel), "kw")

    padded = data
    if pad:
        padded = te.compute(
            (N, CI, H + 2 * pad, W + 2 * pad),
            lambda n, c, h, w: te.if_then_else(
                te.all(h >= pad, h < H + pad, w >= pad, w < W + pad), data[n, c, h - pad, w - pad], 0.0
            ),
            "padded",
        )
    packed = te.compute(
        (CO // c_inner, CI, kernel, kernel, c_inner),
        lambda co, ci, kh, kw, c: weight[co * c_inner + c, ci, kh, kw],
        "packed_weight",
    )
    tile = te.compute(
        (N, CO // c_inner, OH, OW, c_inner),
        lambda n, co, oh, ow, c: te.sum(
            padded[n, ci, oh * stride + kh, ow * stride + kw] * packed[co, ci, kh, kw, c], axis=(ci, kh, kw)
        ),
        "tile",
    )
    out = te.compute(
        (N, CO, OH, OW), lambda n, co, oh, ow: tile[n, co // c_inner, oh, ow, co % c_inner], "out"
    )

    s = te.create_schedule(out.op)
    n, co, oh, ow = out.op.axis
    co_outer, co_tile = s[out].split(co, c_inner)
    oh_outer, oh_tile = s[out].split(oh, h_inner)
    ow_outer, ow_tile = s[out].split(ow, w_inner)
    outer = knobs.reorder("order", (co_outer, oh_outer, oh_tile, ow_outer), outer_orders)
    s[out].reorder(n, *outer, co_tile, ow_tile)
    s[out].parallel(s[out].fuse(n, outer[0], outer[1]))

    s[tile].set_scope("local")
    s[tile].compute_at(s[out], outer[3])
    n, co, oh, ow, c = tile.op.axis
    ci_outer, ci_tile = s[tile].split(ci, ci_inner)
    reduction = (ci_tile, kh, kw) if reduction_order == "kernel_inside" else (kh, kw, ci_tile)
    vectors, lanes = s[tile].split(c, vector_lanes(c_inner))
    s[tile].reorder(n, co, oh, ci_outer, *reduction, ow, vectors, lanes)
    s[tile].unroll(ow)
    s[tile].unroll(vectors)
    s[tile].vectorize(lanes)
    if unroll_kernel == "unroll":
        s[tile].unroll(kw)

    if pad:
        s[padded].parallel(s[padded].fuse(*padded.op.axis[:2]))
    s[packed].parallel(s[packed].fuse(*packed.op.axis[:2]))
    return s, [data, weight, out]


def im2col(data: Array, kernel: int, stride: int, pad: int) -> Array:
    """The patches of each image as columns.

    Parameters
    ----------
    data : ndarray of shape (N, CI, H, W)

    Returns
    -------
    ndarray of shape (N, CI * kernel * kernel, OH * OW)
    """
    n, channels = data.shape[:2]
    padded = np.pad(data, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
    patches = patches[:, :, ::stride, ::stride].transpose(0, 1, 4, 5, 2, 3)
    return np.ascontiguousarray(patches).reshape(n, channels * kernel * kernel, -1)


def by_im2col(data: Array, weight: Array, stride: int, pad: int) -> Array:
    """The convolution as one matrix product per image, by NumPy."""
    kernel = weight.shape[2]
    shape = (output_size(size, kernel, stride, pad) for size in data.shape[2:])
    product = weight.reshape(len(weight), -1) @ im2col(data, kernel, stride, pad)
    return product.reshape(len(data), len(weight), *shape)


def _check(N: int, CI: int, H: int, W: int, CO: int, kernel: int, stride: int, pad: int) -> None:
    positive("conv2d", N=N, CI=CI, H=H, W=W, CO=CO, kernel=kernel, stride=stride)
    if not isinstance(pad, (int, np.integer)) or pad < 0:
        raise ValueError(f"conv2d: pad is {pad!r}; a whole number of at least zero is needed")
    for name, size in (("H", H), ("W", W)):
        if size + 2 * pad < kernel:
            raise ValueError(
                f"conv2d: {name}={size} with pad={pad} has {size + 2 * pad} pixels, "
                f"fewer than kernel={kernel}"
            )


def _inputs(
    rng: np.random.Generator, N: int, CI: int, H: int, W: int, CO: int, kernel: int, stride: int, pad: int
) -> list[Array]:
    shapes = ((N, CI, H, W), (CO, CI, kernel, kernel))
    return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def _output_shape(
    N: int, CI: int, H: int, W: int, CO: int, kernel: int, stride: int, pad: int
) -> tuple[int, ...]:
    return N, CO, output_size(H, kernel, stride, pad), output_size(W, kernel, stride, pad)


def _flops(N: int, CI: int, H: int, W: int, CO: int, kernel: int, stride: int, pad: int) -> int:
    n, co, oh, ow = _output_shape(N, CI, H, W, CO, kernel, stride, pad)
    return 2 * n * co * oh * ow * CI * kernel * kernel


def _reference(inputs: list[Array], *shape: int) -> Array:
    stride, pad = shape[-2:]
    return by_im2col(inputs[0], inputs[1], stride, pad)


CONV2D = Operator(
    name="conv2d",
    parameters=PARAMETERS,
    template=template,
    make_inputs=_inputs,
    compute_reference=_reference,
    count_flops=_flops,
    check=_check,
    output_shape=_output_shape,
    reduction=lambda N, CI, H, W, CO, kernel, stride, pad: CI * kernel * kernel,
)
