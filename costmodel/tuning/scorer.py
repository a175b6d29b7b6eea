"""`Scorer`: the model's scores of configurations, by their features, and the proposals made with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

import compiler
from compiler import Target
from costmodel.explore.explorer import Explorer
from costmodel.features import features_of
from costmodel.features.family import ProgramFeatures
from costmodel.footprint import measure_footprint
from costmodel.learned import CostModel
from costmodel.records import Record
from costmodel.refuse import refusal
from costmodel.select import acquire, diverse
from costmodel.task import Task
from costmodel.tuning.preparation import Preparation
from costmodel.tuning.screen import Screen

Rows = tuple[np.ndarray, np.ndarray]
"""Features of shape (n, features), and throughputs of shape (n,)."""

ROUNDS = 2
"""Number of times that a proposal is explored by a screen, which then learns the model's scores of what was
found.
"""

SPARE = 3
"""Number of configurations that a screen proposes for each that is lowered."""


class Scorer:
    """A model's scores of configurations; the features of each are extracted once.

    Parameters
    ----------
    task : Task
    model : CostModel
    optimism : float
        Number of standard deviations that are added to the scores, see
        `costmodel.select.upper_confidence_bound`.
    features : str
        The family of features, see `costmodel.features`.
    acquisition : str, optional
        By what the search prefers configurations, see `costmodel.select.acquire`; by default ``"ucb"`` with
        an optimism, and without one ``"ei"``, or ``"mean"`` if the model states no deviations. Before the
        first trial of the task there is nothing to improve on, and ``"ei"`` is ``"mean"``.
    """

    def __init__(
        self,
        task: Task,
        model: CostModel,
        optimism: float = 0.0,
        *,
        features: str = "store",
        acquisition: str | None = None,
    ) -> None:
        self.task = task
        self.model = model
        self.optimism = optimism
        self.acquisition = acquisition or ("ucb" if optimism else "ei")
        self._chosen = acquisition is not None or optimism > 0
        self.family = features_of(features, Target.parse(task.target).hardware, task.space)
        self.hardware = Target.parse(task.target).hardware
        # configuration -> why it is not proposed, see `costmodel.refuse`
        self.refused: dict[int, str] = {}
        self._features: dict[int, np.ndarray | None] = {}
        # the model's score of the best measured configuration, None before there is one
        self._best: float | None = None
        self._preparation: Preparation | None = None

    def prepare(self) -> None:
        """Load and compile what the first fit needs, in the background."""
        if self._preparation is None and not self.model.fitted:
            self._preparation = Preparation(self.model, len(self.family.names), self.task.space)

    def features(self, index: int) -> np.ndarray | None:
        """Return the features of a configuration; None if the template refuses it."""
        if index not in self._features:
            self._features[index] = self._extract(index)
        return self._features[index]

    def _extract(self, index: int) -> np.ndarray | None:
        if self.family.reads == "config":
            return self.family.extract(self.task.space.at(index))
        try:
            nest = compiler.loop_nest(*self.task.instantiate(index))
            footprint = measure_footprint(nest)
            reason = refusal(nest, footprint, self.hardware)
            if reason is not None:
                self.refused[index] = reason
            # a refused program that was measured all the same, as the default is, has features to learn from
            assert isinstance(self.family, ProgramFeatures)
            return self.family.of_footprint(footprint)
        except Exception:  # a template may raise anything; the measurement of the candidate reports it
            return None

    def sieve(self, indices: Sequence[int]) -> list[int]:
        """Return the configurations that are not refused, in their order."""
        if self.family.reads == "program":
            for index in indices:
                self.features(index)
        return [index for index in indices if index not in self.refused]

    def propose(
        self,
        explorer: Explorer,
        n: int,
        visited: AbstractSet[int],
        *,
        rng: np.random.Generator,
        elites: Sequence[int] = (),
    ) -> list[tuple[int, float]]:
        """Return the `n` best configurations that an explorer finds, with their scores, best first.

        If the features are those of programs, about `n` programs are lowered: a quarter of them of random
        configurations, then in a few rounds the best that the explorer finds by a `Screen`, which is fitted
        before each round to the scores of all lowered programs. Those of this proposal and of earlier ones
        are what is proposed from.

        Parameters
        ----------
        explorer : Explorer
        n : int
            Number of configurations; fewer are returned only if fewer are found.
        visited : set of int
            The configurations that were measured; none of them is returned.
        rng : numpy.random.Generator
        elites : sequence of int
            The best of the measured configurations, best first.
        """
        if self.family.reads == "config":
            return explorer.propose(n, self, visited, rng=rng, elites=elites)
        screen = Screen(self.task.space)
        # in an order that does not depend on when they were lowered, so that a resumed search goes on alike
        lowered = sorted(i for i in self._features if i not in self.refused)
        lowered += self.task.space.random(rng, max(n // 4, 1), {*lowered, *visited})
        scores = self(lowered)
        each = max(3 * n // (4 * ROUNDS), 1)
        for _ in range(ROUNDS):
            screen.fit(lowered, scores)
            order = np.argsort(-scores, kind="stable")
            best = [*elites[:2], *(lowered[i] for i in order[:n])]
            seen = {*lowered, *visited}
            # many configurations have the same predicted score: those that differ teach the screen more
            candidates = explorer.propose(SPARE * each, screen, seen, rng=rng, elites=best)
            found = diverse(self.task.space, candidates, each)
            lowered += found
            scores = np.concatenate((scores, self(found)))
        # of equal scores the lower index
        ranked = sorted((-score, index) for index, score in zip(lowered, scores, strict=True))
        return [(i, -negative) for negative, i in ranked if i not in visited and np.isfinite(negative)][:n]

    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        """Return the scores of the search, higher for better, minus infinity where there is no program, or a
        refused one.
        """
        return self._of_programs(indices, self._acquired)

    def expected(self, indices: Sequence[int]) -> np.ndarray:
        """Return the model's scores without the deviations, in the same form."""
        return self._of_programs(indices, self.model.predict)

    def _acquired(self, features: np.ndarray) -> np.ndarray:
        if self.acquisition == "mean" or (self.acquisition == "ei" and self._best is None):
            return self.model.predict(features)
        scores, deviations = self.model.predict_uncertainty(features)
        return acquire(self.acquisition, scores, deviations, self._best or 0.0, self.optimism)

    def _states_deviations(self, features: np.ndarray) -> bool:
        try:
            self.model.predict_uncertainty(features[:1])
        except (AttributeError, NotImplementedError, ValueError):
            return False
        return True

    def _of_programs(self, indices: Sequence[int], of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        scores = np.full(len(indices), -np.inf)
        features = [(i, index, self.features(index)) for i, index in enumerate(indices)]
        rows = [(i, row) for i, index, row in features if row is not None and index not in self.refused]
        if rows:
            scores[[i for i, _ in rows]] = of(np.stack([row for _, row in rows]))
        return scores

    def rows(self, trials: Iterable[Record]) -> Rows | None:
        """Return features and throughputs of trials; None if no two of them differ in speed."""
        # a template that crashed the worker process must not run in this process
        kept = [(self.features(r.index), r) for r in trials if r.ok or r.index in self._features]
        rows = [(row, 1.0 / r.cost if r.ok else 0.0) for row, r in kept if row is not None]
        throughputs = np.array([t for _, t in rows])
        if len(rows) < 2 or throughputs.min() == throughputs.max():
            return None
        return np.stack([row for row, _ in rows]), throughputs

    def learn(self, trials: Iterable[Record], others: Sequence[Rows] = ()) -> bool:
        """Fit the model to all trials, and to the rows of other tasks.

        Returns
        -------
        bool
            False, without a fit, if there are no rows of other tasks and no two trials differ in speed.
        """
        own = self.rows(trials)
        every = [*([] if own is None else [own]), *others]
        if not every:
            return False
        if self._preparation is not None:
            self._preparation.wait()
        if len(every) == 1:
            self.model.fit(*every[0])
        else:
            groups = np.repeat(np.arange(len(every)), [len(t) for _, t in every])
            features, throughputs = (np.concatenate(part) for part in zip(*every, strict=True))
            self.model.fit(features, throughputs, groups=groups)
        if own is not None and self.acquisition == "ei":
            features, throughputs = own
            if not self._chosen and not self._states_deviations(features):
                self.acquisition = "mean"
            self._best = float(self.model.predict(features[[np.argmax(throughputs)]])[0])
        return True
