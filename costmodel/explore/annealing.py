"""`AnnealingExplorer`: parallel simulated annealing over a space, as in AutoTVM.

Many chains advance together, so that a model scores a whole population in one call. A move
resamples one knob; a worse score is accepted with probability ``exp((new - old) / temperature)``,
and the temperature falls linearly to zero (Chen et al., Learning to Optimize Tensor Programs, 2018,
section 4; Kirkpatrick et al., Optimization by Simulated Annealing, 1983).
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from costmodel.explore.explorer import Score
from costmodel.explore.scored import BestScored, BudgetedScores
from costmodel.explore.start import check_counts, starting_points
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
        check_counts(chains=chains, evaluations=evaluations, iterations=iterations)
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
        scores = BudgetedScores(score, self._scored, self.evaluations)
        points = starting_points(
            self.space,
            self.chains,
            elites,
            self.points,
            rng=rng,
            elite_share=self.elite_share,
            budget=scores.limit,
        )
        values = scores(points)
        spread = float(np.std(values[np.isfinite(values)])) if np.isfinite(values).any() else 0.0
        best = BestScored(n, visited)
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
