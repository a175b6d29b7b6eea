"""The passes, each a function from `PrimFunc` to `PrimFunc` in a file of its own, and their order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper

from compiler.ir.function import PrimFunc
from compiler.ir.simplify.simplify import simplify
from compiler.passes.clip_loops import clip_loops
from compiler.passes.common_subexpressions import common_subexpressions
from compiler.passes.flatten import flatten
from compiler.passes.hoist_guards import hoist_guards
from compiler.passes.inject_copy import inject_copy
from compiler.passes.inject_double_buffer import inject_double_buffer
from compiler.passes.inject_prefetch import inject_prefetch
from compiler.passes.inject_tokens import inject_tokens
from compiler.passes.inject_vthread import inject_vthread
from compiler.passes.inline_intrinsics import inline_intrinsics
from compiler.passes.loop_partition import loop_partition
from compiler.passes.lower_packed import lower_packed
from compiler.passes.remove_no_op import remove_no_op
from compiler.passes.split_registers import split_registers
from compiler.passes.storage_rewrite import storage_rewrite
from compiler.passes.thread_sync import thread_sync
from compiler.passes.unroll import unroll
from compiler.passes.vectorize import vectorize

Pass = Callable[[PrimFunc], PrimFunc]


def pipeline(kind: str = "llvm") -> tuple[Pass, ...]:
    """The passes of `lower`, in order, for a target of `kind`.

    The target is asked in one place alone: which tensor intrinsics it has.
    """
    intrinsics = update_wrapper(partial(inline_intrinsics, kind=kind), inline_intrinsics)
    return (
        intrinsics,  # first: what an intrinsic means is lowered like the rest
        flatten,  # the passes behind it see one index for each access
        simplify,  # the flat index as one sum, so that what varies with a loop is plain to see
        inject_double_buffer,  # moves what fills a buffer, so before there are barriers around it
        thread_sync,  # early: without its barriers a program of many threads has another meaning
        inject_prefetch,  # while the loops are whole, and say what one iteration reads
        clip_loops,  # what ends a loop early need not be cut
        loop_partition,  # before all that copies bodies: each part has fewer conditions to copy
        inject_copy,  # behind it, since in a part the margins of a tile are fixed numbers
        lower_packed,  # before vectorize, which must not put two elements of one byte into lanes
        vectorize,  # before unroll: one vector statement is unrolled, not sixteen scalar ones
        inject_vthread,  # before memory is planned: each virtual thread gets its own part
        inject_tokens,  # once it is known which thread and which half uses which part
        storage_rewrite,  # when all buffers are there
        hoist_guards,  # conditions out of the loops that are left
        common_subexpressions,  # while each statement is there once
        remove_no_op,  # what the passes before have left without an effect
        unroll,  # late: it copies statements, and whatever runs behind it has all the copies to do
        split_registers,  # last: only then it is plain which indices are numbers
    )


def run(
    func: PrimFunc, watch: Callable[[str, PrimFunc], None] | None = None, *, kind: str = "llvm"
) -> PrimFunc:
    """`func` after every pass of `pipeline`.

    Parameters
    ----------
    func : PrimFunc
    watch : callable, optional
        Called with the name of each pass and its result: to print or to verify the stages.
    kind : str
        Kind of the target.
    """
    for step in pipeline(kind):
        func = step(func)
        if watch is not None:
            watch(step.__name__, func)
    return func
