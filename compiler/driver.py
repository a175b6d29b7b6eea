"""`lower` and `build`: a schedule becomes a program after all passes, and a module that can be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import overload

from compiler.backend import Target, pipeline
from compiler.backend import build as build_for
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.foreign import Externs
from compiler.lowering.arguments import Strided
from compiler.lowering.constants import split_constants
from compiler.lowering.nest import loop_nest
from compiler.passes import run
from compiler.passes.check_bounds import check_bounds as with_checks
from compiler.runtime import Bindable, Module
from compiler.runtime.checked import CheckedModule
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Placeholder, Tensor


def lower(
    schedule: Schedule,
    args: Sequence[Tensor],
    name: str = "main",
    *,
    target: str | Target = "llvm",
    dump: Callable[[str, PrimFunc], None] | None = None,
    inplace: Mapping[Tensor, Tensor] | None = None,
    strided: Strided = (),
) -> PrimFunc:
    """Lower a schedule to a program, by all passes of the target's back end.

    Parameters
    ----------
    schedule : Schedule
    args : sequence of Tensor
        Inputs and outputs in the order of the call.
    name : str
        Symbol of the function.
    target : str or Target
        What it is lowered for: its kind chooses the passes and the implementations of tensor intrinsics.
    dump : callable, optional
        Called with ``(name of the stage, program)`` for the loop nest and after each pass;
        ``dump=lambda stage, program: print(stage, program)`` shows them all.
    inplace, strided : optional
        As for `build`.

    Raises
    ------
    ScheduleError
        If the schedule is illegal, or an argument is missing.
    """
    nest = loop_nest(schedule, args, name, inplace=inplace, strided=strided)
    if dump is not None:
        dump("loop_nest", nest)
    return run(nest, pipeline(Target.parse(target).kind), dump)


@overload
def build(
    program: Schedule | PrimFunc,
    args: Sequence[Tensor] | None = None,
    target: str | Target = "llvm",
    name: str = "main",
    *,
    inplace: Mapping[Tensor, Tensor] | None = None,
    strided: Strided = (),
    externs: Externs | None = None,
    check_bounds: bool = False,
) -> Module: ...


@overload
def build(
    program: Schedule,
    args: Sequence[Tensor],
    target: str | Target = "llvm",
    name: str = "main",
    *,
    constants: Sequence[Tensor],
    inplace: Mapping[Tensor, Tensor] | None = None,
    strided: Strided = (),
    externs: Externs | None = None,
) -> Bindable: ...


def build(
    program: Schedule | PrimFunc,
    args: Sequence[Tensor] | None = None,
    target: str | Target = "llvm",
    name: str = "main",
    *,
    constants: Sequence[Tensor] = (),
    inplace: Mapping[Tensor, Tensor] | None = None,
    strided: Strided = (),
    externs: Externs | None = None,
    check_bounds: bool = False,
) -> Module | Bindable:
    """Compile a schedule, or a program that is lowered already.

    Parameters
    ----------
    program : Schedule or PrimFunc
    args : sequence of Tensor, optional
        Inputs and outputs of a schedule, in the order of the call.
    target : str or Target
        What to compile for: ``"llvm"`` is this machine's CPU.
    name : str
        Symbol of the function made from a schedule.
    constants : sequence of Tensor, optional
        Inputs of a schedule that are the same in every call, for example weights.
    inplace : mapping of Tensor to Tensor, optional
        Output of a schedule -> the input in whose memory it is computed: ``inplace={C: A}``. The output is
        then no argument. Refused unless each element is known to be read before it is overwritten.
    strided : mapping of Tensor to sequence of int or None, or sequence of Tensor, optional
        Arguments of a schedule that may be views: slices, transposes, arrays in Fortran order. The strides
        are in elements, None for one that each call determines: ``strided={A: (None, 1)}``; in a sequence,
        ``strided=[A]``, all strides are dynamic. A last stride of 1 keeps vector loads.
    externs : mapping or ctypes.CDLL, optional
        The C functions that the program calls (`te.call_extern`), by name: functions of `ctypes`, addresses
        or functions in Python; or a library that has them.
    check_bounds : bool
        Check at run time each index that is not proved to be inside of its tensor, as one that is read from a
        tensor; a call then raises `IndexError`, which names the tensor, the index, its value and the extent.
        Where all indices are proved, as in most programs without gathers, this costs nothing; otherwise a
        gather of single elements takes three times as long. Not with `constants` or `strided`.

    Returns
    -------
    Module or Bindable
        Call a module with NumPy arrays, outputs included: they are written in place. With constants,
        ``bind`` them first, which runs the stages that depend on them alone, such as the packing of
        weights.

    Raises
    ------
    ValueError
        For an unknown target, an illegal schedule, a schedule without arguments, or a C function that is
        called and not given; for `check_bounds` with constants, or of a program that is vectorized already.
    """
    if isinstance(target, str):
        target = Target.parse(target)
    if check_bounds and (constants or strided):
        which = "constants: pass all arrays at each call" if constants else "strided: pass whole arrays"
        raise ValueError(f"check_bounds cannot be combined with {which}")
    checks: tuple[str, ...] = ()
    if isinstance(program, Schedule):
        if args is None:
            raise ValueError("building a schedule needs its arguments: build(s, [A, B, C])")
        program = loop_nest(program, args, name, inplace=inplace, strided=strided)
        if constants:
            return _bindable(program, args, constants, target, inplace or {}, externs)
        if check_bounds:
            program, checks = with_checks(program)
        program = run(program, pipeline(target.kind))
    elif inplace or strided:
        raise ValueError(
            "inplace and strided are for schedules; a lowered program has its parameters already"
        )
    elif check_bounds:
        program, checks = with_checks(program)
    module = build_for(program, target, externs)
    return CheckedModule(module, checks) if checks else module


def _bindable(
    nest: PrimFunc,
    args: Sequence[Tensor],
    constants: Sequence[Tensor],
    target: Target,
    inplace: Mapping[Tensor, Tensor],
    externs: Externs | None,
) -> Bindable:
    for tensor in constants:
        if tensor in inplace.values():
            raise ValueError(f"{tensor} cannot be a constant: an output is computed in its memory")
        if tensor not in args or not isinstance(tensor.op, Placeholder):
            raise ValueError(f"{tensor} cannot be a constant: it is no input among the arguments")
    known = [buffer for tensor, buffer in zip(args, nest.params, strict=True) if tensor in constants]
    passes = pipeline(target.kind)
    prepare, main = (build_for(run(part, passes), target, externs) for part in split_constants(nest, known))
    return Bindable(nest.params, known, prepare, main)
