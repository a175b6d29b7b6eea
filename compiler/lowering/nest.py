"""Loop nests: from a schedule to the first program, before any pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from compiler.errors import ScheduleError
from compiler.ir.address import in_type
from compiler.ir.dtype import PACKED_TYPES, bits_of
from compiler.ir.expr import Buffer, Const, Expr, Load, Var, as_expr, binary, conjunction
from compiler.ir.function import PrimFunc
from compiler.ir.recursion import Recursive, counted
from compiler.ir.relocate import with_buffers
from compiler.ir.semantics.bounds import Refusing
from compiler.ir.simplify.simplify import simplify
from compiler.ir.stmt import THREAD_TAGS, Allocate, For, If, Let, Seq, Stmt, Store, sequence
from compiler.ir.visit import substitute, walk
from compiler.lowering.arguments import Strided, by_position, check_inplace, strides_of
from compiler.lowering.bounds import Domain, enclosing, extent_upper_bound, infer_bounds, shared_by, sizes_in
from compiler.lowering.inline import inlined
from compiler.lowering.steps import check_order, placed_in_steps
from compiler.lowering.tensorize import Tensorized
from compiler.schedule.marks import aligned
from compiler.schedule.schedule import Schedule
from compiler.schedule.stage import Stage, names
from compiler.te.axis import Extent, IterVar
from compiler.te.recurrence import Recurrence
from compiler.te.tensor import Compute, Extern, ReadRewriter, Tensor, TensorRead

MEMORY_LIMIT = 1 << 62
"""Bytes of the largest buffer: positions and sizes are int64."""

DYNAMIC_LIMIT = 1 << 36
"""Bytes of the largest buffer that is allocated for the upper bounds of dynamic extents."""

LOCAL_LIMIT = 1 << 20
"""Bytes of the largest local buffer, since local buffers are on the stack of a thread."""


def loop_nest(
    schedule: Schedule,
    args: Sequence[Tensor],
    name: str = "main",
    *,
    inplace: Mapping[Tensor, Tensor] | None = None,
    strided: Strided = (),
) -> PrimFunc:
    """The loop nest that a schedule describes, simplified.

    Parameters
    ----------
    schedule : Schedule
    args : sequence of Tensor
        All inputs and outputs of the schedule, in the order of the call.
    name : str
        Symbol of the function.
    inplace : mapping of Tensor to Tensor, optional
        Output -> the input in whose memory it is computed; the output is then no argument.
    strided : mapping of Tensor to sequence of int or None, or sequence of Tensor, optional
        Arguments that may be views, with their strides in elements. None is a stride that each call
        determines; so are all strides of a tensor in a sequence.

    Returns
    -------
    PrimFunc
        Its buffers have the dimensions of the tensors, its loops the kinds that the schedule set.

    Raises
    ------
    ScheduleError
        If an argument is missing or is not an input or output, a stage is computed in a loop that does not
        enclose all its consumers, the loops of an inlined stage were scheduled, a buffer is too large for its
        scope, or an output in place would overwrite what is still to be read.
    """
    inplace = inplace or {}
    _check_args(schedule, args, name, inplace)
    for tensor in strided:
        if tensor not in args:
            raise ScheduleError(f"{tensor} cannot have strides: it is no argument of {name!r}")
    nest = _Nest(schedule, inplace, strided)
    func = simplify(nest.function(args, name), nest.sizes)
    if any(isinstance(stage.op, Recurrence) for stage in schedule.stages):

        def refuse(message: str) -> NoReturn:
            raise ScheduleError(f"{name!r} {message}")

        Refusing(refuse)(func.body)  # `create_schedule` does not check steps: it lacks their ranges
    return func


def _check_args(
    schedule: Schedule, args: Sequence[Tensor], name: str, inplace: Mapping[Tensor, Tensor]
) -> None:
    for position, arg in enumerate(args):
        if not isinstance(arg, Tensor):
            raise ScheduleError(
                f"argument {position} of {name!r} is {type(arg).__name__}; a tensor is needed"
            )
    if len(set(args)) != len(args):
        raise ScheduleError(f"{name!r} takes an argument twice: {names(args)}")
    needed = [tensor for s in schedule.stages if s.output or not s.computed for tensor in s.tensors]
    for out in inplace:
        if out in args:
            raise ScheduleError(
                f"{out.name} is computed in the memory of {inplace[out].name}, so it is no argument of "
                f"{name!r}"
            )
    needed = [tensor for tensor in needed if tensor not in inplace]
    missing = [t for t in needed if t not in args]
    surplus = [t for t in args if t not in needed]
    if missing:
        raise ScheduleError(f"{name!r} lacks the argument(s) {names(missing)} (needed: {names(needed)})")
    if surplus:
        raise ScheduleError(
            f"{names(surplus)} is neither an input nor an output of the schedule (needed: {names(needed)})"
        )
    for tensor in args:
        each = 8 // bits_of(tensor.dtype) if tensor.dtype in PACKED_TYPES else 1
        last = tensor.shape[-1] if tensor.shape else 1
        if each > 1 and (isinstance(last, Var) or last % each):
            raise ScheduleError(
                f"{name!r}: {tensor!r} is an argument, and {each} of its elements share a byte, so its last "
                f"extent must be a multiple of {each}"
            )
    determined = {extent for tensor in args for extent in tensor.shape if isinstance(extent, Var)}
    for stage in schedule.stages:
        used = [n for e in getattr(stage.op, "exprs", ()) for n in walk(e) if type(n) is Var and n.bounds]
        undetermined = [size for size in (*sizes_in([stage]), *used) if size not in determined]
        if undetermined:
            raise ScheduleError(
                f"{stage.name}: the dynamic extent {undetermined[0].name!r} is not an extent of any argument "
                f"of {name!r}, so a call does not determine it (arguments: {', '.join(map(repr, args))})"
            )


class _Nest(Recursive):
    """Builds the statement of each stage, with the stages that are computed in its loops."""

    def __init__(
        self, schedule: Schedule, inplace: Mapping[Tensor, Tensor] | None = None, strided: Strided = ()
    ) -> None:
        self.strided = strided
        stages = placed_in_steps(inlined(schedule))
        self.stages = [s for s in stages if s.computed]
        self.of_tensor = {tensor: s for s in stages for tensor in s.tensors}
        self.sizes = sizes_in(stages)
        self.domains = infer_bounds(self.stages)
        self.buffers: dict[Tensor, Buffer] = {}
        self.hoisted: dict[tuple[Stage, IterVar], list[Stage]] = {}
        for stage in stages:
            self._allocate(stage)
        if inplace:
            check_inplace(inplace, self.stages, self.domains, self.sizes)
            self.buffers |= {out: self.buffers[given] for out, given in inplace.items()}
        for stage in self.stages:
            if isinstance(stage.op, Recurrence):
                check_order(stage, self.stages, self.domains, self.sizes)
                self.of_tensor |= dict.fromkeys(stage.op.states, stage)
                self.buffers |= {
                    state: self.buffers[tensor]
                    for state, tensor in zip(stage.op.states, stage.tensors, strict=True)
                }

    def _allocate(self, stage: Stage) -> None:
        """Make the buffers of a stage; find the thread loop outside of which shared memory is allocated."""
        for tensor in stage.tensors:
            self.buffers[tensor] = self._buffer(stage, tensor)
        threads = [
            (parent, axis)
            for parent, axis in (enclosing(stage) if stage.computed else ())
            if shared_by(stage.scope, parent.kinds.get(axis, "serial"))
        ]
        if threads:
            for parent, axis in enclosing(stage):
                if (parent, axis) == threads[-1]:
                    break
                if parent.kinds.get(axis) == "parallel":
                    raise ScheduleError(
                        f"{stage.name}: its {stage.scope!r} memory is shared by all threads, but the loop "
                        f"{axis.name!r} of {parent.name} inside of the loops over threads is parallel; "
                        "leave it serial"
                    )
            self.hoisted.setdefault(threads[-1], []).append(stage)

    def _buffer(self, stage: Stage, tensor: Tensor) -> Buffer:
        shape = tensor.shape
        if not stage.output and stage.computed:
            extents: tuple[Extent, ...] = shape
            if stage.attach is not None and isinstance(stage.op, Compute):
                loops = self.domains[stage].extents
                extents = tuple(
                    n if axis is None else loops[axis] for axis, n in zip(stage.op.dims, shape, strict=True)
                )
            # an allocation has the upper bound of each dynamic extent
            shape = numbers = tuple(extent_upper_bound(extent, self.sizes) for extent in extents)
            if stage.layout is not None:
                shape = stage.layout.shape(numbers)
            if stage.alignments:
                shape = self._aligned(stage, shape)
        name = stage.name if len(stage.tensors) == 1 else f"{stage.name}_v{tensor.index}"
        buffer = Buffer(name, shape, tensor.dtype, stage.scope, strides_of(tensor, self.strided))
        dynamic = any(isinstance(n, Var) for n in tensor.shape)
        if buffer.nbytes > (
            DYNAMIC_LIMIT if dynamic and stage.computed and not stage.output else MEMORY_LIMIT
        ):
            hint = "; give its sizes narrower bounds" if dynamic else ""
            raise ScheduleError(
                f"{name}: {list(shape)} has {buffer.size} elements, more than memory can hold{hint}"
            )
        if stage.scope == "local" and buffer.nbytes > LOCAL_LIMIT:
            raise ScheduleError(
                f"{name}: a local buffer of {list(shape)} {tensor.dtype} takes {buffer.nbytes} "
                f"bytes, more than {LOCAL_LIMIT}; compute it at an inner loop, or give it the scope 'global'"
            )
        return buffer

    def _aligned(self, stage: Stage, shape: tuple[int, ...]) -> tuple[int, ...]:
        if stage.layout is not None:
            raise ScheduleError(
                f"{stage.name}: storage_align pads rows that transform_layout splits; use one of them"
            )
        return aligned(stage.name, shape, stage.compute.dims, stage.alignments)

    def function(self, args: Sequence[Tensor], name: str) -> PrimFunc:
        body: Stmt = Seq(())
        for stage in reversed([s for s in self.stages if s.attach is None]):
            body = self._around(stage, body)
        body = by_position(body) if self.strided else body
        return PrimFunc(name, tuple(self.buffers[tensor] for tensor in args), body)

    def _around(self, stage: Stage, rest: Stmt) -> Stmt:
        """`stage`, then the statements after it, inside of the allocation of its buffers."""
        body = sequence((self._produce(stage), rest))
        hoisted = any(stage in stages for stages in self.hoisted.values())
        return body if stage.output or hoisted else self._allocated(stage, body)

    def _allocated(self, stage: Stage, body: Stmt) -> Stmt:
        for tensor in reversed(stage.tensors):
            body = Allocate(self.buffers[tensor], body, tuple(stage.buffer_pragmas))
        return body

    @counted
    def _produce(self, stage: Stage) -> Stmt:
        """The loops of a stage.

        The elements of a reduction are set to the identity right before its outermost reduce loop, by a copy
        of the data loops inside of that loop.
        """
        op = stage.op
        if isinstance(op, Extern):
            return self._statement(stage, op)
        assert isinstance(op, Compute)
        if stage.tensorized is not None:
            return self._tensorized(stage)
        first, update = self.pieces(stage)
        if first is None:
            return self._loops(stage, stage.leaf, update)
        start = min(stage.leaf.index(a) for a in stage.leaf if a.kind != "data")
        begin = self._initial(stage, stage.leaf[start:], first)
        for axis in reversed(op.first_axes if isinstance(op, Recurrence) else ()):
            begin = For(axis.var, in_type(as_expr(axis.extent), axis.dtype), "serial", begin)
        inner = self._loops(stage, stage.leaf[start:], update)
        return self._loops(stage, stage.leaf[:start], sequence((begin, inner)))

    def pieces(self, stage: Stage) -> tuple[Stmt | None, Stmt]:
        """The body of the innermost loop: for a reduction the initialization, else None; and the update."""
        op, domain = stage.compute, self.domains[stage]
        values = domain.values(stage)
        if isinstance(op, Recurrence):
            return self._step(stage, op, values)
        element = tuple(domain.offsets[axis] for axis in op.axes)
        if stage.layout is not None:
            element = stage.layout.at(element)
        buffers = [self.buffers[tensor] for tensor in stage.tensors]
        terms = tuple(self._read(expr, values) for expr in op.body)
        if op.reduction is None:
            stores = _assign(buffers, element, terms)
            return None, self._guarded(stage, domain, ("data",), stores)
        so_far = tuple(Load(buffer, element) for buffer in buffers)
        update = _assign(buffers, element, op.reduction.reducer.combine(so_far, terms))
        if op.reduction.condition is not None:
            update = If(self._read(op.reduction.condition, values), update)
        identity = op.reduction.reducer.initial(op.dtypes)
        first = sequence(Store(b, element, e) for b, e in zip(buffers, identity, strict=True))
        return (
            self._guarded(stage, domain, ("data",), first),
            self._guarded(stage, domain, ("data", "reduce"), update),
        )

    def _step(self, stage: Stage, op: Recurrence, values: dict[Var, Expr]) -> tuple[Stmt, Stmt]:
        """The first values of a recurrence, and the update of one step."""
        domain, buffers = self.domains[stage], [self.buffers[tensor] for tensor in stage.tensors]

        def at(indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
            return tuple(
                self._read(index, values) if axis is None else domain.offsets[axis]
                for axis, index in zip(op.dims, indices, strict=True)
            )

        rows = iter(axis.var for axis in op.first_axes)
        leading = at(tuple(next(rows) if axis is None else axis.var for axis in op.dims))
        first = [Store(b, leading, self._read(e, values)) for b, e in zip(buffers, op.first, strict=True)]
        # an output in the memory of its first values has them already
        begin = sequence(s for s in first if s.value != Load(s.buffer, leading))
        update = _assign(buffers, at(op.element), tuple(self._read(e, values) for e in op.body))
        if op.condition != Const(True, "bool"):
            update = If(self._read(op.condition, values), update)
        return (
            self._guarded(stage, domain, ("data",), begin),
            self._guarded(stage, domain, ("data", "sequential"), update),
        )

    def _tensorized(self, stage: Stage) -> Stmt:
        """The loops of a stage outside of its tensor intrinsic, and its application."""
        assert stage.tensorized is not None
        ranges = dict(self.sizes)
        for parent, around in (*enclosing(stage), *((stage, axis) for axis in stage.leaf)):
            length = extent_upper_bound(self.domains[parent].extents[around], self.sizes)
            ranges[self.domains[parent].loops[around]] = (0, length - 1)
        made = Tensorized(stage, self.domains[stage], ranges, self.position, self.buffers)
        inner = stage.leaf[stage.leaf.index(stage.tensorized[0]) :]
        for placed in self.stages:
            if placed.attach is not None and placed.attach[0] is stage and placed.attach[1] in inner:
                made.fail(f"{placed.name} is computed inside of {placed.attach[1].name!r}, which it replaces")
        outer = stage.leaf[: len(stage.leaf) - len(inner)]
        reduced = [outer.index(a) for a in outer if a.kind == "reduce"]
        if not reduced:
            return self._loops(stage, outer, made.whole())
        start = reduced[0]
        begin = self._initial(stage, outer[start:], made.reset())
        return self._loops(
            stage, outer[:start], sequence((begin, self._loops(stage, outer[start:], made.update())))
        )

    def _statement(self, stage: Stage, op: Extern) -> Stmt:
        """The statement of an extern, with its buffers replaced by those of the tensors."""
        assert op.statement is not None
        for tensor in op.inputs:
            if self.of_tensor[tensor].layout is not None:
                raise ScheduleError(
                    f"{tensor.name}: its layout was changed, but the statement of {op.name} reads it in "
                    "row-major order; leave it, or change the layout of a copy"
                )
        inner = (*op.in_buffers, *op.out_buffers)
        outer = (self.buffers[tensor] for tensor in (*op.inputs, *stage.tensors))
        return with_buffers(op.statement, dict(zip(inner, outer, strict=True)))

    def _initial(self, stage: Stage, loops: Sequence[IterVar], first: Stmt) -> Stmt:
        """`first` in copies of the data loops among `loops`."""
        data = [axis for axis in loops if axis.kind == "data"]
        fresh = {axis: Var(f"{axis.name}_init", axis.dtype) for axis in data}
        body = substitute(first, {self.domains[stage].loops[axis]: fresh[axis] for axis in data})
        for axis in reversed(data):
            body = self._loop(stage, axis, fresh[axis], body)
        return body

    def _loops(self, stage: Stage, loops: Sequence[IterVar], body: Stmt) -> Stmt:
        for axis in reversed(loops):
            for placed in reversed(self.stages):
                if placed.attach == (stage, axis):
                    body = self._around(placed, body)
            body = self._loop(stage, axis, self.domains[stage].loops[axis], body)
            for placed in reversed(self.hoisted.get((stage, axis), [])):
                body = self._allocated(placed, body)
        return body

    def _loop(self, stage: Stage, axis: IterVar, var: Var, body: Stmt) -> Stmt:
        kind, extent = stage.kinds.get(axis, "serial"), self.domains[stage].extents[axis]
        if kind in ("vectorize", "vthread") and not isinstance(extent, int):
            raise ScheduleError(
                f"{stage.name}: {axis.name!r} is marked {kind!r}, but its extent is dynamic; "
                "split it by a factor, and mark the inner loop"
            )
        if kind in THREAD_TAGS:
            for parent, around in enclosing(stage):
                if parent.kinds.get(around) == kind:
                    return self._same_threads(stage, axis, var, body, parent, around)
        pragmas = tuple(stage.pragmas.get(axis, ()))
        if extent == 1 and not pragmas and kind not in THREAD_TAGS and kind != "vthread":
            return body  # which has a zero in the place of its variable (`bounds.infer_bounds`)
        return For(var, in_type(as_expr(extent), var.dtype), kind, body, pragmas)

    def _same_threads(
        self, stage: Stage, axis: IterVar, var: Var, body: Stmt, parent: Stage, around: IterVar
    ) -> Stmt:
        """A loop bound to threads inside of a loop bound to the same threads: each executes one iteration."""
        kind = stage.kinds[axis]
        if not shared_by(stage.scope, kind):
            raise ScheduleError(
                f"{stage.name}: {axis.name!r} is bound to {kind} inside of the loop {around.name!r} of "
                f"{parent.name}, which is bound to it too, but each thread has a private copy of "
                f"{stage.name} in {stage.scope!r} memory; use set_scope('shared'), or leave the loop unbound"
            )
        iterations, threads = self.domains[stage].extents[axis], self.domains[parent].extents[around]
        body = substitute(body, {var: self.domains[parent].loops[around]})
        if iterations == threads:
            return body
        if not (isinstance(iterations, int) and isinstance(threads, int) and iterations < threads):
            raise ScheduleError(
                f"{stage.name}: {axis.name!r} has {iterations} iterations for the {threads} threads of "
                f"{kind} of {parent.name}; split it by that number, and bind the inner loop"
            )
        return If(binary("<", self.domains[parent].loops[around], iterations), body)

    def _guarded(self, stage: Stage, domain: Domain, kinds: Sequence[str], store: Stmt) -> Stmt:
        """`store` under the conditions that its axes of `kinds` are within their extents and its tensor."""
        conditions = self._one_thread(stage)
        for relation in stage.relations:
            if relation.kind in kinds:
                conditions += relation.conditions(domain.offsets, domain.extents)
        for axis, low in zip(stage.compute.dims, domain.mins, strict=True):
            if axis is None:
                continue
            extent = domain.extents[axis]
            if low != Const(0):
                value = binary("+", low, domain.offsets[axis])
                conditions += [binary("<", value, axis.extent), binary(">=", value, 0)]
            elif extent != axis.extent and not (isinstance(extent, int) and isinstance(axis.extent, int)):
                conditions.append(binary("<", domain.offsets[axis], axis.extent))
        return If(conjunction(conditions), store) if conditions else store

    def _one_thread(self, stage: Stage) -> list[Expr]:
        """The conditions for a single thread to store, where threads share the memory but not the loops."""
        bound = set(stage.kinds.values())
        return [
            binary("<", self.domains[parent].loops[axis], 1)
            for parent, axis in enclosing(stage)
            for kind in [parent.kinds.get(axis, "serial")]
            if kind in THREAD_TAGS and kind not in bound and shared_by(stage.scope, kind)
        ]

    def _read(self, expr: Expr, values: dict[Var, Expr]) -> Expr:
        """An expression over tensors as one over buffers, with its axes in terms of the loops."""
        return ReadRewriter(self._load)(substitute(expr, values))

    def _load(self, read: TensorRead) -> Load:
        """The load of an element of a tensor from its buffer."""
        return Load(self.buffers[read.tensor], self.position(read.tensor, read.indices))

    def position(self, tensor: Tensor, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """The indices in the buffer of an element of a tensor."""
        stage = self.of_tensor[tensor]
        if stage.attach is not None and isinstance(stage.op, Compute):
            indices = tuple(
                index if low == Const(0) else binary("-", index, low)
                for index, low in zip(indices, self.domains[stage].mins, strict=True)
            )
        return indices if stage.layout is None else stage.layout.at(indices)


def reduction_parts(schedule: Schedule, op: Compute, name: str) -> tuple[PrimFunc, PrimFunc]:
    """The two parts of a reduction as functions.

    The first, a function of the outputs, sets the elements to the identity. The second, a function of the
    inputs and the outputs, combines all terms with the elements.
    """
    nest = _Nest(schedule)
    stage = next(s for s in nest.stages if s.op is op)
    first, update = nest.pieces(stage)
    assert first is not None
    outputs = [nest.buffers[tensor] for tensor in op.outputs]
    inputs = [nest.buffers[tensor] for tensor in op.inputs]
    data = [axis for axis in stage.leaf if axis.kind == "data"]
    reset = PrimFunc(f"{name}_reset", tuple(outputs), nest._loops(stage, data, first))
    rest = PrimFunc(f"{name}_update", (*inputs, *outputs), nest._loops(stage, stage.leaf, update))
    return simplify(reset), simplify(rest)


def _assign(buffers: Sequence[Buffer], element: tuple[Expr, ...], values: tuple[Expr, ...]) -> Stmt:
    """Stores of values to buffers; one that overwrites an operand of a later value is postponed by a let."""
    stores = []
    named: list[tuple[Var, Expr]] = []
    for position, (buffer, value) in enumerate(zip(buffers, values, strict=True)):
        later = (node for other in values[position + 1 :] for node in walk(other))
        if any(type(node) is Load and node.buffer is buffer for node in later):
            var = Var(f"{buffer.name}_next", value.dtype)
            named.append((var, value))
            value = var
        stores.append(Store(buffer, element, value))
    unnamed = [s for s in stores if type(s.value) is not Var]
    body = sequence([*unnamed, *(s for s in stores if type(s.value) is Var)])
    for var, value in reversed(named):
        body = Let(var, value, body)
    return body
