"""The interface of a loss: allowed labels, base score, derivatives, and predictions from margins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.errors import LabelError

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.data.meta_info import State
    from boost.forest.grown_tree import GrownTree
    from boost.params import Params
    from boost.threads import Team

Floats = NDArray[np.float64]
Labels = NDArray[Any]  # float32 as given, float64 in computations
TINY = 1e-16


@dataclass(frozen=True, slots=True)
class Round:
    """The boosting round for which gradients are computed.

    Attributes
    ----------
    seed, iteration : int
        The seed of the run and the number of the round, for losses that draw random numbers.
    team : Team
    """

    seed: int
    iteration: int
    team: Team


class Objective(ABC):
    """A loss, made from the resolved parameters.

    Margins, gradients and hessians are float64 arrays of shape (rows, n_outputs).

    Attributes
    ----------
    name, metric : str
        The name of the loss, and of its default evaluation metric.
    n_outputs : int
        Number of columns of margins.
    output_per_label : bool
        Whether labels may have several columns, each of which gets an output; see `fit_outputs`.
    allowed_labels, label_hint : str
        The allowed labels in words, and a hint that error messages about other labels end with.
    file_params : tuple of (str, str, str)
        For each parameter in model files: its section and key in the entry "objective", and its name.
    """

    name: str
    metric: str
    n_outputs: int = 1
    output_per_label: bool = False
    allowed_labels: str = ""
    label_hint: str = ""
    file_params: tuple[tuple[str, str, str], ...] = ()

    # Buffers, and what was derived from fields of a training table, see `kept`; not pickled.
    _gpairs: tuple[Floats, Floats] | None = None
    _kept: Mapping[str, tuple[State, Any]] = MappingProxyType({})
    CACHES = ("_gpairs", "_kept")

    def __init__(self, params: Params) -> None:
        self.params = params

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in self.CACHES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickles of earlier versions hold caches, and some attributes under earlier names.
        state = {name: value for name, value in state.items() if name not in _OLD_CACHES}
        self.__dict__.update({_OLD_NAMES.get(name, name): value for name, value in state.items()})

    def fit_outputs(self, data: DMatrix) -> None:
        """Take the number of outputs from the labels, for losses with one output per label column.

        Called once, before any other method that takes a training table. Without a table,
        `boost.objective.make_objective` takes the number as a parameter.

        Raises
        ------
        LabelError
            When the labels have several columns, and the loss supports only one.
        """
        label = data.label
        self.set_outputs(1 if label is None or label.ndim == 1 else label.shape[1])

    def set_outputs(self, columns: int) -> None:
        """Set the number of label columns; raises LabelError when the loss supports only one."""
        if self.output_per_label:
            self.n_outputs = columns
        elif columns != 1:
            raise LabelError(f"{self.name} needs one label a row, got {columns}")

    def allows(self, label: Floats) -> NDArray[np.bool_] | None:
        """Return which labels the loss is defined for; None when it is defined for all."""
        return None

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64, in their shape, or raise `LabelError`."""
        if data.label is None:
            raise LabelError(f"{self.name} needs labels: give DMatrix a label")
        label = data.label.astype(np.float64)
        columns = 1 if label.ndim == 1 else label.shape[1]
        if columns != (self.n_outputs if self.output_per_label else 1):
            several = self.output_per_label and self.n_outputs > 1
            expected = f"{self.n_outputs} labels" if several else "one label"
            raise LabelError(f"{self.name} needs {expected} a row, got {columns}")
        good = self.allows(label)
        if good is not None and not good.all():
            at = tuple(np.argwhere(~good)[0].tolist())
            where = f"row {at[0]}" + (f", column {at[1]}" if len(at) > 1 else "")
            raise LabelError(
                f"{self.name} needs labels {self.allowed_labels}, got {label[at]:g} in {where}"
                f"{self.label_hint}"
            )
        return label

    def nothing_to_learn(self, data: DMatrix) -> str:
        """Return why the best model of these labels is a constant; "" when it may be another one."""
        return ""

    @abstractmethod
    def start(self, data: DMatrix) -> Floats:
        """Estimate the base score: the best constant prediction, on the scale that `to_margin` takes.

        Returns
        -------
        float64 array of shape (n_outputs,)

        Raises
        ------
        LabelError
            For labels that the loss does not allow.
        """

    def to_margin(self, score: Floats) -> Floats:
        """Return the margins of a constant prediction; shape (n_outputs,).

        Raises
        ------
        ValueError
            When the score is outside of the range of predictions.
        """
        return score

    def neutral(self) -> Floats:
        """Return the score whose margins are zero, for tables with base margins; shape (n_outputs,)."""
        return self.transform(np.zeros((1, self.n_outputs)))[0]

    @abstractmethod
    def gradient(self, margin: Floats, data: DMatrix, this_round: Round) -> tuple[Floats, Floats]:
        """Return the first and second derivatives of the loss by the margins, without row weights.

        Parameters
        ----------
        margin : float64 array of shape (rows, n_outputs)
        data : DMatrix
            The training table.
        this_round : Round

        Returns
        -------
        grad, hess : float64 arrays of shape (rows, n_outputs)
            Buffers of the loss: valid until the next call, and not to be changed.
        """

    def kept(self, name: str, data: DMatrix, fields: Sequence[str], derive: Callable[[DMatrix], Any]) -> Any:
        """Return what is derived from some fields of a table; derived again when one of them was set.

        Parameters
        ----------
        name : str
            Of the derived thing.
        data : DMatrix
        fields : sequence of str
            See `boost.data.meta_info.FIELDS`.
        derive : callable
        """
        state = data.state(*fields)
        if name not in self._kept or self._kept[name][0] != state:
            self._kept = {**self._kept, name: (state, derive(data))}
        return self._kept[name][1]

    def gradient_buffers(self, shape: tuple[int, ...], hess: ArrayLike = 1.0) -> tuple[Floats, Floats]:
        """Return the buffers for gradients and hessians; the same ones while the shape stays the same.

        Parameters
        ----------
        shape : tuple of int
        hess : array_like
            What new hessians are filled with, for losses whose hessian is constant.
        """
        if self._gpairs is None or self._gpairs[0].shape != shape:
            self._gpairs = np.empty(shape), np.broadcast_to(np.asarray(hess, np.float64), shape).copy()
        return self._gpairs

    def row_weight(self, data: DMatrix) -> Floats:
        """Return the weights of the rows, not to be changed; an empty array means one each."""
        weight: Floats = self.kept("row_weight", data, ["weight"], _weights)
        return weight

    def refit(
        self,
        grown: GrownTree,
        margin_before: Floats,
        data: DMatrix,
        output: int,
        weight: Floats,
        team: Team,
    ) -> Floats | None:
        """Return values for the leaves of a new tree that replace those of the second-order step.

        Parameters
        ----------
        grown : GrownTree
        margin_before : float64 array of shape (rows,)
            Margins of the output without this tree.
        data : DMatrix
            The training table.
        output : int
        weight : float64 array of shape (rows,) or (0,)
            The weights that the tree was grown with: zero for rows that were not sampled.
        team : Team

        Returns
        -------
        float64 array of shape (leaves,), or None
            The values before the learning rate; None to keep those of the second-order step.
        """
        return None

    def transform(self, margin: Floats) -> Floats:
        """Return the predictions that metrics take; the shape of the margins."""
        return margin

    def moments(self, prediction: Floats) -> tuple[Floats, Floats | None]:
        """Return the mean and the variance of the label under the predicted distribution.

        Parameters
        ----------
        prediction : float64 array of shape (rows, n_outputs)
            From `transform`.

        Returns
        -------
        mean : float64 array of shape (rows, label columns)
        variance : float64 array of the same shape, or None
            None when the loss models no variance.
        """
        return prediction, None

    def output(self, margin: Floats) -> Floats:
        """Return the predictions for users; shape (rows, n_outputs), or (rows, 1) for multi:softmax."""
        return self.transform(margin)

    def estimates(self) -> Any:
        """Return a copy of what `gradient` estimates from round to round, for `set_estimates`; or None."""
        return None

    def set_estimates(self, estimates: Any) -> None:
        """Set the estimates to what they were before a round that was not completed."""
        return None  # most losses have none

    def restore(self, entry: dict[str, Any]) -> None:
        """Restore the estimates of an earlier training from the entry "objective" of its model file."""
        return None  # most losses have no estimates besides the trees

    def file_entry(self) -> dict[str, Any]:
        """Return the entry "objective" of the model file."""
        entry: dict[str, Any] = {"name": self.name}
        for section, key, param in self.file_params:
            entry.setdefault(section, {})[key] = _text(self.params[param])
        return entry


# Attributes in pickles of earlier versions: those that were renamed, and those that are no longer stored.
_OLD_NAMES = {
    "groups": "n_outputs",
    "needs": "allowed_labels",
    "advice": "label_hint",
    "ahead": "relevant_bias",
    "behind": "irrelevant_bias",
}
_OLD_CACHES = {"_weight", "_pair", "_team", "_logs", "_layout", "_row_weight", "_prepared", *Objective.CACHES}


def _weights(data: DMatrix) -> Floats:
    return np.empty(0) if data.weight is None else data.weight.astype(np.float64)


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, bool):
        return str(int(value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def weighted_mean(values: Floats, weight: Floats) -> float:
    """Return the weighted mean of values; an empty `weight` means one each."""
    if weight.size == 0:
        return float(values.sum() / values.size)
    return float((values * weight).sum() / weight.sum())
