"""Convolution: what it computes against the textbook, in each layout, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ops import CONV2D, CONV2D_WINOGRAD, DEPTHWISE_CONV2D, POOL2D
from compiler.ops.conv.conv2d import LAYOUTS, Conv2dShape, Convolution, from_nchw, im2col, to_nchw
from compiler.ops.conv.depthwise import DepthwiseShape
from compiler.ops.conv.direct import convolution
from compiler.ops.conv.pool2d import Pool2dShape
from compiler.ops.conv.winograd import WinogradShape

# N, CI, H, W, CO, kernel, stride, pad, dilation, groups
SHAPES = {
    "one pixel": (1, 1, 1, 1, 1, 1),
    "3x3": (1, 3, 6, 7, 8, 3, 1, 1),
    "1x1 with padding": (1, 2, 3, 3, 4, 1, 1, 1),
    "stride 2": (1, 2, 9, 8, 4, 3, 2, 1),
    "strides that differ": (1, 2, 9, 8, 4, 3, (2, 1), 1),
    "stride past the kernel": (1, 2, 7, 7, 4, 1, 3, 0),
    "a batch": (3, 2, 4, 4, 16, 3, 1, 1),
    "a flat kernel": (1, 2, 6, 7, 4, (1, 5), 1, (0, 2)),
    "asymmetric padding": (1, 2, 6, 7, 4, 3, 1, (0, 2, 1, 3)),
    "dilation": (1, 2, 9, 9, 4, 3, 1, 2, 2),
    "dilations that differ": (1, 2, 9, 9, 4, 3, 1, 1, (1, 3)),
    "groups": (1, 6, 5, 5, 9, 3, 1, 1, 1, 3),
    "a group for each channel": (1, 4, 5, 5, 4, 3, 1, 1, 1, 4),
    "more padding than kernel": (1, 1, 2, 2, 2, 2, 1, 3),
}


def test_the_shape_tuple_has_the_fields_of_the_parameters() -> None:
    for record, op in (
        (Conv2dShape, CONV2D),
        (DepthwiseShape, DEPTHWISE_CONV2D),
        (WinogradShape, CONV2D_WINOGRAD),
        (Pool2dShape, POOL2D),
    ):
        assert record._fields == tuple(p.name for p in op.parameters)
        defaults = {p.name: p.default for p in op.parameters if p.default is not None}
        assert record._field_defaults == defaults


def by_definition(data: np.ndarray, weight: np.ndarray, conv: Convolution) -> np.ndarray:
    """The textbook definition, in float64."""
    margin = ((0, 0), (0, 0), (conv.top, conv.bottom), (conv.left, conv.right))
    padded = np.pad(data.astype("float64"), margin)
    out = np.zeros((conv.N, conv.CO, conv.OH, conv.OW))
    for co, oh, ow, c, kh, kw in np.ndindex(conv.CO, conv.OH, conv.OW, conv.ci, conv.KH, conv.KW):
        channel = co // conv.co * conv.ci + c
        pixel = padded[:, channel, oh * conv.SH + kh * conv.DH, ow * conv.SW + kw * conv.DW]
        out[:, co, oh, ow] += pixel * weight[co, c, kh, kw]
    return out


@pytest.mark.parametrize("name", SHAPES)
def test_reference(name: str) -> None:
    shape = CONV2D.shape(*SHAPES[name])
    data, weight = CONV2D.inputs(np.random.default_rng(1), *shape)
    expected = by_definition(data, weight, convolution(*shape))
    np.testing.assert_allclose(CONV2D.reference(data, weight, *shape), expected, rtol=1e-4, atol=1e-4)
    assert CONV2D.output(*shape).shape == expected.shape
    assert CONV2D.flops(*shape) == 2 * expected.size * weight[0].size


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_hold_the_same_image(layout: str) -> None:
    image = np.arange(2 * 32 * 3 * 5, dtype="float32").reshape(2, 32, 3, 5)
    held = from_nchw(layout, image)
    np.testing.assert_array_equal(to_nchw(layout, held), image)
    shape = {"NCHW": (2, 32, 3, 5), "NHWC": (2, 3, 5, 32), "NCHW16c": (2, 2, 3, 5, 16)}[layout]
    assert held.shape == shape
    index = {"NCHW": (1, 20, 2, 3), "NHWC": (1, 2, 3, 20), "NCHW16c": (1, 1, 2, 3, 4)}[layout]
    assert held[index] == image[1, 20, 2, 3]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("epilogue", ["bias", "residual", "bias+residual+relu"])
def test_epilogues_in_each_layout(layout: str, epilogue: str) -> None:
    shape = CONV2D.shape(1, 16, 4, 5, 32, 3, pad=1, layout=layout, epilogue=epilogue)
    data, weight, *extra = CONV2D.inputs(np.random.default_rng(1), *shape)
    expected = by_definition(to_nchw(layout, data), weight, convolution(*shape))
    if "bias" in epilogue:
        expected += extra[0].reshape(-1, 1, 1)
    if "residual" in epilogue:
        expected += to_nchw(layout, extra[-1])
    if "relu" in epilogue:
        expected = np.maximum(expected, 0)
    result = to_nchw(layout, CONV2D.reference(data, weight, *extra, *shape))
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_im2col_by_hand() -> None:
    data = np.arange(9, dtype="float32").reshape(1, 1, 3, 3)
    plain = convolution(*CONV2D.shape(1, 1, 3, 3, 1, 2))
    np.testing.assert_array_equal(
        im2col(data, plain)[0, 0], [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]
    )
    strided = convolution(*CONV2D.shape(1, 1, 3, 3, 1, 2, 2, 1))
    np.testing.assert_array_equal(
        im2col(data, strided)[0, 0], [[0, 0, 0, 4], [0, 0, 3, 5], [0, 1, 0, 7], [0, 2, 6, 8]]
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"N": 0}, r"conv2d: N is 0; a positive whole number is needed"),
        ({"CO": -3}, r"conv2d: CO is -3; a positive"),
        ({"kernel": 0}, r"conv2d: kernel is 0; a positive"),
        ({"stride": (1, 0)}, r"conv2d: stride is \(1, 0\); a positive"),
        ({"pad": -1}, r"conv2d: pad is -1; a whole number of at least zero"),
        ({"pad": (1, 2, 3)}, r"conv2d: pad is \(1, 2, 3\)"),
        ({"pad": 0.5}, r"conv2d: pad is 0\.5; a whole number"),
        ({"H": 2, "kernel": 7}, r"conv2d: H=2 with pad has 4 pixels, fewer than the 7 that the kernel spans"),
        ({"W": 1, "dilation": 2}, r"conv2d: W=1 with pad has 3 pixels, fewer than the 5"),
        ({"groups": 2}, r"conv2d: groups=2 does not divide CI=3"),
        ({"groups": 3}, r"conv2d: groups=3 does not divide CO=4"),
        ({"layout": "NCHW16c"}, r"conv2d: layout NCHW16c needs CI to be a multiple of 16, not 3"),
        (
            {"epilogue": "bias+tanh", "dtype": "int8"},
            r"conv2d: the epilogue 'tanh' needs a floating-point result, not int32; integers take relu",
        ),
        ({"dtype": "float"}, r"conv2d: unknown dtype 'float'; did you mean 'float64'"),
        ({"layout": "NHCW"}, r"conv2d: unknown layout 'NHCW'; did you mean 'N.*C'"),
    ],
)
def test_refused(changed: dict, message: str) -> None:
    values = {"N": 1, "CI": 3, "H": 8, "W": 8, "CO": 4, "kernel": 3, "stride": 1, "pad": 1, **changed}
    with pytest.raises(ValueError, match=message):
        CONV2D.shape(**values)
