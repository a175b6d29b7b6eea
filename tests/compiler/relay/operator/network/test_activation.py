"""Activations, softmax and losses: definition, type, computation, gradient and refusals."""

import math

import numpy as np
import pytest

from compiler.ops import SOFTMAX
from compiler.relay.language.op import op
from compiler.relay.language.types import TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

X = array(2, 3, 4, low=-4, high=4)
P, T = array(3, 4, low=0.1, high=1.0), array(3, 4, low=0.0, high=1.0, seed=1)
LOGS, WEIGHTS, CLASSES = array(2, 4, 3), array(4, low=0.1, high=1.0), np.array([[0, 1, 3], [2, 1, 1]])


def _each(function):
    return lambda x: np.array([function(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)


def _exp(alpha, scale=1.0, by=1.0):
    return lambda v: scale * v if v > 0 else scale * alpha * (math.exp(v / by) - 1)


def _sigmoid(v):
    return 1 / (1 + math.exp(-v))


def _tanh_gelu(v):
    return 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))


FUNCTIONS = [
    ("relu", lambda v: v if v > 0 else 0, {}),
    ("leaky_relu", lambda v: v if v > 0 else 0.2 * v, {"alpha": 0.2}),
    ("thresholded_relu", lambda v: v if v > 0.3 else 0, {"alpha": 0.3}),
    ("elu", _exp(1.5), {"alpha": 1.5}),
    ("selu", _exp(1.6732632423543772, 1.0507009873554805), {}),
    ("celu", _exp(0.7, 1.0, 0.7), {"alpha": 0.7}),
    ("gelu", lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))), {}),
    ("gelu", _tanh_gelu, {"approximate": "tanh"}),
    ("hard_sigmoid", lambda v: min(1, max(0, 0.2 * v + 0.4)), {"beta": 0.4}),
    ("hard_swish", lambda v: v * min(1, max(0, v / 6 + 0.5)), {}),
    ("softplus", lambda v: math.log(1 + math.exp(v)), {}),
    ("softsign", lambda v: v / (1 + abs(v)), {}),
    ("mish", lambda v: v * math.tanh(math.log(1 + math.exp(v))), {}),
    ("swish", lambda v: v * _sigmoid(1.5 * v), {"alpha": 1.5}),
    ("shrink", lambda v: v + 0.2 if v < -0.4 else v - 0.2 if v > 0.4 else 0, {"lambd": 0.4, "bias": 0.2}),
]


def _softmax(axis):
    def oracle(x):
        lines = np.moveaxis(x, axis, -1)
        y = np.array([[np.exp(line) / sum(np.exp(line)) for line in rows] for rows in lines], x.dtype)
        return np.moveaxis(y, -1, axis)

    return oracle


def _nll(reduction, ignored=-100):
    def oracle(p, t, w):
        losses, scales = np.zeros(t.shape), np.zeros(t.shape)
        for at in np.ndindex(*t.shape):
            if t[at] != ignored:
                scales[at] = w[t[at]]
                losses[at] = -p[(at[0], t[at], *at[1:])] * scales[at]
        value = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / scales.sum()}[reduction]
        return np.asarray(value, p.dtype)

    return oracle


CASES = [
    *(Case(f"nn.{name}", [X], _each(f), attrs, True) for name, f, attrs in FUNCTIONS),
    *(
        Case(f"nn.{name}", [X.astype("float16")], _each(f), attrs, tolerance=1e-2)
        for name, f, attrs in FUNCTIONS
    ),
    Case("nn.relu", [array(9, dtype="int8", low=-9, high=9)], lambda x: np.where(x > 0, x, np.int8(0))),
    Case("nn.softplus", [np.array([-200, 0, 200], "float32")], np.array([0, math.log(2), 200], "float32")),
    Case("nn.prelu", [X, array(3, 1)], lambda x, s: np.where(x > 0, x, x * s), {}, True),
    *(Case("nn.softmax", [X], _softmax(axis), {"axis": axis}, True) for axis in (-1, 0, 1)),
    Case("nn.softmax", [np.array([[1e4, 0, 1e4]], "float32")], np.array([[0.5, 0, 0.5]], "float32")),
    Case("nn.softmax", [np.zeros((0, 3), "float32")], np.zeros((0, 3), "float32")),
    Case("nn.log_softmax", [X], lambda x: np.log(_softmax(1)(x)), {"axis": 1}, True, tolerance=1e-4),
    Case("nn.cross_entropy", [P, T], lambda p, t: np.float32(-sum((t * np.log(p)).ravel()) / 3), {}, True),
    Case(
        "nn.cross_entropy_with_logits", [P, T], lambda p, t: np.float32(-sum((t * p).ravel()) / 3), {}, True
    ),
    *(
        Case(
            "nn.nll_loss",
            [LOGS, CLASSES, WEIGHTS],
            _nll(kind, ignored),
            {"reduction": kind, "ignore_index": ignored},
            True,
        )
        for kind in ("mean", "sum", "none")
        for ignored in (-100, 1)
    ),
]


class TestActivations(checks(CASES)):
    """Each case by the checks of all rows."""


def test_the_softmax_of_rows_has_a_template() -> None:
    call = op("nn.softmax")(X)
    found = call.function.template(call.attrs, [TensorType((2, 3, 4))])
    assert found.operator is SOFTMAX
    assert (found.values["rows"], found.values["columns"]) == (6, 4)
    assert call.function.template(op("nn.softmax")(X, axis=1).attrs, [TensorType((2, 3, 4))]) is None


@pytest.mark.parametrize(
    ("name", "types", "attrs", "text"),
    [
        ("nn.gelu", [TensorType((3,), "int32")], {}, "a float is needed"),
        ("nn.softmax", [TensorType((3,))], {"axis": 1}, "a tensor of rank 1 has axes"),
        ("nn.prelu", [TensorType((3,)), TensorType((2, 3))], {}, "cannot be broadcast"),
        (
            "nn.nll_loss",
            [TensorType((2, 3)), TensorType((3,), "int32"), TensorType((3,))],
            {},
            r"targets \(N, ...\)",
        ),
    ],
)
def test_refused(name: str, types, attrs, text: str) -> None:
    call = op(name)(*(np.zeros(t.dims, t.dtype) for t in types), **attrs)
    with pytest.raises(ValueError, match=text):
        result_type(call.function, call.attrs, types)
