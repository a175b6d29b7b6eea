"""Random search: every configuration is as likely as any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from costmodel.space import ConfigSpace


class RandomExplorer:
    """Proposes without asking for a score."""

    name = "random"

    def __init__(self, space: ConfigSpace) -> None:
        self.space = space

    def propose(
        self,
        n: int,
        score: Callable[[Sequence[int]], np.ndarray],
        visited: AbstractSet[int],
        *,
        rng: np.random.Generator,
        elites: Sequence[int] = (),
    ) -> list[tuple[int, float]]:
        """Up to `n` different configurations outside `visited`; their scores are zero."""
        return [(index, 0.0) for index in self.space.random(rng, n, visited)]
