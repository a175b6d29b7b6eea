"""The loops of the operations of a derived program: their order, their places, and what is marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from compiler.backend import Target
from compiler.ir.dtype import bits_of
from compiler.ops.derive.access import stride
from compiler.ops.derive.blocking import WHOLE, Choices
from compiler.ops.derive.lanes import Factored
from compiler.ops.derive.packing import Tiled
from compiler.ops.derive.place import ONCE, ROOT, Places
from compiler.ops.tiles import covering
from compiler.schedule.schedule import Schedule
from compiler.schedule.stage import Stage
from compiler.te.axis import IterVar
from compiler.te.tensor import Compute, Operation, reads_of

ROWS = 8
"""Rows of a block that is transposed, at least."""

STACK = 1 << 16
"""Bytes of the largest buffer of a part of a stage that is on the stack of a thread."""


@dataclass(frozen=True)
class Sweep:
    """How the elements of an operation are traversed.

    Parameters
    ----------
    place : str
        Where it is computed.
    vectors : int
        Vectors in the body of the innermost loop.
    fused : int
        Number of outer loops that run in parallel.
    """

    place: str = ROOT
    vectors: int = 1
    fused: int = 1


@dataclass
class Plan:
    """What is to be done with each operation of a derived program."""

    sweeps: dict[Operation, Sweep] = field(default_factory=dict)
    hosts: dict[Operation, tuple[Choices, Tiled]] = field(default_factory=dict)
    packs: dict[Operation, str] = field(default_factory=dict)
    factored: dict[Operation, Factored] = field(default_factory=dict)
    opaque: set[Operation] = field(default_factory=set)

    def apply(self, s: Schedule, target: Target) -> None:
        """Schedule every stage, the consumers before what they read."""
        places = Places(s, {stage for stage in s.stages if stage.op in self.opaque})
        inside = {f.op for _, f in self.hosts.values()}
        inside |= {part for f in self.factored.values() for part in (f.partial, f.folded) if part is not None}
        for stage in reversed(list(s.stages)):
            op = stage.op
            if not isinstance(op, Compute) or op in self.opaque or op in inside:
                continue
            sweep = self.sweeps.get(op, Sweep())
            if op in self.packs:
                _pack(places, stage, self.packs[op], target)
            elif op in self.hosts:
                _host(places, s, stage, *self.hosts[op], sweep, target)
            elif op in self.factored:
                _rows(places, s, stage, self.factored[op], sweep, target)
            else:
                _sweep(places, stage, sweep, target)


def _put(places: Places, stage: Stage, wanted: str, factors: Sequence[int] = ()) -> tuple[int, ...]:
    """Place a stage; a small part is on the stack."""
    part = places.put(stage, wanted, factors)
    size = prod(part) * sum(bits_of(t.dtype) for t in stage.tensors) // 8
    if stage.attach is not None and size <= STACK:
        stage.set_scope("local")
    return part


def _lanes(stage: Stage, target: Target) -> int:
    """Elements in a vector of all types that a stage stores."""
    return min(target.lanes(t.dtype) for t in stage.tensors)


def _vectorize(stage: Stage, axis: IterVar, lanes: int, vectors: int = 1) -> IterVar:
    """Split a loop into vectors, and unroll over those of the body; the loop over the bodies."""
    outer, axis = stage.split(axis, lanes * vectors)
    if vectors > 1:
        several, axis = stage.split(axis, lanes)
        stage.unroll(several)
    stage.vectorize(axis)
    return outer


def _power(number: int, most: int) -> int:
    """The largest power of two that divides a number, up to a power of two."""
    return min(number & -number, most)


# --- elements, one by one ------------------------------------------------------------------------


def _sweep(places: Places, stage: Stage, sweep: Sweep, target: Target) -> None:
    """Outer loops in parallel, the last one in vectors; each outer loop is a place for what is read in it."""
    op = stage.compute
    part = _put(places, stage, sweep.place)
    axes = list(op.axes)
    if not axes:
        return
    long = max((d for d, n in enumerate(part) if n > 1), default=len(axes) - 1)
    lanes = _lanes(stage, target)
    while lanes > part[long]:
        lanes //= 2
    vectors = sweep.vectors if lanes * sweep.vectors <= part[long] else 1
    last, loops = axes[long], axes[:long]
    if axes[long + 1 :]:  # loops of one iteration
        stage.reorder(*loops, *axes[long + 1 :], last)
    across = _across(op, long) if stage.attach is None else None
    if across is not None and part[across] >= ROWS:
        _transpose(stage, axes, across, long, target)
        return
    fused = max(1, min(sweep.fused, long))
    if fused > 1:
        loops = [stage.fuse(*axes[:fused]), *axes[fused:long]]
    widths = {a.var: n for a, n in zip(axes, part, strict=True)}
    trips = 1
    for level, loop in enumerate(loops):
        for axis in axes[:fused] if level == 0 else [loop]:
            trips *= widths[axis.var]
            widths[axis.var] = 1
        if stage.attach is None:
            places.add(stage, loop, dict(widths), trips)
    outer = _vectorize(stage, last, lanes, vectors) if lanes > 1 else last
    if stage.attach is None:
        stage.parallel(loops[0] if loops else outer)


def _across(op: Compute, last: int) -> int | None:
    """The axis along which a read is contiguous in memory that is not so along the last one, if any."""
    for read in reads_of(op.exprs):
        if stride(read, op.axes[last].var) not in (0, 1, None):
            found = [d for d in range(last) if stride(read, op.axes[d].var) == 1]
            if found:
                return found[0]
    return None


def _transpose(stage: Stage, axes: Sequence[IterVar], across: int, last: int, target: Target) -> None:
    """Square blocks of two axes, so that whole cache lines are read and stored; a block is transposed in
    registers.
    """
    lanes = min(_lanes(stage, target), 2 * ROWS)
    rows, row = stage.split(axes[across], lanes)
    columns, lane = stage.split(axes[last], lanes)
    rest = [a for d, a in enumerate(axes) if d not in (across, last)]
    stage.reorder(*rest, rows, columns, row, lane)
    stage.vectorize(lane)
    stage.unroll(row)
    stage.parallel(stage.fuse(*rest, rows) if rest else rows)


def _pack(places: Places, stage: Stage, where: str, target: Target) -> None:
    """A packed operand: in vectors where it is copied from contiguous elements."""
    op = stage.compute
    part = _put(places, stage, ONCE if where == "block" else ROOT)
    axes, read = list(op.axes), next(iter(reads_of(op.exprs)), None)
    if stage.attach is None and len(axes) > 1:
        stage.parallel(stage.fuse(*axes[:-2]) if len(axes) > 3 else axes[0])
    if read is not None and stride(read, axes[-1].var) == 1:
        lanes = _power(part[-1], _lanes(stage, target))
        if lanes > 1:
            _vectorize(stage, axes[-1], lanes, part[-1] // lanes)
            return
    if len(axes) > 1:
        stage.unroll(axes[-1])


# --- reductions in lanes -------------------------------------------------------------------------


def _rows(places: Places, s: Schedule, stage: Stage, made: Factored, sweep: Sweep, target: Target) -> None:
    """The result of a factored reduction; in the loop over its elements, partial results are in registers."""
    op = stage.compute
    _put(places, stage, sweep.place)
    last = None
    if op.axes:
        last = op.axes[-1]
        if stage.attach is None:
            fused = max(1, min(sweep.fused, len(op.axes)))
            head = stage.fuse(*op.axes[:fused]) if fused > 1 else op.axes[0]
            stage.parallel(head)
            last = stage.leaf[-1]
    for part in (made.folded, made.partial):
        if part is None:
            continue
        inner = s[part]
        *outer, lane = part.axes
        inner.reorder(*outer, *part.reduce_axis, lane)
        _vectorize(inner, lane, _power(int(lane.extent), _lanes(inner, target)), 64)
        if part is made.partial and made.parts > 1:
            inner.parallel(outer[0])
        elif last is not None:
            inner.compute_at(stage, last)
            inner.set_scope("local")
        elif int(lane.extent) * bits_of(part.dtype) // 8 <= STACK:
            inner.set_scope("local")


# --- tiles -----------------------------------------------------------------------------------------


def _host(
    places: Places, s: Schedule, stage: Stage, choices: Choices, made: Tiled, sweep: Sweep, target: Target
) -> None:
    """The stage that stores the elements of tiles: blocks, then tiles, in which the sums are computed."""
    tile, op = choices.tile, stage.compute
    part = _put(places, stage, sweep.place, tile.factors)
    acc = s[made.op]
    rank = len(op.axes)
    blocks, middle, tiles, inside = [], [], [], []
    widths, between, numbers = {}, {}, []
    counts = 1
    for d, axis in enumerate(op.axes):
        factor, count = tile.factors[d], covering(part[d], tile.factors[d])
        loop = axis
        if factor > 1:
            loop, inner = stage.split(axis, factor)
            inside.append((d, inner))
        number, around, within = choices.blocks(d, count)
        loop, tiled = stage.split(loop, within)
        loop, block = stage.split(loop, around)
        blocks.append(loop)
        middle.append(block)
        tiles.append(tiled)
        numbers.append(number)
        counts *= around
        widths[axis.var] = min(part[d], factor * within * around)
        between[axis.var] = min(part[d], factor * within)
    order = [d for d in range(rank) if d != choices.innermost] + [choices.innermost] * (rank > 0)
    longest = max((int(a.extent) for a in made.op.reduce_axis), default=1)
    whole = choices.steps == WHOLE or choices.steps >= longest
    if rank:
        middle, tiles = [middle[d] for d in order], [tiles[d] for d in order]
        outside = list(choices.order or range(rank))
        blocks = [blocks[d] for d in outside]
        stage.reorder(*blocks, *middle, *tiles, *(axis for _, axis in inside))
        fused = max(1, min(sweep.fused, rank))
        head = stage.fuse(*blocks[:fused]) if fused > 1 else blocks[0]
        if stage.attach is None:
            stage.parallel(head)
            for level, axis in enumerate((head, *blocks[fused:]), fused):
                done = outside[:level]
                inside_of = {a.var: widths[a.var] if d in done else part[d] for d, a in enumerate(op.axes)}
                places.add(stage, axis, inside_of, prod(numbers[d] for d in done))
            places.add(stage, middle[-1], between, prod(numbers) * counts)
        acc.compute_at(stage, tiles[-1] if whole else middle[-1])
        if whole:
            acc.set_scope("local")
        if inside and inside[-1][0] == rank - 1:
            last = inside[-1][1]
            lanes = _power(int(last.extent), _lanes(stage, target))
            if lanes > 1:
                vectors = int(last.extent) // lanes
                _vectorize(stage, last, lanes, vectors)
    _sums(acc, choices, order, longest if whole else choices.steps)


def _sums(acc: Stage, choices: Choices, order: Sequence[int], steps: int) -> None:
    """The loops of the sums of tiles: the reduction around a register tile that is unrolled."""
    tile, op = choices.tile, acc.compute
    rank = len(order)
    outer, inner = [op.axes[d] for d in order], list(op.axes[rank:])
    reduce = list(op.reduce_axis)
    chunk = []
    if reduce:
        longest = max(range(len(reduce)), key=lambda n: int(reduce[n].extent))
        if steps < int(reduce[longest].extent):
            block, reduce[longest] = acc.split(reduce[longest], steps)
            chunk = [block]
    room = choices.unroll // max(1, tile.sums)
    for position in reversed(range(len(reduce))):
        count = int(reduce[position].extent)
        divisor = max(n for n in range(1, min(count, max(room, 1)) + 1) if count % n == 0)
        if divisor == count:
            if count > 1:
                acc.unroll(reduce[position])
            room //= count
            continue
        if divisor > 1:
            loop, body = acc.split(reduce[position], divisor)
            reduce[position : position + 1] = [loop, body]
            acc.unroll(body)
        break
    acc.reorder(*chunk, *outer, *reduce, *inner)
    for axis in inner[:-1]:
        acc.unroll(axis)
    if inner:
        if tile.lanes > 1:
            _vectorize(acc, inner[-1], tile.lanes, tile.factors[tile.axis] // tile.lanes)
        else:
            acc.unroll(inner[-1])


def default_fused(counts: Sequence[int], threads: int) -> int:
    """The number of outer loops that have enough iterations for all threads."""
    total = 1
    for number, count in enumerate(counts, 1):
        total *= count
        if total >= 4 * threads and (total > 1):
            return number
    return max(1, len(counts))
