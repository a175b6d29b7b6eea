"""Slices, padding, tiles and reversal: definition, type, computation, gradient and refusals."""

import numpy as np
import pytest

from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

X = array(3, 5, 2)
ROW = array(6)
INTS = array(2, 3, dtype="int32", low=-9, high=9)
B = array(2, 3, dtype="bool")
EMPTY = np.zeros((2, 0), "float32")
LAST = 2**31 - 1


def _slice(begin, end, strides=None, axes=None):
    return {"begin": begin, "end": end, "strides": strides, "axes": axes}


def _pad(*width, mode="constant", value=0.0):
    return {"pad_width": width, "pad_mode": mode, "pad_value": value}


CASES = [
    Case("strided_slice", [X], lambda x: x[1:, :3], _slice((1, 0), (3, 3)), True),
    Case("strided_slice", [X], lambda x: x[:, 1:-1:2], _slice((1,), (-1,), (2,), (1,)), True),
    Case(
        "strided_slice",
        [X],
        lambda x: x[:, ::-2, ::-1],
        _slice((-1, LAST), (-LAST, -LAST), (-2, -1), (1, 2)),
        True,
    ),
    Case("strided_slice", [X], lambda x: x[..., 3:1:-1], _slice((3,), (1,), (-1,), (-1,))),
    Case("strided_slice", [X], lambda x: x[2:2], _slice((2,), (2,))),
    Case("strided_slice", [X], lambda x: x, _slice((0,), (LAST,)), True),
    Case("strided_slice", [ROW], lambda x: x[4:0:-3], _slice((4,), (0,), (-3,)), True),
    Case("strided_slice", [ROW], lambda x: x[::4], _slice((-100,), (100,), (4,)), True),
    Case("strided_slice", [np.array(1.5)], lambda x: x, _slice((), ())),
    Case("strided_slice", [B], lambda x: x[:, 1:], _slice((1,), (3,), None, (1,))),
    Case(
        "pad", [INTS], lambda x: np.pad(x, ((1, 2), (0, 1)), constant_values=7), _pad((1, 2), (0, 1), value=7)
    ),
    Case("pad", [X], lambda x: np.pad(x, ((0, 0), (2, 0), (0, 1))), _pad((0, 0), (2, 0), (0, 1)), True),
    Case(
        "pad",
        [X],
        lambda x: np.pad(x[1:, :-2], ((0, 2), (1, 0), (0, 0))),
        _pad((-1, 2), (1, -2), (0, 0)),
        True,
    ),
    Case(
        "pad", [X], lambda x: np.pad(x, ((1, 1),) * 3, mode="edge"), _pad(*((1, 1),) * 3, mode="edge"), True
    ),
    Case("pad", [ROW], lambda x: np.pad(x, (3, 5), mode="reflect"), _pad((3, 5), mode="reflect"), True),
    Case("pad", [ROW], lambda x: np.pad(x, (14, 9), mode="reflect"), _pad((14, 9), mode="reflect")),
    Case("pad", [ROW], lambda x: np.pad(x, (8, 7), mode="wrap"), _pad((8, 7), mode="wrap"), True),
    Case("pad", [ROW], lambda x: np.pad(x, (2, 0), mode="edge")[:-1], _pad((2, -1), mode="edge"), True),
    Case("pad", [array(1)], lambda x: np.repeat(x, 4), _pad((1, 2), mode="reflect"), True),
    Case("pad", [EMPTY], np.full((2, 3), 1.5, "float32"), _pad((0, 0), (1, 2), value=1.5)),
    Case("pad", [EMPTY], lambda x: np.zeros((4, 0), "float32"), _pad((1, 1), (0, 0), mode="edge")),
    Case(
        "pad", [B], lambda x: np.pad(x, ((0, 0), (1, 1)), constant_values=True), _pad((0, 0), (1, 1), value=1)
    ),
    Case("pad", [np.array([1], "uint8")], np.array([0, 1], "uint8"), _pad((1, 0), value=-3.0)),
    Case("pad", [ROW], lambda x: np.array([-np.inf, *x], "float32"), _pad((1, 0), value=-np.inf)),
    Case("tile", [INTS], lambda x: np.block([[x, x], [x, x], [x, x]]), {"reps": (3, 2)}),
    Case("tile", [array(2, 3)], lambda x: np.array([np.hstack([x, x])] * 2), {"reps": (2, 1, 2)}, True),
    Case("tile", [X], lambda x: np.concatenate([x, x], 2), {"reps": (2,)}, True),
    Case("tile", [array(1, 2)], lambda x: np.concatenate([x] * 3), {"reps": (3, 1)}, True),
    Case("tile", [INTS], np.zeros((2, 0), "int32"), {"reps": (0,)}),
    Case("repeat", [X], lambda x: x[:, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]], {"repeats": 2, "axis": 1}, True),
    Case(
        "repeat",
        [array(2, 3)],
        lambda x: np.array([v for v in x.ravel() for _ in range(3)]),
        {"repeats": 3},
        True,
    ),
    Case("reverse", [X], lambda x: x[::-1, :, ::-1], {"axis": (0, -1)}, True),
    Case("reverse", [B], lambda x: x[:, ::-1], {"axis": 1}),
    Case(
        "reverse_sequence",
        [X, np.array([1, 3, 5])],
        lambda x, n: np.stack([np.concatenate([r[:k][::-1], r[k:]]) for r, k in zip(x, n, strict=True)]),
        {},
        True,
    ),
    Case(
        "reverse_sequence",
        [array(4, 2), np.array([9, 0], "int32")],
        lambda x, n: np.stack([x[::-1, 0], x[:, 1]], 1),
        {"seq_axis": 0, "batch_axis": 1},
        True,
    ),
    Case("trilu", [array(4, 4)], lambda x: x * (np.arange(4) >= np.arange(4)[:, None]), {}, True),
    Case(
        "trilu",
        [array(2, 3, 5)],
        lambda x: x * (np.arange(5) <= np.arange(3)[:, None] + 1),
        {"k": 1, "upper": False},
        True,
    ),
    Case("trilu", [B], lambda x: x & (np.arange(3) >= np.arange(2)[:, None] - 1), {"k": -1}),
    Case(
        "trilu", [np.array([[np.nan, np.inf], [np.nan, np.inf]])], np.array([[np.nan, np.inf], [0, np.inf]])
    ),
]

TestSlicing = checks(CASES)


def _type(name, *types, **attrs):
    row = op(name)
    return result_type(row, row(*[X] * len(types), **attrs).attrs, types)


def test_dimensions_that_only_a_call_brings():
    x = TensorType((ANY, 4))
    assert _type("strided_slice", x, begin=(0, 1), end=(2, 3)) == TensorType((ANY, 2))
    assert _type("pad", x, pad_width=((0, 0), (1, 1))) == TensorType((ANY, 6))
    assert _type("tile", x, reps=(2, 2)) == TensorType((ANY, 8))
    assert _type("repeat", x, repeats=2, axis=1) == TensorType((ANY, 8))


REFUSED = [
    ("strided_slice", {"begin": (0,), "end": (1, 2)}, "must have a value for each axis that is sliced"),
    ("strided_slice", {"begin": (0,), "end": (1,), "strides": (0,)}, "a step must not be 0"),
    ("strided_slice", {"begin": (0, 0), "end": (1, 1), "axes": (0, -3)}, "each must be another axis"),
    ("pad", {"pad_width": (1, 2)}, r"a pair \(before, after\) for each of 3 axes is needed"),
    ("pad", {"pad_width": ((0, 0), (-3, -3), (0, 0))}, "removes more than the shape"),
    ("tile", {"reps": (-1,)}, "reps is .* must not be negative"),
    ("repeat", {"repeats": -1}, "repeats is -1; it must not be negative"),
    ("reverse", {"axis": (3,)}, "axis is 3; a tensor of rank 3"),
]


@pytest.mark.parametrize(("name", "attrs", "message"), REFUSED)
def test_attributes_that_do_not_fit_are_refused(name, attrs, message):
    with pytest.raises(ValueError, match=message):
        _type(name, TensorType((3, 5, 2)), **attrs)


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="the mode edge cannot extend an axis of extent 0"):
        _type("pad", TensorType((0,)), pad_width=((1, 0),), pad_mode="edge")
    with pytest.raises(ValueError, match=r"the lengths have the shape \(4,?\); one for each of 3 sequences"):
        _type("reverse_sequence", TensorType((3, 5)), TensorType((4,), "int64"))
    with pytest.raises(ValueError, match="must be two axes of rank 2"):
        _type("reverse_sequence", TensorType((3, 5)), TensorType((3,), "int64"), seq_axis=0)
    with pytest.raises(ValueError, match="a matrix, or several, is needed"):
        _type("trilu", TensorType((3,)))
