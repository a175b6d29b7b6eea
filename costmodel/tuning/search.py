"""`Search`: proposes the batches of one task, measures them, and refits the model in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from costmodel import records as record_file
from costmodel.learned import CostModel
from costmodel.select import choose_batch
from costmodel.task import Task
from costmodel.tuning.run import Run
from costmodel.tuning.scorer import Rows, Scorer
from costmodel.tuning.settings import Settings

DRAWS = 4
"""Number of times that random configurations are drawn in the place of refused ones, before a batch stays
smaller.
"""

PROPOSED, FIRST = 2, 6
"""Numbers of programs that are lowered, and proposed, for each that is measured: after the first trial, and
before it, when a model of other tasks is all that is known.
"""

EARLY = 10
"""How many times the share of random configurations is larger in the first batch that a model proposes."""


class Search:
    """The search for one task, a batch at a time.

    Parameters
    ----------
    task : Task
    settings : Settings
    run : Run
    model : CostModel or None
        None for an explorer that needs no scores.
    """

    def __init__(self, task: Task, settings: Settings, run: Run, model: CostModel | None) -> None:
        self.task = task
        self.settings = settings
        self.run = run
        self.explorer = settings.explorer_of(task)
        self.scorer: Scorer | None = None
        self._warm = model is not None and model.fitted
        if model is not None:
            self.scorer = Scorer(
                task,
                model,
                settings.optimism,
                features=settings.features,
                acquisition=settings.acquisition,
            )

    def rows(self) -> Rows | None:
        """Return features and throughputs of the trials so far; None if a model cannot learn from them."""
        return None if self.scorer is None else self.scorer.rows(self.run.result.records)

    def step(self, size: int, check: Callable[[], None], others: Sequence[Rows] = ()) -> int:
        """Propose and measure up to `size` configurations, and return how many were measured.

        Parameters
        ----------
        size : int
        check : callable
            Called before each measurement, see `Run.measure`.
        others : sequence of (features, throughputs)
            The trials of other tasks of the same run, which the model learns from, too.
        """
        run, settings, scorer = self.run, self.settings, self.scorer
        rng = np.random.default_rng([settings.seed, len(run.visited)])
        size = min(size, run.trials - len(run.visited))
        scored = False
        if scorer is None:
            batch = [i for i, _ in self.explorer.propose(size, _no_scores, run.visited, rng=rng)]
        elif self._learnt(scorer, others):
            elites = [r.index for r in record_file.best(run.result.records, n=4 * settings.batch_size)]
            # before the first trial chains start at the default, which is better than most
            elites = elites or [self.task.space.default.index]
            count = (PROPOSED if run.visited else FIRST) * size
            proposals = scorer.propose(self.explorer, count, run.visited, rng=rng, elites=elites)
            batch = choose_batch(
                self.task.space, proposals, size, run.visited, rng=rng, epsilon=self._random_share()
            )
            scored = True
        else:
            scorer.prepare()
            batch = self.task.space.random(rng, size, run.visited)
        if not run.visited:
            batch = self._with_default(batch)
        if scorer is not None:
            batch = self._without_refused(scorer, batch, rng)
        expected = scorer.expected(batch) if scorer is not None and scored else None
        done = run.measure(batch, check)
        if expected is not None and done == len(batch):
            run.compare_with(expected)
        return done

    def _random_share(self) -> float:
        """Return the share of random configurations in the next batch.

        A model of few trials is wrong about most of the space, and a search that follows it stays near the
        best of them. So the share begins with `EARLY` times `Settings.epsilon` and falls as one over the
        number of trials, unless the model has learnt from other tasks.
        """
        settings, trials = self.settings, len(self.run.visited)
        early = 1.0 if self._warm else EARLY * settings.batch_size / max(trials, 1)
        return min(settings.epsilon * max(early, 1.0), 1.0)

    def _without_refused(self, scorer: Scorer, batch: list[int], rng: np.random.Generator) -> list[int]:
        """Return a batch with random configurations in the place of those that are refused; the default is
        measured in any case.
        """
        default = self.task.space.default.index
        kept = [index for index in batch if index == default]
        kept += scorer.sieve([index for index in batch if index != default])
        for _ in range(DRAWS):
            missing = len(batch) - len(kept)
            seen = {*self.run.visited, *scorer.refused, *kept}
            kept += scorer.sieve(self.task.space.random(rng, missing, seen))
        self.run.result.refused = scorer.refused
        return kept

    def _with_default(self, batch: list[int]) -> list[int]:
        """Return the first batch with the default first, so that the best is never worse than it."""
        default = self.task.space.default.index
        return [default, *(index for index in batch if index != default)][: len(batch)]

    def _learnt(self, scorer: Scorer, others: Sequence[Rows]) -> bool:
        """Fit the model where there are enough trials, and return whether it can propose."""
        run = self.run
        enough = len(run.visited) >= min(self.settings.batch_size, run.trials)
        # a model may have learnt from other tasks before this one has a trial
        learnt = (enough or bool(others)) and scorer.learn(run.result.records, others)
        return learnt or scorer.model.fitted


def _no_scores(indices: Sequence[int]) -> np.ndarray:
    return np.zeros(len(indices))
