"""A trained model with the target of its table: predictions and metrics by column and class names."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.encoding.dates import DateParts
from boost.errors import TableError, unknown
from boost.tables.examples import Examples
from boost.tables.scores import (
    SQUARED,
    class_scores,
    interval_scores,
    number_scores,
    objective_scores,
    ranking_scores,
    survival_scores,
)
from boost.tables.target import Target

if TYPE_CHECKING:
    import pandas as pd

    from boost import Booster, DMatrix
    from boost.preset import Choice, Source

# The attribute of a model file that holds target, task, classes and columns, as JSON.
ATTRIBUTE = "espalier.table"
# The names of the rows whose metrics are kept after each round.
TRAIN, STOPPING, TEST = "training rows", "rows kept to stop by", "rows held out to test"
# Rounds without an improvement after which a training stops on the rows of `watched`.
PATIENCE = 20
# Most rounds of a training that stops on the rows of `watched`.
MOST_ROUNDS = 5000


@dataclass
class TableModel:
    """A trained model, its target column and its classes.

    Parameters
    ----------
    booster : Booster
    target : str or None
        Name of the column that it predicts; None when the model file does not hold it.
    task : {"regression", "classification", "ranking", "survival"}
    classes : list or None
        The values of a classification, in the order of the labels.
    columns : list of str or None
        The columns of a table that it uses, before dates become their parts.
    ids : list of str
        The columns that identify rows, written beside predictions.
    history : dict
        The metrics of each round, ``{rows: {metric: [values]}}``; empty for a model from a file.
    choice : Choice or None
        What the preset chose; None for a model from a file.
    """

    booster: Booster
    target: str | None
    task: str
    classes: list[Any] | None
    columns: list[str] | None = None
    ids: list[str] = field(default_factory=list)
    history: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    choice: Choice | None = None

    @classmethod
    def train(
        cls,
        examples: Examples,
        params: Mapping[str, Any] | None = None,
        *,
        preset: str = "espalier",
        rounds: int | None = None,
        patience: int | None = None,
        watched: tuple[Examples, str] | None = None,
        dates: Mapping[str, str | None] | None = None,
        observer: Any = None,
    ) -> TableModel:
        """Train on every row of a table.

        Parameters
        ----------
        examples : Examples
        params : dict, optional
            From `training_params`; its defaults when absent.
        preset : {"espalier", "xgboost"}
            What chooses the parameters that `params` does not give, see `boost.preset`.
        rounds : int, optional
            Number of boosting rounds. By default, the preset finds it.
        patience : int, optional
            Stop after this many rounds without an improvement: on the watched rows, and keep the rounds up to
            the best one; without them, as the preset does.
        watched : (Examples, str), optional
            Rows that are evaluated after each round, and their name.
        dates : dict of str to str or None, optional
            The columns of dates, and their formats in text.
        observer : boost.callback.TrainingCallback, optional
            Sees the metrics after each round, and may end the training.
        """
        from boost.preset import fit

        target = examples.target
        params = cls.training_params(target) if params is None else params
        objective = str(params["objective"])
        source = make_source(examples, objective, dates)
        evals = []
        if watched is not None:
            evals = [(source, TRAIN), (make_source(watched[0], objective), watched[1])]
        fitted = fit(
            source,
            params,
            preset=preset,
            rounds=rounds,
            stopping=patience,
            evals=evals,
            options={"verbose_eval": False},
            observer=observer,
        )
        model = cls(
            *(fitted.booster, target.name, target.task, target.classes),
            columns=[str(c) for c in examples.features],
            ids=[] if examples.ids is None else [str(c) for c in examples.ids],
            history=fitted.booster.history,
            choice=fitted.choice,
        )
        description = {"target": model.target, "task": model.task, "classes": model.classes}
        model.booster.attributes[ATTRIBUTE] = json.dumps(
            {**description, "columns": model.columns, "ids": model.ids}
        )
        return model

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
            Parameters of `boost.train`. The default of the objective depends on the target.

        Raises
        ------
        ParameterError
            For an unknown parameter or a value that is not allowed.
        TableError
            For an objective that does not fit the target.
        """
        from boost.model.interval import interval_levels
        from boost.params import resolve

        defaults = {"ranking": "rank:ndcg", "survival": "survival:cox"}
        chosen: dict[str, Any] = {"seed": seed, "objective": defaults.get(target.task, "reg:squarederror")}
        if target.classes is not None:
            binary = len(target.classes) == 2
            chosen["objective"] = "binary:logistic" if binary else "multi:softprob"
        if coverage is not None:
            if target.task != "regression":
                raise TableError(
                    f"a coverage is for a regression, not for a {target.task}"
                    + (": the model predicts the probabilities of classes" if target.classes else "")
                )
            chosen |= {"objective": "reg:quantileerror", "quantile_alpha": interval_levels(coverage)}
            if clash := sorted({"objective", "quantile_alpha"} & set(params)):
                raise TableError(f"give coverage or {clash[0]}, not both: a coverage determines {clash[0]}")
        chosen |= params
        objective = str(chosen["objective"])
        several = objective.startswith("multi:")
        task = {"rank": "ranking", "survival": "survival"}.get(objective.partition(":")[0], "regression")
        if several or objective.startswith("binary:"):
            task = "classification"
        if task != target.task:
            raise TableError(
                f"{objective} does not fit a target of {target.task}: give another objective or task"
            )
        if several and target.classes is not None:
            chosen["num_class"] = len(target.classes)
        elif target.classes is not None and len(target.classes) > 2:
            raise TableError(f"{objective} is for two classes, the target has {len(target.classes)}")
        resolve(chosen, strict=True)
        return chosen

    def calibrate(self, examples: Examples, coverage: float) -> None:
        """Calibrate the intervals to contain this share of the labels of new rows, by weight.

        The rows must not be those of the training; see `boost.model.interval.calibrate`.
        """
        self.booster.calibrate(self.matrix(examples), coverage)

    def constant(self) -> TableModel:
        """Return the model without its trees, which predicts the same for all rows: the least to beat."""
        booster = self.booster.copy()
        booster.model.forest = booster.model.forest.slice(0, 0, 1)
        return replace(self, booster=booster)

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
        return cls(
            *(booster, description["target"], description["task"], description["classes"]),
            columns=description.get("columns"),
            ids=list(description.get("ids", ())),
        )

    def columns_of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the columns that the model was trained on, in the order of the model.

        A column of numbers becomes categorical if it was so in training.

        Raises
        ------
        TableError
            For a missing column.
        """
        names = self.columns or self.booster.feature_names
        if names is None:
            return frame
        for name in names:
            if name not in frame.columns:
                raise TableError(
                    f"the model needs a column {name!r}: {unknown('column', name, map(str, frame))}"
                )
        used = frame[names]
        numbered = [
            name for name, known in self._dictionaries().items() if not isinstance((known or [""])[0], str)
        ]
        return used.astype({name: "category" for name in numbered if used[name].dtype.kind in "biuf"})

    def _dictionaries(self) -> dict[str, list[Any]]:
        """Return the values of each categorical column of the table."""
        names = self.booster.feature_names or []
        return {names[f]: known for f, known in self.booster.categories.items() if f < len(names)}

    def unseen(self, features: pd.DataFrame) -> dict[str, tuple[int, list[Any]]]:
        """Return the values of a table that the training rows do not have, by column.

        Returns
        -------
        dict of str to (int, list)
            The number of rows, and the different values: categories, and texts that are no dates.
        """
        used = self.columns_of(features)
        found: dict[str, tuple[int, list[Any]]] = {}
        for name, known in self._dictionaries().items():
            if name in used:
                column = used[name].dropna().astype(object)
                strange = column[~column.isin(known)]
                if len(strange):
                    found[name] = len(strange), list(strange.unique())
        for part in self.booster.model.encoding.derived:
            if isinstance(part, DateParts):
                column = used[part.column]
                strange = column[part.read(column).isna() & column.notna()]
                if len(strange):
                    found[part.column] = len(strange), list(strange.unique())
        return found

    def matrix(self, examples: Examples) -> DMatrix:
        """Return rows with their labels and weights as a `DMatrix`."""
        features = self.booster.model.encoding.transform(self.columns_of(examples.features))
        return examples.matrix(features, self.booster.objective.name)

    def table(self, features: pd.DataFrame) -> DMatrix:
        """Return the columns of the model as a `DMatrix`."""
        return self.booster.model.make_table(self.columns_of(features), own=True)

    def scores(self, features: pd.DataFrame) -> np.ndarray:
        """Return the predictions: probabilities of shape (rows, classes) for a classification.

        For a regression, numbers of shape (rows,), or (rows, outputs) for several outputs.
        """
        return self._scores(self.table(features))

    def _scores(self, table: DMatrix) -> np.ndarray:
        raw = np.asarray(self.booster.predict(table))
        if self.classes and raw.ndim == 1:
            if self.booster.objective.name == "binary:logitraw":
                raw = 1.0 / (1.0 + np.exp(-raw))
            return np.column_stack([1 - raw, raw])
        return raw

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
            each by its name. The identifiers that the table has come first.
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
        beside = features[[name for name in self.ids if name in features.columns and name not in table]]
        return pd.concat([beside.reset_index(drop=True), pd.DataFrame(table)], axis=1)

    def evaluate(self, examples: Examples) -> dict[str, float]:
        """Return the scores of rows, by name; rows count by their weights.

        Log loss and accuracy of a classification, with two classes area under the ROC curve and average
        precision; coverage and mean width of intervals; RMSE, MAE and R2 of predictions of means, the metric
        of the objective for others; NDCG of a ranking; concordance of survival times.
        """
        table, target, weight = self.matrix(examples), examples.target, examples.weight
        objective, raw = self.booster.objective, self._scores(table)
        if self.classes:
            return class_scores(raw, target.labels, weight)
        if self.has_intervals:
            return interval_scores(self.booster.predict_interval(table), target.labels, weight)
        if target.task == "ranking":
            return ranking_scores(raw, examples, bool(self.booster.params["ndcg_exp_gain"]))
        if target.event is not None:
            early = raw if objective.name == "survival:cox" else -raw
            return {
                **objective_scores(objective, self.booster.params, raw, table),
                **survival_scores(early, examples),
            }
        if raw.ndim == 1 and objective.name in SQUARED:
            return number_scores(raw, target.labels, weight)
        scores = objective_scores(objective, self.booster.params, raw, table)
        if raw.ndim == 1:
            scores |= {"MAE": number_scores(raw, target.labels, weight)["MAE"]}
        return scores


def make_source(examples: Examples, objective: str, dates: Mapping[str, str | None] | None = None) -> Source:
    """Return examples as `boost.preset.fit` takes them.

    Parameters
    ----------
    examples : Examples
    objective : str
    dates : dict of str to str or None, optional
        The columns of dates, and their formats in text.
    """
    from boost.preset import Source

    fields = examples.fields(objective)
    return Source(examples.features, fields.pop("label"), fields, dates=dates or {})
