"""Trees from sorted columns: every value is a candidate, or every so-and-so-much hessian of a node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.data.sorted_columns import SortedColumns, feature_ranges, key_values, sort_columns, value_keys
from boost.errors import ParameterError
from boost.forest.grown import Grown
from boost.forest.tree import NO_NODE, Tree
from boost.grow.constraint import InteractionConstraints, monotone_directions
from boost.grow.kernels.exact_scan import FEATURE, HIGH, LOW, MISSING_LEFT, advance, divide, scan
from boost.grow.kernels.histogram import round_gradients
from boost.grow.kernels.one_hot import find_indicators, scan_indicators
from boost.grow.kernels.score import ALPHA, GAIN, LAMBDA, LEAST, NOISE, STEP, make_limits
from boost.grow.sample import ColumnSampler
from boost.params import Params, largest_step
from boost.threads import Team

# What a split between values and missing ones keeps away from the last value: XGBoost's number.
MARGIN = np.float32(1e-6)
LARGEST = np.finfo(np.float32).max
# Nanoseconds that one entry takes in one level.
ENTRY_WORK = 5
Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Bytes = NDArray[np.uint8]


@dataclass(slots=True, eq=False)
class _Level:
    """The nodes of one depth, side by side.

    Attributes
    ----------
    first : int
        Number of the first node in the tree.
    parent : int32 array of shape (nodes,)
    begins, ends : int64 arrays of shape (nodes,)
        Rows of each node.
    nodes : float64 array of shape (nodes, 5)
        See `boost.grow.kernels.exact_scan.scan`.
    paths : list of tuple of int
        The features on the way to each node; empty unless interactions are constrained.
    """

    first: int
    parent: NDArray[np.int32]
    begins: Longs
    ends: Longs
    nodes: Floats
    paths: list[tuple[int, ...]] = field(default_factory=list)
    left: NDArray[np.int32] = field(init=False)
    best: Floats = field(init=False)
    found: Longs = field(init=False)
    condition: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        size = self.size
        self.left = np.full(size, NO_NODE, dtype=np.int32)
        self.best = np.zeros((size, 3))
        self.found = np.full((size, 6), -1, dtype=np.int64)
        self.condition = np.zeros(size, dtype=np.float32)

    @property
    def size(self) -> int:
        """Number of nodes."""
        return int(self.begins.size)


@dataclass(slots=True, eq=False)
class _Part:
    """The features that one thread looks after, and their pieces in the nodes of the level."""

    spare: NDArray[np.uint64]
    pieces: Longs
    starts: Longs
    stops: Longs


class ExactGrower:
    """Grow trees level by level from sorted columns (XGBoost paper, arXiv 1603.02754, algorithms 1 and 3).

    The entries of a node lie side by side, column by column and in order of value, and are parted between the
    children of a split. So the work of a level is in proportion to the present entries of the nodes that can
    still be split. Because sums are exact, the tree does not depend on the number of threads.

    Parameters
    ----------
    data : DMatrix
        The training table.
    params : Params
        The checked parameters. As in the histogram grower, `gamma` stops a split before it is made.
    team : Team
    candidates : int
        0 looks at a split between any two neighbouring values of a node. Otherwise each node has about so
        many candidates for each feature, proposed anew at equal parts of its own hessian: the local
        proposals of the paper's section 3.2.

    Raises
    ------
    ParameterError
        For settings that sorted columns do not serve: lossguide, max_leaves, leaves that are vectors, and
        categorical features.
    """

    def __init__(self, data: DMatrix, params: Params, team: Team, candidates: int = 0) -> None:
        method = "'approx' with approx_proposal='local'" if candidates else "'exact'"
        check_served(data, params, f"tree_method={method}")
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
        self._entries_of = np.diff(self.columns.indptr)
        self._constant = _constant_columns(self.columns)
        self._indicators = find_indicators(self.columns, self._constant)
        self._entries_of[self._indicators.features] = 0  # they are not parted
        self._pairs = np.empty((rows, 2))
        self._rows = np.empty(rows, dtype=np.uint32)
        self._spare_rows = np.empty(rows, dtype=np.uint32)
        self._side = np.empty(rows, dtype=np.uint8)
        self._moved = np.empty(0, dtype=np.uint64)
        self._spares: list[NDArray[np.uint64]] = []

    def grow(self, grad: Floats, hess: Floats, weight: Floats, rng: np.random.Generator) -> Grown:
        """Grow one tree; see `Grower.grow`."""
        p, rows = self.params, self.columns.rows
        if grad.ndim != 1:
            raise ParameterError("leaves that are vectors need tree_method='hist'")
        (grad_scale, hess_scale), total = round_gradients(grad, hess, weight, self._pairs, self.team)
        sampler = ColumnSampler(self.columns.features, p, self._feature_weights, rng)
        self._limits = make_limits(p, (grad_scale, hess_scale), largest_step(p))
        # score * unit is the score in the units of the loss
        unit = hess_scale / (grad_scale * grad_scale)
        self._rows[:] = np.arange(rows, dtype=np.uint32)
        root = np.array([[*total, -np.inf, np.inf, 0.0]])
        level = _Level(
            0, np.full(1, NO_NODE, np.int32), np.zeros(1, np.int64), np.full(1, rows), root, paths=[()]
        )
        levels = [level]
        above: _Level | None = None
        parts: list[_Part] = []
        while p["max_depth"] == 0 or len(levels) <= p["max_depth"]:
            splittable = self._open(level)
            if not splittable.any():
                break
            allowed = self._allowed(level, splittable, sampler, len(levels) - 1)
            if above is None:
                parts = self._parts(sampler.tree)
            self._search(level, above, parts, splittable, allowed)
            below = self._split(level, len(levels) == 1, self._limits[GAIN])
            if below is None:
                break
            levels.append(below)
            above, level = level, below
        tree = self._finish(levels, (grad_scale, hess_scale), unit)
        leaves = np.flatnonzero(tree.left == NO_NODE)
        begins = np.concatenate([each.begins for each in levels])
        ends = np.concatenate([each.ends for each in levels])
        return Grown(tree, self._rows, leaves, begins[leaves], ends[leaves])

    def _open(self, level: _Level) -> Bytes:
        """Return which nodes may be split, and write the score that a split has to beat."""
        g, h = level.nodes[:, 0], level.nodes[:, 1]
        level.nodes[:, 4] = self._weigh(level.nodes)[1]
        level.best[:, 0] = level.nodes[:, 4]
        splittable = (level.ends - level.begins > 1) & (h >= 2 * self._limits[LEAST]) & np.isfinite(g)
        return splittable.astype(np.uint8)

    def _weigh(self, nodes: Floats) -> tuple[Floats, Floats]:
        """Return the weights of nodes within their bounds, and their scores; see `weigh`."""
        alpha, reg_lambda, largest = self._limits[[ALPHA, LAMBDA, STEP]]
        g, bottom = nodes[:, 0], nodes[:, 1] + reg_lambda
        over = np.maximum(np.abs(g) - alpha, 0.0)
        size = np.divide(over, bottom, out=np.zeros(g.size), where=bottom > 0)
        if not self._directions.size and largest == 0:
            return np.where(g < 0, size, -size), size * over
        if largest > 0:
            size = np.minimum(size, largest)
        w = np.clip(np.where(g < 0, size, -size), nodes[:, 2], nodes[:, 3])
        return w, -(2 * g * w + bottom * w * w + 2 * alpha * np.abs(w))

    def _allowed(self, level: _Level, splittable: Bytes, sampler: ColumnSampler, depth: int) -> Bytes:
        """Return which features each node may use; one row when it is the same in all nodes."""
        by_node = sampler.by_node or self._interactions.active
        out = np.zeros((level.size if by_node else 1, self.columns.features), dtype=np.uint8)
        if not by_node:
            out[0, sampler.level(depth)] = 1
            return out
        for n in np.flatnonzero(splittable):
            out[n, sampler.node(depth)] = 1
            if self._interactions.active:
                out[n] &= self._interactions.allowed(level.paths[n])
        return out

    def _parts(self, features: NDArray[np.int32]) -> list[_Part]:
        """Hand the features of a tree to threads, with their pieces in the root."""
        indptr, counts = self.columns.indptr, self._entries_of
        parts = []
        for k, (begin, end) in enumerate(feature_ranges(self.team, counts[features], ENTRY_WORK)):
            own = features[begin:end].astype(np.int64)
            # No split can part a single value that no row is without.
            own = own[(counts[own] > 0) & ~((counts[own] == self.columns.rows) & (self._constant[own] > 0))]
            longest = int(counts[own].max(initial=0))
            if k == len(self._spares):
                self._spares.append(np.empty(longest, dtype=np.uint64))
            if self._spares[k].size < longest:
                self._spares[k] = np.empty(longest, dtype=np.uint64)
            pieces = np.stack((own, indptr[own], indptr[own + 1]), axis=1)
            parts.append(_Part(self._spares[k], pieces, np.zeros(1, np.int64), np.full(1, own.size)))
        return parts

    def _search(
        self, level: _Level, above: _Level | None, parts: list[_Part], splittable: Bytes, allowed: Bytes
    ) -> None:
        """Find the best split of each node of a level."""
        size = level.size
        counts = level.ends - level.begins
        results = [(np.zeros((size, 3)), np.full((size, 6), -1, dtype=np.int64)) for _ in parts]
        fixed: tuple[Any, ...] = (
            splittable,
            counts,
            level.nodes,
            allowed,
            self._directions,
            self._constant,
            self._limits,
            self._spacing,
        )
        if above is not None:
            children = np.where(above.left == NO_NODE, -1, above.left - level.first).astype(np.int64)
            if not self._moved.size:
                self._moved = np.empty_like(self.columns.padded)
            source = self.columns.padded if above.first == 0 else self._moved

        def work(begin: int, end: int) -> None:
            for part, (best, found) in zip(parts[begin:end], results[begin:end], strict=True):
                if above is None:
                    shape = (part.pieces, part.starts, part.stops)
                    scan(self.columns.padded, self._pairs, *shape, 0, 1, *fixed, best, found)
                    continue
                old = (part.pieces, part.starts, part.stops)
                room = 2 * int((part.stops - part.starts)[children >= 0].sum())
                # One more than there are: a piece that is not kept is written, too.
                part.pieces = np.empty((room + 1, 3), dtype=np.int64)
                part.starts, part.stops = np.zeros(size, np.int64), np.zeros(size, np.int64)
                new = (part.pieces, part.starts, part.stops)
                move = (source, self._moved, part.spare, self._side, *old, children)
                advance(*move, self._pairs, *new, 0, children.size, *fixed, best, found)

        if len(parts) > 1:
            self.team.run([(work, k, k + 1) for k in range(len(parts))])
        else:
            work(0, len(parts))
        if self._indicators.size:
            results.append(self._search_indicators(level, splittable, allowed))
        for best, found in results:
            # Of equal gains the lower feature stands.
            lower = found[:, FEATURE] < level.found[:, FEATURE]
            better = (best[:, 0] > level.best[:, 0]) | ((best[:, 0] == level.best[:, 0]) & lower)
            better &= found[:, FEATURE] >= 0
            level.best[better], level.found[better] = best[better], found[better]

    def _search_indicators(self, level: _Level, splittable: Bytes, allowed: Bytes) -> tuple[Floats, Longs]:
        """Find the best split of each node of a level by an indicator."""
        own = self._indicators
        best, found = np.zeros((level.size, 3)), np.full((level.size, 6), -1, dtype=np.int64)
        rows = np.cumsum((level.ends - level.begins) * splittable)
        work = float(rows[-1]) * own.codes.size / self.columns.rows * ENTRY_WORK
        shares = self.team.parts(level.size, work)
        edges = np.searchsorted(rows, rows[-1] * np.arange(1, shares) / shares)
        bounds = [0, *edges.tolist(), level.size]

        def scan_nodes(first: int, last: int) -> None:
            scan_indicators(
                own.indptr,
                own.codes,
                own.features,
                own.keys,
                self._pairs,
                self._rows,
                level.begins,
                level.ends,
                first,
                last,
                splittable,
                level.nodes,
                allowed,
                self._directions,
                self._limits,
                best,
                found,
            )

        if shares > 1:
            self.team.run([(scan_nodes, *bounds[k : k + 2]) for k in range(shares)])
        else:
            scan_nodes(0, level.size)
        return best, found

    def _split(self, level: _Level, is_root: bool, smallest: float) -> _Level | None:
        """Make the splits that gain enough, move the rows, and return the children, if any."""
        gain = level.best[:, 0] - level.nodes[:, 4]
        # A gain that is nothing but the rounding of the scores is none.
        chosen = (
            (level.found[:, FEATURE] >= 0) & (gain > NOISE * np.abs(level.best[:, 0])) & (gain >= smallest)
        )
        split = np.flatnonzero(chosen)
        if not split.size:
            return None
        after = level.first + level.size
        level.left[split] = after + 2 * np.arange(split.size)
        level.condition[split] = between(level.found[split, LOW], level.found[split, HIGH])
        cuts = np.where(chosen, value_keys(level.condition).astype(np.int64), -1)
        middles = np.zeros(level.size, dtype=np.int64)
        entries = self.columns.padded if is_root else self._moved

        def move(begin: int, end: int) -> None:
            divide(
                entries,
                level.found,
                cuts,
                level.begins,
                level.ends,
                middles,
                begin,
                end,
                self._rows,
                self._spare_rows,
                self._side,
                self._indicators.indptr,
                self._indicators.codes,
            )

        self.team.share(move, level.size, work=float((level.ends - level.begins)[split].sum()) * ENTRY_WORK)
        pairs = (2 * split.size,)
        begins = np.stack((level.begins[split], middles[split]), axis=1).reshape(pairs)
        ends = np.stack((middles[split], level.ends[split]), axis=1).reshape(pairs)
        nodes = np.repeat(level.nodes[split], 2, axis=0)
        nodes[0::2, :2] = level.best[split, 1:]
        nodes[1::2, :2] -= level.best[split, 1:]
        if self._directions.size:
            w = self._weigh(nodes)[0]
            middle = (w[0::2] + w[1::2]) / 2
            direction = self._directions[level.found[split, FEATURE]]
            nodes[0::2, 3] = np.where(direction > 0, middle, nodes[0::2, 3])
            nodes[1::2, 2] = np.where(direction > 0, middle, nodes[1::2, 2])
            nodes[0::2, 2] = np.where(direction < 0, middle, nodes[0::2, 2])
            nodes[1::2, 3] = np.where(direction < 0, middle, nodes[1::2, 3])
        paths: list[tuple[int, ...]] = []
        if self._interactions.active:
            paths = [(*level.paths[n], int(level.found[n, FEATURE])) for n in split for _ in range(2)]
        parent = np.repeat(level.first + split, 2).astype(np.int32)
        return _Level(after, parent, begins, ends, nodes, paths)

    def _finish(self, levels: list[_Level], scales: tuple[float, float], unit: float) -> Tree:
        left = np.concatenate([each.left for each in levels])
        nodes = np.concatenate([each.nodes for each in levels])
        found = np.concatenate([each.found for each in levels])
        best = np.concatenate([each.best[:, 0] for each in levels])
        condition = np.concatenate([each.condition for each in levels])
        leaf = left == NO_NODE
        with np.errstate(over="ignore"):  # a leaf that is not finite ends the training
            weight = self._weigh(nodes)[0] * (scales[1] / scales[0])
            rate = self.params["eta"] / self.params["num_parallel_tree"]
            value = np.where(leaf, rate * weight, weight).astype(np.float32)
            gain = np.minimum((best - nodes[:, 4]) * unit, LARGEST)
        return Tree(
            left=left,
            right=np.where(leaf, NO_NODE, left + 1).astype(np.int32),
            parent=np.concatenate([each.parent for each in levels]),
            feature=np.where(leaf, 0, found[:, FEATURE]).astype(np.int32),
            condition=np.where(leaf, value, condition).astype(np.float32),
            default_left=np.where(leaf, 0, found[:, MISSING_LEFT]).astype(np.uint8),
            base_weight=value,
            gain=np.where(leaf, 0.0, gain).astype(np.float32),
            hessian=np.minimum(nodes[:, 1] / scales[1], LARGEST).astype(np.float32),
        )


def check_served(data: DMatrix, params: Params, method: str) -> None:
    """Raise ParameterError for what a depth-wise grower of numbers does not do."""
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


def _constant_columns(columns: SortedColumns) -> Bytes:
    """Return which columns hold one value only."""
    out = np.zeros(columns.features, dtype=np.uint8)
    some = np.flatnonzero(np.diff(columns.indptr) > 0)
    half = np.uint64(32)
    ends = (
        columns.entries[columns.indptr[some]] >> half,
        columns.entries[columns.indptr[some + 1] - 1] >> half,
    )
    out[some] = ends[0] == ends[1]
    return out


def between(low: Longs, high: Longs) -> NDArray[np.float32]:
    """Return where splits lie: half-way, or beyond the last value where a side holds missing ones alone.

    Parameters
    ----------
    low, high : int64 arrays of shape (splits,)
        Keys of the neighbouring values; 0 for the side without one.

    Notes
    -----
    The numbers are XGBoost's. Neighbours may be so close that their middle rounds to the lower one.
    """
    below, above = key_values(low), key_values(high)
    with np.errstate(invalid="ignore", over="ignore"):
        middle = ((below.astype(np.float64) + above.astype(np.float64)) / 2).astype(np.float32)
        middle = np.where(middle > below, middle, above)
        last = np.minimum(below + (np.abs(below) + MARGIN), LARGEST)
        first = np.maximum(above - (np.abs(above) + MARGIN), -LARGEST)
    out: NDArray[np.float32] = np.where(high == 0, last, np.where(low == 0, first, middle)).astype(np.float32)
    return out
