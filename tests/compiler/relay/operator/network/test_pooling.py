"""Pooling of windows, whole images and regions: definition, type, computation, gradient, schedules."""

import numpy as np
import pytest

from compiler.ops import POOL2D
from compiler.relay.language.layout import Layout
from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type
from tests.compiler.relay.operator.network.oracles import pooling

SIZES = {1: (9,), 2: (5, 6), 3: (3, 4, 5)}
OPTIONS = [
    {"pool_size": 2},
    {"pool_size": 3, "strides": 2, "padding": 1},
    {"pool_size": 3, "strides": 2, "padding": 1, "ceil_mode": True},
    {"pool_size": 2, "strides": 3, "ceil_mode": True},
    {"pool_size": 2, "strides": 2, "padding": 1, "dilation": 2},
]
X = array(2, 4, 5, 6)


def _max(values, places, counted):
    return values.max()


def _mean(values, places, counted):
    return values.mean()


def _padded_mean(values, places, counted):
    return (values.sum() / counted).astype(values.dtype)


def _cubes(values, places, counted):
    return (np.abs(values) ** 3).sum() ** (1 / 3)


def _pools(count):
    x = array(1, 2, *SIZES[count])
    for options in OPTIONS if count < 3 else OPTIONS[2:3]:
        for kind, reduce, more in (
            ("max", _max, {}),
            ("avg", _mean, {}),
            ("avg", _padded_mean, {"count_include_pad": True}),
            ("lp", _cubes, {"p": 3.0}),
        ):
            attrs = {**options, **more}
            yield Case(
                f"nn.{kind}_pool{count}d",
                [x],
                lambda x, r=reduce, o=options: pooling(x, r, **o),
                attrs,
                count < 3,
            )


def _indices(x, order=0, **attrs):
    sizes = x.shape[2:]

    def place(values, places, counted):
        best = places[int(values.argmax())]
        return np.int64(np.ravel_multi_index(best, sizes, order="F" if order else "C"))

    images = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *[1] * len(sizes)) * int(np.prod(sizes))
    return pooling(x, _max, **attrs), pooling(x, place, **attrs) + images


def _regions(x, outs, reduce):
    y = np.zeros((*x.shape[:2], *outs), x.dtype)
    for at in np.ndindex(*outs):
        box = tuple(
            slice(i * n // m, -(-(i + 1) * n // m)) for i, n, m in zip(at, x.shape[2:], outs, strict=True)
        )
        y[(..., *at)] = reduce(x[(slice(None), slice(None), *box)], axis=tuple(range(2, x.ndim)))
    return y


def _in_layout(name, layout, reduce, **attrs):
    packed = Layout.parse(layout)
    expected = packed.packed(pooling(X, reduce, **attrs), "NCHW")
    return Case(name, [packed.packed(X, "NCHW")], expected, {**attrs, "layout": layout}, layout == "NHWC")


CASES = [
    *(case for count in SIZES for case in _pools(count)),
    _in_layout("nn.max_pool2d", "NHWC", _max, pool_size=2, strides=2),
    _in_layout("nn.avg_pool2d", "NHWC", _mean, pool_size=3, strides=2, padding=1),
    _in_layout("nn.max_pool2d", "NCHW4c", _max, pool_size=2, strides=2),
    Case(
        "nn.max_pool2d",
        [array(1, 1, 4, 4, dtype="int8", low=-128, high=127)],
        lambda x: pooling(x, _max, pool_size=2, padding=1),
        {"pool_size": 2, "padding": 1},
    ),
    *(
        Case("nn.max_pool_indices", [array(1, 2, *SIZES[n])], lambda x, o=o: _indices(x, **o), o, n < 3)
        for n, o in ((1, OPTIONS[1]), (2, OPTIONS[2]), (3, OPTIONS[4]))
    ),
    Case(
        "nn.max_pool_indices",
        [array(1, 2, 5, 6)],
        lambda x: _indices(x, 1, pool_size=2),
        {"pool_size": 2, "storage_order": 1},
        True,
    ),
    *(
        Case(
            f"nn.adaptive_{kind}_pool2d",
            [array(1, 2, 5, 6)],
            lambda x, o=o, r=r: _regions(x, o, r),
            {"output_size": o},
            True,
        )
        for kind, r in (("avg", np.mean), ("max", np.max))
        for o in ((2, 3), (4, 1))
    ),
    Case(
        "nn.adaptive_avg_pool1d",
        [array(1, 2, 7)],
        lambda x: _regions(x, (3,), np.mean),
        {"output_size": 3},
        True,
    ),
    Case(
        "nn.adaptive_max_pool3d",
        [array(1, 1, 3, 2, 4)],
        lambda x: _regions(x, (2, 2, 2), np.max),
        {"output_size": 2},
        True,
    ),
    Case(
        "nn.global_avg_pool2d",
        [X],
        lambda x: np.array([[[[c.sum() / c.size]] for c in n] for n in x], x.dtype),
        {},
        True,
    ),
    Case(
        "nn.global_max_pool2d",
        [array(2, 3, 7)],
        lambda x: np.array([[[max(c)] for c in n] for n in x], x.dtype),
        {},
        True,
    ),
    Case(
        "nn.global_lp_pool2d",
        [array(2, 3, 2, 2, 2)],
        lambda x: np.sqrt((x**2).sum((2, 3, 4), keepdims=True)),
        {},
        True,
    ),
    Case(
        "nn.global_avg_pool2d",
        [array(2, 3, 4, 5)],
        lambda x: x.mean((1, 2), keepdims=True),
        {"layout": "NHWC"},
        True,
    ),
    Case(
        "nn.global_avg_pool2d",
        [array(2, 3, 4, 5, 4)],
        lambda x: x.mean((2, 3), keepdims=True),
        {"layout": "NCHW4c"},
    ),
]


class TestPools(checks(CASES)):
    """Each case by the checks of all rows."""


@pytest.mark.parametrize(
    ("name", "attrs", "kind"),
    [
        ("nn.max_pool2d", {"pool_size": 3, "strides": 2, "padding": 1, "ceil_mode": True}, "max"),
        ("nn.avg_pool2d", {"pool_size": 3, "strides": 2, "padding": 1}, "average without margin"),
        ("nn.avg_pool2d", {"pool_size": 3, "padding": 1, "count_include_pad": True}, "average"),
        ("nn.avg_pool2d", {"pool_size": 2, "strides": 2}, "average"),
    ],
)
def test_templates_compute_the_call(name: str, attrs, kind: str) -> None:
    call = op(name)(X, **attrs)
    found = call.function.template(call.attrs, [TensorType(X.shape)])
    assert found.operator is POOL2D
    assert found.values["kind"] == kind
    y = POOL2D.reference(X, *POOL2D.shape(**found.values))
    np.testing.assert_allclose(y, call.function.evaluate(call.attrs, X), rtol=1e-5)


def test_unknown_dimensions_stay_unknown() -> None:
    call = op("nn.max_pool2d")(X, pool_size=2)
    assert result_type(call.function, call.attrs, [TensorType((ANY, 4, ANY, 6))]) == TensorType(
        (ANY, 4, ANY, 5)
    )


@pytest.mark.parametrize(
    ("name", "attrs", "dtype", "text"),
    [
        ("nn.max_pool2d", {"pool_size": 7}, "float32", "the window spans 7 elements"),
        ("nn.max_pool2d", {"pool_size": (1, 2, 3)}, "float32", "pool_size has 3 numbers"),
        ("nn.avg_pool2d", {"pool_size": 2}, "int32", "a float is needed"),
        ("nn.max_pool2d", {"pool_size": 2, "layout": "NHC"}, "float32", "has not the axes"),
    ],
)
def test_refused(name: str, attrs, dtype: str, text: str) -> None:
    call = op(name)(X, **attrs)
    with pytest.raises(ValueError, match=text):
        result_type(call.function, call.attrs, [TensorType(X.shape, dtype)])
