"""Normalization and scaling: definition, type, computation, gradient and refusals."""

import numpy as np
import pytest

from compiler.relay.language.op import op
from compiler.relay.language.types import TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

X = array(2, 4, 3, 2)
G, B, M, V = array(4, seed=1), array(4, seed=2), array(4, seed=3), array(4, low=0.5, high=1.5, seed=4)


def _unit(values, epsilon=1e-5):
    mean = sum(values.ravel().tolist()) / values.size
    spread = sum((v - mean) ** 2 for v in values.ravel().tolist()) / values.size
    return (values - mean) / (spread + epsilon) ** 0.5


def _column(v, axis=1, count=4):
    return v.reshape([-1 if d == axis else 1 for d in range(count)])


def _batch_norm(x, g, b, m, v):
    y = (x - _column(m)) / np.sqrt(_column(v) + 1e-5) * _column(g) + _column(b)
    return y.astype(x.dtype), m, v


def _trained(x, g, b, m, v):
    y = np.stack([_unit(x[:, c]) * g[c] + b[c] for c in range(x.shape[1])], axis=1)
    old, new = np.float32(0.7), np.float32(0.3)
    means, spreads = x.mean((0, 2, 3)), x.var((0, 2, 3))
    return (
        y.astype(x.dtype),
        (m * old + means * new).astype(x.dtype),
        (v * old + spreads * new).astype(x.dtype),
    )


def _each(x, first, groups=None):
    """Normalized over the axes from `first` on; with groups, channels in as many parts."""
    y = np.empty_like(x)
    for at in np.ndindex(*x.shape[:first]):
        y[at] = _unit(x[at])
    if groups:
        for n in range(x.shape[0]):
            for part in np.split(np.arange(x.shape[1]), groups):
                y[n, part] = _unit(x[n, part])
    return y


def _rms(x, g):
    return np.array(
        [[[row / np.sqrt(np.mean(row**2) + 1e-5) * g for row in m] for m in n] for n in x], x.dtype
    )


def _lrn(size):
    def oracle(x):
        y = np.empty_like(x)
        for c in range(x.shape[1]):
            low, high = max(0, c - (size - 1) // 2), min(x.shape[1], c + size // 2 + 1)
            y[:, c] = x[:, c] / (2 + 0.1 / size * (x[:, low:high] ** 2).sum(1)) ** 0.75
        return y

    return oracle


CASES = [
    Case("nn.batch_norm", [X, G, B, M, V], _batch_norm, {}, True),
    Case(
        "nn.batch_norm", [X, G, B, M, V], _trained, {"training": True, "momentum": 0.7}, True, tolerance=1e-4
    ),
    Case(
        "nn.batch_norm",
        [array(3, 2, 4), G, B, M, V],
        lambda x, g, b, m, v: (((x - m) / np.sqrt(v + np.float32(1e-5)) * g + b).astype(x.dtype), m, v),
        {"axis": -1},
        True,
    ),
    Case(
        "nn.layer_norm",
        [X, array(2), array(2, seed=1)],
        lambda x, g, b: _each(x, 3) * g + b,
        {},
        True,
        tolerance=1e-3,
    ),
    Case(
        "nn.layer_norm",
        [X, array(3, 2), array(2)],
        lambda x, g, b: _each(x, 2) * g + b,
        {"axis": (-2, -1)},
        True,
        tolerance=1e-4,
    ),
    Case(
        "nn.layer_norm",
        [X, G, B],
        lambda x, g, b: np.moveaxis(_each(np.moveaxis(x, 1, 3), 3), 3, 1) * _column(g) + _column(b),
        {"axis": 1},
        True,
        tolerance=1e-4,
    ),
    Case(
        "nn.layer_norm",
        [array(2, 5, dtype="float16"), array(5, dtype="float16"), array(5, dtype="float16")],
        lambda x, g, b: (_each(x.astype("float32"), 1) * g + b).astype("float16"),
        tolerance=1e-2,
    ),
    Case("nn.rms_norm", [X, array(2)], _rms, {}, True),
    Case(
        "nn.instance_norm",
        [X, G, B],
        lambda x, g, b: _each(x, 2) * _column(g) + _column(b),
        {},
        True,
        tolerance=1e-4,
    ),
    Case(
        "nn.instance_norm",
        [array(2, 3, 4), G, B],
        lambda x, g, b: np.moveaxis(_each(np.moveaxis(x, 2, 1).copy(), 2), 1, 2) * g + b,
        {"axis": -1},
        True,
        tolerance=1e-4,
    ),
    Case(
        "nn.group_norm",
        [X, G, B],
        lambda x, g, b: _each(x, 2, 2) * _column(g) + _column(b),
        {"num_groups": 2},
        True,
        tolerance=1e-4,
    ),
    *(Case("nn.lrn", [array(2, 6, 3)], _lrn(size), {"size": size, "alpha": 0.1}, True) for size in (3, 4)),
    Case(
        "nn.l2_normalize",
        [X],
        lambda x: x / np.sqrt(sum(x[:, c] ** 2 for c in range(4)))[:, None],
        {"axis": 1},
        True,
    ),
    Case("nn.l2_normalize", [X * 1e-3], lambda x: x, {"axis": (1, 2), "epsilon": 1.0}, True),
    Case("nn.dropout", [X], lambda x: (x, np.ones(x.shape, bool)), {"rate": 0.3}, True),
]


class TestNormalizations(checks(CASES)):
    """Each case by the checks of all rows."""


@pytest.mark.parametrize(
    ("name", "shapes", "attrs", "text"),
    [
        ("nn.batch_norm", [(2, 4, 3), (4,), (3,), (4,), (4,)], {}, r"beta is .* \(4,\) is needed for axis 1"),
        ("nn.layer_norm", [(2, 4), (3,), (4,)], {}, "a weight is"),
        ("nn.layer_norm", [(2, 3, 4), (2, 4), (4,)], {"axis": (-2, -1)}, "cannot be broadcast"),
        ("nn.group_norm", [(2, 4, 3), (4,), (4,)], {"num_groups": 3}, "3 groups do not divide 4"),
        ("nn.instance_norm", [(2, 4, 3), (4,), (4,)], {"axis": 3}, "axis is 3; a tensor of rank 3"),
    ],
)
def test_refused(name: str, shapes, attrs, text: str) -> None:
    call = op(name)(*(np.zeros(s, "float32") for s in shapes), **attrs)
    with pytest.raises(ValueError, match=text):
        result_type(call.function, call.attrs, [TensorType(s) for s in shapes])
