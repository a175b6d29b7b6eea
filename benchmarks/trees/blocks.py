"""How much do software prefetch and the block size gain, at 1M and at 10M rows?

Run with ``python -m benchmarks blocks``. It is the question of the XGBoost paper (arXiv 1603.02754, sections
4.1 and 4.2, figures 7 and 9): there, prefetch makes exact scans of 10M rows twice as fast and does nothing at
1M, and blocks of 2**16 rows are best for approximate ones.

A scan reads the entries of a column in order of value and adds up gradient pairs, which lie in order of row:
the addresses are known in advance, and follow no pattern. Exact: one block holds all rows, and the gain of
each split point is computed. Approximate: rows are cut into blocks, each sorted by itself, and gradient pairs
are summed by bin; rows within a block of 2**16 or fewer take two bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.interleave import Timing, interleave
from benchmarks.report import cores, heading, table

COLUMNS = 4
BINS = 256
DISTANCES = (0, 8, 24, 64)
BLOCK_BITS = (12, 14, 16, 18, 20, 24)
APPROXIMATE_DISTANCES = (0, 24)


def exact_kernel(ahead: int) -> Callable[..., float]:
    """A scan of one column that prefetches gradient pairs `ahead` entries before their use; 0: never."""
    import numba

    from boost.jit import prefetch

    def scan(rows: Any, gpairs: Any, total_g: float, total_h: float) -> float:
        g = h = best = 0.0
        for k in range(rows.size - DISTANCES[-1]):
            if ahead:
                prefetch(gpairs, 2 * np.int64(rows[k + ahead]))
            row = rows[k]
            g += gpairs[row, 0]
            h += gpairs[row, 1]
            rest = total_g - g
            best = max(best, (g * g * (total_h - h + 1.0) + rest * rest * (h + 1.0)) * 1e-9)
        return best

    compiled: Callable[..., float] = numba.njit(nogil=True)(scan)
    return compiled


def approximate_kernel(ahead: int) -> Callable[..., None]:
    """A scan of the sorted entries of one column of one block into bins."""
    import numba

    from boost.jit import prefetch

    def scan(rows: Any, values: Any, cuts: Any, gpairs: Any, first: int, hist: Any) -> None:
        b = 0
        g = h = 0.0
        for k in range(values.size):
            if ahead:
                prefetch(gpairs, 2 * (first + np.int64(rows[k + ahead])))
            while values[k] >= cuts[b]:
                hist[b, 0] += g
                hist[b, 1] += h
                g = h = 0.0
                b += 1
            row = first + np.int64(rows[k])
            g += gpairs[row, 0]
            h += gpairs[row, 1]
        hist[b, 0] += g
        hist[b, 1] += h

    compiled: Callable[..., None] = numba.njit(nogil=True)(scan)
    return compiled


def shuffled(rng: np.random.Generator, rows: int, kind: Any) -> NDArray[Any]:
    """Row numbers in the order of values that have nothing to do with rows, and some more to read ahead."""
    return np.concatenate((rng.permutation(rows), np.zeros(DISTANCES[-1]))).astype(kind)


def measure(
    ways: dict[str, Callable[[int], object]], threads: int, rounds: int, entries: int
) -> list[tuple[str, str, str]]:
    """Time ways of doing one column, with the columns shared out; table rows, the first way is the base."""
    from boost.threads import Team

    with Team(threads) as team:

        def all_columns(way: Callable[[int], object]) -> None:
            def some(begin: int, end: int) -> None:
                for c in range(begin, end):
                    way(c)

            team.share(some, COLUMNS, work=1e9)

        calls = {name: (lambda way=way: all_columns(way)) for name, way in ways.items()}
        times: dict[str, Timing] = interleave(calls, rounds=rounds, min_seconds=0)
    base = next(iter(times.values()))
    return [
        (name, t.spread.scaled(1e9 / entries).format(), f"{t.speedup_over(base).format()} x")
        for name, t in times.items()
    ]


def scan_column(kernel: Callable[..., float], columns: list[NDArray[Any]], gpairs: Any, column: int) -> float:
    """Scan one column of one block that holds all rows."""
    return kernel(columns[column], gpairs, 1.0, float(gpairs.shape[0]))


def sum_blocks(
    kernel: Callable[..., None],
    blocks: list[tuple[int, NDArray[Any]]],
    values: dict[int, NDArray[np.float32]],
    gpairs: Any,
    column: int,
) -> NDArray[np.float64]:
    """Sum up one column by bins, block after block."""
    cuts = np.linspace(0, 1, BINS + 1, dtype=np.float32)[1:]
    cuts[-1] = np.inf
    hist = np.zeros((BINS, 2))
    for first, rows in blocks:
        kernel(rows, values[rows.size], cuts, gpairs, first, hist)
    return hist


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=cores())
    options = parser.parse_args()
    heading(f"Prefetch and blocks: {COLUMNS} columns, 16 bytes a row, {options.threads} threads", "numba")
    exact = {ahead: exact_kernel(ahead) for ahead in DISTANCES}
    approximate = {ahead: approximate_kernel(ahead) for ahead in APPROXIMATE_DISTANCES}
    for rows in options.rows:
        rng = np.random.default_rng(0)
        gpairs = rng.normal(size=(rows, 2))
        columns = [shuffled(rng, rows, np.uint32) for _ in range(COLUMNS)]
        ways: dict[str, Callable[[int], object]] = {
            f"{ahead} entries ahead" if ahead else "no prefetch": partial(
                scan_column, exact[ahead], columns, gpairs
            )
            for ahead in DISTANCES
        }
        lines = measure(ways, options.threads, options.rounds, rows * COLUMNS)
        table(
            ("", "ns an entry [quartiles]", "times faster"),
            lines,
            title=f"{rows:,} rows, exact",
            threads=options.threads,
        )
        ways = {}
        for bits in BLOCK_BITS:
            size = min(1 << bits, rows)
            kind = np.uint16 if bits <= 16 else np.uint32
            blocks = [(first, shuffled(rng, min(size, rows - first), kind)) for first in range(0, rows, size)]
            values = {
                rows.size: np.sort(rng.random(rows.size - DISTANCES[-1], dtype=np.float32))
                for _, rows in blocks
            }
            for ahead in APPROXIMATE_DISTANCES:
                name = f"2**{bits} rows, {'prefetch' if ahead else 'none'}"
                ways[name] = partial(sum_blocks, approximate[ahead], blocks, values, gpairs)
        lines = measure(ways, options.threads, options.rounds, rows * COLUMNS)
        table(
            ("block", "ns an entry [quartiles]", "times faster"),
            lines,
            title=f"{rows:,} rows, approximate",
            threads=options.threads,
        )


if __name__ == "__main__":
    main()
