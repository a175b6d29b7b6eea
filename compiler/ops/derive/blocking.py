"""Multi-level tiling of a reduction: the choices, and their defaults from the caches of a target.

The loops are SSSRRS (Ansor, arXiv 2006.06762, section 4.1): blocks that run in parallel, blocks for the
caches, tiles, the reduction, and a register tile whose vectors are unrolled. A reduction in blocks is SSRSRS:
the partial sums of a block are kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from compiler.backend import Target
from compiler.ir.dtype import bits_of
from compiler.ops.derive.access import box, depends, extents, iterations, shape_of, stride
from compiler.ops.derive.tile import Operand, Tile, needs_copy, operands, shared_axes, tiles
from compiler.ops.knobs import Knobs
from compiler.ops.tiles import cache_bytes, covering
from compiler.te.tensor import Compute, Placeholder

BLOCKS = (1, 2, 4, 8, 16, 32, 64)
STEPS = (64, 128, 256, 512, 1024)
UNROLL = (0, 64, 256)
"""Multiply-adds in the body of the loop over the reduction."""

WHOLE = 0
"""In place of a number of tiles or of steps: all of them."""


@dataclass(frozen=True)
class Choices:
    """The choices of one tiled reduction."""

    tile: Tile
    inner: tuple[int, ...]
    outer: tuple[int, ...]
    innermost: int
    steps: int
    unroll: int
    packs: tuple[str, ...]
    order: tuple[int, ...] = ()
    """The axes in the order of their outer blocks; by default their own."""

    def blocks(self, d: int, count: int) -> tuple[int, int, int]:
        """How `count` tiles of an axis are divided: outer blocks, blocks in each, and tiles of these."""
        within = _even(count, self.inner[d])
        around = _even(covering(count, within), self.outer[d])
        return covering(count, within * around), around, within


def _even(count: int, most: int) -> int:
    """The length of blocks of at most so many items: a divisor, or blocks of nearly the same length."""
    if most == WHOLE:
        return count
    most = min(most, count)
    divisor = max(n for n in range(1, most + 1) if count % n == 0)
    return divisor if 2 * divisor > most else covering(count, covering(count, most))


@dataclass(frozen=True)
class Space:
    """What the choices of a tiled reduction are among, with the defaults for a target."""

    op: Compute
    operands: tuple[Operand, ...]
    tiles: tuple[Tile, ...]
    cost: float
    target: Target

    @staticmethod
    def of(op: Compute, target: Target) -> Space:
        """The space of a reduction on a target."""
        ranked = tiles(op, target)
        return Space(op, tuple(operands(op)), tuple(t for _, t in ranked), ranked[0][0], target)

    def choose(self, knobs: Knobs, name: str, held: Sequence[bool]) -> Choices:
        """Request the knobs.

        Parameters
        ----------
        knobs : Knobs
        name : str
            The prefix of their names.
        held : sequence of bool
            For each data axis whether the default block extends along all of it.
        """
        plain = [(t.axis, t.lanes, *t.factors) for t in self.tiles]
        axis, lanes, *factors = knobs.choice(f"{name}.tile", plain)
        best = self.tiles[0]
        counts = extents(self.op.axes)
        long = [d for d, n in enumerate(counts) if n > 1]
        first = self._innermost(best)
        innermost = knobs.choice(f"{name}.innermost", long, default=first) if len(long) > 1 else first
        order = self._order(knobs, name)
        inner, outer = [1] * len(counts), [1] * len(counts)
        for d in long:
            within = self._block(best, d, d == first)
            default = (within, WHOLE if held[d] and within != WHOLE else 1)
            if d in shared_axes(self.op, self.operands):  # nothing is read again along it
                inner[d], outer[d] = default
                continue
            label = f"{name}.{self.op.axes[d].name}{d}"
            inner[d], outer[d] = knobs.choice(label, self._pairs(d, default), default=default)
            knobs.require(
                {f"{name}.tile": _factor(d), label: _within},
                lambda factor, within, n=counts[d]: within == WHOLE or factor * within < n,
                "a block shorter than its axis has fewer tiles",
            )
        total = max((n for n in extents(self.op.reduce_axis)), default=1)
        lengths = [*(b for b in STEPS if b < total), WHOLE]
        steps = knobs.choice(f"{name}.steps", lengths, default=self._steps(best, total))
        unroll = knobs.choice(f"{name}.unroll", UNROLL, default=64)
        packs = tuple(self._choose_pack(knobs, name, n) for n in range(len(self.operands)))
        return Choices(
            Tile(axis, lanes, tuple(factors)),
            tuple(inner),
            tuple(outer),
            innermost,
            steps,
            unroll,
            packs,
            order,
        )

    def _pairs(self, d: int, default: tuple[int, int]) -> list[tuple[int, int]]:
        """Tiles of a block of an axis, and the blocks of an outer block; a whole block has none around."""
        count = self.op.axes[d].extent
        pairs = [(b, n) for b in BLOCKS if b < count for n in (1, 4, WHOLE) if n == WHOLE or b * n < count]
        return list(dict.fromkeys([*pairs, (WHOLE, 1), default]))

    def _order(self, knobs: Knobs, name: str) -> tuple[int, ...]:
        """The order of the outer blocks: axes that all operands have stay outside, another one follows."""
        op, best = self.op, self.tiles[0]
        counts = extents(op.axes)
        shared = shared_axes(op, self.operands)
        free = [d for d in range(len(counts)) if d not in shared]
        long = [d for d in free if counts[d] > 1]
        if len(long) < 2:
            return tuple(range(len(counts)))
        default = best.axis if self._by_panels(best) else long[0]
        outermost = knobs.choice(f"{name}.outermost", long, default=default)
        if shared and shared != list(range(len(shared))):
            return (outermost, *(d for d in range(len(counts)) if d != outermost))
        return (*shared, outermost, *(d for d in free if d != outermost))

    def _by_panels(self, tile: Tile) -> bool:
        """Whether all tiles of the rows are multiplied by one panel of vectors after the other.

        Nothing has to be computed for the rows before, and each thread has a panel that stays in the
        second-level cache.
        """
        op = self.op
        if not op.axes or tile.lanes == 1:
            return False
        given = all(isinstance(o.read.tensor.op, Placeholder) for o in self.operands)
        panels = covering(op.axes[tile.axis].extent, tile.factors[tile.axis])
        fits = 2 * self._bytes(tile, tile.axis) <= cache_bytes(self.target, 1)
        return given and fits and panels >= max(2, self.target.hardware.threads)

    def _choose_pack(self, knobs: Knobs, name: str, number: int) -> str:
        """Request where an operand is copied, if that is not determined by the tile."""
        operand = self.operands[number]
        if not any(operand.can_pack(tile) for tile in self.tiles):
            return "none"
        label = f"{name}.pack{number}"
        where = knobs.choice(label, ("none", "root", "block"), default=self._pack(self.tiles[0], operand))
        needs = {(t.axis, t.lanes, *t.factors): self._freedom(t, operand) for t in self.tiles}
        knobs.require(
            {f"{name}.tile": lambda tile: needs[tuple(tile)], label: lambda where: where != "none"},
            lambda need, copied: need == "free" or copied == (need == "copy"),
            "only an operand that a tile reads in parts is copied, and always where its vectors are apart",
        )
        return where

    def _freedom(self, tile: Tile, operand: Operand) -> str:
        if not operand.can_pack(tile):
            return "none"
        return "copy" if needs_copy(self.op, operand, tile) else "free"

    def _bytes(self, tile: Tile, d: int) -> int:
        """Bytes of the operands that the tiles along an axis do not have in common."""
        op = self.op
        widths = {a.var: tile.factors[e] for e, a in enumerate(op.axes)}
        widths |= {a.var: int(a.start + a.extent) for a in op.reduce_axis}
        parts = [o.read for o in self.operands if depends(o.read, op.axes[d].var)]
        return sum(prod(box([read], widths)) * bits_of(read.dtype) // 8 for read in parts) or 1

    def _innermost(self, tile: Tile) -> int:
        """The axis of the innermost loop over tiles: the operand that stays is the largest panel."""
        long = [d for d, a in enumerate(self.op.axes) if a.extent > 1]
        if not long:
            return 0
        others = [d for d in long if covering(self.op.axes[d].extent, tile.factors[d]) > 1 and d != tile.axis]
        return max(others or long, key=lambda d: (tile.factors[d] > 1, d))

    def _block(self, tile: Tile, d: int, innermost: bool) -> int:
        """Tiles of a block along an axis: those of the innermost one whose operands stay in the cache."""
        count = covering(self.op.axes[d].extent, tile.factors[d])
        if count == 1 or (innermost and self._by_panels(tile)):
            return WHOLE
        if not innermost:
            return 1
        fits = cache_bytes(self.target, 1) // 4 // self._bytes(tile, d)
        return WHOLE if count <= fits else max((b for b in BLOCKS if b <= fits and b < count), default=1)

    def _steps(self, tile: Tile, total: int) -> int:
        """Steps of the reduction whose vectors stay in the second-level cache."""
        along = self._bytes(tile, tile.axis) if self.op.axes else 1
        fits = cache_bytes(self.target, 1) // 8
        if along <= fits:
            return WHOLE
        return max((b for b in STEPS[1:] if b < total and along * b // total <= fits), default=WHOLE)

    def _pack(self, tile: Tile, operand: Operand) -> str:
        """Whether to copy an operand: where vectors need it, and where a copy is reused enough to pay."""
        if not operand.can_pack(tile):
            return "none"
        op, read = self.op, operand.read
        reused = iterations(op) / prod(shape_of(read.tensor))
        where = "root" if depends(read, op.axes[tile.axis].var) else "block"
        if needs_copy(op, operand, tile):
            return where
        if where == "root":
            return (
                ("block" if self._by_panels(tile) else "root") if reused >= 64 and tile.lanes > 1 else "none"
            )
        # elements that a row has one after the other are read where they are
        contiguous = any(stride(read, a.var) == 1 for a in op.reduce_axis)
        return "block" if reused >= 128 and not contiguous else "none"


def _factor(d: int) -> Callable[[Sequence[int]], int]:
    return lambda tile: tile[2 + d]


def _within(block: Sequence[int]) -> int:
    return block[0]
