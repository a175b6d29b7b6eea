"""Successive halving: many trials for few rounds, a third of them for three times as many, and so on."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from boost.data.dmatrix import DMatrix
from boost.halving.record import Record, Records, digest
from boost.halving.space import Values, make_space
from boost.preset import Choice, choose
from boost.preset.members import Members
from boost.preset.rounds import can_divide, describe, make_members
from boost.training.callback import Callbacks, TrainingCallback

# Of the trials of a bracket, a share of 1 / FACTOR is trained for FACTOR times the rounds, RUNGS - 1 times.
FACTOR, RUNGS = 3, 3
# Trials of a bracket.
SIZE = FACTOR ** (RUNGS - 1)
# Of the trials after the first bracket, the share near the best ones; how many these are; how near.
NEAR, ELITE, WIDTH = 0.6, 3, 0.15
# Where the preset trains one model: the parts of the rows, of which one is left out, and the patience.
PARTS, PATIENCE = 5, 20


@dataclass(frozen=True)
class Result:
    """The best trial of a search.

    Attributes
    ----------
    params : dict of str to object
        What it tried, besides the parameters that all trials have; empty for the preset alone.
    rounds : int or None
        The number of rounds to train with; None when `boost.preset.fit` finds it by itself.
    score, first : float
        Its score, and that of the preset alone, on rows that were left out. The best of many is a little too
        good.
    trial, trials : int
        Its number, and how many trials there were.
    interrupted : bool
        Whether the search was stopped before its end.
    """

    params: Mapping[str, Any]
    rounds: int | None
    score: float
    first: float
    trial: int
    trials: int
    interrupted: bool


class Watcher(Protocol):
    """What sees a search: it may stop it."""

    def after(self, record: Record, best: Record) -> None:
        """See an evaluation, and the best one so far."""

    def stops(self) -> bool:
        """Return whether the search is to stop; called after each round."""


class Search:
    """A search over the parameters of a training.

    Each trial is scored as `boost.preset.fit` finds rounds: on rows left out of its members. Trials
    come in brackets of nine; all of a bracket are trained for a ninth of the preset's rounds, the best third
    for a third of them, and the best one for all, each unless its score stops to improve. The preset's number
    of rounds depends on the learning rate, so that small rates are not at a disadvantage. The first trial
    is the preset alone, the others of the first bracket are drawn at random; of the later ones, most are near
    the best so far. The same table, parameters and seed give the same trials, also when a search is resumed.

    Parameters
    ----------
    table : DMatrix
    params : mapping
        Parameters of `boost.train` that all trials have.
    space : dict of str to Values, optional
        From `make_space`, by default without the parameters that are given.
    preset : {"espalier", "xgboost"}
    trials : int
    seconds : float, optional
        No evaluation begins after so long.
    records : path, optional
        A file that gets a line for each evaluation. Those of the same search that it has are not repeated.

    Attributes
    ----------
    records : Records
    metric : str
        What trials are scored by.
    maximize : bool
        Whether a larger score is better.

    Raises
    ------
    DataError
        For a file that holds other things than records.

    References
    ----------
    K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
    AISTATS 2016, algorithm 1; L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh and A. Talwalkar, "Hyperband",
    JMLR 18, 2018, section 3.
    """

    def __init__(
        self,
        table: DMatrix,
        params: Mapping[str, Any],
        space: Mapping[str, Values] | None = None,
        *,
        preset: str = "espalier",
        trials: int = 27,
        seconds: float | None = None,
        records: str | os.PathLike[str] | None = None,
    ) -> None:
        self.table, self.params, self.preset = table, dict(params), preset
        self.space = dict(make_space(given=params) if space is None else space)
        self.trials, self.seconds = trials, seconds
        key = digest(
            table, sorted(self.params.items()), sorted((k, str(v)) for k, v in self.space.items()), preset
        )
        self.records = Records(records, key)
        first = make_members(table, *self._choice(0))
        self.metric, self.maximize = first.metric, first.maximize
        self._began = time.monotonic()

    def run(self, watcher: Watcher | None = None) -> Result:
        """Run the trials that have no records; return the best one.

        Raises
        ------
        ValueError
            As `boost.train`; when the search is stopped before its first evaluation.
        """
        self._began = time.monotonic()
        stop = _Stop(watcher)
        interrupted = False
        for first in range(0, self.trials, SIZE):
            live: dict[int, Members | None] = dict.fromkeys(range(first, min(first + SIZE, self.trials)))
            for rung in range(RUNGS):
                interrupted = not all(self._evaluate(trial, rung, live, stop) for trial in live)
                if interrupted:
                    break
                live = self._promoted(live, rung)
            if interrupted:
                break
        return self._result(interrupted)

    def propose(self, trial: int) -> dict[str, Any]:
        """Return what a trial tries; it depends on the records of the brackets before its own."""
        if trial == 0:
            return {}
        rng = np.random.default_rng([int(self.params.get("seed") or 0), trial])
        before = trial - trial % SIZE
        elite = [r for r in self.records.best_first(self.maximize, before) if r.params][:ELITE]
        if not elite or rng.random() > NEAR:
            return {name: values.draw(rng) for name, values in self.space.items()}
        parent = elite[rng.integers(len(elite))].params
        return {name: values.near(parent[name], rng, WIDTH) for name, values in self.space.items()}

    def _choice(self, trial: int) -> tuple[dict[str, Any], Choice]:
        """Return the parameters that a trial gives, and what the preset adds to them."""
        given = {**self.params, **self.propose(trial)}
        choice = choose(self.preset, describe(self.table, given), given)
        if choice.members > 1 and can_divide(given, {}):
            return given, choice
        return given, replace(choice, members=1, parts=PARTS, patience=choice.patience or PATIENCE)

    def _evaluate(self, trial: int, rung: int, live: dict[int, Members | None], stop: _Stop) -> bool:
        """Evaluate a trial, unless there is a record of it; return whether it was not stopped."""
        if self.records.get(trial, rung) is not None:
            return True
        if stop.wanted() or (self.seconds is not None and time.monotonic() - self._began > self.seconds):
            return False
        began = time.monotonic()
        members = live[trial] = live[trial] or make_members(self.table, *self._choice(trial))
        rounds = math.ceil(members.plan.rounds / FACTOR ** (RUNGS - 1 - rung))
        members.advance(rounds, Callbacks([stop]))
        if stop.wanted():
            return False
        record = Record(
            key=self.records.key,
            trial=trial,
            rung=rung,
            params=self.propose(trial),
            rounds=members.rounds,
            best_round=members.best_round,
            score=float(members.best_score),
            seconds=round(time.monotonic() - began, 3),
        )
        self.records.add(record)
        if stop.watcher is not None:
            stop.watcher.after(record, self.records.best_first(self.maximize)[0])
        return True

    def _promoted(self, live: dict[int, Members | None], rung: int) -> dict[int, Members | None]:
        """Return the best of the trials, which are trained further."""
        sign = -1.0 if self.maximize else 1.0

        def order(trial: int) -> tuple[float, int]:
            record = self.records.get(trial, rung)
            finite = record is not None and math.isfinite(record.score)
            return (sign * record.score if finite and record is not None else math.inf), trial

        kept = sorted(live, key=order)[: max(1, len(live) // FACTOR)]
        return {trial: live[trial] for trial in sorted(kept)}

    def _result(self, interrupted: bool) -> Result:
        ranked = self.records.best_first(self.maximize)
        if not ranked:
            raise ValueError("the search was stopped before its first evaluation: give it more time")
        best = ranked[0]
        first = next((r.score for r in ranked if r.trial == 0), math.nan)
        rounds = None if self._choice(best.trial)[1].members > 1 else best.best_round + 1
        return Result(best.params, rounds, best.score, first, best.trial, len(ranked), interrupted)


class _Stop(TrainingCallback):
    """Stops a training when the watcher of the search wants to."""

    def __init__(self, watcher: Watcher | None) -> None:
        self.watcher = watcher

    def wanted(self) -> bool:
        return self.watcher is not None and self.watcher.stops()

    def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, dict[str, list[Any]]]) -> bool:
        """Return whether the search is to stop."""
        return self.wanted()
