"""Reductions: definition, type, computation, gradient, empty and half-precision arguments, refusals."""

import numpy as np
import pytest
from scipy import special

from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

X = array(2, 3, 4)
INTS = array(2, 3, 4, dtype="int32", low=-9, high=9)
B = array(3, 4, dtype="bool")
H = array(300, dtype="float16", low=0, high=20)
NAN = np.array([[1, np.nan, 3], [4, 5, 6]], "float32")
EMPTY = np.zeros((2, 0), "float32")
SCALAR = np.array(-3.0, "float32")
FAR = np.array([[1000.0, 1000.5], [-np.inf, -np.inf], [np.inf, 1.0]], "float32")
ZEROS = np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.0]], "float32")


def _folded(x, axes, function, start, keepdims=False):
    """A reduction by a loop in Python, in float64 or integers."""
    wide = x.astype("float64") if x.dtype.kind == "f" else x
    rest = tuple(d for d in range(x.ndim) if d not in axes)
    moved = wide.transpose(*rest, *axes).reshape(*[x.shape[d] for d in rest], -1)
    result = np.full(moved.shape[:-1], start, wide.dtype)
    for k in range(moved.shape[-1]):
        result = function(result, moved[..., k])
    shape = [1 if d in axes else n for d, n in enumerate(x.shape)] if keepdims else result.shape
    return np.asarray(result).reshape(shape).astype(x.dtype)


def _sum(axes, keepdims=False, of=lambda x: x):
    return lambda x: _folded(of(x), axes, np.add, 0, keepdims)


def _then(axes, after, of=lambda x: x, count=1):
    return lambda x: after(_folded(of(x.astype("float64")), axes, np.add, 0) / count).astype(x.dtype)


CASES = [
    Case("sum", [X], _sum((0, 1, 2)), gradient=True),
    Case("sum", [X], _sum((1,)), {"axis": 1}, True),
    Case("sum", [X], _sum((0, 2), True), {"axis": (-1, 0), "keepdims": True}, True),
    Case("sum", [X], _sum((0, 2)), {"axis": 1, "exclude": True}, True),
    Case("sum", [X], lambda x: x, {"axis": ()}, True),
    Case("sum", [INTS], _sum((0, 2)), {"axis": (0, 2)}),
    Case("sum", [np.full(3, 100, "int8")], np.array(44, "int8")),
    Case("sum", [H], lambda x: np.sum(x.astype("float64")).astype("float16")),
    Case("sum", [EMPTY], np.zeros(2, "float32"), {"axis": 1}),
    Case("sum", [SCALAR], lambda x: x, gradient=True),
    Case("mean", [X], _then((1, 2), lambda s: s, count=12), {"axis": (1, 2)}, True),
    Case("mean", [X.astype("float64")], _then((0,), lambda s: s, count=2), {"axis": 0}),
    Case("mean", [H], lambda x: np.mean(x.astype("float64")).astype("float16")),
    Case("mean", [EMPTY], np.full(2, np.nan, "float32"), {"axis": 1}),
    Case("prod", [X], lambda x: _folded(x, (0, 2), np.multiply, 1), {"axis": (0, 2)}, True),
    Case("prod", [ZEROS], np.array([[0], [0]], "float32"), {"axis": 1, "keepdims": True}, True),
    Case("prod", [EMPTY], np.ones(2, "float32"), {"axis": 1}),
    Case("prod", [INTS], lambda x: _folded(x, (2,), np.multiply, 1), {"axis": 2}),
    Case("max", [X], lambda x: _folded(x, (0, 2), np.maximum, -9), {"axis": (0, 2)}, True),
    Case("max", [INTS], lambda x: np.sort(x, 1)[:, -1], {"axis": 1}),
    Case("max", [NAN], np.array([[np.nan], [6]], "float32"), {"axis": 1, "keepdims": True}),
    Case("max", [EMPTY], np.full(2, -np.inf, "float32"), {"axis": 1}),
    Case("max", [B], lambda x: x[:, 0] | x[:, 1] | x[:, 2] | x[:, 3], {"axis": 1}),
    Case("min", [X], lambda x: np.sort(x.ravel())[0], {}, True),
    Case("min", [B], lambda x: x[0] & x[1] & x[2], {"axis": 0}),
    Case("min", [np.zeros((0, 2), "int8")], np.full(2, 127, "int8"), {"axis": 0}),
    Case("all", [B], lambda x: np.cumprod(x, 1)[:, -1] == 1, {"axis": 1}),
    Case("all", [np.zeros((2, 0), "bool")], np.ones(2, bool), {"axis": 1}),
    Case("any", [B], lambda x: np.cumsum(x, 0)[-1] > 0, {"axis": 0}),
    Case("any", [B], lambda x: np.array(sum(x.ravel().tolist()) > 0)),
    Case("l1", [X], _sum((1,), of=lambda x: np.where(x < 0, -x, x)), {"axis": 1}, True),
    Case("l1", [INTS], _sum((1,), of=lambda x: np.where(x < 0, -x, x)), {"axis": 1}),
    Case("l2", [X], _then((2,), lambda s: s**0.5, lambda x: x * x), {"axis": 2}, True),
    Case("sum_square", [X], _sum((0,), True, lambda x: x * x), {"axis": 0, "keepdims": True}, True),
    Case("sum_square", [INTS], _sum((0,), of=lambda x: x * x), {"axis": 0}),
    Case("variance", [X], lambda x: np.mean(x * x, (0, 2)) - np.mean(x, (0, 2)) ** 2, {"axis": (0, 2)}, True),
    Case("variance", [X], lambda x: x * 0, {"axis": ()}),
    Case(
        "std",
        [X],
        lambda x: (np.mean(x * x, 1, keepdims=True) - np.mean(x, 1, keepdims=True) ** 2) ** 0.5,
        {"axis": 1, "keepdims": True},
        True,
        1e-4,
    ),
    Case("logsumexp", [X], lambda x: special.logsumexp(x, (1, 2)), {"axis": (1, 2)}, True),
    Case("logsumexp", [FAR], np.array([1000.974077, -np.inf, np.inf], "float32"), {"axis": 1}),
    Case("logsumexp", [EMPTY], np.full((2, 1), -np.inf, "float32"), {"axis": 1, "keepdims": True}),
    Case("logsumexp", [H[:5]], lambda x: special.logsumexp(x.astype("float64")).astype("float16")),
    Case("argmax", [X], lambda x: np.argsort(x, 1)[:, -1], {"axis": 1}),
    Case("argmax", [np.array([2, 7, 7, 1], "int32")], np.array(1, "int64")),
    Case(
        "argmax",
        [np.array([2, 7, 7, 1], "int32")],
        np.array([2], "int32"),
        {"select_last_index": True, "keepdims": True, "dtype": "int32"},
    ),
    Case("argmax", [NAN], np.array([1, 2], "int64"), {"axis": -1}),
    Case(
        "argmax",
        [B],
        lambda x: x.tolist().index(True) if x.ndim == 1 else np.array([r.index(max(r)) for r in x.tolist()]),
        {"axis": 1},
    ),
    Case("argmin", [X], lambda x: np.argsort(x, 2)[..., :1], {"axis": 2, "keepdims": True}),
    Case(
        "argmin",
        [np.array([[3, 1, 1], [0, 5, 0]], "float16")],
        np.array([2, 2]),
        {"axis": 1, "select_last_index": True},
    ),
    Case("collapse_sum", [X], lambda x: _folded(x, (0, 2), np.add, 0).reshape(3, 1), {"shape": (3, 1)}, True),
    Case("collapse_sum", [X], lambda x: x, {"shape": (2, 3, 4)}, True),
    Case("collapse_sum", [H], lambda x: np.sum(x.astype("float64")).astype("float16"), {"shape": ()}),
    Case(
        "collapse_sum_like", [X, array(1, 4)], lambda x, _: _folded(x, (0, 1), np.add, 0, True)[0], {}, True
    ),
    Case("broadcast_like", [array(3, 1), X], lambda x, _: np.stack([np.repeat(x, 4, 1)] * 2), {}, True),
]

TestReduction = checks(CASES)


def _type(name, type_, **attrs):
    row = op(name)
    return result_type(row, row(X, **attrs).attrs, [type_])


def test_dimensions_that_only_a_call_brings():
    assert _type("sum", TensorType((ANY, 3)), axis=1) == TensorType((ANY,))
    assert _type("argmax", TensorType((ANY, 3)), axis=0, keepdims=True) == TensorType((1, 3), "int64")
    assert _type("collapse_sum", TensorType((ANY, 3)), shape=(1, 3)) == TensorType((1, 3))


def test_axes_that_do_not_exist_and_types_that_are_not_taken_are_refused():
    with pytest.raises(ValueError, match="axis is 2; a tensor of rank 2 has axes -2 to 1"):
        _type("sum", TensorType((2, 3)), axis=2)
    with pytest.raises(
        ValueError, match=r"the axes \(1, -1\) of a tensor of rank 2 must be different axes of it"
    ):
        _type("max", TensorType((2, 3)), axis=(1, -1))
    with pytest.raises(ValueError, match="int32; a float is needed"):
        _type("mean", TensorType((2, 3), "int32"))
    with pytest.raises(ValueError, match="float32; bool is needed"):
        _type("all", TensorType((2, 3)))
    with pytest.raises(ValueError, match=r"axis 0 of \(0, 3\) has no element"):
        _type("argmax", TensorType((0, 3)))
    with pytest.raises(ValueError, match="a scalar; a tensor with an axis is needed"):
        _type("argmax", TensorType(()))
    with pytest.raises(ValueError, match=r"\(2,?\) is not broadcast to \(2, 3\)"):
        _type("collapse_sum", TensorType((2, 3)), shape=(2,))
