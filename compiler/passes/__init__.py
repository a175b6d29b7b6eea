"""The passes: functions from `PrimFunc` to `PrimFunc`, one in each file.

A back end determines which of them run, and in which order: see `compiler.backend.pipeline`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from compiler.ir.function import PrimFunc

Pass = Callable[[PrimFunc], PrimFunc]


def run(
    func: PrimFunc, passes: Iterable[Pass], watch: Callable[[str, PrimFunc], None] | None = None
) -> PrimFunc:
    """`func` after every pass.

    Parameters
    ----------
    func : PrimFunc
    passes : iterable of Pass
        In order, as those of a back end.
    watch : callable, optional
        Called with the name of each pass and its result: to print or to verify the stages.
    """
    for step in passes:
        func = step(func)
        if watch is not None:
            watch(step.__name__, func)
    return func
