"""`ModulePass`: a rewrite of modules with a name, a level and a reason; `run_passes` applies a list."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from compiler.relay.language.module import IRModule
from compiler.suggest import unknown

Observer = Callable[["ModulePass", IRModule, IRModule, float], None]
"""``observer(pass, before, after, seconds)``, called after each pass."""


@dataclass(frozen=True, slots=True)
class ModulePass:
    """A rewrite of modules. One that changes nothing returns the same module.

    Parameters
    ----------
    name : str
    run : callable
        ``run(module) -> module``.
    level : int
        The least level of optimization, 0 to 3, at which it runs.
    reason : str
        Why it is at its place in the list.
    """

    name: str
    run: Callable[[IRModule], IRModule]
    level: int = 0
    reason: str = ""

    def __call__(self, module: IRModule) -> IRModule:
        return self.run(module)


def run_passes(
    module: IRModule,
    passes: Sequence[ModulePass],
    level: int = 3,
    *,
    without: Collection[str] = (),
    observe: Observer | None = None,
) -> IRModule:
    """Apply passes in their order.

    Parameters
    ----------
    module : IRModule
    passes : sequence of ModulePass
    level : int
        Passes of a higher level are left out.
    without : collection of str
        Names of passes that are left out, to see what they bring.
    observe : callable, optional
        Called after each pass: to print a module, to measure time.

    Raises
    ------
    ValueError
        If a name in `without` is no pass of the list.
    """
    names = [p.name for p in passes]
    for name in without:
        if name not in names:
            raise ValueError(unknown("pass", name, names))
    for each in passes:
        if each.level > level or each.name in without:
            continue
        start = time.perf_counter()
        after = each(module)
        if observe is not None:
            observe(each, module, after, time.perf_counter() - start)
        module = after
    return module
