"""Operators: finding one by name, and what every one of them promises."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ops import CONV2D, MATMUL, OPERATORS, Defaults, Operator, operator
from compiler.tensor import Compute, Placeholder

SHAPES = {"matmul": (4, 6, 5), "conv2d": (1, 2, 5, 4, 6, 3, 1, 1)}


def test_by_name() -> None:
    assert operator("matmul") is MATMUL
    assert operator("conv2d") is CONV2D
    assert {op.name for op in OPERATORS} == set(SHAPES)


def test_an_unknown_name() -> None:
    with pytest.raises(
        ValueError, match=r"unknown operator 'matmull'; did you mean 'matmul'\? \(known: matmul, conv2d\)"
    ):
        operator("matmull")
    with pytest.raises(ValueError, match=r"unknown operator 'softmax' \(known"):
        operator("softmax")


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.name)
def test_arguments_are_the_inputs_and_then_the_output(op: Operator) -> None:
    shape = SHAPES[op.name]
    _, args = op.schedule(Defaults(), *shape)
    arrays = [*op.inputs(np.random.default_rng(0), *shape), op.output(*shape)]
    assert [(t.shape, t.dtype) for t in args] == [(a.shape, str(a.dtype)) for a in arrays]
    assert [type(t.op) for t in args] == [Placeholder] * (len(args) - 1) + [Compute]


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.name)
def test_inputs_come_from_the_generator(op: Operator) -> None:
    shape = SHAPES[op.name]
    first, again, other = (op.inputs(np.random.default_rng(seed), *shape) for seed in (5, 5, 6))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.name)
def test_the_tolerance_admits_another_order_and_not_another_result(op: Operator) -> None:
    shape = SHAPES[op.name]
    inputs = op.inputs(np.random.default_rng(0), *shape)
    reference = op.reference(*inputs, *shape)
    exact = op.reference(*(x.astype("float64") for x in inputs), *shape)
    sizes = op.reference(*(np.abs(x) for x in inputs), *shape)
    assert np.all(np.abs(reference - exact) <= op.tolerance(*shape) * sizes)
    inputs[0].flat[0] += 0.01
    assert np.any(np.abs(op.reference(*inputs, *shape) - exact) > op.tolerance(*shape) * sizes)


def test_the_tolerance_grows_as_the_root_of_the_terms() -> None:
    assert MATMUL.tolerance(4, 4, 400) == pytest.approx(2 * MATMUL.tolerance(4, 4, 100))
    assert CONV2D.tolerance(1, 4, 8, 8, 4, 5, 1, 0) == MATMUL.tolerance(1, 1, 100)


def test_the_reference_checks_its_shape() -> None:
    a = np.ones((2, 2), "float32")
    with pytest.raises(ValueError, match="matmul: K is 0"):
        MATMUL.reference(a, a, 2, 2, 0)
