"""The interface of a metric, the labels that metrics allow, and weighted means of row losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SMALLEST = 1e-16
# Kinds of labels: the test, and its description in error messages.
LABELS: dict[str, tuple[Callable[[Floats], Bools], str]] = {
    "share": (lambda y: (y >= 0) & (y <= 1), "labels from 0 to 1"),
    "binary": (lambda y: (y == 0) | (y == 1), "labels 0 and 1"),
    "not zero": (lambda y: y != 0, "labels other than 0"),
    "not negative": (lambda y: y >= 0, "labels of at least 0"),
    "above -1": (lambda y: y > -1, "labels above -1"),
    "relevance": (lambda y: (y >= 0) & (y <= 31), "labels from 0 to 31, for gains of 2**label - 1"),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """An evaluation metric.

    Attributes
    ----------
    name : str
    maximize : bool
        Whether larger values are better.
    function : callable
        ``function(prediction, data)`` returns a float; predictions have shape (rows, outputs).
    labels : str
        A key of `LABELS`; "numbers" (any), "classes" (0 to outputs - 1) or "bounds" (of a survival time).
        "auc" and "aucpr" are classes for models of several classes, else probabilities; in query groups, any
        numbers for "auc" and 0 and 1 for "aucpr".
    outputs : {"each", "classes", "levels", "one"}
        How outputs correspond to label columns: one for one, the classes of one column, the levels of each
        column, or a single output for a single column.
    levels : int
        Outputs per label column, for "levels".
    """

    name: str
    maximize: bool
    function: Callable[[Floats, DMatrix], float]
    labels: str = "numbers"
    outputs: str = "each"
    levels: int = 1

    def check(self, data: DMatrix, n_outputs: int) -> None:
        """Raise ValueError unless the metric is defined for a table and a model of `n_outputs` outputs."""
        if self.labels == "bounds":
            if getattr(data, "label_lower_bound", None) is None:
                raise ValueError(
                    f"metric {self.name!r} needs label_lower_bound and label_upper_bound in the evaluation "
                    "DMatrix"
                )
        elif data.label is None:
            raise ValueError(f"metric {self.name!r} needs labels: give the evaluation DMatrix a label")
        if (expected := self._expected(data, n_outputs)) is not None:
            raise ValueError(f"metric {self.name!r} is for {expected}, not of {n_outputs}")
        if data.label is None:
            return
        kind = self.labels
        if kind in ("auc", "aucpr"):
            if n_outputs == 1 and data.group_bounds().size > 2:
                kind = "numbers" if kind == "auc" else "binary"
            else:
                kind = "share" if _columns(data) == n_outputs else "classes"
        if kind == "classes":
            good, words = np.isin(data.label, np.arange(n_outputs)), f"labels 0 to {n_outputs - 1}"
        elif kind in LABELS:
            good, words = LABELS[kind][0](label(data)), LABELS[kind][1]
        else:
            return
        if not good.all():
            at = int(np.argmin(good.reshape(len(good), -1).all(axis=1)))
            raise ValueError(
                f"metric {self.name!r} needs {words} in the evaluation DMatrix, got {data.label[at]} in row "
                f"{at}"
            )

    def _expected(self, data: DMatrix, n_outputs: int) -> str | None:
        """Return the models that the metric supports, in words; None when it supports this one."""
        columns = _columns(data)
        match self.outputs:
            case "one":
                return None if n_outputs == 1 else "models of one output"
            case "classes":
                if columns == n_outputs and self.labels != "classes":
                    return None
                return None if n_outputs > 1 and columns == 1 else "models of several outputs"
            case "levels":
                return None if n_outputs == self.levels * columns else f"models of {self.levels} levels"
        if columns == n_outputs:
            return None
        return "models of one output" if columns == 1 else f"models of {columns} outputs, as the label has"

    def __call__(self, prediction: Floats, data: DMatrix) -> float:
        """Return the value of the metric for a table that passed `check`."""
        return float(self.function(prediction, data))

    def named(self, prediction: Floats, data: DMatrix) -> list[tuple[str, float]]:
        """Return the name of the metric and its value; a custom metric may return several of them."""
        return [(self.name, self(prediction, data))]


def _columns(data: DMatrix) -> int:
    return 1 if data.label is None or data.label.ndim == 1 else int(data.label.shape[1])


def label(data: DMatrix) -> Floats:
    """Return the labels as float64, of shape (rows,) or (rows, outputs)."""
    assert data.label is not None
    return data.label.astype(np.float64)


def label_columns(data: DMatrix) -> Floats:
    """Return the labels as float64 of shape (rows, outputs)."""
    return label(data).reshape(data.num_row(), -1)


def row_mean(loss: Floats, data: DMatrix) -> float:
    """Return the mean of a loss of shape (rows,) or (rows, outputs), weighted by the rows."""
    if data.weight is None:
        return float(loss.mean())
    weight = data.weight.astype(np.float64)
    outputs = loss.size // weight.size
    return float((loss.reshape(-1, outputs) * weight[:, np.newaxis]).sum() / (weight.sum() * outputs))
