"""`convolution_operator`: an operator whose parameters describe one convolution."""

from __future__ import annotations

from collections.abc import Callable

from compiler.ops.conv import conv2d
from compiler.ops.conv.conv2d import Convolution
from compiler.ops.operator import Operator
from compiler.ops.parameter import Parameter
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor


def convolution_operator(
    name: str,
    parameters: tuple[Parameter, ...],
    of: Callable[..., Convolution],
    template: Callable[..., tuple[Schedule, list[Tensor]]],
    amplification: Callable[..., float] = lambda *values: 1.0,
) -> Operator:
    """Return the operator of the convolutions that ``of(*values)`` describes.

    Parameters
    ----------
    name : str
    parameters : tuple of Parameter
    of : callable
        ``of(*values) -> Convolution``.
    template : callable
        ``template(knobs, *values)``: the schedule for CPUs.
    amplification : callable
        ``amplification(*values) -> float``: see `compiler.ops.rounding.Rounding`.
    """
    return Operator(
        name=name,
        parameters=parameters,
        schedules={"llvm": template},
        compute_reference=lambda inputs, *values: conv2d.reference(of(*values), inputs),
        count_flops=lambda *values: conv2d.flops(of(*values)),
        rounding=lambda *values: conv2d.rounding(of(*values), amplification(*values)),
        compute=lambda *values: conv2d.compute(of(*values)),
        check=lambda *values: conv2d.check(name, of(*values)),
        constants=("weight", "bias"),
    )
