"""`PopulationExplorer`: the base of explorers that move points by scores, and continue from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from costmodel.explore.explorer import Score
from costmodel.explore.scored import BestScored, BudgetedScores
from costmodel.space import ConfigSpace

Step = tuple[Sequence[int], np.ndarray]
"""The configurations that a step of a search has looked at, and their scores."""


class PopulationExplorer(ABC):
    """A search that scores a bounded number of configurations for the first time.

    A first score needs the program to be lowered and its features extracted; a repeated one needs the
    model only. Counting the first scores bounds the time of a proposal independently of the machine, so that
    every machine makes the same proposal.

    Parameters
    ----------
    space : ConfigSpace
    size : int
        Number of points.
    evaluations : int
        Maximum number of configurations that one proposal scores for the first time.
    early_stop : int
        Number of steps without a change among the best, after which a proposal ends.
    elite_share : float
        Share of the points that start at the best measured configurations; the others continue from where the
        last proposal ended (at first random ones).
    """

    def __init__(
        self, space: ConfigSpace, size: int, *, evaluations: int, early_stop: int, elite_share: float
    ) -> None:
        check_counts(evaluations=evaluations)
        self.space = space
        self.size = size
        self.evaluations = evaluations
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
        scores = BudgetedScores(score, self._scored, self.evaluations)
        points = self._start(rng, elites)
        values = scores(points)
        best = BestScored(n, visited)
        best.offer(points, values)
        unchanged = 0
        for indices, found in self._search(points, values, scores, rng):
            unchanged = 0 if best.offer(indices, found) else unchanged + 1
            if unchanged >= self.early_stop or scores.used >= scores.limit:
                break
        return best.ranked()

    @abstractmethod
    def _search(
        self, points: list[int], values: np.ndarray, scores: BudgetedScores, rng: np.random.Generator
    ) -> Iterator[Step]:
        """Move from `points`, and yield each `Step`; `self.points` are those to continue from."""

    def _start(self, rng: np.random.Generator, elites: Sequence[int]) -> list[int]:
        """Return the points to begin with: elites, then the last points, then random ones."""
        count = min(self.size, self.space.size)
        points = list(dict.fromkeys(elites))[: max(1, int(count * self.elite_share))]
        points += [p for p in dict.fromkeys(self.points) if p not in set(points)][: count - len(points)]
        # at least half of the budget remains for the moves
        fresh = min(count - len(points), max(1, self.evaluations // 2))
        return points + self.space.random(rng, fresh, set(points))


def check_counts(**counts: int) -> None:
    """Raise ValueError for a count below 1, by its name."""
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
