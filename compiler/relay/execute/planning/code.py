"""`Kernel`: the machine code of a primitive function, and how its arguments are bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import cast

import numpy as np

from compiler.ir.dtype import bits_of
from compiler.runtime.array import as_aligned, empty
from compiler.runtime.artifact import Artifact


@dataclass(frozen=True, slots=True)
class Operand:
    """What a parameter of a kernel is: ``("value", n)``, or ``("prepared", n)``.

    Values are the inputs of the primitive function, then its outputs; prepared are the buffers that are
    filled once from constants.
    """

    kind: str
    index: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """A compiled primitive function.

    Parameters
    ----------
    name : str
        Its operators, for people.
    main : Artifact
    operands : tuple of Operand
        Of `main`.
    prepare : Artifact, optional
        Fills the prepared buffers from constants; None where there are none.
    prepare_operands : tuple of Operand
    prepared : tuple of (shape, dtype)
        Of each prepared buffer.
    """

    name: str
    main: Artifact
    operands: tuple[Operand, ...]
    prepare: Artifact | None = None
    prepare_operands: tuple[Operand, ...] = ()
    prepared: tuple[tuple[tuple[int, ...], str], ...] = ()

    @property
    def reads(self) -> frozenset[int]:
        """The values that are arguments of `main`."""
        return frozenset(o.index for o in self.operands if o.kind == "value")

    def prepared_arrays(self, constants: Mapping[int, np.ndarray]) -> list[np.ndarray]:
        """The prepared buffers for the values of the constant inputs."""
        filled = [empty(shape, dtype) for shape, dtype in self.prepared]
        if self.prepare is not None:
            from compiler.backend.registry import backend  # imports the compiler

            module = backend(self.prepare.kind).load(self.prepare)
            parameters = []
            for operand, buffer in zip(self.prepare_operands, self.prepare.params, strict=True):
                if operand.kind == "prepared":
                    parameters.append(filled[operand.index])
                else:
                    shape = cast("tuple[int, ...]", buffer.shape)
                    given = constants[operand.index].reshape(shape)
                    # a tensor of a model file begins anywhere
                    parameters.append(given if given.flags.aligned else as_aligned(given))
            module(*parameters)
        return filled


def nbytes(shape: Sequence[int], dtype: str) -> int:
    """Bytes of a tensor."""
    return prod(shape) * bits_of(dtype) // 8
