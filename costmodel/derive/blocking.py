"""Multi-level tiling of a reduction: the choices, and their defaults from the caches of a target.

The loops are SSSRRS (Ansor, arXiv 2006.06762, section 4.1): blocks that run in parallel, blocks for the
caches, tiles, the reduction, and a register tile whose vectors are unrolled. A reduction in blocks is SSRSRS:
the partial sums of a block are kept in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from compiler.backend import Target
from compiler.ir.dtype import bits_of
from compiler.ops.knobs import Knobs
from compiler.ops.tiles import cache_bytes, covering
from compiler.te.tensor import Compute
from costmodel.derive.access import box, depends, extents, iterations, shape_of, stride
from costmodel.derive.tile import Operand, Tile, operands, tiles

BLOCKS = (1, 2, 4, 8, 16, 32, 64)
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
        default = self._innermost(best)
        innermost = knobs.choice(f"{name}.innermost", long, default=default) if len(long) > 1 else default
        inner, outer = [1] * len(counts), [1] * len(counts)
        for d in long:
            label = f"{name}.{self.op.axes[d].name}{d}"
            blocks = [*(b for b in BLOCKS if b < counts[d]), WHOLE]
            inner[d] = knobs.choice(f"{label}.tiles", blocks, default=self._block(best, d, d == default))
            outer[d] = knobs.choice(f"{label}.blocks", blocks, default=WHOLE if held[d] else 1)
        total = max((n for n in extents(self.op.reduce_axis)), default=1)
        lengths = [*(b for b in (32, 64, 128, 256, 512, 1024) if b < total), WHOLE]
        steps = knobs.choice(f"{name}.steps", lengths, default=self._steps(best, total))
        unroll = knobs.choice(f"{name}.unroll", (0, 16, 64, 512), default=64)
        packs = tuple(
            knobs.choice(f"{name}.pack{n}", ("none", "root", "block"), default=self._pack(best, operand))
            if operand.axes
            else "none"
            for n, operand in enumerate(self.operands)
        )
        return Choices(
            Tile(axis, lanes, tuple(factors)), tuple(inner), tuple(outer), innermost, steps, unroll, packs
        )

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
        if not innermost:
            return 1
        fits = cache_bytes(self.target, 1) // 4 // self._bytes(tile, d)
        count = covering(self.op.axes[d].extent, tile.factors[d])
        if count <= fits and self.op.axes[d].extent not in BLOCKS:
            return WHOLE
        return max((b for b in BLOCKS if b <= fits and b < self.op.axes[d].extent), default=1)

    def _steps(self, tile: Tile, total: int) -> int:
        """Steps of the reduction whose vectors stay in the second-level cache."""
        along = self._bytes(tile, tile.axis) if self.op.axes else 1
        fits = cache_bytes(self.target, 1) // 8
        if along <= fits:
            return WHOLE
        return max(
            (b for b in (128, 256, 512, 1024) if b < total and along * b // total <= fits), default=WHOLE
        )

    def _pack(self, tile: Tile, operand: Operand) -> str:
        """Whether to copy an operand: where vectors need it, and where a copy is reused enough to pay."""
        if not operand.can_pack(tile):
            return "none"
        op, read = self.op, operand.read
        reused = iterations(op) / prod(shape_of(read.tensor))
        if depends(read, op.axes[tile.axis].var):
            along = stride(read, op.axes[tile.axis].var)
            uneven = op.axes[tile.axis].extent % tile.factors[tile.axis] != 0
            return "root" if (along != 1 or uneven or reused >= 64) and tile.lanes > 1 else "none"
        return "block" if reused >= 128 else "none"
