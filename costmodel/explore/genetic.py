"""`GeneticExplorer`: a population whose members are crossed knob by knob, and mutated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from costmodel.explore.population import PopulationExplorer, Step, check_counts
from costmodel.explore.scored import BudgetedScores
from costmodel.space import ConfigSpace


class GeneticExplorer(PopulationExplorer):
    """A genetic algorithm over the options of the knobs.

    Parents are drawn with probabilities that fall linearly with their rank. A child has each knob from one of
    two parents, and a mutation draws an option of a knob anew. The best members stay.

    Parameters
    ----------
    space : ConfigSpace
    population : int
        Number of members.
    mutation : float
        Probability that a knob of a child is drawn anew.
    elite_share : float
        Share of the members that stay, and of the best measured configurations in the first population.
    evaluations : int
        Maximum number of configurations that one proposal scores for the first time.
    generations : int
        Maximum number of generations.
    early_stop : int
        Number of generations without a change among the best, after which a proposal ends.
    """

    name = "genetic"

    def __init__(
        self,
        space: ConfigSpace,
        *,
        population: int = 32,
        mutation: float = 0.1,
        elite_share: float = 0.25,
        evaluations: int = 256,
        generations: int = 100,
        early_stop: int = 10,
    ) -> None:
        check_counts(population=population, generations=generations)
        super().__init__(
            space, population, evaluations=evaluations, early_stop=early_stop, elite_share=elite_share
        )
        self.mutation = mutation
        self.generations = generations

    def _search(
        self, points: list[int], values: np.ndarray, scores: BudgetedScores, rng: np.random.Generator
    ) -> Iterator[Step]:
        for _ in range(self.generations):
            order = np.argsort(-values, kind="stable")
            points = [points[i] for i in order]
            stay = max(1, int(len(points) * self.elite_share))
            children = self.children(points, len(points) - stay, rng)
            points = points[:stay] + children
            values = np.concatenate((values[order][:stay], scores(children)))
            self.points = points
            yield points, values

    def children(self, ranked: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
        """Return crossed and mutated configurations.

        Parameters
        ----------
        ranked : sequence of int
            The parents, best first.
        count : int
            Number of children; some may be equal.
        rng : numpy.random.Generator
        """
        knobs = len(self.space.knobs)
        digits = np.array([self.space.digits(m) for m in ranked], dtype=np.int64).reshape(-1, knobs)
        weights = np.arange(len(ranked), 0, -1, dtype=np.float64)
        parents = rng.choice(len(ranked), (2, count), p=weights / weights.sum())
        crossed = np.where(rng.random((count, knobs)) < 0.5, digits[parents[0]], digits[parents[1]])
        drawn = rng.integers(0, np.array(self.space.radices, dtype=np.int64), (count, knobs))
        mutated = np.where(rng.random((count, knobs)) < self.mutation, drawn, crossed)
        return [
            self._allowed(child, digits[parents[:, i]].tolist()) for i, child in enumerate(mutated.tolist())
        ]

    def _allowed(self, child: list[int], parents: list[list[int]]) -> int:
        """Return the index of a child; knobs that would break a requirement are those of its first parent."""
        for group in self.space.groups:
            if group.requirements and group.number([child[p] for p in group.positions]) is None:
                for position in group.positions:
                    child[position] = parents[0][position]
        return self.space.index(child)
