"""`Plan`: everything that running a data-flow program needs, as data: kernels, calls, places of tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from compiler.relay.execute.planning.code import Kernel, nbytes
from compiler.relay.execute.planning.memory import MemoryPlan
from compiler.relay.execute.planning.nested import Nested
from compiler.relay.language.types import Type


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor in memory.

    Parameters
    ----------
    kind : str
        ``"input"``, ``"result"`` (an array that the call returns), ``"array"`` (of `Plan.arrays`) or
        ``"arena"``.
    number : int
        Of the input, the result or the array; the offset in the arena.
    shape : tuple of int
    dtype : str
    """

    kind: str
    number: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        return nbytes(self.shape, self.dtype)


@dataclass(frozen=True, slots=True)
class Planned:
    """A call of a kernel, or of operators that are evaluated by their definitions.

    Parameters
    ----------
    name : str
        Its operators.
    origin : str
        Where it is from.
    kernel : int
        Of `Plan.kernels`; -1 where operators are evaluated.
    operands : tuple of Place
        Of the kernel.
    workspace : int
        Offset of the kernel's scratch memory in the arena.
    recipe : tuple, optional
        What is evaluated, see `compiler.relay.execute.planning.evaluate`.
    inputs, outputs : tuple of Place
    flops : int
        Arithmetic operations, by the definitions of the operators.
    """

    name: str
    origin: str
    kernel: int
    operands: tuple[Place, ...]
    workspace: int
    recipe: Any
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    flops: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of its inputs and outputs."""
        return sum(place.nbytes for place in (*self.inputs, *self.outputs))


@dataclass(frozen=True, slots=True)
class Plan:
    """A data-flow program, compiled.

    Parameters
    ----------
    parameters : tuple of (str, Type)
    result_type : Type
    target : str
    kernels : tuple of Kernel
    arrays : tuple of ndarray
        Constants, and what kernels prepare from them.
    calls : tuple of Planned
    results : tuple of (int, int)
        Bytes that each result needs: ``(number of bytes, place of its type)``.
    result : nested tuples of Place
        The result's tensors.
    memory : MemoryPlan
    """

    parameters: tuple[tuple[str, Type], ...]
    result_type: Type
    target: str
    kernels: tuple[Kernel, ...]
    arrays: tuple[np.ndarray, ...]
    calls: tuple[Planned, ...]
    results: tuple[int, ...]
    result: Nested
    memory: MemoryPlan
    details: dict[str, Any] = field(default_factory=dict)
