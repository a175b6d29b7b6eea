"""Reshaping, axes, joining and splitting: definition, type, computation, gradient and refusals."""

import itertools
from math import prod

import numpy as np
import pytest

from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType, TupleType
from compiler.relay.operator.shape import reshaped_index
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

X = array(2, 3, 4)
ONES = array(1, 3, 1, 2)
INTS = array(2, 5, dtype="int64", low=-9, high=9)
B = array(2, 2, dtype="bool")
EMPTY = np.zeros((2, 0, 3), "float32")
SCALAR = np.array(1.5, "float32")
PARTS = (array(2, 3), array(2, 1, seed=1), array(2, 4, seed=2))
MANY = tuple(array(2, seed=k) for k in range(7))


def _from_list(x, *shape):
    return np.array(x.ravel().tolist(), x.dtype).reshape(shape)


CASES = [
    Case("reshape", [X], lambda x: _from_list(x, 6, 4), {"newshape": (6, -1)}, True),
    Case("reshape", [X], lambda x: _from_list(x, 4, 6), {"newshape": (4, 6)}, True),
    Case("reshape", [X], lambda x: _from_list(x, 2, 1, 3, 2, 2), {"newshape": (2, 1, 3, 2, 2)}, True),
    Case("reshape", [ONES], lambda x: _from_list(x, 6), {"newshape": (-1,)}),
    Case("reshape", [EMPTY], np.zeros((0, 6), "float32"), {"newshape": (-1, 6)}),
    Case("reshape", [EMPTY], np.zeros((0, 5), "float32"), {"newshape": (0, 5)}),
    Case("reshape", [SCALAR], lambda x: np.array([[x]]), {"newshape": (1, 1)}, True),
    Case("reshape", [array(1, 1)], lambda x: x[0, 0], {"newshape": ()}),
    Case("transpose", [X], lambda x: np.einsum("abc->cba", x), {}, True),
    Case("transpose", [X], lambda x: np.einsum("abc->bca", x), {"axes": (1, 2, 0)}, True),
    Case("transpose", [X], lambda x: np.einsum("abc->acb", x), {"axes": (0, -1, 1)}, True),
    Case("transpose", [B], lambda x: np.array([x[:, 0], x[:, 1]])),
    Case("transpose", [EMPTY], np.zeros((3, 0, 2), "float32")),
    Case("transpose", [SCALAR], lambda x: x),
    Case("expand_dims", [X], lambda x: x[:, None], {"axis": 1}, True),
    Case("expand_dims", [X], lambda x: x[..., None, None], {"axis": -1, "num_newaxis": 2}, True),
    Case("expand_dims", [SCALAR], lambda x: x[None], {"axis": 0}),
    Case("squeeze", [ONES], lambda x: x[0, :, 0], {}, True),
    Case("squeeze", [ONES], lambda x: x[0], {"axis": 0}, True),
    Case("squeeze", [ONES], lambda x: x[0, :, 0], {"axis": (-2, 0)}, True),
    Case("squeeze", [X], lambda x: x),
    Case(
        "broadcast_to",
        [array(3, 1)],
        lambda x: np.array([[r * 4 for r in x.tolist()]] * 2, "float32"),
        {"shape": (2, 3, 4)},
        True,
    ),
    Case("broadcast_to", [SCALAR], lambda x: np.array([x, x]), {"shape": (2,)}, True),
    Case("broadcast_to", [SCALAR], np.zeros((0, 2), "float32"), {"shape": (0, 2)}),
    Case("concatenate", [PARTS], lambda p: np.hstack(p), {"axis": -1}, True),
    Case("concatenate", [(X, X)], lambda p: np.array([*p[0], *p[1]])),
    Case("concatenate", [MANY], lambda p: np.array([v for part in p for v in part]), {}, True),
    Case("concatenate", [(INTS,)], lambda p: p[0]),
    Case("concatenate", [(EMPTY, EMPTY)], np.zeros((2, 0, 6), "float32"), {"axis": 2}),
    Case("concatenate", [(B, B)], lambda p: np.array([*p[0], *p[1]])),
    Case("stack", [(X, X + 1)], lambda p: np.array(p), {}, True),
    Case("stack", [(X, X + 1, X)], lambda p: np.moveaxis(np.array(p), 0, 3), {"axis": -1}, True),
    Case("stack", [(SCALAR, SCALAR)], lambda p: np.array(p)),
    Case(
        "split", [INTS], lambda x: (x[:, :1], x[:, 1:3], x[:, 3:]), {"indices_or_sections": (1, 3), "axis": 1}
    ),
    Case("split", [X], lambda x: (x[..., :2], x[..., 2:]), {"indices_or_sections": 2, "axis": -1}, True),
    Case(
        "split",
        [X],
        lambda x: (x[:, :2], x[:, 2:2], x[:, 2:], x[:, 3:]),
        {"indices_or_sections": (2, 2, 3), "axis": 1},
        True,
    ),
    Case("split", [X], lambda x: (x,), {"indices_or_sections": 1}, True),
]

TestShape = checks(CASES)


def test_the_index_of_a_reshaped_tensor_is_split_where_the_shapes_allow():
    shapes = [(24,), (2, 12), (4, 6), (6, 4), (2, 3, 4), (3, 8), (1, 24, 1), (2, 1, 3, 2, 2), (8, 3)]
    for shape, source in itertools.product(shapes, shapes):
        for position, at in enumerate(np.ndindex(shape)):
            index = reshaped_index([int(i) for i in at], shape, source)
            assert np.ravel_multi_index(index, source) == position
    # an axis that both have is no part of a division
    assert reshaped_index(("a", 0, 1), (7, 2, 6), (7, 3, 4))[0] == "a"
    assert prod(shapes[3]) == 24


def _type(name, type_, *more, **attrs):
    row = op(name)
    return result_type(row, row(X, *more, **attrs).attrs, [type_])


def test_dimensions_that_only_a_call_brings():
    any_type = TensorType((ANY, 3, 4))
    assert _type("reshape", any_type, newshape=(-1, 12)) == TensorType((ANY, 12))
    assert _type("transpose", any_type, axes=(1, 0, 2)) == TensorType((3, ANY, 4))
    assert _type("squeeze", any_type, axis=0) == TensorType((3, 4))
    assert _type("broadcast_to", any_type, shape=(5, 3, 4)) == TensorType((5, 3, 4))
    pair = TupleType((any_type, TensorType((2, 3, 4))))
    assert _type("concatenate", pair) == any_type
    assert _type("concatenate", pair, axis=1) == TensorType((2, 6, 4))
    assert _type("stack", pair) == TensorType((2, 2, 3, 4))
    assert _type("split", any_type, indices_or_sections=2).fields == (any_type, any_type)
    assert _type("split", any_type, indices_or_sections=(2,)).fields == (TensorType((2, 3, 4)), any_type)


REFUSED = [
    ("reshape", {"newshape": (5, -1)}, r"24 elements of shape \(2, 3, 4\) do not fill \(5, -1\)"),
    ("reshape", {"newshape": (-1, -1)}, "one dimension may be -1"),
    ("reshape", {"newshape": (5, 5)}, r"has 24 elements, but newshape \(5, 5\) has 25"),
    ("transpose", {"axes": (0, 1)}, "each axis of a tensor of rank 3 is needed once"),
    ("expand_dims", {"axis": 4}, "axis is 4; a tensor of rank 3 takes new axes at -4 to 3"),
    ("squeeze", {"axis": 1}, r"axis 1 of the shape \(2, 3, 4\) has not the extent 1"),
    ("broadcast_to", {"shape": (3, 4)}, r"the shape \(2, 3, 4\) cannot be broadcast to \(3, 4\)"),
    ("concatenate", {}, "a tuple of tensors is needed"),
    ("split", {"indices_or_sections": 2, "axis": 1}, "an axis of extent 3 cannot be divided into 2 equal"),
    ("split", {"indices_or_sections": (3, 1)}, "indices to split at in ascending order"),
    ("split", {"indices_or_sections": 0}, "at least one section is needed"),
]


@pytest.mark.parametrize(("name", "attrs", "message"), REFUSED)
def test_attributes_that_do_not_fit_are_refused(name, attrs, message):
    with pytest.raises(ValueError, match=message):
        _type(name, TensorType((2, 3, 4)), **attrs)


def test_fields_that_do_not_fit_are_refused():
    def of(*shapes):
        return TupleType(tuple(TensorType(shape) for shape in shapes))

    with pytest.raises(
        ValueError,
        match=r"field 1 has the shape \(2, 4\); the first has \(2, 3\), which differs along axis 1",
    ):
        _type("concatenate", of((2, 3), (2, 4)))
    with pytest.raises(ValueError, match=r"field 1 has the shape \(2,?\), not the rank 2 of the first"):
        _type("concatenate", of((2, 3), (2,)))
    with pytest.raises(ValueError, match="the fields are scalars"):
        _type("concatenate", of((), ()))
    with pytest.raises(ValueError, match="the element types float32 and int32 differ"):
        _type("stack", TupleType((TensorType((2,)), TensorType((2,), "int32"))))
