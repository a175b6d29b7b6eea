"""`Predictions`: the methods of a booster that predict, XGBoost's and ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.model.model import Model

if TYPE_CHECKING:
    from boost.model.uncertainty import Uncertainty

Floats = NDArray[np.float64]


class Predictions:
    """The methods of `boost.Booster` that predict: values, margins, leaves, contributions, intervals.

    Attributes
    ----------
    model : Model
    """

    model: Model

    def _predicting(self) -> Model:
        """Return the model that predicts."""
        return self.model

    def predict(
        self,
        data: Any,
        output_margin: bool = False,
        pred_leaf: bool = False,
        pred_contribs: bool = False,
        approx_contribs: bool = False,
        pred_interactions: bool = False,
        validate_features: bool = True,
        training: bool = False,
        iteration_range: tuple[int, int] | None = (0, 0),
        strict_shape: bool = False,
    ) -> NDArray:
        """Return predictions, margins, leaves or feature contributions.

        Parameters
        ----------
        data : DMatrix, array, frame or sparse matrix of shape (rows, features)
        output_margin : bool
            Return margins in place of values or probabilities.
        pred_leaf : bool
            Return the number of the leaf of each row in each tree.
        pred_contribs : bool
            Return the contribution of each feature to the margin (exact Shapley values), and the expected
            margin in the last column; they sum up to the margin.
        approx_contribs : bool
            With `pred_contribs`: use the faster approximation by the splits on the path of a row (Saabas).
        pred_interactions : bool
            Return the contribution of each pair of features; rows, and columns, sum up to the contributions.
        validate_features : bool
            Whether the names of the columns must be those of the training table.
        training : bool
            With booster="dart": drop trees at random, as a training round does.
        iteration_range : (int, int)
            Use only the rounds from the first to the second, exclusive; zero as the second means all. A model
            that kept rounds after its best one predicts with all of them by default.
        strict_shape : bool
            Keep the axis of the outputs for one output, too; with `pred_leaf`, return the shape (rows,
            rounds, outputs, trees of an output in a round).

        Returns
        -------
        float64 array of shape (rows,), or (rows, outputs) for several outputs
            With `pred_leaf`, int32 of shape (rows, trees). With `pred_contribs`, (rows, features + 1) or
            (rows, outputs, features + 1); with `pred_interactions`, the last axis twice.

        Raises
        ------
        ValueError
            For tables that do not fit the model: other columns, or values that `DMatrix` refuses; and for two
            kinds of prediction at once.
        """
        model = self._predicting()
        if pred_leaf or pred_contribs or pred_interactions or approx_contribs:
            kinds = [output_margin, pred_leaf, pred_contribs, pred_interactions]
            if sum(map(bool, kinds)) != 1 or (approx_contribs and not pred_contribs) or training:
                raise ValueError(
                    "give one of output_margin, pred_leaf, pred_contribs and pred_interactions, without "
                    "training; approx_contribs goes with pred_contribs only"
                )
            table = model.align(data, validate_features)
            if pred_leaf:
                return _leaves(model, table, iteration_range, strict_shape)
            from boost.model.explain import contributions

            trees = model.trees_of(iteration_range)
            out = contributions(
                model, table, trees, approximate=approx_contribs, interactions=pred_interactions
            )
            return _shaped(out, strict_shape)
        if not training and model.is_plain_array(data):
            margin = model.array_margins(data, iteration_range)
        else:
            if training and model.params.booster == "dart":
                from boost.training.dart import without_dropped

                model = without_dropped(model)
            margin = model.margins(model.align(data, validate_features), iteration_range)
        return _shaped(margin if output_margin else model.objective.output(margin), strict_shape)

    def inplace_predict(
        self,
        data: Any,
        iteration_range: tuple[int, int] | None = (0, 0),
        predict_type: str = "value",
        missing: float = np.nan,
        validate_features: bool = True,
        base_margin: Any = None,
        strict_shape: bool = False,
    ) -> NDArray:
        """Predict without a `DMatrix`; a row-major float32 array is the fastest.

        Parameters
        ----------
        data : array, frame or sparse matrix of shape (rows, features)
        iteration_range, validate_features, strict_shape
            As for `predict`.
        predict_type : {"value", "margin"}
        missing : float
            A number that means "missing" besides NaN.
        base_margin : array of shape (rows,) or (rows, outputs), optional

        Raises
        ------
        ValueError
            As `predict`.
        """
        if predict_type not in ("value", "margin"):
            raise ValueError(f"predict_type must be 'value' or 'margin', got {predict_type!r}")
        model = self._predicting()
        if base_margin is None and missing != missing and model.is_plain_array(data):
            margin = model.array_margins(data, iteration_range)
        else:
            table = model.make_table(data, missing)
            if base_margin is not None:
                table.set_base_margin(base_margin)
            margin = model.margins(model.align(table, validate_features), iteration_range)
        return _shaped(
            margin if predict_type == "margin" else model.objective.transform(margin), strict_shape
        )

    def staged_margins(self, data: Any, validate_features: bool = True) -> Iterator[Floats]:
        """Yield the margins after each round; float64, shape (rows, outputs).

        Each tree is traversed once. The same array is yielded, and changed, every time: copy it to keep it.
        """
        return self.model.staged_margins(self.model.align(data, validate_features, own=True))

    def staged_predict(
        self,
        data: Any,
        *,
        output_margin: bool = False,
        validate_features: bool = True,
        strict_shape: bool = False,
    ) -> Iterator[NDArray]:
        """Yield the predictions after each round; parameters as for `predict`."""
        for margin in self.staged_margins(data, validate_features):
            out = margin.copy() if output_margin else self.model.objective.output(margin.copy())
            yield _shaped(out, strict_shape)

    def predict_uncertainty(self, data: Any, **options: Any) -> Uncertainty:
        """Predict with uncertainty; options as for `boost.model.uncertainty.predict_uncertainty`."""
        from boost.model.uncertainty import predict_uncertainty

        return predict_uncertainty(self.model, self.model.align(data), **options)

    def calibrate(self, data: DMatrix, coverage: float = 0.9) -> float:
        """Calibrate intervals on held-out rows, by `boost.model.interval.calibrate`; return their margin."""
        from boost.model.interval import calibrate

        return calibrate(self.model, data, coverage)

    def predict_interval(self, data: Any) -> NDArray:
        """Return the lower and upper ends of calibrated intervals; float64, shape (rows, 2)."""
        from boost.model.interval import predict_interval

        return predict_interval(self.model, self.model.align(data))


def _shaped(values: NDArray, strict: bool) -> NDArray:
    """Return an array of shape (rows, outputs, ...) without the axis of a single output, unless `strict`."""
    return values if strict or values.shape[1] > 1 else values[:, 0]


def _leaves(model: Model, table: DMatrix, rounds: tuple[int, int] | None, strict: bool) -> NDArray[np.int32]:
    leaves, forest = model.leaves(table, rounds), model.forest
    if not strict:
        return leaves
    outputs = forest.round_trees // forest.parallel
    return leaves.reshape(len(leaves), leaves.shape[1] // forest.round_trees, outputs, forest.parallel)
