"""Buffers and the functions that work on them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from compiler.ir.stmt import Stmt

SCOPES = ("global", "local")


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """A dense row-major array; two buffers are equal only if identical.

    Parameters
    ----------
    name : str
        For people; need not be unique.
    shape : tuple of int
        Extents, outermost first. Every extent is known when the program is built.
    dtype : str
        A scalar type of `compiler.ir.expr.SCALAR_TYPES`.
    scope : str
        ``"global"`` for main memory, ``"local"`` for registers and the stack of one thread.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    scope: str = "global"

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array."""
        return self.size * np.dtype(self.dtype).itemsize

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class PrimFunc:
    """A function over buffers: the unit that passes transform and a target compiles.

    Parameters
    ----------
    name : str
        The symbol it is compiled to.
    params : tuple of Buffer
        Arguments in the order of the call.
    body : Stmt
    """

    name: str
    params: tuple[Buffer, ...]
    body: Stmt

    def with_body(self, body: Stmt) -> PrimFunc:
        """The same function around another body; itself when the body is the same object."""
        return self if body is self.body else PrimFunc(self.name, self.params, body)

    def __str__(self) -> str:
        from compiler.ir.text import print_function

        return print_function(self)
