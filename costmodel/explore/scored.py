"""What explorers have scored: within a budget of first scores, and the best of it."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from costmodel.explore.explorer import Score


class BudgetedScores:
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


class BestScored:
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
