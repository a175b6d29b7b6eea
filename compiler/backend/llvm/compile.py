"""LLVM text -> optimised module -> object code or assembly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

import llvmlite.binding as llvm

from compiler.backend.target import Target

_OPTIONS = Lock()  # LLVM's options are the process's


def optimise(text: str, target: Target) -> Any:
    """The LLVM module of `text` (without a data layout), checked and optimised.

    Raises
    ------
    ValueError
        If LLVM rejects the text, or does not know the target.
    """
    machine, header = machine_for(target)
    context = llvm.create_context()
    try:
        module = llvm.parse_assembly(header + text, context)
        module.verify()
    except RuntimeError as error:
        raise ValueError(f"LLVM rejects the generated program for {target}: {error}") from error
    # a program with vectors was scheduled: it has no redundancies left, and nothing to put side by side
    scheduled = re.search(r"<\d+ x ", text) is not None
    tuning = llvm.create_pipeline_tuning_options(speed_level=1 if scheduled else 2)
    tuning.loop_vectorization = tuning.loop_unrolling = tuning.loop_interleaving = True
    tuning.slp_vectorization = not scheduled
    # a builder serves one module: a run leaves it with callbacks into memory that is gone
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return module


def emit_object(module: Any, target: Target) -> bytes:
    """An optimised module as an object file."""
    with _addresses_as_written(target):
        return machine_for(target)[0].emit_object(module)


def emit_assembly(module: Any, target: Target) -> str:
    """An optimised module as assembly."""
    with _addresses_as_written(target):
        return machine_for(target)[0].emit_assembly(module)


@contextmanager
def _addresses_as_written(target: Target) -> Iterator[None]:
    """Keep LLVM from looking for other induction variables than the loops have.

    The code generator has put what does not vary outside of each loop already, and an address of x86 has room
    for what is left: a pointer, an index and a number. The search takes half of the time to make machine
    code of a convolution, and finds nothing better. ARM's addresses have no such room.
    """
    if not target.is_x86:
        yield
        return
    with _OPTIONS:
        llvm.set_option("", "-disable-lsr=true")
        try:
            yield
        finally:
            llvm.set_option("", "-disable-lsr=false")  # others in this process use LLVM too


@lru_cache(maxsize=16)
def machine_for(target: Target) -> tuple[Any, str]:
    """LLVM's target machine, and the header that a module for it begins with."""
    host = Target.host()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    features = list(target.features)
    if target.is_host:  # what the CPU really has, which may differ from its model
        features = [*llvm.get_host_cpu_features().flatten().split(","), *features]
    try:
        machine = llvm.Target.from_triple(target.triple).create_target_machine(
            cpu=target.cpu, features=",".join(features), opt=3, reloc="pic", codemodel="default"
        )
    except RuntimeError as error:
        raise ValueError(
            f"LLVM does not know the target {target}: {str(error).strip()}; this is {host}"
        ) from error
    layout = str(machine.target_data)
    return machine, f'target datalayout = "{layout}"\ntarget triple = "{target.triple}"\n'
