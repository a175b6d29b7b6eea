"""Bound inference: which part of each tensor its stage must compute, and how long each loop is.

Stages are visited from the outputs back. A stage at the root computes its whole
tensor. A stage inside a loop of a consumer computes the box that one iteration of
that loop reads: the loops further in are let run over all their values, those
further out stay symbols.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compiler.ir.expr import Binary, Const, Expr, Var, binary
from compiler.ir.simplify import Simplifier
from compiler.ir.visit import substitute, walk
from compiler.schedule.errors import ScheduleError
from compiler.schedule.relation import Extents, Values
from compiler.schedule.stage import Stage
from compiler.tensor import IterVar, TensorRead, reads_of


@dataclass(frozen=True, slots=True)
class Region:
    """What a stage computes.

    Attributes
    ----------
    mins : tuple of Expr
        The first index along each data axis, in terms of loops outside of the stage.
    extents : dict of IterVar to int
        The number of values of every axis: those of the operation and all made from them.
    offsets : dict of IterVar to Expr
        Where in the region an iteration is, along every axis, in terms of the loops.
    loops : dict of IterVar to Var
        The variable of each loop: one of the region's own, since two stages may reduce over one axis.
    """

    mins: tuple[Expr, ...]
    extents: Extents
    offsets: Values
    loops: dict[IterVar, Var]

    def values(self, stage: Stage) -> dict[Var, Expr]:
        """The value of each axis variable of the operation in terms of the loops."""
        op = stage.compute
        bound = {
            axis.var: binary("+", low, self.offsets[axis]) if low != Const(0) else self.offsets[axis]
            for axis, low in zip(op.axis, self.mins, strict=True)
        }
        return bound | {axis.var: self.offsets[axis] for axis in op.reduce_axis}


def infer_bounds(stages: list[Stage]) -> dict[Stage, Region]:
    """The region of every stage that has loops.

    Parameters
    ----------
    stages : list of Stage
        Producers before consumers, without the inlined ones.

    Raises
    ------
    ScheduleError
        If a stage is placed inside a loop that does not enclose all of its consumers.
    """
    regions: dict[Stage, Region] = {}
    for stage in reversed(stages):
        if stage.attach is None:
            mins: tuple[Expr, ...] = (Const(0),) * len(stage.op.shape)
            regions[stage] = _region(stage, mins, stage.op.shape)
        else:
            consumers = [s for s in stages if stage.tensor in s.op.inputs]
            regions[stage] = _region(stage, *_required(stage, consumers, regions))
    return regions


def _region(stage: Stage, mins: tuple[Expr, ...], shape: tuple[int, ...]) -> Region:
    op = stage.compute
    extents: Extents = dict(zip(op.axis, shape, strict=True))
    extents |= {axis: axis.extent for axis in op.reduce_axis}
    for relation in stage.relations:
        relation.down(extents)
    loops = {axis: Var(axis.name) for axis in stage.leaf}
    values: Values = {axis: Const(0) if extents[axis] == 1 else var for axis, var in loops.items()}
    for relation in reversed(stage.relations):
        relation.up(values, extents)
    return Region(mins, extents, values, loops)


def _required(
    stage: Stage, consumers: list[Stage], regions: Mapping[Stage, Region]
) -> tuple[tuple[Expr, ...], tuple[int, ...]]:
    """The box of `stage` that one iteration of the loop it is placed in reads."""
    assert stage.attach is not None
    ndim = len(stage.op.shape)
    lows: list[Expr | None] = [None] * ndim
    highs: list[Expr | None] = [None] * ndim
    for consumer in consumers:
        relaxed, fixed = _loops_around(stage, consumer, regions)
        simplifier = Simplifier({v: (0, n - 1) for v, n in (*relaxed.items(), *fixed.items())})
        values = regions[consumer].values(consumer)
        for read in reads_of(consumer.compute.body):
            if read.tensor != stage.tensor:
                continue
            for d, index in enumerate(read.indices):
                span = _span(simplifier(substitute(index, values)), relaxed)
                if span is None:
                    span = (Const(0), Const(stage.op.shape[d] - 1))
                low, high = lows[d], highs[d]
                lows[d] = span[0] if low is None else simplifier(binary("min", low, span[0]))
                highs[d] = span[1] if high is None else simplifier(binary("max", high, span[1]))
    mins, shape = [], []
    for low, high, full in zip(lows, highs, stage.op.shape, strict=True):
        assert low is not None and high is not None
        length = simplifier(binary("+", binary("-", high, low), 1))
        extent = (
            int(length.value) if isinstance(length, Const) else int(min(simplifier.bounds(length)[1], full))
        )
        whole = extent >= full
        mins.append(Const(0) if whole else simplifier(low))
        shape.append(full if whole else extent)
    return tuple(mins), tuple(shape)


def _loops_around(
    stage: Stage, consumer: Stage, regions: Mapping[Stage, Region]
) -> tuple[dict[Var, int], dict[Var, int]]:
    """Loops around a reading of `stage` in `consumer`: those inside of its place, those outside."""
    assert stage.attach is not None
    home, axis = stage.attach
    place = _place(stage, home, axis)
    relaxed: dict[Var, int] = {}
    at = consumer
    while at is not home:
        relaxed |= _lengths(at.leaf, regions[at])
        if at.attach is None:
            raise ScheduleError(
                f"{stage.name}: placed inside the loop {axis.name!r} of {home.name}, but its consumer "
                f"{consumer.name} runs outside of that loop; place it around all of its consumers"
            )
        home_of, loop = at.attach
        if home_of is home and home.leaf.index(loop) < place:
            raise ScheduleError(
                f"{stage.name}: placed inside the loop {axis.name!r} of {home.name}, but its consumer "
                f"{at.name} is already computed in the loop {loop.name!r} around it; "
                "use that loop or one outside of it"
            )
        at = home_of
    relaxed |= _lengths(home.leaf[place + 1 :], regions[home])
    fixed = _lengths(home.leaf[: place + 1], regions[home])
    while home.attach is not None:
        home, axis = home.attach
        fixed |= _lengths(home.leaf[: home.leaf.index(axis) + 1], regions[home])
    return relaxed, fixed


def _place(stage: Stage, home: Stage, axis: IterVar) -> int:
    if axis not in home.leaf:
        raise ScheduleError(
            f"{stage.name}: placed inside the loop {axis.name!r} of {home.name}, which was split or "
            f"fused since; place it after that (loops: {', '.join(a.name for a in home.leaf)})"
        )
    return home.leaf.index(axis)


def _lengths(loops: list[IterVar], region: Region) -> dict[Var, int]:
    return {region.loops[axis]: region.extents[axis] for axis in loops}


def _span(index: Expr, relaxed: Mapping[Var, int]) -> tuple[Expr, Expr] | None:
    """The least and the greatest value of `index` while the relaxed loops run; None if not known.

    An index that reads a tensor is not known: the region must stand where that tensor is not computed yet.
    """
    if any(type(node) is TensorRead for node in walk(index)):
        return None
    if not any(type(node) is Var and node in relaxed for node in walk(index)):
        return index, index
    if type(index) is Var:
        return Const(0), Const(relaxed[index] - 1)
    if type(index) is not Binary:
        return None
    spans = [_span(operand, relaxed) for operand in (index.a, index.b)]
    if spans[0] is None or spans[1] is None:
        return None
    (a_low, a_high), (b_low, b_high) = spans[0], spans[1]
    op = index.op
    if op in ("+", "min", "max"):
        return binary(op, a_low, b_low), binary(op, a_high, b_high)
    if op == "-":
        return binary("-", a_low, b_high), binary("-", a_high, b_low)
    if type(b_low) is Const and b_low == b_high:
        if op == "*":
            ends = binary("*", a_low, b_low), binary("*", a_high, b_low)
            return ends if b_low.value >= 0 else (ends[1], ends[0])
        if op == "//" and b_low.value > 0:
            return binary("//", a_low, b_low), binary("//", a_high, b_low)
        if op == "%" and b_low.value > 0:
            return Const(0), Const(int(b_low.value) - 1)
    return None
