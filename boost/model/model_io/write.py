"""A model as the document that XGBoost's JSON and UBJSON files hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.forest.tree import Tree
from boost.model.model_io.dictionary import write_dictionaries
from boost.model.model_io.folded import fold
from boost.model.model_io.schema import CATEGORIES, DROPOUT, ROOT_PARENT, TREE_ARRAYS, VERSION

if TYPE_CHECKING:
    from boost.forest.forest import Forest
    from boost.model.model import Model


def to_json(model: Model) -> str:
    """Return the text of a model file in XGBoost's JSON."""
    # Not in ASCII: XGBoost does not decode escapes.
    return json.dumps(
        document(model),
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
        ensure_ascii=False,
        default=_listed,
    )


def _listed(array: NDArray) -> list[Any]:
    return _floats(array) if array.dtype == np.float32 else array.tolist()


def document(model: Model) -> dict[str, Any]:
    """Return the document of a model: parameters are strings, arrays have the dtypes that XGBoost expects."""
    outputs = model.objective.n_outputs
    classes = outputs if model.params.num_class > 1 and outputs > 1 else 0
    attributes = dict(model.attributes)
    cats, others = write_dictionaries(model.categories, model.n_features)
    if others is not None:
        attributes[CATEGORIES] = others
    forest, weighted = model.forest, _has_weights(model)
    if weighted and forest.vector:
        forest, attributes[DROPOUT] = fold(forest)
        weighted = False
    return {
        "version": VERSION,
        "learner": {
            "attributes": attributes,
            "feature_names": model.feature_names or [],
            "feature_types": model.feature_types or [],
            "learner_model_param": {
                "base_score": _score_text(model.base_score),
                "boost_from_average": "1",
                "num_class": str(classes),
                "num_feature": str(model.n_features),
                "num_target": str(1 if classes else outputs),
            },
            "objective": model.objective.file_entry(),
            "gradient_booster": _forest_dict(forest, model.n_features, weighted, cats),
        },
    }


def _score_text(score: NDArray[np.float64]) -> str:
    values = [repr(v) for v in _floats(score.astype(np.float32))]
    # Versions before 3.1 read a plain number only: the list form is for scores that differ.
    return values[0] if len(set(values)) == 1 else "[" + ",".join(values) + "]"


def _floats(array: NDArray[np.float32]) -> list[float]:
    """Return Python floats with short text that round to the same float32 numbers."""
    short = [float(text) for text in array.astype(str).tolist()]
    return (
        short if np.array_equal(np.array(short).astype(np.float32), array) else array.astype(float).tolist()
    )


def _has_weights(model: Model) -> bool:
    """Return whether the trees of a model have weights, which dropout makes."""
    return model.params.booster == "dart" or bool((model.forest.weights != 1.0).any())


def _forest_dict(
    forest: Forest, features: int, weighted: bool, cats: dict[str, Any] | None
) -> dict[str, Any]:
    trees: dict[str, Any] = {
        "gbtree_model_param": {
            "num_trees": str(forest.trees),
            "num_parallel_tree": str(forest.parallel),
        },
        "iteration_indptr": list(range(0, forest.trees + 1, forest.round_trees)),
        "tree_info": [forest.output(t) for t in range(forest.trees)],
        "trees": [_tree_dict(t, forest[t], features) for t in range(forest.trees)],
    }
    if cats is not None:
        trees["cats"] = cats
    gbtree = {"name": "gbtree", "model": trees}
    if weighted:
        return {"name": "dart", "gbtree": gbtree, "weight_drop": forest.weights.tolist()}
    return gbtree


def _tree_dict(number: int, tree: Tree, features: int) -> dict[str, Any]:
    size, starts = tree.size, tree.category_starts
    counts = np.diff(starts) if starts.size else np.zeros(size, dtype=np.int64)
    categorical = np.flatnonzero(counts)
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
        "categories_nodes": categorical.astype(np.int32),
        "categories_segments": starts[categorical],
        "categories_sizes": counts[categorical],
        "base_weights": tree.vectors.ravel() if vector else tree.base_weight,
    }
    for name, field, _ in TREE_ARRAYS:
        out[name] = getattr(tree, field)
    if not vector:
        out["parents"] = tree.parent.copy()
        out["parents"][0] = ROOT_PARENT
        return out
    # XGBoost stores the number of a leaf's vector as its right child.
    leaves = tree.left < 0
    right = tree.right.copy()
    right[leaves] = np.arange(tree.leaves)
    out["right_children"] = right
    out["leaf_weights"] = tree.vectors[leaves].ravel()
    return out
