"""Reads and updates at indices of a tensor: definition, type, computation, gradient, refusals."""

import numpy as np
import pytest

from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

X = array(4, 3, 2)
INTS = np.array([[0, -1, 2], [3, 1, 1]], "int64")
NARROW = np.array([0, 2, 1, 2], "uint8")
OUTSIDE = np.array([-9, 9, -2, 3], "int32")
ELEMENTS = np.array([[[0], [2]], [[-1], [1]], [[3], [0]]], "int64")
PLACES = np.array([[0, 1], [3, -1], [0, 1]], "int64")
BATCHED = np.array([[[1], [0]], [[2], [2]], [[0], [-1]], [[1], [2]]], "int32")
DATA = array(3, 4)
ALONG = np.array([[0, -1], [2, 2], [1, 0]], "int64")
UPDATES = array(3, 2, low=0.5, seed=3)
ON, OFF = np.array(5.0, "float32"), np.array(-1.0, "float32")


def _element(data, indices):
    return np.array([[[data[indices[a, b, c], b, c] for c in range(1)] for b in range(2)] for a in range(3)])


def _nd(data, indices):
    return np.stack([data[tuple(place)] for place in indices.reshape(-1, indices.shape[-1])]).reshape(
        *indices.shape[:-1], *data.shape[indices.shape[-1] :]
    )


def _put(combine, axis):
    """Updates of elements along an axis, one after another."""

    def apply(data, indices, updates):
        result = data.copy()
        for at in np.ndindex(indices.shape):
            place = list(at)
            place[axis] = int(indices[at])
            if -data.shape[axis] <= place[axis] < data.shape[axis]:
                result[tuple(place)] = combine(result[tuple(place)], updates[at])
        return result

    return apply


def _put_nd(combine):
    def apply(data, indices, updates):
        result = data.copy()
        for at in np.ndindex(indices.shape[:-1]):
            place = tuple(int(i) for i in indices[at])
            if all(-n <= i < n for i, n in zip(place, data.shape, strict=False)):
                result[place] = combine(result[place], updates[at])
        return result

    return apply


KINDS = {
    "update": lambda old, new: new,
    "add": lambda old, new: old + new,
    "mul": lambda old, new: old * new,
    "max": np.maximum,
    "min": np.minimum,
}
DISTINCT = np.array([[0, -1], [2, 3], [1, 0]], "int64")

CASES = [
    Case("take", [X, INTS], lambda x, i: np.stack([[x[v] for v in row] for row in i.tolist()]), {}, True),
    Case("take", [X, NARROW], lambda x, i: np.stack([x[:, v] for v in i.tolist()], 1), {"axis": 1}, True),
    Case("take", [X, INTS % 2], lambda x, i: x[..., i], {"axis": -1}, True),
    Case("take", [X, np.array(-1, "int32")], lambda x, i: x[3], {"axis": 0}, True),
    Case(
        "take",
        [X, np.array([0, 23, -1, 7])],
        lambda x, i: np.array([x.ravel()[v] for v in i]),
        {"axis": None},
        True,
    ),
    Case("take", [X, OUTSIDE], lambda x, i: np.stack([x[0], x[3], x[2], x[3]])),
    Case("take", [np.arange(300, dtype="int32"), np.array([250, 3], "uint8")], np.array([250, 3], "int32")),
    Case(
        "take", [np.arange(300, dtype="int32"), np.array([-128, 127], "int8")], np.array([172, 127], "int32")
    ),
    Case("take", [array(1, 3), np.array([0, 0, -1])], lambda x, i: np.repeat(x, 3, 0)),
    Case("take", [array(4, dtype="bool"), NARROW], lambda x, i: np.array([x[v] for v in i])),
    Case("take", [X, np.zeros((0, 2), "int64")], np.zeros((0, 2, 3, 2), "float32")),
    Case("gather_elements", [X, ELEMENTS], _element, {"axis": 0}, True),
    Case("gather_elements", [DATA, ALONG], lambda x, i: np.take_along_axis(x, i, 1), {"axis": 1}, True),
    Case("gather_elements", [DATA, np.array([[9, -9]])], lambda x, i: x[:1, [3, 0]], {"axis": -1}),
    Case("gather_nd", [X, PLACES], _nd, {}, True),
    Case("gather_nd", [X, np.array([[2], [-1]])], _nd, {}, True),
    Case("gather_nd", [X, np.array([1, 2, 0])], lambda x, i: x[1, 2, 0]),
    Case("gather_nd", [X, np.array([[9, -9, 1]])], lambda x, i: x[3:, 0, 1]),
    Case(
        "gather_nd",
        [X, BATCHED],
        lambda x, i: np.stack([d[j[:, 0]] for d, j in zip(x, i, strict=True)]),
        {"batch_dims": 1},
        True,
    ),
    *(
        Case(
            "scatter_elements",
            [DATA, DISTINCT if kind != "add" else ALONG, UPDATES],
            _put(combine, 1),
            {"axis": 1, "reduction": kind},
            True,
        )
        for kind, combine in KINDS.items()
    ),
    Case(
        "scatter_elements",
        [DATA, np.array([[1, 0, 2, 1]]), array(1, 4, seed=9)],
        _put(KINDS["add"], 0),
        {"axis": 0, "reduction": "add"},
        True,
    ),
    Case("scatter_elements", [DATA, np.array([[4, -5]]), array(1, 2)], lambda x, i, u: x, {"axis": 1}),
    Case(
        "scatter_elements",
        [np.arange(5, dtype="int64"), np.array([1, 1, 3]), np.array([7, 8, 9])],
        np.array([0, 8, 2, 9, 4]),
    ),
    *(
        Case(
            "scatter_nd",
            [X, np.array([[0, 1], [3, -1]]), array(2, 2, low=0.5, seed=5)],
            _put_nd(combine),
            {"reduction": kind},
            True,
        )
        for kind, combine in KINDS.items()
    ),
    Case("scatter_nd", [X, PLACES, array(3, 2, seed=6)], _put_nd(KINDS["add"]), {"reduction": "add"}, True),
    Case("scatter_nd", [X, np.array([4]), array(3, 2)], lambda x, i, u: x),
    Case("scatter_nd", [X, np.array([2]), array(3, 2)], _put_nd(KINDS["update"])),
    Case(
        "scatter_nd",
        [np.zeros(4, bool), np.array([[1], [-1]]), np.array([True, True])],
        np.array([False, True, False, True]),
    ),
    Case(
        "one_hot",
        [INTS, ON, OFF],
        lambda i, on, off: np.where(np.eye(5)[i % 5] > 0, on, off),
        {"depth": 5},
        True,
    ),
    Case(
        "one_hot",
        [NARROW, np.array(1), np.array(0)],
        lambda i, on, off: np.eye(3, dtype="int64")[:, i],
        {"depth": 3, "axis": 0},
    ),
    Case(
        "one_hot",
        [np.array([3, -4, 1]), ON, OFF],
        np.array([[-1] * 3, [-1] * 3, [-1, 5, -1]], "float32"),
        {"depth": 3},
    ),
    Case("one_hot", [np.array(1), np.array(True), np.array(False)], np.array([False, True]), {"depth": 2}),
]

TestIndexing = checks(CASES)


def _type(name, *types, **attrs):
    row = op(name)
    return result_type(row, row(*[X] * len(types), **attrs).attrs, types)


def test_dimensions_that_only_a_call_brings():
    index = TensorType((ANY, 2), "int64")
    assert _type("take", TensorType((ANY, 3)), index, axis=0) == TensorType((ANY, 2, 3))
    assert _type("gather_nd", TensorType((ANY, 3, 4)), index) == TensorType((ANY, 4))
    assert _type("scatter_nd", TensorType((5, 3, 4)), index, TensorType((ANY, 4))) == TensorType((5, 3, 4))


def test_arguments_that_do_not_fit_are_refused():
    x, index = TensorType((4, 3)), TensorType((2, 3), "int64")
    with pytest.raises(ValueError, match="the element type of the index is float32; an integer is needed"):
        _type("take", x, x)
    with pytest.raises(ValueError, match="the data is a scalar"):
        _type("take", TensorType(()), index)
    with pytest.raises(ValueError, match=r"the index has the shape \(5, 4\), the data \(4, 3\): they need"):
        _type("gather_elements", x, TensorType((5, 4), "int64"), axis=0)
    with pytest.raises(ValueError, match="the last extent of the index counts axes of the data"):
        _type("gather_nd", x, index)
    with pytest.raises(ValueError, match=r"the updates have the shape \(2, 2\); \(2, 3\) is needed"):
        _type("scatter_elements", x, index, TensorType((2, 2)))
    with pytest.raises(ValueError, match="the element types float32 and int64 differ"):
        _type("scatter_elements", x, index, index)
    with pytest.raises(ValueError, match=r"the updates have the shape \(2,?\); \(2, 3\) is needed"):
        _type("scatter_nd", x, TensorType((2, 1), "int32"), TensorType((2,)))
    with pytest.raises(
        ValueError, match=r"unknown value of reduction 'sum' \(known: update, add, mul, min, max\)"
    ):
        op("scatter_nd")(X, X, X, reduction="sum")
    with pytest.raises(ValueError, match="a scalar is needed"):
        _type("one_hot", index, x, x, depth=3)


def test_reading_from_nothing_is_refused():
    row = op("take")
    attrs = row(X, INTS).attrs
    with pytest.raises(ValueError, match="take reads 2 elements along an axis of extent 0"):
        row.evaluate(attrs, np.zeros((0, 3)), np.array([0, 1]))
