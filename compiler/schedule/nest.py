"""From a schedule to a loop nest: the first program, before any pass."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir.expr import INDEX, Const, Expr, Load, Var, binary, conjunction
from compiler.ir.function import Buffer, PrimFunc
from compiler.ir.simplify import HIGHEST, simplify
from compiler.ir.stmt import Allocate, For, If, Seq, Stmt, Store, sequence
from compiler.ir.visit import Rewriter, substitute
from compiler.schedule.bounds import Region, infer_bounds
from compiler.schedule.errors import ScheduleError
from compiler.schedule.schedule import Schedule
from compiler.schedule.stage import Stage, names
from compiler.tensor import Compute, IterVar, Placeholder, Reduce, Tensor, TensorRead

LOCAL_LIMIT = 1 << 20
"""Bytes that a local buffer may take: it lives on the stack of a thread."""


def loop_nest(schedule: Schedule, args: Sequence[Tensor], name: str = "main") -> PrimFunc:
    """The loop nest that a schedule describes, simplified.

    Parameters
    ----------
    schedule : Schedule
    args : sequence of Tensor
        Inputs and outputs in the order of the call; every input and output of the schedule.
    name : str
        Symbol of the function.

    Returns
    -------
    PrimFunc
        Buffers keep their dimensions; loops are marked with their kinds.

    Raises
    ------
    ScheduleError
        If an argument is missing or is not an input or output, a stage is placed where a
        consumer cannot see it, the loops of an inlined stage were scheduled, or a buffer is
        too large for an index or for its scope.
    """
    _check_args(schedule, args, name)
    return simplify(_Nest(schedule, args).function(args, name))


def _check_args(schedule: Schedule, args: Sequence[Tensor], name: str) -> None:
    for position, arg in enumerate(args):
        if not isinstance(arg, Tensor):
            raise ScheduleError(
                f"argument {position} of {name!r} is {type(arg).__name__}; a tensor is needed"
            )
    if len(set(args)) != len(args):
        raise ScheduleError(f"{name!r} takes an argument twice: {names(args)}")
    needed = [s.tensor for s in schedule.stages if s.output or isinstance(s.op, Placeholder)]
    missing = [t for t in needed if t not in args]
    surplus = [t for t in args if t not in needed]
    if missing:
        raise ScheduleError(f"{name!r} lacks the argument(s) {names(missing)} (needed: {names(needed)})")
    if surplus:
        raise ScheduleError(
            f"{names(surplus)} is no input or output of the schedule (needed: {names(needed)})"
        )


class _Nest:
    """Builds the statement of each stage around those of the stages placed inside of it."""

    def __init__(self, schedule: Schedule, args: Sequence[Tensor]) -> None:
        stages = _inlined(schedule)
        self.stages = [s for s in stages if isinstance(s.op, Compute)]
        self.of_tensor = {s.tensor: s for s in stages}
        self.regions = infer_bounds(self.stages)
        self.buffers: dict[Stage, Buffer] = {}
        for stage in stages:
            self.buffers[stage] = self._buffer(stage)

    def _buffer(self, stage: Stage) -> Buffer:
        shape = stage.op.shape
        if stage.attach is not None:
            shape = tuple(self.regions[stage].extents[axis] for axis in stage.compute.axis)
        buffer = Buffer(stage.name, shape, stage.op.dtype, stage.scope)
        if buffer.size > HIGHEST:
            raise ScheduleError(
                f"{stage.name}: {list(shape)} has {buffer.size} elements; an index is {INDEX}, "
                f"so a buffer has at most {HIGHEST}"
            )
        if stage.scope == "local" and buffer.nbytes > LOCAL_LIMIT:
            raise ScheduleError(
                f"{stage.name}: a local buffer of {list(shape)} {stage.op.dtype} takes {buffer.nbytes} "
                f"bytes, more than {LOCAL_LIMIT}; compute it at an inner loop, or give it the scope 'global'"
            )
        return buffer

    def function(self, args: Sequence[Tensor], name: str) -> PrimFunc:
        params = tuple(self.buffers[self.of_tensor[tensor]] for tensor in args)
        roots = [s for s in self.stages if s.attach is None]
        body: Stmt = Seq(())
        for stage in reversed(roots):
            body = self._around(stage, body)
        return PrimFunc(name, params, body)

    def _around(self, stage: Stage, rest: Stmt) -> Stmt:
        """`stage`, then what follows it, inside the lifetime of its buffer."""
        body = sequence((self._produce(stage), rest))
        return body if stage.output else Allocate(self.buffers[stage], body, tuple(stage.buffer_pragmas))

    def _produce(self, stage: Stage) -> Stmt:
        """The loops of a stage.

        A reduction starts where its outermost reduce loop stands: there its elements are set
        to the identity, by a copy of the data loops from there inwards.
        """
        op, region = stage.compute, self.regions[stage]
        values = region.values(stage)
        buffer = self.buffers[stage]
        element = tuple(region.offsets[axis] for axis in op.axis)
        if not isinstance(op.body, Reduce):
            store: Stmt = Store(buffer, element, self._body(op.body, values))
            return self._loops(stage, stage.leaf, self._guarded(stage, region, ("data",), store))
        update = op.body.reducer.combine(Load(buffer, element), self._body(op.body.source, values))
        store = self._guarded(stage, region, ("data", "reduce"), Store(buffer, element, update))
        start = min(stage.leaf.index(a) for a in stage.leaf if a.kind == "reduce")
        inner = self._loops(stage, stage.leaf[start:], store)
        begin = self._initial(stage, region, start, Store(buffer, element, op.body.reducer.initial(op.dtype)))
        return self._loops(stage, stage.leaf[:start], sequence((begin, inner)))

    def _initial(self, stage: Stage, region: Region, start: int, store: Stmt) -> Stmt:
        body = self._guarded(stage, region, ("data",), store)
        fresh: dict[Var, Expr] = {}
        loops: list[tuple[Var, IterVar]] = []
        for axis in stage.leaf[start:]:
            if axis.kind == "data":
                var = Var(f"{axis.name}_init")
                fresh[region.loops[axis]] = var
                loops.append((var, axis))
        body = substitute(body, fresh)
        for var, axis in reversed(loops):
            body = For(var, Const(region.extents[axis]), stage.kinds.get(axis, "serial"), body)
        return body

    def _loops(self, stage: Stage, loops: Sequence[IterVar], body: Stmt) -> Stmt:
        region = self.regions[stage]
        for axis in reversed(loops):
            for placed in reversed(self.stages):
                if placed.attach == (stage, axis):
                    body = self._around(placed, body)
            kind = stage.kinds.get(axis, "serial")
            pragmas = tuple(stage.pragmas.get(axis, ()))
            body = For(region.loops[axis], Const(region.extents[axis]), kind, body, pragmas)
        return body

    def _guarded(self, stage: Stage, region: Region, kinds: Sequence[str], store: Stmt) -> Stmt:
        """`store` under the conditions that keep its axes of `kinds` inside their extents and its tensor."""
        conditions: list[Expr] = []
        for relation in stage.relations:
            if relation.kind in kinds:
                conditions += relation.conditions(region.offsets, region.extents)
        for axis, low in zip(stage.compute.axis, region.mins, strict=True):
            if low != Const(0):
                value = binary("+", low, region.offsets[axis])
                conditions += [binary("<", value, axis.extent), binary(">=", value, 0)]
        return If(conjunction(conditions), store) if conditions else store

    def _body(self, body: Expr, values: dict[Var, Expr]) -> Expr:
        return _Reads(self)(substitute(body, values))

    def load(self, read: TensorRead, indices: tuple[Expr, ...]) -> Load:
        """The element of the buffer that holds an element of a tensor."""
        stage = self.of_tensor[read.tensor]
        if stage.attach is not None:
            mins = self.regions[stage].mins
            indices = tuple(
                index if low == Const(0) else binary("-", index, low)
                for index, low in zip(indices, mins, strict=True)
            )
        return Load(self.buffers[stage], indices)


class _Reads(Rewriter):
    """Readings of tensors become loads from their buffers."""

    def __init__(self, nest: _Nest) -> None:
        self.nest = nest

    def _read(self, node: TensorRead) -> Expr:
        return self.nest.load(node, tuple(self(index) for index in node.indices))

    rules = {TensorRead: _read}


class _Inline(Rewriter):
    """Readings of an inlined tensor become its expression."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def _read(self, node: TensorRead) -> Expr:
        inner = self.descend(node)
        if inner.tensor != self.stage.tensor:
            return inner
        op = self.stage.compute
        return substitute(op.body, {a.var: i for a, i in zip(op.axis, inner.indices, strict=True)})

    rules = {TensorRead: _read}


def _inlined(schedule: Schedule) -> list[Stage]:
    """The stages without the inlined ones, whose expressions stand in their consumers.

    The schedule itself is left as it is: stages that change are copies.
    """
    stages = list(schedule.stages)
    if not any(stage.inlined for stage in stages):
        return stages
    for stage in stages:
        if stage.inlined and (stage.relations or stage.kinds):
            raise ScheduleError(
                f"{stage.name}: inlined, so it has no loops, but its loops were scheduled; "
                "compute_root or compute_at keeps them"
            )
    stages = [_copy(stage) for stage in stages]
    twins = dict(zip(schedule.stages, stages, strict=True))
    for stage in stages:
        if stage.attach is not None:
            stage.attach = (twins[stage.attach[0]], stage.attach[1])
    for stage in [s for s in stages if s.inlined]:
        inline = _Inline(stage)
        for consumer in stages:
            if stage.tensor in consumer.op.inputs:
                old = consumer.compute
                consumer.op = Compute(old.name, old.shape, old.dtype, old.axis, body=inline(old.body))
        stages.remove(stage)
    return stages


def _copy(stage: Stage) -> Stage:
    twin = Stage.__new__(Stage)
    twin.__dict__ |= stage.__dict__
    return twin
