"""`schedule_group`: the program of several operators that are computed in one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from compiler.backend import Target
from compiler.ops.consumer import Consumer
from compiler.ops.derive import derive
from compiler.ops.knobs import Defaults, Knobs
from compiler.ops.operator import Operator
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Anchor:
    """A tensor of a computation that an operator with a template computes.

    Parameters
    ----------
    output : Tensor
        The tensor.
    operator : Operator
    values : sequence
        Of the operator's parameters.
    operands : sequence of Tensor
        What the operator reads, in its order.

    The tensors of the operator have the same elements as these, in row-major order, and may have other
    shapes.
    """

    output: Tensor
    operator: Operator
    values: Sequence[Any]
    operands: Sequence[Tensor]


class GroupProgram(NamedTuple):
    """A schedule, and what its parameters are.

    Parameters
    ----------
    schedule : Schedule
    parameters : list of Tensor
        Inputs, then outputs.
    sources : list of Tensor
        For each parameter the tensor of the computation that is passed: it has the same elements in row-major
        order. A tensor may be passed as several inputs.
    """

    schedule: Schedule
    parameters: list[Tensor]
    sources: list[Tensor]


def schedule_group(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    target: str | Target = "llvm",
    anchor: Anchor | None = None,
    knobs: Knobs | None = None,
) -> GroupProgram:
    """Schedule a computation as one kernel.

    The template of the anchor computes its tensor, and what follows where it stores that. Without an anchor,
    or where what follows it is not computed element by element, the rules of `compiler.ops.derive` schedule
    all of it.

    Parameters
    ----------
    inputs, outputs : sequence of Tensor
        Of the computation.
    target : str or Target
    anchor : Anchor, optional
    knobs : Knobs, optional
        The choices of the template, or of the rules; by default `Defaults`, for which `chosen_by` may have
        better ones.

    Raises
    ------
    ScheduleError, ValueError
        If a value of the anchor's parameters is not allowed, or the computation reads outside of a tensor.
    """
    parsed, choices = Target.parse(target), Defaults() if knobs is None else knobs
    if anchor is not None and len(outputs) == 1:
        program = _anchored(anchor, outputs[0], set(inputs), parsed, choices)
        if program is not None:
            return program
    sources = [*inputs, *outputs]
    schedule, tensors = derive(sources, choices, parsed)
    return GroupProgram(schedule, tensors, sources)


def _anchored(
    anchor: Anchor, output: Tensor, inputs: set[Tensor], target: Target, knobs: Knobs
) -> GroupProgram | None:
    """The program of the anchor's template; None if it has no place for what is computed around it."""
    operator, consumer = anchor.operator, None
    if not inputs.issuperset(anchor.operands):
        return None
    if output != anchor.output:
        result = operator.tensors(*anchor.values)[-1]
        consumer = Consumer.of(anchor.output, output, result.shape)  # type: ignore[arg-type]  # no dynamic extents
        if consumer is None or not operator.takes_consumer(target.kind):
            return None
    schedule, parameters = operator.schedule(knobs, *anchor.values, target=target, consumer=consumer)
    consumed = () if consumer is None else consumer.sources
    return GroupProgram(schedule, parameters, [*anchor.operands, *consumed, output])
