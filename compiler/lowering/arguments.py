"""Arguments with strides, and outputs in the memory of inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compiler.errors import ScheduleError
from compiler.ir.address import strided_position
from compiler.ir.dtype import PACKED_TYPES
from compiler.ir.expr import Expr, Load, Var, upper_bound
from compiler.ir.simplify.simplify import Interval
from compiler.ir.stmt import Prefetch, Region, Stmt, Store
from compiler.ir.visit import Rewriter, substitute
from compiler.lowering.bounds import enclosing
from compiler.lowering.steps import Domains, contained, loops_of, ranges_of, relaxed_until
from compiler.schedule.relation import Extents
from compiler.schedule.stage import Stage
from compiler.te.recurrence import Recurrence
from compiler.te.tensor import Compute, Placeholder, Tensor, reads_of

Strided = Mapping[Tensor, Sequence[int | None]] | Sequence[Tensor]
"""Arguments with their strides in elements, None for one that each call determines; or with all dynamic."""

MAX_STRIDE, STRIDE_RANGE = 1 << 40, 1 << 61
"""Bounds of a stride, and of the sum of all products of indices and strides, so that positions are int64."""


# --- strides --------------------------------------------------------------------------------------


def strides_of(tensor: Tensor, strided: Strided) -> tuple[int | Var, ...] | None:
    """The strides of an argument; None if it is row-major.

    Raises
    ------
    ScheduleError
        If the number of strides is not that of the dimensions, or the type is packed.
    """
    if tensor not in strided:
        return None
    if tensor.dtype in PACKED_TYPES:
        raise ScheduleError(f"{tensor!r}: elements of a packed type share bytes, so it cannot have strides")
    given = strided[tensor] if isinstance(strided, Mapping) else (None,) * tensor.ndim
    if len(given) != tensor.ndim or any(type(stride) not in (int, type(None)) for stride in given):
        raise ScheduleError(
            f"{tensor!r}: its strides are {given!r}; an integer, or None, is needed for each of its "
            f"{tensor.ndim} dimension(s)"
        )
    limits = [min(MAX_STRIDE, STRIDE_RANGE // tensor.ndim // upper_bound(extent)) for extent in tensor.shape]
    return tuple(
        Var(f"{tensor.name}_stride{d}", "int64", (-limit, limit)) if stride is None else stride
        for d, (stride, limit) in enumerate(zip(given, limits, strict=True))
    )


def by_position(body: Stmt) -> Stmt:
    """`body` with each access of a buffer with strides by the position of the element."""
    return _ByPosition()(body)


class _ByPosition(Rewriter):
    def at(self, node: Any) -> Any:
        inner = self.descend(node)
        if inner.buffer.strides is None:
            return inner
        if len(inner.indices) != len(inner.buffer.shape):
            raise ScheduleError(
                f"{inner.buffer.name}: it has strides, but a statement uses a row-major position; give one "
                "index for each dimension, or a copy"
            )
        where = (strided_position(inner.buffer, inner.indices),)
        return (
            Store(inner.buffer, where, inner.value)
            if isinstance(inner, Store)
            else type(inner)(inner.buffer, where)
        )

    def region(self, node: Region) -> Region:
        if node.buffer.strides is not None:
            raise ScheduleError(
                f"{node.buffer.name}: it has strides, but a tensor intrinsic takes regions of row-major "
                "arrays; use cache_read or cache_write"
            )
        return self.descend(node)

    rules = {Load: at, Store: at, Prefetch: at, Region: region}


# --- outputs in place -----------------------------------------------------------------------------


def check_inplace(
    pairs: Mapping[Tensor, Tensor], stages: Sequence[Stage], domains: Domains, sizes: Mapping[Var, Interval]
) -> None:
    """Check that outputs may be computed in the memory of inputs.

    Every element of the input must be read before the output's element at the same indices is stored, and by
    nothing after that. What is computed before the stage of the output may read all of it. A stage in one of
    the loops of the output may read what the same iteration stores later; the output itself, the element that
    it stores.

    Raises
    ------
    ScheduleError
        If that is not known to be so.
    """
    of_tensor = {tensor: stage for stage in stages for tensor in stage.tensors}
    taken: dict[Tensor, Tensor] = {}
    for out, given in pairs.items():
        stage = of_tensor.get(out)
        if stage is None or not stage.output or not isinstance(stage.op, Compute):
            raise ScheduleError(f"{out!r} cannot be in place: it is no computed output of the schedule")
        if not isinstance(given.op, Placeholder) or given in taken:
            why = f"holds {taken[given].name} already" if given in taken else "is no input"
            raise ScheduleError(f"{out.name} cannot be in the memory of {given.name}, which {why}")
        if (out.shape, out.dtype) != (given.shape, given.dtype):
            raise ScheduleError(f"{out!r} cannot be in the memory of {given!r}: types and shapes must agree")
        taken[given] = out
        root = [s for s in stages if s.attach is None]
        for reader in stages:
            if given not in reader.op.inputs:
                continue
            top = _top(reader)
            if root.index(top) < root.index(stage):
                continue
            if top is not stage:
                _refuse(out, given, f"{reader.name} reads {given.name} after {out.name} was stored")
            if not isinstance(reader.op, Compute) or reader.scope in ("shared", "warp"):
                _refuse(
                    out,
                    given,
                    f"the elements that {reader.name} reads in the loops of {out.name} are unknown",
                )
            _check_reader(
                out, given, stage, reader, ranges_of([stage, reader], stages, domains, sizes), domains
            )


def _top(stage: Stage) -> Stage:
    around = enclosing(stage)
    return around[-1][0] if around else stage


def _refuse(out: Tensor, given: Tensor, why: str) -> None:
    raise ScheduleError(f"{out.name} cannot be in the memory of {given.name}: {why}")


def _check_reader(
    out: Tensor,
    given: Tensor,
    stage: Stage,
    reader: Stage,
    ranges: Mapping[Var, Interval],
    domains: Domains,
) -> None:
    """Check a stage that reads the input in the loops of the output, or is the output."""
    op = stage.compute
    relaxed: Extents = {}  # type: ignore[assignment]
    loops = dict(relaxed)
    if reader is stage:
        if op.reduction is not None:
            _refuse(
                out,
                given,
                f"it is a reduction, which sets {out.name} before it reads {given.name}; use cache_write, "
                "and compute the cache where it reads no more than is stored",
            )
    else:
        at = reader
        while at.attach is not None and at.attach[0] is not stage:
            at = at.attach[0]
        assert at.attach is not None
        inside = stage.leaf[stage.leaf.index(at.attach[1]) + 1 :]
        loops = {**relaxed_until(reader, stage, domains), **loops_of(stage, domains, inside)}  # type: ignore[dict-item]
    own, values = domains[stage].values(stage), domains[reader].values(reader)
    stored: Sequence[Expr] = [axis.var for axis in op.axes]
    groups: list[tuple[Sequence[Expr], Sequence[Expr]]] = [(reader.compute.exprs, stored)]
    if isinstance(op, Recurrence):
        rows = iter(axis.var for axis in op.first_axes)
        first = [next(rows) if axis is None else axis.var for axis in op.dims]
        if reader is stage:
            groups = [(op.steps, op.element), (op.first, first)]
        else:
            groups = [(reader.compute.exprs, op.element)]
    for exprs, place in groups:
        for read in reads_of(exprs):
            if read.tensor != given:
                continue
            if any(not isinstance(index, Var) for index in place):
                _refuse(out, given, f"the elements that a step of {out.name} updates are computed")
            for index, where in zip(read.indices, place, strict=True):
                inner, outer = substitute(index, values), substitute(where, own)
                if not contained(inner, outer, loops, ranges):  # type: ignore[arg-type]
                    what = (
                        "other elements than the one it stores"
                        if reader is stage
                        else (f"other elements in the loops of {out.name} than the same iteration stores")
                    )
                    _refuse(out, given, f"{reader.name} reads {what}")
