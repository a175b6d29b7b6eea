"""`load`: a saved program, ready to be called."""

from __future__ import annotations

import os
from typing import Any

from compiler.relay.execute.executable import Executable
from compiler.relay.execute.storage import Parts, Record, kernel_from, plan_from, read, type_from


def load(path: str | os.PathLike[str]) -> Any:
    """A program that `save` of an executable wrote; nothing is compiled.

    A program is machine code: load one only from sources whose shared libraries you would load.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Executable, ControlExecutable or DynamicExecutable

    Raises
    ------
    ModuleFileError
        If the file is no program, is cut off or damaged, was saved by a newer version, or is for another
        machine.
    OSError
        If it cannot be read.
    """
    return read(path, restored)


def restored(record: Record, parts: Parts) -> Any:
    """The program of a record."""
    form = record["form"]
    if form == "flow":
        return Executable(plan_from(record, parts))
    # a data-flow program, the common case, needs nothing of the language
    from compiler.backend import Target
    from compiler.relay.execute.control import ControlExecutable
    from compiler.relay.execute.dynamic import DynamicExecutable
    from compiler.relay.execute.settings import Settings, compiled
    from compiler.relay.infer.infer import infer_type
    from compiler.relay.notation.parser import parse

    module = infer_type(parse(parts.bytes(record["text"]).decode()))
    if form == "control":
        kernels = [kernel_from(kernel, parts) for kernel in record["kernels"]]
        return ControlExecutable(module, Target.parse(record["target"]), kernels=kernels)
    if form != "dynamic":
        raise ValueError(f"the form {form!r} of a program is unknown")
    settings = Settings(Target.parse(record["target"]), record["level"], tuple(record["without"]))
    programs = {
        tuple(type_from(t) for t in types): restored(inner, parts) for types, inner in record["programs"]
    }
    return DynamicExecutable(module, settings, compiled, programs)
