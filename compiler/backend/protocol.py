"""`Backend`: the interface of the code generator of a kind of target; `Hardware`: what a target provides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from compiler.ir.function import PrimFunc
    from compiler.ir.semantics.foreign import Externs
    from compiler.passes import Pass
    from compiler.runtime.artifact import Artifact
    from compiler.runtime.device import Device
    from compiler.runtime.module import Module

Options = tuple[tuple[str, str], ...]
"""Names and values of all options of a target, defaults included, in the order of `Backend.option_names`."""


class TargetError(ValueError):
    """A target that does not exist or is not supported yet, or whose requirements are not installed."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """The properties of a target on which schedules and code depend.

    Attributes
    ----------
    vector_bits : int
        Width of a vector register; 0 where there are none.
    vector_registers : int
        Number of vector registers.
    caches : tuple of int
        Bytes of the data caches that one thread uses, the nearest first.
    threads : int
        Threads that run at the same time.
    memories : mapping of str to (int or None)
        Scope of a buffer -> bytes of that memory, None where it has no fixed limit. A target has no
        memory for other scopes.
    byte_products : bool
        Whether one instruction multiplies the bytes of each lane of int32 in fours and adds the products.
    pair_products : bool
        Whether one instruction multiplies the int16 of each lane of int32 in pairs and adds the products.
    lane_operands : bool
        Whether a multiply-add takes one lane of a vector register as an operand for all lanes.
    """

    vector_bits: int = 0
    vector_registers: int = 0
    caches: tuple[int, ...] = ()
    threads: int = 1
    memories: Mapping[str, int | None] = field(default_factory=dict)
    byte_products: bool = False
    pair_products: bool = False
    lane_operands: bool = False


class Backend(Protocol):
    """The code generator of one kind of target.

    A back end receives the `Options` of a target, not a `Target`, which depends on the back ends.
    `compiler.backend.registry` looks it up by its kind.
    """

    @property
    def kind(self) -> str:
        """The first word of a target's text."""
        ...

    @property
    def option_names(self) -> tuple[str, ...]:
        """The options that a target of this kind may have, in the order in which they are printed."""
        ...

    @property
    def passes(self) -> tuple[Pass, ...]:
        """The passes that lower a loop nest to a program that `compile` takes, in order."""
        ...

    def complete(self, given: Mapping[str, str]) -> Options:
        """All options of a target from those that are given.

        Raises
        ------
        TargetError
            For a value that does not exist or contradicts another.
        """
        ...

    def hardware(self, options: Options) -> Hardware:
        """The hardware of the target."""
        ...

    def missing(self, options: Options) -> str:
        """Why code for the target cannot be called in this process; empty if it can."""
        ...

    def device(self, index: int) -> Device:
        """A device of this kind in this machine.

        Raises
        ------
        ValueError
            If there is no such device, or devices of this kind use the memory of this process.
        """
        ...

    def compile(self, func: PrimFunc, options: Options) -> Artifact:
        """Generate code for a function after all passes.

        Raises
        ------
        ValueError
            If it has no code for the target.
        """
        ...

    def load(self, artifact: Artifact, externs: Externs | None = None) -> Module:
        """The module of an artifact, which calls the C functions `externs`.

        Its `missing` is the reason where it cannot run here.

        Raises
        ------
        HeaderError
            If the artifact's details are not what `compile` writes.
        MissingExternError
            If it calls a C function that is not given.
        ValueError
            If its code cannot be loaded.
        """
        ...
