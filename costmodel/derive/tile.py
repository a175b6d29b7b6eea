"""Multi-level tiling of a reduction, with its sums in registers (Ansor, arXiv 2006.06762, section 4.1).

The loops are SSSRRS: blocks that run in parallel, blocks for the caches, tiles, the reduction, and a register tile
whose vectors are unrolled. A reduction in blocks is SSRSRS: the partial sums of a block are kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from typing import NamedTuple

from compiler.backend import Target
from compiler.ir.address import in_type
from compiler.ir.calls import call
from compiler.ir.dtype import PACKED_TYPES, bits_of, scalar_of
from compiler.ir.expr import Expr, Var, binary, const, minimum
from compiler.ir.visit import substitute
from compiler.ops.knobs import Knobs
from compiler.ops.tiles import ISSUE, LATENCY, PORTS, Registers, cache_bytes, covering
from compiler.te.axis import IterVar, new_axis
from compiler.te.reducer import Reduction
from compiler.te.tensor import Compute, ReadRewriter, Tensor, TensorRead, reads_of
from costmodel.derive.access import box, depends, extents, iterations, mentions, stride
from costmodel.derive.graph import Element

FACTORS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28)
OPTIONS = 48
"""Number of register tiles to choose from."""

BLOCKS = (1, 2, 4, 8, 16, 32, 64)
WHOLE = 0
"""In place of a number of tiles or of steps: all of them."""

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


# --- which tiles -------------------------------------------------------------------------------


def tiles(op: Compute, target: Target) -> list[tuple[float, Tile]]:
    """The register tiles to choose from, by estimated cycles, the best first."""
    registers = Registers.of(target, op.dtype)
    reads = operands(op)
    found = {tile: cycles(op, reads, tile, registers) for tile in _candidates(op, registers)}
    ranked = sorted((cost, tile) for tile, cost in found.items())
    kept: list[tuple[float, Tile]] = []
    along: dict[tuple[int, int], int] = {}
    for cost, tile in ranked:
        along[tile[:2]] = along.get(tile[:2], 0) + 1
        if along[tile[:2]] <= OPTIONS // 2 and len(kept) < OPTIONS:
            kept.append((cost, tile))
    return kept


def _candidates(op: Compute, registers: Registers) -> Iterator[Tile]:
    counts = extents(op.axes)
    yield Tile(max(len(counts) - 1, 0), 1, (1,) * len(counts))
    for along, count in enumerate(counts):
        for lanes in (registers.lanes, registers.lanes // 2, registers.lanes // 4):
            # vectors longer than the axis would be padding for the greater part
            if lanes < 2 or (lanes >= 2 * count) or (lanes < registers.lanes and count % registers.lanes == 0):
                continue
            others = [d for d, n in enumerate(counts) if d != along and n > 1]
            for vectors in (1, 2, 3, 4, 6, 8):
                if vectors > 1 and (vectors - 1) * lanes >= count:
                    break
                for factors in _shapes(counts, others, registers.count // vectors):
                    rows = prod(factors.values())
                    if rows * vectors + (1 if rows == 1 else vectors + 1) <= registers.count:
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
            continue
        vectors = tile.factors[tile.axis] / tile.lanes
        by = stride(read, op.axes[tile.axis].var)
        tail = counts[tile.axis] % tile.factors[tile.axis] != 0
        if tile.lanes == 1 or (by == 1 and not tail):
            loads += apart * vectors
        elif operand.can_pack(tile):
            loads += apart * vectors
            packing += COPY * prod(operand.read.tensor.shape)
        else:
            loads += apart * vectors * (tile.lanes + 2)
    sums = tile.sums
    limits = (sums / PORTS, LATENCY, loads / PORTS, (sums + loads) / ISSUE)
    step = max(limits) * (1 + 0.15 * loads / sums)
    # the elements of vectors along another axis than the last are stored one by one
    scattered = tile.lanes > 1 and tile.axis != len(counts) - 1
    return tiles * (steps * step + sums * (tile.lanes if scattered else 1)) + packing


# --- knobs --------------------------------------------------------------------------------------


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
        """Blocks, blocks in a block for the second-level cache, and tiles in one, of `count` tiles of an axis."""
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
        return Choices(Tile(axis, lanes, tuple(factors)), tuple(inner), tuple(outer), innermost, steps, unroll, packs)

    def _bytes(self, tile: Tile, d: int) -> int:
        """Bytes of the operands that the tiles along an axis do not have in common."""
        op = self.op
        widths = {a.var: tile.factors[e] for e, a in enumerate(op.axes)}
        widths |= {a.var: int(a.start + a.extent) for a in op.reduce_axis}
        parts = [o.read for o in self.operands if depends(o.read, op.axes[d].var)]
        return sum(prod(box(read, widths)) * bits_of(read.dtype) // 8 for read in parts) or 1

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
        return max((b for b in (128, 256, 512, 1024) if b < total and along * b // total <= fits), default=WHOLE)

    def _pack(self, tile: Tile, operand: Operand) -> str:
        """Whether to copy an operand: where vectors need it, and where a copy is reused enough to pay."""
        if not operand.can_pack(tile):
            return "none"
        op, read = self.op, operand.read
        reused = iterations(op) / prod(int(n) for n in read.tensor.shape)
        if depends(read, op.axes[tile.axis].var):
            along = stride(read, op.axes[tile.axis].var)
            uneven = op.axes[tile.axis].extent % tile.factors[tile.axis] != 0
            return "root" if (along != 1 or uneven or reused >= 64) and tile.lanes > 1 else "none"
        return "block" if reused >= 128 else "none"


# --- the computation -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Tiled:
    """A reduction over whole tiles, with its packed operands."""

    op: Compute
    packed: tuple[tuple[Compute, Tensor, str], ...]
    """Each packed operand, what it copies, and where it is computed."""
    counts: tuple[int, ...]
    """The extents of the reduction itself."""

    def element(self, index: int, tile: Tile) -> Element:
        """The element of a tensor of the reduction among the tiles."""

        outputs, counts = self.op.output(index), self.counts

        def at(indices: tuple[Expr, ...]) -> Expr:
            outer = [i // f if f > 1 else i for i, f in zip(indices, tile.factors, strict=True)]
            value = outputs[(*outer, *(indices[d] % tile.factors[d] for d in tile.inner()))]
            for d in tile.inner():
                if tile.factors[d] > counts[d]:
                    # never chosen; but bound inference must see that the tile is computed to its end
                    last = [indices[e] % f if e != d else const(f - 1) for e, f in within]
                    value = call("if_then_else", indices[d] < counts[d], value, outputs[(*outer, *last)])
            return value

        within = [(d, tile.factors[d]) for d in tile.inner()]
        return at


def tiled(op: Compute, choices: Choices, wanted: Mapping[TensorRead, str]) -> Tiled:
    """The reduction over whole tiles: the last tile along an axis may extend past the end of it.

    Parameters
    ----------
    op : Compute
    choices : Choices
    wanted : mapping of TensorRead to str
        Where to compute the packed copy of each operand, or ``"none"``.
    """
    tile = choices.tile
    counts = extents(op.axes)
    blocks = [choices.blocks(d, covering(n, f)) for d, (n, f) in enumerate(zip(counts, tile.factors, strict=True))]
    # whole blocks: without a condition around the sums of a tile, they stay in registers
    outer = [new_axis(f"{a.name}_t", prod(b)) for a, b in zip(op.axes, blocks, strict=True)]
    inner = {d: new_axis(f"{op.axes[d].name}_i", tile.factors[d]) for d in tile.inner()}
    values: dict[Var, Expr] = {}
    first: dict[int, Expr] = {}
    for d, (axis, count, factor) in enumerate(zip(op.axes, counts, tile.factors, strict=True)):
        place: Expr = outer[d].var
        if outer[d].extent > covering(count, factor):
            place = minimum(place, covering(count, factor) - 1)
        first[d] = place
        if d in inner:
            place = binary("+", binary("*", place, factor), inner[d].var)
            if count % factor:
                place = minimum(place, count - 1)
        values[axis.var] = in_type(place, axis.dtype)
    packed: list[tuple[Compute, Tensor, str]] = []
    copies: dict[TensorRead, Expr] = {}

    def read(node: TensorRead) -> Expr:
        where = wanted.get(node, "none")
        operand = Operand.of(op, node)
        if not operand.can_pack(tile) or (where == "none" and not _needs_copy(op, operand, tile)):
            return node
        if node not in copies:
            made, copy = _packed(op, operand, tile, first, inner, values)
            packed.append((made, node.tensor, "root" if where == "none" else where))
            copies[node] = copy
        return copies[node]

    replace = ReadRewriter(read)

    def rewrite(expr: Expr) -> Expr:
        return substitute(replace(expr), values)

    reduction = op.reduction
    assert reduction is not None
    condition = None if reduction.condition is None else rewrite(reduction.condition)
    body = tuple(map(rewrite, op.body))
    made = Compute.of(
        f"{op.name}_tile",
        (*outer, *inner.values()),
        body,
        Reduction(reduction.reducer, reduction.axes, condition),
    )
    return Tiled(made, tuple(packed), counts)


def _needs_copy(op: Compute, operand: Operand, tile: Tile) -> bool:
    """Whether a vector of the operand is not contiguous in memory, or ends past the end of it."""
    if tile.lanes == 1 or tile.axis not in operand.axes.values():
        return False
    axis = op.axes[tile.axis]
    return stride(operand.read, axis.var) != 1 or axis.extent % tile.factors[tile.axis] != 0


def _packed(
    op: Compute,
    operand: Operand,
    tile: Tile,
    outer: Mapping[int, Expr],
    inner: Mapping[int, IterVar],
    values: Mapping[Var, Expr],
) -> tuple[Compute, Expr]:
    """A copy in which the elements that a tile reads in one step are next to each other, and the read of it."""
    tensor, indices = operand.read.tensor, operand.read.indices
    divided = {k: d for k, d in operand.axes.items() if tile.factors[d] > 1}
    whole = [k for k in range(len(indices)) if k not in divided]
    first = [k for k in whole if k in operand.axes]
    rest = [k for k in whole if k not in operand.axes]
    last = sorted(divided, key=lambda k: tile.inner().index(divided[k]))
    kept = {k: new_axis(f"d{k}", int(tensor.shape[k])) for k in whole}
    tiles = {k: new_axis(f"t{k}", covering(op.axes[d].extent, tile.factors[d])) for k, d in divided.items()}
    within = {k: new_axis(f"i{k}", tile.factors[d]) for k, d in divided.items()}
    places: list[Expr] = []
    conditions = []
    for k in range(len(indices)):
        if k in kept:
            places.append(kept[k].var)
            continue
        place = binary("+", binary("*", tiles[k].var, tile.factors[divided[k]]), within[k].var)
        places.append(place)
        count = op.axes[divided[k]].extent
        if count % tile.factors[divided[k]]:
            conditions.append(binary("<", place, count))
    value: Expr = tensor[tuple(places)]
    for condition in conditions:
        value = call("if_then_else", condition, value, const(0, value.dtype))
    axes = [*(kept[k] for k in first), *tiles.values(), *(kept[k] for k in rest), *(within[k] for k in last)]
    copy = Compute.of(f"{tensor.name}_packed", tuple(axes), (value,))
    at = [
        *(substitute(indices[k], values) for k in first),
        *(outer[d] for d in divided.values()),
        *(substitute(indices[k], values) for k in rest),
        *(inner[divided[k]].var for k in last),
    ]
    return copy, copy.output()[tuple(at)]
