"""The base class of regressors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin

from boost.estimator.base import Estimator, Evals, Floats, check_y

if TYPE_CHECKING:
    from typing_extensions import Self


class Regressor(RegressorMixin, Estimator):
    """Regression by boosted trees."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        base_margin: ArrayLike | None = None,
        eval_set: Evals = None,
        sample_weight_eval_set: Sequence[ArrayLike | None] | None = None,
        base_margin_eval_set: Sequence[ArrayLike | None] | None = None,
        verbose: bool | int = False,
        xgb_model: Any = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : array, frame or sparse matrix of shape (rows, features)
        y : array_like of shape (rows,) or (rows, outputs)
        sample_weight : array_like of shape (rows,), optional
        base_margin : array_like of shape (rows,) or (rows, outputs), optional
            Margins to start boosting from.
        eval_set : sequence of (X, y), optional
            Evaluation tables.
        sample_weight_eval_set, base_margin_eval_set : sequence of array_like, optional
            An entry for each pair of `eval_set`.
        verbose : bool or int
            Print the metrics of every round, or of every n-th.
        xgb_model : Booster, path or fitted estimator, optional
            A model to continue from.
        """
        self._check_extra()
        X = self._check_table(X, reset=True)
        label = check_y(y, X)
        evals = self._eval_tables(
            eval_set,
            check_y,
            sample_weight_eval_set=sample_weight_eval_set,
            base_margin_eval_set=base_margin_eval_set,
        )
        columns = {"weight": sample_weight, "base_margin": base_margin}
        held_out = self._held_out(np.zeros(len(label), dtype=np.int64))
        table, drawn = self._split(X, label, columns, held_out)
        return self._fit(table, evals + drawn, {}, verbose, xgb_model)

    def predict(
        self,
        X: Any,
        *,
        output_margin: bool = False,
        base_margin: ArrayLike | None = None,
        iteration_range: tuple[int, int] | None = None,
    ) -> Floats:
        """Return the predictions; float64, shape (rows,) or (rows, outputs).

        Parameters
        ----------
        X : array, frame or sparse matrix of shape (rows, features)
        output_margin, iteration_range
            As for `Booster.predict`.
        base_margin : array_like of shape (rows,) or (rows, outputs), optional
        """
        kind = "margin" if output_margin else "value"
        return self._predict(X, base_margin, predict_type=kind, iteration_range=iteration_range)

    def staged_predict(self, X: Any) -> Iterator[Floats]:
        """Yield the predictions after each round."""
        for margin in self._staged_margins(X):
            value = self.booster_.objective.transform(margin)
            yield value if value.shape[1] > 1 else value[:, 0]
