"""`GridExplorer`: every configuration in the order of its index."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import islice

import numpy as np

from costmodel.explore.explorer import Score
from costmodel.space import ConfigSpace


class GridExplorer:
    """Proposes without using scores: the next configurations in order."""

    name = "grid"

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
        """Return the first `n` configurations outside `visited`; their scores are zero."""
        rest = (index for index in range(self.space.size) if index not in visited)
        return [(index, 0.0) for index in islice(rest, n)]
