"""`RandomExplorer`: every configuration is equally likely."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from costmodel.explore.explorer import Score
from costmodel.space import ConfigSpace


class RandomExplorer:
    """Proposes without using scores."""

    name = "random"

    def __init__(self, space: ConfigSpace) -> None:
        self.space = space

    def propose(
        self,
        n: int,
        score: Score,
        visited: AbstractSet[int],
        *,
        rng: np.random.Generator,
        elites: Sequence[int] = (),
    ) -> list[tuple[int, float]]:
        """Return up to `n` different configurations outside `visited`; their scores are zero."""
        return [(index, 0.0) for index in self.space.random(rng, n, visited)]
