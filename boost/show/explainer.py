"""An explainer of the package shap for our models."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import shap
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.data.frames.frame import is_frame
from boost.model.explain import contributions
from boost.show.names import names_of
from boost.show.plots.canvas import Floats, model_of, rounds_of
from boost.show.shap_trees import shap_trees

# Ways to remove features from a row that need no background rows.
PATHS = ("auto", "tree_path_dependent")


class TreeExplainer(shap.TreeExplainer):  # type: ignore[misc]
    """A ``shap.TreeExplainer`` whose values are those of ``pred_contribs``; see `boost.tree_explainer`.

    Parameters
    ----------
    booster : Booster or fitted estimator
    data : array or frame of shape (background rows, features), optional
    **options
        Of ``shap.TreeExplainer``.

    Attributes
    ----------
    expected_value : float, or array of shape (outputs,)
    """

    def __init__(self, booster: Any, data: Any = None, **options: Any) -> None:
        self._source, self._fitted = booster, model_of(booster)
        names = options.pop("feature_names", None) or names_of(self._fitted).names
        self._by_paths = data is None
        if not self._by_paths:
            background = self._numbers(self._table(data))
            super().__init__(shap_trees(booster), data=background, feature_names=names, **options)
            return
        for name, default in (("model_output", ("raw",)), ("feature_perturbation", PATHS)):
            if options.get(name, default[0]) not in default:
                raise ValueError(f"{name}={options[name]!r} needs background rows: give data")
        shap.Explainer.__init__(self, booster, feature_names=names)
        self.data_feature_names = names
        self.data = self.data_missing = None
        self.feature_perturbation, self.model_output = "tree_path_dependent", "raw"
        # the expected margin is that of any row
        row = np.full((1, self._fitted.n_features), np.nan, dtype=np.float32)
        self._contributions(self._table(row))

    def _table(self, X: Any) -> DMatrix:
        """Return rows in the model's columns and codes."""
        model = self._fitted
        if isinstance(X, DMatrix):
            return model.align(X)
        if not is_frame(X) and np.ndim(X) == 1:
            X = np.asarray(X)[None]
        return model.align(model.make_table(X, getattr(self._source, "missing", None)))

    def _numbers(self, table: DMatrix) -> NDArray[np.float32]:
        return table.dense_rows(0, table.num_row())

    def _contributions(self, table: DMatrix, rounds: Any = None, **options: Any) -> Floats:
        """Return contributions without the expected margin, outputs last; sets `expected_value`."""
        model = self._fitted
        trees = model.trees_of(rounds_of(self._source) if rounds is None else rounds)
        out = contributions(model, table, trees, **options)
        expected = out[0, :, -1, -1] if out.ndim == 4 else out[0, :, -1]
        out = np.moveaxis(out[:, :, :-1, :-1] if out.ndim == 4 else out[:, :, :-1], 1, -1)
        several = out.shape[-1] > 1
        self.expected_value = expected if several else float(expected[0])
        return out if several else out[..., 0]

    def shap_values(
        self,
        X: Any,
        y: Any = None,
        tree_limit: int | None = None,
        approximate: bool = False,
        check_additivity: bool = True,
        from_call: bool = False,
    ) -> Any:
        """Return the contributions of the features to the margins.

        Parameters
        ----------
        X : DMatrix, array, frame or sparse matrix of shape (rows, features); or one row
        y, check_additivity, from_call
            As in shap; the sums of the values are the margins.
        tree_limit : int, optional
            Use the rounds of so many trees only.
        approximate : bool
            Whether to credit the path of each row only, as ``approx_contribs`` of `Booster.predict`.

        Returns
        -------
        float64 array of shape (rows, features), or (rows, features, outputs) for several outputs
        """
        if not self._by_paths:
            rows = self._numbers(self._table(X))
            return super().shap_values(rows, y, tree_limit, approximate, check_additivity, from_call)
        rounds = None
        if tree_limit is not None and tree_limit >= 0:
            rounds = 0, max(min(tree_limit, self._fitted.forest.trees) // self._fitted.forest.round_trees, 1)
        out = self._contributions(self._table(X), rounds, approximate=approximate)
        return out[0] if not is_frame(X) and not isinstance(X, DMatrix) and np.ndim(X) == 1 else out

    def shap_interaction_values(self, X: Any, y: Any = None, tree_limit: int | None = None) -> Any:
        """Return the interactions of pairs of features; shape (rows, features, features[, outputs])."""
        if not self._by_paths:
            return super().shap_interaction_values(self._numbers(self._table(X)), y, tree_limit)
        return self._contributions(self._table(X), interactions=True)

    def __call__(
        self,
        X: Any,
        y: Any = None,
        interactions: bool = False,
        check_additivity: bool = True,
        approximate: bool = False,
    ) -> Any:
        """Return a ``shap.Explanation`` of rows: values, expected margins, and what the rows hold."""
        start = time.time()
        table = self._table(X)
        if interactions:
            values = self.shap_interaction_values(table)
        else:
            values = self.shap_values(table, y, None, approximate, check_additivity, from_call=True)
        expected = np.atleast_1d(self.expected_value)
        base = np.tile(expected, (len(values), 1)) if len(expected) > 1 else np.repeat(expected, len(values))
        return shap.Explanation(
            values,
            base_values=base,
            data=self._shown(X, table),
            feature_names=list(self.feature_names),
            compute_time=time.time() - start,
        )

    def _shown(self, X: Any, table: DMatrix) -> NDArray:
        """Return the values of the rows for plots: names in place of the codes of categories."""
        numbers = self._numbers(table)
        if not self._fitted.categories:
            return numbers
        names = names_of(self._fitted)
        shown = numbers.astype(object)
        for f in self._fitted.categories:
            column = numbers[:, f]
            shown[:, f] = [np.nan if np.isnan(c) else names.category(f, int(c)) for c in column]
        return shown
