"""Operators: what they compute, their NumPy references, and their schedule templates."""

from compiler.ops.conv2d_direct import CONV2D
from compiler.ops.depthwise import DEPTHWISE_CONV2D
from compiler.ops.knobs import Defaults, Knobs
from compiler.ops.matmul_packed import DENSE, MATMUL
from compiler.ops.operator import Operator
from compiler.suggest import unknown

OPERATORS: tuple[Operator, ...] = (MATMUL, DENSE, CONV2D, DEPTHWISE_CONV2D)
"""Every operator that comes with the compiler."""


def operator(name: str) -> Operator:
    """The operator called `name`.

    Raises
    ------
    ValueError
        If there is none; names the nearest one.
    """
    for op in OPERATORS:
        if op.name == name:
            return op
    raise ValueError(unknown("operator", name, [op.name for op in OPERATORS]))


__all__ = ["CONV2D", "MATMUL", "OPERATORS", "Defaults", "Knobs", "Operator", "operator"]
