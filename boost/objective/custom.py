"""Custom losses: callables given by the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.objective.base import Floats, Objective, Round

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix

Loss = Callable[[Floats, "DMatrix"], tuple[Any, Any]]


class Custom(Objective):
    """A loss whose derivatives a callable computes from the margins.

    As in XGBoost, the built-in loss that the parameters name (reg:squarederror by default) still defines
    everything else: the number of outputs, the scale of `base_score` and of predictions, the default metric
    and the entry in model files. The base score is not estimated: it is 0.5 unless `base_score` is given.

    Parameters
    ----------
    function : callable
        ``function(predt, dtrain)`` returns the gradient and the hessian of each row. `predt`
        holds margins, float64, of shape (rows,), or (rows, n_outputs) with several outputs; the
        arrays it returns have the same shape. `dtrain` is the training table.
    builtin : Objective
        The built-in loss.

    Notes
    -----
    Results are the same, bit for bit, as those of a built-in loss whose derivatives are the same float64
    numbers. As in XGBoost, the callable has to apply row weights itself: the engine applies none.
    """

    def __init__(self, function: Loss, builtin: Objective) -> None:
        super().__init__(builtin.params)
        self.function = function
        self.builtin = builtin
        self.name, self.metric = builtin.name, builtin.metric
        self.n_outputs, self.output_per_label = builtin.n_outputs, builtin.output_per_label

    def set_outputs(self, columns: int) -> None:
        """Set the number of label columns, where the built-in loss has one output per column."""
        if self.output_per_label:
            self.builtin.set_outputs(columns)
            self.n_outputs = self.builtin.n_outputs

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64 without checking them; an empty array when there are none."""
        return np.empty(0) if data.label is None else data.label.astype(np.float64)

    def row_weight(self, data: DMatrix) -> Floats:
        """Return no weights."""
        return np.empty(0)

    def start(self, data: DMatrix) -> Floats:
        """Return 0.5."""
        return np.full(self.n_outputs, 0.5)

    def to_margin(self, score: Floats) -> Floats:
        """Return the margins of a prediction of the built-in loss."""
        return self.builtin.to_margin(score)

    def neutral(self) -> Floats:
        """Return the score whose margins are zero."""
        return self.builtin.neutral()

    def gradient(self, margin: Floats, data: DMatrix, this_round: Round) -> tuple[Floats, Floats]:
        """Call the function, and check what it returns.

        Raises
        ------
        ValueError
            When it does not return two arrays of finite numbers, of the shape of the margins.
        """
        given = (margin[:, 0] if self.n_outputs == 1 else margin).copy()  # the callable may write to it
        returned = self.function(given, data)
        if not isinstance(returned, (tuple, list)) or len(returned) != 2:
            raise ValueError(
                f"the objective must return a pair (grad, hess), got {type(returned).__name__}"
                + (f" of {len(returned)}" if isinstance(returned, (tuple, list)) else "")
            )
        grad, hess = returned
        return self._checked("grad", grad, margin), self._checked("hess", hess, margin)

    def _checked(self, what: str, values: Any, margin: Floats) -> Floats:
        given = np.asarray(values)
        if given.dtype.kind not in "biuf":
            raise ValueError(f"{what} of the objective must be real numbers, got dtype {given.dtype}")
        if given.size != margin.size or given.shape not in (margin.shape, (margin.size,)):
            expected = margin.shape if self.n_outputs > 1 else (margin.shape[0],)
            raise ValueError(f"{what} of the objective must have the shape {expected}, got {given.shape}")
        array = np.require(given, np.float64, ["C", "W"]).reshape(margin.shape)
        bad = ~np.isfinite(array)
        if bad.any():
            at = np.argwhere(bad)[0]
            where = f"row {at[0]}" + (f", output {at[1]}" if self.n_outputs > 1 else "")
            raise ValueError(f"{what} of the objective must be finite, got {array[tuple(at)]} in {where}")
        return array

    def transform(self, margin: Floats) -> Floats:
        """Return the predictions of the built-in loss."""
        return self.builtin.transform(margin)

    def output(self, margin: Floats) -> Floats:
        """Return the predictions for users of the built-in loss."""
        return self.builtin.output(margin)

    def file_entry(self) -> dict[str, Any]:
        """Return the built-in loss's entry of the model file."""
        return self.builtin.file_entry()
