"""A user's own loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.objective.base import Floats, Objective, Round

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix

Loss = Callable[[Floats, "DMatrix"], tuple[Any, Any]]


class Custom(Objective):
    """A callable from margins to derivatives, in the place of a built-in loss.

    As in XGBoost, the built-in loss that the parameters name (reg:squarederror when they name none) still
    says what margins mean: it gives the number of outputs, the scale of `base_score` and of predictions, the
    default metric and the entry in model files. Nothing is estimated: without a `base_score`, predictions
    start at 0.5.

    Parameters
    ----------
    function : callable
        ``function(predt, dtrain)`` returns the gradient and the hessian of each row. `predt`
        holds margins, float64, of shape (rows,), or (rows, groups) with several outputs: what it returns has
        the same shape. `dtrain` is the table that training was asked for.
    like : Objective
        The built-in loss.

    Notes
    -----
    Results are the same, bit for bit, as those of a built-in loss whose derivatives are the same float64
    numbers. As in XGBoost, weights are the callable's affair: the engine applies none.
    """

    def __init__(self, function: Loss, like: Objective) -> None:
        super().__init__(like.params)
        self.function = function
        self.like = like
        self.name, self.metric, self.groups, self.several = like.name, like.metric, like.groups, like.several

    def set_outputs(self, outputs: int) -> None:
        """Set the number of label columns, where the built-in loss has one output for each."""
        if self.several:
            self.like.set_outputs(outputs)
            self.groups = self.like.groups

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64, whatever they are; none are needed."""
        return np.empty(0) if data.label is None else data.label.astype(np.float64)

    def row_weight(self, data: DMatrix) -> Floats:
        """Return no weights."""
        return np.empty(0)

    def start(self, data: DMatrix) -> Floats:
        """Return 0.5."""
        return np.full(self.groups, 0.5)

    def to_margin(self, score: Floats) -> Floats:
        """Return the margins of a prediction of the built-in loss."""
        return self.like.to_margin(score)

    def neutral(self) -> Floats:
        """Return the score whose margins are zero."""
        return self.like.neutral()

    def gradient(self, margin: Floats, data: DMatrix, when: Round) -> tuple[Floats, Floats]:
        """Ask the callable, and check what it returns.

        Raises
        ------
        ValueError
            When it does not return two arrays of finite numbers, of the shape of the margins.
        """
        shown = margin[:, 0].copy() if self.groups == 1 else margin.copy()  # a callable may write to it
        found = self.function(shown, data)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise ValueError(
                f"the objective must return a pair (grad, hess), got {type(found).__name__}"
                + (f" of {len(found)}" if isinstance(found, (tuple, list)) else "")
            )
        grad, hess = (
            self._checked(what, values, margin) for what, values in zip(("grad", "hess"), found, strict=True)
        )
        return grad, hess

    def _checked(self, what: str, values: Any, margin: Floats) -> Floats:
        given = np.asarray(values)
        if given.dtype.kind not in "biuf":
            raise ValueError(f"{what} of the objective must be real numbers, got dtype {given.dtype}")
        if given.size != margin.size or given.shape not in (margin.shape, (margin.size,)):
            wanted = margin.shape if self.groups > 1 else (margin.shape[0],)
            raise ValueError(f"{what} of the objective must have the shape {wanted}, got {given.shape}")
        array = np.require(given, np.float64, ["C", "W"]).reshape(margin.shape)
        bad = ~np.isfinite(array)
        if bad.any():
            at = np.argwhere(bad)[0]
            where = f"row {at[0]}" + (f", output {at[1]}" if self.groups > 1 else "")
            raise ValueError(f"{what} of the objective must be finite, got {array[tuple(at)]} in {where}")
        return array

    def transform(self, margin: Floats) -> Floats:
        """Return the predictions of the built-in loss."""
        return self.like.transform(margin)

    def output(self, margin: Floats) -> Floats:
        """Return what a user of the built-in loss is given."""
        return self.like.output(margin)

    def file_entry(self) -> dict[str, Any]:
        """Return the built-in loss's entry of the model file."""
        return self.like.file_entry()
