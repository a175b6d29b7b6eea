"""Declared tensor intrinsics, the argument of `Stage.tensorize`."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir.function import Intrinsic
from compiler.te.tensor import Compute


@dataclass(frozen=True, slots=True, eq=False)
class TensorIntrinsic:
    """An operation that a target provides as one instruction. Made by `compiler.te.decl_tensor_intrin`.

    Attributes
    ----------
    name : str
    op : Compute
        The computation.
    whole : Intrinsic
        The whole operation; its operands are one region per input, then one per output.
    reset, update : Intrinsic, optional
        The two parts of a reduction: the first sets its outputs to the identity, the second adds terms to
        them.
    """

    name: str
    op: Compute
    whole: Intrinsic
    reset: Intrinsic | None = None
    update: Intrinsic | None = None

    def as_json(self) -> dict[str, str]:
        """The form of the intrinsic in the trace of a schedule."""
        return {"intrinsic": self.name}
