"""Random attributes and shapes: definitions against NumPy, compiled computations against the definitions."""

import os

import numpy as np
import pytest

from compiler.relay.language.op import evaluated
from tests.compiler.relay.operator.cases import (
    Case,
    call_of,
    check_definition,
    check_relation,
    close,
    compilable,
    computed,
)

NIGHTLY = bool(os.environ.get("ESPALIER_NIGHTLY"))
MODULES = range(40 if NIGHTLY else 1)
CALLS = 60
"""In each module, which is compiled as a whole."""


def _array(rng, shape):
    return rng.integers(-9, 10, shape).astype(rng.choice(["float32", "float64", "int32", "int64"]))


def _shape(rng, least=0, most=4):
    return tuple(int(n) for n in rng.choice([1, 1, 2, 3, 4, 6], rng.integers(least, most + 1)))


def _axis(rng, count):
    return int(rng.integers(-count, count))


def reshaping(rng):
    shape = _shape(rng, 1)
    factors = [p for n in shape for p in ({4: [2, 2], 6: [2, 3]}.get(n, [n]))]
    target = []
    for factor in rng.permutation(factors):
        if target and rng.random() < 0.5:
            target[-1] *= int(factor)
        else:
            target.append(int(factor))
    return Case("reshape", [_array(rng, shape)], lambda x: x.reshape(target), {"newshape": target})


def transposition(rng):
    shape = _shape(rng, 1)
    axes = tuple(int(a) for a in rng.permutation(len(shape)))
    return Case("transpose", [_array(rng, shape)], lambda x: x.transpose(axes), {"axes": axes})


def slicing(rng):
    shape = _shape(rng, 1)
    axes = tuple(int(a) for a in rng.permutation(len(shape))[: rng.integers(0, len(shape) + 1)])
    begin, end = (tuple(int(n) for n in rng.integers(-8, 9, len(axes))) for _ in range(2))
    strides = tuple(int(n) for n in rng.choice([-3, -2, -1, 1, 2, 3], len(axes)))
    index = [slice(None)] * len(shape)
    for axis, first, last, step in zip(axes, begin, end, strides, strict=True):
        index[axis] = slice(first, last, step)
    attrs = {"begin": begin, "end": end, "strides": strides, "axes": axes}
    return Case("strided_slice", [_array(rng, shape)], lambda x: x[tuple(index)], attrs)


def padding(rng):
    shape = _shape(rng, 1)
    mode = str(rng.choice(["constant", "edge", "reflect", "wrap"]))
    width = tuple((int(b), int(a)) for b, a in rng.integers(0, 6, (len(shape), 2)))
    value = {"constant_values": 7} if mode == "constant" else {}
    attrs = {"pad_width": width, "pad_mode": mode, "pad_value": 7}
    return Case("pad", [_array(rng, shape)], lambda x: np.pad(x, width, mode=mode, **value), attrs)


def reducing(rng):
    shape = _shape(rng, 1)
    axes = tuple(int(a) for a in rng.permutation(len(shape))[: rng.integers(1, len(shape) + 1)])
    keepdims = bool(rng.integers(2))
    name = str(rng.choice(["sum", "max", "min"]))

    def expected(x):
        return np.asarray(getattr(np, name)(x, axis=axes, keepdims=keepdims)).astype(x.dtype)

    return Case(name, [_array(rng, shape)], expected, {"axis": axes, "keepdims": keepdims})


def combining(rng):
    shape = _shape(rng)
    a, b = (
        tuple(n if rng.random() < 0.7 else 1 for n in shape)[rng.integers(len(shape) + 1) :] for _ in "ab"
    )
    x = _array(rng, a)
    name, function = [("add", np.add), ("multiply", np.multiply), ("maximum", np.maximum)][rng.integers(3)]
    return Case(name, [x, _array(rng, b).astype(x.dtype)], lambda x, y: np.asarray(function(x, y)))


def joining(rng):
    shape = _shape(rng, 1)
    axis = _axis(rng, len(shape))
    first = _array(rng, shape)
    parts = [first]
    for _ in range(rng.integers(0, 5)):
        extents = list(shape)
        extents[axis] = int(rng.integers(1, 4))
        parts.append(_array(rng, extents).astype(first.dtype))
    return Case("concatenate", [tuple(parts)], lambda p: np.concatenate(p, axis), {"axis": axis})


def taking(rng):
    shape = _shape(rng, 1)
    axis = _axis(rng, len(shape))
    extent = shape[axis]
    indices = rng.integers(-extent, extent, _shape(rng, 0, 2)).astype(rng.choice(["int32", "int64", "int8"]))
    return Case("take", [_array(rng, shape), indices], lambda x, i: np.take(x, i, axis), {"axis": axis})


def scattering(rng):
    shape = _shape(rng, 1, 3)
    axis = _axis(rng, len(shape))
    data = _array(rng, shape)
    places = tuple(n if d == axis % len(shape) else int(rng.integers(1, n + 1)) for d, n in enumerate(shape))
    indices = rng.integers(-shape[axis], shape[axis], places)
    updates = _array(rng, places).astype(data.dtype)

    def expected(x, i, u):
        result = x.copy()
        for at in np.ndindex(i.shape):
            place = list(at)
            place[axis] = i[at]
            result[tuple(place)] += u[at]
        return result

    return Case("scatter_elements", [data, indices, updates], expected, {"axis": axis, "reduction": "add"})


KINDS = [
    reshaping,
    transposition,
    slicing,
    padding,
    reducing,
    combining,
    joining,
    taking,
    scattering,
]


@pytest.mark.parametrize("module", MODULES)
def test_random_calls(module):
    rng = np.random.default_rng([16, module])
    cases = [KINDS[k % len(KINDS)](rng) for k in range(CALLS)]
    for case in cases:
        check_definition(case)
        check_relation(case)
    compiled = [case for case in cases if compilable(case)]
    assert len(compiled) > CALLS // 2
    for case, found in zip(compiled, computed(compiled), strict=True):
        call, _ = call_of(case, case.args)
        close(found, evaluated(call.function, call.attrs, list(case.args)))
