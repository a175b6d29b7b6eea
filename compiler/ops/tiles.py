"""Register tiles and cache blocks, derived from what a `Target` has.

A *register tile* is the outer product at the heart of matrix products and convolutions: in each step of a
reduction, `rows` elements of one operand are broadcast to the lanes and multiplied by `vectors` vectors of
the other, and the ``rows * vectors`` sums stay in registers. In a matrix product the rows are rows of the
result; in a convolution they are pixels, and the vectors hold channels, or the other way round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from compiler.backend import Target

# what the out-of-order cores of today have in common: two multiply-adds and two loads a cycle, a latency of
# four or five cycles, and at least four instructions a cycle
PORTS = 2
LATENCY = 5
ISSUE = 4


class Tile(NamedTuple):
    """A register tile: elements that are broadcast, and vectors that they are multiplied by."""

    rows: int
    vectors: int

    @property
    def sums(self) -> int:
        """Number of accumulators, each a vector register."""
        return self.rows * self.vectors


UNROLL = (1, 2, 4, 8)
"""Steps of a reduction in the body of its loop."""

UNROLLED = 4
"""The default of these. With two, LLVM loads all operands of both before any product, and spills sums."""


@dataclass(frozen=True, slots=True)
class Registers:
    """The vector registers of a target for one type of accumulator.

    Parameters
    ----------
    lanes : int
        Accumulators in a register.
    count : int
        Number of registers.
    by_lane : bool
        Whether a multiply-add takes one lane of a register as an operand for all lanes.
    """

    lanes: int
    count: int
    by_lane: bool = False

    @staticmethod
    def of(target: Target, dtype: str) -> Registers:
        """The registers of `target` for accumulators of `dtype`."""
        # without registers to count, as on a target of scalars, tiles stay small
        hardware = target.hardware
        return Registers(target.lanes(dtype), hardware.vector_registers or 16, hardware.lane_operands)

    def needed(self, tile: Tile) -> int:
        """Registers that a step needs: all sums, and the operands that are used more than once.

        The vectors of a step are loaded once, and each broadcast element when its row is computed; where the
        multiply-add takes a lane, elements are loaded by vectors, one of which is ahead. The vectors of a
        tile of one row are used once, so that the multiply-add reads them from memory. In a tile of one
        vector each product has a broadcast element of its own, which is loaded ahead.
        """
        if tile.rows == 1:
            return tile.sums + 1
        if tile.vectors == 1:
            return 2 * tile.sums
        elements = covering(tile.rows, self.lanes) + 1 if self.by_lane else 1
        return tile.sums + tile.vectors + elements

    def fits(self, tile: Tile) -> bool:
        """Whether a tile is computed without spills."""
        return self.needed(tile) <= self.count

    def tiles(self) -> tuple[Tile, ...]:
        """All tiles that fit."""
        return _tiles(self)


@lru_cache(maxsize=64)
def _tiles(registers: Registers) -> tuple[Tile, ...]:
    sizes = range(1, registers.count)
    pairs = (Tile(rows, vectors) for vectors in sizes for rows in sizes)
    return tuple(tile for tile in pairs if registers.fits(tile))


def step_cycles(tile: Tile) -> float:
    """Cycles that one step of a reduction takes, by the resource that limits it.

    The multiply-adds of one step are independent, and each waits for the one of the same sum in the step
    before: ten sums hide the latency. Operands come from the first-level cache and, where they are streamed,
    from the second; so among tiles that are limited by arithmetic alone, fewer loads are better.
    """
    loads = tile.rows + tile.vectors
    limits = (tile.sums / PORTS, LATENCY, loads / PORTS, (tile.sums + loads) / ISSUE)
    return max(limits) * (1 + 0.15 * loads / tile.sums)


def ranked_tiles(registers: Registers, steps: Callable[[Tile], float], *, each: int = 4) -> list[Tile]:
    """The best tiles for one problem, the best first: what a search may choose from.

    Parameters
    ----------
    registers : Registers
    steps : callable
        How many steps of a tile the whole problem takes, those of padding included, for each step of its
        reduction: how many tiles cover the result. A tile for which this is infinite is left out.
    each : int
        Number of tiles that are kept for each number of vectors.

    Returns
    -------
    list of Tile
        By estimated cycles, then by the registers needed; never empty where `steps` admits any tile.
    """
    costs = {tile: steps(tile) * step_cycles(tile) for tile in registers.tiles()}
    by_vectors: dict[int, list[Tile]] = {}
    for tile in sorted(costs, key=lambda tile: (costs[tile], registers.needed(tile), tile)):
        if costs[tile] != float("inf"):
            by_vectors.setdefault(tile.vectors, []).append(tile)
    kept = [tile for tiles in by_vectors.values() for tile in tiles[:each]]
    return sorted(kept, key=lambda tile: (costs[tile], registers.needed(tile), tile))


def covering(extent: int, width: int) -> int:
    """How many blocks of `width` cover `extent`."""
    return -(-extent // width)


def cache_bytes(target: Target, level: int) -> int:
    """Bytes of the data cache of a level, the first of which is 0; the last one where there are fewer.

    A target that states no caches is taken to have those that are smallest in common use.
    """
    caches = target.hardware.caches or (32 * 1024, 256 * 1024)
    return caches[min(level, len(caches) - 1)]


def block_in_cache(
    target: Target, level: int, bytes_each: int, extent: int, *, share: float = 0.5, multiple: int = 1
) -> int:
    """The length of blocks of `extent` elements that stay in a cache, all of nearly the same length.

    Parameters
    ----------
    target : Target
    level : int
        Of the cache; 0 is the first.
    bytes_each : int
        Bytes that one element adds to what must stay: for the steps of a reduction, those of a panel of
        vectors.
    extent : int
        Number of elements that are divided into blocks.
    share : float
        The part of the cache that the block may fill. The rest is for operands that are streamed past it
        (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, section 4; Low et al.,
        Analytical Modeling Is Enough for High-Performance BLIS, section 4).
    multiple : int
        The length is a multiple of this, unless it is the whole extent.

    Returns
    -------
    int
        From 1 to `extent`.
    """
    most = max(int(share * cache_bytes(target, level)) // bytes_each // multiple, 1) * multiple
    length = covering(extent, covering(extent, most))
    return min(covering(length, multiple) * multiple, extent)
