"""NaN in minima and maxima: as in NumPy it wins, under every schedule, interpreted and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.ir.semantics.interpret import interpret
from compiler.lowering.nest import loop_nest
from compiler.ops.array.reduction import REDUCTION
from compiler.ops.conv.pool2d import POOL2D
from compiler.ops.knobs import Defaults
from compiler.schedule import Schedule

NAN, INF = np.nan, np.inf
FLOATS = ("float16", "float32", "float64")
REDUCERS = {"max": (te.max, np.max), "min": (te.min, np.min)}
FIRST = {"argmax": (te.argmax, np.argmax), "argmin": (te.argmin, np.argmin)}

# rows of 24: NaN first, last, in the middle, several, everywhere, nowhere; beside infinities of both signs
ROWS = np.tile(np.array([3, 1, 7, 5, 6, 8, 9, 2], "float32"), (9, 3))
ROWS[0, 0] = ROWS[1, 23] = ROWS[2, 2] = ROWS[3, 5] = ROWS[3, 13] = ROWS[4] = NAN
ROWS[6] = -INF
ROWS[7, 3:9] = [INF, -INF, NAN, INF, -INF, NAN]
ROWS[8, 4:6] = [INF, -INF]


def _default(s: Schedule, tensor: Any) -> None:
    pass


def _split(s: Schedule, tensor: Any) -> None:
    s[tensor].split(tensor.op.reduce_axis[0], 5)


def _rfactor(s: Schedule, tensor: Any) -> None:
    s.rfactor(tensor, s[tensor].split(tensor.op.reduce_axis[0], 8)[1], 1)


def _lanes_of_partial_results(s: Schedule, tensor: Any) -> None:
    partial = s.rfactor(tensor, s[tensor].split(tensor.op.reduce_axis[0], 8)[1], 1)
    partial = partial[0] if isinstance(partial, (tuple, list)) else partial
    rows, lane = partial.op.axis
    s[partial].reorder(rows, *partial.op.reduce_axis, lane)
    s[partial].vectorize(lane)
    s[partial].parallel(rows)


def _vectorized(s: Schedule, tensor: Any) -> None:
    outer, lane = s[tensor].split(tensor.op.axis[0], 4)
    s[tensor].reorder(outer, *tensor.op.reduce_axis, lane)
    s[tensor].vectorize(lane)
    s[tensor].parallel(outer)


def _unrolled(s: Schedule, tensor: Any) -> None:
    s[tensor].unroll(s[tensor].split(tensor.op.reduce_axis[0], 6)[1])


SCHEDULES = (_default, _split, _rfactor, _lanes_of_partial_results, _vectorized, _unrolled)


def results(s: Schedule, args: list, *arrays: np.ndarray, like: list[np.ndarray]) -> list[list[np.ndarray]]:
    """The outputs by the interpreter, before and after the passes, and by compiled code."""
    found = []
    for run in (
        lambda *given: interpret(loop_nest(s, args), *given),
        lambda *given: interpret(compiler.lower(s, args, target="llvm"), *given),
        compiler.build(s, args),
    ):
        outs = [np.full_like(array, 77) for array in like]
        run(*arrays, *outs)
        found.append(outs)
    return found


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", REDUCERS)
def test_a_reduction_is_nan_where_a_term_is(name: str, dtype: str, schedule: Callable) -> None:
    reducer, numpy = REDUCERS[name]
    a, k = te.placeholder((9, 24), "a", dtype), te.reduce_axis((0, 24), "k")
    c = te.compute((9,), lambda i: reducer(a[i, k], axis=k), "c")
    s = te.create_schedule(c.op)
    schedule(s, c)
    rows = ROWS.astype(dtype)
    expected = numpy(rows, axis=1)
    assert np.isnan(expected[[0, 1, 2, 3, 4, 7]]).all()
    for (found,) in results(s, [a, c], rows, like=[expected]):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FIRST)
def test_the_first_nan_is_the_extreme(name: str, dtype: str, schedule: Callable) -> None:
    reducer, numpy = FIRST[name]
    a, k = te.placeholder((9, 24), "a", dtype), te.reduce_axis((0, 24), "k")
    both = te.compute((9,), lambda i: reducer(a[i, k], axis=k), "c")
    s = te.create_schedule(both[0].op)
    schedule(s, both[0])
    rows = ROWS.astype(dtype)
    expected = [numpy(rows, axis=1).astype("int32"), rows[np.arange(9), numpy(rows, axis=1)]]
    assert list(expected[0][[0, 1, 2, 3, 4, 7]]) == [0, 23, 2, 5, 0, 5]
    for found in results(s, [a, *both], rows, like=expected):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_one_nan_among_eight_values() -> None:
    a, k = te.placeholder((8,), "a"), te.reduce_axis((0, 8), "k")
    c = te.compute((1,), lambda i: te.min(a[k], axis=k), "c")
    values = np.array([3, 1, NAN, 7, 5, 6, 8, 9], "float32")
    for rfactor in (False, True):
        s = te.create_schedule(c.op)
        if rfactor:
            s.rfactor(c, s[c].split(k, 2)[1], 0)
        out = np.zeros(1, "float32")
        compiler.build(s, [a, c])(values, out)
        assert np.isnan(out).all()


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("extreme", "numpy"), [(te.maximum, np.maximum), (te.minimum, np.minimum)])
def test_of_two_values(extreme: Callable, numpy: Callable, dtype: str, lanes: int) -> None:
    values = np.array([NAN, -INF, INF, 1, -2, 0, NAN, 3], dtype)
    x, y = (v.ravel() for v in np.meshgrid(values, values))
    a, b = te.placeholder((64,), "a", dtype), te.placeholder((64,), "b", dtype)
    elements: list[tuple[Callable, np.ndarray]] = [
        (lambda i: extreme(a[i], b[i]), numpy(x, y)),
        (lambda i: extreme(a[i], 0.0), numpy(x, 0)),
        (lambda i: extreme(0.0, a[i]), numpy(x, 0)),
        (lambda i: extreme(a[i], 1.0), numpy(x, 1)),
        (lambda i: extreme(extreme(a[i], 1.0), b[i]), numpy(numpy(x, 1), y)),
        (lambda i: extreme(a[i], NAN), numpy(x, NAN)),
        (lambda i: extreme(a[i], i.astype(dtype)), numpy(x, np.arange(64))),
        (lambda i: extreme(i.astype(dtype), a[i]), numpy(x, np.arange(64))),
        (lambda i: te.select(a[i] < b[i], a[i], b[i]), np.where(x < y, x, y)),  # not a minimum: NaN is lost
    ]
    for element, expected in elements:
        c = te.compute((64,), element, "c")
        s = te.create_schedule(c.op)
        if lanes > 1:
            s[c].vectorize(s[c].split(c.op.axis[0], lanes)[1])
        given = {a: x, b: y}
        arrays = [given[tensor] for tensor in c.op.inputs]
        for (found,) in results(s, [*c.op.inputs, c], *arrays, like=[x]):
            np.testing.assert_array_equal(found, expected.astype(dtype))


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("kind", ["max", "min"])
def test_the_operator_over_either_axis(kind: str, axes: tuple[int, ...]) -> None:
    values = np.arange(32 * 48, dtype="float32").reshape(32, 48)
    values[5, 7] = values[31, 47] = NAN
    shape = REDUCTION.shape((32, 48), axes, kind, "float32")
    s, args = REDUCTION.schedule(Defaults(), *shape)
    expected = REDUCTION.reference(values, *shape)
    out = np.zeros_like(expected)
    compiler.build(s, args)(values, out)
    np.testing.assert_array_equal(out, expected)
    assert np.isnan(out).any()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_window_with_nan_is_pooled_to_nan(layout: str) -> None:
    shape = POOL2D.shape(1, 16, 7, 7, (3, 3), (2, 2), (1, 1), 1, "max", layout)
    (image,) = POOL2D.inputs(np.random.default_rng(0), *shape)
    image.reshape(-1)[::97] = NAN
    s, args = POOL2D.schedule(Defaults(), *shape)
    expected = POOL2D.reference(image, *shape)
    out = np.zeros_like(expected)
    compiler.build(s, args)(image, out)
    np.testing.assert_array_equal(out, expected)
    assert np.isnan(out).any() and not np.isnan(out).all()
