"""Bound inference: the part of each tensor that its stage must compute, and the extent of each loop.

Stages are visited from the outputs back to the inputs. A stage that is not in a loop computes its whole
tensor. A stage in a loop of a consumer computes the box that one iteration of that loop reads: the variables
of the inner loops range over all their values, those of the outer loops stay symbolic. Threads that share the
memory of a stage read the union of their boxes, so the variables of their loops range over all values too,
even where these loops are outer ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compiler.errors import ScheduleError
from compiler.ir.address import in_type
from compiler.ir.dtype import bits_of, is_integer
from compiler.ir.expr import Binary, Cast, Const, Expr, Var, as_expr, binary
from compiler.ir.recursion import recursive
from compiler.ir.simplify.simplify import Interval, Simplifier
from compiler.ir.visit import substitute, walk
from compiler.schedule.relation import Extents, Values
from compiler.schedule.stage import Stage
from compiler.te.axis import Extent, IterVar
from compiler.te.recurrence import Recurrence
from compiler.te.tensor import Compute, TensorRead, reads_of


@dataclass(frozen=True, slots=True)
class Domain:
    """The domain of a stage: the box of elements that it computes, and its loops.

    Attributes
    ----------
    mins : tuple of Expr
        The first index along each data axis, in terms of loops outside of the stage.
    extents : dict of IterVar to int or Expr
        The number of values of each axis: those of the operation, and those that splits and fuses made.
    offsets : dict of IterVar to Expr
        The position of an iteration in the box along each axis, in terms of the loops.
    loops : dict of IterVar to Var
        The variable of each loop, which is new, since two stages may reduce over the same axis.
    """

    mins: tuple[Expr, ...]
    extents: Extents
    offsets: Values
    loops: dict[IterVar, Var]

    def values(self, stage: Stage) -> dict[Var, Expr]:
        """The value of each axis variable of the operation in terms of the loops."""
        op = stage.compute
        bound = {
            axis.var: in_type(binary("+", low, self.offsets[axis]), axis.dtype)
            if low != Const(0)
            else self.offsets[axis]
            for axis, low in zip(op.dims, self.mins, strict=True)
            if axis is not None
        }
        for axis in (*op.sequence, *op.reduce_axis):
            bound[axis.var] = self.offsets[axis] + axis.start if axis.start != 0 else self.offsets[axis]
        return bound


def sizes_in(stages: Iterable[Stage]) -> dict[Var, Interval]:
    """The dynamic extents in `stages`, with their bounds."""
    found: dict[Var, Interval] = {}
    for stage in stages:
        extents: list[Extent] = [extent for shape in stage.op.shapes for extent in shape]
        for axis in (*stage.op.axis, *stage.op.reduce_axis):
            extents += [axis.start, axis.extent]
        for extent in extents:
            if not isinstance(extent, int):
                found |= {n: n.bounds for n in walk(extent) if type(n) is Var and n.bounds is not None}
    return found


def extent_upper_bound(extent: Extent, sizes: Mapping[Var, Interval]) -> int:
    """The upper bound of an extent, given the intervals of the dynamic extents; 2**53 if it is unknown."""
    if isinstance(extent, int):
        return extent
    high = Simplifier(sizes).bounds(extent)[1]
    return int(min(high, 2.0**53))


def infer_bounds(stages: list[Stage]) -> dict[Stage, Domain]:
    """The domain of every stage that has loops.

    Parameters
    ----------
    stages : list of Stage
        Producers before consumers, without the inlined ones.

    Raises
    ------
    ScheduleError
        If a stage is placed inside a loop that does not enclose all of its consumers.
    """
    domains: dict[Stage, Domain] = {}
    sizes = sizes_in(stages)
    for stage in reversed(stages):
        box = None
        if stage.attach is not None:
            consumers = [s for s in stages if not set(stage.tensors).isdisjoint(s.op.inputs)]
            box = _required(stage, consumers, domains, sizes, _boxed(stage, stages))
        if box is None or not isinstance(stage.op, Compute):  # an extern computes its whole tensors
            box = (Const(0),) * len(stage.op.shape), stage.op.shape
        domains[stage] = _domain(stage, *box)
    return domains


def _domain(stage: Stage, mins: tuple[Expr, ...], shape: tuple[Extent, ...]) -> Domain:
    op = stage.op
    extents: Extents = {}
    if isinstance(op, Compute):
        extents |= {axis: n for axis, n in zip(op.dims, shape, strict=True) if axis is not None}
        extents |= {axis: axis.extent for axis in (*op.sequence, *op.reduce_axis)}
    for relation in stage.relations:
        relation.down(extents)
    loops = {axis: Var(axis.name, axis.dtype) for axis in stage.leaf}
    values: Values = {axis: Const(0) if extents[axis] == 1 else var for axis, var in loops.items()}
    for relation in reversed(stage.relations):
        relation.up(values, extents)
    values |= {axis: in_type(values[axis], axis.dtype) for axis in (*op.axis, *op.reduce_axis)}
    return Domain(mins, extents, values, loops)


def _required(
    stage: Stage,
    consumers: list[Stage],
    domains: Mapping[Stage, Domain],
    sizes: Mapping[Var, Interval],
    boxed: set[int],
) -> tuple[tuple[Expr, ...], tuple[Extent, ...]] | None:
    """The box of `stage` that is read in one iteration of the loop around it; None for the whole tensor.

    Dimensions that are not among `boxed` are computed as a whole.
    """
    full = stage.op.shape
    lows: list[Expr | None] = [None] * len(full)
    highs: list[Expr | None] = [None] * len(full)
    entire = False
    for consumer in consumers:
        relaxed, fixed = _loops_around(stage, consumer, domains)
        if not isinstance(consumer.op, Compute):
            entire = True  # the elements that a statement reads are unknown
            continue
        relaxed |= _first_rows(stage, consumer)
        ranges: dict[Var, Interval] = dict(sizes)
        ranges |= {v: (0, extent_upper_bound(n, sizes) - 1) for v, n in (*relaxed.items(), *fixed.items())}
        simplifier = Simplifier(ranges)
        values = domains[consumer].values(consumer)
        for read in reads_of(consumer.op.exprs):
            if read.tensor not in stage.tensors:
                continue
            for d, index in enumerate(read.indices):
                ends = span(simplifier(substitute(index, values)), relaxed)
                if ends is None:
                    ends = (Const(0), as_expr(full[d] - 1))
                low, high = lows[d], highs[d]
                lows[d] = ends[0] if low is None else simplifier(binary("min", low, ends[0]))
                highs[d] = ends[1] if high is None else simplifier(binary("max", high, ends[1]))
    if entire:
        return None
    mins: list[Expr] = []
    shape: list[Extent] = []
    for d, (low, high, whole) in enumerate(zip(lows, highs, full, strict=True)):
        assert low is not None and high is not None
        length = simplifier(binary("+", binary("-", high, low), 1))
        extent: Extent
        if isinstance(length, Const):
            extent = int(length.value)
        elif all(node in sizes for node in walk(length) if type(node) is Var):
            extent = length
        else:
            extent = int(min(simplifier.bounds(length)[1], extent_upper_bound(whole, sizes)))
        if d not in boxed or covers(extent, whole, simplifier):
            mins.append(Const(0))
            shape.append(whole)
        else:
            mins.append(simplifier(low))
            shape.append(extent)
    return tuple(mins), tuple(shape)


def _first_rows(stage: Stage, consumer: Stage) -> dict[Var, Extent]:
    """The loops of a recurrence over its first rows, which read `stage` before the first step."""
    op = consumer.op
    if not isinstance(op, Recurrence) or stage.attach is None:
        return {}
    parent, axis = stage.attach
    if any(read.tensor in stage.tensors for read in reads_of(op.first)):
        start = min(consumer.leaf.index(a) for a in consumer.leaf if a.kind != "data")
        if parent is consumer and consumer.leaf.index(axis) >= start:
            raise ScheduleError(
                f"{stage.name}: computed in the loop {axis.name!r} of {consumer.name}, but its first rows, "
                "which are set before the steps, read it too; use compute_root, or a loop around the steps"
            )
    return {a.var: a.extent for a in op.first_axes}


def _boxed(stage: Stage, stages: list[Stage]) -> set[int]:
    """The dimensions of which a part can be computed: for a recurrence those that its steps do not mix."""
    op = stage.op
    if not isinstance(op, Recurrence):
        return set(range(len(op.shape)))
    if any(not set(op.states).isdisjoint(s.op.inputs) for s in stages if s is not stage):
        return set()
    states = [read for read in reads_of(op.steps) if read.tensor in op.states]
    return {
        d
        for d, axis in enumerate(op.dims)
        if axis is not None and all(read.indices[d] == axis.var for read in states)
    }


def covers(extent: Extent, whole: Extent, simplifier: Simplifier) -> bool:
    """Whether `extent` is known to be at least `whole`."""
    if isinstance(extent, int) and isinstance(whole, int):
        return extent >= whole
    return extent == whole or simplifier.proves(binary(">=", extent, whole))


def shared_by(scope: str, kind: str) -> bool:
    """Whether all iterations of a loop of the given kind share the memory of `scope`."""
    if scope == "warp":
        return kind == "threadIdx.x"
    return scope == "shared" and (kind.startswith("threadIdx") or kind == "vthread")


def _loops_around(
    stage: Stage, consumer: Stage, domains: Mapping[Stage, Domain]
) -> tuple[dict[Var, Extent], dict[Var, Extent]]:
    """The extents of the loops around a read of `stage` in `consumer`.

    The first mapping has the loops whose variables range over all their values, the second those that stay
    symbolic.
    """
    assert stage.attach is not None
    parent, axis = stage.attach
    position = loop_position(stage, parent, axis)
    relaxed: dict[Var, Extent] = {}
    at = consumer
    while at is not parent:
        relaxed |= _lengths(at.leaf, domains[at])
        if at.attach is None:
            raise ScheduleError(
                f"{stage.name}: placed inside the loop {axis.name!r} of {parent.name}, but its consumer "
                f"{consumer.name} is outside of that loop; compute it in a loop around all of its consumers"
            )
        outer, loop = at.attach
        if outer is parent and parent.leaf.index(loop) < position:
            raise ScheduleError(
                f"{stage.name}: placed inside the loop {axis.name!r} of {parent.name}, but its consumer "
                f"{at.name} is already computed in the loop {loop.name!r} around it; "
                "use that loop or one outside of it"
            )
        at = outer
    relaxed |= _lengths(parent.leaf[position + 1 :], domains[parent])
    fixed: dict[Var, Extent] = {}
    for around, loop in enclosing(stage):
        shared = shared_by(stage.scope, around.kinds.get(loop, "serial"))
        (relaxed if shared else fixed)[domains[around].loops[loop]] = domains[around].extents[loop]
    return relaxed, fixed


def enclosing(stage: Stage) -> list[tuple[Stage, IterVar]]:
    """The loops around a stage, innermost first."""
    found: list[tuple[Stage, IterVar]] = []
    while stage.attach is not None:
        stage, axis = stage.attach
        found += [(stage, loop) for loop in reversed(stage.leaf[: stage.leaf.index(axis) + 1])]
    return found


def loop_position(stage: Stage, parent: Stage, axis: IterVar) -> int:
    """The position of the loop that a stage is placed in among those of `parent`.

    Raises
    ------
    ScheduleError
        If it is no loop of `parent` any more.
    """
    if axis not in parent.leaf:
        raise ScheduleError(
            f"{stage.name}: placed inside the loop {axis.name!r} of {parent.name}, which was split or "
            f"fused later; call compute_at after that (loops: {', '.join(a.name for a in parent.leaf)})"
        )
    return parent.leaf.index(axis)


def _lengths(loops: list[IterVar], domain: Domain) -> dict[Var, Extent]:
    return {domain.loops[axis]: domain.extents[axis] for axis in loops}


@recursive
def span(index: Expr, relaxed: Mapping[Var, Extent]) -> tuple[Expr, Expr] | None:
    """The smallest and the largest `index` over all iterations of the relaxed loops; None if unknown.

    The range of an index that reads a tensor is unknown: the tensor may be computed after the box is needed.
    """
    if any(type(node) is TensorRead for node in walk(index)):
        return None
    if not any(type(node) is Var and node in relaxed for node in walk(index)):
        return index, index
    if type(index) is Var:
        return Const(0), as_expr(relaxed[index] - 1)
    if type(index) is Cast and is_integer(index.dtype) and bits_of(index.dtype) >= bits_of(index.value.dtype):
        ends = span(index.value, relaxed)  # an index, which is not negative, has the same value
        return None if ends is None else (in_type(ends[0], index.dtype), in_type(ends[1], index.dtype))
    if type(index) is not Binary:
        return None
    spans = [span(operand, relaxed) for operand in (index.a, index.b)]
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
