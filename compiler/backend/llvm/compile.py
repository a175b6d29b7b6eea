"""LLVM text -> optimised module -> object code or assembly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

import llvmlite.binding as llvm

from compiler.backend.llvm.machine import Machine, this_machine

_OPTIONS = Lock()  # LLVM's options are global to the process


def optimise(text: str, machine: Machine, once: bool = False) -> Any:
    """The LLVM module of `text` (without a data layout), checked and optimised.

    What runs only `once`, as the packing of weights, is not vectorized or unrolled by LLVM.

    Raises
    ------
    ValueError
        If LLVM rejects the text, or does not know the target.
    """
    target, header = target_machine(machine)
    context = llvm.create_context()
    try:
        module = llvm.parse_assembly(header + text, context)
        module.verify()
    except RuntimeError as error:
        raise ValueError(f"LLVM rejects the generated program for {machine}: {error}") from error
    # a program with vectors was scheduled: it has no redundant instructions, and no scalar code to vectorize
    scheduled = re.search(r"<\d+ x ", text) is not None
    tuning = llvm.create_pipeline_tuning_options(speed_level=1 if scheduled or once else 2)
    tuning.loop_vectorization = tuning.loop_unrolling = tuning.loop_interleaving = not once
    tuning.slp_vectorization = not scheduled and not once
    # a builder must not be reused: after a run it has callbacks into freed memory
    builder = llvm.create_pass_builder(target, tuning)
    builder.getModulePassManager().run(module, builder)
    return module


def emit_object(module: Any, machine: Machine, once: bool = False) -> bytes:
    """An optimised module as an object file."""
    with _without_strength_reduction(machine):
        return target_machine(machine, 1 if once else 3)[0].emit_object(module)


def emit_assembly(module: Any, machine: Machine) -> str:
    """An optimised module as assembly."""
    with _without_strength_reduction(machine):
        return target_machine(machine)[0].emit_assembly(module)


@contextmanager
def _without_strength_reduction(machine: Machine) -> Iterator[None]:
    """Disable LLVM's loop strength reduction, the search for other induction variables, for x86.

    The code generator has hoisted all loop-invariant arithmetic, and the rest fits the addressing mode of
    x86: a base register, an index register and a displacement. The search takes half of the time of emitting
    a convolution, and improves nothing. ARM has fewer addressing modes, so there it runs.

    The option ``-disable-lsr`` is global to the process and has no other interface, so it is set under a
    lock, for the time of the emission. No other function sets an option of LLVM.
    """
    if not machine.is_x86:
        yield
        return
    with _OPTIONS:
        llvm.set_option("", "-disable-lsr=true")
        try:
            yield
        finally:
            llvm.set_option("", "-disable-lsr=false")  # others in this process use LLVM too


@lru_cache(maxsize=16)
def target_machine(machine: Machine, level: int = 3) -> tuple[Any, str]:
    """LLVM's target machine at a level of optimisation, and the header that a module for it begins with.

    Raises
    ------
    ValueError
        If LLVM does not know the machine.
    """
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    features = list(machine.features)
    if machine.is_host:  # the features of the CPU itself, which may differ from those of its model
        features = [*llvm.get_host_cpu_features().flatten().split(","), *features]
    try:
        target = llvm.Target.from_triple(machine.triple).create_target_machine(
            cpu=machine.cpu, features=",".join(features), opt=level, reloc="pic", codemodel="default"
        )
    except RuntimeError as error:
        raise ValueError(
            f"LLVM does not know the target {machine}: {str(error).strip()}; this is {this_machine()}"
        ) from error
    layout = str(target.target_data)
    return target, f'target datalayout = "{layout}"\ntarget triple = "{machine.triple}"\n'
