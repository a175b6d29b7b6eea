"""The types of a sum of products: of its operands, of the running sum, and of what is stored."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from compiler.backend.protocol import Hardware
from compiler.ir.semantics.bfloat16 import widened
from compiler.ops.parameter import Parameter


class Grouping(NamedTuple):
    """Products that one instruction forms and adds.

    Parameters
    ----------
    depth : int
        How many they are.
    dtype : str, optional
        The type to which the operands are converted before, if it is not their own.
    """

    depth: int
    dtype: str | None = None


class Precision(NamedTuple):
    """The types of one computation.

    Parameters
    ----------
    operand : str
        Type of the inputs that are multiplied.
    accumulator : str
        Type in which the products are formed and summed.
    result : str
        Type of the output, and of bias and residual.
    packed : str, optional
        Type of the operands in the order of a kernel, where it is another one: converted once, not in the
        innermost loop.
    right : str, optional
        Type of the second operand, where it is another one.
    """

    operand: str
    accumulator: str
    result: str
    packed: str | None = None
    right: str | None = None

    @property
    def of_bytes(self) -> bool:
        """Whether both operands are bytes, and their products are summed in int32."""
        return self.operand in ("int8", "uint8") and self.accumulator == "int32"

    def grouping(self, hardware: Hardware) -> Grouping:
        """How many products one instruction of the hardware forms and adds, and of which operands."""
        if not self.of_bytes or not (hardware.byte_products or hardware.pair_products):
            return Grouping(1)
        return Grouping(4) if hardware.byte_products else Grouping(2, "int16")

    def values(self, operand: np.ndarray) -> np.ndarray:
        """An operand in the type of the accumulator."""
        if self.operand == "bfloat16":
            operand = np.asarray(widened(operand.view(np.uint16)))
        return operand.astype(self.accumulator, copy=False)


PRECISIONS: dict[str, Precision] = {
    p.operand: p
    for p in (
        Precision("float32", "float32", "float32"),
        Precision("float64", "float64", "float64"),
        # a sum of thousands of terms in float16 would keep three digits of its first terms
        Precision("float16", "float32", "float16"),
        # a product of two int8 takes 15 bits: int32 holds 2**16 of them
        Precision("int8", "int32", "int32"),
        Precision("bfloat16", "float32", "float32", "float32"),
        # activations that are not negative, and weights
        Precision("uint8", "int32", "int32", right="int8"),
    )
}
"""Operand type -> the types of a sum of products of it."""


def dtype_parameter(*dtypes: str) -> Parameter:
    """The parameter ``dtype`` of an operator that supports `dtypes`, of which the first is the default."""
    return Parameter("dtype", "dtype", dtypes[0], dtypes)


DTYPE = dtype_parameter("float32", "float64", "float16", "int8")
"""The parameter ``dtype`` of operators that sum products: the type of their operands."""

MATRIX_DTYPE = dtype_parameter(*PRECISIONS)
"""That of matrix products."""
