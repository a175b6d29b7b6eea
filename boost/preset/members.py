"""The members of a bagged model: each is trained without one part of the rows, and all stop together.

The rows that a member leaves out have a weight of zero for it. They reach its leaves with the others, so that
their margins are those of rows that the member has never seen, at the cost of no prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.booster import Booster
from boost.data.dmatrix import DMatrix
from boost.forest.forest import Forest
from boost.forest.tree import NO_NODE, Tree
from boost.metric import Metric
from boost.params import Params, seed_of
from boost.training.callback import Callbacks
from boost.training.evaluation import MetricFunction, evaluate, make_metrics
from boost.training.start import start
from boost.training.trainer import Trainer

Ints = NDArray[np.int64]
# The name of the rows that members leave out, in the history of a model.
LEFT_OUT = "rows left out"


@dataclass(frozen=True)
class Plan:
    """How many members there are, and when they stop.

    Attributes
    ----------
    members : int
    parts : int
        Into how many the rows are divided; member k leaves out part k.
    rounds : int
        Most rounds.
    patience : int
        Rounds without a better score after which all members stop.
    varied : mapping of str to sequence
        Parameters that differ between members, which take turns in their values.
    """

    members: int
    parts: int
    rounds: int
    patience: int
    varied: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def of_member(self, k: int) -> dict[str, Any]:
        """Return the parameters of member k that differ between members."""
        return {name: values[k % len(values)] for name, values in self.varied.items()}


class Member:
    """One of the models that are averaged.

    Parameters
    ----------
    booster : Booster
        The model of all rows before its first round: columns and base score.
    params : Params
        With a seed of this member alone.
    table : DMatrix
        The table of all rows.
    held : int64 array
        The rows that it leaves out.
    metrics : sequence of Metric
        Those of the rows left out.
    """

    def __init__(
        self, booster: Booster, params: Params, table: DMatrix, held: Ints, metrics: Sequence[Metric]
    ) -> None:
        weight = np.ones(table.num_row()) if table.weight is None else table.weight.astype(np.float64)
        weight[held] = 0.0
        self.booster = Booster(params)
        model = self.booster.model
        start(model, table)
        model.base_score = booster.model.base_score
        self.held = held
        self.table = table.slice(held, allow_groups=True)
        self.metrics = metrics
        self.trainer = Trainer(model, table.reweighted(weight))

    def score(self) -> list[tuple[str, float]]:
        """Return the metrics of the rows left out, by name."""
        margin = self.trainer.margins[self.held]
        return evaluate(self.booster.model.objective, self.metrics, margin, self.table, False)


class Members:
    """Members in training, which may be stopped and trained further.

    Parameters
    ----------
    params : Params
    table : DMatrix
    plan : Plan
    metric : callable, optional
        As ``custom_metric`` of `boost.train`.

    Attributes
    ----------
    metric : str
        What stops the members.
    maximize : bool
        Whether a larger value of it is better.
    history : dict of str to list of float
        For each metric its mean over the members after each round, also after the best one.
    best_round : int
        The round, from 0, with the best last metric.
    best_score : float
        That metric.
    """

    def __init__(
        self, params: Params, table: DMatrix, plan: Plan, metric: MetricFunction | None = None
    ) -> None:
        self.plan = plan
        self._together = Booster(params.replace(num_parallel_tree=plan.members))
        model = self._together.model
        start(model, table)
        part = divide(table, plan.parts, seed_of(params), params.objective)
        held = [np.flatnonzero(part == k) for k in range(plan.members)]
        metrics = make_metrics(model, [table], metric)
        seeds = np.random.default_rng(seed_of(params)).integers(2**31 - 1, size=plan.members)
        self._members = [
            Member(self._together, params.replace(seed=int(seed), **plan.of_member(k)), table, rows, metrics)
            for k, (seed, rows) in enumerate(zip(seeds, held, strict=True))
        ]
        self._share = np.array([rows.size for rows in held]) / sum(rows.size for rows in held)
        self.metric, self.maximize = metrics[-1].name, metrics[-1].maximize
        self.history: dict[str, list[float]] = {}
        self.best_round, self.best_score = 0, -np.inf if self.maximize else np.inf
        self.ended = False

    @property
    def rounds(self) -> int:
        """How many rounds each member has been trained for."""
        return len(next(iter(self.history.values()), ()))

    def advance(self, rounds: int, hooks: Callbacks | None = None) -> None:
        """Train up to `rounds` rounds in total, unless the scores have stopped to improve, or a hook stops.

        Parameters
        ----------
        rounds : int
        hooks : Callbacks, optional
            Called after each round with the history of `LEFT_OUT`.
        """
        sign = -1.0 if self.maximize else 1.0
        while self.rounds < rounds and not self.ended:
            iteration = self.rounds
            scores = []
            for member in self._members:
                member.trainer.update(iteration)
                scores.append(member.score())
            for i, (name, _) in enumerate(scores[0]):
                mean = float(self._share @ [score[i][1] for score in scores])
                self.history.setdefault(name, []).append(mean)
            newest = self.history[scores[0][-1][0]][-1]
            if sign * newest < sign * self.best_score:
                self.best_score, self.best_round = newest, iteration
            elif iteration - self.best_round >= self.plan.patience:
                self.ended = True
            if hooks is not None and hooks.after_iteration(
                self._together, iteration, {LEFT_OUT: self.history}
            ):
                self.ended = True

    def booster(self) -> Booster:
        """Return the mean of the members with the rounds up to the best one.

        A round of it has the trees of all members, as many in parallel as there are members.
        """
        booster = self._together.copy()
        model = booster.model
        model.forest = joined([m.booster.model.forest for m in self._members], self.best_round + 1)
        model.best_iteration, model.best_score = self.best_round, self.best_score
        booster.history = {LEFT_OUT: {name: list(values) for name, values in self.history.items()}}
        return booster


def divide(table: DMatrix, parts: int, seed: int, objective: str) -> Ints:
    """Return the part of each row, drawn by chance; int64, shape (rows,).

    Query groups are not divided. Each class, and events and censored rows, are divided evenly.
    """
    rng, rows = np.random.default_rng(seed), table.num_row()
    bounds = table.group_bounds()
    if bounds.size > 2:
        part = rng.permutation(np.arange(bounds.size - 1) % parts)
        return np.repeat(part, np.diff(bounds)).astype(np.int64)
    stratum = np.zeros(rows)
    label = table.label
    if label is not None and label.ndim == 1:
        if objective.startswith(("multi:", "binary:")):
            stratum = label.astype(np.float64)
        elif objective == "survival:cox":
            stratum = (label > 0).astype(np.float64)
    if table.weight is not None:  # each part needs rows that count
        stratum = np.where(table.weight > 0, stratum, np.inf)
    part = np.empty(rows, dtype=np.int64)
    first = 0
    for value in np.unique(stratum):
        at = rng.permutation(np.flatnonzero(stratum == value))
        part[at] = (np.arange(at.size) + first) % parts
        first += at.size  # so that the parts of many small strata have equal sizes
    return part


def joined(forests: Sequence[Forest], rounds: int) -> Forest:
    """Return a forest whose rounds have the trees of the same round of all forests, as their mean."""
    first, count = forests[0], len(forests)
    out = Forest(first.n_outputs, count, first.vector)
    trees, outputs = [], []
    for i in range(rounds):
        for k in range(first.round_trees):
            t = i * first.round_trees + k
            trees += [scaled(forest[t], 1.0 / count) for forest in forests]
            outputs += [first.output(t)] * count
    out.extend(trees, outputs)
    return out


def scaled(tree: Tree, factor: float) -> Tree:
    """Return a tree whose leaves are multiplied by a factor."""
    leaf = tree.left == NO_NODE
    factors = np.where(leaf, factor, 1.0)
    changed: dict[str, Any] = {
        "condition": (tree.condition * factors).astype(np.float32),
        "base_weight": (tree.base_weight * factors).astype(np.float32),
    }
    if tree.vectors.size:
        changed["vectors"] = (tree.vectors * factors[:, np.newaxis]).astype(np.float32)
    return replace(tree, **changed)
