from __future__ import annotations

import os

import pytest

from costmodel.measure.placement import place, place_here


def alone(cpu):
    return {cpu}


def pairs(cpu):
    """Cores of two CPUs with adjacent numbers."""
    return {cpu // 2 * 2, cpu // 2 * 2 + 1}


def halves(cpu):
    """Cores of two CPUs, four cores: CPU i and CPU i + 4."""
    return {cpu % 4, cpu % 4 + 4}


@pytest.mark.parametrize(
    "threads, cpus, siblings, runs, builds, beside, builders",
    [
        # two cores: one is free for a program of one thread, none for one of two
        (1, range(2), alone, (1,), (0,), True, 1),
        (2, range(2), alone, (0, 1), (0, 1), False, 2),
        # one core with two threads: a compilation would disturb the program on it
        (1, range(2), pairs, (1,), (0, 1), False, 2),
        # a single CPU: one process does all
        (1, [3], alone, (3,), (3,), False, 0),
        # a program of two threads gets two cores, not two threads of a core
        (2, range(8), halves, (6, 7), (0, 1, 4, 5), True, 4),
        (4, range(8), halves, (4, 5, 6, 7), tuple(range(8)), False, 8),
        (6, range(8), halves, (2, 3, 4, 5, 6, 7), tuple(range(8)), False, 8),
        # compilers are limited
        (1, range(64), alone, (63,), tuple(range(63)), True, 8),
        # more threads than CPUs
        (4, range(2), alone, (0, 1), (0, 1), False, 2),
    ],
)
def test_placement(threads, cpus, siblings, runs, builds, beside, builders):
    found = place(threads, cpus, siblings)
    assert (found.runs, found.builds, found.beside) == (runs, builds, beside)
    assert found.builders == builders


def test_siblings_that_this_process_may_not_use_are_left_alone():
    found = place(1, [0, 2], pairs)
    assert (found.runs, found.builds, found.beside) == ((2,), (0,), True)


def test_here():
    found = place_here(1)
    if hasattr(os, "sched_getaffinity"):
        assert set(found.runs) | set(found.builds) <= os.sched_getaffinity(0)
    assert not found.beside or not set(found.runs) & set(found.builds)
