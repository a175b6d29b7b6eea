"""Operators: by name, their values, several outputs, schedules by kind of target, and what all of them
guarantee.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from compiler import Schedule, Target, create_schedule, te
from compiler.ops import (
    CONV2D,
    MATMUL,
    OPERATORS,
    Defaults,
    Knobs,
    Operator,
    Parameter,
    Rounding,
    operator,
)
from compiler.te.tensor import Compute, Placeholder, Tensor

# one small choice of values for each operator
SHAPES = {
    "matmul": (4, 6, 5),
    "dense": (4, 6, 5, "bias"),
    "conv2d": (1, 2, 5, 4, 6, 3, 1, 1),
    "conv2d_winograd": (1, 2, 5, 4, 6),
    "conv2d_transpose": (1, 2, 5, 4, 6, 3, 2, 1),
    "depthwise_conv2d": (1, 2, 5, 4, 3),
    "pool2d": (1, 2, 5, 4, 3),
    "softmax": (3, 5),
    "unary": ((3, 5), "exp"),
    "binary": ((3, 5), (5,)),
    "reduction": ((3, 4, 5), (0, 2)),
    "argmax": ((3, 4, 5), 1),
    "cumsum": ((3, 4, 5), 1),
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
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_the_tolerance_admits_another_order_and_not_another_result(op: Operator, dtype: str) -> None:
    values, double = (op.shape(*SHAPES[op.name], dtype=t) for t in (dtype, "float64"))
    inputs = op.inputs(np.random.default_rng(0), *values)
    (reference,) = op.references(inputs, *values)
    exact = op.compute_reference([x.astype("float64") for x in inputs], *double)
    limit = op.tolerance(reference, *values)
    assert np.all(np.abs(reference - exact) <= limit)
    inputs[0].flat[0] += 0.1
    assert np.any(np.abs(op.references(inputs, *values)[0] - exact) > limit)


def test_int8_has_no_tolerance() -> None:
    assert MATMUL.tolerance(np.array([1000, 2000], "int32"), 1, 2, 3, 0, "NN", "none", "int8") == 0.0


def test_values_by_name_and_their_defaults() -> None:
    assert MATMUL.shape(2, 3, K=4) == (2, 3, 4, 0, "NN", "none", "float32")
    assert MATMUL.shape(2, 3, 4, transpose="TN", batch=5) == (2, 3, 4, 5, "TN", "none", "float32")
    assert MATMUL.spell(MATMUL.shape(2, 3, 4)) == "matmul(2, 3, 4)"
    assert MATMUL.spell(MATMUL.shape(2, 3, 4, 5, "TN")) == "matmul(2, 3, 4, batch=5, transpose=TN)"
    assert MATMUL.spell(MATMUL.shape(2, 3, 4, dtype="int8")) == "matmul(2, 3, 4, dtype=int8)"
    shape = CONV2D.shape(1, 4, 9, 9, 8, (3, 5), pad=(1, 2, 1, 2))
    assert CONV2D.spell(shape) == "conv2d(1, 4, 9, 9, 8, 3x5, pad=1x2)"


@pytest.mark.parametrize(
    ("values", "named", "message"),
    [
        ((2, 3), {}, r"matmul needs M, N, K; K is missing"),
        (
            (2, 3, 4, 5, "NN", "none", "float32", 8),
            {},
            r"matmul takes 7 values \(M, N, K, batch, transpose, epilogue, dtype\), not 8",
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


def test_the_stored_values_are_those_of_files_without_a_dtype() -> None:
    assert MATMUL.stored(MATMUL.shape(2, 3, 4)) == (2, 3, 4, 0, "NN", "none")
    assert MATMUL.shape(*MATMUL.stored(MATMUL.shape(2, 3, 4))) == MATMUL.shape(2, 3, 4)
    assert MATMUL.stored(MATMUL.shape(2, 3, 4, dtype="int8")) == (2, 3, 4, 0, "NN", "none", "int8")


def test_a_kind_of_target_without_a_schedule() -> None:
    with pytest.raises(ValueError, match=r"no schedule for targets of kind 'cuda', only for 'llvm'"):
        MATMUL.template("cuda")


def minmax(knobs: Knobs, n: int) -> tuple[Schedule, list[Tensor]]:
    """The smaller and the larger of each two numbers: a template with two outputs."""
    a, b = te.placeholder((n,), "a"), te.placeholder((n,), "b", "float64")
    low = te.compute((n,), lambda i: te.minimum(a[i], b[i]), "low")
    high = te.compute((n,), lambda i: te.maximum(a[i], b[i]).astype("float32"), "high")
    s = create_schedule([low.op, high.op])
    s[low].split(low.op.axis[0], knobs.choice("lanes", (4, 8)))
    return s, [a, b, low, high]


MINMAX = Operator(
    "minmax",
    (Parameter("n"),),
    {"llvm": minmax},
    compute_reference=lambda inputs, n: (
        np.minimum(*inputs),
        np.maximum(*inputs).astype("float32"),
    ),
    count_flops=lambda n: 2 * n,
    rounding=lambda n: Rounding(),
)


def test_several_outputs(check_operator: Callable) -> None:
    assert MINMAX.dtypes(5) == ("float64", "float32")
    assert [(o.shape, str(o.dtype)) for o in MINMAX.outputs(5)] == [((5,), "float64"), ((5,), "float32")]
    check_operator(MINMAX, Defaults(), 5)
    with pytest.raises(ValueError, match="minmax has 2 outputs: allocate them with `outputs`"):
        MINMAX.output(5)


def test_a_reference_with_too_few_arrays() -> None:
    op = replace(MINMAX, compute_reference=lambda inputs, n: np.minimum(*inputs))
    inputs = op.inputs(np.random.default_rng(0), 5)
    with pytest.raises(ValueError, match="the reference of minmax returns 1 arrays for 2 outputs"):
        op.references(inputs, 5)


def test_outputs_come_last() -> None:
    def mixed(knobs: Knobs, n: int) -> tuple[Schedule, list[Tensor]]:
        s, (a, b, low, high) = minmax(knobs, n)
        return s, [a, low, b, high]

    op = replace(MINMAX, schedules={"llvm": mixed})
    with pytest.raises(ValueError, match="minmax must return its inputs, then .* not the tensors a, low, b"):
        op.outputs(5)


def test_a_template_that_takes_the_target() -> None:
    seen = []

    def template(knobs: Knobs, n: int, *, target: Target) -> tuple[Schedule, list[Tensor]]:
        seen.append(target)
        return minmax(knobs, n)

    op = MINMAX.with_schedule("llvm", template)
    op.schedule(Defaults(), 5, target="llvm -mcpu=x86-64-v3 -mtriple=x86_64-unknown-linux-gnu")
    assert "-mcpu=x86-64-v3" in str(seen[-1])
    assert op.name == "minmax" and MINMAX.schedules["llvm"] is minmax


def test_a_template_that_returns_nothing() -> None:
    op = replace(MINMAX, schedules={"llvm": lambda knobs, n: None})
    with pytest.raises(
        ValueError, match="template of minmax must return a schedule and a list .* not NoneType"
    ):
        op.schedule(Defaults(), 5)


def test_custom_inputs_replace_the_drawn_ones() -> None:
    op = replace(MINMAX, generate_inputs=lambda rng, n: [np.arange(n, dtype=np.float32), np.zeros(n)])
    first, second = op.inputs(np.random.default_rng(0), 3)
    np.testing.assert_array_equal(first, [0, 1, 2])
    np.testing.assert_array_equal(second, [0, 0, 0])


@pytest.mark.parametrize(
    "made, message",
    [
        ([np.zeros(3, np.float32)], "inputs of minmax returns 1 arrays; one for each of a, b is needed"),
        ([np.zeros(3), np.zeros(3)], "float64 of shape (3,) for 'a'; float32 of shape (3,) is needed"),
        (
            [np.zeros(3, np.float32), np.zeros(4)],
            "float64 of shape (4,) for 'b'; float64 of shape (3,) is needed",
        ),
        ([[0.0] * 3, np.zeros(3)], "list for 'a'; a NumPy array is needed"),
    ],
)
def test_custom_inputs_that_the_program_cannot_take(made: list[Any], message: str) -> None:
    op = replace(MINMAX, generate_inputs=lambda rng, n: made)
    with pytest.raises(ValueError, match=re.escape(message)):
        op.inputs(np.random.default_rng(0), 3)


def test_a_reference_of_another_shape() -> None:
    op = replace(MINMAX, compute_reference=lambda inputs, n: (inputs[0], inputs[1][:-1]))
    with pytest.raises(ValueError, match=r"an array of shape \(4,\) for the output 'high'; \(5,\) is needed"):
        op.references(op.inputs(np.random.default_rng(0), 5), 5)


def test_packed_inputs(check_operator: Callable) -> None:
    def widen(knobs: Knobs, n: int) -> tuple[Schedule, list[Tensor]]:
        a = te.placeholder((2, n), "a", "uint4")
        b = te.compute((2, n), lambda i, j: a[i, j].astype("int32") * 3, "b")
        s = create_schedule(b.op)
        s[b].split(b.op.axis[1], knobs.choice("lanes", (2, 4)))
        return s, [a, b]

    def reference(inputs: list[np.ndarray], n: int) -> np.ndarray:
        (a,) = inputs
        assert a.dtype == "uint8" and a.shape == (
            2,
            n // 2,
        )  # two elements in each byte, the first one lowest
        return 3 * np.stack([a & 15, a >> 4], axis=-1).reshape(2, n).astype("int32")

    op = replace(MINMAX, name="widen", schedules={"llvm": widen}, compute_reference=reference, rounding=None)
    check_operator(op, Defaults(), 8)
