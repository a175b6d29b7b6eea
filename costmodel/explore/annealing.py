"""`AnnealingExplorer`: parallel simulated annealing over a space, as in AutoTVM.

Many chains advance together, so that a model scores a whole population in one call. A move
resamples one knob; a worse score is accepted with probability ``exp((new - old) / temperature)``,
and the temperature falls linearly to zero (Chen et al., Learning to Optimize Tensor Programs, 2018,
section 4; Kirkpatrick et al., Optimization by Simulated Annealing, 1983).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from costmodel.explore.population import PopulationExplorer, Step, check_counts
from costmodel.explore.scored import BudgetedScores
from costmodel.space import ConfigSpace


class AnnealingExplorer(PopulationExplorer):
    """Simulated annealing within a budget of first scores, see `PopulationExplorer`.

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
        check_counts(chains=chains, iterations=iterations)
        super().__init__(
            space, chains, evaluations=evaluations, early_stop=early_stop, elite_share=elite_share
        )
        self.temperature = temperature
        self.iterations = iterations

    def _search(
        self, points: list[int], values: np.ndarray, scores: BudgetedScores, rng: np.random.Generator
    ) -> Iterator[Step]:
        spread = float(np.std(values[np.isfinite(values)])) if np.isfinite(values).any() else 0.0
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
            self.points = points
            yield moved, new
