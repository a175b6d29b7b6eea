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


# a function of the generated text: its header, attributes and body
_FUNCTION = re.compile(r"^define (.*?) (#\d) \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
_OPEN = "#2"


def optimise(text: str, machine: Machine, once: bool = False) -> Any:
    """The LLVM module of `text` (without a data layout), checked and optimised.

    A program with vectors was scheduled: it has no redundant instructions, and code to vectorize only in its
    open functions, those with the attributes ``#2`` (see `LoopHints.is_open`). These are optimised by LLVM's
    own list of passes. The others need few passes, as does what runs only `once`, the packing of weights.

    Raises
    ------
    ValueError
        If LLVM rejects the text, or does not know the target.
    """
    target, header = target_machine(machine)
    context = llvm.create_context()
    try:
        scheduled = re.search(r"<\d+ x ", text) is not None
        here, apart = _divided(text) if scheduled and not once else (text, "")
        module = llvm.parse_assembly(header + here, context)
        if scheduled or once:
            _run_few(module, target)
        else:
            _run_all(module, target, speed=2)
        if apart:
            other = llvm.parse_assembly(header + apart, context)
            _run_all(other, target, speed=1)
            module.link_in(other)
        module.verify()
    except RuntimeError as error:
        raise ValueError(f"LLVM rejects the generated program for {machine}: {error}") from error
    return module


def _divided(text: str) -> tuple[str, str]:
    """Two modules: without the open functions, and with these alone, if there are any."""
    if f" {_OPEN} {{" not in text:
        return text, ""

    def declared(which: bool) -> str:
        return _FUNCTION.sub(
            lambda found: f"declare {found[1]}\n" if (found[2] == _OPEN) == which else found[0], text
        )

    return declared(True), declared(False)


def _run_few(module: Any, target: Any) -> None:
    """The passes that scheduled code needs, which take a tenth of the time of LLVM's list.

    The code generator has hoisted and shared all address arithmetic, and shares loads within a block. LLVM's
    combination of instructions splits that arithmetic again, and large register tiles then spill.
    """
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=1))
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()  # tiles of accumulators become registers
    passes.add_simplify_cfg_pass()  # conditions of one element become selects
    passes.run(module, builder)


def _run_all(module: Any, target: Any, speed: int) -> None:
    """LLVM's own list of passes. With `speed` 2, straight-line code is vectorized too."""
    tuning = llvm.create_pipeline_tuning_options(speed_level=speed)
    tuning.loop_vectorization = tuning.loop_unrolling = tuning.loop_interleaving = True
    tuning.slp_vectorization = speed > 1
    # a builder must not be reused: after a run it has callbacks into freed memory
    builder = llvm.create_pass_builder(target, tuning)
    builder.getModulePassManager().run(module, builder)


def emit_object(module: Any, machine: Machine, once: bool = False) -> bytes:
    """An optimised module as an object file."""
    with _without_strength_reduction(machine):
        return target_machine(machine, 0 if once else 3)[0].emit_object(module)


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
