"""A trained model with the target of its table: predictions and metrics by column and class names."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.errors import TableError, unknown
from boost.tables.target import Target

if TYPE_CHECKING:
    import pandas as pd

    from boost import Booster, DMatrix

# The attribute of a model file that holds target, task and classes, as JSON.
ATTRIBUTE = "espalier.table"
# The names of the tables whose metrics are shown after each round.
TRAIN, HELD = "train", "held out"
# Objectives whose predictions are means on the scale of the label.
SQUARED = ("reg:squarederror", "reg:normal", "reg:logistic")


@dataclass
class TableModel:
    """A trained model, its target column and its classes.

    Parameters
    ----------
    booster : Booster
    target : str or None
        Name of the column that it predicts; None when the model file does not hold it.
    task : {"regression", "classification"}
    classes : list or None
        The values of a classification, in the order of the labels.
    history : dict
        The metrics of each round, ``{table: {metric: [values]}}``; empty for a model from a file.
    """

    booster: Booster
    target: str | None
    task: str
    classes: list[Any] | None
    history: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    @classmethod
    def train(
        cls,
        features: pd.DataFrame,
        target: Target,
        params: Mapping[str, Any] | None = None,
        *,
        rounds: int = 200,
        watched: tuple[pd.DataFrame, Target] | None = None,
        early_stopping: int | None = None,
        weight: np.ndarray | None = None,
        callbacks: Sequence[Any] = (),
    ) -> TableModel:
        """Train on every row of a table.

        Parameters
        ----------
        features : DataFrame
        target : Target
        params : dict, optional
            From `training_params`; its defaults when absent.
        rounds : int
            Number of boosting rounds.
        watched : (DataFrame, Target), optional
            Rows that are evaluated after each round, also for early stopping.
        early_stopping : int, optional
            Stop after this many rounds without an improvement of the metric on the watched rows, and keep the
            rounds up to the best one.
        weight : array of shape (rows,), optional
        callbacks : sequence of boost.callback.TrainingCallback
        """
        import boost

        params = cls.training_params(target) if params is None else params
        data = boost.DMatrix(features, label=target.labels, weight=weight)
        evals = [(data, TRAIN)]
        if watched is not None:
            evals.append((boost.DMatrix(watched[0], label=watched[1].labels), HELD))
        history: dict[str, dict[str, list[float]]] = {}
        booster = boost.train(
            dict(params),
            data,
            num_boost_round=rounds,
            evals=evals,
            evals_result=history,
            verbose_eval=False,
            early_stopping_rounds=early_stopping,
            callbacks=callbacks,
        )
        description = {"target": target.name, "task": target.task, "classes": target.classes}
        booster.attributes[ATTRIBUTE] = json.dumps(description)
        return cls(booster, target.name, target.task, target.classes, history)

    @staticmethod
    def training_params(
        target: Target, *, coverage: float | None = None, seed: int = 0, **params: Any
    ) -> dict[str, Any]:
        """Return checked parameters of `boost.train` for a target.

        Parameters
        ----------
        target : Target
        coverage : float, optional
            The coverage of intervals: their quantiles are trained, and `calibrate` adjusts them.
        seed : int
        **params
            Parameters of `boost.train`. The default of the learning rate is 0.1 here, and that of the
            objective depends on the target.

        Raises
        ------
        ParameterError
            For an unknown parameter or a value that is not allowed.
        TableError
            For an objective that does not fit the target, or needs more than a table.
        """
        from boost.model.interval import interval_levels
        from boost.params import resolve

        chosen: dict[str, Any] = {"eta": 0.1, "seed": seed, "objective": "reg:squarederror"}
        if target.classes is not None:
            binary = len(target.classes) == 2
            chosen["objective"] = "binary:logistic" if binary else "multi:softprob"
        if coverage is not None:
            if target.classes is not None:
                raise TableError(
                    "a coverage is for a regression: the target has classes, for which the model predicts "
                    "probabilities"
                )
            chosen |= {"objective": "reg:quantileerror", "quantile_alpha": interval_levels(coverage)}
            if clash := sorted({"objective", "quantile_alpha"} & set(params)):
                raise TableError(f"give coverage or {clash[0]}, not both: a coverage determines {clash[0]}")
        if "eta" in params or "learning_rate" in params:
            del chosen["eta"]
        chosen |= params
        objective = str(chosen["objective"])
        if objective.startswith("rank:") or objective == "survival:aft":
            raise TableError(f"{objective} needs more than a target column: use boost.train")
        several = objective.startswith("multi:")
        if (several or objective.startswith("binary:")) != (target.classes is not None):
            raise TableError(
                f"{objective} does not fit a target of {target.task}: give another objective or task"
            )
        if several and target.classes is not None:
            chosen["num_class"] = len(target.classes)
        elif target.classes is not None and len(target.classes) > 2:
            raise TableError(f"{objective} is for two classes, the target has {len(target.classes)}")
        resolve(chosen, strict=True)
        return chosen

    def calibrate(self, features: pd.DataFrame, target: Target, coverage: float) -> None:
        """Calibrate the intervals to contain this share of the labels of new rows.

        The rows must not be those of the training; see `boost.model.interval.calibrate`.
        """
        import boost

        self.booster.calibrate(boost.DMatrix(features, label=target.labels), coverage)

    @property
    def has_intervals(self) -> bool:
        """Whether the model predicts calibrated intervals."""
        from boost.model.interval import ATTRIBUTE as INTERVAL

        return INTERVAL in self.booster.attributes

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file, XGBoost's JSON or UBJSON by the extension; see `Booster.save_model`."""
        self.booster.save_model(os.fspath(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """Read a model file; a model that `train` did not make is one of a regression.

        Raises
        ------
        TableError
            For a missing file, and a damaged attribute.
        ModelError
            For a file that is not a model.
        """
        import boost

        if not Path(path).is_file():
            raise TableError(f"{os.fspath(path)}: no such file")
        return cls.of(boost.Booster(model_file=os.fspath(path)), path)

    @classmethod
    def of(cls, booster: Booster, path: str | os.PathLike[str]) -> TableModel:
        """Return the model of a booster that was read from a file; errors name the file."""
        description: dict[str, Any] = {"target": None, "task": "regression", "classes": None}
        if ATTRIBUTE in booster.attributes:
            try:
                description |= json.loads(booster.attributes[ATTRIBUTE])
                classes = description["classes"]
                outputs = max(2, booster.objective.n_outputs)
                fits = classes is None or (isinstance(classes, list) and len(classes) == outputs)
            except (ValueError, TypeError):
                fits = False
            if not fits:
                raise TableError(f"{os.fspath(path)}: the attribute {ATTRIBUTE} does not describe the model")
        return cls(booster, description["target"], description["task"], description["classes"])

    def columns_of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the columns that the model was trained on, in the order of the model.

        A column of numbers becomes categorical if it was so in training.

        Raises
        ------
        TableError
            For a missing column.
        """
        names = self.booster.feature_names
        if names is None:
            return frame
        for name in names:
            if name not in frame.columns:
                raise TableError(
                    f"the model needs a column {name!r}: {unknown('column', name, map(str, frame))}"
                )
        used = frame[names]
        numbered = [
            names[f]
            for f, dictionary in self.booster.categories.items()
            if not isinstance((dictionary or [""])[0], str)
        ]
        return used.astype({name: "category" for name in numbered if used[name].dtype.kind in "biuf"})

    def table(self, features: pd.DataFrame, labels: np.ndarray | None = None) -> DMatrix:
        """Return the columns of the model as a `DMatrix`."""
        import boost

        return boost.DMatrix(self.columns_of(features), label=labels)

    def scores(self, features: pd.DataFrame) -> np.ndarray:
        """Return the predictions: probabilities of shape (rows, classes) for a classification.

        For a regression, numbers of shape (rows,), or (rows, outputs) for several outputs.
        """
        raw = np.asarray(self.booster.predict(self.table(features)))
        return np.column_stack([1 - raw, raw]) if self.classes and raw.ndim == 1 else raw

    def output_names(self) -> list[str]:
        """Return the name of each output: the classes, the levels, or numbers; empty for a single output."""
        outputs = self.booster.objective.n_outputs
        if outputs == 1:
            return []
        if self.classes:
            return [str(c) for c in self.classes]
        if self.booster.objective.name == "reg:normal":
            return ["mean", "deviation"]
        levels = self.booster.params["quantile_alpha"] or self.booster.params["expectile_alpha"]
        if levels and len(levels) == outputs:
            return [f"level_{level:g}" for level in levels]
        return [f"output_{k}" for k in range(outputs)]

    def predict(self, features: pd.DataFrame, *, uncertainty: bool = False) -> pd.DataFrame:
        """Return the predictions as a table.

        Parameters
        ----------
        features : DataFrame
        uncertainty : bool
            Whether to add variances: ``knowledge``, and ``data`` if the loss defines it; see
            `boost.model.uncertainty`.

        Returns
        -------
        DataFrame
            ``prediction``, and for a classification ``probability_<class>`` of each class. For intervals,
            ``prediction`` is the median, between ``lower`` and ``upper``. For several outputs, a column of
            each by its name.
        """
        import pandas as pd

        scores = self.scores(features)
        if self.classes:
            table: dict[str, Any] = {"prediction": [self.classes[k] for k in np.argmax(scores, axis=1)]}
            table |= {f"probability_{c}": scores[:, k] for k, c in enumerate(self.classes)}
        elif self.has_intervals:
            lower, upper = self.booster.predict_interval(self.table(features)).T
            table = {"prediction": np.median(scores, axis=1), "lower": lower, "upper": upper}
        elif scores.ndim == 1:
            table = {"prediction": scores}
        else:
            table = dict(zip(self.output_names(), scores.T, strict=True))
        if uncertainty:
            variances = self.booster.predict_uncertainty(self.table(features))
            kinds = {"knowledge": variances.knowledge, "data": variances.data}
            for kind, values in kinds.items():
                if values is not None and values.ndim == 1:
                    table[kind] = values
                elif values is not None:
                    names = self.output_names()[: values.shape[1]]
                    table |= {f"{kind}_{name}": v for name, v in zip(names, values.T, strict=True)}
        return pd.DataFrame(table)

    def evaluate(self, features: pd.DataFrame, labels: np.ndarray) -> dict[str, float]:
        """Return the metrics of a table, by name.

        Accuracy and log loss for a classification, coverage and mean width for intervals, RMSE and R2 for
        predictions of means, and the metric of the objective for others.

        Parameters
        ----------
        features : DataFrame
        labels : float32 array of shape (rows,)
        """
        scores = self.scores(features)
        if self.classes:
            of_label = scores[np.arange(len(labels)), labels.astype(int)]
            return {
                "accuracy": float(np.mean(np.argmax(scores, axis=1) == labels)),
                "log loss": float(-np.mean(np.log(np.maximum(of_label, 1e-15)))),
            }
        if self.has_intervals:
            lower, upper = self.booster.predict_interval(self.table(features)).T
            inside = float(np.mean((lower <= labels) & (labels <= upper)))
            return {"coverage": inside, "mean width": float(np.mean(upper - lower))}
        if scores.ndim > 1 or self.booster.objective.name not in SQUARED:
            from boost.metric import make_metric

            metric = make_metric(self.booster.objective.metric, self.booster.params)
            table = self.table(features, labels)
            return {metric.name: metric(scores.reshape(len(labels), -1), table)}
        error = scores - labels
        total = float(np.sum((labels - labels.mean()) ** 2))
        fit = {"RMSE": float(np.sqrt(np.mean(error**2)))}
        return fit | ({"R2": 1.0 - float(np.sum(error**2)) / total} if total > 0 else {})
