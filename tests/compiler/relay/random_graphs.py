"""Random data-flow graphs, with shared parts, tuples, lets and branches, for tests of passes."""

from __future__ import annotations

import numpy as np

import compiler.relay.operator  # noqa: F401  the rows
from compiler.relay.language.expr import (
    Expr,
    Function,
    If,
    Let,
    Tuple,
    TupleGetItem,
    Var,
    constant,
)
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import op
from compiler.relay.language.types import TensorType

SHAPE = (2, 3)
UNARY = ("tanh", "sigmoid", "negative", "abs", "sin")
BINARY = ("add", "subtract", "multiply", "maximum")


def random_module(
    rng: np.random.Generator, steps: int = 12, dtype: str = "float64", flat: bool = False
) -> IRModule:
    """A module whose ``main`` takes two tensors of `SHAPE`; `flat`: without lets and branches."""
    params = tuple(Var(name, TensorType(SHAPE, dtype)) for name in "xy")
    values: list[Expr] = [*params, constant(rng.normal(size=SHAPE), dtype), constant(rng.normal(), dtype)]

    def any_value() -> Expr:
        return values[int(rng.integers(len(values)))]

    lets: list[tuple[Var, Expr]] = []
    for _ in range(steps):
        kind = rng.integers(8)
        if kind < 2:
            value: Expr = op(str(rng.choice(UNARY)))(any_value())
        elif kind < 5:
            value = op(str(rng.choice(BINARY)))(any_value(), any_value())
        elif kind == 5:
            value = TupleGetItem(Tuple((any_value(), any_value())), int(rng.integers(2)))
        elif kind == 6 and not flat:
            condition = op("less")(op("sum")(any_value()), constant(0.0, dtype))
            a, b = op("add")(any_value(), params[0]), op("multiply")(any_value(), params[1])
            value = If(condition, a, b)
        else:
            value = op("sum")(op("add")(any_value(), params[0]), axis=(1,), keepdims=True)
        if not flat and rng.random() < 0.3:
            var = Var(f"v{len(lets)}")
            lets.append((var, value))
            value = var
        values.append(value)
    result: Expr = Tuple(
        (op("add")(values[-1], params[0]), op("sum")(op("multiply")(values[-2], values[-3])))
    )
    for var, value in reversed(lets):
        result = Let(var, value, result)
    return IRModule.from_expr(Function(params, result))


def random_inputs(rng: np.random.Generator, dtype: str = "float64") -> list[np.ndarray]:
    """Two tensors for `random_module`."""
    return [rng.normal(size=SHAPE).astype(dtype) for _ in range(2)]
