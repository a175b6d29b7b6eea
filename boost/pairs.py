"""Gradients of the pairwise ranking loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boost.jit import kernel

Floats = NDArray[np.float64]
# exp(-600) is small enough to stand for "never", and its square and ratios stay above the underflow.
LONGEST = 600.0


@kernel(
    "void(float64[::1], float64[::1], int64, int64, float64[::1], float64[::1])", fastmath={"reassoc", "contract"}
)
def sum_pairs(power, label, rows, reach, grad, hess):
    """Write each row's mean derivatives over the rows it is compared with. O(rows * partners).

    Parameters
    ----------
    power : exp of the margins, up to a common factor
    label : as long as `power`
    rows : number of rows to do
    reach : negative to compare each row with every other; else row i stands at i + reach of `power` and
        `label`, and is compared with the `reach` entries before and after it
    grad, hess : (rows,), output
    """
    for i in range(rows):
        if reach < 0:
            begin = 0
            end = rows
            at = i
        else:
            begin = i
            end = i + 2 * reach + 1
            at = i + reach
        mine = power[at]
        own = label[at]
        g = 0.0
        h = 0.0
        count = 0.0
        for j in range(begin, end):
            # The chance that j ranks above i is p_j / (p_i + p_j): one division a pair, and no exponential.
            chance = power[j] / (mine + power[j])
            above = 1.0 if own > label[j] else 0.0
            below = 1.0 if own < label[j] else 0.0
            g += below * (1.0 - chance) - above * chance
            h += (above + below) * (chance * (1.0 - chance))
            count += above + below
        scale = 1.0 / max(count, 1.0)
        grad[i] = g * scale
        hess[i] = max(2.0 * h * scale, 1e-16)


def pair_gradient(
    margin: Floats, label: Floats, bounds: NDArray[np.int64], most: int, seed: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Return gradients and hessians of the pairwise logistic loss.

    Parameters
    ----------
    margin : float64 array of shape (rows, 1)
    label : float64 array of shape (rows,)
    bounds : int64 array of shape (groups + 1,)
        Where the groups start; their rows are neighbours.
    most : int
        A group of more rows than this compares each row only with this many others: its neighbours on a ring in an
        order that is drawn anew each round, which keeps the pairs symmetric.
    seed : (int, int)
        Seed and number of the round.

    Returns
    -------
    two float64 arrays of shape (rows, 1)
    """
    grad, hess = np.empty_like(margin), np.empty_like(margin)
    order = np.random.default_rng(seed) if int(np.diff(bounds).max()) > most else None
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        rows = end - begin
        mine = margin[begin:end, 0]
        power = np.exp(np.maximum(mine - mine.max(), -LONGEST))
        y = label[begin:end]
        if rows <= most or order is None:
            sum_pairs(power, y, rows, -1, grad[begin:end, 0], hess[begin:end, 0])
            continue
        reach = most // 2
        ring = order.permutation(rows)
        around = np.concatenate((ring[-reach:], ring, ring[:reach]))
        g, h = np.empty(rows), np.empty(rows)
        sum_pairs(power[around], y[around], rows, reach, g, h)
        grad[begin + ring, 0], hess[begin + ring, 0] = g, h
    return grad, hess
