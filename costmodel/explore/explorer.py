"""`Explorer`: proposes configurations to measure, from scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

import numpy as np

Score = Callable[[Sequence[int]], np.ndarray]
"""From configuration indices to scores, higher for better; minus infinity where there is no program."""


class Explorer(Protocol):
    """Proposes configurations to measure."""

    @property
    def name(self) -> str:
        """Name in records."""

    def propose(
        self,
        n: int,
        score: Score,
        visited: AbstractSet[int],
        *,
        rng: np.random.Generator,
        elites: Sequence[int] = (),
    ) -> list[tuple[int, float]]:
        """Return up to `n` configurations that are not in `visited`, with their scores, best first.

        Parameters
        ----------
        n : int
            Number of configurations.
        score : callable
            From indices to the model's scores.
        visited : set of int
            The configurations that were measured.
        rng : numpy.random.Generator
            The only source of randomness.
        elites : sequence of int
            The best of the measured configurations, best first.
        """
