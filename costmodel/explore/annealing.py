"""`AnnealingExplorer`: parallel simulated annealing over a space, as in AutoTVM.

Many chains advance together, so that a model scores a whole population in one call. A move
resamples one knob; a worse score is accepted with probability ``exp((new - old) / temperature)``,
and the temperature falls linearly to zero (Chen et al., Learning to Optimize Tensor Programs, 2018,
section 4; Kirkpatrick et al., Optimization by Simulated Annealing, 1983).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from costmodel.explore.explorer import Score
from costmodel.space import ConfigSpace


class AnnealingExplorer:
    """Simulated annealing that scores a bounded number of configurations for the first time.

    A first score needs the program to be lowered and its features extracted; a repeated one needs the
    model only. Counting the first scores bounds the time of a proposal independently of the machine, so that
    every machine makes the same proposal.

    Parameters
    ----------
    space : ConfigSpace
    chains : int
        Number of chains. AutoTVM's 128 need tens of thousands of scores; with a few hundred,
        16 longer chains find better configurations.
    evaluations : int
        Maximum number of configurations that one proposal scores for the first time.
    temperature : float
        Initial temperature, in units of the standard deviation of the scores.
    iterations : int
        Maximum number of moves of each chain.
    early_stop : int
        Number of moves without a change among the best, after which a proposal ends.
    elite_share : float
        Share of the chains that start at the best measured configurations; the others continue from their
        last points (at first random ones).
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
        self._scored: set[int] = set()

    def propose(
        self,
        n: int,
        score: Score,
        visited: AbstractSet[int],
        *,
        rng: np.random.Generator,
        elites: Sequence[int] = (),
    ) -> list[tuple[int, float]]:
        """Return the `n` best of the scored configurations outside `visited`, with their scores, best
        first.
        """
        self._scored.update(visited)
        scores = _Scores(score, self._scored, self.evaluations)
        points = self._start(rng, elites, scores)
        values = scores(points)
        spread = float(np.std(values[np.isfinite(values)])) if np.isfinite(values).any() else 0.0
        best = _Best(n, visited)
        best.offer(points, values)
        unchanged = 0
        for step in range(self.iterations):
            moved = [self.space.neighbour(p, rng) for p in points]
            new = scores(moved)
            # the temperature follows the budget that is used up sooner: moves or first scores
            progress = max(step / self.iterations, scores.used / scores.limit)
            heat = self.temperature * (spread or 1.0) * (1.0 - progress)
            with np.errstate(invalid="ignore"):  # -inf - -inf, where neither configuration has a program
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
        """Return the start of each chain: elites, then the last points, then random ones, within the
        budget.
        """
        count = min(self.chains, self.space.size)
        points = list(dict.fromkeys(elites))[: max(1, int(count * self.elite_share))]
        points += [p for p in self.points if p not in set(points)][: count - len(points)]
        # at least half of the budget remains for the moves
        fresh = min(count - len(points), max(1, scores.limit // 2))
        return points + self.space.random(rng, fresh, set(points))


class _Scores:
    """Scores by index, each computed once; at most `limit` of them are new to the explorer."""

    def __init__(self, score: Score, scored: set[int], limit: int) -> None:
        self.score = score
        self.scored = scored
        self.limit = limit
        self.used = 0
        self.cache: dict[int, float] = {}

    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        missing: dict[int, None] = {}
        for index in indices:
            if index in self.cache or index in missing:
                continue
            if index not in self.scored:
                if self.used >= self.limit:
                    continue
                self.used += 1
                self.scored.add(index)
            missing[index] = None
        if missing:
            scored = list(missing)
            self.cache.update(zip(scored, map(float, self.score(scored)), strict=True))
        # a configuration beyond the budget has the score of one without a program, so that no chain moves to
        # it
        return np.array([self.cache.get(i, -np.inf) for i in indices])


class _Best:
    """The best `n` configurations outside `visited`."""

    def __init__(self, n: int, visited: AbstractSet[int]) -> None:
        self.n = n
        self.visited = visited
        self.heap: list[tuple[float, int]] = []
        self.inside: set[int] = set()

    def offer(self, indices: Sequence[int], values: np.ndarray) -> bool:
        """Keep those that are among the best; return whether there were any."""
        changed = False
        for index, value in zip(indices, values, strict=True):
            if index in self.inside or index in self.visited or not np.isfinite(value):
                continue
            entry = (float(value), -index)  # of equal scores the lower index, in any order of offers
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
