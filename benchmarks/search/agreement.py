"""Do two measurements of the same programs agree, also on a core that other programs share?

Run with ``taskset -c 0 python -m benchmarks agreement [--load 1]``. Busy loops take turns with the programs
on the CPUs of this process meanwhile. Two measurers, one after the other, measure the same random programs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations

import numpy as np

from benchmarks.report import heading, table
from costmodel import Measurer, Task


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many programs compute without end, on the CPUs of this process."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def alike(first: np.ndarray, second: np.ndarray, near: float = 0.03) -> float:
    """The share of pairs that both measurements order alike, but for those that the first finds equal."""
    pairs = [(i, j) for i, j in combinations(range(len(first)), 2) if abs(np.log(first[i] / first[j])) > near]
    return float(np.mean([(first[i] < first[j]) == (second[i] < second[j]) for i, j in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=int, default=1, help="busy loops")
    parser.add_argument("--programs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args()
    task = Task("matmul", (256, 256, 256))
    configs = task.space.random(np.random.default_rng(given.seed), given.programs)
    visits = []
    heading("two measurements of the same programs", "numpy", "llvmlite")
    with busy(given.load):
        for _ in range(2):
            with Measurer(builders=0) as measurer:
                visits.append(list(measurer.measure_many(task, configs)))
    ran = [(a.cost, b.cost) for a, b in zip(*visits, strict=True) if a.ok and b.ok]
    first, second = np.array(ran).T
    ratios = np.log(second / first)
    apart = np.abs(ratios - np.median(ratios))
    row = (
        f"{task.call}, {len(ran)} programs, {given.load} busy loops",
        f"{alike(first, second):.3f}",
        f"{np.corrcoef(np.log(first), np.log(second))[0, 1]:.3f}",
        f"{np.exp(np.median(ratios)):.3f}",
        f"{np.median(apart):.3f}, {np.quantile(apart, 0.9):.3f}",
        f"{task.gflops(first.min()):.1f}, {task.gflops(second.min()):.1f}",
    )
    columns = (
        "case",
        "pairs ordered alike",
        "correlation",
        "median ratio",
        "difference, 90 %",
        "best GFLOP/s",
    )
    table(columns, [row], title="two measurements of the same programs", threads=1)


if __name__ == "__main__":
    main()
