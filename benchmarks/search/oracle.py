"""`Oracle`: the cost of every program of a task, from a sample that was measured, and searches by it."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import compiler
from benchmarks.programs.job import Job
from benchmarks.search.derived import CASES
from benchmarks.search.programs import calls_of, ratio_of
from benchmarks.search.programs import tasks as of_templates
from boost.atomic import write_bytes
from compiler import Target
from costmodel import Task
from costmodel.explore import GeneticExplorer
from costmodel.features import KnobFeatures
from costmodel.footprint import measure_footprint
from costmodel.refuse import refusal
from costmodel.result import MeasureResult, Reason
from costmodel.space import ConfigSpace

DATA = Path(__file__).parent / "explorers.jsonl.gz"
# programs that the parameters of the process are fitted to: the time grows with the cube of their number
FITTED = 250
# programs of the sample that are measured between two draws, half of them neighbours of the fastest
DRAW = 20
# occasions on which a program is measured: what disturbs one of them lasts longer than a turn
VISITS = 3

Sample = dict[str, list[tuple[dict[str, Any], float]]]
"""By the name of a task: configurations, and their times relative to that of the default program."""


def tasks() -> dict[str, Task]:
    """Return the tasks whose searches can be replayed: those of templates, and those of derived spaces."""
    return of_templates() | {name: Task(operator, shape) for name, (operator, shape) in CASES.items()}


def read(path: Path = DATA) -> Sample:
    """Read a sample; empty if there is no file."""
    sample: Sample = {}
    if path.exists():
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            row = json.loads(line)
            sample.setdefault(row["task"], []).append((row["config"], row["ratio"]))
    return sample


def inside(task: Task, rows: Sequence[tuple[dict[str, Any], float]]) -> list[tuple[int, float]]:
    """Return the indices and times of those configurations that the space has; templates change."""
    found = []
    for config, ratio in rows:
        try:
            found.append((task.space.config(config).index, ratio))
        except ValueError:
            continue
    return found


def write(sample: Sample, path: Path = DATA) -> None:
    """Write a sample as JSON lines, compressed."""
    lines = [
        json.dumps({"task": name, "config": config, "ratio": round(ratio, 4)}) + "\n"
        for name, rows in sample.items()
        for config, ratio in rows
    ]
    write_bytes(path, gzip.compress("".join(lines).encode(), mtime=0))


def measure(name: str, sample: Sample, seconds: float) -> None:
    """Add programs of a task to a sample: half of them random, half neighbours of the fastest.

    Each takes turns with the default program, on `VISITS` occasions; the median counts.
    """
    until = time.perf_counter() + seconds
    task = tasks()[name]
    rows = sample.setdefault(name, [])
    hardware = Target.parse(task.target).hardware
    known = dict(inside(task, rows))
    rng = np.random.default_rng(len(known))
    job = Job.of(task)
    default = job.program(task.space.default)
    calls = calls_of(default)
    while time.perf_counter() < until:
        best = sorted(known, key=known.__getitem__)[:30]
        near = {task.space.neighbour(int(rng.choice(best)), rng) for _ in range(DRAW // 2)} if best else set()
        batch = sorted(near - set(known))
        batch += task.space.random(rng, DRAW - len(batch), {*known, *batch})
        programs = {}
        for index in batch:
            try:
                nest = compiler.loop_nest(*task.instantiate(index))
                if refusal(nest, measure_footprint(nest), hardware) is None:
                    programs[index] = job.program(task.space.at(index))
            except ValueError:  # the template refuses the configuration
                continue
        visits = [{i: ratio_of(call, default, calls) for i, call in programs.items()} for _ in range(VISITS)]
        for index in programs:
            known[index] = median(visit[index] for visit in visits)
            rows.append((task.space.at(index).plain(), known[index]))


class Oracle:
    """Costs as a Gaussian process predicts their logarithms from the values of knobs.

    Its kernel is Matern's with a length for each value, and noise.

    The noise of the measurements is not part of the costs, nor is what the sample is too small to show: the
    space is smoother than the real one, and its best programs are somewhat slower.

    Parameters
    ----------
    task : Task
    sample : sequence of (configuration, time)
    """

    def __init__(self, task: Task, sample: Sequence[tuple[dict[str, Any], float]]) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
        from sklearn.model_selection import cross_val_predict

        self.task = task
        self.features = KnobFeatures(task.space)
        indices, ratios = zip(*inside(task, sample), strict=True)
        rows, labels = self.features.of_indices(indices), np.log(ratios)
        self._low, self._span = rows.min(axis=0), np.maximum(np.ptp(rows, axis=0), 1e-6)
        rows = self._scaled(rows)
        kernel = ConstantKernel(1.0) * Matern(np.ones(rows.shape[1]), (0.1, 100.0), nu=1.5) + WhiteKernel(0.1)
        part = np.random.default_rng(0).permutation(len(labels))[:FITTED]
        fitted = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0).fit(
            rows[part], labels[part]
        )
        self.process = GaussianProcessRegressor(fitted.kernel_, optimizer=None, normalize_y=True)
        held = cross_val_predict(self.process, rows, labels, cv=5)
        self.correlation = float(np.corrcoef(held, labels)[0, 1])
        self.process.fit(rows, labels)
        self._costs: dict[int, float] = {}

    def cost(self, index: int) -> float:
        """The cost of a configuration, relative to that of the default."""
        if index not in self._costs:
            self.costs([index])
        return self._costs[index]

    def costs(self, indices: Sequence[int]) -> np.ndarray:
        """The costs of configurations, shape (n,)."""
        found = np.exp(self.process.predict(self._scaled(self.features.of_indices(indices))))
        self._costs.update(zip(indices, found.tolist(), strict=True))
        return np.asarray(found)

    @property
    def best(self) -> float:
        """The lowest cost of all that were asked for."""
        return min(self._costs.values())

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray((rows - self._low) / self._span, np.float64)


def poor_default(oracle: Oracle, seed: int) -> Task:
    """Return the task with a random program of median speed as its default.

    The defaults of the templates are close to the best program, and a search that begins with them shows
    little.
    """
    task, space = oracle.task, oracle.task.space
    drawn = space.random(np.random.default_rng([seed, 1]), 101)
    index = drawn[int(np.argsort(oracle.costs(drawn))[len(drawn) // 2])]
    knobs = [replace(k, default=d) for k, d in zip(space.knobs, space.digits(index), strict=True)]
    changed = Task(task.operator, task.shape, task.target)
    # the indices of configurations are the same
    changed.__dict__["space"] = ConfigSpace(knobs, space.requirements)
    return changed


class OracleRunner:
    """A `costmodel.measure.protocol.Runner` whose costs are those of an oracle."""

    machine = "an oracle"

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    def check(self, target: str) -> None:
        pass

    def context(self) -> dict[str, Any]:
        return {"noise": 0.0}

    def measure_many(self, task: Task, configs: Sequence[Any]) -> Iterator[MeasureResult]:
        for config in configs:
            yield MeasureResult(Reason.OK, (self.oracle.cost(config.index),), noise=0.0)

    def compare(self, *given: Any, **named: Any) -> Any:
        raise NotImplementedError("an oracle runs nothing")


def evolve(oracle: Oracle, task: Task, trials: int, seed: int, population: int = 16) -> list[float]:
    """Return the costs of the trials of a genetic search without a model: each member is measured.

    The parents are the best of all that were measured, and a child that was measured before is replaced by a
    random configuration.
    """
    rng = np.random.default_rng(seed)
    genetic = GeneticExplorer(task.space, population=population)
    batch = [task.space.default.index]
    batch += task.space.random(rng, population - 1, set(batch))
    known: dict[int, float] = {}
    while len(known) < trials:
        known.update((index, oracle.cost(index)) for index in batch)
        parents = sorted(known, key=known.__getitem__)[:population]
        fresh = dict.fromkeys(i for i in genetic.children(parents, population, rng) if i not in known)
        batch = [*fresh, *task.space.random(rng, population - len(fresh), {*known, *fresh})]
    return list(known.values())[:trials]
