"""The relations between the axes of a stage: splits and fuses.

A relation computes the extents of the new axes from those of the old ones (`down`), and the values of the old
axes from those of the new ones (`up`).
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir.address import in_type, widened
from compiler.ir.expr import Expr, as_expr, binary
from compiler.ir.simplify.simplify import Simplifier
from compiler.te.axis import Extent, IterVar

Extents = dict[IterVar, Extent]
Values = dict[IterVar, Expr]


def ceil_div(whole: Extent, size: int) -> Extent:
    """``ceil(whole / size)``."""
    return -(-whole // size) if isinstance(whole, int) else (whole + (size - 1)) // size


def product(a: Extent, b: Extent) -> Extent:
    """``a * b``, in a type that holds it."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    most = 1.0
    for extent in (a, b):
        most *= extent if isinstance(extent, int) else Simplifier({}).bounds(extent)[1]
    return binary("*", widened(as_expr(a), int(min(most, 2.0**62))), b)


def min_extent(size: int, whole: Extent) -> int:
    """The extent of a loop that is split by `size`: at most `whole`, if that is an integer; at least 1."""
    return max(1, min(size, whole)) if isinstance(whole, int) else size


@dataclass(frozen=True, slots=True)
class Split:
    """``parent = outer * extent(inner) + inner``, by the extent of the inner or of the outer axis."""

    parent: IterVar
    outer: IterVar
    inner: IterVar
    factor: int | None
    nparts: int | None

    def down(self, extents: Extents) -> None:
        """Set the extents of the new axes."""
        whole = extents[self.parent]
        if self.factor is not None:
            size = min_extent(self.factor, whole)
            extents[self.inner], extents[self.outer] = size, ceil_div(whole, size)
        else:
            assert self.nparts is not None
            size = min_extent(self.nparts, whole)
            extents[self.outer], extents[self.inner] = size, ceil_div(whole, size)

    def up(self, values: Values, extents: Extents) -> None:
        """Set the value of the old axis."""
        values[self.parent] = binary(
            "+",
            binary("*", in_type(values[self.outer], self.parent.dtype), extents[self.inner]),
            in_type(values[self.inner], self.parent.dtype),
        )

    def conditions(self, values: Values, extents: Extents) -> list[Expr]:
        """The conditions under which the old axis is within its extent.

        Each split needs its condition. The inner axis of a split may be split again, and run past its extent
        while the index is still within the tensor: without the condition an element is computed twice.
        """
        whole = extents[self.parent]
        if isinstance(whole, int) and extents[self.outer] * extents[self.inner] == whole:
            return []
        return [binary("<", values[self.parent], whole)]

    @property
    def kind(self) -> str:
        """The kind of the axes."""
        return self.parent.kind


@dataclass(frozen=True, slots=True)
class Fuse:
    """``outer = fused // extent(inner)`` and ``inner = fused % extent(inner)``."""

    outer: IterVar
    inner: IterVar
    fused: IterVar

    def down(self, extents: Extents) -> None:
        """Set the extent of the new axis."""
        extents[self.fused] = product(extents[self.outer], extents[self.inner])

    def up(self, values: Values, extents: Extents) -> None:
        """Set the values of the old axes."""
        width = extents[self.inner]
        if isinstance(width, int):
            width = max(1, width)  # a loop without iterations has no values
        values[self.outer] = in_type(binary("//", values[self.fused], width), self.outer.dtype)
        values[self.inner] = in_type(binary("%", values[self.fused], width), self.inner.dtype)

    def conditions(self, values: Values, extents: Extents) -> list[Expr]:
        """No conditions: the values of a fused axis are exactly those of the old axes."""
        return []

    @property
    def kind(self) -> str:
        """The kind of the axes."""
        return self.outer.kind


Relation = Split | Fuse
