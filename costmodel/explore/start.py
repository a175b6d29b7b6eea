"""Where the chains, or the population, of a proposal begin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from costmodel.space import ConfigSpace


def starting_points(
    space: ConfigSpace,
    count: int,
    elites: Sequence[int],
    last: Sequence[int],
    *,
    rng: np.random.Generator,
    elite_share: float,
    budget: int,
) -> list[int]:
    """Return different configurations to begin with: elites, then the last points, then random ones.

    Parameters
    ----------
    space : ConfigSpace
    count : int
        Number of configurations; fewer in a smaller space.
    elites : sequence of int
        The best measured configurations, best first.
    last : sequence of int
        Where the last proposal ended.
    rng : numpy.random.Generator
    elite_share : float
        Share of the elites; at least one is taken.
    budget : int
        Number of first scores of the proposal. Random points take at most half, the rest remains for moves.

    Returns
    -------
    list of int
    """
    count = min(count, space.size)
    points = list(dict.fromkeys(elites))[: max(1, int(count * elite_share))]
    points += [p for p in dict.fromkeys(last) if p not in set(points)][: count - len(points)]
    fresh = min(count - len(points), max(1, budget // 2))
    return points + space.random(rng, fresh, set(points))


def check_counts(**counts: int) -> None:
    """Raise ValueError for a count below 1, by its name."""
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
