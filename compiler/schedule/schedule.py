"""A schedule: the stages of a program in the order of their data."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir.expr import Expr, Var
from compiler.ir.visit import Rewriter, substitute
from compiler.schedule.errors import ScheduleError
from compiler.schedule.stage import Stage, check_scope, names
from compiler.schedule.trace import Step, Trace, primitive
from compiler.suggest import unknown
from compiler.tensor import Compute, IterVar, Operation, Tensor, TensorRead


class Schedule:
    """How the operations of a program are run. Made by `create_schedule`.

    ``s[C]`` is the stage of tensor (or operation) `C`; its methods are the primitives.

    Attributes
    ----------
    stages : list of Stage
        Producers before consumers.
    outputs : tuple of Tensor
    """

    def __init__(self, outputs: Sequence[Operation]) -> None:
        self.outputs = tuple(op.output() for op in outputs)
        self.stages: list[Stage] = []
        self.trace = Trace()
        self._of: dict[Operation, Stage] = {}
        for op in outputs:
            self._add(op, set(outputs))

    def _add(self, op: Operation, outputs: set[Operation]) -> None:
        if op in self._of:
            return
        for tensor in op.inputs:
            self._add(tensor.op, outputs)
        stage = Stage(op, op in outputs, self.trace)
        self._of[op] = stage
        self.stages.append(stage)

    def __getitem__(self, tensor: Tensor | Operation) -> Stage:
        op = tensor.op if isinstance(tensor, Tensor) else tensor
        stage = self._of.get(op)
        if stage is None:
            raise ScheduleError(
                f"{getattr(tensor, 'name', tensor)!r} is not part of this schedule "
                f"(stages: {names(self.stages)})"
            )
        return stage

    @property
    def steps(self) -> list[Step]:
        """The calls of primitives so far, as plain JSON; `replay` makes the schedule again from them."""
        return list(self.trace.steps)

    def replay(self, steps: Sequence[Step]) -> Schedule:
        """Call the primitives of `steps` on this schedule, one after another.

        Parameters
        ----------
        steps : sequence of dict
            What `steps` of a schedule of the same program gave, or JSON made of it.

        Returns
        -------
        Schedule
            This schedule.

        Raises
        ------
        ScheduleError
            If a step names a primitive, a stage or an axis that does not exist, or is illegal.
        """
        for position, step in enumerate(steps):
            on: Schedule | Stage = self
            if "on" in step:
                on = self.trace.decode({"stage": step["on"]}, {})
            known = [name for name in dir(type(on)) if hasattr(getattr(type(on), name), "is_primitive")]
            if step.get("call") not in known:
                raise ScheduleError(
                    f"step {position} of a trace: " + unknown("primitive", step.get("call"), known)
                )
            args = self.trace.decode(step["args"], {})
            kwargs = {key: self.trace.decode(value, {}) for key, value in step["kwargs"].items()}
            getattr(on, step["call"])(*args, **kwargs)
        return self

    def consumers(self, stage: Stage) -> list[Stage]:
        """The stages that read the tensor of `stage`."""
        return [s for s in self.stages if stage.tensor in s.op.inputs]

    @primitive
    def cache_write(self, tensor: Tensor, scope: str = "local") -> Tensor:
        """Compute `tensor` into a cache, and copy the cache out.

        With ``CC = s.cache_write(C, "local")``::

            for i, j:                             for i, j:
                for k:                      ->        for k:
                    C[i, j] += ...                        C_local[i, j] += ...
                                                  for i, j:
                                                      C[i, j] = C_local[i, j]

        Place the cache with ``s[CC].compute_at(s[C], axis)``. Call this before any other
        primitive on the stage.

        Returns
        -------
        Tensor
            The cache; its stage has the reduce axes.
        """
        stage = self[tensor]
        if not isinstance(stage.op, Compute):
            raise ScheduleError(f"{stage.name}: cache_write of an input; use cache_read")
        if stage.relations or stage.kinds or stage.leaf != [*stage.op.axis, *stage.op.reduce_axis]:
            raise ScheduleError(
                f"{stage.name}: cache_write must come before the other primitives on the stage"
            )
        old = stage.op
        axis = tuple(IterVar(Var(a.name), a.extent) for a in old.axis)
        body = substitute(old.body, {a.var: b.var for a, b in zip(old.axis, axis, strict=True)})
        cache = self._cached(Compute(f"{old.name}_{scope}", old.shape, old.dtype, axis, body=body), scope)
        read = cache.tensor[tuple(a.var for a in old.axis)]
        stage.replace(Compute(old.name, old.shape, old.dtype, old.axis, body=read))
        return self._insert(cache, before=stage)

    @primitive
    def cache_read(self, tensor: Tensor, scope: str, readers: Sequence[Tensor]) -> Tensor:
        """Read `tensor` through a copy in `readers`.

        With ``AA = s.cache_read(A, "local", [C])``::

            for i:                          for i:
                C[i] = A[i]          ->         A_local[i] = A[i]
                                            for i:
                                                C[i] = A_local[i]

        Place the copy with ``s[AA].compute_at(s[C], axis)``.

        Returns
        -------
        Tensor
            The copy.
        """
        source = self[tensor]
        stages = [self[reader] for reader in readers]
        if not stages:
            raise ScheduleError(f"{source.name}: cache_read needs at least one reader")
        for stage in stages:
            if source.tensor not in stage.op.inputs:
                raise ScheduleError(
                    f"{source.name}: {stage.name!r} does not read it "
                    f"(readers: {names(self.consumers(source))})"
                )
        axis = tuple(IterVar(Var(f"ax{d}"), extent) for d, extent in enumerate(tensor.shape))
        body = source.tensor[tuple(a.var for a in axis)]
        copy = self._cached(
            Compute(f"{tensor.name}_{scope}", tensor.shape, tensor.dtype, axis, body=body), scope
        )
        redirect = Redirect(source.tensor, copy.tensor)
        for stage in stages:
            old = stage.compute
            stage.op = Compute(old.name, old.shape, old.dtype, old.axis, body=redirect(old.body))
        return self._insert(copy, before=min(stages, key=self.stages.index))

    def _cached(self, op: Compute, scope: str) -> Stage:
        check_scope(op.name, scope)
        stage = Stage(op, False, self.trace)
        stage.scope = scope
        return stage

    def _insert(self, stage: Stage, before: Stage) -> Tensor:
        self._of[stage.op] = stage
        self.stages.insert(self.stages.index(before), stage)
        return stage.tensor


class Redirect(Rewriter):
    """Readings of one tensor become readings of another."""

    def __init__(self, old: Tensor, new: Tensor) -> None:
        self.old, self.new = old, new

    def _read(self, node: TensorRead) -> Expr:
        inner = self.descend(node)
        return TensorRead(self.new, inner.indices) if inner.tensor == self.old else inner

    rules = {TensorRead: _read}


def create_schedule(ops: Operation | Sequence[Operation]) -> Schedule:
    """The default schedule of a program: every operation at the root, loops serial in the order of the axes.

    Parameters
    ----------
    ops : Operation or sequence of Operation
        The outputs of the program (``C.op``).

    Raises
    ------
    ScheduleError
        If no output is given, or one is not computed.
    """
    outputs = [ops] if isinstance(ops, (Operation, Tensor)) else list(ops)
    if not outputs:
        raise ScheduleError("a schedule needs at least one output")
    for op in outputs:
        if not isinstance(op, Compute):
            given = op.name if isinstance(op, Operation) else f"{op!r} (pass its .op)"
            raise ScheduleError(f"an output must be computed: {given}")
    return Schedule(outputs)
