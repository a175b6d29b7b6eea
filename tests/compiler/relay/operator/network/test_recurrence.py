"""LSTM, GRU and RNN: definition, type and computation in each direction, and refusals."""

import math

import numpy as np
import pytest

from compiler.relay.language.op import op
from compiler.relay.language.types import TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type
from tests.compiler.relay.operator.network.oracles import recurrence

STEPS, BATCH, INPUTS, HIDDEN = 4, 2, 3, 3
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
LENGTHS = np.array([2, 4], "int32")


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _case(kind, direction="forward", lens=False, peepholes=False, activations=None, **attrs):
    count, gates = 1 + (direction == "bidirectional"), GATES[kind]
    states = 2 if kind == "lstm" else 1
    arrays = [
        array(STEPS, BATCH, INPUTS),
        array(count, gates * HIDDEN, INPUTS, seed=1),
        array(count, gates * HIDDEN, HIDDEN, seed=2),
        array(count, 2 * gates * HIDDEN, seed=3),
        *(array(count, BATCH, HIDDEN, seed=4 + k) for k in range(states)),
    ]
    if attrs.get("layout"):
        arrays = [a.swapaxes(0, 1).copy() if k == 0 or k > 3 else a for k, a in enumerate(arrays)]
    more = [LENGTHS] if lens else []
    more += [array(count, 3 * HIDDEN, seed=6)] if peepholes else []
    functions = (
        activations[1] if activations else ((np.tanh,) * 3 if kind == "rnn" else (_sigmoid, np.tanh, np.tanh))
    )

    def oracle(x, w, r, b, *rest):
        initial = list(rest[:states])
        if attrs.get("layout"):
            x, initial = x.swapaxes(0, 1), [s.swapaxes(0, 1) for s in initial]
        lengths = LENGTHS if lens else np.full(BATCH, STEPS)
        p = rest[-1] if peepholes else np.zeros((count, 3 * HIDDEN), x.dtype)
        found = [
            recurrence(
                kind,
                x,
                w[d],
                r[d],
                b[d],
                [s[d] for s in initial],
                lengths,
                p[d],
                direction == "reverse" or d == 1,
                {**attrs, "activations": functions},
            )
            for d in range(count)
        ]
        y, *last = (np.stack([one[k] for one in found], axis=1 if k == 0 else 0) for k in range(states + 1))
        if attrs.get("layout"):
            y, last = y.transpose(2, 0, 1, 3), [s.swapaxes(0, 1) for s in last]
        return (y, *last)

    given = {"direction": direction, "lens": lens, **attrs}
    given |= {"peepholes": True} if peepholes else {}
    given |= {"activations": activations[0], **activations[2]} if activations else {}
    return Case(f"nn.{kind}", [*arrays, *more], oracle, given, tolerance=2e-5)


CASES = [
    *(
        _case(kind, direction, lens)
        for kind in GATES
        for direction, lens in (("forward", False), ("reverse", True), ("bidirectional", True))
    ),
    _case("lstm", "bidirectional", peepholes=True, clip=0.6),
    _case("lstm", "forward", lens=True, peepholes=True, input_forget=True),
    _case("lstm", "bidirectional", layout=1),
    _case("gru", "bidirectional", linear_before_reset=True),
    _case("gru", "reverse", layout=1, clip=0.5),
    _case(
        "rnn",
        activations=(
            ("leakyrelu",),
            (lambda z: np.where(z > 0, z, np.float32(0.3) * z),) * 3,
            {"alphas": (0.3,)},
        ),
    ),
    _case(
        "rnn",
        activations=(
            ("affine",),
            (lambda z: np.float32(0.3) * z + np.float32(0.7),) * 3,
            {"alphas": (0.3,), "betas": (0.7,)},
        ),
    ),
    _case(
        "rnn",
        activations=(
            ("scaledtanh",),
            (lambda z: np.float32(0.3) * np.tanh(np.float32(0.7) * z),) * 3,
            {"alphas": (0.3,), "betas": (0.7,)},
        ),
    ),
    _case(
        "rnn",
        activations=(
            ("hardsigmoid",),
            (lambda z: np.clip(np.float32(0.2) * z + np.float32(0.5), 0, 1),) * 3,
            {},
        ),
    ),
    _case("rnn", activations=(("elu",), (lambda z: np.where(z > 0, z, np.exp(z) - 1),) * 3, {})),
    _case("rnn", activations=(("softplus",), (lambda z: np.log(1 + np.exp(z)),) * 3, {})),
    _case("rnn", activations=(("softsign",), (lambda z: z / (1 + np.abs(z)),) * 3, {})),
    _case(
        "rnn",
        activations=(("thresholdedrelu",), (lambda z: np.where(z > 1, z, 0).astype("float32"),) * 3, {}),
    ),
    _case("gru", activations=(("relu", "sigmoid"), (lambda z: np.maximum(z, 0), _sigmoid, None), {})),
]


class TestRecurrences(checks(CASES)):
    """Each case by the checks of all rows."""


def test_a_long_sequence_stays_bounded() -> None:
    case = _case("lstm")
    call = op(case.name)(*case.args)
    y, h, c = call.function.evaluate(call.attrs, *(a * np.float32(50) for a in case.args))
    assert np.abs(y).max() <= 1
    assert math.isfinite(float(c.sum() + h.sum()))


@pytest.mark.parametrize(
    ("change", "attrs", "text"),
    [
        ({1: (1, 8, 3)}, {}, "w is .* is needed"),
        ({4: (2, 2, 3)}, {}, "an initial state is"),
        ({}, {"lens": True}, "1 more arguments are needed"),
        ({}, {"activations": ("tanh",)}, "3 activations are needed"),
        ({}, {"activations": ("sigmoid", "tanhh", "tanh")}, "tanh"),
    ],
)
def test_refused(change, attrs, text: str) -> None:
    arrays = _case("lstm").args
    call = op("nn.lstm")(*arrays, **attrs)
    types = [TensorType(change.get(k, a.shape)) for k, a in enumerate(arrays)]
    with pytest.raises(ValueError, match=text):
        result_type(call.function, call.attrs, types)
