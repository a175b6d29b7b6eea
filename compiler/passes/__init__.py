"""The passes, each a function from `PrimFunc` to `PrimFunc` in a file of its own, and their order."""

from __future__ import annotations

from collections.abc import Callable

from compiler.ir.function import PrimFunc
from compiler.ir.simplify import simplify
from compiler.passes.flatten import flatten
from compiler.passes.unroll import unroll
from compiler.passes.vectorize import vectorize

Pass = Callable[[PrimFunc], PrimFunc]

PIPELINE: tuple[Pass, ...] = (
    flatten,  # first: the passes behind it see one index for each access
    simplify,  # the flat index as one sum, so that what varies with a loop is plain to see
    vectorize,  # before unroll: one vector statement is unrolled, not sixteen scalar ones
    unroll,  # last: it copies statements, and whatever runs behind it has all the copies to do
)
"""The passes of `lower`, in order."""


def run(func: PrimFunc, watch: Callable[[str, PrimFunc], None] | None = None) -> PrimFunc:
    """`func` after every pass of `PIPELINE`.

    Parameters
    ----------
    func : PrimFunc
    watch : callable, optional
        Called with the name of each pass and its result: to print or to verify the stages.
    """
    for step in PIPELINE:
        func = step(func)
        if watch is not None:
            watch(step.__name__, func)
    return func
