"""Parallel simulated annealing over a space, in the manner of AutoTVM.

Many chains walk at once, so that a model scores a whole population in one call. A move
resamples one knob; a worse score is accepted with probability ``exp((new - old) / temperature)``,
and the temperature falls linearly to zero (Chen et al., Learning to Optimize Tensor Programs, 2018,
section 4; Kirkpatrick et al., Optimization by Simulated Annealing, 1983).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from costmodel.space import ConfigSpace


class AnnealingExplorer:
    """Simulated annealing that scores a bounded number of configurations for the first time.

    A first score needs a program to be lowered and its features read; a repeated one needs the
    model only. Counting the first ones bounds the time of a proposal, and makes the same proposal
    on every machine.

    Parameters
    ----------
    space : ConfigSpace
    chains : int
        Walks side by side. AutoTVM's 128 need tens of thousands of scores; within a few hundred,
        16 longer walks come further.
    evaluations : int
        Most configurations that one proposal scores for the first time.
    temperature : float
        At the start, in units of the standard deviation of the scores.
    iterations : int
        Most moves of each chain.
    early_stop : int
        Moves without a change among the best, after which a proposal ends.
    elite_share : float
        Part of the chains that begin at the best measured configurations; the others go on from where
        the last proposal left them (at random at first).
    """

    name = "annealing"

    def __init__(
        self,
        space: ConfigSpace,
        *,
        chains: int = 16,
        evaluations: int = 256,
        temperature: float = 0.3,
        iterations: int = 500,
        early_stop: int = 50,
        elite_share: float = 0.25,
    ) -> None:
        for name, value in {"chains": chains, "evaluations": evaluations, "iterations": iterations}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        self.space = space
        self.chains = chains
        self.evaluations = evaluations
        self.temperature = temperature
        self.iterations = iterations
        self.early_stop = early_stop
        self.elite_share = elite_share
        self.points: list[int] = []
        self._known: set[int] = set()

    def propose(
        self,
        n: int,
        score: Callable[[Sequence[int]], np.ndarray],
        visited: AbstractSet[int],
        *,
        rng: np.random.Generator,
        elites: Sequence[int] = (),
    ) -> list[tuple[int, float]]:
        """The `n` best configurations met, outside `visited`, with their scores, best first."""
        self._known.update(visited)
        scores = _Scores(score, self._known, self.evaluations)
        points = self._start(rng, elites, scores)
        values = scores(points)
        spread = float(np.std(values[np.isfinite(values)])) if np.isfinite(values).any() else 0.0
        best = _Best(n, visited)
        best.offer(points, values)
        unchanged = 0
        for step in range(self.iterations):
            moved = [self.space.neighbour(p, rng) for p in points]
            new = scores(moved)
            # the budget of first scores is the clock when it runs out before the moves do
            progress = max(step / self.iterations, scores.used / scores.limit)
            heat = self.temperature * (spread or 1.0) * (1.0 - progress)
            with np.errstate(invalid="ignore"):  # -inf minus -inf: there is no program at either place
                gain = np.where(
                    np.isneginf(new), -np.inf, np.where(np.isneginf(values), np.inf, new - values)
                )
            accept = rng.random(len(points)) < np.exp(np.clip(gain / (heat + 1e-5), -700.0, 0.0))
            accept &= ~np.isneginf(new)
            points = [m if a else p for m, p, a in zip(moved, points, accept, strict=True)]
            values = np.where(accept, new, values)
            unchanged = 0 if best.offer(moved, new) else unchanged + 1
            if unchanged >= self.early_stop or scores.used >= scores.limit:
                break
        self.points = points
        return best.ranked()

    def _start(self, rng: np.random.Generator, elites: Sequence[int], scores: _Scores) -> list[int]:
        """Where the chains begin: elites, then last time's points, then random ones, within the budget."""
        count = min(self.chains, self.space.size)
        points = list(dict.fromkeys(elites))[: max(1, int(count * self.elite_share))]
        points += [p for p in self.points if p not in set(points)][: count - len(points)]
        # leave at least half of the budget to the moves
        fresh = min(count - len(points), max(1, scores.limit // 2))
        return points + self.space.random(rng, fresh, set(points))


class _Scores:
    """Scores by index, each asked for once; no more than `limit` of them new to the explorer."""

    def __init__(self, score: Callable[[Sequence[int]], np.ndarray], known: set[int], limit: int) -> None:
        self.score = score
        self.known = known
        self.limit = limit
        self.used = 0
        self.cache: dict[int, float] = {}

    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        wanted: dict[int, None] = {}
        for index in indices:
            if index in self.cache or index in wanted:
                continue
            if index not in self.known:
                if self.used >= self.limit:
                    continue
                self.used += 1
                self.known.add(index)
            wanted[index] = None
        if wanted:
            asked = list(wanted)
            self.cache.update(zip(asked, map(float, self.score(asked)), strict=True))
        # what the budget did not reach counts as no program, so no chain goes there
        return np.array([self.cache.get(i, -np.inf) for i in indices])


class _Best:
    """The best `n` configurations outside `visited`."""

    def __init__(self, n: int, visited: AbstractSet[int]) -> None:
        self.n = n
        self.visited = visited
        self.heap: list[tuple[float, int]] = []
        self.inside: set[int] = set()

    def offer(self, indices: Sequence[int], values: np.ndarray) -> bool:
        """Take those that belong to the best; whether any did."""
        changed = False
        for index, value in zip(indices, values, strict=True):
            if index in self.inside or index in self.visited or not np.isfinite(value):
                continue
            entry = (float(value), -index)  # of equal scores the lower index wins, whatever the order
            if len(self.heap) < self.n:
                heapq.heappush(self.heap, entry)
            elif self.heap and entry > self.heap[0]:
                self.inside.discard(-heapq.heapreplace(self.heap, entry)[1])
            else:
                continue
            self.inside.add(index)
            changed = True
        return changed

    def ranked(self) -> list[tuple[int, float]]:
        return [(-negative, value) for value, negative in sorted(self.heap, reverse=True)]
