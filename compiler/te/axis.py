"""Axes of operations and of schedules, axes of threads, and the extents that they and tensors have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compiler.ir.compare import by_identity
from compiler.ir.dtype import index_type
from compiler.ir.expr import Expr, Var
from compiler.ir.text import print_expr

Extent = int | Expr
"""A number of iterations: an integer, or an expression of dynamic extents."""

Shape = tuple[int | Var, ...]
"""Extents of a tensor: integers, or dynamic extents (see `compiler.te.size_var`)."""


@by_identity
@dataclass(frozen=True, slots=True, eq=False)
class IterVar(Expr):
    """An axis of an operation or of a schedule: a variable and the values it takes.

    Parameters
    ----------
    var : Var
    extent : int or Expr
        The number of values: ``start .. start + extent - 1``.
    kind : str
        ``"data"`` for an axis of the output, ``"reduce"`` for an axis that is reduced over.
    start : int or Expr
        The first value; zero unless it is a reduce axis.
    """

    var: Var
    extent: Any  # int | Expr; Any, since most callers have axes of integer extent
    kind: str = "data"
    start: Extent = 0

    @property
    def dtype(self) -> str:  # type: ignore[override]
        """Type of the variable."""
        return self.var.dtype

    @property
    def name(self) -> str:
        """Name of the variable."""
        return self.var.name

    def as_expr(self) -> Var:
        """The variable, which represents the axis in an expression."""
        return self.var

    def __repr__(self) -> str:
        extent = print_expr(self.extent) if isinstance(self.extent, Expr) else self.extent
        return f"{self.kind} axis {self.name}({extent})"


def new_axis(name: str, extent: Extent, kind: str = "data", start: Extent = 0, dtype: str = "") -> IterVar:
    """An axis with a new variable, of a type that holds its values, or of the given one."""
    end = extent if isinstance(start, int) and start == 0 else start + extent
    dtype = dtype or (index_type(end) if isinstance(end, int) else end.dtype)
    return IterVar(Var(name, dtype), extent, kind, start)


@dataclass(frozen=True, slots=True)
class ThreadAxis:
    """An axis of the threads that a loop can be bound to.

    Parameters
    ----------
    tag : str
        A tag of `compiler.ir.stmt.THREAD_TAGS`, or ``"vthread"``.
    extent : int, optional
        The number of threads; None for as many as the loop has iterations.
    """

    tag: str
    extent: int | None = None

    def as_json(self) -> dict[str, list[Any]]:
        """The form of the axis in the trace of a schedule."""
        return {"thread_axis": [self.tag, self.extent]}
