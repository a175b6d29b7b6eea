"""Caches: copies of tensors in a faster memory, which stages write to or read from."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.errors import ScheduleError
from compiler.ir.visit import substitute
from compiler.schedule.stage import Stage, check_scope, names
from compiler.schedule.stages import Stages
from compiler.te.axis import new_axis
from compiler.te.recurrence import Recurrence
from compiler.te.tensor import Compute, Operation, Tensor


def cache_write(schedule: Stages, tensors: Sequence[Tensor], scope: str) -> tuple[Tensor, ...]:
    """Compute `tensors`, all tensors of one operation, in a cache, which their stage then copies out."""
    stage = schedule[tensors[0]]
    old = stage.op
    if not stage.computed:
        raise ScheduleError(f"{stage.name}: cache_write of an input; use cache_read")
    if not isinstance(old, Compute):
        raise ScheduleError(
            f"{stage.name}: cache_write of an extern; its statement determines where it stores"
        )
    if isinstance(old, Recurrence):
        raise ScheduleError(
            f"{stage.name}: cache_write of a recurrence, whose steps read its memory; compute it in another "
            "tensor, and copy that"
        )
    if len(tensors) != len(stage.tensors) or set(tensors) != set(stage.tensors):
        raise ScheduleError(
            f"{stage.name}: cache_write takes all tensors of one operation, ({names(stage.tensors)}), "
            f"not ({names(tensors)})"
        )
    if not stage.untouched:
        raise ScheduleError(f"{stage.name}: cache_write must come before the other primitives on the stage")
    name = cached_name(stage.name, scope)
    axes = tuple(new_axis(a.name, a.extent) for a in old.axes)
    fresh = {a.var: b.var for a, b in zip(old.axes, axes, strict=True)}
    cache = schedule.insert(old.rewritten(lambda e: substitute(e, fresh), name, axes), scope, before=stage)
    reads = tuple(tensor[tuple(a.var for a in old.axes)] for tensor in cache.tensors)
    stage.replace(Compute.of(old.name, old.axes, reads))
    return tuple(cache.tensors[stage.tensors.index(tensor)] for tensor in tensors)


def cache_read(schedule: Stages, tensor: Tensor, scope: str, readers: Sequence[Tensor | Operation]) -> Tensor:
    """Add a copy of `tensor`, which `readers` read in its place."""
    source = schedule[tensor]
    stages: list[Stage] = list(dict.fromkeys(schedule[reader] for reader in readers))
    if not stages:
        raise ScheduleError(f"{source.name}: cache_read needs at least one reader")
    for stage in stages:
        if tensor not in stage.op.inputs:
            known_readers = [s for s in schedule.stages if tensor in s.op.inputs]
            raise ScheduleError(
                f"{tensor.name}: {stage.name!r} does not read it (readers: {names(known_readers)})"
            )
    name = cached_name(tensor.name, scope)
    axes = tuple(new_axis(f"ax{d}", extent) for d, extent in enumerate(tensor.shape))
    copied = Compute.of(name, axes, (tensor[tuple(a.var for a in axes)],))
    copy = schedule.insert(copied, scope, before=min(stages, key=schedule.stages.index))
    for stage in stages:
        stage.op = stage.op.redirected(tensor, copy.tensor)
    return copy.tensor


def cached_name(name: str, scope: str) -> str:
    """The name of a cache; raises if `scope` is unknown."""
    cached = f"{name}_{scope}".replace(".", "_")
    check_scope(cached, scope)
    return cached
