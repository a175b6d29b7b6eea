"""The base class of the estimators: checked tables, training, and access to the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from boost.booster import Booster
from boost.data.dmatrix import DMatrix
from boost.data.frames.frame import is_frame
from boost.errors import ParameterError
from boost.estimator.callables import metric_of, name_of, objective_of
from boost.estimator.constructor import EXTRA, constructor
from boost.estimator.parameters import Parameters, draw_seed
from boost.params import Param
from boost.preset import Choice, Source, fit

if TYPE_CHECKING:
    from typing_extensions import Self

Floats = NDArray[np.float64]
Evals = Sequence[tuple[Any, ArrayLike]] | None
Rounds = tuple[int, int]
# Weights, base margins and query ids of the rows of a table, by the names of the arguments of `DMatrix`.
Columns = Mapping[str, Any]
# From the names of such columns of evaluation tables in `fit` to their names in `DMatrix`.
FIELDS = {
    "sample_weight_eval_set": "weight",
    "base_margin_eval_set": "base_margin",
    "eval_group": "group",
    "eval_qid": "qid",
}


@constructor()
class XGBModel(Parameters):
    """The base class of the estimators, and an estimator for any objective."""

    extra: tuple[Param, ...] = EXTRA
    # What makes a metric for `train` of a function of labels and predictions.
    _metric_of = staticmethod(metric_of)
    booster_: Booster
    chosen_: Choice

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    # Training

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
        verbose: bool | int | None = False,
        xgb_model: Any = None,
        feature_weights: ArrayLike | None = None,
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
        feature_weights : array_like of shape (features,), optional
            In place of the parameter of this name.
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
        columns |= {"feature_weights": feature_weights}
        table, drawn = self._split(X, label, columns, held_out)
        return self._fit(table, evals + drawn, {}, verbose, xgb_model)

    def get_xgb_params(self) -> dict[str, Any]:
        """Return the parameters of `train`; functions are left out."""
        params = super().get_xgb_params()
        if self._metric_functions():
            params["eval_metric"] = [m for m in self._metrics() if not callable(m)] or None
        return params

    def _metrics(self) -> list[Any]:
        """Return the names and functions of `eval_metric`."""
        given = self.eval_metric
        return list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]

    def _metric_functions(self) -> list[Callable[..., Any]]:
        """Return the functions of `eval_metric`; raise `ParameterError` for two of one name."""
        functions = [m for m in self._metrics() if callable(m)]
        names = [name_of(m) for m in functions]
        for name in names:
            if names.count(name) > 1:
                raise ParameterError(f"eval_metric holds two functions named {name!r}: rename one of them")
        return functions

    def get_num_boosting_rounds(self) -> int | None:
        """Return the number of rounds that `fit` trains; None when the preset finds it."""
        given = self._value("n_estimators")
        return None if given is None else int(given)

    def _option(self, name: str) -> Any:
        return None if name in self.omitted else self._value(name)

    def _check_table(self, X: Any, reset: bool, names: bool = True) -> Any:
        """Return X after scikit-learn's checks; parameters as of `check_table`."""
        return check_table(self, X, reset, names)

    def _own_columns(self, X: Any, named: Columns) -> Columns:
        """Return the columns of X that are no features, by the names of the arguments of `DMatrix`.

        `named` are those that were given beside X.
        """
        return {}

    def _table(self, X: Any, label: ArrayLike | None = None, **columns: Any) -> DMatrix:
        """Return a `DMatrix` of checked data, labels and other columns."""
        given = {
            "missing": self._value("missing"),
            "feature_types": self.feature_types,
            "feature_weights": self.feature_weights,
            "enable_categorical": self._value("enable_categorical"),
        }
        return DMatrix(X, label, **{**given, **columns})

    def _derived_table(self, X: Any, label: ArrayLike | None = None, **columns: Any) -> DMatrix:
        """Return a `DMatrix` of checked data with the columns that the fitted model derives."""
        encoding = self.booster_.model.encoding
        return self._table(encoding.transform(X) if encoding.derived else X, label, **columns)

    def _fit(
        self,
        table: Source,
        evals: list[Source],
        params: Mapping[str, Any],
        verbose: bool | int | None,
        xgb_model: Any,
    ) -> Any:
        """Train, and set the attributes of a fitted estimator.

        Parameters
        ----------
        table : Source
        evals : list of Source
            Evaluation tables.
        params : mapping
            Parameters that depend on the labels.
        verbose, xgb_model
            As for `BoostRegressor.fit`.
        """
        stop = self._option("early_stopping_rounds")
        if stop is not None and not evals:
            raise ValueError(
                "early_stopping_rounds needs an evaluation table: give eval_set to fit, or set "
                "validation_fraction"
            )
        rounds, earlier = self._rounds_from(xgb_model)
        result: dict[str, dict[str, list[float]]] = {}
        self.__dict__.pop("chosen_", None)  # of an earlier fit
        done = fit(
            table,
            {**self.get_xgb_params(), **params},
            preset=self._option("preset") or "xgboost",
            rounds=rounds,
            stopping=stop,
            evals=[(e, f"validation_{i}") for i, e in enumerate(evals)],
            options={
                "obj": objective_of(self.objective) if callable(self.objective) else None,
                "custom_metric": [self._metric_of(m) for m in self._metric_functions()],
                "evals_result": result,
                "verbose_eval": verbose,
                "callbacks": self.callbacks,
                "xgb_model": earlier,
            },
        )
        self.booster_, self.chosen_ = done.booster, done.choice
        for name in ("evals_result_", "best_iteration_", "best_score_"):
            self.__dict__.pop(name, None)  # of an earlier fit
        if evals:
            self.evals_result_ = result
        if self.booster_.model.best_iteration is not None:
            self.best_iteration_ = self.booster_.best_iteration
            self.best_score_ = self.booster_.best_score
        return self

    def _split(
        self, X: Any, label: NDArray, columns: Columns, held_out: NDArray[np.bool_] | None
    ) -> tuple[Source, list[Source]]:
        """Return the training table, and an evaluation table of the rows that are held out, if there are any.

        Parameters
        ----------
        X, label, columns
            The checked data, labels and other columns, as for `_table`.
        held_out : bool array of shape (rows,), or None
        """
        if held_out is None:
            return Source(X, label, columns, self._table), []
        of_rows = {name: column for name, column in columns.items() if name != "feature_weights"}
        check_consistent_length(X, *of_rows.values())
        kept = _part(self, X, label, of_rows, ~held_out)
        kept = replace(kept, columns={**columns, **kept.columns})
        return kept, [_part(self, X, label, of_rows, held_out)]

    def _rounds_from(self, xgb_model: Any) -> tuple[int | None, Any]:
        """Return the number of rounds (None for those of the preset), and the model to continue from."""
        rounds = self.get_num_boosting_rounds()
        if isinstance(xgb_model, XGBModel):
            xgb_model = xgb_model.get_booster()
        if not self._warm():
            return rounds, xgb_model
        if xgb_model is not None:
            raise ValueError("warm_start continues from the last fit: give no xgb_model")
        done = self.booster_.num_boosted_rounds()
        if rounds is None:
            raise ValueError("warm_start continues up to n_estimators rounds in all: give n_estimators")
        if rounds < done:
            raise ValueError(
                f"n_estimators={rounds} is less than the {done} rounds of the last fit: with warm_start it "
                "counts them all"
            )
        return rounds - done, self.booster_

    def _warm(self) -> bool:
        return bool(self._option("warm_start")) and "booster_" in self.__dict__

    def _eval_tables(self, eval_set: Evals, label: Callable[[Any, Any], Any], **columns: Any) -> list[Source]:
        """Return the evaluation tables.

        Parameters
        ----------
        eval_set : sequence of (X, y), or None
        label : callable
            Returns the checked labels of a table, from y and X.
        columns
            For each name in `fit`, an entry for each pair, or None.
        """
        if eval_set is not None and self._option("validation_fraction") is not None:
            raise ValueError("validation_fraction replaces eval_set: give one of them")
        pairs = list(eval_set or ())
        lists: dict[str, list[Any]] = {}
        for name, given in columns.items():
            lists[name] = [None] * len(pairs) if given is None else list(given)
            if len(lists[name]) != len(pairs):
                raise ValueError(f"{name} has {len(lists[name])} entries for {len(pairs)} pairs in eval_set")
        out = []
        for i, (X, y) in enumerate(pairs):
            named = {FIELDS[name]: given[i] for name, given in lists.items()}
            named |= self._own_columns(X, named)
            X = self._check_table(X, reset=False)
            out.append(Source(X, label(y, X), named, self._table))
        return out

    def _held_out(self, strata: NDArray) -> NDArray[np.bool_] | None:
        """Draw the rows for evaluation from each stratum; bool, shape (rows,). None without a fraction."""
        share = self._option("validation_fraction")
        if share is None:
            return None
        rng = np.random.default_rng(draw_seed(self.random_state) or 0)
        drawn = np.zeros(strata.size, dtype=bool)
        for stratum in np.unique(strata):
            rows = np.flatnonzero(strata == stratum)
            drawn[rng.permutation(rows)[: round(share * rows.size)]] = True
        if not drawn.any() or drawn.all():
            raise ValueError(
                f"validation_fraction={share} of {strata.size} leaves no rows to evaluate or to train on"
            )
        return drawn

    # The model

    def get_booster(self) -> Booster:
        """Return the trained model."""
        check_is_fitted(self, "booster_")
        return self.booster_

    def evals_result(self) -> dict[str, dict[str, list[float]]]:
        """Return the metrics of each round, ``{name: {metric: [values]}}``."""
        check_is_fitted(self, "evals_result_")
        return self.evals_result_

    @property
    def best_iteration(self) -> int:
        """The best round of a training with early stopping."""
        check_is_fitted(self, "best_iteration_")
        return self.best_iteration_

    @property
    def best_score(self) -> float | None:
        """The metric of the best round."""
        check_is_fitted(self, "best_iteration_")
        return self.best_score_

    @property
    def feature_importances_(self) -> Floats:
        """Importances of the features, divided by their sum; float64, shape (features,)."""
        booster = self.get_booster()
        amount = booster.forest.importance(self._value("importance_type"), booster.num_features())
        total = amount.sum()
        return amount / total if total > 0 else amount

    @property
    def intercept_(self) -> Floats:
        """The prediction before the first tree; float64, shape (outputs,). For several classes, margins."""
        return self.get_booster().base_score.copy()

    @property
    def coef_(self) -> Floats:
        """Raise AttributeError: only linear models have coefficients."""
        raise AttributeError(
            f"{type(self).__name__} has no coef_: a model of trees has no coefficients; feature_importances_ "
            "measures how much each feature is used"
        )

    def save_model(self, path: Any) -> None:
        """Write the model to a JSON or UBJSON file, with the labels of a classifier."""
        self._to_save().save_model(path)

    def _to_save(self) -> Booster:
        return self.get_booster()

    def load_model(self, source: Any) -> None:
        """Use the model of a file, as `Booster.load_model` reads it; the parameters do not change."""
        booster = Booster(model_file=source)
        self.booster_, self.n_features_in_ = booster, booster.num_features()
        for name in ("feature_names_in_", "evals_result_", "best_iteration_", "best_score_"):
            self.__dict__.pop(name, None)
        if booster.feature_names is not None:
            self.feature_names_in_ = np.array(booster.feature_names, dtype=object)
        if booster.model.best_iteration is not None:
            self.best_iteration_, self.best_score_ = booster.best_iteration, booster.best_score

    # Predictions

    def predict(
        self,
        X: Any,
        *,
        output_margin: bool = False,
        validate_features: bool = True,
        base_margin: ArrayLike | None = None,
        iteration_range: tuple[int, int] | None = None,
    ) -> Floats:
        """Return the predictions; float64, shape (rows,) or (rows, outputs).

        Parameters
        ----------
        X : array, frame or sparse matrix of shape (rows, features)
        output_margin, validate_features, iteration_range
            As for `Booster.predict`.
        base_margin : array_like of shape (rows,) or (rows, outputs), optional
        """
        kind = "margin" if output_margin else "value"
        return self._predict(
            X,
            base_margin,
            predict_type=kind,
            validate_features=validate_features,
            iteration_range=iteration_range,
        )

    def staged_predict(self, X: Any) -> Iterator[Floats]:
        """Yield the predictions after each round."""
        for margin in self._staged_margins(X):
            value = self.booster_.objective.transform(margin)
            yield value if value.shape[1] > 1 else value[:, 0]

    def _rounds(self, iteration_range: Rounds | None = None) -> Rounds:
        """Return the rounds to predict with: by default all, or those up to the best of early stopping.

        A callback of early stopping keeps the rounds after the best one in the model.
        """
        model = self.get_booster().model
        first, last = iteration_range or (0, 0)
        if not last and model.best_iteration is not None:
            last = min(model.best_iteration + 1, model.forest.rounds)
        return first, last

    def _predict(
        self,
        X: Any,
        base_margin: ArrayLike | None,
        iteration_range: Rounds | None = None,
        validate_features: bool = True,
        **options: Any,
    ) -> Floats:
        booster, rounds = self.get_booster(), self._rounds(iteration_range)
        X = self._check_table(X, reset=False, names=validate_features)
        options |= {"missing": self._value("missing"), "base_margin": base_margin, "iteration_range": rounds}
        return booster.inplace_predict(X, validate_features=validate_features, **options)

    def apply(self, X: Any, iteration_range: Rounds | None = None) -> NDArray[np.int32]:
        """Return the leaf of each row in each tree; int32, shape (rows, trees)."""
        booster, rounds = self.get_booster(), self._rounds(iteration_range)
        table = self._derived_table(self._check_table(X, reset=False))
        return booster.predict(table, pred_leaf=True, iteration_range=rounds)

    def _staged_margins(self, X: Any) -> Iterator[Floats]:
        """Yield the margins after each round, shape (rows, outputs); each tree is traversed once."""
        booster, (_, last) = self.get_booster(), self._rounds()
        staged = booster.staged_margins(self._derived_table(self._check_table(X, reset=False)))
        for margin in islice(staged, last or None):
            yield margin.copy()


def _part(estimator: XGBModel, X: Any, label: NDArray, columns: Columns, rows: NDArray[np.bool_]) -> Source:
    """Return a table of some rows."""
    at = np.flatnonzero(rows)
    given = {name: None if c is None else _safe_indexing(c, at) for name, c in columns.items()}
    return Source(_safe_indexing(X, at), label[at], given, estimator._table)


def check_table(estimator: BaseEstimator, X: Any, reset: bool, names: bool = True) -> Any:
    """Return X after scikit-learn's checks; frames are left as they are, for `DMatrix` to encode.

    A table to fit on (`reset`) needs rows, one to predict does not. The names of the columns of a frame are
    checked if `names`.
    """
    if is_frame(X):
        if names:
            validate_data(estimator, X, reset=reset, skip_check_array=True)
        return X
    return validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse="csr",
        dtype=np.float32,
        ensure_all_finite="allow-nan",
        ensure_min_samples=int(reset),
    )


def check_y(y: Any, X: Any, numeric: bool = True) -> NDArray:
    """Return labels as an array of shape (rows,), or (rows, outputs)."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    given = np.asarray(y)
    if given.ndim == 2 and given.shape[1] > 1:
        labels = check_array(given, dtype="numeric" if numeric else None, ensure_min_samples=0)
    else:
        labels = column_or_1d(y, warn=True)
    if numeric and labels.dtype.kind == "O":
        labels = labels.astype(np.float64)
    if labels.shape[0] != X.shape[0]:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {[X.shape[0], len(labels)]}"
        )
    return labels
