"""Uncertainty of predictions, from the members of one model: its parallel trees, or its first rounds."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.errors import ParameterError
from boost.forest.forest import Forest

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.model.model import Model

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Uncertainty:
    """Predictions and their uncertainty, divided into knowledge uncertainty and data uncertainty.

    All arrays are float64, of shape (rows,), or (rows, outputs) for several outputs or classes.

    Attributes
    ----------
    mean : array
        The mean of the members' predictions.
    knowledge : array
        The variance of the members' predictions, or, as entropy, their mutual information: it is large where
        the training table had few similar rows, and falls with more rows.
    data : array, or None
        The mean of the variances (or entropies) that the members predict: noise, which does not fall with
        more rows. None for a loss that does not model it, such as reg:squarederror; reg:normal, count:poisson
        and the classification losses do.
    """

    mean: Floats
    knowledge: Floats
    data: Floats | None

    @property
    def total(self) -> Floats:
        """The sum of `knowledge` and `data`; `knowledge` alone when `data` is None."""
        return self.knowledge if self.data is None else self.knowledge + self.data


def predict_uncertainty(
    model: Model,
    table: DMatrix,
    *,
    members: int = 10,
    output_margin: bool = False,
    measure: str = "variance",
    iteration_range: tuple[int, int] | None = (0, 0),
) -> Uncertainty:
    """Predict with an ensemble whose members are parts of the model, at no more cost than a prediction.

    A model of several parallel trees a round (`num_parallel_tree`) is an ensemble: its members are the first
    trees of all rounds, the second ones, and so on. They are independent where they saw different rows, as
    those of the default preset do.

    Other models have a virtual ensemble, whose members are the model's first rounds, from half of them to
    all; of few rounds there are fewer members. They share trees, so that their variance is smaller than that
    of independently trained models, and they must differ: many rounds with a small `eta`, and `subsample`
    below 1, make better ensembles.

    The variance ranks rows by uncertainty, but it is no interval (see `boost.model.interval` for calibrated
    ones).

    Parameters
    ----------
    model : Model
    table : DMatrix
        In the model's columns and codes, see `Model.align`.
    members : int
        Most members, at least 2. There are fewer where the model has fewer parallel trees, or fewer rounds in
        its second half.
    output_margin : bool
        Use margins in place of predictions; margins have no data uncertainty.
    measure : {"variance", "entropy"}
        Entropy, in nats, is for the classification losses: one number per row.
    iteration_range : (int, int)
        The rounds to use.

    Returns
    -------
    Uncertainty

    Raises
    ------
    ParameterError
        For fewer than two members, a model without rounds, booster="dart" without parallel trees, whose
        rounds change earlier trees, and for the entropy of a regression model.

    References
    ----------
    A. Malinin, L. Prokhorenkova and A. Ustimenko, "Uncertainty in Gradient Boosting via Ensembles", arXiv
    2006.10562, section 4 (virtual ensembles) and section 2 (decomposition of variance and entropy).
    """
    chosen = _rounds(model, members, iteration_range)
    objective = model.objective
    if measure not in ("variance", "entropy"):
        raise ParameterError(f"measure must be 'variance' or 'entropy', got {measure!r}")
    entropy = measure == "entropy"
    if entropy and (output_margin or not objective.name.startswith(("binary:logi", "multi:"))):
        given = "margins" if output_margin else objective.name
        raise ParameterError(f"entropy is for probabilities of classes, not for {given}")
    sums: list[Floats] = []
    noise: Floats | None = None
    count = 0
    for k, margin in enumerate(_members(model, table, members, chosen)):
        count = k + 1
        mean, of_member = (margin, None) if output_margin else objective.moments(objective.transform(margin))
        if entropy:
            of_member = _entropy(mean)
        if k == 0:
            # Deviations from the first member: the difference of two large squares would lose digits.
            first, sums = mean.copy(), [np.zeros_like(mean), np.zeros_like(mean)]
            noise = None if of_member is None else np.zeros_like(of_member)
        step = mean - first
        sums[0] += step
        sums[1] += step * step
        if noise is not None and of_member is not None:
            noise += of_member
    offset = sums[0] / count
    mean = first + offset
    if noise is not None:
        noise /= count
    if entropy:
        assert noise is not None
        knowledge = np.maximum(_entropy(mean) - noise, 0.0)
    else:
        knowledge = np.maximum(sums[1] / count - offset * offset, 0.0)
    return Uncertainty(_plain(mean), _plain(knowledge), None if noise is None else _plain(noise))


def _members(model: Model, table: DMatrix, members: int, chosen: tuple[int, int]) -> Iterator[Floats]:
    """Yield the margins of each member; the same array may be yielded, and changed, every time."""
    if model.forest.parallel > 1:
        groups = min(members, model.forest.parallel)
        for k in range(groups):
            yield _part(model.slice(*chosen), k, groups).margins(table)
        return
    begin, end = chosen
    rounds = end - begin
    half = rounds / 2 if rounds >= 2 * members else rounds // 2
    ends = begin + np.linspace(half, rounds, min(members, rounds - rounds // 2 + 1)).round().astype(int)
    start = model.start_margins(table)
    margin = start.copy()
    for first, last in zip([begin, *ends.tolist()], ends.tolist(), strict=False):
        if last > first:
            margin += model.margins(table, (first, last)) - start
        yield margin


def _part(model: Model, k: int, groups: int) -> Model:
    """Return the model of the parallel trees `k`, ``k + groups``, ..., with the weight of all of them."""
    whole = model.forest
    part = Forest(whole.n_outputs, len(range(k, whole.parallel, groups)), whole.vector)
    trees = [t for t in range(whole.trees) if t % whole.parallel % groups == k]
    part.extend(
        [whole[t] for t in trees],
        [whole.output(t) for t in trees],
        (whole.weights[trees] * (whole.parallel / part.parallel)).tolist(),
    )
    other = copy.copy(model)
    other.forest = part
    return other


def _rounds(model: Model, members: int, iteration_range: tuple[int, int] | None) -> tuple[int, int]:
    """Return the rounds to use, after the checks of the arguments."""
    if isinstance(members, bool) or not isinstance(members, (int, np.integer)) or members < 2:
        raise ParameterError(f"members must be an integer of at least 2, got {members!r}")
    forest = model.forest
    if model.params.booster == "dart" and forest.parallel == 1:
        raise ParameterError(
            "booster='dart' has no virtual ensemble: its rounds change the weights of earlier trees; train "
            "with num_parallel_tree above 1, which makes members"
        )
    begin, end = (0, 0) if iteration_range is None else iteration_range
    end = end or forest.rounds
    if not 0 <= begin <= end <= forest.rounds:
        raise ValueError(f"iteration_range must lie within (0, {forest.rounds}), got {iteration_range}")
    if begin == end:
        raise ParameterError("uncertainty needs at least one round, and there is none: train the model first")
    return begin, end


def _entropy(p: Floats) -> Floats:
    """Return the entropy of each row, in nats; shape (rows, 1)."""
    every = np.column_stack((p, 1.0 - p)) if p.shape[1] == 1 else p
    logs = np.log(np.where(every > 0, every, 1.0))
    return -(every * logs).sum(axis=1, keepdims=True)


def _plain(values: Floats) -> Floats:
    return values[:, 0] if values.shape[1] == 1 else values
