"""Element-wise functions of one tensor, or of two that broadcast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from compiler import te
from compiler.backend import Target
from compiler.ir.dtype import is_float
from compiler.ir.expr import Expr
from compiler.ops.epilogue import ACTIVATIONS, EXACT_ACTIVATIONS
from compiler.ops.inputs import draw, safe_integers
from compiler.ops.knobs import Knobs
from compiler.ops.loops import sweep, vector_lanes
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter
from compiler.ops.precision import dtype_parameter
from compiler.ops.rounding import Rounding
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

Shape = tuple[int, ...]

DTYPE = dtype_parameter("float32", "float64", "float16", "int32", "int8")

# name -> (of expressions, with NumPy)
UNARY: dict[str, tuple[Callable[[Expr], Expr], Callable[[Array], Array]]] = {
    **ACTIVATIONS,
    "exp": (te.exp, np.exp),
    "log": (te.log, np.log),
    "sqrt": (te.sqrt, np.sqrt),
    "abs": (te.abs, np.abs),
    "negative": (lambda x: 0 - x, np.negative),
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

OF_INTEGERS = (*EXACT_ACTIVATIONS, "abs", "negative", *(name for name in BINARY if name != "divide"))
"""Functions that take integers too."""

OF_POSITIVE = ("log", "sqrt", "divide")
"""Functions whose random inputs are at least a quarter: they are undefined or inaccurate near zero."""


def _check(operator: str, function: str, dtype: str) -> None:
    if not is_float(dtype) and function not in OF_INTEGERS:
        known = ", ".join(f for f in OF_INTEGERS if f in (UNARY if operator == "unary" else BINARY))
        raise ValueError(
            f"{operator}: the function {function!r} needs floats, not {dtype}; integers take {known}"
        )


def _inputs(rng: np.random.Generator, shapes: Sequence[Shape], function: str, dtype: str) -> list[Array]:
    arrays = [draw(rng, shape, dtype, safe_integers(dtype, 1)) for shape in shapes]
    return [np.abs(x) + x.dtype.type(0.25) for x in arrays] if function in OF_POSITIVE else arrays


def _unary(shape: Shape, function: str, dtype: str) -> list[Tensor]:
    x = te.placeholder(shape, "x", dtype)
    return [x, te.compute(shape, lambda *at: UNARY[function][0](x[at]), "out")]


def _swept(knobs: Knobs, args: list[Tensor], target: Target) -> tuple[Schedule, list[Tensor]]:
    """Schedule every element once, vectorized and in parallel."""
    lanes, unroll = vector_lanes(knobs, target, args[-1].dtype), knobs.choice("unroll", (1, 2, 4))
    s = te.create_schedule(args[-1].op)
    sweep(s, args[-1], lanes, unroll=unroll)
    return s, args


UNARY_OPERATOR = Operator(
    name="unary",
    parameters=(Parameter("shape", "shape"), Parameter("function", "word", "relu", tuple(UNARY)), DTYPE),
    schedules={"llvm": lambda knobs, *values, target: _swept(knobs, _unary(*values), target)},
    compute_reference=lambda inputs, shape, function, dtype: UNARY[function][1](inputs[0]),
    count_flops=lambda shape, function, dtype: prod(shape),
    rounding=lambda shape, function, dtype: Rounding(),
    compute=_unary,
    check=lambda shape, function, dtype: _check("unary", function, dtype),
    generate_inputs=lambda rng, shape, function, dtype: _inputs(rng, [shape], function, dtype),
)


def broadcast_index(shape: Shape, at: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Return the index into a tensor of `shape` that belongs to index `at` of a broadcast result."""
    last = at[len(at) - len(shape) :]
    return tuple(0 if extent == 1 else index for extent, index in zip(shape, last, strict=True))  # type: ignore[misc]


def _binary(a_shape: Shape, b_shape: Shape, function: str, dtype: str) -> list[Tensor]:
    a, b = te.placeholder(a_shape, "a", dtype), te.placeholder(b_shape, "b", dtype)
    shape = np.broadcast_shapes(a_shape, b_shape)
    combine = BINARY[function][0]
    out = te.compute(
        shape,
        lambda *at: combine(a[broadcast_index(a_shape, at)], b[broadcast_index(b_shape, at)]),
        "out",
    )
    return [a, b, out]


def _check_binary(a_shape: Shape, b_shape: Shape, function: str, dtype: str) -> None:
    try:
        np.broadcast_shapes(a_shape, b_shape)
    except ValueError:
        raise ValueError(
            f"binary: the shapes a={a_shape} and b={b_shape} do not broadcast: from the last on, extents are "
            "equal or one of them is 1"
        ) from None
    _check("binary", function, dtype)


BINARY_OPERATOR = Operator(
    name="binary",
    parameters=(
        Parameter("a", "shape"),
        Parameter("b", "shape"),
        Parameter("function", "word", "add", tuple(BINARY)),
        DTYPE,
    ),
    schedules={"llvm": lambda knobs, *values, target: _swept(knobs, _binary(*values), target)},
    compute_reference=lambda inputs, a, b, function, dtype: BINARY[function][1](*inputs),
    count_flops=lambda a, b, function, dtype: prod(np.broadcast_shapes(a, b)),
    rounding=lambda a, b, function, dtype: Rounding(),
    compute=_binary,
    check=_check_binary,
    generate_inputs=lambda rng, a, b, function, dtype: _inputs(rng, [a, b], function, dtype),
)
