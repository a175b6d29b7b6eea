"""What sets of categories win by chance: the noise that the categories of a column leave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boost.data.binning import BinnedMatrix, SparseBinnedMatrix
from boost.grow.kernels.records import GRAD, HESS

Floats = NDArray[np.float64]


def chance_score(binned: BinnedMatrix | SparseBinnedMatrix, gpairs: Floats) -> float:
    """Return the score that one category has on average when its gradients are nothing but noise.

    A category of the sums g and h has the score g**2 / h, of which noise of the variance s**2 h gives s**2.
    The variance is what the categories of one column leave of the gradients, as in the analysis of variance;
    the column that leaves the least counts. What the columns of numbers explain is not taken out: it goes as
    the rounds go on.

    Parameters
    ----------
    binned : BinnedMatrix or SparseBinnedMatrix
        Of a sparse table, nothing is taken out.
    gpairs : (rows, 2)
        The rounded gradient pairs; those of rows outside the sample are zero.

    Returns
    -------
    float
        In the units of the rounded sums; 0 without categorical columns.
    """
    if not binned.categorical.any():
        return 0.0
    g, h = gpairs[:, GRAD], gpairs[:, HESS]
    # No products of vectors: their rounding depends on the number of threads.
    total, weight, rows = np.square(g).sum(), h.sum(), np.count_nonzero(h)
    if not weight > 0.0:
        return 0.0
    variance = total / rows
    if isinstance(binned, BinnedMatrix):
        for f in np.flatnonzero(binned.categorical):
            codes = binned.columns[f]
            sums, weights = np.bincount(codes, g), np.bincount(codes, h)
            held = weights > 0.0
            free = rows - np.count_nonzero(held)
            if free > 0:
                left = total - (np.square(sums[held]) / weights[held]).sum() * (weight / rows)
                variance = min(variance, max(float(left), 0.0) / free)
    return float(variance * rows / weight)
