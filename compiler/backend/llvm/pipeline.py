"""The passes between a loop nest and code for a CPU, in order."""

from __future__ import annotations

from functools import partial, update_wrapper

from compiler.backend.llvm.machine import KIND
from compiler.ir.simplify.simplify import simplify
from compiler.passes import Pass
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

UNROLLED_STORES = 1024
"""Maximum number of stores of an unrolled loop; beyond it, the compile time exceeds the gain."""


def passes(kind: str = KIND) -> tuple[Pass, ...]:
    """The passes in order.

    Parameters
    ----------
    kind : str
        Kind of target whose implementations of tensor intrinsics are used.
    """
    intrinsics = update_wrapper(partial(inline_intrinsics, kind=kind), inline_intrinsics)
    unrolled = update_wrapper(partial(unroll, limit=UNROLLED_STORES), unroll)
    return (
        intrinsics,  # first: the description of an intrinsic is lowered like the rest
        flatten,  # the passes after it see one index for each access
        simplify,  # the flat index becomes one sum, which shows what varies with each loop
        inject_double_buffer,  # before thread_sync: it moves statements, which barriers must not separate
        thread_sync,  # early: without barriers, the order in which threads access shared memory is undefined
        inject_prefetch,  # before loops are cut, while one loop nest has all reads of an iteration
        clip_loops,  # before loop_partition: a clipped loop need not be partitioned
        loop_partition,  # before everything that copies bodies: each part has fewer conditions to copy
        inject_copy,  # after loop_partition, which makes the margins of a tile literals
        lower_packed,  # before vectorize, which must not put two elements of one byte into lanes
        vectorize,  # before unroll: one vector statement is unrolled, not sixteen scalar ones
        inject_vthread,  # before memory is planned: each virtual thread gets a part of a buffer
        inject_tokens,  # once each thread's part and each half of a double buffer are known
        storage_rewrite,  # after every pass that allocates buffers
        hoist_guards,  # conditions out of the remaining loops
        common_subexpressions,  # before unrolled, which duplicates statements
        remove_no_op,  # statements that the earlier passes have made redundant
        unrolled,  # late: every later pass processes all the copies
        split_registers,  # last: unrolling makes indices literals
    )
