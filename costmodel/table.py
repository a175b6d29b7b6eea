"""Boosted trees on a table in a file: read it, train on a target column, predict for another one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compiler.suggest import unknown

if TYPE_CHECKING:
    import pandas as pd

    from boost import Booster

EXTENSIONS = (".csv", ".parquet")
TASKS = ("regression", "classification")

# an integer target with at most so many values is taken for classes
MOST_CLASSES = 20

# under this name a model file keeps what its predictions mean
ATTRIBUTE = "espalier.table"


class TableError(ValueError):
    """A table or a column that cannot be used."""


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """The table of a CSV (with a header line) or Parquet file.

    Raises
    ------
    TableError
        For another extension, a missing or empty file, or one that cannot be read.
    """
    path = Path(path)
    extension = path.suffix.lower()
    if extension not in EXTENSIONS:
        raise TableError(f"{path}: {unknown('extension', path.suffix, EXTENSIONS)}")
    if not path.is_file():
        raise TableError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise TableError(f"{path}: the file is empty")
    import pandas as pd

    try:
        frame = pd.read_csv(path) if extension == ".csv" else pd.read_parquet(path)
    except ImportError as error:
        raise TableError("Parquet files need pyarrow: pip install 'espalier[parquet]'") from error
    except Exception as error:  # each reader has its own kinds
        raise TableError(f"{path}: not a readable {extension[1:]} file: {_first_line(error)}") from error
    if frame.empty:
        raise TableError(f"{path}: the table has {len(frame)} rows and {len(frame.columns)} columns")
    return frame


def write_table(path: str | os.PathLike[str], frame: pd.DataFrame) -> None:
    """Write a CSV or Parquet file under a temporary name, and rename it."""
    path = Path(path)
    check_extension(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    if path.suffix.lower() == ".csv":
        frame.to_csv(temporary, index=False)
    else:
        try:
            frame.to_parquet(temporary, index=False)
        except ImportError as error:
            raise TableError("Parquet files need pyarrow: pip install 'espalier[parquet]'") from error
    os.replace(temporary, path)


def check_extension(path: str | os.PathLike[str], known: tuple[str, ...] = EXTENSIONS) -> None:
    """Raise TableError unless a file to be written has a known extension and its folder exists."""
    path = Path(path)
    if path.suffix.lower() not in known:
        raise TableError(f"{path}: {unknown('extension', path.suffix, known)}")
    if not path.parent.is_dir():
        raise TableError(f"{path}: there is no folder {path.parent}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True)
class Target:
    """The column that is learned.

    Parameters
    ----------
    name : str
    task : str
        One of `TASKS`.
    classes : list or None
        The values of a classification, sorted; the labels are their positions.
    labels : ndarray of float32, shape (rows,)
    """

    name: str
    task: str
    classes: list[Any] | None
    labels: np.ndarray


def take_target(frame: pd.DataFrame, name: str, task: str = "auto") -> tuple[pd.DataFrame, Target]:
    """Split a table into its features and its target.

    Parameters
    ----------
    frame : DataFrame
    name : str
        The target column.
    task : str
        ``"regression"``, ``"classification"``, or ``"auto"``: classes for strings, booleans, categories,
        and integers of at most 20 values; numbers otherwise.

    Raises
    ------
    TableError
        For an unknown column or task, missing values in the target, a single class, or a regression
        on strings.
    """
    import pandas as pd

    if name not in frame.columns:
        raise TableError(unknown("column", name, map(str, frame.columns)))
    if len(frame.columns) == 1:
        raise TableError(f"the target {name!r} is the only column: there is nothing to learn from")
    if task not in ("auto", *TASKS):
        raise TableError(unknown("task", task, ("auto", *TASKS)))
    column = frame[name]
    missing = int(column.isna().sum())
    if missing:
        raise TableError(
            f"the target {name!r} is missing in {missing} of {len(column)} rows: drop or fill them"
        )
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if task == "auto":
        few = pd.api.types.is_integer_dtype(column) and column.nunique() <= MOST_CLASSES
        task = "regression" if numeric and not few else "classification"
    features = frame.drop(columns=[name])
    if task == "regression":
        if not numeric:
            raise TableError(f"the target {name!r} holds {column.dtype}: a regression needs numbers")
        return features, Target(name, task, None, column.to_numpy(np.float32))
    values, codes = np.unique(column.astype(object).to_numpy(), return_inverse=True)
    classes = [v.item() if isinstance(v, np.generic) else v for v in values]
    if len(classes) < 2:
        raise TableError(
            f"the target {name!r} has the one class {classes[0]!r}: two are needed to tell apart"
        )
    return features, Target(name, task, classes, codes.astype(np.float32))


def hold_out(target: Target, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to hold out; classes keep their shares.

    Raises
    ------
    TableError
        If either part would be empty, or a class would be absent from training.
    """
    if not 0 <= share < 1:
        raise TableError(f"the share of held-out rows must be at least 0 and below 1, not {share}")
    labels = target.labels if target.classes else np.zeros_like(target.labels)
    held = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        # a class of one row stays in training
        held.append(rows[: min(round(share * len(rows)), len(rows) - 1)])
    test = np.sort(np.concatenate(held))
    train = np.setdiff1d(np.arange(len(labels)), test)
    if share and not len(test):
        raise TableError(f"{len(labels)} rows are too few to hold out a share of {share}")
    return train, test


@dataclass
class TableModel:
    """A trained model and what its predictions mean.

    Parameters
    ----------
    booster : Booster
    target : str or None
        Name of the column it predicts, where that is known.
    task : str
        One of `TASKS`.
    classes : list or None
    """

    booster: Booster
    target: str | None
    task: str
    classes: list[Any] | None

    @classmethod
    def train(
        cls, features: pd.DataFrame, target: Target, *, rounds: int = 200, seed: int = 0, **params: Any
    ) -> TableModel:
        """Train on every row of a table.

        Parameters
        ----------
        features : DataFrame
        target : Target
        rounds : int
            Boosting rounds.
        seed : int
        **params
            Parameters of `boost.train` beside a learning rate of 0.1.
        """
        import boost

        settings: dict[str, Any] = {"eta": 0.1, "seed": seed, "objective": "reg:squarederror"}
        if target.classes is not None:
            binary = len(target.classes) == 2
            settings["objective"] = "binary:logistic" if binary else "multi:softprob"
            if not binary:
                settings["num_class"] = len(target.classes)
        data = boost.DMatrix(features, label=target.labels)
        booster = boost.train({**settings, **params}, data, num_boost_round=rounds)
        meaning = {"target": target.name, "task": target.task, "classes": target.classes}
        booster.attributes[ATTRIBUTE] = json.dumps(meaning)
        return cls(booster, target.name, target.task, target.classes)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as JSON that XGBoost reads too."""
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
            meaning |= json.loads(booster.attributes[ATTRIBUTE])
        return cls(booster, meaning["target"], meaning["task"], meaning["classes"])

    def columns_of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns that the model was trained on, in its order.

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
        return frame[names]

    def scores(self, features: pd.DataFrame) -> np.ndarray:
        """Predicted numbers of shape (rows,), or probabilities of shape (rows, classes)."""
        raw = np.asarray(self.booster.predict(self.columns_of(features)))
        return np.column_stack([1 - raw, raw]) if self.classes and raw.ndim == 1 else raw

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """A column ``prediction``, and for classes one ``probability_<class>`` each."""
        import pandas as pd

        scores = self.scores(features)
        if not self.classes:
            if scores.ndim == 1:
                return pd.DataFrame({"prediction": scores})
            return pd.DataFrame({f"output_{k}": scores[:, k] for k in range(scores.shape[1])})
        table: dict[str, Any] = {"prediction": [self.classes[k] for k in np.argmax(scores, axis=1)]}
        table |= {f"probability_{c}": scores[:, k] for k, c in enumerate(self.classes)}
        return pd.DataFrame(table)

    def evaluate(self, features: pd.DataFrame, labels: np.ndarray) -> dict[str, float]:
        """Accuracy and log loss of a classification; RMSE and R2 of a regression."""
        scores = self.scores(features)
        if self.classes:
            right = scores[np.arange(len(labels)), labels.astype(int)]
            return {
                "accuracy": float(np.mean(np.argmax(scores, axis=1) == labels)),
                "log loss": float(-np.mean(np.log(np.maximum(right, 1e-15)))),
            }
        error = scores - labels
        total = float(np.sum((labels - labels.mean()) ** 2))
        fit = {"RMSE": float(np.sqrt(np.mean(error**2)))}
        return fit | ({"R2": 1.0 - float(np.sum(error**2)) / total} if total > 0 else {})
