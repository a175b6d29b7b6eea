"""`Scorer`: the model's scores of configurations, by their features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

import compiler
from costmodel.features import extract
from costmodel.model import CostModel
from costmodel.records import Record
from costmodel.select import upper_confidence_bound
from costmodel.task import Task


class Scorer:
    """A model's scores of configurations; the features of each are extracted once.

    Parameters
    ----------
    task : Task
    model : CostModel
    optimism : float
        Number of standard deviations that are added to the scores, see
        `costmodel.select.upper_confidence_bound`.
    """

    def __init__(self, task: Task, model: CostModel, optimism: float = 0.0) -> None:
        self.task = task
        self.model = model
        self.optimism = optimism
        self._features: dict[int, np.ndarray | None] = {}

    def features(self, index: int) -> np.ndarray | None:
        """Return the features of a configuration; None if the template refuses it."""
        if index not in self._features:
            try:
                schedule, args = self.task.instantiate(index)
                self._features[index] = extract(compiler.loop_nest(schedule, args))
            except ValueError:  # the measurement of such a candidate reports the reason
                self._features[index] = None
        return self._features[index]

    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        """Return the scores of the search, higher for better, minus infinity where there is no program."""
        return self._of_programs(indices, self._optimistic if self.optimism else self.model.predict)

    def expected(self, indices: Sequence[int]) -> np.ndarray:
        """Return the model's scores without the deviations, in the same form."""
        return self._of_programs(indices, self.model.predict)

    def _optimistic(self, features: np.ndarray) -> np.ndarray:
        return upper_confidence_bound(*self.model.predict_uncertainty(features), self.optimism)

    def _of_programs(self, indices: Sequence[int], of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        scores = np.full(len(indices), -np.inf)
        rows = [(i, row) for i, index in enumerate(indices) if (row := self.features(index)) is not None]
        if rows:
            scores[[i for i, _ in rows]] = of(np.stack([row for _, row in rows]))
        return scores

    def rows(self, trials: Iterable[Record]) -> tuple[np.ndarray, np.ndarray] | None:
        """Return features and throughputs of trials; None if no two of them differ in speed."""
        # a template that crashed the worker process must not run in this process
        kept = [(self.features(r.index), r) for r in trials if r.ok or r.index in self._features]
        rows = [(row, 1.0 / r.cost if r.ok else 0.0) for row, r in kept if row is not None]
        throughputs = np.array([t for _, t in rows])
        if len(rows) < 2 or throughputs.min() == throughputs.max():
            return None
        return np.stack([row for row, _ in rows]), throughputs

    def learn(self, trials: Iterable[Record], others: Sequence[tuple[np.ndarray, np.ndarray]] = ()) -> bool:
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
        if len(every) == 1:
            self.model.fit(*every[0])
        else:
            groups = np.repeat(np.arange(len(every)), [len(t) for _, t in every])
            self.model.fit(*(np.concatenate(part) for part in zip(*every, strict=True)), groups=groups)
        return True
