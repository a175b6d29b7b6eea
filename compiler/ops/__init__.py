"""Operators: what they compute, their NumPy references, and their schedules for each kind of target."""

from compiler.ops.array.argmax import ARGMAX
from compiler.ops.array.cumsum import CUMSUM
from compiler.ops.array.elementwise import BINARY_OPERATOR as BINARY
from compiler.ops.array.elementwise import UNARY_OPERATOR as UNARY
from compiler.ops.array.reduction import REDUCTION
from compiler.ops.array.softmax import SOFTMAX
from compiler.ops.array.transpose import TRANSPOSE
from compiler.ops.chosen import chosen_by
from compiler.ops.conv.depthwise import DEPTHWISE_CONV2D
from compiler.ops.conv.direct import CONV2D
from compiler.ops.conv.pool2d import POOL2D
from compiler.ops.conv.transposed import CONV2D_TRANSPOSE
from compiler.ops.conv.winograd import CONV2D_WINOGRAD
from compiler.ops.knobs import Defaults, Knobs
from compiler.ops.matmul.packed import DENSE, MATMUL
from compiler.ops.operator import Operator
from compiler.ops.parameter import Parameter
from compiler.ops.rounding import Rounding
from compiler.suggest import unknown

OPERATORS: tuple[Operator, ...] = (
    MATMUL,
    DENSE,
    CONV2D,
    CONV2D_WINOGRAD,
    CONV2D_TRANSPOSE,
    DEPTHWISE_CONV2D,
    POOL2D,
    SOFTMAX,
    UNARY,
    BINARY,
    REDUCTION,
    ARGMAX,
    CUMSUM,
    TRANSPOSE,
)
"""The built-in operators."""


def operator(name: str) -> Operator:
    """Return the operator called `name`.

    Raises
    ------
    ValueError
        If there is none; names the nearest one.
    """
    for op in OPERATORS:
        if op.name == name:
            return op
    raise ValueError(unknown("operator", name, [op.name for op in OPERATORS]))


__all__ = [
    "ARGMAX",
    "BINARY",
    "CONV2D",
    "CONV2D_TRANSPOSE",
    "CONV2D_WINOGRAD",
    "CUMSUM",
    "DENSE",
    "DEPTHWISE_CONV2D",
    "MATMUL",
    "OPERATORS",
    "POOL2D",
    "REDUCTION",
    "SOFTMAX",
    "TRANSPOSE",
    "UNARY",
    "Defaults",
    "Knobs",
    "Operator",
    "Parameter",
    "Rounding",
    "chosen_by",
    "operator",
]
