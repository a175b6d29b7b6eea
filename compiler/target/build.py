"""`build`: the way from a lowered function to a module that can be called."""

from __future__ import annotations

from compiler.ir.function import PrimFunc
from compiler.runtime.module import Module
from compiler.target.target import Target


def build(func: PrimFunc, target: str | Target = "llvm") -> Module:
    """Compile a function.

    Parameters
    ----------
    func : PrimFunc
        A function after all passes.
    target : str or Target
        What to compile for. A module for another machine shows its source, but cannot be called.

    Returns
    -------
    Module

    Raises
    ------
    ValueError
        For an unknown target, or a function that is not fully lowered.
    """
    # LLVM is loaded by the first build, not by the import of this package
    from compiler.target.llvm.codegen import generate
    from compiler.target.llvm.compile import emit_assembly, emit_object, optimise

    target = Target.parse(target)
    program = generate(func, target)
    return Module(
        func.name,
        func.params,
        emit_object(optimise(program.text, target), target),
        entry=program.entry,
        stored=program.stored,
        workspace_bytes=program.workspace_bytes,
        is_parallel=program.is_parallel,
        built_for=str(target),
        runs_here=target.runs_here,
        sources={
            "llvm": lambda: program.text,
            "asm": lambda: emit_assembly(optimise(program.text, target), target),
        },
    )
