"""`build`: a module to an `Executable`."""

from __future__ import annotations

from compiler.backend import Target
from compiler.backend.llvm.machine import KIND
from compiler.relay.execute.cache import cached, key_of
from compiler.relay.execute.control import ControlExecutable
from compiler.relay.execute.dynamic import DynamicExecutable, is_dynamic
from compiler.relay.execute.executable import Executable
from compiler.relay.execute.planning.compile import Progress
from compiler.relay.execute.settings import Settings, compiled
from compiler.relay.infer.infer import infer_type
from compiler.relay.language.module import IRModule


def build(
    module: IRModule,
    target: str | Target = "llvm",
    level: int = 3,
    *,
    without: tuple[str, ...] = (),
    progress: Progress | None = None,
    cache: bool = True,
) -> Executable | ControlExecutable | DynamicExecutable:
    """Optimise and compile the function ``main`` of a module.

    Parameters
    ----------
    module : IRModule
    target : str or Target
        What to compile for.
    level : int
        How far it is optimised, 0 to 3: see `compiler.relay.optimize.pipeline.optimize`. From 1 on,
        operators are fused.
    without : tuple of str
        Names of passes that are left out, ``"fuse_ops"`` among them.
    progress : callable, optional
        ``progress(done, total, name)`` after each compiled kernel.
    cache : bool
        Whether to load what an earlier run compiled from the same module, and to keep what takes long: see
        `compiler.relay.execute.cache`.

    Returns
    -------
    Executable, ControlExecutable or DynamicExecutable
        The second for a program that is more than data flow; the third where a parameter has a dimension
        that only a call brings: it compiles for each shape that occurs.

    Raises
    ------
    ValueError
        If the target is no CPU, the module is ill-typed, the level is unknown, or an operator cannot be
        executed.
    """
    parsed = Target.parse(target)
    if parsed.kind != KIND:
        raise ValueError(f"programs are compiled for CPUs: a target of kind {KIND!r} is needed, not {parsed}")
    settings = Settings(parsed, level, without, progress)
    infer_type(module)
    if any(is_dynamic(param.checked_type) for param in module.main.params):
        return DynamicExecutable(module, settings, _cached if cache else compiled)
    return _cached(module, settings) if cache else compiled(module, settings)


def _cached(module: IRModule, settings: Settings) -> Executable | ControlExecutable:
    """`compiled`, or what it made of the same module in an earlier run."""
    return cached(key_of(module, settings), lambda: compiled(module, settings))
