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
"""Stores that an unrolled loop may grow to; a longer one takes LLVM more time than it gains."""


def passes(kind: str = KIND) -> tuple[Pass, ...]:
    """The passes, which use the implementations of tensor intrinsics for `kind`."""
    intrinsics = update_wrapper(partial(inline_intrinsics, kind=kind), inline_intrinsics)
    unrolled = update_wrapper(partial(unroll, limit=UNROLLED_STORES), unroll)
    return (
        intrinsics,  # first: the description of an intrinsic is lowered like the rest
        flatten,  # the passes after it see one index for each access
        simplify,  # the flat index becomes one sum, which shows what varies with each loop
        inject_double_buffer,  # moves statements that fill a buffer, so before barriers are around them
        thread_sync,  # early: without its barriers a program of many threads has another meaning
        inject_prefetch,  # while the loops are whole, and show what one iteration reads
        clip_loops,  # a loop that ends early need not be partitioned
        loop_partition,  # before everything that copies bodies: each part has fewer conditions to copy
        inject_copy,  # after it, since in a part the margins of a tile are literals
        lower_packed,  # before vectorize, which must not put two elements of one byte into lanes
        vectorize,  # before unroll: one vector statement is unrolled, not sixteen scalar ones
        inject_vthread,  # before memory is planned: each virtual thread gets a part of a buffer
        inject_tokens,  # once each thread's part and each half of a double buffer are known
        storage_rewrite,  # when all buffers are there
        hoist_guards,  # conditions out of the loops that are left
        common_subexpressions,  # while each statement is there once
        remove_no_op,  # removes what the passes before have left without an effect
        unrolled,  # late: it copies statements, and every pass after it has all the copies to process
        split_registers,  # last: only after unrolling is it known which indices are literals
    )
