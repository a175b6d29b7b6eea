"""`Placement`: which CPUs programs are timed on, and which ones compile meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass

# more compilers than this would not keep one timed program at a time busier
MAX_BUILDERS = 8


@dataclass(frozen=True)
class Placement:
    """The CPUs of the processes that measure; a compilation on a core disturbs a program that runs on it.

    Parameters
    ----------
    runs : tuple of int
        CPUs of the programs that are timed; empty where a process cannot choose.
    builds : tuple of int
        CPUs of the compilers.
    beside : bool
        Whether programs are compiled while others are timed. Otherwise, those of a batch are compiled first,
        side by side, and then timed one after another.
    """

    runs: tuple[int, ...]
    builds: tuple[int, ...]
    beside: bool

    @property
    def builders(self) -> int:
        """Number of processes that compile; 0 if the process that runs programs compiles them, too."""
        return min(len(self.builds), MAX_BUILDERS) if self.beside or len(self.builds) > 1 else 0


def place(threads: int, cpus: Collection[int], siblings: Callable[[int], Collection[int]]) -> Placement:
    """Give programs that many CPUs, on as many cores as possible, and the cores that are left to compilers.

    Parameters
    ----------
    threads : int
        Of a program.
    cpus : collection of int
        Those that this process may use.
    siblings : callable
        CPU -> the CPUs of the same core, itself included.
    """
    # one CPU of each core before the second ones; the last CPUs first, since systems tend to serve interrupts
    # on the first ones
    allowed = set(cpus)

    def later_siblings(cpu: int) -> int:
        return sum(other > cpu for other in siblings(cpu) if other in allowed)

    runs = sorted(allowed, key=lambda cpu: (later_siblings(cpu), -cpu))[: max(1, threads)]
    busy = {other for cpu in runs for other in siblings(cpu)}
    free = tuple(sorted(allowed - busy))
    return Placement(tuple(sorted(runs)), free or tuple(sorted(allowed)), bool(free))


def place_here(threads: int) -> Placement:
    """Return the placement on this machine, for programs of that many threads."""
    if not hasattr(os, "sched_getaffinity"):
        count = os.cpu_count() or 1
        return Placement((), tuple(range(count)), threads < count)
    return place(threads, os.sched_getaffinity(0), _siblings)


def _siblings(cpu: int) -> set[int]:
    """The CPUs of the core of a CPU, as Linux reports them: ``0,4`` or ``0-1``."""
    found = {cpu}
    try:
        with open(
            f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", encoding="ascii"
        ) as file:
            for part in file.read().strip().split(","):
                first, _, last = part.partition("-")
                found |= set(range(int(first), int(last or first) + 1))
    except (OSError, ValueError):
        pass
    return found
