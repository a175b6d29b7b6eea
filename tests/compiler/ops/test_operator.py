"""Operators: finding one by name, their values, and what every one of them promises."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ops import CONV2D, MATMUL, OPERATORS, Defaults, Operator, operator
from compiler.te.tensor import Compute, Placeholder

# one small choice of values for each operator
SHAPES = {
    "matmul": (4, 6, 5),
    "dense": (4, 6, 5, "bias"),
    "conv2d": (1, 2, 5, 4, 6, 3, 1, 1),
    "conv2d_winograd": (1, 2, 5, 4, 6),
    "depthwise_conv2d": (1, 2, 5, 4, 3),
    "pool2d": (1, 2, 5, 4, 3),
    "softmax": (3, 5),
    "unary": ((3, 5), "exp"),
    "binary": ((3, 5), (5,)),
    "reduction": ((3, 4, 5), (0, 2)),
    "transpose": ((3, 4, 5), (2, 0, 1)),
}
every_operator = pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.name)


def test_by_name() -> None:
    assert operator("matmul") is MATMUL
    assert operator("conv2d") is CONV2D
    assert {op.name for op in OPERATORS} == set(SHAPES)


def test_an_unknown_name() -> None:
    with pytest.raises(
        ValueError, match=r"unknown operator 'matmull'; did you mean 'matmul'\? \(known: matmul, "
    ):
        operator("matmull")
    with pytest.raises(ValueError, match=r"unknown operator 'sort' \(known"):
        operator("sort")


@every_operator
def test_arguments_are_the_inputs_and_then_the_output(op: Operator) -> None:
    values = SHAPES[op.name]
    _, args = op.schedule(Defaults(), *values)
    arrays = [*op.inputs(np.random.default_rng(0), *values), op.output(*values)]
    assert [(t.shape, t.dtype) for t in args] == [(a.shape, str(a.dtype)) for a in arrays]
    assert [type(t.op) for t in args] == [Placeholder] * (len(args) - 1) + [Compute]
    assert [t.name for t in args[:-1]] == [t.name for t in op.tensors(*values)[:-1]]


@every_operator
def test_inputs_come_from_the_generator(op: Operator) -> None:
    values = SHAPES[op.name]
    first, again, other = (op.inputs(np.random.default_rng(seed), *values) for seed in (5, 5, 6))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


@every_operator
def test_the_definition_gives_the_reference(op: Operator, check_operator) -> None:
    check_operator(op, Defaults(), *SHAPES[op.name], how=("definition", "bound"))


@pytest.mark.parametrize("op", [MATMUL, CONV2D], ids=lambda op: op.name)
def test_the_tolerance_admits_another_order_and_not_another_result(op: Operator) -> None:
    values = SHAPES[op.name]
    inputs = op.inputs(np.random.default_rng(0), *values)
    reference = op.reference(*inputs, *values)
    exact = op.reference(*(x.astype("float64") for x in inputs), *values)
    sizes = op.reference(*(np.abs(x) for x in inputs), *values)
    assert np.all(np.abs(reference - exact) <= op.tolerance(*values) * sizes)
    inputs[0].flat[0] += 0.01
    assert np.any(np.abs(op.reference(*inputs, *values) - exact) > op.tolerance(*values) * sizes)


def test_the_tolerance_grows_as_the_root_of_the_terms() -> None:
    assert MATMUL.tolerance(4, 4, 400) == pytest.approx(2 * MATMUL.tolerance(4, 4, 100))
    assert CONV2D.tolerance(1, 4, 8, 8, 4, 5, 1, 0) == MATMUL.tolerance(1, 1, 100)


def test_values_by_name_and_their_defaults() -> None:
    assert MATMUL.shape(2, 3, K=4) == (2, 3, 4, 0, "NN", "none")
    assert MATMUL.shape(2, 3, 4, transpose="TN", batch=5) == (2, 3, 4, 5, "TN", "none")
    assert MATMUL.spell(MATMUL.shape(2, 3, 4)) == "matmul(2, 3, 4)"
    assert MATMUL.spell(MATMUL.shape(2, 3, 4, 5, "TN")) == "matmul(2, 3, 4, batch=5, transpose=TN)"
    shape = CONV2D.shape(1, 4, 9, 9, 8, (3, 5), pad=(1, 2, 1, 2))
    assert CONV2D.spell(shape) == "conv2d(1, 4, 9, 9, 8, 3x5, pad=1x2)"


@pytest.mark.parametrize(
    ("values", "named", "message"),
    [
        ((2, 3), {}, r"matmul needs M, N, K; K is missing"),
        (
            (2, 3, 4, 5, "NN", "none", 7),
            {},
            r"matmul takes 6 values \(M, N, K, batch, transpose, epilogue\), not 7",
        ),
        ((2, 3, 4), {"bacth": 2}, r"unknown parameter of matmul 'bacth'; did you mean 'batch'"),
        ((2, 3, 4), {"M": 2}, r"matmul: M is given twice"),
        (
            (2, 3, 4),
            {"epilogue": "bias+rely"},
            r"matmul: unknown epilogue 'bias\+rely'; did you mean 'bias\+relu'",
        ),
        ((2, 0, 4), {}, r"matmul: N is 0; a positive whole number is needed"),
    ],
)
def test_refused(values: tuple, named: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MATMUL.shape(*values, **named)


def test_the_reference_checks_its_values() -> None:
    a = np.ones((2, 2), "float32")
    with pytest.raises(ValueError, match="matmul: K is 0"):
        MATMUL.reference(a, a, 2, 2, 0)
