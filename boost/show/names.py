"""The names of features and categories, and the parts of a split."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.forest.tree import NO_NODE, Tree

if TYPE_CHECKING:
    from boost.model.model import Model


class Names:
    """The names of the features, their types and their categories, which define how splits are printed.

    Parameters
    ----------
    names, types : sequences of str, or None
        Without names, features are called f0, f1, ...
    features : int
    categories : dict of int to list, optional
        The dictionaries of the categorical features.
    """

    def __init__(
        self,
        names: Sequence[str] | None,
        types: Sequence[str] | None,
        features: int,
        categories: Mapping[int, Sequence[Any]] | None = None,
    ) -> None:
        self.names = list(names) if names else [f"f{i}" for i in range(features)]
        self.types = list(types) if types else ["q"] * features
        self.categories: Mapping[int, Sequence[Any]] = categories or {}

    def category(self, f: int, code: int) -> str:
        """Return the name of a category; its code, if the dictionary does not have it."""
        dictionary = self.categories.get(f, ())
        return str(dictionary[code]) if code < len(dictionary) else str(code)

    @classmethod
    def of_file(
        cls, path: Any, features: int, categories: Mapping[int, Sequence[Any]] | None = None
    ) -> Names:
        """Read XGBoost's feature map: a line for each feature with its number, its name and its type.

        Raises
        ------
        ValueError
            For a line of any other form, and for features without a line.
        """
        entries: dict[int, tuple[str, str]] = {}
        with open(os.path.expanduser(os.fspath(path)), encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                parts = line.split()
                if len(parts) == 3 and parts[0].isdigit() and parts[2] in ("i", "q", "int", "float", "c"):
                    entries[int(parts[0])] = parts[1], parts[2]
                elif parts:
                    raise ValueError(
                        f"line {number} of the feature map must be a number, a name and one of i, q, int, "
                        f"float and c, got {line.rstrip()!r}"
                    )
        absent = [f for f in range(features) if f not in entries]
        if absent:
            raise ValueError(f"the feature map has no line for feature {absent[0]}")
        chosen = [entries[f] for f in range(features)]
        return cls([name for name, _ in chosen], [kind for _, kind in chosen], features, categories)


def names_of(model: Model, fmap: Any = "") -> Names:
    """Return the names of a model's features, or those of a feature map, if one is given."""
    if fmap is None or fmap == "":
        return Names(model.feature_names, model.feature_types, model.n_features, model.categories)
    return Names.of_file(fmap, model.n_features, model.categories)


def number(value: Any) -> str:
    """Return a float32 as XGBoost prints it: with nine digits, which identify it."""
    return f"{float(value):.9g}"


def right_categories(tree: Tree, n: int) -> NDArray[np.int32]:
    """Return the categories that go right at a node; empty for a numerical split."""
    if not tree.categories.size:
        return tree.categories
    return tree.categories[tree.category_starts[n] : tree.category_starts[n + 1]]


def threshold(tree: Tree, n: int, kind: str) -> str:
    """Return the condition of a node; rounded up for a feature of integers, where that is equivalent."""
    condition = float(tree.condition[n])
    return str(math.ceil(condition)) if kind == "int" and math.isfinite(condition) else number(condition)


def traverse(tree: Tree) -> Iterator[tuple[int, int]]:
    """Yield nodes with their depths, each before its children, left before right."""
    stack = [(0, 0)]
    while stack:
        n, depth = stack.pop()
        yield n, depth
        if tree.left[n] != NO_NODE:
            stack += [(int(tree.right[n]), depth + 1), (int(tree.left[n]), depth + 1)]


def branches(tree: Tree, n: int, kind: str) -> tuple[int, int, int]:
    """Return the children "yes", "no" and "missing" of a split, in XGBoost's sense.

    The listed categories of a categorical split are "yes", and go right; for an indicator, "yes" means that
    it is present.
    """
    left, right = int(tree.left[n]), int(tree.right[n])
    missing = left if tree.default_left[n] else right
    if right_categories(tree, n).size:
        return right, left, missing
    if kind == "i":
        return (right if tree.default_left[n] else left), missing, missing
    return left, right, missing
