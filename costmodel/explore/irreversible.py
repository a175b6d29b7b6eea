"""`IrreversibleExplorer`: tempered chains that keep their direction until a step is rejected."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from costmodel.explore.explorer import Score
from costmodel.explore.knob_move import knob_moves
from costmodel.explore.scored import BestScored, BudgetedScores
from costmodel.explore.start import check_counts, starting_points
from costmodel.sampling import JumpSampler, Tempering
from costmodel.space import ConfigSpace


class IrreversibleExplorer:
    """The irreversible jump sampler over ordered knobs, tempered by swaps in an irreversible order.

    The target is ``exp(score / temperature)``. A chain goes on in the direction of a knob as long as its
    steps are accepted (Ma et al., arXiv 1608.05973, section 4), and chains at neighbouring temperatures
    exchange their points (Syed et al., arXiv 1905.02939).

    Parameters
    ----------
    space : ConfigSpace
    chains : int
        Number of chains at each temperature.
    temperatures : sequence of float
        Descending, in units of the standard deviation of the scores of the first points.
    evaluations : int
        Maximum number of configurations that one proposal scores for the first time.
    iterations : int
        Maximum number of steps of each chain.
    early_stop : int
        Number of steps without a change among the best, after which a proposal ends.
    refresh : float
        Probability of a turn without a rejection, see `costmodel.sampling.JumpSampler`.
    elite_share : float
        Share of the chains that start at the best measured configurations.
    """

    name = "irreversible"

    def __init__(
        self,
        space: ConfigSpace,
        *,
        chains: int = 4,
        temperatures: Sequence[float] = (0.5, 0.25, 0.12, 0.06),
        evaluations: int = 256,
        iterations: int = 500,
        early_stop: int = 50,
        refresh: float = 0.02,
        elite_share: float = 0.25,
    ) -> None:
        check_counts(chains=chains, evaluations=evaluations, iterations=iterations)
        if not (temperatures and min(temperatures) > 0):
            raise ValueError(f"temperatures must be positive numbers, not {temperatures!r}")
        self.space = space
        self.chains = chains
        self.temperatures = tuple(temperatures)
        self.evaluations = evaluations
        self.iterations = iterations
        self.early_stop = early_stop
        self.refresh = refresh
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
        count = self.chains * len(self.temperatures)
        points = starting_points(
            self.space, count, elites, self.points, rng=rng, elite_share=self.elite_share, budget=scores.limit
        )
        values = scores(points)
        best = BestScored(n, visited)
        best.offer(points, values)
        moves = knob_moves(self.space)
        possible = [p for p, value in zip(points, values, strict=True) if value > -np.inf]
        if not possible or not moves:
            return best.ranked()
        changed = False

        def log_density(digits: np.ndarray) -> np.ndarray:
            nonlocal changed
            indices = [self.space.index(d) for d in digits.tolist()]
            new = scores(indices)
            changed |= best.offer(indices, new)
            return new

        spread = float(np.std(values[values > -np.inf])) or 1.0
        betas = 1.0 / (spread * np.array(self.temperatures))
        tempering = Tempering(JumpSampler(log_density, moves, refresh=self.refresh), betas)
        # the best points begin at the lowest temperatures, the last ones
        ranked = sorted(possible, key=lambda p: scores.cache[p])
        starts = np.resize(np.array([self.space.digits(p) for p in ranked]), (count, len(self.space.knobs)))
        chains = tempering.sampler.start(starts, rng)
        unchanged = 0
        for _ in range(self.iterations):
            changed = False
            tempering.advance(chains, rng)
            unchanged = 0 if changed else unchanged + 1
            if unchanged >= self.early_stop or scores.used >= scores.limit:
                break
        self.points = [self.space.index(d) for d in chains.points.tolist()]
        return best.ranked()
