"""Operators of one operand: definition, type, computation and gradient; casts at the ends of types."""

import numpy as np
import pytest
from scipy import special

from compiler.relay.language.op import op
from compiler.relay.language.types import TensorType, TupleType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

X = array(3, 5)
POSITIVE = array(3, 5, low=0.2, high=3)
INSIDE = array(3, 5, low=-0.9, high=0.9)
BEYOND = array(3, 5, low=1.1, high=3)
WHOLE = array(3, 5, dtype="int32", low=-9, high=9)
SMALL = np.array([-128, -1, 0, 1, 127], "int8")
ODD = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, 1.5, -2.5, -0.3], "float32")
ENDS = np.array([-1e30, -2147483649.0, -1.7, 0.9, 255.6, 2147483648.0, 1e30, np.inf, -np.inf, np.nan])
HALF = array(4, dtype="float16")
MASK = array(2, 3, dtype="bool")
SCALAR = np.array(0.7, "float32")
EMPTY = np.zeros((2, 0, 3), "float32")


def _saturated(x, low, high, dtype):
    clipped = [0 if v != v else int(min(max(v, low), high)) for v in x.tolist()]
    return np.array(clipped, dtype)


SMOOTH = [
    ("negative", X, lambda x: 0 - x),
    ("abs", X, lambda x: np.where(x < 0, -x, x)),
    ("exp", X, lambda x: np.float32(np.e) ** x),
    ("log", POSITIVE, lambda x: np.log2(x) * np.float32(np.log(2))),
    ("sqrt", POSITIVE, lambda x: x ** np.float32(0.5)),
    ("rsqrt", POSITIVE, lambda x: x ** np.float32(-0.5)),
    ("sin", X, lambda x: np.imag(np.exp(1j * x))),
    ("cos", X, lambda x: np.real(np.exp(1j * x))),
    ("tan", INSIDE, lambda x: np.sin(x) / np.cos(x)),
    ("asin", INSIDE, np.arcsin),
    ("acos", INSIDE, lambda x: np.float32(np.pi / 2) - np.arcsin(x)),
    ("atan", X, lambda x: np.arctan2(x, np.float32(1))),
    ("sinh", X, lambda x: (np.exp(x) - np.exp(-x)) / 2),
    ("cosh", X, lambda x: (np.exp(x) + np.exp(-x)) / 2),
    ("tanh", X, lambda x: 1 - 2 / (np.exp(2 * x) + 1)),
    ("asinh", X, lambda x: np.log(x + np.sqrt(x * x + 1))),
    ("acosh", BEYOND, lambda x: np.log(x + np.sqrt(x * x - 1))),
    ("atanh", INSIDE, lambda x: np.log((1 + x) / (1 - x)) / 2),
    ("sigmoid", X, special.expit),
    ("erf", X, special.erf),
    ("log1p", POSITIVE, lambda x: np.log(x + 1)),
    ("expm1", X, lambda x: np.exp(x) - 1),
    ("reciprocal", POSITIVE, lambda x: 1 / x),
    ("square", X, lambda x: x**2),
    ("copy", X, lambda x: x),
    ("stop_fusion", X, lambda x: x),
    ("annotation.checkpoint", X, lambda x: x),
]

CASES = [Case(name, [x], f, gradient=True) for name, x, f in SMOOTH]
CASES += [
    Case("exp", [SCALAR], lambda x: np.float32(np.e) ** x, gradient=True),
    Case("tanh", [EMPTY], lambda x: x),
    Case("erf", [EMPTY], lambda x: x),
    Case("erf", [SCALAR], special.erf),
    Case("sigmoid", [HALF], lambda x: special.expit(x.astype("float32")).astype("float16")),
    Case("sigmoid", [np.array([-200.0, 200.0], "float32")], np.array([0, 1], "float32")),
    Case("exp", [X.astype("float64")], lambda x: np.e**x),
    Case("negative", [SMALL], np.array([-128, 1, 0, -1, -127], "int8")),
    Case("negative", [np.array([0, 1, 255], "uint8")], np.array([0, 255, 1], "uint8")),
    Case("abs", [SMALL], np.array([-128, 1, 0, 1, 127], "int8")),
    Case("square", [WHOLE], lambda x: x * x),
    Case("floor", [ODD], lambda x: np.floor(x)),
    Case("ceil", [ODD], lambda x: -np.floor(-x)),
    Case("round", [ODD], np.array([0, -0.0, np.inf, -np.inf, np.nan, 0, 2, -2, -0.0], "float32")),
    Case("trunc", [ODD], lambda x: np.where(x > 0, np.floor(x), np.ceil(x))),
    Case("round", [WHOLE], lambda x: x),
    Case("sign", [ODD], np.array([0, 0, 1, -1, np.nan, 1, 1, -1, -1], "float32")),
    Case("sign", [SMALL], np.array([-1, -1, 0, 1, 1], "int8")),
    Case("isnan", [ODD], lambda x: x != x),
    Case("isfinite", [ODD], lambda x: np.abs(x) < np.inf),
    Case("isinf", [ODD], lambda x: np.abs(x) == np.inf),
    Case("isinf", [ODD], lambda x: x == np.inf, {"detect_negative": False}),
    Case("isinf", [ODD], lambda x: x == -np.inf, {"detect_positive": False}),
    Case("isinf", [ODD], lambda x: x > x, {"detect_positive": False, "detect_negative": False}),
    Case("logical_not", [MASK], lambda x: x == 0),
    Case("bitwise_not", [WHOLE], lambda x: -x - 1),
    Case("bitwise_not", [np.array([0, 7, 255], "uint8")], lambda x: 255 - x),
    Case("bitwise_not", [MASK], lambda x: x == 0),
    Case("copy", [MASK], lambda x: x),
    Case("zeros_like", [WHOLE], lambda x: x * 0),
    Case("ones_like", [X], lambda x: x * 0 + 1),
    Case("zeros_like", [MASK], lambda x: x & False),
    Case(
        "clip",
        [X],
        lambda x: np.sort(np.stack([x, 0 * x - 1, 0 * x + 0.5]), 0)[1],
        {"a_min": -1, "a_max": 0.5},
        True,
    ),
    Case("clip", [X], lambda x: np.where(x > 0.5, np.float32(0.5), x), {"a_max": 0.5}, True),
    Case("clip", [ODD], lambda x: np.where(x < 0, np.float32(0), x), {"a_min": 0.0}),
    Case("clip", [SMALL], np.array([-5, -1, 0, 1, 100], "int8"), {"a_min": -5.5, "a_max": 100}),
    Case("clip", [SMALL], lambda x: x, {"a_min": -1e9, "a_max": float("inf")}),
    Case("clip", [np.array([0, 5], "uint8")], lambda x: x, {"a_min": -3}),
    Case("cast", [X], lambda x: np.array(x, "float64"), {"dtype": "float64"}, True),
    Case("cast", [X.astype("float64")], lambda x: np.array(x, "float32"), {"dtype": "float32"}),
    Case("cast", [X], lambda x: np.array(x, "float16"), {"dtype": "float16"}),
    Case("cast", [ENDS], lambda x: _saturated(x, -(2**31), 2**31 - 1, "int32"), {"dtype": "int32"}),
    Case("cast", [ENDS.astype("float32")], lambda x: _saturated(x, 0, 255, "uint8"), {"dtype": "uint8"}),
    Case("cast", [ENDS], lambda x: _saturated(x, -(2**63), 2**63 - 1, "int64"), {"dtype": "int64"}),
    Case("cast", [np.array([-1, 300, 7], "int32")], np.array([255, 44, 7], "uint8"), {"dtype": "uint8"}),
    Case("cast", [ODD], np.array([0, 0, 1, 1, 1, 1, 1, 1, 1], bool), {"dtype": "bool"}),
    Case("cast", [MASK], lambda x: np.where(x, np.float32(1), np.float32(0)), {"dtype": "float32"}),
    Case("cast", [WHOLE], lambda x: 1.0 * x, {"dtype": "float64"}),
    Case("reinterpret", [SMALL], lambda x: np.array([128, 255, 0, 1, 127], "uint8"), {"dtype": "uint8"}),
    Case("reinterpret", [np.array(1.0, "float32")], np.array(0x3F800000, "int32"), {"dtype": "int32"}),
]

TestElementwise = checks(CASES)


def test_bfloat16_is_evaluated_as_float32():
    row = op("cast")
    attrs = row(np.float32(0), dtype="bfloat16").attrs
    value = row.evaluate(attrs, np.array([1.00390625, 3.0, 1e39], "float64"))
    assert value.dtype == "float32"
    assert value.tolist() == [1.0, 3.0, np.inf]
    assert result_type(row, attrs, [TensorType((3,), "float64")]) == TensorType((3,), "bfloat16")


def test_a_type_that_an_operator_does_not_take_is_refused():
    def of(name, dtype, to=None):
        row = op(name)
        attrs = {"dtype": to} if to else {}
        return result_type(row, row(np.float32(0), **attrs).attrs, [TensorType((3,), dtype)])

    with pytest.raises(
        ValueError, match="the element type of the argument is int32; a float is needed: cast it"
    ):
        of("exp", "int32")
    with pytest.raises(ValueError, match="the element type of the argument is float32; bool is needed"):
        of("logical_not", "float32")
    with pytest.raises(ValueError, match="bool; a number is needed"):
        of("negative", "bool")
    with pytest.raises(ValueError, match="float64 cannot be read as int32: numbers of as many bits"):
        of("reinterpret", "float64", to="int32")
    with pytest.raises(ValueError, match="the argument is .*; a tensor is needed"):
        result_type(op("exp"), op("exp")(X).attrs, [TupleType(())])
