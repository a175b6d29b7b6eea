"""`build` and `load_module`: the ways to a module that can be called."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from compiler.backend.target import Target, missing_here
from compiler.ir.function import PrimFunc
from compiler.runtime.compiled import Compiled, ModuleFileError
from compiler.runtime.module import Module

if TYPE_CHECKING:
    from compiler.backend.llvm.codegen import Program


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
    from compiler.backend.llvm.codegen import generate
    from compiler.backend.llvm.compile import emit_object, optimise

    target = Target.parse(target)
    program = generate(func, target)
    compiled = package(func, program, emit_object(optimise(program.text, target), target), target)
    return Module(compiled, target.missing(), partial(_assembly, compiled))


def package(func: PrimFunc, program: Program, code: bytes, target: Target) -> Compiled:
    """What is known of a compiled function, in one piece.

    Parameters
    ----------
    func : PrimFunc
    program : Program
        Its LLVM program.
    code : bytes
        The object file that was made from that.
    target : Target
    """
    return Compiled(
        name=func.name,
        params=func.params,
        stored=program.stored,
        entry=program.entry,
        workspace_bytes=program.workspace_bytes,
        is_parallel=program.is_parallel,
        target=str(target),
        triple=target.triple,
        cpu=target.cpu,
        needs=target.needs,
        code=code,
        text=program.text,
    )


def load_module(path: str | os.PathLike[str]) -> Module:
    """A module that `Module.save` wrote, ready to be called; nothing is compiled.

    A module is machine code: load one only from those whose shared libraries you would load.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    ModuleFileError
        If the file is no module, is cut off or damaged, was saved by a newer version, or is for another
        machine or a CPU with features that this one lacks.
    OSError
        If the file cannot be read.
    """
    compiled = Compiled.load(path)
    missing = missing_here(compiled.triple, compiled.cpu, compiled.needs)
    if missing:
        raise ModuleFileError(
            f"{os.fspath(path)} was built for {compiled.target}, which cannot run here: {missing}"
        )
    return Module(compiled, "", partial(_assembly, compiled))


def _assembly(compiled: Compiled) -> str:
    from compiler.backend.llvm.compile import emit_assembly, optimise

    target = Target.parse(compiled.target)
    return emit_assembly(optimise(compiled.text, target), target)
