"""Matrix products ``C[b, i, j] = sum_k A[b, i, k] * B[b, k, j]`` in float32: what is computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.epilogue import Epilogue
from compiler.te.tensor import Tensor

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Product:
    """The numbers of one product.

    Parameters
    ----------
    M, N, K : int
        Rows and columns of the result, and the extent that is summed over.
    batch : int
        Products side by side; zero for operands without an axis for it.
    transpose : str
        ``"N"`` or ``"T"`` for each operand: whether it is given with its two axes exchanged.
    epilogue : Epilogue
        What follows, with a bias for each column.
    names : tuple of str
        What the operands and the result are called.
    """

    M: int
    N: int
    K: int
    batch: int
    transpose: str
    epilogue: Epilogue
    names: tuple[str, str, str] = ("A", "B", "C")

    def shape(self, *matrix: int) -> tuple[int, ...]:
        """The shape of a matrix for each element of the batch."""
        return (self.batch, *matrix) if self.batch else matrix

    def placeholders(self) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Both operands, and the inputs of the epilogue."""
        left = (self.M, self.K) if self.transpose[0] == "N" else (self.K, self.M)
        right = (self.K, self.N) if self.transpose[1] == "N" else (self.N, self.K)
        return (
            te.placeholder(self.shape(*left), self.names[0]),
            te.placeholder(self.shape(*right), self.names[1]),
            self.epilogue.placeholders((self.N,), self.shape(self.M, self.N)),
        )

    def left(self, tensor: Tensor, *at: Expr) -> Expr:
        """Element ``(*batch, i, k)`` of the left operand."""
        return _element(tensor, self.transpose[0], *at)

    def right(self, tensor: Tensor, *at: Expr) -> Expr:
        """Element ``(*batch, k, j)`` of the right operand."""
        return _element(tensor, self.transpose[1], *at)

    def compute(self) -> list[Tensor]:
        """The product, and what follows it."""
        A, B, extra = self.placeholders()
        k = te.reduce_axis((0, self.K), "k")
        product = te.compute(
            self.shape(self.M, self.N),
            lambda *at: te.sum(self.left(A, *at[:-1], k) * self.right(B, *at[:-2], k, at[-1]), axis=k),
            self.names[2],
        )
        if self.epilogue == Epilogue.parse("none"):
            return [A, B, product]
        out = te.compute(
            product.shape, lambda *at: self.epilogue.apply(product[at], extra, at[-1:], at), self.names[2]
        )
        return [A, B, *extra, out]

    def reference(self, inputs: list[Array]) -> Array:
        """The same with NumPy."""
        a, b = (
            x if t == "N" else np.swapaxes(x, -1, -2) for x, t in zip(inputs, self.transpose, strict=False)
        )
        return self.epilogue.reference(a @ b, inputs[2:], (self.N,))

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * max(self.batch, 1) * self.M * self.N * self.K


def _element(tensor: Tensor, transposed: str, *at: Expr) -> Expr:
    *batch, row, column = at
    return tensor[(*batch, row, column) if transposed == "N" else (*batch, column, row)]
