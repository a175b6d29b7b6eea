"""Buffers, the functions that work on them, and the intrinsics that functions invoke."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod

from compiler.ir.expr import Var, bits_of
from compiler.ir.stmt import Invoke, Region, Stmt

SCOPES = ("global", "shared", "warp", "local")
"""Memories that every target knows. A dotted name, as ``vta.acc``, is a memory of an accelerator."""

_OWN_SCOPE = re.compile(r"[a-z]\w*\.[a-z]\w*")


def is_scope(name: str) -> bool:
    """Whether `name` can be a scope: one of `SCOPES`, or the dotted name of an accelerator's memory."""
    return name in SCOPES or _OWN_SCOPE.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """A dense row-major array; two buffers are equal only if identical.

    Parameters
    ----------
    name : str
        For people; need not be unique.
    shape : tuple of int or Var
        Extents, outermost first. Those of a parameter may be sizes, variables with bounds that a call brings;
        a buffer of the function's own takes their upper bounds.
    dtype : str
        A type of `compiler.ir.expr.SCALAR_TYPES` or `PACKED_TYPES`. The elements of a packed type lie in
        bytes from the lowest bits up, in row-major order without gaps.
    scope : str
        ``"global"`` for main memory, ``"local"`` for registers and the stack of one thread, ``"shared"`` for
        memory that the threads of a block have in common; see `is_scope`.
    """

    name: str
    shape: tuple[int | Var, ...]
    dtype: str = "float32"
    scope: str = "global"

    @property
    def sizes(self) -> tuple[Var, ...]:
        """The extents that a call brings, in order."""
        return tuple(dict.fromkeys(extent for extent in self.shape if isinstance(extent, Var)))

    @property
    def size(self) -> int:
        """Number of elements; with sizes, the largest that it can be."""
        return prod(most(extent) for extent in self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of `size` elements."""
        return -(-self.size * bits_of(self.dtype) // 8)

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


def most(extent: int | Var) -> int:
    """The largest value of an extent."""
    if isinstance(extent, Var):
        assert extent.bounds is not None, f"{extent.name} is an extent without bounds"
        return extent.bounds[1]
    return extent


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

    @property
    def sizes(self) -> tuple[Var, ...]:
        """The extents that a call brings, in the order of their first use by a parameter."""
        return tuple(dict.fromkeys(size for buffer in self.params for size in buffer.sizes))

    def with_body(self, body: Stmt) -> PrimFunc:
        """The same function around another body; itself when the body is the same object."""
        return self if body is self.body else PrimFunc(self.name, self.params, body)

    def __str__(self) -> str:
        from compiler.ir.text.printer import print_function

        return print_function(self)


@dataclass(frozen=True, slots=True, eq=False)
class Intrinsic:
    """A tensor operation that a target does in one step; two are equal only if identical.

    Parameters
    ----------
    name : str
        An identifier.
    description : PrimFunc
        What it does, on compact buffers of fixed shape: its meaning, and what stands in for it on a
        target without an implementation.
    implementations : mapping of str to callable, optional
        Kind of target -> ``(*regions) -> Stmt``: the statement that takes its place there.
    """

    name: str
    description: PrimFunc
    implementations: Mapping[str, Callable[..., Stmt]] = field(default_factory=dict)

    def __call__(self, *operands: Region) -> Stmt:
        """The statement that applies it to one region for each parameter."""
        return Invoke(self, operands)
