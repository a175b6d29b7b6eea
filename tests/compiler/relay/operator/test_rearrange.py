"""Layouts, blocks of space and `einsum`: definition, type, computation, gradient and refusals."""

import numpy as np
import pytest

from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType, TupleType
from compiler.relay.operator.rearrange import parsed
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

X = array(2, 8, 3, 2)
BLOCKED = array(2, 2, 3, 2, 4)
DEEP, WIDE = array(2, 8, 1, 3), array(2, 2, 2, 6)
M, N, V = array(3, 4), array(4, 5, seed=1), array(4, seed=2)
INTS = array(3, 4, dtype="int32", low=-5, high=5)
HALF = array(3, 400, dtype="float16", low=0, high=2)


def _depth_to_space(mode):
    def apply(x):
        result = np.empty((2, 2, 2, 6), x.dtype)
        for c, h, w in np.ndindex(2, 2, 6):
            inner = h % 2 * 2 + w % 2
            result[:, c, h, w] = x[:, inner * 2 + c if mode == "DCR" else c * 4 + inner, h // 2, w // 2]
        return result

    return apply


def _space_to_depth(mode):
    def apply(x):
        result = np.empty((2, 8, 1, 3), x.dtype)
        for k, h, w in np.ndindex(8, 1, 3):
            inner, c = divmod(k, 2) if mode == "DCR" else (k % 4, k // 4)
            result[:, k, h, w] = x[:, c, 2 * h + inner // 2, 2 * w + inner % 2]
        return result

    return apply


def _layout(source, target):
    return {"src_layout": source, "dst_layout": target}


CASES = [
    Case(
        "layout_transform",
        [X],
        lambda x: np.stack([x[:, :4], x[:, 4:]], 1).transpose(0, 1, 3, 4, 2),
        _layout("NCHW", "NCHW4c"),
        True,
    ),
    Case(
        "layout_transform",
        [BLOCKED],
        lambda x: np.concatenate([x[:, 0], x[:, 1]], 3).transpose(0, 3, 1, 2),
        _layout("NCHW4c", "NCHW"),
        True,
    ),
    Case(
        "layout_transform",
        [BLOCKED],
        lambda x: np.concatenate([x[:, 0], x[:, 1]], 3),
        _layout("NCHW4c", "NHWC"),
    ),
    Case("layout_transform", [X], lambda x: np.einsum("oihw->hwio", x), _layout("OIHW", "HWIO"), True),
    Case(
        "layout_transform",
        [array(4, 4, 1, 1)],
        lambda x: x.reshape(2, 2, 2, 2, 1, 1).transpose(0, 2, 4, 5, 3, 1),
        _layout("OIHW", "OIHW2i2o"),
    ),
    *(
        Case("depth_to_space", [DEEP], _depth_to_space(m), {"block_size": 2, "mode": m}, True)
        for m in ("DCR", "CRD")
    ),
    *(
        Case("space_to_depth", [WIDE], _space_to_depth(m), {"block_size": 2, "mode": m}, True)
        for m in ("DCR", "CRD")
    ),
    Case("einsum", [(M, N)], lambda p: p[0] @ p[1], {"equation": "ij,jk->ik"}, True),
    Case("einsum", [(M, N)], lambda p: p[0] @ p[1], {"equation": "ij, jk"}, True),
    Case("einsum", [(M,)], lambda p: p[0].sum(1), {"equation": "ij->i"}, True),
    Case("einsum", [(M,)], lambda p: p[0].T, {"equation": "ij->ji"}, True),
    Case("einsum", [(M, V)], lambda p: np.array((p[0] * p[1]).sum()), {"equation": "ij,j->"}, True),
    Case(
        "einsum",
        [(array(2, 3, 4), array(2, 4, 5))],
        lambda p: p[0] @ p[1],
        {"equation": "...ij,...jk->...ik"},
        True,
    ),
    Case(
        "einsum",
        [(array(1, 3, 4), array(2, 4, 5))],
        lambda p: p[0] @ p[1],
        {"equation": "bij,bjk->bik"},
        True,
    ),
    Case("einsum", [(array(3, 4), array(2, 4, 5))], lambda p: p[0] @ p[1], {"equation": "...ij,...jk"}, True),
    Case("einsum", [(array(3, 3),)], lambda p: np.diag(p[0]), {"equation": "ii->i"}),
    Case("einsum", [(array(3, 3),)], lambda p: np.array(np.trace(p[0])), {"equation": "ii"}),
    Case("einsum", [(M, V, N)], lambda p: p[0] @ (p[1][:, None] * p[2]), {"equation": "ij,j,jk->ik"}, True),
    Case("einsum", [(INTS, INTS)], lambda p: (p[0] * p[1]).sum(0, dtype="int32"), {"equation": "ij,ij->j"}),
    Case(
        "einsum", [(HALF,)], lambda p: p[0].astype("float64").sum(1).astype("float16"), {"equation": "ij->i"}
    ),
    Case("einsum", [(np.zeros((3, 0)), np.zeros((0, 2)))], np.zeros((3, 2)), {"equation": "ij,jk"}),
]

TestRearrange = checks(CASES)


def test_letters_of_an_equation():
    assert parsed("ij,jk", [2, 2]) == (["ij", "jk"], "ik")
    assert parsed("b...,...c->...", [3, 2]) == (["bad", "dc"], "ad")
    assert parsed("...->...", [0]) == ([""], "")


def _type(name, *types, **attrs):
    row = op(name)
    return result_type(row, row(*[X] * len(types), **attrs).attrs, types)


def _pair(*shapes):
    return TupleType(tuple(TensorType(shape) for shape in shapes))


def test_dimensions_that_only_a_call_brings():
    x = TensorType((ANY, 8, ANY, 4))
    assert _type("layout_transform", x, src_layout="NCHW", dst_layout="NCHW4c") == TensorType(
        (ANY, 2, ANY, 4, 4)
    )
    assert _type("depth_to_space", x, block_size=2) == TensorType((ANY, 2, ANY, 8))
    assert _type("einsum", _pair((ANY, 3), (3, ANY)), equation="ij,jk") == TensorType((ANY, ANY))
    assert _type("einsum", _pair((ANY, 3), (4, 3)), equation="ij,ij->i") == TensorType((4,))


def test_what_does_not_fit_is_refused():
    x = TensorType((2, 6, 3, 2))
    with pytest.raises(ValueError, match="have different axes"):
        _type("layout_transform", x, src_layout="NCHW", dst_layout="NCDW")
    with pytest.raises(ValueError, match="the axis C has 6 elements, no multiple"):
        _type("layout_transform", x, src_layout="NCHW", dst_layout="NCHW4c")
    with pytest.raises(ValueError, match="is no multiple of 4"):
        _type("depth_to_space", x, block_size=2)
    with pytest.raises(ValueError, match=r"\(N, C, H, W\) and a size >= 1 are needed"):
        _type("space_to_depth", TensorType((2, 3)), block_size=2)
    with pytest.raises(ValueError, match="has 2 operands, the tuple 1 fields"):
        _type("einsum", _pair((2, 3)), equation="ij,jk")
    with pytest.raises(ValueError, match="'ij' of the equation 'ij->i' does not name the axes of rank 1"):
        _type("einsum", _pair((2,)), equation="ij->i")
    with pytest.raises(ValueError, match="the axis j of the equation .* has the extents 3 and 4"):
        _type("einsum", _pair((2, 3), (4, 5)), equation="ij,jk")
    with pytest.raises(ValueError, match="needs different letters of its operands"):
        _type("einsum", _pair((2, 3)), equation="ij->k")
