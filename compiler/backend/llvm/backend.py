"""`LLVM`: the back end for CPUs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from compiler.backend.llvm.codegen import Program, generate
from compiler.backend.llvm.foreign import SYMBOL, check, externs_of
from compiler.backend.llvm.host.executable import HostExecutable
from compiler.backend.llvm.machine import KIND, OPTIONS, Machine, hardware_of, machine_of, missing_here
from compiler.backend.llvm.pipeline import passes
from compiler.backend.protocol import Backend, Hardware, Options
from compiler.ir.foreign import C_TYPES
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.foreign import Externs, c_function
from compiler.passes import Pass
from compiler.runtime.artifact import Artifact, HeaderError, field
from compiler.runtime.device import Device
from compiler.runtime.module import Module


class LLVM:
    """Loop IR to LLVM's IR to machine code; the code is linked into this process.

    The details of an artifact are ``entry``, the symbol of ``void entry(ptr slots, ptr workspace)``;
    ``is_parallel``, whether it calls the thread pool; ``externs``, the C functions that it calls (see
    `externs_of`), absent where there are none; ``triple`` and ``cpu``; and ``needs``, the features
    that a CPU must have to run it, null where it must be that CPU.
    """

    kind = KIND
    option_names = OPTIONS
    passes: tuple[Pass, ...] = passes()

    def complete(self, given: Mapping[str, str]) -> Options:
        """The CPU, its triple and the changes of its features; see `Machine.from_options`."""
        return Machine.from_options(given).options

    def hardware(self, options: Options) -> Hardware:
        """What the CPU has."""
        return hardware_of(options)

    def missing(self, options: Options) -> str:
        """Why this process cannot run code for the CPU; empty if it can."""
        return machine_of(options).missing()

    def device(self, index: int) -> Device:
        """Always refused: a CPU works on NumPy arrays.

        Raises
        ------
        ValueError
        """
        raise ValueError(
            "a CPU has no memory apart from this process's: modules for 'llvm' take NumPy arrays"
        )

    def compile(self, func: PrimFunc, options: Options, *, once: bool = False) -> Artifact:
        """The object file of a function; if it runs only `once`, less time is spent on its code.

        Raises
        ------
        ValueError
            If the function has a node that a CPU cannot execute.
        """
        return self.finished(func, self.generated(func, options), options, once=once)

    def generated(self, func: PrimFunc, options: Options) -> Program:
        """The first half of `compile`, in Python: the text that LLVM is given.

        Raises
        ------
        ValueError
            If the function has a node that a CPU cannot execute.
        """
        machine = machine_of(options)
        program = generate(func, machine)
        # what LLVM would refuse less clearly, or by ending the process
        check(func, program.calls, machine)
        externs_of(func, program.calls)
        return program

    def finished(self, func: PrimFunc, program: Program, options: Options, *, once: bool = False) -> Artifact:
        """The second half of `compile`, in LLVM, which does not hold the interpreter's lock."""
        from compiler.backend.llvm.compile import emit_object, optimise  # loads LLVM

        machine = machine_of(options)
        code = emit_object(optimise(program.text, machine, once), machine, once)
        return package(func, program, code, machine)

    def load(self, artifact: Artifact, externs: Externs | None = None) -> Module:
        """The module of an artifact, with its object file linked into this process if it can run here."""
        details = artifact.details
        entry, is_parallel = field(details, "entry", str), field(details, "is_parallel", bool)
        triple, cpu = field(details, "triple", str), field(details, "cpu", str)
        needs = None
        if details.get("needs") is not None:
            needs = tuple(field(details, "needs", list))
            if any(type(feature) is not str for feature in needs):
                raise HeaderError(f"needs is {details['needs']!r}")
        missing = missing_here(triple, cpu, needs)
        imports = {} if missing else _imports(details, externs or {})
        executable = None if missing else HostExecutable(artifact, entry, is_parallel, imports)
        sources: dict[str, Callable[[], str]] = {
            "llvm": lambda: artifact.text,
            "asm": partial(_assembly, artifact),
        }
        return Module(artifact, executable, missing, sources)


def package(func: PrimFunc, program: Program, code: bytes, machine: Machine) -> Artifact:
    """The artifact of a compiled function.

    Parameters
    ----------
    func : PrimFunc
    program : Program
        Its LLVM program.
    code : bytes
        The object file that was made from it.
    machine : Machine
        What it was compiled for.
    """
    needs, externs = machine.needs, externs_of(func, program.calls)
    return Artifact(
        kind=KIND,
        name=func.name,
        params=func.params,
        stored=program.stored,
        target=str(machine),
        workspace_bytes=program.workspace_bytes,
        code=code,
        text=program.text,
        details={
            "entry": program.entry,
            "is_parallel": program.is_parallel,
            "triple": machine.triple,
            "cpu": machine.cpu,
            "needs": None if needs is None else list(needs),
            **({"externs": externs} if externs else {}),
        },
    )


def _imports(details: Mapping[str, Any], externs: Externs) -> dict[str, Any]:
    """The C functions of an artifact by their symbols."""
    found = {}
    for entry in details.get("externs", []):
        if type(entry) is not list or len(entry) < 2 or not set(entry[1:]) <= set(C_TYPES):
            raise HeaderError(f"externs has {entry!r}")
        name, *types = entry
        found[SYMBOL + name] = c_function(name, types, externs)
    return found


def _assembly(artifact: Artifact) -> str:
    from compiler.backend.llvm.compile import emit_assembly, optimise

    machine = Machine.parse(artifact.target)
    return emit_assembly(optimise(artifact.text, machine), machine)


BACKEND: Backend = LLVM()
