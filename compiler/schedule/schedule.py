"""Schedules: the stages of a program, with the primitives that transform them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from compiler.errors import ScheduleError
from compiler.schedule.caching import cache_read, cache_write
from compiler.schedule.intrinsic import TensorIntrinsic
from compiler.schedule.rfactor import rfactor
from compiler.schedule.stages import Stages
from compiler.schedule.trace import Step, primitive
from compiler.suggest import unknown
from compiler.te.axis import IterVar, ThreadAxis
from compiler.te.guard import refuse_outside
from compiler.te.tensor import Compute, Extern, Operation, Tensor


class Schedule(Stages):
    """The order, the memory and the parallelism of the operations of a program. Made by `create_schedule`.

    ``s[C]`` is the stage of tensor (or operation) `C`; its methods are the primitives. The attributes are
    those of `Stages`: ``stages``, producers before consumers, and ``outputs``.
    """

    @property
    def steps(self) -> list[Step]:
        """The calls of primitives so far, as plain JSON; `replay` applies them to a new schedule."""
        return list(self.trace.steps)

    def replay(self, steps: Sequence[Step], intrinsics: Sequence[TensorIntrinsic] = ()) -> Schedule:
        """Apply the primitives of `steps` to this schedule, in order.

        Parameters
        ----------
        steps : sequence of dict
            The `steps` of a schedule of the same program.
        intrinsics : sequence of TensorIntrinsic
            The intrinsics that the steps refer to by name.

        Returns
        -------
        Schedule
            This schedule.

        Raises
        ------
        ScheduleError
            If a step is illegal, or refers to a primitive, a stage or an axis that does not exist.
        """
        others = {
            "thread_axis": lambda given: ThreadAxis(*given),
            "intrinsic": lambda name: _named(name, intrinsics),
        }
        for position, step in enumerate(steps):
            on: Any = self if "on" not in step else self.trace.decode({"stage": step["on"]}, others)
            known = [name for name in dir(type(on)) if hasattr(getattr(type(on), name), "is_primitive")]
            if step.get("call") not in known:
                message = unknown("primitive", step.get("call"), known)
                raise ScheduleError(f"step {position} of a trace: {message}")
            method = getattr(on, step["call"])
            if not (isinstance(step.get("args"), list) and isinstance(step.get("kwargs"), dict)):
                raise ScheduleError(
                    f"step {position} of a trace: 'args' and 'kwargs' of {step['call']} are needed"
                )
            args = [self.trace.decode(value, others) for value in step["args"]]
            kwargs = {key: self.trace.decode(value, others) for key, value in step["kwargs"].items()}
            try:
                inspect.signature(method).bind(*args, **kwargs)
            except TypeError as error:
                raise ScheduleError(
                    f"step {position} of a trace: {step['call']} takes other arguments ({error})"
                ) from None
            method(*args, **kwargs)
        return self

    @primitive
    def cache_write(self, tensor: Any, scope: str = "local") -> Any:
        """Compute `tensor` in a cache, and copy the cache to it.

        With ``CC = s.cache_write(C, "local")``::

            for i, j:                             for i, j:
                for k:                      ->        for k:
                    C[i, j] += ...                        C_local[i, j] += ...
                                                  for i, j:
                                                      C[i, j] = C_local[i, j]

        ``s[CC].compute_at(s[C], axis)`` moves the cache into a loop. This must be the first primitive on the
        stage.

        Parameters
        ----------
        tensor : Tensor or sequence of Tensor
            All tensors of the operation, if it defines several.
        scope : str

        Returns
        -------
        Tensor or tuple of Tensor
            The cache, whose stage has the reduce axes.
        """
        if isinstance(tensor, Tensor):
            return cache_write(self, (tensor,), scope)[0]
        if not isinstance(tensor, (tuple, list)) or not tensor:
            raise ScheduleError(f"cache_write takes a tensor or a list of them, not {tensor!r}")
        return cache_write(self, tuple(tensor), scope)

    @primitive
    def cache_read(
        self, tensor: Tensor, scope: str, readers: Sequence[Tensor | Operation] | Tensor | Operation
    ) -> Tensor:
        """Copy `tensor` to a cache, which `readers` read in its place.

        With ``AA = s.cache_read(A, "local", [C])``::

            for i:                          for i:
                C[i] = A[i]          ->         A_local[i] = A[i]
                                            for i:
                                                C[i] = A_local[i]

        ``s[AA].compute_at(s[C], axis)`` moves the copy into a loop.

        Parameters
        ----------
        tensor : Tensor
            An input, or a tensor that an operation of the program defines.
        scope : str
        readers : sequence of Tensor or Operation

        Returns
        -------
        Tensor
            The copy.
        """
        if not isinstance(tensor, Tensor):
            raise ScheduleError(f"cache_read takes a tensor, not {tensor!r}")
        several = [readers] if isinstance(readers, (Tensor, Operation)) else readers
        return cache_read(self, tensor, scope, several)

    @primitive
    def rfactor(self, tensor: Tensor, axis: IterVar, factor_axis: int = 0) -> Any:
        """Turn a loop of a reduction into a dimension of partial results, which are reduced at the end.

        With ``ko, ki = s[C].split(k, 4)`` and ``CF = s.rfactor(C, ki)``::

            for i in range(8):                     for ki in range(4):
                for ko in range(16):                   for i in range(8):
                    for ki in range(4):     ->             for ko in range(16):
                        C[i] += A[i, ko * 4 + ki]              C_rf[ki, i] += A[i, ko * 4 + ki]
                                                   for i in range(8):
                                                       for ki in range(4):
                                                           C[i] += C_rf[ki, i]

        Both stages have new loops, so data loops are scheduled after this. `axis` is a data axis of the new
        stage, so it can be vectorized, run in parallel or be bound to threads.

        Parameters
        ----------
        tensor : Tensor
        axis : IterVar
            A reduce loop of its stage.
        factor_axis : int
            The dimension of the partial results that it becomes.

        Returns
        -------
        Tensor or tuple of Tensor
            The partial results.
        """
        made = rfactor(self, tensor, axis, factor_axis)
        return made[0] if len(made) == 1 else made


def _named(name: str, intrinsics: Sequence[TensorIntrinsic]) -> TensorIntrinsic:
    for intrinsic in intrinsics:
        if intrinsic.name == name:
            return intrinsic
    raise ScheduleError(unknown("intrinsic", name, [i.name for i in intrinsics]))


def create_schedule(ops: Operation | Sequence[Operation]) -> Schedule:
    """The default schedule of a program: no nested stages, and serial loops in the order of the axes.

    Parameters
    ----------
    ops : Operation or sequence of Operation
        The outputs of the program (``C.op``).

    Raises
    ------
    ScheduleError
        If no output is given, or one is not computed.
    ValueError
        If an operation reads a tensor outside of its shape, for some values of its axes; names the tensor,
        the axis, the index, its interval and the extent.
    """
    outputs = [ops] if isinstance(ops, (Operation, Tensor)) else list(dict.fromkeys(ops))
    if not outputs:
        raise ScheduleError("a schedule needs at least one output")
    for op in outputs:
        if not isinstance(op, (Compute, Extern)):
            given = op.name if isinstance(op, Operation) else f"{op!r} (pass its .op)"
            raise ScheduleError(f"an output must be computed: {given}")
    schedule = Schedule(outputs)
    refuse_outside(stage.op for stage in schedule.stages)
    return schedule
