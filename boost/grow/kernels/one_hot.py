"""Indicators: columns of a single value, which a row has or has not, as one-hot coding makes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boost.data.sorted_columns import SortedColumns
from boost.grow.kernels.exact_scan import BEGIN, END, FEATURE, HIGH, LOW, MISSING_LEFT, pair_score
from boost.grow.kernels.score import ALPHA, LAMBDA, LEAST, STEP, fraction
from boost.jit import kernel, prefetch

# How many rows ahead of the one in work memory is asked for.
AHEAD = 8


@dataclass(frozen=True, slots=True, eq=False)
class Indicators:
    """The indicators of a table, row by row.

    Which rows of a node have the value is all that a split can ask. To add each row's gradients to the
    indicators that it has takes one pass over the rows of a node, in their order; as sorted columns, its
    entries are parted from each other in thousands of pieces of a few entries each.

    Attributes
    ----------
    features : int64 array of shape (indicators,)
        Their columns in the table, rising.
    keys : int64 array of shape (indicators,)
        Keys of their values, see `boost.data.sorted_columns.value_keys`.
    indptr : int64 array of shape (rows + 1,)
        Where each row starts.
    codes : int32 array of shape (entries,)
        The numbers of the indicators that each row has.
    """

    features: NDArray[np.int64]
    keys: NDArray[np.int64]
    indptr: NDArray[np.int64]
    codes: NDArray[np.int32]

    @property
    def size(self) -> int:
        """Number of indicators."""
        return int(self.features.size)


def find_indicators(columns: SortedColumns, constant: NDArray[np.uint8]) -> Indicators:
    """Return the indicators of a table; none where rows have less than one of them on average.

    Parameters
    ----------
    columns : SortedColumns
    constant : uint8 array of shape (features,)
        Whether the present values of a column are all the same.
    """
    counts = np.diff(columns.indptr)
    features = np.flatnonzero((constant > 0) & (counts > 0) & (counts < columns.rows))
    if counts[features].sum() < columns.rows:
        features = features[:0]
    own = counts[features]
    entries = np.concatenate(
        [columns.entries[:0], *(columns.entries[columns.indptr[f] : columns.indptr[f + 1]] for f in features)]
    )
    rows = entries.astype(np.uint32)  # the lower half
    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=columns.rows))))
    codes = np.repeat(np.arange(features.size, dtype=np.int32), own)[order]
    keys = (columns.entries[columns.indptr[features]] >> np.uint64(32)).astype(np.int64)
    return Indicators(features.astype(np.int64), keys, indptr, codes)


@kernel()
def score_absent(absent, count, total_g, total_h, limits, scores):
    """Write what `pair_score` says of splits that send the absent rows left, many at a time."""
    alpha = limits[ALPHA]
    reg_lambda = limits[LAMBDA]
    least = limits[LEAST]
    for t in range(count):
        g = absent[t, 0]
        h = absent[t, 1]
        top, bottom = fraction(g, h, total_g - g, total_h - h, alpha, reg_lambda)
        allowed = (h >= least) & (total_h - h >= least)
        scores[t] = top / bottom if allowed else -np.inf


@kernel(
    "void(int64[::1], int32[::1], int64[::1], int64[::1], float64[:,::1], uint32[::1], int64[::1],"
    " int64[::1], int64, int64, uint8[::1], float64[:,::1], uint8[:,::1], int8[::1], float64[::1],"
    " float64[:,::1], int64[:,::1])"
)
def scan_indicators(
    indptr,
    codes,
    features,
    keys,
    pairs,
    rows,
    begins,
    ends,
    first,
    last,
    open_nodes,
    nodes,
    allowed,
    directions,
    limits,
    best,
    found,
):
    """Do what `exact_scan.scan` does for the indicators of a level. O(entries of the nodes' rows).

    Parameters
    ----------
    indptr, codes, features, keys : see `Indicators`
    pairs : (rows, 2)
    rows : row numbers, those of a node side by side
    begins, ends : (nodes of the level,), each node's range in `rows`
    others : see `exact_scan.scan`. A split has the number of the indicator for the begin of its piece, and
        -1 for its end.
    """
    bounded = directions.size > 0 or limits[STEP] > 0.0
    sums = np.zeros((features.size, 2))
    seen = np.full(features.size, -1, dtype=np.int32)  # the last node that has an indicator
    some = np.empty(features.size + 1, dtype=np.int32)  # the indicators of a node
    absent = np.empty((features.size, 2))  # the sums over the rows without them
    scores = np.empty(features.size)
    for n in range(first, last):
        top = nodes[n, 4]
        best[n, 0] = top
        found[n, FEATURE] = -1
        if not open_nodes[n]:
            continue
        count = np.uint64(0)
        node = np.int32(n)
        for r in range(begins[n], ends[n]):
            if r + AHEAD < ends[n]:
                later = np.int64(rows[r + AHEAD])
                prefetch(pairs, 2 * later)
                prefetch(codes, indptr[later])
            i = rows[r]
            g = pairs[i, 0]
            h = pairs[i, 1]
            for e in range(np.uint64(indptr[i]), np.uint64(indptr[i + 1])):
                c = np.uint64(codes[e])
                some[count] = c  # kept if it is the first of its kind
                count += np.uint64(seen[c] != node)
                seen[c] = node
                sums[c, 0] += g
                sums[c, 1] += h
        # What is read here and there, and what is computed, are loops of their own: lanes serve the second.
        total_g = nodes[n, 0]
        total_h = nodes[n, 1]
        for t in range(count):
            c = np.uint64(some[t])
            absent[t, 0] = total_g - sums[c, 0]
            absent[t, 1] = total_h - sums[c, 1]
            sums[c, 0] = 0.0
            sums[c, 1] = 0.0
        if not bounded:
            score_absent(absent, count, total_g, total_h, limits, scores)
        own = n if allowed.shape[0] > 1 else 0
        for t in range(count):
            if bounded:
                f = features[some[t]]
                direction = directions[f] if directions.size else np.int8(0)
                scores[t] = pair_score(
                    absent[t, 0],
                    absent[t, 1],
                    total_g,
                    total_h,
                    nodes[n, 2],
                    nodes[n, 3],
                    direction,
                    True,
                    limits,
                )
            # An indicator that all rows have leaves nothing on the left.
            if not scores[t] >= top or (absent[t, 0] == 0.0 and absent[t, 1] == 0.0):
                continue
            c = np.uint64(some[t])
            f = features[c]
            if allowed[own, f] and (scores[t] > top or f < found[n, FEATURE]):
                top = scores[t]
                best[n, 1] = absent[t, 0]
                best[n, 2] = absent[t, 1]
                found[n, FEATURE] = f
                found[n, LOW] = 0
                found[n, HIGH] = keys[c]
                found[n, MISSING_LEFT] = 1
                found[n, BEGIN] = c
                found[n, END] = -1
        best[n, 0] = top
