"""Convolutions: definition, type, computation, gradient in each layout, schedules and refusals."""

import numpy as np
import pytest

from compiler.ops import CONV2D, CONV2D_WINOGRAD, DEPTHWISE_CONV2D
from compiler.relay.language.layout import Layout
from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type
from tests.compiler.relay.operator.network.oracles import convolution, transposed_convolution

SIZES = {1: (9,), 2: (5, 6), 3: (3, 4, 5)}
KERNELS = {1: (3,), 2: (2, 3), 3: (2, 1, 3)}
OPTIONS = [
    {},
    {"strides": 2, "padding": 1},
    {"strides": 2, "dilation": 2, "padding": 2, "groups": 2},
    {"groups": 4, "padding": 1},
]


def _cases(count):
    for options in OPTIONS if count < 3 else OPTIONS[1:2]:
        groups = options.get("groups", 1)
        x, w = array(2, 4, *SIZES[count]), array(4, 4 // groups, *KERNELS[count], seed=1)
        small = count < 3 or options == OPTIONS[1]
        yield Case(f"nn.conv{count}d", [x, w], lambda x, w, o=options: convolution(x, w, **o), options, small)
        x, w = (
            array(1, 4, *(n // 2 + 1 for n in SIZES[count])),
            array(4, 6 // (groups if groups < 4 else 6), *KERNELS[count]),
        )
        options = {**options, "output_padding": 1} if options.get("strides") else options
        yield Case(
            f"nn.conv{count}d_transpose",
            [x, w],
            lambda x, w, o=options: transposed_convolution(x, w, **o),
            options,
            small,
        )


X, W = array(2, 8, 4, 5), array(12, 8, 3, 3, seed=1)
LAYOUTS = [
    ("NHWC", "OIHW", ""),
    ("NHWC", "HWIO", ""),
    ("NCHW4c", "OIHW4i4o", ""),
    ("NCHW", "OIHW", "NCHW4c"),
    ("NCHW8c", "OIHW8i4o", "NCHW4c"),
]


def _in_layouts(data, kernel, out):
    y = convolution(X, W, strides=2, padding=(1, 0, 1, 2))
    return Case(
        "nn.conv2d",
        [Layout.parse(data).packed(X, "NCHW"), Layout.parse(kernel).packed(W, "OIHW")],
        Layout.parse(out or data).packed(y, "NCHW"),
        {
            "strides": 2,
            "padding": (1, 0, 1, 2),
            "data_layout": data,
            "kernel_layout": kernel,
            "out_layout": out,
        },
        tolerance=1e-4,
    )


def _nhwc(x, w):
    return convolution(x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1)).transpose(0, 2, 3, 1)


CASES = [
    *(case for count in SIZES for case in _cases(count)),
    *(_in_layouts(*layouts) for layouts in LAYOUTS),
    Case(
        "nn.conv2d",
        [array(1, 4, 3, 2), array(2, 2, 2, 3)],
        _nhwc,
        {"data_layout": "NHWC", "kernel_layout": "HWIO"},
        True,
    ),
    Case(
        "nn.conv2d",
        [
            array(1, 2, 4, 4, dtype="int8", low=-128, high=127),
            array(3, 2, 3, 3, dtype="int8", low=-128, high=127),
        ],
        lambda x, w: convolution(x, w).astype("int32"),
    ),
    Case(
        "nn.conv2d",
        [array(1, 2, 4, 4, dtype="float16"), array(3, 2, 3, 3, dtype="float16")],
        lambda x, w: convolution(x, w).astype("float16"),
        tolerance=1e-2,
    ),
    Case(
        "nn.conv2d", [np.zeros((0, 2, 4, 4), "float32"), array(3, 2, 3, 3)], np.zeros((0, 3, 2, 2), "float32")
    ),
    Case(
        "nn.conv1d_transpose",
        [array(1, 2, 4), array(2, 3, 3)],
        lambda x, w: transposed_convolution(x, w, strides=2, dilation=3),
        {"strides": 2, "dilation": 3},
        True,
    ),
]


class TestConvolutions(checks(CASES)):
    """Each case by the checks of all rows."""


def test_unknown_dimensions_stay_unknown() -> None:
    call = op("nn.conv2d")(X, W)
    found = result_type(call.function, call.attrs, [TensorType((ANY, 8, ANY, 5)), TensorType((12, 8, 3, 3))])
    assert found == TensorType((ANY, 12, ANY, 3))


@pytest.mark.parametrize(
    ("shapes", "attrs", "text"),
    [
        ([(1, 3, 5, 5), (4, 2, 3, 3)], {}, r"has 3 channels, but weights .* take 2"),
        ([(1, 4, 5, 5), (3, 2, 3, 3)], {"groups": 2}, "2 groups do not divide the 3 channels"),
        ([(1, 2, 2, 5), (3, 2, 3, 3)], {}, "the window spans 3 elements, but axis 0 has 2"),
        ([(1, 2, 5, 5), (3, 2, 3, 3)], {"strides": 0}, "must be positive"),
        ([(1, 2, 5, 5), (3, 2, 3, 3)], {"padding": (1, 1, 1)}, "padding has 3 numbers; 1, 2 or 4"),
        ([(1, 2, 5, 5), (3, 2, 3, 3)], {"data_layout": "NCW"}, "the layout NCW has not the axes"),
        ([(1, 2, 5), (3, 2, 3, 3)], {}, "has 4 axes, not 3"),
    ],
)
def test_refused(shapes, attrs, text: str) -> None:
    call = op("nn.conv2d")(*(np.zeros(s, "float32") for s in shapes), **attrs)
    with pytest.raises(ValueError, match=text):
        result_type(call.function, call.attrs, [TensorType(s) for s in shapes])


@pytest.mark.parametrize(
    ("name", "shapes", "attrs", "operator"),
    [
        ("nn.conv2d", [(1, 3, 32, 32), (8, 3, 3, 3)], {"strides": 2, "padding": 1}, CONV2D),
        ("nn.conv2d", [(1, 64, 16, 16), (64, 64, 3, 3)], {"padding": 1}, CONV2D_WINOGRAD),
        ("nn.conv2d", [(1, 8, 16, 16), (16, 1, 3, 3)], {"groups": 8}, DEPTHWISE_CONV2D),
        ("nn.conv2d", [(1, 8, 16, 16), (16, 4, 3, 3)], {"groups": 2}, CONV2D),
        ("nn.conv1d", [(1, 8, 16), (16, 8, 3)], {"padding": (1, 2)}, CONV2D),
    ],
)
def test_templates_compute_the_call(name: str, shapes, attrs, operator) -> None:
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype("float32") for s in shapes)
    call = op(name)(x, w, **attrs)
    found = call.function.template(call.attrs, [TensorType(s) for s in shapes])
    assert found.operator is operator
    assert found.arguments == (0, 1)
    values = found.operator.shape(**found.values)
    tensors = found.operator.tensors(*values)
    y = found.operator.reference(x.reshape(tensors[0].shape), w.reshape(tensors[1].shape), *values)
    expected = call.function.evaluate(call.attrs, x, w)
    np.testing.assert_allclose(y.reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)


def test_what_no_operator_takes_has_no_template() -> None:
    row = op("nn.conv2d")
    call = row(X, W, out_layout="NCHW4c")
    assert row.template(call.attrs, [TensorType(X.shape), TensorType(W.shape)]) is None
