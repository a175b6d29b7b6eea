"""Products and attention: definition, type, computation, gradient, schedules and refusals."""

import numpy as np
import pytest

from compiler.ops import DENSE, MATMUL
from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

X, W = array(2, 3, 4), array(5, 4, seed=1)
I8, U8, W8 = (array(3, 5, dtype=t, low=-100, high=100) for t in ("int8", "uint8", "int8"))
MATMULS = [
    ((2, 3), (3, 4)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((3,), (3,)),
    ((5, 2, 3), (3, 4)),
    ((2, 1, 2, 3), (4, 3, 2)),
    ((1, 3, 2), (2, 1, 2, 4)),
]
Q, K, V = array(1, 4, 3, 2), array(1, 2, 5, 2, seed=1), array(1, 2, 5, 3, seed=2)


def _dense(x, w):
    return np.array(
        [[[sum(a * b for a, b in zip(u, v, strict=True)) for v in w] for u in m] for m in x], x.dtype
    )


def _attention(q, k, v, mask=None, scale=None, causal=False, softcap=0.0):
    y = np.zeros((*q.shape[:3], v.shape[3]), q.dtype)
    for b, h, i in np.ndindex(*q.shape[:3]):
        own = h // (q.shape[1] // k.shape[1])
        s = np.array([q[b, h, i] @ row for row in k[b, own]]) * (scale or q.shape[3] ** -0.5)
        s = softcap * np.tanh(s / softcap) if softcap else s
        if mask is not None:
            m = np.broadcast_to(mask, (*q.shape[:3], k.shape[2]))[b, h, i]
            s = np.where(m, s, -np.inf) if m.dtype == bool else s + m
        s = np.where(np.arange(len(s)) > i, -np.inf, s) if causal else s
        p = np.exp(s - s[np.isfinite(s)].max())
        y[b, h, i] = p @ v[b, own] / p.sum()
    return y


CASES = [
    Case("nn.dense", [X, W], _dense, {}, True),
    Case("nn.dense", [X.astype("float16"), W.astype("float16")], _dense, {}, tolerance=1e-2),
    Case("nn.dense", [I8, W8], lambda x, w: x.astype("int32") @ w.T.astype("int32")),
    Case("nn.dense", [U8, W8], lambda x, w: x.astype("int32") @ w.T.astype("int32")),
    Case("nn.dense", [np.zeros((0, 4), "float32"), W], np.zeros((0, 5), "float32")),
    *(
        Case(
            "nn.matmul",
            [array(*a), array(*b)],
            lambda x, y: np.asarray(np.einsum("...ij,...jk->...ik", x, y)),
            {},
            True,
        )
        for a, b in MATMULS
        if len(a) > 1 and len(b) > 1
    ),
    *(
        Case("nn.matmul", [array(*a), array(*b)], lambda x, y: np.asarray(np.tensordot(x, y, 1)), {}, True)
        for a, b in MATMULS
        if len(a) == 1 or len(b) == 1
    ),
    *(
        Case(
            "nn.batch_matmul",
            [array(*((2, 4, 3) if ta else (2, 3, 4))), array(*((n, 5, 4) if tb else (n, 4, 5)))],
            lambda x, y, ta=ta, tb=tb: np.einsum(
                f"{'bki' if ta else 'bik'},{'bjk' if tb else 'bkj'}->bij",
                x,
                np.broadcast_to(y, (2, *y.shape[1:])),
            ),
            {"transpose_a": ta, "transpose_b": tb},
            True,
        )
        for ta, tb, n in ((False, True, 2), (True, True, 1), (False, False, 2), (True, False, 2))
    ),
    Case("nn.bias_add", [X, array(3)], lambda x, b: x + b[:, None], {"axis": 1}, True),
    Case("nn.bias_add", [X, array(4)], lambda x, b: x + b, {"axis": -1}, True),
    Case("nn.attention", [Q, K, V], _attention, {}, True),
    Case("nn.attention", [Q, K, V, array(3, 5)], _attention, {}, True),
    Case("nn.attention", [Q, K, V], lambda *a: _attention(*a, causal=True), {"causal": True}, True),
    Case(
        "nn.attention",
        [Q, K, V, np.arange(15).reshape(1, 1, 3, 5) % 4 != 1],
        lambda *a: _attention(*a, scale=0.5, softcap=2.0),
        {"scale": 0.5, "softcap": 2.0},
        True,
    ),
]


class TestProducts(checks(CASES)):
    """Each case by the checks of all rows."""


def test_unknown_dimensions_stay_unknown() -> None:
    call = op("nn.matmul")(X, X)
    given = [TensorType((ANY, 3, 4)), TensorType((4, 5))]
    assert result_type(call.function, call.attrs, given) == TensorType((ANY, 3, 5))


@pytest.mark.parametrize(
    ("name", "shapes", "text"),
    [
        ("nn.dense", [(2, 3), (4, 5)], "rows of 3 elements, but the weight of 5"),
        ("nn.matmul", [(2, 3), (4, 5)], "does not fit"),
        ("nn.matmul", [(), (4, 5)], "at least one axis"),
        ("nn.batch_matmul", [(2, 3, 4), (3, 5, 4)], "cannot be multiplied"),
        ("nn.bias_add", [(2, 3), (2,)], r"a bias of \(3,\)"),
        ("nn.attention", [(1, 3, 2, 2), (1, 2, 2, 2), (1, 2, 2, 2)], "do not fit"),
    ],
)
def test_refused(name: str, shapes, text: str) -> None:
    call = op(name)(*(np.zeros(s, "float32") for s in shapes))
    with pytest.raises(ValueError, match=text):
        result_type(call.function, call.attrs, [TensorType(s) for s in shapes])


@pytest.mark.parametrize(
    ("name", "shapes", "operator", "values"),
    [
        ("nn.dense", [(2, 3, 4), (5, 4)], DENSE, {"M": 6, "N": 5, "K": 4}),
        ("nn.matmul", [(2, 3, 4), (4, 5)], MATMUL, {"M": 6, "N": 5, "K": 4}),
        ("nn.matmul", [(2, 7, 3, 4), (2, 7, 4, 5)], MATMUL, {"M": 3, "N": 5, "K": 4, "batch": 14}),
        ("nn.matmul", [(2, 3, 4), (1, 4, 5)], MATMUL, {"M": 6}),
        ("nn.batch_matmul", [(2, 3, 4), (2, 5, 4)], MATMUL, {"batch": 2, "transpose": "NT"}),
    ],
)
def test_templates(name: str, shapes, operator, values) -> None:
    call = op(name)(*(np.zeros(s, "float32") for s in shapes))
    found = call.function.template(call.attrs, [TensorType(s) for s in shapes])
    assert found.operator is operator
    assert values.items() <= dict(found.values).items()


def test_a_broadcast_batch_has_no_template() -> None:
    row = op("nn.matmul")
    assert row.template(row(X, X).attrs, [TensorType((3, 1, 3, 4)), TensorType((2, 4, 5))]) is None
