"""LLVM text -> optimised module -> object code or assembly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm

from compiler.target.target import Target


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How hard LLVM tries.

    Parameters
    ----------
    level : int
        0 to 3, as in ``-O3``.
    loop_vectorize, slp_vectorize, loop_unroll, loop_interleave : bool
        Whether LLVM does on its own what the schedule did not ask for.
    """

    level: int = 2  # 3 doubles the time to compile a convolution, for code that is no faster
    loop_vectorize: bool = True
    slp_vectorize: bool = True
    loop_unroll: bool = True
    loop_interleave: bool = True

    def __post_init__(self) -> None:
        if self.level not in (0, 1, 2, 3):
            raise ValueError(f"the optimisation level is 0, 1, 2 or 3, not {self.level!r}")


DEFAULT_PIPELINE = Pipeline()


def optimise(text: str, target: Target, pipeline: Pipeline = DEFAULT_PIPELINE) -> Any:
    """The LLVM module of `text` (without a data layout), checked and optimised.

    Raises
    ------
    ValueError
        If LLVM rejects the text, or does not know the target.
    """
    machine, header = _machine(target)
    context = llvm.create_context()
    try:
        module = llvm.parse_assembly(header + text, context)
        module.verify()
    except RuntimeError as error:
        raise ValueError(f"LLVM rejects the generated program for {target}: {error}") from error
    builder = _builder(target, pipeline)
    builder.getModulePassManager().run(module, builder)  # a pass manager runs once
    return module


def emit_object(module: Any, target: Target) -> bytes:
    """An optimised module as an object file."""
    return _machine(target)[0].emit_object(module)


def emit_assembly(module: Any, target: Target) -> str:
    """An optimised module as assembly."""
    return _machine(target)[0].emit_assembly(module)


@lru_cache(maxsize=16)
def _builder(target: Target, pipeline: Pipeline) -> Any:
    """LLVM's pass builder, made once because llvmlite does not free all of one.

    Nor does it free all of a pass manager: a build costs the process about 70 KB for good.
    """
    tuning = llvm.create_pipeline_tuning_options(speed_level=pipeline.level)
    tuning.loop_vectorization = pipeline.loop_vectorize
    tuning.slp_vectorization = pipeline.slp_vectorize
    tuning.loop_unrolling = pipeline.loop_unroll
    tuning.loop_interleaving = pipeline.loop_interleave
    return llvm.create_pass_builder(_machine(target)[0], tuning)


@lru_cache(maxsize=16)
def _machine(target: Target) -> tuple[Any, str]:
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
