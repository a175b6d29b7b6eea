"""A streaming sketch made of levels of summaries; its result does not depend on the sizes of batches."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sketch.summary import Summary, check_weights

BLOCK_ROWS = 1 << 16
LEVELS = 12


class WeightedQuantileSketch:
    """Summarise a stream of weighted values within a given epsilon.

    Values are gathered into blocks of a fixed number of rows. A full block becomes an exact summary, is
    pruned, and is carried up the levels as in a binary counter: level k holds the summary of ``2**k``
    blocks, and two summaries of one level merge, are pruned and move one level up. Blocks
    have a fixed number of rows, so any division of the same stream into batches gives the same summary, bit
    for bit.

    Parameters
    ----------
    epsilon : float
        Target bound on the rank error, as a fraction of the total weight; in (0, 1). Each level prunes once,
        and summaries are large enough for 12 prunings: the bound holds for ``block_rows * 2**11`` values (134
        million with the default), and grows by a twelfth for each doubling beyond. `Summary.epsilon` of the
        result is the bound that was reached.
    block_rows : int
        Rows in a block.

    Raises
    ------
    ValueError
        For `epsilon` outside of (0, 1) and `block_rows` below 1.

    Notes
    -----
    Levels of merge and prune follow the XGBoost paper's appendix A (arXiv 1603.02754) and Greenwald and
    Khanna's scheme.
    """

    def __init__(self, epsilon: float = 1 / 512, *, block_rows: int = BLOCK_ROWS) -> None:
        if not 0 < epsilon < 1:
            raise ValueError(f"epsilon must lie between 0 and 1, got {epsilon}")
        if block_rows < 1:
            raise ValueError(f"block_rows must be at least 1, got {block_rows}")
        self.epsilon = epsilon
        self.block_rows = block_rows
        self.parts = math.ceil(LEVELS / epsilon)
        self._levels: list[Summary | None] = []
        self._values: list[NDArray] = []
        self._weights: list[NDArray[np.float64] | None] = []
        self._pending = 0

    def add(self, values: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Add a batch of values. Missing values (NaN) are ignored; they have no rank.

        Parameters
        ----------
        values : array_like of shape (n,)
        weights : array_like of shape (n,), optional
            Non-negative, one each when absent.

        Raises
        ------
        ValueError
            For infinite values, bad weights, or lengths that differ.
        """
        x = np.asarray(values)
        if x.dtype != np.float32:
            x = x.astype(np.float64, copy=False)
        if x.ndim != 1:
            raise ValueError(f"values must be one-dimensional, got shape {x.shape}")
        w = None if weights is None else check_weights(weights, x.size)
        present = ~np.isnan(x)
        if not present.all():
            x = x[present]
            w = None if w is None else w[present]
        if np.isinf(x).any():
            raise ValueError(f"values must not be infinite, got {x[np.isinf(x)][0]}")
        while x.size:
            take = min(self.block_rows - self._pending, x.size)
            block, block_weights = x[:take], None if w is None else w[:take]
            x, w = x[take:], None if w is None else w[take:]
            if take == self.block_rows:
                self._carry(Summary.from_values(block, block_weights).prune(self.parts), 0)
                continue
            # Copies: the caller may overwrite its batch before the block is full.
            self._values.append(block.copy())
            self._weights.append(None if block_weights is None else block_weights.copy())
            self._pending += take
            if self._pending == self.block_rows:
                self._carry(self._block().prune(self.parts), 0)
                self._values, self._weights, self._pending = [], [], 0

    def merge(self, other: WeightedQuantileSketch) -> None:
        """Add all values of another sketch, which is not changed.

        Raises
        ------
        ValueError
            When the sketches differ in `epsilon` or `block_rows`.
        """
        if (other.epsilon, other.block_rows) != (self.epsilon, self.block_rows):
            raise ValueError(
                f"cannot merge a sketch of epsilon={other.epsilon}, block_rows={other.block_rows} "
                f"into one of epsilon={self.epsilon}, block_rows={self.block_rows}"
            )
        levels, pending = list(other._levels), list(zip(other._values, other._weights, strict=True))
        for level, summary in enumerate(levels):
            if summary is not None:
                self._carry(summary, level)
        for values, weights in pending:
            self.add(values, weights)

    def summary(self) -> Summary:
        """Return the summary of all values added so far; more values may be added afterwards.

        The summary is exact (`Summary.slack` is 0) as long as no level holds more distinct values than it may
        keep.
        """
        result = self._block()
        for level in self._levels:
            if level is not None:
                result = result.merge(level)
        return result

    def _block(self) -> Summary:
        if not self._pending:
            return Summary.empty()
        values = np.concatenate(self._values)
        if all(w is None for w in self._weights):
            return Summary.from_values(values)
        parts = zip(self._values, self._weights, strict=True)
        return Summary.from_values(
            values, np.concatenate([np.ones(x.size) if w is None else w for x, w in parts])
        )

    def _carry(self, summary: Summary, level: int) -> None:
        while True:
            if level >= len(self._levels):
                self._levels.extend([None] * (level + 1 - len(self._levels)))
            held = self._levels[level]
            if held is None:
                self._levels[level] = summary
                return
            self._levels[level] = None
            summary = held.merge(summary).prune(self.parts)
            level += 1
