"""A model from the document of XGBoost's JSON or UBJSON, with every entry checked.

Arrays are built from checked numbers; nothing in a file is executed or imported, and every defect of a file
raises `ModelError`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.encoding.encoding import ATTRIBUTE as ENCODING
from boost.encoding.encoding import Encoding
from boost.errors import DataError, ModelError
from boost.forest.forest import Forest
from boost.forest.tree import NO_NODE, Tree
from boost.model.model import Attributes, Model
from boost.model.model_io.dictionary import read_dictionaries
from boost.model.model_io.folded import unfold
from boost.model.model_io.schema import (
    CATEGORIES,
    CLASSES,
    DROPOUT,
    MOST_CATEGORIES,
    NEWEST,
    PREFIX,
    ROOT_PARENT,
    TREE_ARRAYS,
    VERSION,
    as_list,
)
from boost.objective import Objective, make_objective, read_entry
from boost.params import MULTI, TABLE, Params, resolve

ARRAY = (list, np.ndarray)
# Bound on the 32-bit words that the prediction kernels need for all sets of categories: 256 MB.
MOST_WORDS = 1 << 26
# Dtypes of the fields of `Tree` that hold integers.
WHOLE = {
    "left": np.int32,
    "right": np.int32,
    "parent": np.int32,
    "default_left": np.uint8,
    "feature": np.int32,
}


def read_document(document: Any, params: Params) -> Model:
    """Return the model of a document; `params` gives the parameters that the document does not hold.

    Raises
    ------
    ModelError
        For a document that is damaged, incomplete, or holds a model of an unsupported kind.
    """
    _check_version(document)
    learner = _get(document, "learner", dict, "the model")
    size = _get(learner, "learner_model_param", dict, "learner")
    features = _whole(size, "num_feature", 1, 2**31 - 1)
    gradient_booster, weight_drop = _read_booster(_get(learner, "gradient_booster", dict, "learner"))
    trees = _get(gradient_booster, "model", dict, "gradient_booster")
    parallel, vector = _read_shape(trees)
    kept = {p.name: params[p.name] for p in TABLE if not p.only}
    kept.update(
        booster="gbtree" if weight_drop is None else "dart",
        num_parallel_tree=parallel,
        multi_strategy="multi_output_tree" if vector else "one_output_per_tree",
    )
    params, objective = _read_objective(_get(learner, "objective", dict, "learner"), size, kept)
    score = _read_score(_get(size, "base_score", str, "learner_model_param"), objective)
    names = _read_strings(learner, "feature_names", features)
    types = _read_strings(learner, "feature_types", features)
    attributes = _get(learner, "attributes", dict, "learner")
    if not all(isinstance(v, str) for v in attributes.values()):
        raise ModelError("attributes must be strings")
    attributes = dict(attributes)
    categories = read_dictionaries(trees.get("cats"), attributes.pop(CATEGORIES, None), features)
    dropout = attributes.pop(DROPOUT, None)
    if newer := [name for name in attributes if name.startswith(PREFIX) and name not in (CLASSES, ENCODING)]:
        raise ModelError(f"it was written by a newer version: it has the attribute {newer[0]!r}")
    _check_best(attributes)
    if ENCODING in attributes:
        try:
            Encoding.from_json(attributes[ENCODING])
        except DataError as error:
            raise ModelError(str(error)) from None
    forest = Forest(objective.n_outputs, parallel, vector)
    _read_trees(forest, trees, features)
    if weight_drop is not None:
        forest.weights = _read_weights(weight_drop, forest.trees)
    check_sets(forest)
    if dropout is not None and (unfolded := unfold(forest, dropout)) is not None:
        forest, params = unfolded, params.replace(booster="dart")
    model = Model(params, objective)
    model.base_score, model.forest, model.n_features = score, forest, features
    model.feature_names, model.feature_types, model.categories = names, types, categories
    model.attributes = Attributes(attributes)
    return model


def _check_version(document: Any) -> None:
    """Raise for files of a newer major version, whose entries may have another meaning."""
    version = document.get("version", VERSION) if isinstance(document, dict) else VERSION
    version = as_list(version)
    if not isinstance(version, list) or len(version) != 3 or {type(v) for v in version} != {int}:
        raise ModelError("version must be three whole numbers")
    text = f"it was written in version {version[0]}.{version[1]} of XGBoost's format"
    newest = f"{NEWEST[0]}.{NEWEST[1]}"
    if version[0] > NEWEST[0]:
        raise ModelError(f"{text}, and the newest supported version is {newest}")
    if version[:2] > NEWEST:
        warnings.warn(f"{text}; it is read as version {newest}", stacklevel=6)


def check_sets(forest: Forest) -> None:
    """Raise for sets of categories whose bits would not fit into memory: a short file can encode them."""
    words = 0
    for t in range(forest.trees):
        ends = forest[t].category_starts[1:]
        last = forest[t].categories[ends[np.diff(forest[t].category_starts) > 0] - 1]
        words += int((last.astype(np.int64) // 32 + 1).sum())
    if words > MOST_WORDS:
        raise ModelError(f"its sets of categories take {4 * words} bytes, more than {4 * MOST_WORDS}")


def _get(mapping: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(mapping, dict) or key not in mapping:
        raise ModelError(f"{where} has no entry {key!r}")
    value = mapping[key]
    if not isinstance(value, kind):
        expected = "list" if isinstance(kind, tuple) else kind.__name__
        raise ModelError(f"{key!r} of {where} must be of type {expected}, got {type(value).__name__}")
    return value


def _whole(mapping: dict[str, Any], key: str, low: int, high: int, absent: int | None = None) -> int:
    if absent is not None and key not in mapping:
        return absent
    text = _get(mapping, key, str, "the parameters")
    if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
        raise ModelError(f"{key} must be a whole number in [{low}, {high}], got {text[:40]!r}")
    return int(text)


def _read_booster(entry: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return the entry of the trees, and the weights of the trees if the model was trained with dropout."""
    kind = _get(entry, "name", str, "gradient_booster")
    if kind == "dart":
        weights = _get(entry, "weight_drop", ARRAY, "gradient_booster")
        return _get(entry, "gbtree", dict, "gradient_booster"), as_list(weights)
    if kind == "gblinear":
        raise ModelError("linear models (gblinear) are not supported: only gbtree and dart, which have trees")
    if kind != "gbtree":
        raise ModelError(f"only gbtree and dart models are supported, got {kind!r}")
    # XGBoost 3.4 writes the weights here, and none for a model without dropout.
    model = entry.get("model")
    drop = as_list(model.get("weight_drop")) if isinstance(model, dict) else None
    return entry, drop or None


def _read_weights(values: Any, trees: int) -> NDArray[np.float64]:
    _read_array(values, "weight_drop", trees, False, "trees")
    return np.array(values, dtype=np.float64)


def _read_shape(model: dict[str, Any]) -> tuple[int, bool]:
    """Return the number of parallel trees, and whether leaves are vectors."""
    numbers = _get(model, "gbtree_model_param", dict, "model")
    parallel = max(1, _whole(numbers, "num_parallel_tree", 0, 2**20, absent=1))
    trees = _get(model, "trees", list, "model")
    if not trees:
        return parallel, False
    try:
        param = _get(trees[0], "tree_param", dict, "a tree")
        return parallel, _whole(param, "size_leaf_vector", 0, 2**20, absent=1) > 1
    except ModelError as problem:
        raise ModelError(f"tree 0: {problem}") from None


def _read_objective(
    entry: dict[str, Any], size: dict[str, Any], kept: dict[str, Any]
) -> tuple[Params, Objective]:
    classes = _whole(size, "num_class", 0, 2**20)
    targets = _whole(size, "num_target", 0, 2**20, absent=1)
    name = _get(entry, "name", str, "objective")
    if name in MULTI and classes < 2:
        raise ModelError(f"objective {name} does not fit num_class={classes}")
    # A model of a custom loss has the number of its outputs as num_class, too.
    outputs = max(1, targets, 1 if name in MULTI else classes)
    try:
        options = read_entry(entry)
        params = resolve({**kept, "objective": name, "num_class": classes if classes > 1 else 0, **options})
        alone = make_objective(params)
        objective = make_objective(params, outputs) if alone.output_per_label else alone
        objective.restore(entry)
    except (ValueError, TypeError) as problem:
        raise ModelError(str(problem)) from None
    if name not in MULTI and objective.n_outputs != outputs:
        raise ModelError(f"objective {name} has {objective.n_outputs} outputs here, the file has {outputs}")
    return params, objective


def _read_score(text: str, objective: Objective) -> NDArray[np.float64]:
    outputs = objective.n_outputs
    try:
        values = [float(v) for v in text.strip().removeprefix("[").removesuffix("]").split(",")]
    except ValueError:
        raise ModelError(f"base_score must be a number or a list of numbers, got {text[:40]!r}") from None
    if len(values) not in (1, outputs):
        raise ModelError(f"base_score has {len(values)} numbers for {outputs} outputs")
    with np.errstate(over="ignore"):
        score = np.resize(np.array(values), outputs).astype(np.float32).astype(np.float64)
    try:
        with np.errstate(all="ignore"):
            finite = np.isfinite(score).all() and np.isfinite(objective.to_margin(score)).all()
    except ValueError as problem:
        raise ModelError(str(problem)) from None
    if not finite:
        raise ModelError(f"base_score {score.tolist()} is not finite, or its margin is not")
    return score


def _read_strings(learner: dict[str, Any], key: str, features: int) -> list[str] | None:
    values = learner.get(key) or []
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise ModelError(f"{key} must be a list of strings")
    if len(values) not in (0, features):
        raise ModelError(f"{key} has {len(values)} entries for {features} features")
    return values or None


def _check_best(attributes: dict[str, str]) -> None:
    try:
        int(attributes.get("best_iteration", "0")), float(attributes.get("best_score", "0"))
    except ValueError:
        raise ModelError("attributes best_iteration and best_score must be numbers") from None


def _read_trees(forest: Forest, model: dict[str, Any], features: int) -> None:
    numbers = _get(model, "gbtree_model_param", dict, "model")
    trees, info = _get(model, "trees", list, "model"), as_list(_get(model, "tree_info", ARRAY, "model"))
    if _whole(numbers, "num_trees", 0, 2**31 - 1) != len(trees) or len(info) != len(trees):
        raise ModelError(
            f"num_trees, trees and tree_info must agree, got {numbers['num_trees']}, {len(trees)} trees and "
            f"{len(info)} entries"
        )
    order = [t // forest.parallel % (forest.round_trees // forest.parallel) for t in range(len(trees))]
    if len(trees) % forest.round_trees or any(type(g) is not int for g in info) or info != order:
        raise ModelError(
            f"tree_info must cycle through the {forest.n_outputs} outputs, with {forest.parallel} parallel "
            "trees of each"
        )
    rounds = list(range(0, len(trees) + 1, forest.round_trees))
    if as_list(model.get("iteration_indptr", rounds)) != rounds:
        raise ModelError(f"iteration_indptr must give each round {forest.round_trees} trees")
    for t, document in enumerate(trees):
        try:
            if isinstance(document, dict) and document.get("id", t) != t:
                raise ModelError(f"its id is {document['id']!r}")
            outputs = forest.n_outputs if forest.vector else 1
            forest.add(_read_tree(document, features, outputs, forest.vector), info[t])
        except ModelError as problem:
            raise ModelError(f"tree {t}: {problem}") from None


def _read_tree(document: Any, features: int, outputs: int, vector: bool) -> Tree:
    param = _get(document, "tree_param", dict, "a tree")
    size = _whole(param, "num_nodes", 1, 2**31 - 2)
    if (length := _whole(param, "size_leaf_vector", 0, 2**20, absent=1)) > 1 and length != outputs:
        raise ModelError(f"its leaves hold {length} values, those of this model {outputs}")
    if vector != (length > 1):
        raise ModelError("either all trees of a model have leaves of several values, or none")
    arrays: dict[str, NDArray] = {}
    for name, field, whole in TREE_ARRAYS:
        arrays[field] = _read_array(_get(document, name, ARRAY, "a tree"), name, size, whole)
    inner = arrays["left"] != NO_NODE
    weights = _read_array(
        _get(document, "base_weights", ARRAY, "a tree"), "base_weights", size * length, False
    )
    if vector:
        arrays["vectors"] = _read_vectors(document, weights.reshape(size, length), arrays["right"], inner)
        arrays["base_weight"] = np.zeros(size, dtype=np.float32)
    else:
        arrays["base_weight"] = weights
    _check_nodes(arrays, inner, features)
    arrays |= _read_splits(document, inner)
    arrays["parent"][0] = NO_NODE
    arrays["feature"][~inner] = 0
    return Tree(**{f: a.astype(WHOLE.get(f, a.dtype)) for f, a in arrays.items()})


def _read_vectors(
    document: dict[str, Any], weights: NDArray[np.float32], right: NDArray[np.int64], inner: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the vectors of all nodes; a leaf has the number of its vector in place of a right child."""
    if "leaf_weights" not in document:  # before XGBoost 3.2
        right[~inner] = NO_NODE
        return weights
    leaves, length = np.flatnonzero(~inner), weights.shape[1]
    values = _get(document, "leaf_weights", ARRAY, "a tree")
    vectors = _read_array(values, "leaf_weights", leaves.size * length, False, "values of leaves")
    if not np.array_equal(np.sort(right[leaves]), np.arange(leaves.size)):
        raise ModelError("right_children of the leaves must number their vectors")
    weights[leaves] = vectors.reshape(-1, length)[right[leaves]]
    right[leaves] = NO_NODE
    return weights


def _check_nodes(arrays: dict[str, NDArray], inner: NDArray[np.bool_], features: int) -> None:
    left, right, size = arrays["left"], arrays["right"], inner.size
    if not np.array_equal(inner, right != NO_NODE):
        raise ModelError(f"node {np.argmax(inner != (right != NO_NODE))} has only one child")
    children = np.concatenate((left[inner], right[inner]))
    if ((children < 1) | (children >= size)).any():
        raise ModelError(
            f"a child must be a node in [1, {size}), got {children[(children < 1) | (children >= size)][0]}"
        )
    # The root is no child, and no node has two parents: so the nodes below the root form a tree.
    parents = np.bincount(children, minlength=size)
    if parents.max(initial=0) > 1:
        raise ModelError(f"node {np.argmax(parents > 1)} has two parents")
    nodes = np.flatnonzero(inner)
    if not np.array_equal(arrays["parent"][children], np.concatenate((nodes, nodes))):
        raise ModelError("parents does not agree with left_children and right_children")
    if ((arrays["feature"] < 0) | (arrays["feature"] >= features))[inner].any():
        raise ModelError(f"a split uses a feature outside [0, {features})")
    if not np.isin(arrays["default_left"], (0, 1)).all():
        raise ModelError("default_left must be 0 or 1")


def _read_splits(document: dict[str, Any], inner: NDArray[np.bool_]) -> dict[str, NDArray]:
    """Return the categories of the categorical splits, by field of `Tree`."""
    size = inner.size
    if "split_type" not in document:
        return {}
    kinds = _read_array(_get(document, "split_type", ARRAY, "a tree"), "split_type", size, True)
    if not np.isin(kinds, (0, 1)).all():
        raise ModelError("split_type must be 0 or 1")
    read = {}
    for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes"):
        values = _get(document, name, ARRAY, "a tree")
        read[name] = _read_array(values, name, len(values), True)
    codes, nodes, begins, counts = read.values()
    if not (nodes.size == begins.size == counts.size) or (nodes[1:] <= nodes[:-1]).any():
        raise ModelError(
            "categories_nodes, _segments and _sizes must have one entry for each split, in order"
        )
    if not np.array_equal(nodes, np.flatnonzero(kinds == 1)) or not inner[nodes].all():
        raise ModelError("categories_nodes must name the splits of split_type 1")
    if ((codes < 0) | (codes >= MOST_CATEGORIES)).any():
        raise ModelError(f"categories must lie in [0, {MOST_CATEGORIES})")
    if ((begins < 0) | (counts < 1) | (begins + counts > codes.size)).any():
        raise ModelError("a split has no categories, or more than there are")
    if not nodes.size:
        return {}
    sets = [np.unique(codes[b : b + n]) for b, n in zip(begins, counts, strict=True)]
    starts = np.zeros(size + 1, dtype=np.int64)
    starts[nodes + 1] = [s.size for s in sets]
    return {
        "categories": np.concatenate(sets).astype(np.int32),
        "category_starts": np.cumsum(starts),
    }


def _read_array(values: Any, name: str, size: int, whole: bool, of: str = "nodes") -> NDArray:
    if not isinstance(values, ARRAY) or len(values) != size:
        count = f"{len(values)} entries" if isinstance(values, ARRAY) else type(values).__name__
        raise ModelError(f"{name} has {count} for {size} {of}")
    if isinstance(values, np.ndarray):
        fits = values.dtype.kind in ("iu" if whole else "iuf")
    else:
        fits = set(map(type, values)) <= ({int, bool} if whole else {int, float})
    if not fits:
        raise ModelError(f"{name} must hold {'whole ' if whole else ''}numbers")
    try:
        if whole:
            array = np.array(values, dtype=np.int64)
            if ((array > ROOT_PARENT) | (array < -ROOT_PARENT)).any():
                raise OverflowError
            return array
        with np.errstate(over="ignore"):
            single = np.array(values, dtype=np.float64).astype(np.float32)
    except OverflowError:
        raise ModelError(f"{name} holds a number that is too large") from None
    if not np.isfinite(single).all():
        raise ModelError(f"{name} holds a number that is not finite")
    return single
