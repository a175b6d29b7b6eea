"""Functions of each element, of one tensor or of two that broadcast."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.epilogue import ACTIVATIONS
from compiler.ops.knobs import Knobs
from compiler.ops.loops import sweep
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

Shape = tuple[int, ...]

UNARY: dict[str, tuple[Callable[[Expr], Expr], Callable[[Array], Array]]] = {
    **ACTIVATIONS,
    "exp": (te.exp, np.exp),
    "log": (te.log, np.log),
    "sqrt": (te.sqrt, np.sqrt),
    "abs": (te.abs, np.abs),
    "negative": (lambda x: 0.0 - x, np.negative),
    "floor": (te.floor, np.floor),
    "ceil": (te.ceil, np.ceil),
}

BINARY: dict[str, tuple[Callable[[Expr, Expr], Expr], Callable[[Array, Array], Array]]] = {
    "add": (lambda a, b: a + b, np.add),
    "subtract": (lambda a, b: a - b, np.subtract),
    "multiply": (lambda a, b: a * b, np.multiply),
    "divide": (lambda a, b: a / b, np.divide),
    "maximum": (te.maximum, np.maximum),
    "minimum": (te.minimum, np.minimum),
}


def _unary(shape: Shape, function: str) -> list[Tensor]:
    x = te.placeholder(shape, "x")
    return [x, te.compute(shape, lambda *at: UNARY[function][0](x[at]), "out")]


def _swept(knobs: Knobs, args: list[Tensor]) -> tuple[Schedule, list[Tensor]]:
    """Every element once, in vectors, shared among the threads."""
    lanes, unroll = knobs.choice("lanes", (16, 8, 32)), knobs.choice("unroll", (1, 2, 4))
    s = te.create_schedule(args[-1].op)
    sweep(s, args[-1], lanes, unroll=unroll)
    return s, args


UNARY_OPERATOR = Operator(
    name="unary",
    parameters=(Parameter("shape", "shape"), Parameter("function", "word", "relu", tuple(UNARY))),
    compute=_unary,
    template=lambda knobs, *values: _swept(knobs, _unary(*values)),
    compute_reference=lambda inputs, shape, function: UNARY[function][1](inputs[0]),
    count_flops=lambda shape, function: int(np.prod(shape)),
    reduction=lambda shape, function: 1,
)


def broadcast_index(shape: Shape, at: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Where the element that meets index `at` of a broadcast result is in a tensor of `shape`."""
    last = at[len(at) - len(shape) :]
    return tuple(0 if extent == 1 else index for extent, index in zip(shape, last, strict=True))  # type: ignore[misc]


def _binary(a_shape: Shape, b_shape: Shape, function: str) -> list[Tensor]:
    a, b = te.placeholder(a_shape, "a"), te.placeholder(b_shape, "b")
    shape = np.broadcast_shapes(a_shape, b_shape)
    combine = BINARY[function][0]
    out = te.compute(
        shape,
        lambda *at: combine(a[broadcast_index(a_shape, at)], b[broadcast_index(b_shape, at)]),
        "out",
    )
    return [a, b, out]


def _check_broadcast(a_shape: Shape, b_shape: Shape, function: str) -> None:
    try:
        np.broadcast_shapes(a_shape, b_shape)
    except ValueError:
        raise ValueError(
            f"binary: the shapes a={a_shape} and b={b_shape} do not broadcast: from the last on, extents are "
            "equal or one of them is 1"
        ) from None


BINARY_OPERATOR = Operator(
    name="binary",
    parameters=(
        Parameter("a", "shape"),
        Parameter("b", "shape"),
        Parameter("function", "word", "add", tuple(BINARY)),
    ),
    compute=_binary,
    template=lambda knobs, *values: _swept(knobs, _binary(*values)),
    compute_reference=lambda inputs, a, b, function: BINARY[function][1](*inputs),
    count_flops=lambda a, b, function: int(np.prod(np.broadcast_shapes(a, b))),
    reduction=lambda a, b, function: 1,
    check=_check_broadcast,
)
