"""`build` and `load_module`: a module from a program, and from a file."""

from __future__ import annotations

import os

from compiler.backend.protocol import TargetError
from compiler.backend.registry import backend
from compiler.backend.target import Target
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.foreign import Externs, MissingExternError
from compiler.runtime.artifact import Artifact, HeaderError, ModuleFileError, invalid_header
from compiler.runtime.module import Module


def build(func: PrimFunc, target: str | Target = "llvm", externs: Externs | None = None) -> Module:
    """Compile a function.

    Parameters
    ----------
    func : PrimFunc
        A function after all passes.
    target : str or Target
        What to compile for. A module for another machine shows its source, but cannot be called.
    externs : mapping or ctypes.CDLL, optional
        The C functions that the program calls (`te.call_extern`), by name: functions of `ctypes`, addresses
        or functions in Python; or a library that has them.

    Returns
    -------
    Module

    Raises
    ------
    ValueError
        For an unknown target, a function that is not fully lowered, or a C function that is not given.
    """
    target = Target.parse(target)
    generator = backend(target.kind)
    return generator.load(generator.compile(func, target.options), externs)


def load_module(path: str | os.PathLike[str], externs: Externs | None = None) -> Module:
    """A module that `Module.save` wrote, ready to be called; nothing is compiled.

    A module is machine code: load one only from sources whose shared libraries you would load.

    Parameters
    ----------
    path : str or path
    externs : mapping or ctypes.CDLL, optional
        The C functions that the module calls, as for `compiler.build`: the file has only their names.

    Raises
    ------
    ModuleFileError
        If the file is no module, is cut off or damaged, was saved by a newer version, is of a kind without
        a back end, is for another machine or a CPU with features that this one lacks, or calls a C function
        that is not given.
    OSError
        If the file cannot be read.
    """
    artifact = Artifact.load(path)
    try:
        generator = backend(artifact.kind)
    except TargetError as error:
        raise ModuleFileError(f"{os.fspath(path)} was built for {artifact.target}: {error}") from error
    try:
        module = generator.load(artifact, externs)
    except MissingExternError as error:
        raise ModuleFileError(f"{os.fspath(path)}: {error}") from error
    except HeaderError as error:
        raise invalid_header(path, error) from error
    if module.missing:
        raise ModuleFileError(
            f"{os.fspath(path)} was built for {artifact.target}, which cannot run here: {module.missing}"
        )
    return module
