"""`plan_memory`: which tensors share memory, and where each one lies in the arena of a program.

A block of memory is in use from the step that first stores to it to the last one that reads it. Blocks whose
times overlap must not overlap in memory. They are placed from the largest to the smallest, each in the
smallest gap that holds it (Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net Inference,
arXiv 2001.03288, section 5.2: greedy by size); two other orders are tried too, and the smallest arena is
taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector register of any CPU."""


@dataclass(frozen=True, slots=True)
class Block:
    """Memory that is in use for a time.

    Parameters
    ----------
    nbytes : int
    first, last : int
        The first and the last step that use it.
    """

    nbytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Places in one arena.

    Parameters
    ----------
    offsets : tuple of int
        For each block, in bytes from the beginning of the arena; a multiple of `ALIGNMENT`.
    peak : int
        Bytes of the arena.
    tensors : int
        Bytes of all tensors that the program computes, if none shared memory.
    bound : int
        The greatest sum of the blocks that are in use in one step: no plan needs less.
    """

    offsets: tuple[int, ...]
    peak: int
    tensors: int
    bound: int

    @property
    def share(self) -> float:
        """The arena as a part of the sum of all tensors."""
        return self.peak / self.tensors if self.tensors else 1.0


def aligned(nbytes: int) -> int:
    """`nbytes` rounded up to whole lines of the cache."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def plan_memory(blocks: Sequence[Block], tensors: int | None = None) -> MemoryPlan:
    """Place blocks in an arena.

    Parameters
    ----------
    blocks : sequence of Block
    tensors : int, optional
        What `MemoryPlan.tensors` is to report; by default the sum of the blocks.
    """
    best: tuple[int, list[int]] | None = None
    for key in _ORDERS:
        found = _placed(blocks, sorted(range(len(blocks)), key=lambda i: key(blocks[i])))
        if best is None or found[0] < best[0]:
            best = found
    assert best is not None
    peak, offsets = best
    total = sum(block.nbytes for block in blocks) if tensors is None else tensors
    return MemoryPlan(tuple(offsets), peak, total, _bound(blocks))


_ORDERS: tuple[Callable[[Block], Any], ...] = (
    lambda block: (-block.nbytes, block.first),
    lambda block: (-block.nbytes * (block.last - block.first + 1), block.first),
    lambda block: (block.first, -block.nbytes),
)


def _placed(blocks: Sequence[Block], order: Sequence[int]) -> tuple[int, list[int]]:
    """The size of the arena, and the offsets of blocks that are placed in an order."""
    offsets = [0] * len(blocks)
    placed: list[int] = []
    peak = 0
    for index in order:
        block = blocks[index]
        size = aligned(block.nbytes)
        if not size:
            continue
        others = (i for i in placed if blocks[i].first <= block.last and block.first <= blocks[i].last)
        taken = sorted((offsets[i], offsets[i] + aligned(blocks[i].nbytes)) for i in others)
        offsets[index] = _best_fit(size, taken)
        placed.append(index)
        peak = max(peak, offsets[index] + size)
    return peak, offsets


def _best_fit(size: int, taken: Iterable[tuple[int, int]]) -> int:
    """The beginning of the smallest gap between ranges, sorted by beginning, that holds `size` bytes."""
    best, best_gap, end = -1, 0, 0
    for begin, its_end in taken:
        gap = begin - end
        if gap >= size and (best < 0 or gap < best_gap):
            best, best_gap = end, gap
        end = max(end, its_end)
    return end if best < 0 else best


def _bound(blocks: Sequence[Block]) -> int:
    changes: dict[int, int] = {}
    for block in blocks:
        changes[block.first] = changes.get(block.first, 0) + aligned(block.nbytes)
        changes[block.last + 1] = changes.get(block.last + 1, 0) - aligned(block.nbytes)
    most = now = 0
    for step in sorted(changes):
        now += changes[step]
        most = max(most, now)
    return most
