"""Tensors made of attributes, and shapes of tensors: definition, type, computation, gradient, refusals."""

import numpy as np
import pytest

from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType, TupleType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

A, B, C = array(2), array(3, seed=1), array(4, seed=2)
VALUE = np.array(2.5, "float32")

CASES = [
    Case("zeros", [], np.array([[0, 0, 0], [0, 0, 0]], "float32"), {"shape": (2, 3)}),
    Case("zeros", [], np.array([False]), {"shape": (1,), "dtype": "bool"}),
    Case("ones", [], np.array(1, "int64"), {"shape": (), "dtype": "int64"}),
    Case("ones", [], np.zeros((0, 2), "float16"), {"shape": (0, 2), "dtype": "float16"}),
    Case("full", [VALUE], np.array([[2.5, 2.5]], "float32"), {"shape": (1, 2)}, True),
    Case("full", [VALUE], np.array([2, 2, 2], "int8"), {"shape": (3,), "dtype": "int8"}),
    Case("full", [np.array(True)], np.array([True]), {"shape": (1,)}),
    Case("arange", [], np.array([1, 4, 7], "float32"), {"start": 1, "stop": 10, "step": 3}),
    Case("arange", [], np.array([10, 6, 2], "int32"), {"start": 10, "stop": 0, "step": -4, "dtype": "int32"}),
    Case(
        "arange",
        [],
        np.array([0.5, 0.75], "float64"),
        {"start": 0.5, "stop": 1.0, "step": 0.25, "dtype": "float64"},
    ),
    Case(
        "arange",
        [],
        np.array([2**40, 2**40 + 5]),
        {"start": 2**40, "stop": 2**40 + 6, "step": 5, "dtype": "int64"},
    ),
    Case("arange", [], np.zeros(0, "float32"), {"start": 3, "stop": 1}),
    Case(
        "arange",
        [],
        np.arange(0, 3000, 1000).astype("float16"),
        {"stop": 3000, "step": 1000, "dtype": "float16"},
    ),
    Case("eye", [], np.array([[1, 0], [0, 1]], "float32"), {"rows": 2}),
    Case(
        "eye",
        [],
        np.array([[0, 1, 0], [0, 0, 1]], "int32"),
        {"rows": 2, "columns": 3, "k": 1, "dtype": "int32"},
    ),
    Case("eye", [], np.array([[False], [True]]), {"rows": 2, "columns": 1, "k": -1, "dtype": "bool"}),
    Case(
        "meshgrid",
        [(A, B, C)],
        lambda p: tuple(
            np.broadcast_to(x.reshape([-1 if d == k else 1 for d in range(3)]), (2, 3, 4))
            for k, x in enumerate(p)
        ),
        {},
        True,
    ),
    Case(
        "meshgrid",
        [(A, B)],
        lambda p: (np.array([p[0]] * 3), np.array([p[1]] * 2).T),
        {"indexing": "xy"},
        True,
    ),
    Case("meshgrid", [(A, VALUE)], lambda p: (p[0].reshape(2, 1), np.full((2, 1), p[1])), {}, True),
    Case("shape_of", [array(2, 3, 4)], np.array([2, 3, 4])),
    Case("shape_of", [array(5)], np.array([5], "int32"), {"dtype": "int32"}),
    Case("shape_of", [VALUE], np.zeros(0, "int64")),
    Case("ndarray_size", [array(2, 3, 4)], np.array(24)),
    Case("ndarray_size", [VALUE], np.array(1, "int32"), {"dtype": "int32"}),
]

TestCreation = checks(CASES)


def _type(name, *types, **attrs):
    row = op(name)
    return result_type(row, row(*[A] * len(types), **attrs).attrs, types)


def test_the_shape_of_a_tensor_of_unknown_dimensions():
    assert _type("shape_of", TensorType((ANY, 3))) == TensorType((2,), "int64")
    assert _type("ndarray_size", TensorType((ANY, 3))) == TensorType((), "int64")


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"shape is \(-1,\); its dimensions must not be negative"):
        _type("zeros", shape=(-1,))
    with pytest.raises(ValueError, match="a scalar is needed"):
        _type("full", TensorType((2,)), shape=(2,))
    with pytest.raises(ValueError, match="step is 0"):
        _type("arange", stop=3, step=0)
    with pytest.raises(ValueError, match="stop is 'x'; a number is needed"):
        _type("arange", stop="x")
    with pytest.raises(ValueError, match="the element type is bool; a number is needed"):
        _type("arange", stop=3, dtype="bool")
    with pytest.raises(ValueError, match="a vector or a scalar is needed"):
        _type("meshgrid", TupleType((TensorType((2, 3)),)))
