"""The importance of features, and the conditions of the splits by a feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import nearest
from boost.show.names import names_of, right_categories, traverse

if TYPE_CHECKING:
    from boost.forest.forest import Forest
    from boost.model.model import Model


KINDS = ("weight", "gain", "cover", "total_gain", "total_cover")


def importance(model: Model, kind: str = "weight", fmap: Any = "") -> dict[str, float]:
    """Return the importance of the features that are used in splits, by name.

    Parameters
    ----------
    model : Model
    kind : {"weight", "gain", "cover", "total_gain", "total_cover"}
        As for `boost.forest.forest.Forest.importance`.
    fmap : path
        A feature map, see `Names.of_file`.
    """
    score = model.forest.importance(kind, model.n_features)
    used = np.flatnonzero(model.forest.importance("weight", model.n_features))
    names = names_of(model, fmap).names
    return {names[f]: float(score[f]) for f in used}


def condition_histogram(model: Model, feature: str, fmap: Any = "", bins: int | None = None) -> NDArray:
    """Return the number of conditions of a feature in equally wide bins, without the empty ones.

    Parameters
    ----------
    model : Model
    feature : str
    fmap : path
        A feature map, see `Names.of_file`.
    bins : int, optional
        At most the number of different conditions, which is the default.

    Returns
    -------
    float64 array of shape (bins, 2)
        The upper end of each bin, and the count.

    Raises
    ------
    ValueError
        For an unknown feature, and for one with categorical splits.
    """
    names = names_of(model, fmap).names
    if feature not in names:
        raise ValueError(f"the model has no feature {feature!r}{nearest(str(feature), names)}")
    if bins is not None and (isinstance(bins, bool) or int(bins) != bins or bins < 1):
        raise ValueError(f"bins must be an integer of at least 1, got {bins!r}")
    values = _conditions(model.forest, names.index(feature))
    different = max(1, np.unique(values).size)
    count, edges = np.histogram(values, bins=different if bins is None else min(int(bins), different))
    return np.column_stack((edges[1:], count))[count > 0]


def _conditions(forest: Forest, feature: int) -> NDArray[np.float64]:
    """Return the conditions of all splits by a numerical feature, tree after tree."""
    values = []
    for t in range(forest.trees):
        tree = forest[t]
        for n, _ in traverse(tree):
            if tree.left[n] >= 0 and tree.feature[n] == feature:
                if right_categories(tree, n).size:
                    raise ValueError(
                        "the splits of a categorical feature are sets of categories, which have no "
                        "histogram: see trees_to_dataframe()"
                    )
                values.append(float(tree.condition[n]))
    return np.array(values)
