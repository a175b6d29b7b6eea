"""Recurrences: where the operations of a step are computed, and which orders of the loops are legal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compiler.errors import ScheduleError
from compiler.ir.expr import Expr, Var, binary
from compiler.ir.simplify.simplify import Interval, Simplifier
from compiler.ir.visit import substitute, walk
from compiler.lowering.bounds import Domain, enclosing, extent_upper_bound, loop_position, span
from compiler.lowering.inline import copied
from compiler.schedule.relation import Extents
from compiler.schedule.stage import Stage
from compiler.te.axis import Extent, IterVar
from compiler.te.recurrence import Recurrence
from compiler.te.tensor import Compute, Tensor, reads_of

Domains = Mapping[Stage, Domain]


def placed_in_steps(stages: list[Stage]) -> list[Stage]:
    """The stages, those that read earlier steps of a recurrence placed in its innermost sequential loop.

    The stages themselves do not change: those that change are copies.

    Raises
    ------
    ScheduleError
        If such a stage is an output, or is computed outside of the loops over the steps.
    """
    if not any(dependences(stages).values()):
        return stages
    stages = copied(stages)
    for stage, recurrences in dependences(stages).items():
        for recurrence in recurrences:
            if stage.output:
                raise ScheduleError(
                    f"{stage.name}: reads earlier steps of {recurrence.name}, so it is computed step by step "
                    "and cannot be an output; copy what is needed of it in another operation"
                )
            loop = innermost(recurrence)
            if stage.attach is None:
                stage.attach = (recurrence, loop)
    for stage, recurrences in dependences(stages).items():
        around = stage
        while around.attach is not None:
            loop_position(around, *around.attach)
            around = around.attach[0]
        for recurrence in recurrences:
            if (recurrence, innermost(recurrence)) not in enclosing(stage):
                raise ScheduleError(
                    f"{stage.name}: reads earlier steps of {recurrence.name}, so it is computed in each "
                    f"step; compute it at {innermost(recurrence).name!r} of {recurrence.name}, or in a loop "
                    "inside of that"
                )
    return stages


def dependences(stages: Sequence[Stage]) -> dict[Stage, list[Stage]]:
    """For each stage the recurrences whose earlier steps it depends on, innermost first."""
    of_state = {t: s for s in stages if isinstance(s.op, Recurrence) for t in s.op.states}
    of_tensor = {t: s for s in stages for t in s.tensors}
    found: dict[Stage, list[Stage]] = {}
    for stage in stages:
        below = [of_state[t] for t in stage.op.inputs if t in of_state]
        below += [r for t in stage.op.inputs if t in of_tensor for r in found.get(of_tensor[t], ())]
        found[stage] = sorted({r for r in below if r is not stage}, key=stages.index)
    return found


def innermost(recurrence: Stage) -> IterVar:
    """The innermost sequential loop."""
    return [axis for axis in recurrence.leaf if axis.kind == "sequential"][-1]


def check_order(
    recurrence: Stage, stages: Sequence[Stage], domains: Domains, sizes: Mapping[Var, Interval]
) -> None:
    """Check that data loops around the steps of a recurrence separate its elements.

    Raises
    ------
    ScheduleError
        If a step may read elements that other iterations of such a loop update.
    """
    op = recurrence.op
    assert isinstance(op, Recurrence)
    outside = [a for a in recurrence.leaf[: recurrence.leaf.index(innermost(recurrence))] if a.kind == "data"]
    if not outside:
        return
    inside = loops_of(recurrence, domains, [a for a in recurrence.leaf if a not in outside])
    own = domains[recurrence].values(recurrence)
    separated = {domains[recurrence].loops[axis] for axis in outside}
    for stage in stages:
        if not isinstance(stage.op, Compute) or set(op.states).isdisjoint(stage.op.inputs):
            continue
        relaxed = inside | relaxed_until(stage, recurrence, domains)
        values = domains[stage].values(stage)
        for tensor, indices in _reads(stage, op.states):
            for d, axis in enumerate(op.dims):
                if axis is None or not uses(own[axis.var], separated):
                    continue
                ranges = ranges_of([recurrence, stage], stages, domains, sizes)
                if not contained(substitute(indices[d], values), own[axis.var], relaxed, ranges):
                    loops = ", ".join(repr(a.name) for a in outside)
                    raise ScheduleError(
                        f"{recurrence.name}: the loop(s) {loops} are outside of its steps, but {stage.name} "
                        f"reads other elements of {tensor.name} along {axis.name!r} than the same iteration "
                        f"updates; move them inside of {innermost(recurrence).name!r}"
                    )


def _reads(stage: Stage, tensors: Sequence[Tensor]) -> list[tuple[Tensor, tuple[Expr, ...]]]:
    """The reads of `tensors` in a stage, but for those of the first values of a recurrence."""
    op = stage.op
    exprs = op.steps if isinstance(op, Recurrence) else stage.compute.exprs
    return [(read.tensor, read.indices) for read in reads_of(exprs) if read.tensor in tensors]


def uses(expr: Expr, variables: set[Var]) -> bool:
    """Whether `expr` depends on one of `variables`."""
    return any(type(node) is Var and node in variables for node in walk(expr))


def loops_of(stage: Stage, domains: Domains, axes: Sequence[IterVar]) -> dict[Var, Extent]:
    """The variables of loops, with their extents."""
    domain = domains[stage]
    return {domain.loops[axis]: domain.extents[axis] for axis in axes}


def relaxed_until(stage: Stage, parent: Stage, domains: Domains) -> dict[Var, Extent]:
    """The loops of a stage that is computed inside of a loop of `parent`, and of the stages between them."""
    relaxed: dict[Var, Extent] = {}
    while stage is not parent and stage.attach is not None:
        relaxed |= loops_of(stage, domains, stage.leaf)
        stage = stage.attach[0]
    return relaxed


def ranges_of(
    among: Sequence[Stage], stages: Sequence[Stage], domains: Domains, sizes: Mapping[Var, Interval]
) -> dict[Var, Interval]:
    """The values of the loops of stages, and of those around them."""
    ranges = dict(sizes)
    for stage in {*among, *(parent for one in among for parent, _ in enclosing(one))}:
        extents: Extents = domains[stage].extents
        for axis, var in domains[stage].loops.items():
            ranges[var] = (0, extent_upper_bound(extents[axis], sizes) - 1)
    return ranges


def contained(
    index: Expr, within: Expr, relaxed: Mapping[Var, Extent], ranges: Mapping[Var, Interval]
) -> bool:
    """Whether the values of `index` over the relaxed loops are known to be among those of `within`."""
    simplifier = Simplifier(ranges)
    inner, outer = span(simplifier(index), relaxed), span(simplifier(within), relaxed)
    if inner is None or outer is None:
        return False
    low, high = simplifier(binary("-", inner[0], outer[0])), simplifier(binary("-", outer[1], inner[1]))
    return simplifier.bounds(low)[0] >= 0 and simplifier.bounds(high)[0] >= 0
