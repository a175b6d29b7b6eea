"""Rows of a table: the best known and the default program of a layer beside its peers, measured in
alternation for each number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.interleave import Spread, interleave_threads
from benchmarks.programs.job import Job
from benchmarks.programs.known import best_known
from benchmarks.report import cores, table
from costmodel import Task

BEST, DEFAULT = "best known", "default"


@dataclass(frozen=True)
class Row:
    """The measurements of one layer on one number of threads.

    Parameters
    ----------
    name : str
    way : str
        The way of the best known program.
    gflops : dict of str to Spread
        Of each program.
    peer : str
        The fastest of the peers.
    ratio : dict of str to Spread
        Speed of our programs over that of the peer, round by round.
    """

    name: str
    way: str
    gflops: dict[str, Spread]
    peer: str
    ratio: dict[str, Spread]


def measure(
    name: str,
    ways: Mapping[str, Task],
    peers: Mapping[str, Callable[[], object]],
    *,
    threads: int,
    rounds: int,
    set_threads: Callable[[int], None] | None = None,
) -> Row:
    """Time a layer: the best known configuration of all ways, the default of the first one, and the peers."""
    way, task, config = best_known(ways)
    first = next(iter(ways.values()))
    programs: dict[str, Callable[[], object]] = {
        BEST: Job.of(task).program(config),
        DEFAULT: Job.of(first).program(first.space.default),
    }
    times = interleave_threads(
        {label: (call, threads) for label, call in {**programs, **peers}.items()},
        rounds=rounds,
        set_threads=set_threads,
    )
    peer = min(peers, key=lambda label: times[label].spread.median)
    work = first.flops / 1e9
    return Row(
        name,
        way,
        {label: times[label].rate(work) for label in (*programs, peer)},
        peer,
        {label: times[label].speedup_over(times[peer]) for label in programs},
    )


def report(
    question: str,
    layers: Mapping[str, Mapping[str, Task]],
    peers: Callable[[str], Mapping[str, Callable[[], object]]],
    *,
    rounds: int,
    set_threads: Callable[[int], None] | None = None,
) -> None:
    """Print a table for one thread and one for all cores, with the geometric means of the ratios."""
    for threads in dict.fromkeys((1, cores())):
        rows = [
            measure(name, ways, peers(name), threads=threads, rounds=rounds, set_threads=set_threads)
            for name, ways in layers.items()
        ]
        table(
            (
                "layer",
                "peer",
                "peer, GFLOP/s",
                f"{BEST}, GFLOP/s",
                f"{BEST} / peer",
                "by",
                f"{DEFAULT}, GFLOP/s",
                f"{DEFAULT} / peer",
            ),
            [
                *(
                    (
                        row.name,
                        row.peer,
                        row.gflops[row.peer].format(1),
                        row.gflops[BEST].format(1),
                        row.ratio[BEST].format(2),
                        row.way,
                        row.gflops[DEFAULT].format(1),
                        row.ratio[DEFAULT].format(2),
                    )
                    for row in rows
                ),
                ("geometric mean (the smallest)", "", "", "", mean(rows, BEST), "", "", mean(rows, DEFAULT)),
            ],
            title=f"{question}: GFLOP/s and ratios [quartiles]",
            threads=threads,
        )


def mean(rows: list[Row], label: str) -> str:
    """The geometric mean of the ratios of a program, and the smallest one."""
    medians = [row.ratio[label].median for row in rows]
    return f"{float(np.exp(np.mean(np.log(medians)))):.2f} ({min(medians):.2f})"
