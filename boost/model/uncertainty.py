"""How sure a model is: what its own earlier rounds say of the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.errors import ParameterError

if TYPE_CHECKING:
    from boost.booster import Booster
    from boost.data.dmatrix import DMatrix

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Uncertainty:
    """Predictions, and two kinds of doubt about them.

    All arrays are float64, of shape (rows,), or (rows, outputs) for several outputs or classes.

    Attributes
    ----------
    mean : array
        The mean of the members' predictions.
    knowledge : array
        The variance of the members' predictions, or, as entropy, what they disagree by (the mutual
        information): it is large where the training table said little, and falls with more rows.
    data : array, or None
        The mean of the variances (or entropies) that the members themselves state: noise, which more rows do
        not take away. None for a loss that says nothing about it, as reg:squarederror; reg:normal,
        count:poisson and the losses of classes do.
    """

    mean: Floats
    knowledge: Floats
    data: Floats | None

    @property
    def total(self) -> Floats:
        """Knowledge and data together; knowledge alone where the loss does not know the other one."""
        return self.knowledge if self.data is None else self.knowledge + self.data


def predict_uncertainty(
    booster: Booster,
    table: DMatrix,
    *,
    members: int = 10,
    output_margin: bool = False,
    measure: str = "variance",
    iteration_range: tuple[int, int] | None = (0, 0),
) -> Uncertainty:
    """Predict with a virtual ensemble: the model after a half of its rounds, and so on to all of them.

    One pass through the trees, as for a plain prediction. The members share their trees, so that their
    variance is smaller than that of models trained apart; it ranks rows by doubt, and is no interval (see
    `boost.model.interval`
    for one with a guarantee). It needs rounds that still move: models of many rounds with a
    small `eta`, and `subsample` below 1, are the better ensembles.

    Parameters
    ----------
    booster : Booster
    table : DMatrix
        Of the model's columns and codes.
    members : int
        At least 2; the model needs twice as many rounds.
    output_margin : bool
        Look at margins, in place of predictions; margins have no data uncertainty.
    measure : {"variance", "entropy"}
        Entropy, in nats, is for the losses of classes; one number a row.
    iteration_range : (int, int)
        The rounds that count as the model.

    Returns
    -------
    Uncertainty

    Raises
    ------
    ParameterError
        For too few rounds or members, for booster="dart", whose rounds change earlier trees, and for the
        entropy of a model of numbers.

    References
    ----------
    A. Malinin, L. Prokhorenkova and A. Ustimenko, "Uncertainty in Gradient Boosting via Ensembles", arXiv
    2006.10562, section 4 (virtual ensembles) and section 2 (the split of the variance and the entropy).
    """
    ranges = _ranges(booster, members, iteration_range)
    objective = booster.objective
    if measure not in ("variance", "entropy"):
        raise ParameterError(f"measure must be 'variance' or 'entropy', got {measure!r}")
    entropy = measure == "entropy"
    if entropy and (output_margin or not objective.name.startswith(("binary:logi", "multi:"))):
        raise ParameterError(f"entropy is for probabilities of classes, not for {objective.name} margins")
    start = booster.start_margins(table)
    margin = start.copy()
    sums: list[Floats] = []
    noise: Floats | None = None
    for k, rounds in enumerate(ranges):
        margin += booster.margins(table, rounds) - start
        mean, own = (margin, None) if output_margin else objective.moments(objective.transform(margin))
        if entropy:
            own = _entropy(mean)
        if k == 0:
            # Around the first member: the difference of two large squares would lose digits.
            first, sums = mean.copy(), [np.zeros_like(mean), np.zeros_like(mean)]
            noise = None if own is None else np.zeros_like(own)
        step = mean - first
        sums[0] += step
        sums[1] += step * step
        if noise is not None and own is not None:
            noise += own
    offset = sums[0] / members
    mean = first + offset
    if noise is not None:
        noise /= members
    if entropy:
        assert noise is not None
        knowledge = np.maximum(_entropy(mean) - noise, 0.0)
    else:
        knowledge = np.maximum(sums[1] / members - offset * offset, 0.0)
    return Uncertainty(_plain(mean), _plain(knowledge), None if noise is None else _plain(noise))


def _ranges(booster: Booster, members: int, iteration_range: tuple[int, int] | None) -> list[tuple[int, int]]:
    """Return the rounds of the first member, and those that each later one adds to the one before it."""
    if isinstance(members, bool) or not isinstance(members, (int, np.integer)) or members < 2:
        raise ParameterError(f"members must be an integer of at least 2, got {members!r}")
    if booster.params["booster"] == "dart":
        raise ParameterError(
            "a model of booster='dart' is no virtual ensemble: its rounds change the weights of earlier trees"
        )
    forest = booster.forest
    begin, end = (0, 0) if iteration_range is None else iteration_range
    end = end or forest.rounds
    if not 0 <= begin <= end <= forest.rounds:
        raise ValueError(f"iteration_range must lie within (0, {forest.rounds}), got {iteration_range}")
    rounds = end - begin
    if rounds < 2 * members:
        raise ParameterError(
            f"{members} members need at least {2 * members} rounds, the model has {rounds}: train for more "
            "rounds, with a smaller eta, or ask fewer members"
        )
    ends = begin + np.linspace(rounds / 2, rounds, members).round().astype(int)
    edges = [begin, *ends.tolist()]
    return list(zip(edges, edges[1:], strict=False))


def _entropy(p: Floats) -> Floats:
    """Return the entropy of each row, in nats; shape (rows, 1)."""
    every = np.column_stack((p, 1.0 - p)) if p.shape[1] == 1 else p
    logs = np.log(np.where(every > 0, every, 1.0))
    return -(every * logs).sum(axis=1, keepdims=True)


def _plain(values: Floats) -> Floats:
    return values[:, 0] if values.shape[1] == 1 else values
