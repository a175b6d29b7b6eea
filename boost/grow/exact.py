"""Trees from sorted columns: split candidates between any two values, or at fractions of a node's hessian."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.data.sorted_columns import SortedColumns, feature_ranges, key_values, sort_columns, value_keys
from boost.errors import ParameterError
from boost.forest.grown_tree import GrownTree
from boost.forest.tree import NO_NODE, Tree
from boost.grow.constraint import InteractionConstraints, monotone_directions
from boost.grow.kernels.exact_records import (
    CHILDREN_COLUMNS,
    FEATURE,
    HIGH,
    LOCATION_COLUMNS,
    LOW,
    LOWER,
    MISSING_LEFT,
    NODE_COLUMNS,
    PIECE_COLUMNS,
    SCORE,
    SUM_G,
    SUM_H,
    UPPER,
    Entries,
    Level,
    Move,
    Pieces,
    RowRanges,
    Rules,
    Splits,
)
from boost.grow.kernels.exact_scan import advance, divide
from boost.grow.kernels.one_hot import find_indicators, scan_indicators
from boost.grow.kernels.rounding import round_gradients
from boost.grow.kernels.score import ALPHA, GAIN, LAMBDA, LEAST, NOISE, STEP, make_limits
from boost.grow.sample import ColumnSampler
from boost.params import Params, largest_step
from boost.threads import Team

# Relative and absolute distance of a threshold from the last value, in splits that separate present from
# missing values; as in XGBoost.
MARGIN = np.float32(1e-6)
LARGEST = np.finfo(np.float32).max
# Nanoseconds per entry and level.
ENTRY_WORK = 5
SUMS = slice(SUM_G, SUM_H + 1)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]


@dataclass(slots=True, eq=False)
class _Nodes:
    """The nodes of one depth, in arrays.

    Attributes
    ----------
    first : int
        Number of the first node in the tree.
    parent : int32 array of shape (nodes,)
    begins, ends : int64 arrays of shape (nodes,)
        The range of each node's rows.
    values : float64 array of shape (nodes, NODE_COLUMNS)
    paths : list of tuple of int
        The features on the way to each node; empty unless interactions are constrained.
    left : int32 array of shape (nodes,)
        The left child of each node in the tree.
    splits : Splits
        The best split of each node.
    condition : float32 array of shape (nodes,)
        The threshold of each node's split.
    """

    first: int
    parent: NDArray[np.int32]
    begins: Ints
    ends: Ints
    values: Floats
    paths: list[tuple[int, ...]] = field(default_factory=list)
    left: NDArray[np.int32] = field(init=False)
    splits: Splits = field(init=False)
    condition: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.left = np.full(self.size, NO_NODE, dtype=np.int32)
        self.splits = _no_splits(self.size)
        self.condition = np.zeros(self.size, dtype=np.float32)

    @property
    def size(self) -> int:
        """Number of nodes."""
        return int(self.begins.size)

    @property
    def counts(self) -> Ints:
        """The number of rows of each node."""
        return self.ends - self.begins


def _no_splits(size: int) -> Splits:
    location = np.full((size, LOCATION_COLUMNS), -1, dtype=np.int64)
    return Splits(np.zeros((size, CHILDREN_COLUMNS)), location)


@dataclass(slots=True, eq=False)
class _Task:
    """The features that one thread searches, as their pieces in the nodes of the level."""

    spare: NDArray[np.uint64]
    pieces: Pieces


class ExactGrower:
    """Grow trees level by level from sorted columns (XGBoost paper, arXiv 1603.02754, algorithms 1 and 3).

    The entries of a node are contiguous within each column, in order of value, and are partitioned between
    the children of a split. So the cost of a level is proportional to the number of present entries in the
    nodes that can still be split. Because sums are exact, the tree does not depend on the number of
    threads.

    Parameters
    ----------
    data : DMatrix
        The training table.
    params : Params
        The checked parameters. As in the histogram grower, `gamma` stops a split before it is made.
    team : Team
    candidates : int
        0 to consider a split between any two neighbouring values of a node. Otherwise, the approximate number
        of candidates per node and feature, proposed for each node at equal fractions of its hessian: the
        local proposals of the paper's section 3.2.

    Raises
    ------
    ParameterError
        For settings that sorted columns do not support: lossguide, max_leaves, leaf vectors, and categorical
        features.
    """

    made_from = frozenset(("feature_weights", "_names", "_types"))

    def __init__(self, data: DMatrix, params: Params, team: Team, candidates: int = 0) -> None:
        method = "'approx' with approx_proposal='local'" if candidates else "'exact'"
        check_supported(data, params, f"tree_method={method}")
        self.params = params
        self.team = team
        self.columns: SortedColumns = sort_columns(data, team)
        features, rows = data.num_col(), data.num_row()
        self._directions = monotone_directions(params["monotone_constraints"], data.feature_names, features)
        self._interactions = InteractionConstraints(
            params["interaction_constraints"], data.feature_names, features
        )
        weights = data.feature_weights
        self._feature_weights = np.empty(0) if weights is None else weights
        self._spacing = 1.0 / candidates if candidates else 0.0
        self._constant = constant_columns(self.columns)
        self._indicators = find_indicators(self.columns, self._constant)
        self._entry_counts = np.diff(self.columns.indptr)
        self._entry_counts[self._indicators.features] = 0  # indicators have no pieces
        self._gpairs = np.empty((rows, 2))
        self._rows = np.empty(rows, dtype=np.uint32)
        self._spare_rows = np.empty(rows, dtype=np.uint32)
        self._side = np.empty(rows, dtype=np.uint8)
        self._moved = np.empty(0, dtype=np.uint64)
        self._spares: list[NDArray[np.uint64]] = []

    def grow(self, grad: Floats, hess: Floats, weight: Floats, rng: np.random.Generator) -> GrownTree:
        """Grow one tree; the interface of `boost.grow.Grower`."""
        p, rows = self.params, self.columns.rows
        if grad.ndim != 1:
            raise ParameterError("leaves that are vectors need tree_method='hist'")
        scales, total = round_gradients(grad, hess, weight, self._gpairs, self.team)
        sampler = ColumnSampler(self.columns.features, p, self._feature_weights, rng)
        limits = make_limits(p, scales, largest_step(p))
        bounded = self._directions.size > 0 or bool(limits[STEP] > 0.0)
        self._rules = Rules(limits, self._directions, bounded, self._constant, self._spacing)
        self._rows[:] = np.arange(rows, dtype=np.uint32)
        root = np.zeros((1, NODE_COLUMNS))
        root[0, SUMS] = total
        root[0, LOWER], root[0, UPPER] = -np.inf, np.inf
        begin, end = np.zeros(1, np.int64), np.full(1, rows)
        levels = [_Nodes(0, np.full(1, NO_NODE, np.int32), begin, end, root, paths=[()])]
        tasks = self._make_tasks(sampler.tree)
        while p["max_depth"] == 0 or len(levels) <= p["max_depth"]:
            nodes = levels[-1]
            splittable = self._splittable(nodes)
            if not splittable.any():
                break
            allowed = self._allowed(nodes, splittable, sampler, len(levels) - 1)
            above = levels[-2] if len(levels) > 1 else None
            self._search(nodes, above, tasks, Level(splittable, nodes.counts, nodes.values, allowed))
            children = self._split(nodes)
            if children is None:
                break
            levels.append(children)
        tree = self._make_tree(levels, scales)
        leaves = np.flatnonzero(tree.left == NO_NODE)
        begins = np.concatenate([level.begins for level in levels])
        ends = np.concatenate([level.ends for level in levels])
        return GrownTree(tree, self._rows, leaves, begins[leaves], ends[leaves])

    # Search

    def _splittable(self, nodes: _Nodes) -> Bytes:
        """Return which nodes may be split; write their scores, which a split has to exceed."""
        g, h = nodes.values[:, SUM_G], nodes.values[:, SUM_H]
        nodes.values[:, SCORE] = nodes.splits.children[:, SCORE] = self._weights(nodes.values)[1]
        heavy = h >= 2 * self._rules.limits[LEAST]
        return ((nodes.counts > 1) & heavy & np.isfinite(g)).astype(np.uint8)

    def _weights(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the weights of nodes within their bounds, and their scores.

        The formulas are those of `boost.grow.kernels.score.weigh` and `score_of_weight`.
        """
        alpha, reg_lambda, largest = self._rules.limits[[ALPHA, LAMBDA, STEP]]
        g, bottom = values[:, SUM_G], values[:, SUM_H] + reg_lambda
        over = np.maximum(np.abs(g) - alpha, 0.0)
        size = np.divide(over, bottom, out=np.zeros(g.size), where=bottom > 0)
        if not self._rules.bounded:
            return np.where(g < 0, size, -size), size * over
        if largest > 0:
            size = np.minimum(size, largest)
        w = np.clip(np.where(g < 0, size, -size), values[:, LOWER], values[:, UPPER])
        return w, -(2 * g * w + bottom * w * w + 2 * alpha * np.abs(w))

    def _allowed(self, nodes: _Nodes, splittable: Bytes, sampler: ColumnSampler, depth: int) -> Bytes:
        """Return which features each node may use; a single row when all nodes may use the same."""
        by_node = sampler.by_node or self._interactions.active
        out = np.zeros((nodes.size if by_node else 1, self.columns.features), dtype=np.uint8)
        if not by_node:
            out[0, sampler.level(depth)] = 1
            return out
        for n in np.flatnonzero(splittable):
            out[n, sampler.node(depth)] = 1
            if self._interactions.active:
                out[n] &= self._interactions.allowed(nodes.paths[n])
        return out

    def _make_tasks(self, features: NDArray[np.int32]) -> list[_Task]:
        """Divide the features of a tree among threads, and make their pieces in the root."""
        indptr, counts = self.columns.indptr, self._entry_counts
        tasks = []
        for k, (begin, end) in enumerate(feature_ranges(self.team, counts[features], ENTRY_WORK)):
            chosen = features[begin:end].astype(np.int64)
            # A column with the same value in all rows cannot be split.
            same = (counts[chosen] == self.columns.rows) & (self._constant[chosen] > 0)
            chosen = chosen[(counts[chosen] > 0) & ~same]
            longest = int(counts[chosen].max(initial=0))
            if k == len(self._spares):
                self._spares.append(np.empty(longest, dtype=np.uint64))
            if self._spares[k].size < longest:
                self._spares[k] = np.empty(longest, dtype=np.uint64)
            table = np.stack((chosen, indptr[chosen], indptr[chosen + 1]), axis=1)
            pieces = Pieces(table, np.zeros(1, np.int64), np.full(1, chosen.size))
            tasks.append(_Task(self._spares[k], pieces))
        return tasks

    def _search(self, nodes: _Nodes, above: _Nodes | None, tasks: list[_Task], level: Level) -> None:
        """Find the best split of each node of a level."""
        results = [_no_splits(nodes.size) for _ in tasks]

        def advance_tasks(begin: int, end: int) -> None:
            for task, splits in zip(tasks[begin:end], results[begin:end], strict=True):
                self._advance(task, nodes, above, level, splits)

        if above is not None and not self._moved.size:
            self._moved = np.empty_like(self.columns.padded)
        if len(tasks) > 1:
            self.team.run([(advance_tasks, k, k + 1) for k in range(len(tasks))])
        else:
            advance_tasks(0, len(tasks))
        if self._indicators.features.size:
            results.append(self._search_indicators(nodes, level))
        best = nodes.splits
        for splits in results:
            # Of equal gains, the split of the lower feature is kept.
            score, feature = splits.children[:, SCORE], splits.location[:, FEATURE]
            lower = (score == best.children[:, SCORE]) & (feature < best.location[:, FEATURE])
            better = ((score > best.children[:, SCORE]) | lower) & (feature >= 0)
            best.children[better], best.location[better] = splits.children[better], splits.location[better]

    def _advance(
        self, task: _Task, nodes: _Nodes, above: _Nodes | None, level: Level, splits: Splits
    ) -> None:
        """Partition the entries of a task's features between the nodes of a level, and search them."""
        old = task.pieces
        if above is None:
            entries = self.columns.padded
            move = Move(entries[:0], task.spare, self._side, old, np.zeros(1, dtype=np.int64))
        else:
            entries = self._moved
            source = self.columns.padded if above.first == 0 else self._moved
            children = np.where(above.left == NO_NODE, -1, above.left - nodes.first).astype(np.int64)
            move = Move(source, task.spare, self._side, old, children)
            most = 2 * int((old.stops - old.starts)[children >= 0].sum())
            # One row more than needed: `advance` writes a piece before it decides whether to keep it.
            table = np.empty((most + 1, PIECE_COLUMNS), dtype=np.int64)
            task.pieces = Pieces(table, np.zeros(nodes.size, np.int64), np.zeros(nodes.size, np.int64))
        data = Entries(entries, self._gpairs)
        advance(move, data, task.pieces, level, self._rules, splits, 0, move.children.size)

    def _search_indicators(self, nodes: _Nodes, level: Level) -> Splits:
        """Find the best split of each node of a level by an indicator."""
        indicators, splits = self._indicators, _no_splits(nodes.size)
        rows = np.cumsum(nodes.counts * level.splittable)
        work = float(rows[-1]) * indicators.codes.size / self.columns.rows * ENTRY_WORK
        count = self.team.parts(nodes.size, work)
        edges = np.searchsorted(rows, rows[-1] * np.arange(1, count) / count)
        bounds = [0, *edges.tolist(), nodes.size]
        ranges = self._row_ranges(nodes)

        def scan_nodes(first: int, last: int) -> None:
            scan_indicators(indicators, self._gpairs, ranges, level, self._rules, splits, first, last)

        if count > 1:
            self.team.run([(scan_nodes, *bounds[k : k + 2]) for k in range(count)])
        else:
            scan_nodes(0, nodes.size)
        return splits

    def _row_ranges(self, nodes: _Nodes) -> RowRanges:
        return RowRanges(self._rows, self._spare_rows, self._side, nodes.begins, nodes.ends)

    # Split

    def _split(self, nodes: _Nodes) -> _Nodes | None:
        """Apply the splits that gain enough to the rows, and return the children, if any."""
        children, location = nodes.splits
        score = children[:, SCORE]
        gain = score - nodes.values[:, SCORE]
        # A gain below the rounding error of the scores counts as zero.
        enough = (gain > NOISE * np.abs(score)) & (gain >= self._rules.limits[GAIN])
        chosen = (location[:, FEATURE] >= 0) & enough
        split = np.flatnonzero(chosen)
        if not split.size:
            return None
        first = nodes.first + nodes.size
        nodes.left[split] = first + 2 * np.arange(split.size)
        nodes.condition[split] = thresholds(location[split, LOW], location[split, HIGH])
        middles = self._divide(nodes, chosen)
        begins = np.stack((nodes.begins[split], middles[split]), axis=1).reshape(-1)
        ends = np.stack((middles[split], nodes.ends[split]), axis=1).reshape(-1)
        values = np.repeat(nodes.values[split], 2, axis=0)
        values[0::2, SUMS] = children[split, SUMS]
        values[1::2, SUMS] -= children[split, SUMS]
        if self._directions.size:
            self._bound_children(values, self._directions[location[split, FEATURE]])
        paths: list[tuple[int, ...]] = []
        if self._interactions.active:
            paths = [(*nodes.paths[n], int(location[n, FEATURE])) for n in split for _ in range(2)]
        parent = np.repeat(nodes.first + split, 2).astype(np.int32)
        return _Nodes(first, parent, begins, ends, values, paths)

    def _divide(self, nodes: _Nodes, chosen: NDArray[np.bool_]) -> Ints:
        """Partition the rows of the chosen nodes; return where the rows of their right children start."""
        cuts = np.where(chosen, value_keys(nodes.condition).astype(np.int64), -1)
        middles = np.zeros(nodes.size, dtype=np.int64)
        entries = self.columns.padded if nodes.first == 0 else self._moved
        location, ranges = nodes.splits.location, self._row_ranges(nodes)

        def divide_nodes(first: int, last: int) -> None:
            divide(entries, location, cuts, self._indicators, ranges, middles, first, last)

        self.team.share(divide_nodes, nodes.size, work=float(nodes.counts[chosen].sum()) * ENTRY_WORK)
        return middles

    def _bound_children(self, values: Floats, direction: NDArray[np.int8]) -> None:
        """Bound the weights of siblings by their mean, so that no descendant violates a direction."""
        w = self._weights(values)[0]
        middle = (w[0::2] + w[1::2]) / 2
        left, right = values[0::2], values[1::2]
        left[:, UPPER] = np.where(direction > 0, middle, left[:, UPPER])
        right[:, LOWER] = np.where(direction > 0, middle, right[:, LOWER])
        left[:, LOWER] = np.where(direction < 0, middle, left[:, LOWER])
        right[:, UPPER] = np.where(direction < 0, middle, right[:, UPPER])

    def _make_tree(self, levels: list[_Nodes], scales: tuple[float, float]) -> Tree:
        """Return the nodes as a tree, in the units of the loss."""
        grad_scale, hess_scale = scales
        left = np.concatenate([level.left for level in levels])
        values = np.concatenate([level.values for level in levels])
        location = np.concatenate([level.splits.location for level in levels])
        score = np.concatenate([level.splits.children[:, SCORE] for level in levels])
        condition = np.concatenate([level.condition for level in levels])
        leaf = left == NO_NODE
        with np.errstate(over="ignore"):  # the trainer refuses leaves that are not finite
            weight = self._weights(values)[0] * (hess_scale / grad_scale)
            rate = self.params["eta"] / self.params["num_parallel_tree"]
            value = np.where(leaf, rate * weight, weight).astype(np.float32)
            unit = hess_scale / grad_scale / grad_scale
            gain = np.minimum((score - values[:, SCORE]) * unit, LARGEST)
        return Tree(
            left=left,
            right=np.where(leaf, NO_NODE, left + 1).astype(np.int32),
            parent=np.concatenate([level.parent for level in levels]),
            feature=np.where(leaf, 0, location[:, FEATURE]).astype(np.int32),
            condition=np.where(leaf, value, condition).astype(np.float32),
            default_left=np.where(leaf, 0, location[:, MISSING_LEFT]).astype(np.uint8),
            base_weight=value,
            gain=np.where(leaf, 0.0, gain).astype(np.float32),
            hessian=np.minimum(values[:, SUM_H] / hess_scale, LARGEST).astype(np.float32),
        )


def check_supported(data: DMatrix, params: Params, method: str) -> None:
    """Raise ParameterError for settings that a level-wise grower of numerical splits does not support."""
    if params["grow_policy"] != "depthwise":
        raise ParameterError(
            f"grow_policy='lossguide' is for tree_method='hist', {method} grows level by level"
        )
    if params["max_leaves"]:
        raise ParameterError(
            f"max_leaves={params['max_leaves']} is for tree_method='hist', {method} is limited by max_depth"
        )
    if params["multi_strategy"] != "one_output_per_tree":
        raise ParameterError(
            f"multi_strategy='multi_output_tree' is for tree_method='hist', {method} grows a tree for each "
            "output"
        )
    refuse_categories(data, method)


def refuse_categories(data: DMatrix, method: str) -> None:
    """Raise ParameterError when a column of the table is categorical."""
    if data.categories:
        names = data.feature_names
        listed = ", ".join(names[f] if names else str(f) for f in sorted(data.categories))
        raise ParameterError(
            f"{method} does not split categories, and these features are categorical: {listed}; "
            "use tree_method='hist', or give numbers"
        )


def constant_columns(columns: SortedColumns) -> Bytes:
    """Return which columns hold a single value; uint8, shape (features,)."""
    out = np.zeros(columns.features, dtype=np.uint8)
    filled = np.flatnonzero(np.diff(columns.indptr) > 0)
    first, last = columns.indptr[filled], columns.indptr[filled + 1] - 1
    half = np.uint64(32)
    out[filled] = columns.entries[first] >> half == columns.entries[last] >> half
    return out


def thresholds(low: Ints, high: Ints) -> NDArray[np.float32]:
    """Return the thresholds of splits: half-way, or past the last value if a side has only missing values.

    Parameters
    ----------
    low, high : int64 arrays of shape (splits,)
        Keys of the values on both sides; 0 for a side without values.

    Notes
    -----
    The numbers are those of XGBoost. The middle of close neighbours may round to the lower one; then the
    threshold is the higher one.
    """
    below, above = key_values(low), key_values(high)
    with np.errstate(invalid="ignore", over="ignore"):
        middle = ((below.astype(np.float64) + above.astype(np.float64)) / 2).astype(np.float32)
        middle = np.where(middle > below, middle, above)
        last = np.minimum(below + (np.abs(below) + MARGIN), LARGEST)
        first = np.maximum(above - (np.abs(above) + MARGIN), -LARGEST)
    out: NDArray[np.float32] = np.where(high == 0, last, np.where(low == 0, first, middle)).astype(np.float32)
    return out
