"""`IrreversibleExplorer`: tempered chains that keep their direction until a step is rejected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from costmodel.explore.knob_move import knob_moves
from costmodel.explore.population import PopulationExplorer, Step, check_counts
from costmodel.explore.scored import BudgetedScores
from costmodel.sampling import JumpSampler, Tempering
from costmodel.space import ConfigSpace


class IrreversibleExplorer(PopulationExplorer):
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
        check_counts(chains=chains, iterations=iterations)
        if not (temperatures and min(temperatures) > 0):
            raise ValueError(f"temperatures must be positive numbers, not {temperatures!r}")
        super().__init__(
            space,
            chains * len(temperatures),
            evaluations=evaluations,
            early_stop=early_stop,
            elite_share=elite_share,
        )
        self.temperatures = tuple(temperatures)
        self.iterations = iterations
        self.refresh = refresh

    def _search(
        self, points: list[int], values: np.ndarray, scores: BudgetedScores, rng: np.random.Generator
    ) -> Iterator[Step]:
        moves = knob_moves(self.space)
        possible = [p for p, value in zip(points, values, strict=True) if value > -np.inf]
        if not possible or not moves:
            return
        step: dict[int, float] = {}

        def log_density(digits: np.ndarray) -> np.ndarray:
            found = [self.space.find(d) for d in digits.tolist()]
            indices = [index for index in found if index is not None]
            scored = scores(indices)
            step.update(zip(indices, scored.tolist(), strict=True))
            new = np.full(len(found), -np.inf)  # where a step breaks a requirement
            new[[index is not None for index in found]] = scored
            return new

        spread = float(np.std(values[values > -np.inf])) or 1.0
        betas = 1.0 / (spread * np.array(self.temperatures))
        tempering = Tempering(JumpSampler(log_density, moves, refresh=self.refresh), betas)
        # the best points begin at the lowest temperatures, the last ones
        ranked = sorted(possible, key=lambda p: scores.cache[p])
        starts = np.array([self.space.digits(p) for p in ranked])
        chains = tempering.sampler.start(np.resize(starts, (self.size, len(self.space.knobs))), rng)
        for _ in range(self.iterations):
            step.clear()
            tempering.advance(chains, rng)
            self.points = [self.space.index(d) for d in chains.points.tolist()]
            yield list(step), np.array(list(step.values()))
