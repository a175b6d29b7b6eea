"""The weighted quantile summary: bounds on the ranks of selected values of a weighted data set.

Reference: T. Chen and C. Guestrin, "XGBoost: A Scalable Tree Boosting System" (arXiv 1603.02754), appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """Entries ``(value, rmin, rmax, wmin)`` sorted by value, with a bound on the error of ranks.

    For a data set of pairs (x, w), let ``r-(y)`` be the weight of all x < y, ``r+(y)`` that of all x <= y,
    and ``w(y)`` their difference. The summary keeps ``rmin <= r-(value)``, ``rmax >= r+(value)`` and ``wmin
    <= w(value)``, with equality at both ends. A value between two entries has the bounds of the paper's
    extension function, see `bounds`.

    Attributes
    ----------
    value, rmin, rmax, wmin : float64 arrays of shape (size,)
        ``value`` is strictly increasing.
    slack : float
        Bound, in units of weight, on ``rmax(y) - rmin(y) - wmin(y)`` over every y. Zero means that all ranks
        are exact.
    """

    value: Floats
    rmin: Floats
    rmax: Floats
    wmin: Floats
    slack: float = 0.0

    @classmethod
    def empty(cls) -> Summary:
        """Return the summary of no data at all: the neutral element of `merge`."""
        nothing = np.empty(0, dtype=np.float64)
        return cls(nothing, nothing, nothing, nothing)

    @classmethod
    def from_values(cls, values: ArrayLike, weights: ArrayLike | None = None) -> Summary:
        """Summarise values exactly, one entry for each distinct value.

        Parameters
        ----------
        values : array_like of shape (n,)
            Finite numbers in any order.
        weights : array_like of shape (n,), optional
            Non-negative; one each when absent. A value of zero weight gets no entry.

        Raises
        ------
        ValueError
            For values or weights that are not finite, negative weights, and lengths that differ.
        """
        x = np.asarray(values)
        if x.dtype != np.float32:
            x = x.astype(np.float64, copy=False)
        if x.ndim != 1:
            raise ValueError(f"values must be one-dimensional, got shape {x.shape}")
        if not np.isfinite(x).all():
            raise ValueError(
                "values must be finite: remove missing and infinite values before making a summary"
            )
        w = np.empty(0) if weights is None else check_weights(weights, x.size)
        if x.dtype == np.float32:
            return cls._of_float32(np.ascontiguousarray(x), np.ascontiguousarray(w))
        if weights is None:
            w = np.ones(x.size)
        x, w = x[w > 0], w[w > 0]
        if x.size == 0:
            return cls.empty()
        order = np.argsort(x, kind="stable")
        x, w = x[order], w[order]
        starts = np.flatnonzero(np.concatenate(([True], x[1:] != x[:-1])))
        # Running sums, not sums of the sums of equal values: rmax[k] == rmin[k + 1] then holds bit for bit.
        rmax = np.cumsum(w)[np.append(starts[1:], x.size) - 1]
        rmin = np.concatenate(([0.0], rmax[:-1]))
        return cls(x[starts], rmin, rmax, rmax - rmin)

    @classmethod
    def _of_float32(cls, x: NDArray[np.float32], weights: Floats) -> Summary:
        """Summarise finite float32 values; weights of shape (n,), or (0,) for one each."""
        from sketch.kernels import Entries, make_buffers, summarise

        entries = np.empty((4, x.size))
        size = summarise(
            x.view(np.uint32), weights, make_buffers(x.size, weights.size > 0), Entries(*entries)
        )
        kept = entries[:, :size]
        # A copy, so that a small summary does not keep a large array alive.
        return cls(*(kept if 2 * size > x.size else kept.copy()))

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(self.value.size)

    @property
    def total(self) -> float:
        """Weight of all the data."""
        return float(self.rmax[-1]) if self.size else 0.0

    @property
    def epsilon(self) -> float:
        """`slack` as a fraction of `total`: the summary is epsilon-approximate for this epsilon."""
        return self.slack / self.total if self.size else 0.0

    def bounds(self, y: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Return ``(rmin, rmax, wmin)`` at any points, by the extension function where a point is no entry.

        Parameters
        ----------
        y : array_like of shape (n,)

        Returns
        -------
        tuple of three float64 arrays of shape (n,)
        """
        at = np.asarray(y, dtype=np.float64)
        if self.size == 0:
            zero = np.zeros_like(at)
            return zero, zero.copy(), zero.copy()
        right = np.searchsorted(self.value, at, side="left")
        nearest = np.minimum(right, self.size - 1)
        present = self.value[nearest] == at
        # Padded for points left of every entry (0) and right of every entry (the total).
        after_left = np.concatenate(([0.0], self.rmin + self.wmin))
        before_right = np.concatenate((self.rmax - self.wmin, [self.total]))
        rmin = np.where(present, self.rmin[nearest], after_left[right])
        rmax = np.where(present, self.rmax[nearest], before_right[right])
        wmin = np.where(present, self.wmin[nearest], 0.0)
        return rmin, rmax, wmin

    def merge(self, other: Summary) -> Summary:
        """Summarise the union of both data sets.

        The slacks add, so that epsilon is at most the larger of the two (appendix A.3).
        """
        if self.size == 0:
            return other
        if other.size == 0:
            return self
        from sketch.kernels import Entries, merge

        out = np.empty((4, self.size + other.size))
        size = merge(
            Entries(self.value, self.rmin, self.rmax, self.wmin),
            Entries(other.value, other.rmin, other.rmax, other.wmin),
            Entries(*out),
        )
        value, rmin, rmax, wmin = out[:, :size]
        return Summary(value, rmin, rmax, wmin, self.slack + other.slack)

    def query(self, rank: ArrayLike) -> NDArray[np.int64]:
        """Return the positions of the entries whose ranks are nearest to the given ranks.

        Parameters
        ----------
        rank : array_like of shape (n,)
            In units of weight, from 0 to `total`; ranks outside give the first or the last entry.

        Returns
        -------
        int64 array of shape (n,)

        Raises
        ------
        ValueError
            For an empty summary.

        Notes
        -----
        The query function g(Q, d) of appendix A.4; O(n log size).
        """
        if self.size == 0:
            raise ValueError("an empty summary has no entry to return")
        d = np.asarray(rank, dtype=np.float64)
        middle = (self.rmin + self.rmax) / 2
        i = np.clip(np.searchsorted(middle, d, side="right") - 1, 0, self.size - 1)
        j = np.minimum(i + 1, self.size - 1)
        keep = 2 * d < self.rmin[i] + self.wmin[i] + self.rmax[j] - self.wmin[j]
        inside = (d >= middle[0]) & (d < middle[-1])
        return np.where(inside & ~keep, j, i).astype(np.int64)

    def prune(self, parts: int) -> Summary:
        """Keep at most ``parts + 1`` entries, at equal distances of rank.

        Adds ``1 / parts`` to epsilon (appendix A.4). A summary of at most ``parts + 1`` entries is returned
        itself.

        Raises
        ------
        ValueError
            For `parts` below 1.
        """
        if parts < 1:
            raise ValueError(f"parts must be at least 1, got {parts}")
        if self.size <= parts + 1:
            return self
        from sketch.kernels import Entries, prune

        out = np.empty((4, parts + 1))
        entries = Entries(self.value, self.rmin, self.rmax, self.wmin)
        size = prune(entries, parts, np.empty(parts + 1, dtype=np.int64), Entries(*out))
        value, rmin, rmax, wmin = out[:, :size]
        return Summary(value, rmin, rmax, wmin, self.slack + self.total / parts)

    def largest_gap(self) -> float:
        """Return the largest ``rmax(y) - rmin(y) - wmin(y)`` over every y; at most `slack`."""
        if self.size == 0:
            return 0.0
        at = float(np.max(self.rmax - self.rmin - self.wmin))
        between = self.rmax[1:] - self.rmin[:-1] - self.wmin[1:] - self.wmin[:-1]
        return max(at, float(between.max()) if between.size else 0.0)


def check_weights(weights: ArrayLike, rows: int) -> Floats:
    """Return weights as a float64 array of shape (rows,), or raise `ValueError`."""
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != (rows,):
        raise ValueError(f"weights must have one entry for each of the {rows} values, got shape {w.shape}")
    if not np.isfinite(w).all() or (w < 0).any():
        at = int(np.argmin(np.isfinite(w) & (w >= 0)))
        raise ValueError(f"weights must be finite and not negative, got {w[at]:g} at position {at}")
    return w
