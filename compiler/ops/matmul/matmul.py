"""`Product`: the definition of matrix products ``C[b, i, j] = sum_k A[b, i, k] * B[b, k, j]``."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.consumer import Consumer
from compiler.ops.epilogue import Epilogue
from compiler.ops.precision import Precision
from compiler.te.tensor import Tensor

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Product:
    """Extents, types and layout of one product.

    Parameters
    ----------
    M, N, K : int
        Rows and columns of the result, and the extent that is summed over.
    batch : int
        Number of products; zero for operands without a batch axis.
    transpose : str
        ``"N"`` or ``"T"`` for each operand: whether it is given with its two axes exchanged.
    epilogue : Epilogue
        The steps after the sum, with a bias for each column.
    precision : Precision
    names : tuple of str
        Names of the operands and of the result.
    consumer : Consumer, optional
        What is computed from each element after these steps.
    """

    M: int
    N: int
    K: int
    batch: int
    transpose: str
    epilogue: Epilogue
    precision: Precision
    names: tuple[str, str, str] = ("A", "B", "C")
    consumer: Consumer | None = field(default=None, compare=False)

    def shape(self, *matrix: int) -> tuple[int, ...]:
        """Return the shape of a matrix for each element of the batch."""
        return (self.batch, *matrix) if self.batch else matrix

    def placeholders(self) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return both operands, and the inputs of the epilogue."""
        left = (self.M, self.K) if self.transpose[0] == "N" else (self.K, self.M)
        right = (self.K, self.N) if self.transpose[1] == "N" else (self.N, self.K)
        types = self.precision
        return (
            te.placeholder(self.shape(*left), self.names[0], types.operand),
            te.placeholder(self.shape(*right), self.names[1], types.right or types.operand),
            self.epilogue.placeholders((self.N,), self.shape(self.M, self.N), types.result),
        )

    def left(self, tensor: Tensor, *at: Expr) -> Expr:
        """Return the element ``(*batch, i, k)`` of the left operand."""
        return _element(tensor, self.transpose[0], *at)

    def right(self, tensor: Tensor, *at: Expr) -> Expr:
        """Return the element ``(*batch, k, j)`` of the right operand."""
        return _element(tensor, self.transpose[1], *at)

    def term(self, left: Expr, right: Expr) -> Expr:
        """Return the product of two elements, in the type of the accumulator."""
        return left.astype(self.precision.accumulator) * right.astype(self.precision.accumulator)

    def finish(self, value: Expr, extra: list[Tensor], at: tuple[Expr, ...]) -> Expr:
        """Return the output's element at index `at` of a sum: the epilogue, and the consumer."""
        value = self.epilogue.apply(value, extra, at[-1:], at).astype(self.precision.result)
        return value if self.consumer is None else self.consumer.apply(value, at)

    def arguments(self, left: Tensor, right: Tensor, extra: list[Tensor], out: Tensor) -> list[Tensor]:
        """Return the inputs of a program, then its output."""
        consumed = [] if self.consumer is None else self.consumer.inputs
        return [left, right, *extra, *consumed, out]

    def compute(self) -> list[Tensor]:
        """Return the operands, the inputs of the epilogue and the output."""
        A, B, extra = self.placeholders()
        k = te.reduce_axis((0, self.K), "k")
        product = te.compute(
            self.shape(self.M, self.N),
            lambda *at: te.sum(
                self.term(self.left(A, *at[:-1], k), self.right(B, *at[:-2], k, at[-1])), axis=k
            ),
            self.names[2],
        )
        types = self.precision
        if self.epilogue == Epilogue.parse("none") and types.accumulator == types.result:
            return [A, B, product]
        out = te.compute(
            product.shape,
            lambda *at: self.finish(product[at], extra, at),
            self.names[2],
        )
        return [A, B, *extra, out]

    def reference(self, inputs: list[Array]) -> Array:
        """Return the result by NumPy."""
        types = self.precision
        a, b = (
            types.values(x if t == "N" else np.swapaxes(x, -1, -2))
            for x, t in zip(inputs, self.transpose, strict=False)
        )
        return self.epilogue.reference(a @ b, inputs[2:], (self.N,)).astype(types.result, copy=False)

    @property
    def flops(self) -> int:
        """Number of multiplications and additions."""
        return 2 * max(self.batch, 1) * self.M * self.N * self.K


def _element(tensor: Tensor, transposed: str, *at: Expr) -> Expr:
    *batch, row, column = at
    return tensor[(*batch, row, column) if transposed == "N" else (*batch, column, row)]
