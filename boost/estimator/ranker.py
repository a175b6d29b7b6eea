"""The base classes of rankers: within a query group, rows of larger labels rank higher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from boost.data.frames.frame import take_column
from boost.data.validation import check_groups
from boost.errors import DataError
from boost.estimator.base import Columns, Evals, XGBModel, check_y
from boost.estimator.callables import group_metric_of

if TYPE_CHECKING:
    from typing_extensions import Self


# The column of a frame that identifies the query group of each row, as in XGBoost.
QID = "qid"


class Ranker(XGBModel):
    """Ranking by boosted trees."""

    _metric_of = staticmethod(group_metric_of)

    def _check_table(self, X: Any, reset: bool, names: bool = True) -> Any:
        """Return X after scikit-learn's checks, without the column of query ids."""
        return super()._check_table(take_column(X, QID)[0], reset, names)

    def _own_columns(self, X: Any, named: Columns) -> Columns:
        """Return the column "qid" of a frame; raise `DataError` when groups are also given beside it."""
        ids = take_column(X, QID)[1]
        if ids is None:
            return {}
        for name in ("qid", "group"):
            if named.get(name) is not None:
                raise DataError(f"X has a column {QID!r}, which identifies the query groups: give no {name}")
        return {"qid": ids}

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: ArrayLike,
        *,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        group_weight: ArrayLike | None = None,
        base_margin: ArrayLike | None = None,
        eval_set: Evals = None,
        eval_group: Sequence[ArrayLike | None] | None = None,
        eval_qid: Sequence[ArrayLike | None] | None = None,
        sample_weight_eval_set: Sequence[ArrayLike | None] | None = None,
        base_margin_eval_set: Sequence[ArrayLike | None] | None = None,
        verbose: bool | int | None = False,
        xgb_model: Any = None,
        feature_weights: ArrayLike | None = None,
    ) -> Self:
        """Train; other parameters as for `BoostRegressor.fit`.

        Parameters
        ----------
        group, qid : array_like, optional
            Sizes of the query groups, or the query id of each row, as for `DMatrix`. A column "qid" of a
            frame is the query id, and no feature. By default, all rows are one group.
        group_weight : array_like, optional
            A weight for each query group.
        eval_group, eval_qid, sample_weight_eval_set, base_margin_eval_set : sequence of array_like, optional
            An entry for each pair of `eval_set`; weights are those of query groups.
        """
        self._check_extra()
        qid = self._own_columns(X, {"group": group, "qid": qid}).get("qid", qid)
        X = self._check_table(X, reset=True)
        label = check_y(y, X)
        evals = self._eval_tables(
            eval_set,
            check_y,
            eval_group=eval_group,
            eval_qid=eval_qid,
            sample_weight_eval_set=sample_weight_eval_set,
            base_margin_eval_set=base_margin_eval_set,
        )
        bounds = check_groups(group, qid, len(label))
        sizes = np.array([len(label)]) if bounds is None else np.diff(bounds)
        number = np.repeat(np.arange(sizes.size), sizes)
        drawn = self._held_out(np.zeros(sizes.size, dtype=np.int64))
        weight = None if group_weight is None else np.asarray(group_weight)
        if weight is not None and weight.shape == sizes.shape:
            weight = weight[number]
        columns = {"weight": weight, "base_margin": base_margin, "qid": number}
        held_out = None if drawn is None else drawn[number]
        columns |= {"feature_weights": feature_weights}
        table, part = self._split(X, label, columns, held_out)
        return self._fit(table, evals + part, {}, verbose, xgb_model)

    def score(
        self, X: Any, y: ArrayLike, *, group: ArrayLike | None = None, qid: ArrayLike | None = None
    ) -> float:
        """Return the mean NDCG of the query groups: 1 for the best order."""
        from boost.metric import make_metric

        booster, name = self.get_booster(), self._score_metric()
        columns = {"group": group, "qid": qid}
        columns |= self._own_columns(X, columns)
        table = self._derived_table(self._check_table(X, reset=False), y, **columns)
        metric = make_metric(name, booster.params)
        metric.check(table, 1)
        margin = booster.model.margins(booster.model.align(table), self._rounds())
        return float(metric.function(margin, table))

    def _score_metric(self) -> str:
        """Return the name of the metric of `score`."""
        return "ndcg"


class NamedRanker(Ranker):
    """A ranker as in XGBoost.

    Its `fit` takes the weights of the query groups as `sample_weight`, and `score` returns the last metric
    that `eval_metric` names, or that of the objective.
    """

    def _score_metric(self) -> str:
        booster = self.get_booster()
        names: Sequence[str] = booster.params.eval_metric or (booster.objective.metric,)
        return names[-1]

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: ArrayLike,
        *,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        base_margin: ArrayLike | None = None,
        eval_set: Evals = None,
        eval_group: Sequence[ArrayLike | None] | None = None,
        eval_qid: Sequence[ArrayLike | None] | None = None,
        sample_weight_eval_set: Sequence[ArrayLike | None] | None = None,
        base_margin_eval_set: Sequence[ArrayLike | None] | None = None,
        verbose: bool | int | None = False,
        xgb_model: Any = None,
        feature_weights: ArrayLike | None = None,
    ) -> Self:
        """Train, as `BoostRanker.fit`; `sample_weight` has a weight for each query group."""
        return super().fit(
            X,
            y,
            group=group,
            qid=qid,
            group_weight=sample_weight,
            base_margin=base_margin,
            eval_set=eval_set,
            eval_group=eval_group,
            eval_qid=eval_qid,
            sample_weight_eval_set=sample_weight_eval_set,
            base_margin_eval_set=base_margin_eval_set,
            verbose=verbose,
            xgb_model=xgb_model,
            feature_weights=feature_weights,
        )
