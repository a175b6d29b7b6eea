"""`build`: a module to an `Executable`."""

from __future__ import annotations

from compiler.backend import Target
from compiler.relay.execute.compile import Progress, compile_program
from compiler.relay.execute.control import ControlExecutable
from compiler.relay.execute.dynamic import DynamicExecutable, is_dynamic
from compiler.relay.execute.executable import Executable
from compiler.relay.execute.program import is_data_flow, linear
from compiler.relay.infer.infer import infer_type
from compiler.relay.language.module import IRModule
from compiler.relay.optimize.fuse import MAX_OPERATORS, fuse_ops
from compiler.relay.optimize.pipeline import optimize


def build(
    module: IRModule,
    target: str | Target = "llvm",
    level: int = 3,
    *,
    without: tuple[str, ...] = (),
    progress: Progress | None = None,
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

    Returns
    -------
    Executable, ControlExecutable or DynamicExecutable
        The second for a program that is more than data flow; the third where a parameter has a dimension
        that only a call brings: it compiles for each shape that occurs.

    Raises
    ------
    ValueError
        If the module is ill-typed, the level is unknown, or an operator cannot be executed.
    """
    parsed = Target.parse(target)
    infer_type(module)

    def compiled(static: IRModule) -> Executable | ControlExecutable:
        optimized = infer_type(optimize(static, level, without=tuple(p for p in without if p != "fuse_ops")))
        fused = fuse_ops(optimized, 1 if level == 0 or "fuse_ops" in without else MAX_OPERATORS)
        if is_data_flow(fused.main):
            return Executable(compile_program(linear(fused.main), parsed, progress))
        return ControlExecutable(fused, parsed, progress)

    if any(is_dynamic(param.checked_type) for param in module.main.params):
        return DynamicExecutable(module, compiled, str(parsed))
    return compiled(module)
