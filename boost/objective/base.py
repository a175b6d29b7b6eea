"""What every loss has: labels it allows, a start, derivatives, and the way from margins to predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import LabelError

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.grow.grown import Grown
    from boost.params import Params
    from boost.threads import Team

Floats = NDArray[np.float64]
Labels = NDArray[Any]  # float32 as they come, float64 where they are computed with
TINY = 1e-16


@dataclass(frozen=True, slots=True)
class Round:
    """The moment of training at which a gradient is asked for.

    Attributes
    ----------
    seed, iteration : int
        The run's seed and the number of the round, for losses that draw.
    team : Team
    """

    seed: int
    iteration: int
    team: Team


class Objective(ABC):
    """A loss, made from the resolved parameters.

    Margins, gradients and hessians are float64 arrays of shape (rows, groups).

    Attributes
    ----------
    name, metric : str
        The loss, and the metric that is evaluated when none is named.
    groups : int
        Number of outputs: columns of margins.
    several : bool
        Whether labels may have several columns; see `fit_outputs`.
    needs, advice : str
        The labels that are allowed, in words, and what else to say about others.
    file_params : tuple of (str, str, str)
        For each parameter that model files hold: its group and key in the entry "objective", and its name.
    """

    name: str
    metric: str
    groups: int = 1
    several: bool = False
    needs: str = ""
    advice: str = ""
    file_params: tuple[tuple[str, str, str], ...] = ()

    def __init__(self, params: Params) -> None:
        self.params = params
        self._weight: tuple[NDArray[np.float32] | None, Floats] | None = None

    def fit_outputs(self, data: DMatrix) -> None:
        """Take the number of outputs from the labels, for losses of one output for each label column.

        Called once, before anything else is asked about a training table; `boost.objective.make_objective`
        is told the number where there is no table.

        Raises
        ------
        LabelError
            When the labels have several columns, and the loss is for one.
        """
        label = data.label
        self.set_outputs(1 if label is None or label.ndim == 1 else label.shape[1])

    def set_outputs(self, outputs: int) -> None:
        """Set the number of label columns; see `fit_outputs`."""
        if self.several:
            self.groups = outputs
        elif outputs != 1:
            raise LabelError(f"{self.name} needs one label a row, got {outputs}")

    def allows(self, label: Floats) -> NDArray[np.bool_] | None:
        """Return which labels the loss is defined for; None when it is for all."""
        return None

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64, in the shape they have, or raise `LabelError`."""
        if data.label is None:
            raise LabelError(f"{self.name} needs labels: give DMatrix a label")
        label = data.label.astype(np.float64)
        columns = 1 if label.ndim == 1 else label.shape[1]
        if columns != (self.groups if self.several else 1):
            wanted = f"{self.groups} labels" if self.several and self.groups > 1 else "one label"
            raise LabelError(f"{self.name} needs {wanted} a row, got {columns}")
        good = self.allows(label)
        if good is not None and not good.all():
            at = tuple(np.argwhere(~good)[0].tolist())
            where = f"row {at[0]}" + (f", column {at[1]}" if len(at) > 1 else "")
            raise LabelError(
                f"{self.name} needs labels {self.needs}, got {label[at]:g} in {where}{self.advice}"
            )
        return label

    @abstractmethod
    def start(self, data: DMatrix) -> Floats:
        """Estimate the best constant prediction, on the scale that `to_margin` takes; shape (groups,)."""

    def to_margin(self, score: Floats) -> Floats:
        """Return the margins of a constant prediction; shape (groups,).

        Raises
        ------
        ValueError
            When it is outside of the range of predictions.
        """
        return score

    def neutral(self) -> Floats:
        """Return the score whose margins are zero, for tables that bring their own; shape (groups,)."""
        return self.transform(np.zeros((1, self.groups)))[0]

    @abstractmethod
    def gradient(self, margin: Floats, data: DMatrix, when: Round) -> tuple[Floats, Floats]:
        """Return the first and second derivatives of the loss by the margins, not weighted.

        Parameters
        ----------
        margin : float64 array of shape (rows, groups)
        data : DMatrix
            The table trained on.
        when : Round
            For losses that draw, and for threads.

        Returns
        -------
        grad, hess : float64 arrays of shape (rows, groups)
            The loss's own: valid until the next call, and not to be changed.
        """

    def row_weight(self, data: DMatrix) -> Floats:
        """Return the weights of the rows, not to be changed; an empty array means one each."""
        if self._weight is None or self._weight[0] is not data.weight:
            given = data.weight
            self._weight = given, np.empty(0) if given is None else given.astype(np.float64)
        return self._weight[1]

    def refit(
        self, grown: Grown, margin_before: Floats, data: DMatrix, output: int, weight: Floats
    ) -> Floats | None:
        """Return better values for the leaves of a new tree than those of the second-order step.

        Parameters
        ----------
        grown : Grown
        margin_before : float64 array of shape (rows,)
            Margins of the output without this tree.
        data : DMatrix
            The table that the last `gradient` was asked for.
        output : int
        weight : float64 array of shape (rows,) or (0,)
            As the tree was grown with: zero for rows that it did not learn from.

        Returns
        -------
        float64 array of shape (leaves,), or None
            The values before the learning rate; None when the loss has nothing better.
        """
        return None

    def transform(self, margin: Floats) -> Floats:
        """Turn margins into predictions, as metrics want them; same shape."""
        return margin

    def moments(self, prediction: Floats) -> tuple[Floats, Floats | None]:
        """Return mean and variance of the label that predictions speak of.

        Parameters
        ----------
        prediction : float64 array of shape (rows, groups)
            From `transform`.

        Returns
        -------
        mean : float64 array of shape (rows, outputs)
        variance : float64 array of the same shape, or None
            None when the loss says nothing about it.
        """
        return prediction, None

    def output(self, margin: Floats) -> Floats:
        """Turn margins into what a user is given; shape (rows, groups), or (rows, 1) for multi:softmax."""
        return self.transform(margin)

    def restore(self, entry: dict[str, Any]) -> None:
        """Take what an earlier training has learned, from its entry in the model file."""
        return None  # most losses learn nothing

    def file_entry(self) -> dict[str, Any]:
        """Return the entry "objective" of the model file."""
        entry: dict[str, Any] = {"name": self.name}
        for group, key, param in self.file_params:
            entry.setdefault(group, {})[key] = _text(self.params[param])
        return entry


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, bool):
        return str(int(value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def weighted_mean(values: Floats, weight: Floats) -> float:
    """Return the mean of values; `weight` may be empty."""
    if weight.size == 0:
        return float(values.sum() / values.size)
    return float((values * weight).sum() / weight.sum())
