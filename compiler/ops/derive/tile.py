"""Register tiles of a reduction: which there are, and an estimate of how fast they are on a target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from typing import NamedTuple

from compiler.backend import Target
from compiler.ir.dtype import PACKED_TYPES, scalar_of
from compiler.ir.expr import Var
from compiler.ops.derive.access import depends, extents, mentions, shape_of, stride
from compiler.ops.tiles import ISSUE, LATENCY, PORTS, Registers, covering
from compiler.te.tensor import Compute, Placeholder, TensorRead, reads_of

FACTORS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28)
OPTIONS = 32
"""Number of register tiles to choose from."""

SLOWER = 2.0
"""How much slower than the best tile one may be, by estimate, to be worth a measurement."""

UNEVEN = 1.03
"""Relative cost of tiles that extend past the end, for the conditions around their stores."""

COPY = 2.0
"""Cycles to copy an element into a packed operand."""


class Tile(NamedTuple):
    """A register tile: the axis along which vectors lie, their lanes, and the extent along each data axis."""

    axis: int
    lanes: int
    factors: tuple[int, ...]

    @property
    def sums(self) -> int:
        """Number of accumulators."""
        return prod(self.factors) // self.lanes

    def inner(self) -> list[int]:
        """The axes along which the tile is longer than one, that of the vectors last."""
        longer = [d for d, f in enumerate(self.factors) if f > 1 and d != self.axis]
        along = bool(self.factors) and self.factors[self.axis] > 1
        return longer + [self.axis] if along else longer


@dataclass(frozen=True)
class Operand:
    """A read of a reduction, and how it can be packed.

    Attributes
    ----------
    read : TensorRead
    axes : dict of int to int
        Dimension -> the data axis that is its index.
    """

    read: TensorRead
    axes: dict[int, int]

    @staticmethod
    def of(op: Compute, read: TensorRead) -> Operand:
        """The operand that a read of a reduction is."""
        places = {a.var: d for d, a in enumerate(op.axes)}
        axes = {k: places[i] for k, i in enumerate(read.indices) if isinstance(i, Var) and i in places}
        # an axis that occurs in two indices cannot be divided along one of them
        single = {
            k: d
            for k, d in axes.items()
            if sum(mentions(index, op.axes[d].var) for index in read.indices) == 1
        }
        return Operand(read, single)

    def can_pack(self, tile: Tile) -> bool:
        """Whether a copy can hold the elements that a tile reads next to each other."""
        kind = scalar_of(self.read.dtype)
        plain = kind != "bool" and kind not in PACKED_TYPES
        return plain and any(tile.factors[d] > 1 for d in self.axes.values())


def operands(op: Compute) -> list[Operand]:
    """The different reads of a reduction."""
    return [Operand.of(op, read) for read in dict.fromkeys(reads_of(op.exprs))]


def shared_axes(op: Compute, reads: Sequence[Operand]) -> list[int]:
    """The data axes along which every operand has elements of its own, as the batch of a product has.

    Of an operation of one operand there are none: all that it reads is read once.
    """
    if len(reads) < 2:
        return []
    return [d for d, a in enumerate(op.axes) if all(depends(o.read, a.var) for o in reads)]


def is_split_unevenly(op: Compute, operand: Operand, tile: Tile) -> bool:
    """Whether an operand is computed before, and the last tile extends past the end of it."""
    uneven = any(op.axes[d].extent % tile.factors[d] for d in operand.axes.values())
    return uneven and not isinstance(operand.read.tensor.op, Placeholder)


def needs_copy(op: Compute, operand: Operand, tile: Tile) -> bool:
    """Whether a vector of the operand is not contiguous in memory, or a tile extends past the end of it.

    Of an operand that is computed before, a copy keeps the part that one block reads within bounds.
    """
    if is_split_unevenly(op, operand, tile):
        return True
    if tile.lanes == 1 or tile.axis not in operand.axes.values():
        return False
    axis = op.axes[tile.axis]
    return stride(operand.read, axis.var) != 1 or axis.extent % tile.factors[tile.axis] != 0


def tiles(op: Compute, target: Target) -> list[tuple[float, Tile]]:
    """The register tiles to choose from, by estimated cycles, the best first."""
    registers = Registers.of(target, op.dtype)
    reads = operands(op)
    fitting = (t for t in _candidates(op, reads, registers) if needed(op, reads, t) <= registers.count)
    found = {tile: cycles(op, reads, tile, registers) for tile in fitting}
    ranked = sorted((cost, tile) for tile, cost in found.items())
    kept: list[tuple[float, Tile]] = []
    along: dict[tuple[int, int], int] = {}
    for cost, tile in ranked:
        along[tile[:2]] = along.get(tile[:2], 0) + 1
        if cost <= SLOWER * ranked[0][0] and along[tile[:2]] <= OPTIONS // 2 and len(kept) < OPTIONS:
            kept.append((cost, tile))
    return kept


def _candidates(op: Compute, reads: Sequence[Operand], registers: Registers) -> Iterator[Tile]:
    counts = extents(op.axes)
    yield Tile(max(len(counts) - 1, 0), 1, (1,) * len(counts))
    for along, count in enumerate(counts):
        for lanes in (registers.lanes, registers.lanes // 2, registers.lanes // 4):
            # vectors longer than the axis would be padding for the greater part
            if (
                lanes < 2
                or (lanes >= 2 * count)
                or (lanes < registers.lanes and count % registers.lanes == 0)
            ):
                continue
            longer = [d for d, n in enumerate(counts) if d != along and n > 1]
            # a tile reads less than its elements one by one only along what an operand does not depend on
            others = [d for d in longer if d not in shared_axes(op, reads)] or longer
            for vectors in (1, 2, 3, 4, 6, 8):
                if vectors > 1 and (vectors - 1) * lanes >= count:
                    break
                for factors in _shapes(counts, others, registers.count // vectors):
                    sizes = [factors.get(d, 1) for d in range(len(counts))]
                    sizes[along] = vectors * lanes
                    yield Tile(along, lanes, tuple(sizes))


def _shapes(counts: Sequence[int], others: Sequence[int], most: int) -> Iterator[dict[int, int]]:
    """Extents of at most two axes, whose product is limited."""
    yield {}
    for size in (1, 2):
        for axes in combinations(others, size):
            choices = [[f for f in FACTORS if 1 < f <= min(counts[d], most)] for d in axes]
            for chosen in product(*choices):
                if prod(chosen) <= most:
                    yield dict(zip(axes, chosen, strict=True))


def needed(op: Compute, reads: Sequence[Operand], tile: Tile) -> int:
    """Registers that a step needs: the sums, and what is loaded once for several of them.

    The tile is unrolled in the order of its axes. What does not depend on the first one stays in registers
    for all of the step; of the rest a value at a time is needed. Elements that are broadcast for one product
    each are loaded ahead (as in `compiler.ops.tiles.Registers.needed`).
    """
    first = next((d for d in tile.inner() if d != tile.axis), None)
    if tile.lanes == 1 or first is None:
        return tile.sums + 1
    kept = 0
    for operand in reads:
        along = [d for d, a in enumerate(op.axes) if depends(operand.read, a.var)]
        values = prod(tile.factors[d] for d in along if d != tile.axis)
        if tile.axis in along:
            values *= tile.factors[tile.axis] // tile.lanes
        elif values >= tile.sums:
            return 2 * tile.sums
        if first not in along:
            kept += values
    return tile.sums + kept + 1


def cycles(op: Compute, reads: Sequence[Operand], tile: Tile, registers: Registers) -> float:
    """An estimate of the cycles that a reduction takes with a register tile.

    It compares tiles of one operation; the caches are not part of it.
    """
    counts, steps = extents(op.axes), max(1, prod(extents(op.reduce_axis)))
    tiles = prod(covering(n, f) for n, f in zip(counts, tile.factors, strict=True))
    loads = packing = 0.0
    for operand in reads:
        read = operand.read
        along = [d for d, a in enumerate(op.axes) if depends(read, a.var)]
        apart = prod(tile.factors[d] for d in along if d != tile.axis)
        if not counts or tile.axis not in along:
            loads += apart
            if operand.can_pack(tile) and is_split_unevenly(op, operand, tile):
                packing += 2 * COPY * prod(shape_of(operand.read.tensor))
            continue
        vectors = tile.factors[tile.axis] / tile.lanes
        by = stride(read, op.axes[tile.axis].var)
        tail = counts[tile.axis] % tile.factors[tile.axis] != 0
        if tile.lanes == 1 or (by == 1 and not tail):
            loads += apart * vectors
        elif operand.can_pack(tile):
            loads += apart * vectors
            packing += COPY * prod(shape_of(operand.read.tensor))
        else:
            loads += apart * vectors * (tile.lanes + 2)
    sums = tile.sums
    limits = (sums / PORTS, LATENCY, loads / PORTS, (sums + loads) / ISSUE)
    step = max(limits) * (1 + 0.15 * loads / sums)
    # the elements of vectors along another axis than the last are stored one by one
    scattered = tile.lanes > 1 and tile.axis != len(counts) - 1
    uneven = any(n % f for n, f in zip(counts, tile.factors, strict=True))
    whole = tiles * (steps * step + sums * (tile.lanes if scattered else 1))
    return whole * (UNEVEN if uneven else 1) + packing
