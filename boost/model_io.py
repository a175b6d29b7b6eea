"""XGBoost's JSON model file: written whole or not at all, and read with suspicion.

The reader builds arrays from numbers and checks them; nothing in a file is executed or imported, and whatever
is wrong with a file ends in a `ModelError`.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.objective import OBJECTIVES, make_objective
from boost.params import BY_NAME, TABLE, ParameterError, nearest, resolve
from boost.tree import NO_NODE, Forest, Tree

if TYPE_CHECKING:
    from boost.booster import Booster
    from boost.frame import Categories

VERSION = [3, 2, 0]  # of the format
ROOT_PARENT = 2**31 - 1
CATEGORIES = "espalier_categories"
# File name of each tree array, the field of `Tree`, and whether it holds whole numbers.
TREE_ARRAYS = (
    ("left_children", "left", True),
    ("right_children", "right", True),
    ("parents", "parent", True),
    ("split_indices", "feature", True),
    ("split_conditions", "condition", False),
    ("default_left", "default_left", True),
    ("base_weights", "base_weight", False),
    ("loss_changes", "gain", False),
    ("sum_hessian", "hessian", False),
)


class ModelError(ValueError):
    """A model file that is damaged, or that holds a model of a kind not supported."""


def write_model(booster: Booster, path: Any) -> None:
    """Write a model; see `Booster.save_model`."""
    name = os.fspath(path)
    if not str(name).endswith(".json"):
        raise ValueError(f"models are saved as JSON: give a name that ends in '.json', got {str(name)!r}")
    text = json.dumps(to_dict(booster), sort_keys=True, separators=(",", ":"), allow_nan=False)
    folder = os.path.dirname(os.path.abspath(name))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".json.tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, name)
    except BaseException:
        os.unlink(temporary)
        raise


def read_model(booster: Booster, path: Any) -> None:
    """Fill a booster from a file; see `Booster.load_model`. A failed read leaves it as it was."""
    with open(path, "rb") as file:
        raw = file.read()
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise ModelError(f"{path}: not a JSON model: {problem}") from None
    try:
        _fill(booster, document)
    except ModelError as problem:
        raise ModelError(f"{path}: {problem}") from None


def to_dict(booster: Booster) -> dict[str, Any]:
    """Return the document of a model, with parameters as strings and arrays of floats, as XGBoost wants."""
    forest, groups = booster.forest, booster.objective.groups
    attributes = dict(booster.attributes)
    if booster.best_iteration is not None:
        attributes["best_iteration"] = str(booster.best_iteration)
        attributes["best_score"] = repr(booster.best_score)
    if booster.categories:
        attributes[CATEGORIES] = json.dumps({str(f): known for f, known in booster.categories.items()})
    return {
        "version": VERSION,
        "learner": {
            "attributes": attributes,
            "feature_names": booster.feature_names or [],
            "feature_types": booster.feature_types or [],
            "learner_model_param": {
                "base_score": _score_text(booster.base_score),
                "boost_from_average": "1",
                "num_class": str(groups if groups > 1 else 0),
                "num_feature": str(booster.num_features),
                "num_target": "1",
            },
            "objective": booster.objective.file_entry(),
            "gradient_booster": {
                "name": "gbtree",
                "model": {
                    "gbtree_model_param": {"num_trees": str(forest.trees), "num_parallel_tree": "1"},
                    "iteration_indptr": list(range(0, forest.trees + 1, groups)),
                    "tree_info": [forest.group(t) for t in range(forest.trees)],
                    "trees": [_tree_dict(t, forest[t], booster.num_features) for t in range(forest.trees)],
                },
            },
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


def _tree_dict(number: int, tree: Tree, features: int) -> dict[str, Any]:
    size = tree.size
    out: dict[str, Any] = {
        "id": number,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(features),
            "num_nodes": str(size),
            "size_leaf_vector": "1",
        },
        "split_type": [0] * size,
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
    }
    for name, field, whole in TREE_ARRAYS:
        array = getattr(tree, field)
        out[name] = array.tolist() if whole else _floats(array)
    out["parents"][0] = ROOT_PARENT
    return out


def _fill(booster: Booster, document: Any) -> None:
    learner = _get(document, "learner", dict, "the model")
    size = _get(learner, "learner_model_param", dict, "learner")
    features = _whole(size, "num_feature", 1, 2**31 - 1)
    classes = _whole(size, "num_class", 0, 2**20)
    if "num_target" in size and _whole(size, "num_target", 0, 2**20) > 1:
        raise ModelError("models of several targets are not supported")
    entry = _get(learner, "objective", dict, "learner")
    params = {p.name: booster.params[p.name] for p in TABLE if not p.only}
    params.update(objective=_get(entry, "name", str, "objective"), num_class=classes if classes > 1 else 0)
    params.update(_objective_params(entry))
    if params["objective"] not in OBJECTIVES:
        known = nearest(params["objective"], OBJECTIVES)
        raise ModelError(f"objective {params['objective']!r} is not supported{known}")
    if (params["objective"] in BY_NAME["num_class"].only) != (classes > 1):
        raise ModelError(f"objective {params['objective']} does not go with num_class {classes}")
    try:
        params = resolve(params)
        objective = make_objective(params)
    except ValueError as problem:
        raise ModelError(str(problem)) from None
    score = _read_score(_get(size, "base_score", str, "learner_model_param"), objective.groups)
    try:
        if not np.isfinite(objective.to_margin(score)).all():
            raise ModelError(f"base_score {score.tolist()} is not finite")
    except ModelError:
        raise
    except ValueError as problem:
        raise ModelError(str(problem)) from None
    names = _read_strings(learner, "feature_names", features)
    types = _read_strings(learner, "feature_types", features)
    attributes = _get(learner, "attributes", dict, "learner")
    if not all(isinstance(v, str) for v in attributes.values()):
        raise ModelError("attributes must be strings")
    attributes = dict(attributes)
    categories = _read_categories(attributes.pop(CATEGORIES, None), features)
    best = _read_best(attributes.pop("best_iteration", None), attributes.pop("best_score", None))
    if categories == {} and types is not None and "c" in types:
        raise ModelError("models with XGBoost's categorical features are not supported")
    forest = _read_forest(_get(learner, "gradient_booster", dict, "learner"), objective.groups, features)
    booster.params, booster.objective = params, objective
    booster.base_score, booster.forest, booster.num_features = score, forest, features
    booster.feature_names, booster.feature_types, booster.categories = names, types, categories
    booster.attributes = attributes
    booster.best_iteration, booster.best_score = best


def _get(mapping: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(mapping, dict) or key not in mapping:
        raise ModelError(f"{where} has no entry {key!r}")
    value = mapping[key]
    if not isinstance(value, kind):
        raise ModelError(f"{key!r} of {where} must be of type {kind.__name__}, got {type(value).__name__}")
    return value


def _whole(mapping: dict[str, Any], key: str, low: int, high: int) -> int:
    text = _get(mapping, key, str, "the parameters")
    if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
        raise ModelError(f"{key} must be a whole number in [{low}, {high}], got {text[:40]!r}")
    return int(text)


def _objective_params(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what an objective's entry says about parameters that we have too."""
    rows = (
        ("reg_loss_param", "scale_pos_weight", float),
        ("lambdarank_param", "lambdarank_num_pair_per_sample", int),
    )
    found: dict[str, Any] = {}
    for group, name, kind in rows:
        text = entry.get(group, {}).get(name) if isinstance(entry.get(group, {}), dict) else None
        if isinstance(text, str):
            row = BY_NAME[name]
            try:
                value = kind(text)
                row.check(value)
            except ParameterError:
                continue  # XGBoost's marker for "not set"; it matters to training only
            except ValueError:
                raise ModelError(f"{name} must be a number, got {text[:40]!r}") from None
            if entry["name"] in row.only:
                found[name] = value
    return found


def _read_score(text: str, groups: int) -> NDArray[np.float64]:
    try:
        values = [float(v) for v in text.strip().removeprefix("[").removesuffix("]").split(",")]
    except ValueError:
        raise ModelError(f"base_score must be a number or a list of numbers, got {text[:40]!r}") from None
    if len(values) not in (1, groups):
        raise ModelError(f"base_score has {len(values)} numbers for {groups} outputs")
    return np.resize(np.array(values), groups).astype(np.float32).astype(np.float64)


def _read_strings(learner: dict[str, Any], key: str, features: int) -> list[str] | None:
    values = learner.get(key) or []
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise ModelError(f"{key} must be a list of strings")
    if len(values) not in (0, features):
        raise ModelError(f"{key} has {len(values)} entries for {features} features")
    return values or None


def _read_categories(text: str | None, features: int) -> Categories:
    if text is None:
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    out: Categories = {}
    if not isinstance(document, dict):
        raise ModelError(f"attribute {CATEGORIES} must be a JSON object")
    for key, known in document.items():
        good = isinstance(known, list) and all(isinstance(v, (str, bool, int, float)) for v in known)
        if not (good and key.isascii() and key.isdigit() and len(key) < 12 and int(key) < features):
            raise ModelError(f"attribute {CATEGORIES} must map feature numbers to lists of values")
        out[int(key)] = known
    return out


def _read_best(iteration: str | None, score: str | None) -> tuple[int | None, float | None]:
    try:
        return (
            None if iteration is None else int(iteration),
            None if score is None else float(score),
        )
    except ValueError:
        raise ModelError("attributes best_iteration and best_score must be numbers") from None


def _read_forest(gradient_booster: dict[str, Any], groups: int, features: int) -> Forest:
    kind = _get(gradient_booster, "name", str, "gradient_booster")
    if kind != "gbtree":
        raise ModelError(f"only gbtree models are supported, got {kind!r}")
    model = _get(gradient_booster, "model", dict, "gradient_booster")
    if "weight_drop" in model:
        raise ModelError("models trained with dropout are not supported")
    numbers = _get(model, "gbtree_model_param", dict, "model")
    trees, info = _get(model, "trees", list, "model"), _get(model, "tree_info", list, "model")
    if _whole(numbers, "num_trees", 0, 2**31 - 1) != len(trees) or len(info) != len(trees):
        raise ModelError(f"num_trees, trees and tree_info differ: {len(trees)} trees, {len(info)} entries")
    if "num_parallel_tree" in numbers and _whole(numbers, "num_parallel_tree", 0, 2**20) > 1:
        raise ModelError("models of several parallel trees are not supported")
    if len(trees) % groups or any(type(g) is not int or g != t % groups for t, g in enumerate(info)):
        raise ModelError(f"tree_info must go round the {groups} outputs")
    forest = Forest(groups)
    for t, tree in enumerate(trees):
        try:
            forest.add(_read_tree(tree, t, features), info[t])
        except ModelError as problem:
            raise ModelError(f"tree {t}: {problem}") from None
    return forest


def _read_tree(document: Any, number: int, features: int) -> Tree:
    param = _get(document, "tree_param", dict, "a tree")
    size = _whole(param, "num_nodes", 1, 2**31 - 2)
    if "size_leaf_vector" in param and _whole(param, "size_leaf_vector", 0, 2**20) > 1:
        raise ModelError("leaves of several values are not supported")
    if document.get("id", number) != number:
        raise ModelError(f"its id is {document['id']!r}")
    arrays: dict[str, NDArray] = {}
    for name, field, whole in TREE_ARRAYS:
        arrays[field] = _read_array(_get(document, name, list, "a tree"), name, size, whole)
    kinds = document.get("split_type")
    if kinds is not None and _read_array(_typed(kinds, "split_type"), "split_type", size, True).any():
        raise ModelError("categorical splits are not supported")
    left, right, parent = arrays["left"], arrays["right"], arrays["parent"]
    inner = left != NO_NODE
    if not np.array_equal(inner, right != NO_NODE):
        raise ModelError("a node has one child only")
    children = np.concatenate((left[inner], right[inner]))
    if ((children < 1) | (children >= size)).any():
        raise ModelError("a child is no node of the tree")
    # The root is nobody's child and no node has two parents: so what hangs from the root is a tree, without
    # circles.
    if np.bincount(children, minlength=size).max(initial=0) > 1:
        raise ModelError("a node is the child of two")
    if ((arrays["feature"] < 0) | (arrays["feature"] >= features))[inner].any():
        raise ModelError(f"a split asks for a feature outside [0, {features})")
    if not np.isin(arrays["default_left"], (0, 1)).all():
        raise ModelError("default_left must be 0 or 1")
    parent[0] = NO_NODE
    kinds_of = {"left": np.int32, "right": np.int32, "parent": np.int32, "default_left": np.uint8}
    kinds_of["feature"] = np.int32
    arrays["feature"][~inner] = 0
    return Tree(**{f: a.astype(kinds_of.get(f, np.float32)) for f, a in arrays.items()})


def _typed(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ModelError(f"{name} must be a list")
    return value


def _read_array(values: list[Any], name: str, size: int, whole: bool) -> NDArray:
    if len(values) != size:
        raise ModelError(f"{name} has {len(values)} entries for {size} nodes")
    allowed = {int, bool} if whole else {int, float}
    if not set(map(type, values)) <= allowed:
        raise ModelError(f"{name} must hold {'whole ' if whole else ''}numbers")
    try:
        if whole:
            array = np.array(values, dtype=np.int64)
            if (np.abs(array) > ROOT_PARENT).any():
                raise OverflowError
            return array
        with np.errstate(over="ignore"):
            single = np.array(values, dtype=np.float64).astype(np.float32)
    except OverflowError:
        raise ModelError(f"{name} holds a number that is too large") from None
    if not np.isfinite(single).all():
        raise ModelError(f"{name} holds a number that is not finite")
    return single
