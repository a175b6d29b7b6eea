"""Factored reductions: a reduce loop becomes a data axis of partial results, which can run in parallel."""

from __future__ import annotations

from compiler.errors import ScheduleError
from compiler.ir.calls import call
from compiler.ir.expr import Const, Expr, Var, as_expr, binary, conjunction
from compiler.ir.visit import substitute
from compiler.schedule.relation import Extents, Values
from compiler.schedule.stage import Stage
from compiler.schedule.stages import Stages
from compiler.te.axis import IterVar, new_axis
from compiler.te.reducer import Reduction
from compiler.te.tensor import Compute, Tensor


def rfactor(schedule: Stages, tensor: Tensor, axis: IterVar, factor_axis: int) -> tuple[Tensor, ...]:
    """Reduce over all loops but `axis` to partial results with the dimension `axis`, then reduce those.

    Source: Suriana et al., "Parallel associative reductions in Halide" (CGO 2017), section 4.
    """
    stage = schedule[tensor]
    op = _checked(stage, axis, factor_axis)
    reduction = op.reduction
    assert reduction is not None
    rest = [leaf for leaf in stage.leaf if leaf.kind == "reduce" and leaf is not axis]
    fresh = [new_axis(leaf.name, leaf.extent, "reduce") for leaf in rest]
    factored = new_axis(axis.name, axis.extent)
    data = [new_axis(a.name, a.extent) for a in op.axes]

    # the old axes in terms of the new ones
    relations = [relation for relation in stage.relations if relation.kind == "reduce"]
    extents: Extents = {a: a.extent for a in reduction.axes}
    for relation in relations:
        relation.down(extents)
    values: Values = {old: new.var for old, new in zip(rest, fresh, strict=True)}
    values[axis] = factored.var
    for relation in reversed(relations):
        relation.up(values, extents)
    inside = [c for relation in relations for c in relation.conditions(values, extents)]
    old_values: dict[Var, Expr] = {a.var: b.var for a, b in zip(op.axes, data, strict=True)}
    old_values |= {a.var: binary("+", values[a], a.start) for a in reduction.axes}

    terms = tuple(substitute(e, old_values) for e in op.body)
    condition = conjunction(inside) if inside else None
    if reduction.condition is not None:
        where = substitute(reduction.condition, old_values)
        # `where` may read elements that exist only for valid values of the old axes
        condition = (
            where if condition is None else call("if_then_else", condition, where, Const(False, "bool"))
        )
    if not fresh and condition is not None:
        identity = reduction.reducer.initial(op.dtypes)
        terms = tuple(call("if_then_else", condition, t, e) for t, e in zip(terms, identity, strict=True))
    partial = Compute.of(
        f"{op.name}_rf",
        (*data[:factor_axis], factored, *data[factor_axis:]),
        terms,
        Reduction(reduction.reducer, tuple(fresh), condition) if fresh else None,
    )
    made = schedule.insert(partial, "global", before=stage)
    last = new_axis(axis.name, axis.extent, "reduce")
    index: list[Expr] = [as_expr(a) for a in op.axes]
    index.insert(factor_axis, last.var)
    reads = tuple(t[tuple(index)] for t in made.tensors)
    stage.replace(Compute.of(op.name, op.axes, reads, Reduction(reduction.reducer, (last,))))
    return made.tensors


def _checked(stage: Stage, axis: IterVar, factor_axis: int) -> Compute:
    op = stage.op
    if not isinstance(op, Compute) or op.reduction is None:
        raise ScheduleError(f"{stage.name}: rfactor takes a reduction; this stage has no reduce axis")
    stage.check_leaf("rfactor", axis)
    if axis.kind != "reduce":
        raise ScheduleError(
            f"{stage.name}: rfactor of {axis.name!r}, which is a data axis; it takes a reduce axis "
            f"({', '.join(a.name for a in stage.leaf if a.kind == 'reduce')})"
        )
    if not isinstance(axis.extent, int):
        raise ScheduleError(
            f"{stage.name}: rfactor of {axis.name!r}, whose extent is dynamic; "
            "split it by a factor, and factor the inner loop"
        )
    if not isinstance(factor_axis, int) or not 0 <= factor_axis <= len(op.axes):
        raise ScheduleError(
            f"{stage.name}: rfactor puts its axis among {len(op.axes)} data axes, so factor_axis is "
            f"0 to {len(op.axes)}, not {factor_axis!r}"
        )
    if stage.kinds or stage.pragmas or any(relation.kind == "data" for relation in stage.relations):
        raise ScheduleError(
            f"{stage.name}: rfactor makes the loops of the stage anew, so it must come before what splits or "
            "fuses data axes, and before marks"
        )
    return op
