"""Layouts: the positions of the elements of a tensor in its buffer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from compiler.errors import ScheduleError
from compiler.ir.address import in_type
from compiler.ir.expr import Binary, Const, Expr, Var, as_expr, binary
from compiler.ir.simplify.simplify import Interval, Simplifier
from compiler.ir.text import print_expr
from compiler.ir.visit import substitute
from compiler.schedule.marks import Marks
from compiler.te.axis import IterVar

IndexMap = Callable[..., Sequence[Any]] | Sequence[Any]
"""A function from the indices of an element to those in the buffer; or the result of `Layout.as_json`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A map from the indices of an element to its indices in the buffer.

    Attributes
    ----------
    axes : tuple of Var
        The indices of the element.
    indices : tuple of Expr
        The indices in the buffer, in terms of `axes`.
    """

    axes: tuple[Var, ...]
    indices: tuple[Expr, ...]

    def at(self, indices: Sequence[Expr]) -> tuple[Expr, ...]:
        """The indices in the buffer of an element."""
        where = {a: in_type(index, a.dtype) for a, index in zip(self.axes, indices, strict=True)}
        return tuple(substitute(index, where) for index in self.indices)

    def shape(self, extents: Sequence[int]) -> tuple[int, ...]:
        """The shape of a buffer for a tensor of the given extents."""
        ranges: dict[Var, Interval] = {v: (0, n - 1) for v, n in zip(self.axes, extents, strict=True)}
        return tuple(int(Simplifier(ranges).bounds(index)[1]) + 1 for index in self.indices)

    def as_json(self) -> list[Any]:
        """The indices as nested lists; an axis is ``"i0"``, ``"i1"`` and so on."""
        return [_encoded(index, self.axes) for index in self.indices]


def _encoded(expr: Expr, axes: tuple[Var, ...]) -> Any:
    if isinstance(expr, Var):
        return f"i{axes.index(expr)}"
    if isinstance(expr, Const):
        return int(expr.value)
    assert isinstance(expr, Binary)
    return [expr.op, _encoded(expr.a, axes), _encoded(expr.b, axes)]


def _decoded(item: Any, axes: tuple[Var, ...]) -> Expr:
    named = {f"i{position}": axis for position, axis in enumerate(axes)}
    if isinstance(item, str) and item in named:
        return named[item]
    if isinstance(item, int):
        return Const(item)
    if isinstance(item, list) and len(item) == 3 and item[0] in ("+", "*", "//", "%"):
        return binary(item[0], _decoded(item[1], axes), _decoded(item[2], axes))
    raise ScheduleError(
        f"an index of a layout is a number, an axis ({', '.join(named)}), or [operator, index, index] with "
        f"+, *, // or %; not {item!r}"
    )


def layout_of(stage: Marks, index_map: IndexMap) -> Layout:
    """The layout that a function of the indices, or its JSON form, describes."""
    axes = tuple(Var(a.name, a.dtype) for a in stage.op.axis)
    if callable(index_map):
        parameters = inspect.signature(index_map).parameters.values()
        takes = len(parameters)
        if takes != len(axes) and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            raise ScheduleError(
                f"{stage.name}: transform_layout takes a function of {len(axes)} indices "
                f"({', '.join(v.name for v in axes)}), not of {takes}"
            )
        indices = tuple(as_expr(index) for index in index_map(*axes))
    else:
        indices = tuple(_decoded(item, axes) for item in index_map)
    return Layout(axes, indices)


def apply_layout(stage: Marks, layout: Layout) -> list[IterVar]:
    """Split, fuse and reorder the loops of a stage so that they traverse its buffer in order.

    Each index of the buffer must be an axis; ``c // n`` or ``c % n``, which a split makes; or ``a * n + b``
    where b has n values, which a fuse makes.

    Returns
    -------
    list of IterVar
        The loops, outermost first.
    """
    loops = _Loops(stage, layout)
    axes = [loops.of(index) for index in layout.indices]
    data = [a for a in stage.leaf if a.kind == "data"]
    if sorted(map(id, axes)) != sorted(map(id, data)):
        missing = [a.name for a in data if a not in axes]
        what = f"drops {', '.join(missing)}" if missing else "uses an axis twice"
        raise ScheduleError(
            f"{stage.name}: transform_layout must use each axis once, but it {what}; with `c // n` among the "
            "indices, `c % n` must be there too"
        )
    stage.leaf = axes + [a for a in stage.leaf if a.kind == "reduce"]
    return axes


class _Loops:
    """Finds or makes, by splits and fuses, the loop that corresponds to each index of a buffer."""

    def __init__(self, stage: Marks, layout: Layout) -> None:
        self.stage = stage
        self.loops: dict[Expr, IterVar] = dict(zip(layout.axes, stage.op.axis, strict=True))
        self.splits: dict[tuple[Expr, int], tuple[IterVar, IterVar]] = {}

    def of(self, index: Expr) -> IterVar:
        if index not in self.loops:
            self.loops[index] = self._made(index)
        return self.loops[index]

    def _made(self, index: Expr) -> IterVar:
        if isinstance(index, Binary) and index.op in ("//", "%") and isinstance(index.b, Const):
            key = (index.a, int(index.b.value))
            if key not in self.splits:
                whole = self.of(index.a)
                self._free(whole, index)
                self.splits[key] = self.stage.split(whole, key[1])
            return self.splits[key][0 if index.op == "//" else 1]
        if (
            isinstance(index, Binary)
            and index.op == "+"
            and isinstance(index.a, Binary)
            and index.a.op == "*"
        ):
            outer, inner, width = self.of(index.a.a), self.of(index.b), index.a.b
            if width == Const(inner.extent) if isinstance(inner.extent, int) else False:
                self._free(outer, index)
                self._free(inner, index)
                leaf = [a for a in self.stage.leaf if a is not inner]
                leaf.insert(leaf.index(outer) + 1, inner)
                self.stage.leaf = leaf
                return self.stage.fuse(outer, inner)
        raise self.refused(index)

    def _free(self, axis: IterVar, index: Expr) -> None:
        if axis not in self.stage.leaf:
            raise self.refused(index)

    def refused(self, index: Expr) -> ScheduleError:
        return ScheduleError(
            f"{self.stage.name}: transform_layout does not support the index "
            f"{print_expr(index)}; it supports an axis, `c // n` with `c % n`, and `a * n + b` where b has n "
            "values, of axes not used elsewhere"
        )
