"""Extremes, cumulative sums, sorting, `unique`: definition, type, computation, gradient, refusals."""

import itertools

import numpy as np
import pytest

from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

X = array(2, 4, 3)
AWAY = array(2, 4, 3, low=0.5, high=2)
INTS = array(3, 4, dtype="int32", low=-5, high=5)
TIES = np.array([[3, 1, 3, 2], [0, 0, -1, 0]], "int32")
NAN = np.array([2, np.nan, -1, np.inf], "float32")
B = array(5, dtype="bool")


def _running(start, combine, axis, exclusive=False, reverse=False):
    def along(row):
        row = row[::-1] if reverse else row
        sums, total = [], start
        for value in row.tolist():
            before, total = total, combine(total, value)
            sums.append(before if exclusive else total)
        return np.array(sums[::-1] if reverse else sums, row.dtype)

    return lambda x: np.apply_along_axis(along, axis, x)


def _ranked(x, descending=False):
    """The stable order of each row, by Python's sort."""
    rows = x.reshape(-1, x.shape[-1]).tolist()
    order = [sorted(range(len(r)), key=lambda k: -r[k] if descending else r[k]) for r in rows]
    return np.array(order).reshape(x.shape)


def _options(**attrs):
    return {"axis": 1, **attrs}


CASES = []
for exclusive, reverse in itertools.product((False, True), repeat=2):
    options = {"exclusive": exclusive, "reverse": reverse}
    CASES += [
        Case("cumsum", [X], _running(0, lambda a, b: a + b, 1, **options), _options(**options), True),
        Case("cumprod", [AWAY], _running(1, lambda a, b: a * b, 1, **options), _options(**options), True),
    ]
CASES += [
    Case("cumsum", [INTS], lambda x: np.tril(np.ones((3, 3), "int32")) @ x, {"axis": 0}),
    Case("cumsum", [np.full(4, 100, "int8")], np.array([100, -56, 44, -112], "int8")),
    Case("cumsum", [np.full(400, 7, "float16")], (7.0 * np.arange(1, 401)).astype("float16")),
    Case("cumsum", [array(1)], lambda x: x),
    Case("cumsum", [array(1)], lambda x: x * 0, {"exclusive": True}),
    Case("cumsum", [np.zeros((2, 0), "float32")], lambda x: x),
    Case("sort", [X], lambda x: np.take_along_axis(x, _ranked(x), -1), {}, True),
    Case("sort", [X], lambda x: -np.sort(-x, 1), {"axis": 1, "descending": True}, True),
    Case("sort", [NAN], np.array([-1, 2, np.inf, np.nan], "float32")),
    Case("sort", [NAN], np.array([np.nan, np.inf, 2, -1], "float32"), {"descending": True}),
    Case("argsort", [TIES], _ranked),
    Case(
        "argsort", [TIES], lambda x: _ranked(x, True).astype("int32"), {"descending": True, "dtype": "int32"}
    ),
    Case("argsort", [np.array([[1, 0], [0, 1]], "uint8")], np.array([[1, 0], [0, 1]]), {"axis": 0}),
    Case("topk", [TIES], (np.array([[3, 3], [0, 0]], "int32"), np.array([[0, 2], [0, 1]])), {"k": 2}),
    Case("topk", [TIES], (np.array([[1], [-1]], "int32"), np.array([[1], [2]])), {"k": 1, "largest": False}),
    Case(
        "topk", [X], lambda x: (-np.sort(-x, 1)[:, :3], np.argsort(-x, 1)[:, :3]), {"k": 3, "axis": 1}, True
    ),
    Case("topk", [X], (np.zeros((2, 4, 0), "float32"), np.zeros((2, 4, 0), "int64")), {"k": 0}),
    Case(
        "unique",
        [np.array([5, 3, 5, 1], "int32")],
        (np.array([1, 3, 5], "int32"), np.array([3, 1, 0]), np.array([2, 1, 2, 0]), np.array([1, 1, 2])),
        static=False,
    ),
    Case(
        "unique",
        [np.array([[5, 3], [5, 1]], "int32")],
        (np.array([5, 3, 1], "int32"), np.array([0, 1, 3]), np.array([0, 1, 0, 2]), np.array([2, 1, 1])),
        {"sorted": False},
        static=False,
    ),
    Case(
        "unique",
        [np.array([[1, 2, 1], [3, 4, 3]], "float32")],
        (np.array([[1, 2], [3, 4]], "float32"), np.array([0, 1]), np.array([0, 1, 0]), np.array([2, 1])),
        {"axis": 1},
        static=False,
    ),
    Case("nonzero", [np.array([[0, 2.5], [1, 0]])], np.array([[0, 1], [1, 0]]), static=False),
    Case("nonzero", [B], lambda x: np.array([[k for k, v in enumerate(x.tolist()) if v]]), static=False),
    Case("nonzero", [np.array(3)], np.zeros((0, 1), "int64"), static=False),
]

TestOrder = checks(CASES)


def _type(name, type_, **attrs):
    row = op(name)
    return result_type(row, row(X, **attrs).attrs, [type_])


def test_dimensions_that_only_a_call_brings():
    assert _type("topk", TensorType((ANY, 4)), k=2).fields[1] == TensorType((ANY, 2), "int64")
    assert _type("topk", TensorType((4, ANY)), k=2).fields[0] == TensorType((4, 2))
    assert _type("unique", TensorType((ANY, 4))).fields[2] == TensorType((ANY,), "int64")


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"k is 5; axis 1 of \(3, 4\) has 4 elements"):
        _type("topk", TensorType((3, 4)), k=5)
    with pytest.raises(ValueError, match="a scalar; a tensor with an axis is needed"):
        _type("sort", TensorType(()))
    with pytest.raises(ValueError, match="axis is 2; a tensor of rank 2"):
        _type("cumsum", TensorType((3, 4)), axis=2)
    with pytest.raises(ValueError, match="the element type of the argument is bool; a number is needed"):
        _type("cumsum", TensorType((3,), "bool"))
