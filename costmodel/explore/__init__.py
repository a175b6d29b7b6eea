"""Explorers: where in a space to look next. They propose from scores; none measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

import numpy as np

from costmodel.explore.annealing import AnnealingExplorer
from costmodel.explore.random import RandomExplorer

Score = Callable[[Sequence[int]], np.ndarray]
"""From configuration indices to scores, higher for better; minus infinity where there is no program."""


class Explorer(Protocol):
    """Proposes configurations to measure."""

    @property
    def name(self) -> str:
        """What records call it."""

    def propose(
        self,
        n: int,
        score: Score,
        visited: AbstractSet[int],
        *,
        rng: np.random.Generator,
        elites: Sequence[int] = (),
    ) -> list[tuple[int, float]]:
        """Up to `n` configurations that are not in `visited`, with their scores, best first.

        Parameters
        ----------
        n : int
            How many.
        score : callable
            From indices to scores; the model's opinion.
        visited : set of int
            What was measured already.
        rng : numpy.random.Generator
            The only source of chance.
        elites : sequence of int
            The best that was measured so far, best first.
        """


__all__ = ["AnnealingExplorer", "Explorer", "RandomExplorer", "Score"]
