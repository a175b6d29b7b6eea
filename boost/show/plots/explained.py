"""Rows with what each feature adds to their margins, and the colours of categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.model.model import Model
from boost.show.names import Names, names_of
from boost.show.plots.canvas import NEUTRAL, PALETTE, Floats, colour, model_of, plain, rounds_of
from boost.show.words import MOST_LETTERS, class_name, margin_words, shorten

# Categories of one feature that have a colour.
COLOURED = len(PALETTE) - 2


@dataclass(frozen=True)
class Explained:
    """Rows and what each feature adds to their margins.

    Attributes
    ----------
    model : Model
    names : Names
    values : float32 array of shape (rows, features)
        Codes for categories; NaN for missing values.
    added : float64 array of shape (rows, outputs, features + 1)
        Contributions; last the expected margin.
    target : str, or None
    classes : sequence, or None
        The names of the classes.
    """

    model: Model
    names: Names
    values: NDArray[np.float32]
    added: Floats
    target: str | None
    classes: Sequence[object] | None

    def margin(self, output: int) -> str:
        """Return what the margin of an output is."""
        return margin_words(self.model, output, target=self.target, classes=self.classes)

    def output_name(self, output: int) -> str:
        """Return the name of an output: its class, or its number."""
        if self.model.objective.name.startswith("multi:"):
            return class_name(self.classes, output)
        return f"output {output}"

    def order(self, outputs: Sequence[int]) -> NDArray[np.intp]:
        """Return the features with contributions, those with the largest ones first."""
        mean = np.abs(self.added[:, list(outputs), :-1]).mean(axis=(0, 1))
        order = np.argsort(-mean, kind="stable")
        return order[mean[order] > 0]

    def label(self, f: int) -> str:
        """Return the name of a feature for an axis."""
        return plain(shorten(self.names.names[f], MOST_LETTERS))


def explain(
    source: Any, data: Any, target: str | None = None, class_names: Sequence[object] | None = None
) -> Explained:
    """Return the contributions of the rows of a table, see `plot_contributions`."""
    from boost.model.explain import contributions

    model = model_of(source)
    if class_names is None:
        class_names = getattr(source, "classes_", None)
    table = data if isinstance(data, DMatrix) else model.make_table(data, getattr(source, "missing", None))
    table = model.align(table)
    added = contributions(model, table, model.trees_of(rounds_of(source)))
    return Explained(model, names_of(model), table.dense_rows(0, table.num_row()), added, target, class_names)


def most_frequent(codes: NDArray[np.floating]) -> list[int]:
    """Return the categories that have a colour, the most frequent ones, in their order."""
    present = codes[~np.isnan(codes)].astype(int)
    if not present.size:
        return []
    counts = np.bincount(present)
    order = np.argsort(-counts, kind="stable")[:COLOURED]
    return sorted(order[counts[order] > 0].tolist())


def category_colour(codes: list[int], value: float) -> str:
    return NEUTRAL if np.isnan(value) or int(value) not in codes else colour(codes.index(int(value)))
