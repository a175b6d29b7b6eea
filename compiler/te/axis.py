"""Axes of operations and of schedules, axes of threads, and the extents that they and tensors have."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

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


def axis_names(fcompute: Callable, shape: Sequence[Any], name: str) -> list[str]:
    """The names of the indices that a function takes: of its positional parameters without a default.

    A parameter with a default is no axis, so that a function can hold a value: ``lambda i, a=A: a[i]``.
    One name is missing for complex numbers, which are pairs along the last axis.
    """
    ndim = len(shape)
    try:
        parameters = _parameters(fcompute)
    except ValueError:  # a function in C without a signature
        return [f"i{d}" for d in range(ndim)]
    needed = [
        p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    keyword = [p.name for p in needed if p.kind is p.KEYWORD_ONLY]
    if keyword:
        raise ValueError(
            f"{name!r}: indices are positional, but its function has the keyword-only parameter "
            f"{keyword[0]!r} without a default"
        )
    names = [p.name for p in needed]
    kinds = [p.kind for p in parameters if p in needed or p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
    # an index behind a parameter with a default would take its place
    if inspect.Parameter.VAR_POSITIONAL in kinds and len(kinds) == len(needed) + 1:
        names += [f"i{d}" for d in range(len(names), ndim)]
    if len(names) != ndim and not (len(names) == ndim - 1 and isinstance(shape[-1], int) and shape[-1] == 2):
        defaults = " (a parameter with a default is no index)" if len(needed) < len(parameters) else ""
        raise ValueError(
            f"{name!r} has {ndim} dimension(s), but its function takes {len(names)} index(es){defaults}"
        )
    return names


# a template makes the same functions for each candidate of a search
_PARAMETERS: WeakKeyDictionary[types.CodeType, tuple[int, list[inspect.Parameter]]] = WeakKeyDictionary()


def _parameters(function: Callable) -> list[inspect.Parameter]:
    """The parameters of a function; those of a plain one are found once for its code."""
    if type(function) is not types.FunctionType or function.__dict__ or function.__kwdefaults__:
        return list(inspect.signature(function).parameters.values())
    code, defaults = function.__code__, len(function.__defaults__ or ())
    known = _PARAMETERS.get(code)
    if known is None or known[0] != defaults:
        known = _PARAMETERS[code] = defaults, list(inspect.signature(function).parameters.values())
    return known[1]
