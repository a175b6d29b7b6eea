"""Functions over buffers, the tensor intrinsics that targets provide, and the statement that applies one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from compiler.ir.expr import Buffer, Var
from compiler.ir.stmt import Region, Stmt


@dataclass(frozen=True, slots=True)
class PrimFunc:
    """A function over buffers: the unit that passes rewrite and targets compile.

    Parameters
    ----------
    name : str
        The symbol that it is compiled to.
    params : tuple of Buffer
        Arguments in the order of the call.
    body : Stmt
    """

    name: str
    params: tuple[Buffer, ...]
    body: Stmt

    @property
    def sizes(self) -> tuple[Var, ...]:
        """The dynamic extents, in the order of their first use by a parameter."""
        return tuple(dict.fromkeys(size for buffer in self.params for size in buffer.sizes))

    def with_body(self, body: Stmt) -> PrimFunc:
        """This function with another body; itself if the body is the same object."""
        return self if body is self.body else PrimFunc(self.name, self.params, body)

    text: ClassVar[Callable[[PrimFunc], str]] = repr
    """What ``str(function)`` returns; `compiler.ir.text.printer`, which imports this module, sets it."""

    def __str__(self) -> str:
        return PrimFunc.text(self)


@dataclass(frozen=True, slots=True, eq=False)
class Intrinsic:
    """A tensor operation that targets provide as one instruction; an intrinsic is equal only to itself.

    Parameters
    ----------
    name : str
        An identifier.
    description : PrimFunc
        What it computes, on compact buffers of fixed shape. A target without an implementation runs this.
    implementations : mapping of str to callable, optional
        Kind of target -> ``(*regions) -> Stmt``: the statement that replaces it there.
    """

    name: str
    description: PrimFunc
    implementations: Mapping[str, Callable[..., Stmt]] = field(default_factory=dict)

    def __call__(self, *operands: Region) -> Stmt:
        """The statement that applies it to one region per parameter."""
        return Invoke(self, operands)


@dataclass(frozen=True, slots=True)
class Invoke(Stmt):
    """Applies a tensor intrinsic to one region per parameter of its description."""

    intrinsic: Intrinsic
    operands: tuple[Region, ...]
