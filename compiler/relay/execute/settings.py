"""`Settings` of a compilation, and `compiled`: the executable of a module of static shape."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.backend import Target
from compiler.relay.execute.control import ControlExecutable
from compiler.relay.execute.executable import Executable
from compiler.relay.execute.planning.compile import Progress, compile_program
from compiler.relay.execute.planning.program import is_data_flow, linear
from compiler.relay.infer.infer import infer_type
from compiler.relay.language.module import IRModule
from compiler.relay.optimize.fuse import MAX_OPERATORS, fuse_ops
from compiler.relay.optimize.pipeline import optimize

FUSE = "fuse_ops"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a module is compiled.

    Parameters
    ----------
    target : Target
    level : int
        0 to 3.
    without : tuple of str
        Passes that are left out.
    progress : callable, optional
        ``progress(done, total, name)`` after each kernel.
    """

    target: Target
    level: int = 3
    without: tuple[str, ...] = ()
    progress: Progress | None = None


def grouped(module: IRModule, settings: Settings) -> IRModule:
    """The module optimised, its operators in groups, with types."""
    without = tuple(name for name in settings.without if name != FUSE)
    optimized = infer_type(optimize(module, settings.level, target=settings.target, without=without))
    fused = settings.level > 0 and FUSE not in settings.without
    return fuse_ops(optimized, MAX_OPERATORS if fused else 1)


def compiled(module: IRModule, settings: Settings) -> Executable | ControlExecutable:
    """The executable of a module whose parameters have known shapes."""
    made = grouped(module, settings)
    if is_data_flow(made.main):
        return Executable(compile_program(linear(made.main), settings.target, settings.progress))
    return ControlExecutable(made, settings.target, settings.progress)
