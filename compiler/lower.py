"""From a schedule to a program that a target can compile, and to a module that can be called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from compiler.ir.function import PrimFunc
from compiler.passes import run
from compiler.schedule.nest import loop_nest
from compiler.schedule.schedule import Schedule
from compiler.target import Target
from compiler.tensor import Tensor

if TYPE_CHECKING:
    from compiler.runtime import Module


def lower(
    schedule: Schedule,
    args: Sequence[Tensor],
    name: str = "main",
    *,
    target: str | Target = "llvm",
    dump: Callable[[str, PrimFunc], None] | None = None,
) -> PrimFunc:
    """The program of a schedule after every pass.

    Parameters
    ----------
    schedule : Schedule
    args : sequence of Tensor
        Inputs and outputs in the order of the call.
    name : str
        Symbol of the function.
    target : str or Target
        What it is lowered for; its kind says which tensor intrinsics it has.
    dump : callable, optional
        Called with ``(name of the stage, program)`` for the loop nest and after each pass;
        ``dump=lambda stage, program: print(stage, program)`` shows them all.

    Raises
    ------
    ScheduleError
        If the schedule is illegal, or an argument is missing.
    """
    nest = loop_nest(schedule, args, name)
    if dump is not None:
        dump("loop_nest", nest)
    return run(nest, dump, kind=Target.parse(target).kind)


def build(
    program: Schedule | PrimFunc,
    args: Sequence[Tensor] | None = None,
    target: str | Target = "llvm",
    name: str = "main",
) -> Module:
    """Machine code for a schedule, or for a program that is lowered already.

    Parameters
    ----------
    program : Schedule or PrimFunc
    args : sequence of Tensor, optional
        Inputs and outputs of a schedule, in the order of the call.
    target : str or Target
        What to compile for: ``"llvm"`` is this machine's CPU.
    name : str
        Symbol of the function made from a schedule.

    Returns
    -------
    Module
        Call it with NumPy arrays, outputs included: they are written in place.

    Raises
    ------
    ValueError
        For an unknown target, an illegal schedule, or a schedule without arguments.
    """
    from compiler.target import build as build_for

    if isinstance(target, str):
        target = Target.parse(target)
    if isinstance(program, Schedule):
        if args is None:
            raise ValueError("building a schedule needs its arguments: build(s, [A, B, C])")
        program = lower(program, args, name, target=target)
    return build_for(program, target)
