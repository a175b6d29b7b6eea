"""A trained model, and what its predictions mean in the words of its table."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.errors import TableError, unknown
from boost.tables.table import Target

if TYPE_CHECKING:
    import pandas as pd

    from boost import Booster, DMatrix

# under this name a model file keeps what its predictions mean
ATTRIBUTE = "espalier.table"
# what is shown of each round
TRAIN, HELD = "train", "held out"


@dataclass
class TableModel:
    """A trained model and what its predictions mean.

    Parameters
    ----------
    booster : Booster
    target : str or None
        Name of the column it predicts, where that is known.
    task : str
        One of `boost.tables.table.TASKS`.
    classes : list or None
    history : dict
        The metrics of each round, where it was trained here.
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
        *,
        rounds: int = 200,
        seed: int = 0,
        coverage: float | None = None,
        watched: tuple[pd.DataFrame, Target] | None = None,
        early_stopping: int | None = None,
        weight: np.ndarray | None = None,
        callbacks: Sequence[Any] = (),
        **params: Any,
    ) -> TableModel:
        """Train on every row of a table.

        Parameters
        ----------
        features : DataFrame
        target : Target
        rounds : int
            Boosting rounds.
        seed : int
        coverage : float, optional
            Train the quantiles of intervals of this coverage; `calibrate` makes them hold it.
        watched : (DataFrame, Target), optional
            Rows to evaluate after each round, and to stop by.
        early_stopping : int, optional
            Stop when so many rounds have not improved the watched rows, and keep the best ones.
        weight : ndarray of shape (rows,), optional
        callbacks : sequence of boost.callback.TrainingCallback
        **params
            Parameters of `boost.train` beside a learning rate of 0.1.

        Raises
        ------
        TableError
            For an objective that does not fit the target, or needs more than a table.
        """
        import boost

        settings = cls.settings(target, coverage=coverage, seed=seed, **params)
        data = boost.DMatrix(features, label=target.labels, weight=weight)
        evals = [(data, TRAIN)]
        if watched is not None:
            evals.append((boost.DMatrix(watched[0], label=watched[1].labels), HELD))
        history: dict[str, dict[str, list[float]]] = {}
        booster = boost.train(
            settings,
            data,
            num_boost_round=rounds,
            evals=evals,
            evals_result=history,
            verbose_eval=False,
            early_stopping_rounds=early_stopping,
            callbacks=callbacks,
        )
        meaning = {"target": target.name, "task": target.task, "classes": target.classes}
        booster.attributes[ATTRIBUTE] = json.dumps(meaning)
        return cls(booster, target.name, target.task, target.classes, history)

    @staticmethod
    def settings(
        target: Target, *, coverage: float | None = None, seed: int = 0, **params: Any
    ) -> dict[str, Any]:
        """Training parameters for a target, checked; see `train`.

        Raises
        ------
        ValueError
            For parameters that `boost` refuses, and objectives that do not fit the target.
        """
        from boost.model.interval import interval_levels
        from boost.params import resolve

        settings: dict[str, Any] = {"eta": 0.1, "seed": seed, "objective": "reg:squarederror"}
        if target.classes is not None:
            binary = len(target.classes) == 2
            settings["objective"] = "binary:logistic" if binary else "multi:softprob"
        if coverage is not None:
            if target.classes is not None:
                raise TableError(
                    "intervals are for numbers: the target has classes, whose probabilities say it"
                )
            settings |= {"objective": "reg:quantileerror", "quantile_alpha": interval_levels(coverage)}
            if clash := sorted({"objective", "quantile_alpha"} & set(params)):
                raise TableError(f"a coverage sets {clash[0]} itself")
        if "eta" in params or "learning_rate" in params:
            del settings["eta"]
        settings |= params
        objective = str(settings["objective"])
        if objective.startswith("rank:") or objective == "survival:aft":
            raise TableError(f"{objective} needs more than a target column: use boost.train")
        several = objective.startswith("multi:")
        if (several or objective.startswith("binary:")) != (target.classes is not None):
            raise TableError(f"{objective} does not go with a target of {target.task}: give --task")
        if several and target.classes is not None:
            settings["num_class"] = len(target.classes)
        elif target.classes is not None and len(target.classes) > 2:
            raise TableError(f"{objective} is for two classes, the target has {len(target.classes)}")
        resolve(settings)
        return settings

    def calibrate(self, features: pd.DataFrame, target: Target, coverage: float) -> None:
        """Make the intervals of a model hold this share of new rows; see `boost.model.interval.calibrate`."""
        import boost

        self.booster.calibrate(boost.DMatrix(features, label=target.labels), coverage)

    @property
    def has_intervals(self) -> bool:
        """Whether it was calibrated."""
        from boost.model.interval import ATTRIBUTE as INTERVAL

        return INTERVAL in self.booster.attributes

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model in XGBoost's format."""
        self.booster.save_model(os.fspath(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """Read a model; one that was not made by `train` predicts plain numbers.

        Raises
        ------
        ValueError
            If the file is missing or is no model.
        """
        import boost

        if not Path(path).is_file():
            raise TableError(f"{os.fspath(path)}: no such file")
        booster = boost.Booster(model_file=os.fspath(path))
        meaning: dict[str, Any] = {"target": None, "task": "regression", "classes": None}
        if ATTRIBUTE in booster.attributes:
            try:
                meaning |= json.loads(booster.attributes[ATTRIBUTE])
                classes = meaning["classes"]
                outputs = max(2, booster.objective.n_outputs)
                fits = classes is None or (isinstance(classes, list) and len(classes) == outputs)
            except (ValueError, TypeError):
                fits = False
            if not fits:
                raise TableError(f"{os.fspath(path)}: the attribute {ATTRIBUTE} does not describe the model")
        return cls(booster, meaning["target"], meaning["task"], meaning["classes"])

    def columns_of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns that the model was trained on, in its order; numbers that stand for categories as such.

        Raises
        ------
        TableError
            If one is missing.
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
            for f, known in self.booster.categories.items()
            if not isinstance((known or [""])[0], str)
        ]
        return used.astype({name: "category" for name in numbered if used[name].dtype.kind in "biuf"})

    def table(self, features: pd.DataFrame, labels: np.ndarray | None = None) -> DMatrix:
        """The columns of the model as its table."""
        import boost

        return boost.DMatrix(self.columns_of(features), label=labels)

    def scores(self, features: pd.DataFrame) -> np.ndarray:
        """Predicted numbers of shape (rows,), or probabilities of shape (rows, classes)."""
        raw = np.asarray(self.booster.predict(self.table(features)))
        return np.column_stack([1 - raw, raw]) if self.classes and raw.ndim == 1 else raw

    def output_names(self) -> list[str]:
        """A name for each output of the model: its classes, its levels, or numbers; empty for one output."""
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
        """Predictions as a table.

        Columns: ``prediction``, and for classes ``probability_<class>`` each; for several outputs, one each;
        for intervals, the median as ``prediction``, ``lower`` and ``upper``.

        Parameters
        ----------
        features : DataFrame
        uncertainty : bool
            Whether to add variances, see `boost.model.uncertainty`: ``knowledge``, and ``data`` where the
            loss speaks of it.
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
            doubt = self.booster.predict_uncertainty(self.table(features))
            kinds = {"knowledge": doubt.knowledge, "data": doubt.data}
            for kind, values in kinds.items():
                if values is not None and values.ndim == 1:
                    table[kind] = values
                elif values is not None:
                    names = self.output_names()[: values.shape[1]]
                    table |= {f"{kind}_{name}": v for name, v in zip(names, values.T, strict=True)}
        return pd.DataFrame(table)

    def evaluate(self, features: pd.DataFrame, labels: np.ndarray) -> dict[str, float]:
        """Metrics: accuracy and log loss; RMSE and R2; coverage and width; or that of the objective."""
        scores = self.scores(features)
        if self.classes:
            right = scores[np.arange(len(labels)), labels.astype(int)]
            return {
                "accuracy": float(np.mean(np.argmax(scores, axis=1) == labels)),
                "log loss": float(-np.mean(np.log(np.maximum(right, 1e-15)))),
            }
        if self.has_intervals:
            lower, upper = self.booster.predict_interval(self.table(features)).T
            held = float(np.mean((lower <= labels) & (labels <= upper)))
            return {"coverage": held, "mean width": float(np.mean(upper - lower))}
        if scores.ndim > 1 or self.booster.objective.name not in SQUARED:
            from boost.metric import make_metric

            metric = make_metric(self.booster.objective.metric, self.booster.params)
            table = self.table(features, labels)
            return {metric.name: metric(scores.reshape(len(labels), -1), table)}
        error = scores - labels
        total = float(np.sum((labels - labels.mean()) ** 2))
        fit = {"RMSE": float(np.sqrt(np.mean(error**2)))}
        return fit | ({"R2": 1.0 - float(np.sum(error**2)) / total} if total > 0 else {})


# objectives whose predictions are means on the scale of the label
SQUARED = ("reg:squarederror", "reg:normal", "reg:logistic")
