"""From a model to the document that XGBoost's JSON and UBJSON hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.forest.tree import Forest, Tree
from boost.model.model_io.dictionary import write_dictionaries
from boost.model.model_io.schema import CATEGORIES, ROOT_PARENT, TREE_ARRAYS, VERSION

if TYPE_CHECKING:
    from boost.booster import Booster


def to_json(booster: Booster) -> str:
    """Return the text of a model file in XGBoost's JSON."""
    # not in ASCII: XGBoost takes the escapes of other letters for the letters themselves
    return json.dumps(
        document(booster),
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
        ensure_ascii=False,
        default=_listed,
    )


def to_dict(booster: Booster) -> dict[str, Any]:
    """Return what a JSON file of the model holds."""
    held: dict[str, Any] = json.loads(to_json(booster))
    return held


def _listed(array: NDArray) -> list[Any]:
    return _floats(array) if array.dtype == np.float32 else array.tolist()


def document(booster: Booster) -> dict[str, Any]:
    """Return the document of a model: parameters are strings, and arrays of the types that XGBoost wants."""
    groups = booster.objective.n_outputs
    classes = groups if booster.params["num_class"] else 0
    attributes = dict(booster.attributes)
    if booster.best_iteration is not None:
        attributes["best_iteration"] = str(booster.best_iteration)
        attributes["best_score"] = repr(booster.best_score)
    cats, others = write_dictionaries(booster.categories, booster.features)
    if others is not None:
        attributes[CATEGORIES] = others
    return {
        "version": VERSION,
        "learner": {
            "attributes": attributes,
            "feature_names": booster.feature_names or [],
            "feature_types": booster.feature_types or [],
            "learner_model_param": {
                "base_score": _score_text(booster.base_score),
                "boost_from_average": "1",
                "num_class": str(classes),
                "num_feature": str(booster.features),
                "num_target": str(1 if classes else groups),
            },
            "objective": booster.objective.file_entry(),
            "gradient_booster": _forest_dict(booster, booster.forest, cats),
        },
    }


def _score_text(score: NDArray[np.float64]) -> str:
    values = [repr(v) for v in _floats(score.astype(np.float32))]
    # Versions before 3.1 read a plain number only, so the list form is kept for scores that differ.
    return values[0] if len(set(values)) == 1 else "[" + ",".join(values) + "]"


def _floats(array: NDArray[np.float32]) -> list[float]:
    """Return Python floats that print short, and round to the same float32."""
    short = [float(text) for text in array.astype(str).tolist()]
    return (
        short if np.array_equal(np.array(short).astype(np.float32), array) else array.astype(float).tolist()
    )


def _forest_dict(booster: Booster, forest: Forest, cats: dict[str, Any] | None) -> dict[str, Any]:
    model: dict[str, Any] = {
        "gbtree_model_param": {
            "num_trees": str(forest.trees),
            "num_parallel_tree": str(forest.parallel),
        },
        "iteration_indptr": list(range(0, forest.trees + 1, forest.round_trees)),
        "tree_info": [forest.group(t) for t in range(forest.trees)],
        "trees": [_tree_dict(t, forest[t], booster.features) for t in range(forest.trees)],
    }
    if cats is not None:
        model["cats"] = cats
    gbtree = {"name": "gbtree", "model": model}
    weights = forest.weights
    if booster.params["booster"] == "dart" or (weights != 1.0).any():
        return {"name": "dart", "gbtree": gbtree, "weight_drop": weights.tolist()}
    return gbtree


def _tree_dict(number: int, tree: Tree, features: int) -> dict[str, Any]:
    size, starts = tree.size, tree.category_starts
    counts = np.diff(starts) if starts.size else np.zeros(size, dtype=np.int64)
    asking = np.flatnonzero(counts)
    vector = tree.vectors.size > 0
    out: dict[str, Any] = {
        "id": number,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(features),
            "num_nodes": str(size),
            "size_leaf_vector": str(tree.vectors.shape[1] if vector else 1),
        },
        "split_type": (counts > 0).astype(np.uint8),
        "categories": tree.categories,
        "categories_nodes": asking.astype(np.int32),
        "categories_segments": starts[asking],
        "categories_sizes": counts[asking],
        "base_weights": tree.vectors.ravel() if vector else tree.base_weight,
    }
    for name, field, _ in TREE_ARRAYS:
        out[name] = getattr(tree, field)
    if not vector:
        out["parents"] = tree.parent.copy()
        out["parents"][0] = ROOT_PARENT
        return out
    # The right child of a leaf is the number of its vector.
    leaves = tree.left < 0
    right = tree.right.copy()
    right[leaves] = np.arange(tree.leaves)
    out["right_children"] = right
    out["leaf_weights"] = tree.vectors[leaves].ravel()
    return out
