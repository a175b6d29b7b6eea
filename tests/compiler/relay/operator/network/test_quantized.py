"""Quantized arithmetic: definition, type, computation and refusals."""

import numpy as np
import pytest

from compiler.relay.language.op import op
from compiler.relay.language.types import TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type
from tests.compiler.relay.operator.network.oracles import convolution

X = array(2, 3, 4, low=-6, high=6)
Q = array(2, 3, 4, dtype="int8", low=-128, high=127)
SCALE, ZERO = np.array(0.02, "float32"), np.array(3, "int8")
SCALES, ZEROS = array(3, low=0.01, high=0.1), array(3, dtype="int8", low=-5, high=5)
BLOCKS, BLOCK_ZEROS = array(2, 3, 2, low=0.01, high=0.1), array(2, 3, 2, dtype="int8", low=-5, high=5)
SUMS = array(2, 3, 4, dtype="int32", low=-30000, high=30000)
A8, AU = array(2, 3, 5, dtype="int8", low=-128, high=127), array(2, 3, 5, dtype="uint8", high=255)
B8, COLUMNS = array(5, 4, dtype="int8", low=-128, high=127), array(4, dtype="int8", low=-5, high=5)
IMAGE, KERNEL = (
    array(1, 4, 4, 5, dtype="uint8", high=255),
    array(6, 2, 3, 3, dtype="int8", low=-128, high=127),
)
PER_CHANNEL = array(6, dtype="int8", low=-5, high=5)
SEVEN = np.array(7, "uint8")


def _quantized(x, scale, zero, dtype):
    """One element after the other; halves to the even number."""
    scale, zero = np.broadcast_to(scale, x.shape), np.broadcast_to(zero, x.shape)
    limits = np.iinfo(dtype)
    found = [
        min(max(round(float(np.float32(v) / np.float32(s))) + int(z), limits.min), limits.max)
        for v, s, z in zip(x.ravel(), scale.ravel(), zero.ravel(), strict=True)
    ]
    return np.array(found, dtype).reshape(x.shape)


def _dynamic(x):
    low, high = min(0, x.min()), max(0, x.max())
    scale = np.float32((high - low) / np.float32(255)) if high > low else np.float32(1)
    zero = np.uint8(min(max(round(float(-low / scale)), 0), 255))
    return _quantized(x, scale, zero, "uint8"), np.asarray(scale), np.asarray(zero)


def _product(x, y, zx, zy):
    return ((x.astype(int) - zx) @ (y.astype(int) - zy)).astype("int32")


CASES = [
    *(
        Case(
            "qnn.quantize",
            [X, SCALE, np.array(3, t)],
            lambda x, s, z, t=t: _quantized(x, s, z, t),
            {"out_dtype": t},
        )
        for t in ("int8", "uint8", "int16", "uint16", "int32")
    ),
    Case(
        "qnn.quantize",
        [
            np.array([0.5, 1.5, 2.5, -0.5, 1e9, -1e9], "float32"),
            np.array([1], "float32"),
            np.array([0], "int8"),
        ],
        np.array([0, 2, 2, 0, 127, -128], "int8"),
        {"axis": 0},
    ),
    Case("qnn.quantize", [X, SCALES, ZEROS], lambda x, s, z: _quantized(x, s[:, None], z[:, None], "int8")),
    Case(
        "qnn.quantize",
        [X, BLOCKS, BLOCK_ZEROS],
        lambda x, s, z: _quantized(x, s.repeat(2, 2), z.repeat(2, 2), "int8"),
        {"axis": 2, "block_size": 2},
    ),
    Case(
        "qnn.dequantize",
        [Q, SCALE, ZERO],
        lambda x, s, z: np.array([(int(v) - 3) * s for v in x.ravel()], "float32").reshape(x.shape),
    ),
    Case(
        "qnn.dequantize",
        [Q, SCALES, ZEROS],
        lambda x, s, z: ((x.astype(int) - z[:, None]) * s[:, None]).astype("float32"),
    ),
    Case(
        "qnn.dequantize",
        [Q, BLOCKS, BLOCK_ZEROS],
        lambda x, s, z: ((x.astype(int) - z.repeat(2, 2)) * s.repeat(2, 2)).astype("float32"),
        {"axis": -1, "block_size": 2},
    ),
    Case("qnn.dequantize", [SUMS, SCALE.astype("float64"), np.array(0)], lambda x, s, z: x * s),
    Case(
        "qnn.requantize",
        [SUMS, SCALES * np.float32(0.01), np.zeros(3, "int32"), np.array(0.05, "float32"), ZERO],
        lambda x, s, z, t, o: _quantized(x.astype("float32") * (s / t)[:, None], np.float32(1), o, "int8"),
    ),
    Case(
        "qnn.requantize",
        [SUMS, SCALE, np.array(5), np.array(4.5, "float32"), np.array(9, "uint8")],
        lambda x, s, z, t, o: _quantized((x - 5).astype("float32") * (s / t), np.float32(1), o, "uint8"),
        {"out_dtype": "uint8"},
    ),
    *(
        Case("qnn.dynamic_quantize", [x], _dynamic)
        for x in (X, np.abs(X), -np.abs(X), np.zeros((2, 2), "float32"))
    ),
    Case(
        "qnn.conv2d",
        [IMAGE, KERNEL, SEVEN, PER_CHANNEL],
        lambda x, w, zx, zw: convolution(
            x.astype("int64") - 7, w.astype("int64") - zw[:, None, None, None], padding=1, strides=2, groups=2
        ).astype("int32"),
        {"padding": 1, "strides": 2, "groups": 2},
    ),
    Case(
        "qnn.conv1d",
        [
            array(1, 2, 7, dtype="int8", low=-128, high=127),
            array(3, 2, 3, dtype="int8", low=-128, high=127),
            ZERO,
            np.array(0, "int8"),
        ],
        lambda x, w, zx, zw: convolution(
            x.astype("int64") - 3, w.astype("int64"), padding=2, dilation=2
        ).astype("int32"),
        {"padding": 2, "dilation": 2},
    ),
    Case("qnn.dense", [AU, B8.T.copy(), SEVEN, COLUMNS], lambda x, w, zx, zw: _product(x, w.T, 7, zw)),
    Case("qnn.matmul_integer", [AU, B8, SEVEN, COLUMNS], lambda x, y, zx, zy: _product(x, y, 7, zy)),
    Case(
        "qnn.matmul_integer",
        [A8[0], B8, ZEROS, COLUMNS],
        lambda x, y, zx, zy: _product(x, y, zx[:, None], zy),
    ),
    Case(
        "qnn.matmul_integer",
        [A8, B8, array(2, 3, 1, dtype="int8", low=-9, high=9), np.array([1], "int8")],
        lambda x, y, zx, zy: _product(x, y, zx, 1),
    ),
]


class TestQuantized(checks(CASES)):
    """Each case by the checks of all rows."""


@pytest.mark.parametrize(
    ("name", "types", "attrs", "text"),
    [
        (
            "qnn.quantize",
            [((2, 3), "float32"), ((2,), "float32"), ((), "int8")],
            {},
            "one for each element of axis 1",
        ),
        ("qnn.dequantize", [((2, 3), "float32"), ((), "float32"), ((), "int8")], {}, "an integer is needed"),
        (
            "qnn.dense",
            [((2, 3), "int16"), ((4, 3), "int8"), ((), "int8"), ((), "int8")],
            {},
            "are int8 or uint8",
        ),
        (
            "qnn.dense",
            [((2, 3), "int8"), ((4, 3), "int8"), ((), "int8"), ((3,), "int8")],
            {},
            r"a scalar or \(4,\)",
        ),
        (
            "qnn.conv2d",
            [((1, 2, 5, 5), "int8"), ((3, 2, 3, 3), "int8"), ((2,), "int8"), ((), "int8")],
            {},
            r"a scalar or \(1,\)",
        ),
        (
            "qnn.matmul_integer",
            [((2, 3), "int8"), ((3, 4), "int8"), ((3,), "int8"), ((), "int8")],
            {},
            "cannot be broadcast",
        ),
    ],
)
def test_refused(name: str, types, attrs, text: str) -> None:
    given = [TensorType(*t) for t in types]
    call = op(name)(*(np.zeros(t.dims, t.dtype) for t in given), **attrs)
    with pytest.raises(ValueError, match=text):
        result_type(call.function, call.attrs, given)
