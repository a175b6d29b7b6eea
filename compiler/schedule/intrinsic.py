"""A declared tensor operation, as `Stage.tensorize` takes it."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir.function import Intrinsic
from compiler.te.tensor import Compute


@dataclass(frozen=True, slots=True, eq=False)
class TensorIntrinsic:
    """An operation that a target does in one step. Made by `compiler.te.decl_tensor_intrin`.

    Attributes
    ----------
    name : str
    op : Compute
        What it computes.
    whole : Intrinsic
        The operation, on one region for each input, then for each output.
    reset, update : Intrinsic, optional
        The two halves of a reduction: its outputs become the identity; terms are added to its outputs.
    """

    name: str
    op: Compute
    whole: Intrinsic
    reset: Intrinsic | None = None
    update: Intrinsic | None = None

    def as_json(self) -> dict[str, str]:
        """How a trace of a schedule names it."""
        return {"intrinsic": self.name}
