"""`build`: a module to an `Executable`."""

from __future__ import annotations

from compiler.backend import Target
from compiler.relay.execute.compile import Progress, compile_program
from compiler.relay.execute.executable import Executable
from compiler.relay.execute.program import is_data_flow, linear
from compiler.relay.infer.infer import infer_type
from compiler.relay.language.module import IRModule
from compiler.relay.optimize.fuse import fuse_ops
from compiler.relay.optimize.pipeline import optimize


def build(
    module: IRModule,
    target: str | Target = "llvm",
    level: int = 3,
    *,
    without: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Executable:
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

    Returns
    -------
    Executable

    Raises
    ------
    ValueError
        If the module is ill-typed, the level is unknown, or an operator cannot be executed.
    """
    parsed = Target.parse(target)
    optimized = optimize(module, level, without=tuple(p for p in without if p != "fuse_ops"))
    infer_type(optimized)
    fused = fuse_ops(optimized, 1 if level == 0 or "fuse_ops" in without else 256)
    main = fused.main
    if not is_data_flow(main):
        raise ValueError("control flow is not compiled yet")
    return Executable(compile_program(linear(main), parsed, progress))
