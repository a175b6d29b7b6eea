"""A model from LightGBM's text, with every entry checked.

The splits of both libraries are equivalent, with other conventions. LightGBM compares float64 numbers by
``x <= threshold``; here float32 numbers are compared by ``x < condition``, and for each threshold there is a
condition with the same result for every float32. LightGBM sends listed categories left, here they go right:
the children are exchanged. Where LightGBM treats a missing value as zero, missing values go where zero goes.
Where it treats zero as missing, zero may go to the other child than the numbers on both sides of it: such a
split becomes three splits, and the subtrees below it are copied.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.errors import ModelError, nearest
from boost.forest.forest import Forest
from boost.forest.tree import NO_NODE, Tree
from boost.model.model import Attributes, Model
from boost.model.model_io.read import check_sets
from boost.model.model_io.schema import MOST_CATEGORIES
from boost.objective import make_objective
from boost.params import TABLE, Params, resolve

if TYPE_CHECKING:
    from boost.data.frames.dictionary import Categories

VERSIONS = ("v2", "v3", "v4")
# For each objective of LightGBM, the one here with the same function from margins to predictions.
OBJECTIVES = {
    "regression": "reg:squarederror",
    "regression_l1": "reg:absoluteerror",
    "huber": "reg:pseudohubererror",
    "fair": "reg:pseudohubererror",
    "quantile": "reg:quantileerror",
    "mape": "reg:absoluteerror",
    "poisson": "count:poisson",
    "gamma": "reg:gamma",
    "tweedie": "reg:tweedie",
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "multiclassova": "binary:logistic",
    "cross_entropy": "reg:logistic",
    "lambdarank": "rank:ndcg",
    "rank_xendcg": "rank:ndcg",
    "custom": "reg:squarederror",
}
# The bits of "decision_type".
CATEGORICAL, DEFAULT_LEFT, MISSING = 1, 2, 12
NONE, ZERO, NAN = 0, 4, 8
# Numbers up to this size are treated as zero.
TINY = float(np.float32(1e-35))
ABOVE = float(np.nextafter(np.float32(TINY), np.float32(1)))
NEVER = -float(np.finfo(np.float32).max)  # no float32 is below it
# Bound on the nodes made of one node in the file, where zero is treated as missing.
MOST_COPIES = 100


def conditions(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return conditions such that ``x < condition`` equals ``x <= threshold`` for every float32 x.

    LightGBM treats numbers up to 1e-35 as zero: they go where zero goes. For thresholds from the largest
    float32 on, the condition is infinity.
    """
    with np.errstate(all="ignore"):
        single = threshold.astype(np.float32)
        largest = np.where(single > threshold, np.nextafter(single, np.float32(-np.inf)), single)
        condition = np.nextafter(largest, np.float32(np.inf))
    near = np.abs(threshold) <= TINY
    return np.where(near, np.where(threshold < 0, -TINY, ABOVE), condition).astype(np.float32)


def read_lightgbm(raw: bytes, params: Params) -> Model:
    """Return the model of LightGBM's text; `params` gives the parameters that the text does not hold.

    Raises
    ------
    ModelError
        For text that is damaged, incomplete, or holds a model of an unsupported kind.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ModelError("LightGBM's text is not UTF-8") from None
    body, end, rest = text.replace("\r\n", "\n").partition("\nend of trees\n")
    if not end:
        raise ModelError("LightGBM's text ends before the line 'end of trees'")
    head, *blocks = body.split("\nTree=")
    header = _Entries(head, "the header")
    if (version := header.text("version")) not in VERSIONS:
        raise ModelError(f"version {version[:40]!r} of LightGBM's text is not supported, only {VERSIONS}")
    features = header.whole("max_feature_idx", 0, 2**31 - 2) + 1
    outputs = header.whole("num_tree_per_iteration", 1, 2**20)
    names, infos = header.text("feature_names").split(), header.text("feature_infos").split()
    if not len(names) == len(infos) == features:
        raise ModelError(f"{len(names)} feature_names and {len(infos)} feature_infos for {features} features")
    if "tree_sizes" in header and len(header.text("tree_sizes").split()) != len(blocks):
        raise ModelError(
            f"tree_sizes has {len(header.text('tree_sizes').split())} entries for {len(blocks)} trees"
        )
    if len(blocks) % outputs:
        raise ModelError(f"the number of trees, {len(blocks)}, is not a multiple of the {outputs} outputs")
    entry, name, factor = _read_objective(header, outputs)
    options: dict[str, Any] = {}
    if name == "reg:quantileerror":
        options["quantile_alpha"] = _option(rest, "alpha", 0.5)
    if "average_output" in header and blocks:
        factor /= len(blocks) // outputs
    kept = {p.name: params[p.name] for p in TABLE if not p.only}
    kept |= {"booster": "gbtree", "num_parallel_tree": 1, "multi_strategy": "one_output_per_tree"}
    classes = outputs if name == "multi:softprob" else 0
    try:
        params = resolve({**kept, **options, "objective": name, "num_class": classes})
        objective = make_objective(params, 1 if classes else outputs)
    except ValueError as problem:
        raise ModelError(str(problem)) from None
    forest = Forest(outputs)
    for t, block in enumerate(blocks):
        number, _, lines = block.partition("\n")
        try:
            if number != str(t):
                raise ModelError(f"its number is {number[:40]!r}")
            forest.add(_read_tree(_Entries(lines, "the tree"), features, factor), t % outputs)
        except ModelError as problem:
            raise ModelError(f"tree {t}: {problem}") from None
    check_sets(forest)
    used = {int(f) for tree in _trees(forest) for f in tree.feature[_categorical(tree)]}
    marked = [f in used or not (i == "none" or i.startswith("[")) for f, i in enumerate(infos)]
    categories = _read_categories(rest, marked)
    model = Model(params, objective)
    model.forest, model.n_features = forest, features
    model.base_score = objective.neutral()
    model.categories = categories
    model.feature_names = None if names == [f"Column_{f}" for f in range(features)] else names
    model.feature_types = ["c" if m else "float" for m in marked] if any(marked) else None
    model.attributes = Attributes({"lightgbm_objective": entry})
    return model


def _trees(forest: Forest) -> list[Tree]:
    return [forest[t] for t in range(forest.trees)]


def _categorical(tree: Tree) -> NDArray[np.int64]:
    """Return the nodes with a categorical split."""
    return np.flatnonzero(np.diff(tree.category_starts))


class _Entries:
    """Lines of the form ``name=value``; a line without "=" has an empty value."""

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        self._values: dict[str, str] = {}
        for line in text.split("\n"):
            name, _, value = line.partition("=")
            if name in self._values and name:
                raise ModelError(f"{where} has two lines {name[:40]!r}")
            self._values[name] = value.strip()

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        if name not in self._values:
            raise ModelError(f"{self._where} has no line {name!r}")
        return self._values[name]

    def whole(self, name: str, low: int, high: int) -> int:
        text = self.text(name)
        if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
            raise ModelError(f"{name} must be a whole number in [{low}, {high}], got {text[:40]!r}")
        return int(text)

    def array(self, name: str, size: int, kind: type) -> NDArray:
        """Return a line of `size` finite numbers."""
        words = self.text(name).split()
        if len(words) != size:
            raise ModelError(f"{name} has {len(words)} entries, not {size}")
        try:
            values: NDArray[Any] = np.array(words or ["0"], dtype=kind)[:size]
        except (ValueError, OverflowError):
            raise ModelError(f"{name} must hold {'whole ' if kind is np.int64 else ''}numbers") from None
        if np.isnan(values).any() or (name != "threshold" and np.isinf(values).any()):
            raise ModelError(f"{name} holds a number that is not finite")
        return values


def _read_objective(header: _Entries, outputs: int) -> tuple[str, str, float]:
    """Return LightGBM's entry, the name of the objective here, and the factor on the leaves."""
    entry = header.text("objective") if "objective" in header else "custom"
    name, *words = entry.split() or ["custom"]
    options = dict(word.partition(":")[::2] for word in words)
    if name not in OBJECTIVES or "sqrt" in options:
        raise ModelError(f"LightGBM's objective {entry[:40]!r} is not supported{nearest(name, OBJECTIVES)}")
    if (outputs > 1) != name.startswith("multiclass") and name != "custom":
        raise ModelError(f"objective {name} does not fit num_tree_per_iteration={outputs}")
    try:
        factor = float(options["sigmoid"]) if name in ("binary", "multiclassova") else 1.0
    except (KeyError, ValueError):
        raise ModelError(f"the options of LightGBM's objective {entry[:40]!r} are damaged") from None
    if not 0.0 < factor < np.inf:
        raise ModelError(f"sigmoid must be a number above 0, got {factor}")
    return entry, OBJECTIVES[name], factor


def _option(rest: str, name: str, absent: float) -> float:
    """Return a training parameter; the parameters follow the trees."""
    text = rest.partition(f"\n[{name}: ")[2].partition("]")[0] or absent
    try:
        return float(text)
    except ValueError:
        raise ModelError(f"parameter {name} must be a number") from None


def _read_categories(rest: str, marked: list[bool]) -> Categories:
    """Return the dictionaries of the training table, if it was a frame."""
    key = "pandas_categorical:"
    lines = [line.removeprefix(key) for line in rest.split("\n") if line.startswith(key)]
    try:
        dictionaries = json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):
        raise ModelError("pandas_categorical is damaged") from None
    columns = [f for f, m in enumerate(marked) if m]
    if not dictionaries:
        return {}
    if not isinstance(dictionaries, list) or len(dictionaries) != len(columns):
        raise ModelError(
            "pandas_categorical does not identify its columns: some of them have one category only"
        )
    for f, values in zip(columns, dictionaries, strict=True):
        good = isinstance(values, list) and all(isinstance(v, (str, bool, int, float)) for v in values)
        if not good or len(set(map(repr, values))) != len(values):
            raise ModelError(f"pandas_categorical of feature {f} must be a list of different values")
    return dict(zip(columns, dictionaries, strict=True))


class _Node(NamedTuple):
    """A node of LightGBM's tree, or one of several copies of it.

    Attributes
    ----------
    at : int
        The number of a split, or ``~leaf``.
    share : float
        The share of the node's rows that this copy gets.
    side : dict of int to int
        For features whose zero is missing: whether their values are below (-1), at (0) or above zero here.
    """

    at: int
    share: float
    side: dict[int, int]

    def on(self, feature: int, side: int) -> _Node:
        """Return a copy for the rows on one side of zero."""
        return _Node(self.at, self.share * 0.5, {**self.side, feature: side})


class _Split(NamedTuple):
    """A split of the new tree and its children; `at` is the split of LightGBM that it is made from."""

    at: int
    condition: float
    default_left: bool
    left: _Node | _Split
    right: _Node | _Split
    categories: NDArray[np.int32] | None = None


class _TextTree:
    """The checked arrays of LightGBM's tree, and the splits made from them."""

    def __init__(self, entries: _Entries, features: int) -> None:
        leaves = entries.whole("num_leaves", 1, 2**31 - 2)
        if "is_linear" in entries and entries.text("is_linear") != "0":
            raise ModelError("linear models in the leaves are not supported")
        splits = leaves - 1
        self.leaf_value = entries.array("leaf_value", leaves, np.float64)
        self.left, self.right, self.feature, self.decision = (
            entries.array(name, splits, np.int64)
            for name in ("left_child", "right_child", "split_feature", "decision_type")
        )
        self.threshold = entries.array("threshold", splits, np.float64)
        self.gain = entries.array("split_gain", splits, np.float64)
        weighed = splits and "leaf_weight" in entries and "internal_value" in entries
        self.leaf_weight = entries.array("leaf_weight", leaves, np.float64) if weighed else np.ones(leaves)
        self.value = entries.array("internal_value", splits, np.float64) if weighed else np.zeros(splits)
        self._check(splits, features)
        # Lists, because they are read one element at a time.
        self.condition: list[float] = conditions(self.threshold).tolist()
        self.splits = list(
            zip(*(a.tolist() for a in (self.decision, self.feature, self.left, self.right)), strict=True)
        )
        self.words = np.empty(0, dtype=np.uint32)
        self.bounds = np.zeros(1, dtype=np.int64)
        if sets := entries.whole("num_cat", 0, 2**31 - 2):
            self._read_sets(entries, sets)

    def _check(self, splits: int, features: int) -> None:
        children = np.concatenate((self.left, self.right))
        inner = np.tile(np.arange(splits), 2)
        # LightGBM numbers a split after its parent: so there are no cycles.
        if ((children >= splits) | (children < -splits - 1) | ((children >= 0) & (children <= inner))).any():
            raise ModelError("a child is not a node numbered after its parent")
        if np.unique(children).size != children.size:
            raise ModelError("a node has two parents")
        if ((self.feature < 0) | (self.feature >= features)).any():
            raise ModelError(f"a split uses a feature outside [0, {features})")
        if ((self.decision < 0) | (self.decision >= MISSING)).any():
            raise ModelError(f"decision_type must be in [0, {MISSING})")

    def _read_sets(self, entries: _Entries, sets: int) -> None:
        count = len(entries.text("cat_threshold").split())
        words = entries.array("cat_threshold", count, np.int64)
        self.bounds = entries.array("cat_boundaries", sets + 1, np.int64)
        if ((words < 0) | (words >= 2**32)).any():
            raise ModelError("cat_threshold must hold words of 32 bits")
        if self.bounds[0] != 0 or (np.diff(self.bounds) < 1).any() or self.bounds[-1] != count:
            raise ModelError("cat_boundaries must increase from 0 to the number of entries of cat_threshold")
        if np.diff(self.bounds).max() > MOST_CATEGORIES // 32:
            raise ModelError(f"categories must lie in [0, {MOST_CATEGORIES})")
        self.words = words.astype("<u4")

    def categories(self, at: int) -> NDArray[np.int32]:
        """Return the categories that a split lists, increasing."""
        number = self.threshold[at]
        if not 0 <= number < self.bounds.size - 1 or number != int(number):
            raise ModelError(f"a split names the set of categories {number:g}, which the tree does not have")
        words = self.words[self.bounds[int(number)] : self.bounds[int(number) + 1]]
        return np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).astype(np.int32)

    def split(self, node: _Node) -> _Node | _Split:
        """Return the split, or the copy of a child, that replaces a node of LightGBM that is no leaf."""
        at = node.at
        kind, f, on_left, on_right = self.splits[at]
        left, right = _Node(on_left, node.share, node.side), _Node(on_right, node.share, node.side)
        if kind & CATEGORICAL:
            listed = self.categories(at)
            if not listed.size:
                return _Split(at, NEVER, False, left, right)
            return _Split(at, 0.0, True, right, left, listed)
        condition, default_left = self.condition[at], bool(kind & DEFAULT_LEFT)
        if kind & MISSING == NONE:
            default_left = condition > 0
        if kind & MISSING == ZERO:
            return self._split_zero(f, node, left, right, default_left)
        return self._compare(at, condition, default_left, left, right)

    def _compare(
        self,
        at: int,
        condition: float,
        default_left: bool,
        left: _Node | _Split,
        right: _Node | _Split,
    ) -> _Split:
        if condition == np.inf:  # all present values go left, which no finite condition expresses
            return _Split(at, NEVER, not default_left, right, left)
        return _Split(at, condition, default_left, left, right)

    def _split_zero(
        self, f: int, node: _Node, left: _Node, right: _Node, default_left: bool
    ) -> _Node | _Split:
        """Return the split by a feature whose zero is treated as missing."""
        at, condition = node.at, self.condition[node.at]
        side = node.side.get(f)
        if side == 0:
            return left if default_left else right
        if side is not None or default_left == (condition > TINY):
            return self._compare(at, condition, default_left, left, right)
        if -TINY <= condition <= ABOVE:  # the threshold is at zero: one comparison is enough
            return _Split(at, ABOVE if default_left else -TINY, default_left, left, right)
        if default_left:
            below_zero = self._compare(at, condition, True, left.on(f, -1), right.on(f, -1))
            rest = _Split(at, ABOVE, True, left.on(f, 0), right.on(f, 1))
            return _Split(at, -TINY, False, below_zero, rest)
        above_zero = self._compare(at, condition, True, left.on(f, 1), right.on(f, 1))
        rest = _Split(at, -TINY, False, left.on(f, -1), right.on(f, 0))
        return _Split(at, ABOVE, True, rest, above_zero)


def _read_tree(entries: _Entries, features: int, factor: float) -> Tree:
    text = _TextTree(entries, features)
    most = MOST_COPIES * (2 * text.leaf_value.size)
    nodes: list[_Node | _Split] = [_Node(0 if text.left.size else ~0, 1.0, {})]
    parent = [NO_NODE]
    for n in range(most):
        if n == len(nodes):
            break
        node = nodes[n]
        while isinstance(node, _Node) and node.at >= 0:
            node = text.split(node)
        nodes[n] = node
        if isinstance(node, _Split):
            nodes += [node.left, node.right]
            parent += [n, n]
    else:
        raise ModelError(
            f"zero is treated as missing in so many splits that the tree would need more than {most} nodes: "
            "train LightGBM without zero_as_missing, on a table that holds NaN in place of zero"
        )
    return _pack(text, nodes, parent, factor)


def _pack(text: _TextTree, nodes: list[Any], parent: list[int], factor: float) -> Tree:
    """Return the tree of the splits and leaves, level by level."""
    inner = np.array([isinstance(p, _Split) for p in nodes])
    origin = np.array([p.at for p in nodes])
    at, leaf = origin[inner], ~origin[~inner]
    size = len(nodes)
    left = np.full(size, NO_NODE, dtype=np.int32)
    left[inner] = 2 * np.arange(at.size) + 1
    condition, weight, gain, hessian = np.zeros((4, size))
    condition[inner] = [p.condition for p in nodes if isinstance(p, _Split)]
    with np.errstate(all="ignore"):  # numbers that are too large are refused below
        condition[~inner] = text.leaf_value[leaf] * factor
        weight[inner], weight[~inner] = text.value[at] * factor, condition[~inner]
        gain[inner] = text.gain[at]
        hessian[~inner] = text.leaf_weight[leaf] * [p.share for p in nodes if isinstance(p, _Node)]
        for n in range(size - 1, 0, -1):
            hessian[parent[n]] += hessian[n]
        single = [a.astype(np.float32) for a in (condition, weight, gain, hessian)]
    if not all(np.isfinite(a).all() for a in single):
        raise ModelError("it holds a number that is too large for float32")
    feature, default_left = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.uint8)
    feature[inner] = text.feature[at]
    default_left[inner] = [p.default_left for p in nodes if isinstance(p, _Split)]
    sets = [p.categories if isinstance(p, _Split) else None for p in nodes]
    categorical = {}
    if any(s is not None for s in sets):
        categorical = {
            "categories": np.concatenate([s for s in sets if s is not None]),
            "category_starts": np.cumsum([0, *(0 if s is None else s.size for s in sets)]),
        }
    return Tree(
        left=left,
        right=np.where(left < 0, NO_NODE, left + 1).astype(np.int32),
        parent=np.array(parent, dtype=np.int32),
        feature=feature,
        condition=single[0],
        default_left=default_left,
        base_weight=single[1],
        gain=single[2],
        hessian=single[3],
        **categorical,
    )
