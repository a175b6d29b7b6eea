"""The base class of classifiers: labels of any type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from boost.booster import Booster
from boost.errors import LabelError, ModelError, ParameterError
from boost.estimator.base import Evals, Floats, XGBModel, check_y
from boost.estimator.constructor import CLASS_WEIGHT, EXTRA
from boost.model.model_io.schema import CLASSES
from boost.params import MULTI

if TYPE_CHECKING:
    from typing_extensions import Self

# Objectives of two classes; those of more are MULTI.
TWO = ("binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic")


class Classifier(ClassifierMixin, XGBModel):
    """Classification by boosted trees."""

    extra = (*EXTRA, CLASS_WEIGHT)
    classes_: NDArray

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
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
        verbose: bool | int | None = False,
        xgb_model: Any = None,
        feature_weights: ArrayLike | None = None,
    ) -> Self:
        """Train, as `BoostRegressor.fit`; the labels may be of any type."""
        self._check_extra()
        X = self._check_table(X, reset=True)
        labels = check_y(y, X, numeric=False)
        check_classification_targets(labels)
        before = self.classes_ if self._warm() else None
        several = type_of_target(labels) == "multilabel-indicator"
        codes = self._set_classes(labels, several)
        if before is not None and not np.array_equal(before, self.classes_):
            now, self.classes_ = self.classes_, before
            raise LabelError(f"warm_start continues with the classes {before.tolist()}, y has {now.tolist()}")
        evals = self._eval_tables(
            eval_set,
            lambda y, X: check_y(y, X) if several else self._codes(check_y(y, X, numeric=False)),
            sample_weight_eval_set=sample_weight_eval_set,
            base_margin_eval_set=base_margin_eval_set,
        )
        if self.class_weight is not None:
            factor = compute_sample_weight(self.class_weight, labels)
            sample_weight = factor if sample_weight is None else factor * np.asarray(sample_weight)
        columns = {"weight": sample_weight, "base_margin": base_margin}
        held_out = self._held_out(np.zeros(len(codes), dtype=np.int64) if several else codes)
        params = self._objective(1 if several else self.classes_.size)
        columns |= {"feature_weights": feature_weights}
        table, drawn = self._split(X, codes, columns, held_out)
        return self._fit(table, evals + drawn, params, verbose, xgb_model)

    def _set_classes(self, labels: NDArray, several: bool) -> NDArray:
        """Set `classes_`, and return the labels of the objective: codes of classes, or columns of 0 and 1."""
        if several:
            # As in scikit-learn, the labels are the numbers of the columns.
            self.classes_ = np.arange(labels.shape[1])
            return labels
        if labels.ndim == 2:
            raise LabelError("labels of several columns must be 0 and 1")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        return codes

    def _objective(self, classes: int) -> dict[str, Any]:
        """Return the objective parameters for a number of classes; 1 for multilabel classification."""
        given = self._value("objective")
        if not callable(given) and given not in (*TWO, *MULTI):
            allowed = ", ".join((*TWO, *MULTI))
            raise ParameterError(
                f"objective of {type(self).__name__} must be a function or one of {allowed}, got {given!r}"
            )
        if classes > 2:
            return {"num_class": classes, "objective": given if given in MULTI else "multi:softprob"}
        return {"objective": given if given in TWO else "binary:logistic"}

    def _codes(self, labels: NDArray) -> NDArray:
        unknown = ~np.isin(labels, self.classes_)
        if unknown.any():
            raise LabelError(f"eval_set holds the label {labels[unknown].tolist()[0]!r}, which y does not")
        return np.searchsorted(self.classes_, labels)

    @property
    def n_classes_(self) -> int:
        """Number of classes."""
        self.get_booster()
        return int(self.classes_.size)

    @property
    def _several(self) -> bool:
        """Whether the labels are several columns of 0 and 1."""
        return self.booster_.params.num_class == 0 and self.booster_.objective.n_outputs > 1

    def predict_proba(
        self,
        X: Any,
        *,
        validate_features: bool = True,
        base_margin: ArrayLike | None = None,
        iteration_range: tuple[int, int] | None = None,
    ) -> Floats:
        """Return the probabilities of `classes_`; float64, shape (rows, classes).

        For several columns of labels: of a 1 in each of them, shape (rows, columns). Parameters as for
        `predict`.
        """
        margin = self._predict(
            X,
            base_margin,
            predict_type="margin",
            validate_features=validate_features,
            iteration_range=iteration_range,
            strict_shape=True,
        )
        return self._probabilities(margin)

    def _probabilities(self, margin: Floats) -> Floats:
        if self.classes_.size == 1:
            return np.ones((len(margin), 1))
        p = self.booster_.objective.transform(margin)
        return np.column_stack((1.0 - p, p)) if p.shape[1] == 1 else p

    def _most_probable(self, p: Floats) -> NDArray:
        return (p > 0.5).astype(np.int64) if self._several else self.classes_[p.argmax(axis=1)]

    def decision_function(self, X: Any) -> Floats:
        """Return the margins; float64, shape (rows,), or (rows, outputs) for more than one."""
        return self._predict(X, None, predict_type="margin")

    def predict(
        self,
        X: Any,
        *,
        output_margin: bool = False,
        validate_features: bool = True,
        base_margin: ArrayLike | None = None,
        iteration_range: tuple[int, int] | None = None,
    ) -> NDArray:
        """Return the most probable classes; shape (rows,), or zeros and ones of shape (rows, columns).

        Parameters
        ----------
        X : array, frame or sparse matrix of shape (rows, features)
        output_margin : bool
            Return margins in place of classes.
        base_margin : array_like of shape (rows,) or (rows, outputs), optional
        validate_features, iteration_range
            As for `Booster.predict`.
        """
        options: dict[str, Any] = {
            "base_margin": base_margin,
            "validate_features": validate_features,
            "iteration_range": iteration_range,
        }
        if output_margin:
            return self._predict(X, predict_type="margin", **options)
        p = self.predict_proba(X, **options)
        return self._most_probable(p)

    def staged_predict_proba(self, X: Any) -> Iterator[Floats]:
        """Yield the probabilities of `classes_` after each round."""
        for margin in self._staged_margins(X):
            yield self._probabilities(margin)

    def staged_predict(self, X: Any) -> Iterator[NDArray]:
        """Yield the most probable classes after each round."""
        for p in self.staged_predict_proba(X):
            yield self._most_probable(p)

    def _to_save(self) -> Booster:
        booster = self.get_booster().copy()
        booster.attributes[CLASSES] = json.dumps(self.classes_.tolist())
        return booster

    def load_model(self, source: Any) -> None:
        """Use the model of a file, as `Booster.load_model` reads it.

        The labels are those that `save_model` wrote; for a file without them, they are 0, 1, 2, ...
        """
        other = Booster(model_file=source)
        if other.objective.name not in (*TWO, *MULTI):
            raise ModelError(f"{type(self).__name__} needs a model of classes, got {other.objective.name}")
        outputs = other.objective.n_outputs
        counts = (2, 1) if outputs == 1 else (outputs,)
        try:
            classes = json.loads(other.attributes.get(CLASSES, "null"))
        except (ValueError, RecursionError):
            classes = ()
        if classes is not None and not (isinstance(classes, list) and len(classes) in counts):
            raise ModelError(f"attribute {CLASSES} must be a list of {counts[0]} labels")
        super().load_model(source)
        self.classes_ = np.arange(counts[0]) if classes is None else np.array(classes)
