"""How the axes of a schedule come from one another.

A relation knows two things: the extents of the new axes given the extent of the old
one (down), and the value of the old axis given those of the new ones (up).
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir.expr import Expr, binary
from compiler.te.axis import Extent, IterVar

Extents = dict[IterVar, Extent]
Values = dict[IterVar, Expr]


def parts(whole: Extent, size: int) -> Extent:
    """How many pieces of `size` cover `whole`."""
    return -(-whole // size) if isinstance(whole, int) else (whole + (size - 1)) // size


def at_most(size: int, whole: Extent) -> int:
    """`size`, or `whole` if that is known to be less."""
    return min(size, whole) if isinstance(whole, int) else size


@dataclass(frozen=True, slots=True)
class Split:
    """``parent = outer * extent(inner) + inner``; the one of `factor` and `nparts` that is given leads."""

    parent: IterVar
    outer: IterVar
    inner: IterVar
    factor: int | None
    nparts: int | None

    def down(self, extents: Extents) -> None:
        """Set the extents of the new axes."""
        whole = extents[self.parent]
        if self.factor is not None:
            size = at_most(self.factor, whole)
            extents[self.inner], extents[self.outer] = size, parts(whole, size)
        else:
            assert self.nparts is not None
            size = at_most(self.nparts, whole)
            extents[self.outer], extents[self.inner] = size, parts(whole, size)

    def up(self, values: Values, extents: Extents) -> None:
        """Set the value of the old axis."""
        values[self.parent] = binary(
            "+", binary("*", values[self.outer], extents[self.inner]), values[self.inner]
        )

    def conditions(self, values: Values, extents: Extents) -> list[Expr]:
        """What keeps the old axis inside its extent where the new ones go past its end.

        It is asked of every split by itself: the inner axis of a split that is split again may go past its
        end while the whole index is still inside, and then meets an element that is met elsewhere.
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
        extents[self.fused] = extents[self.outer] * extents[self.inner]

    def up(self, values: Values, extents: Extents) -> None:
        """Set the values of the old axes."""
        width = extents[self.inner]
        values[self.outer] = binary("//", values[self.fused], width)
        values[self.inner] = binary("%", values[self.fused], width)

    def conditions(self, values: Values, extents: Extents) -> list[Expr]:
        """None: a fused axis covers exactly the old ones."""
        return []

    @property
    def kind(self) -> str:
        """The kind of the axes."""
        return self.outer.kind


Relation = Split | Fuse
