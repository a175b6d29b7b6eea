"""The trees of a model in the form that the package shap takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from boost.errors import ModelError
from boost.forest.tree import NO_NODE, Tree
from boost.model.model import Model
from boost.show.names import names_of, right_categories
from boost.show.plots.canvas import model_of, rounds_of

# What shap calls the losses that it can explain, and the unit of the leaves.
LOSSES = {
    "reg:squarederror": ("squared_error", "raw_value"),
    "reg:logistic": ("binary_crossentropy", "log_odds"),
    "binary:logistic": ("binary_crossentropy", "log_odds"),
}


def shap_trees(booster: Any) -> dict[str, Any]:
    """Return a model as the dictionary that ``shap.TreeExplainer`` and ``shap.Explainer`` take.

    ``shap.TreeExplainer(boost.shap_trees(model), data=background)`` explains the margin, the probability or
    the loss by interventions on background rows. The rows that it explains are numbers; NaN is a missing
    value. `tree_explainer` returns an explainer that takes frames and categories, too.

    Parameters
    ----------
    booster : Booster or fitted estimator

    Returns
    -------
    dict
        ``trees``, ``base_offset`` (the margin before the first tree), and dtypes; ``objective`` and
        ``tree_output`` where shap has a name for the loss.

    Raises
    ------
    ModelError
        A `ValueError`: for a model with splits on sets of categories, for which shap's trees have no form.
    """
    model = model_of(booster)
    first, last = model.trees_of(rounds_of(booster))
    forest = model.forest
    weights = forest.weights
    out: dict[str, Any] = {
        "trees": [_tree(model, forest[t], forest.output(t), float(weights[t])) for t in range(first, last)],
        "base_offset": model.start_margin(),
        "internal_dtype": np.float64,
        "input_dtype": np.float32,
    }
    if model.objective.name in LOSSES:
        out["objective"], out["tree_output"] = LOSSES[model.objective.name]
    return out


def _tree(model: Model, tree: Tree, output: int, weight: float) -> dict[str, Any]:
    """Return one tree: a value below or equal to the threshold goes left."""
    leaf = tree.left == NO_NODE
    for n in np.flatnonzero(~leaf):
        if right_categories(tree, int(n)).size:
            name = names_of(model).names[int(tree.feature[n])]
            raise ModelError(
                f"shap's trees have no splits on sets of categories, which the model has for {name!r}: use "
                "boost.tree_explainer(model) without background rows"
            )
    values = np.zeros((len(tree.left), model.forest.n_outputs))
    if tree.vectors.size:
        values[leaf] = tree.vectors[leaf]
    else:
        values[leaf, output] = tree.condition[leaf]
    # a float32 is below the condition where it is at most the next smaller float32
    below = np.nextafter(tree.condition.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    return {
        "children_left": np.where(leaf, -1, tree.left),
        "children_right": np.where(leaf, -1, tree.right),
        "children_default": np.where(leaf, -1, np.where(tree.default_left, tree.left, tree.right)),
        "features": np.where(leaf, -1, tree.feature),
        "thresholds": np.where(leaf, 0.0, below),
        "values": values * weight,
        "node_sample_weight": tree.hessian.astype(np.float64),
    }
