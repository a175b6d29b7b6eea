"""Gradient pairs rounded to integers, whose sums are exact: any order of addition gives the same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.grow.kernels.records import GRAD, HESS
from boost.jit import kernel, lowest_bit

if TYPE_CHECKING:
    from boost.threads import Team

Floats = NDArray[np.float64]
# Sums of rounded gradients stay below 2**53; one bit is left for the rounding of many small rows.
SUM_BITS = 52
# A weight of so many bits counts as copies of a row, to the bit, where all weights share a unit.
COPY_BITS = 10
# Exponents of the powers of two by which gradient pairs are scaled: those of weights are added to them.
LOWEST_EXPONENT, HIGHEST_EXPONENT = -800, 800
# Rows whose sizes are added up together, in blocks that no number of threads changes.
BLOCK_ROWS = 1 << 14
# Columns of the exponents of weights: of the highest bit of the largest one, and of the lowest bit of any.
HIGHEST_BIT, LOWEST_BIT = range(2)
MANTISSA_BITS, EXPONENT_BIAS = np.int64(52), np.int64(1023)
LEADING_BIT = np.int64(1 << 52)


class Weighted(NamedTuple):
    """What gradient pairs are rounded from.

    Attributes
    ----------
    grad, hess : (rows, outputs)
    weight : (rows,) or (0,)
        Of rows; empty for one each.
    """

    grad: Floats
    hess: Floats
    weight: Floats


class Grid(NamedTuple):
    """How gradient pairs are rounded; all factors are powers of two.

    Attributes
    ----------
    scale : (2 * outputs,)
        The factor on a value before it is rounded for the first time.
    weight_scale : float
        The factor on weights.
    unit : (2 * outputs,)
        The factor from the units of an output to those of all outputs.
    """

    scale: Floats
    weight_scale: float
    unit: Floats


@kernel(lazy=True, allocates=False)
def sum_sizes(source, first, last, sizes, exponents):
    """Sum up |grad| and |hess|, weighted, over blocks of rows, and find the range of bits of the weights.

    Parameters
    ----------
    source : Weighted
    first, last : the blocks to do
    sizes : (blocks, 2 * outputs), output
    exponents : (blocks, 2), output; minus and plus infinity in a block without weights above zero
    """
    grad, hess, weight = source.grad, source.hess, source.weight
    rows, outputs = grad.shape
    for block in range(first, last):
        begin = block * BLOCK_ROWS
        end = begin + BLOCK_ROWS
        end = end if end < rows else rows
        for k in range(outputs):
            g = 0.0
            h = 0.0
            for i in range(begin, end):
                w = weight[i] if weight.size else 1.0
                g += w * abs(grad[i, k])
                h += w * abs(hess[i, k])
            sizes[block, 2 * k + GRAD] = g
            sizes[block, 2 * k + HESS] = h
        highest = -np.inf
        lowest = np.inf
        for i in range(begin, end if weight.size else begin):
            if weight[i] == 1.0:  # nearly all of them, where weights only say which rows a tree is grown from
                highest = max(highest, 0.0)
                lowest = min(lowest, 0.0)
            elif weight[i] > 0.0:
                bits = np.float64(weight[i]).view(np.int64)
                exponent = (bits >> MANTISSA_BITS) - EXPONENT_BIAS
                zeros = lowest_bit(np.uint64((bits & (LEADING_BIT - 1)) | LEADING_BIT))
                highest = max(highest, np.float64(exponent))
                lowest = min(lowest, np.float64(exponent - MANTISSA_BITS + zeros))
        exponents[block, HIGHEST_BIT] = highest
        exponents[block, LOWEST_BIT] = lowest


@kernel(lazy=True, allocates=False)
def round_gpairs(source, grid, first, last, gpairs, sums):
    """Write round(weight * round(value)), in the units of a grid, for gradients and hessians, side by side.

    Parameters
    ----------
    source : Weighted
    grid : Grid
    first, last : the blocks to do
    gpairs : (rows, 2 * outputs), output
    sums : (blocks, 2 * outputs), output: the sums over each block
    """
    grad, hess, weight = source.grad, source.hess, source.weight
    rows, outputs = grad.shape
    for block in range(first, last):
        end = (block + 1) * BLOCK_ROWS
        for k in range(outputs):
            grad_scale, grad_unit = grid.scale[2 * k + GRAD], grid.unit[2 * k + GRAD]
            hess_scale, hess_unit = grid.scale[2 * k + HESS], grid.unit[2 * k + HESS]
            g = 0.0
            h = 0.0
            for i in range(block * BLOCK_ROWS, end if end < rows else rows):
                row_g = np.rint(grad[i, k] * grad_scale)
                row_h = np.rint(hess[i, k] * hess_scale)
                if weight.size:
                    w = weight[i] * grid.weight_scale
                    row_g = np.rint(w * row_g)
                    row_h = np.rint(w * row_h)
                row_g *= grad_unit
                row_h *= hess_unit
                gpairs[i, 2 * k + GRAD] = row_g
                gpairs[i, 2 * k + HESS] = row_h
                g += row_g
                h += row_h
            sums[block, 2 * k + GRAD] = g
            sums[block, 2 * k + HESS] = h


def scale_exponent(total: float) -> int:
    """Return the exponent of the largest power of two that keeps a sum of sizes within `SUM_BITS` bits."""
    if not total > 0:
        return 0
    return max(LOWEST_EXPONENT, min(HIGHEST_EXPONENT, SUM_BITS - math.frexp(total)[1]))


def weight_exponent(highest: float, lowest: float) -> int:
    """Return the exponent of the unit of weights, given those of their highest and of their lowest bit.

    The unit scales with the weights, so that a common factor of two changes no bit of the rounded values, and
    is not far below the largest weight, so that no bits are lost in rounding before weighting. Weights that
    are small multiples of a power of two have that unit: one of k units is rounded as k rows are.
    """
    if not highest >= lowest:
        return 0
    return int(lowest if highest - lowest < COPY_BITS else highest)


def round_gradients(
    grad: Floats, hess: Floats, weight: Floats, gpairs: Floats, team: Team | None = None
) -> tuple[tuple[float, float], Floats]:
    """Scale gradients and hessians by powers of two, and round them to integers.

    Of several outputs, each is rounded in its own unit: integers times a power of two, whose sums are exact
    too.

    Parameters
    ----------
    grad, hess : float64 arrays of shape (rows,) or (rows, outputs)
    weight : float64 array of shape (rows,) or (0,)
        Of rows; an empty array means one each.
    gpairs : float64 array of shape (rows, 2 * outputs)
        Output: gradient and hessian of each output.
    team : Team, optional

    Returns
    -------
    scales : (float, float)
        The factors on gradients and on hessians.
    sums : float64 array of shape (2 * outputs,)
        The sums over all rows.

    Raises
    ------
    ValueError
        When the sum of the sizes of gradients or hessians is infinite.
    """
    rows, columns = gpairs.shape
    # Kernels are compiled for one layout.
    source = Weighted(
        np.ascontiguousarray(grad.reshape(rows, -1)), np.ascontiguousarray(hess.reshape(rows, -1)), weight
    )
    blocks = -(-rows // BLOCK_ROWS)
    sizes, exponents, sums = np.empty((blocks, columns)), np.empty((blocks, 2)), np.empty((blocks, columns))

    def measure(first: int, last: int) -> None:
        sum_sizes(source, first, last, sizes, exponents)

    def write(first: int, last: int) -> None:
        round_gpairs(source, grid, first, last, gpairs, sums)

    work = float(gpairs.size)
    _share(team, measure, blocks, work)
    # Python's numbers: a table has a column or two, and NumPy takes longer to begin than to compute.
    totals = sizes.sum(axis=0).tolist()
    for column, what in ((GRAD, "gradients"), (HESS, "hessians")):
        if math.inf in totals[column::2]:
            raise ValueError(f"the {what} are too large: the sum of their sizes is infinite in float64")
    unit = 0
    if weight.size:
        unit = weight_exponent(exponents[:, HIGHEST_BIT].max(), exponents[:, LOWEST_BIT].min())
    common = [scale_exponent(sum(totals[column::2])) for column in (GRAD, HESS)]
    own = [scale_exponent(total) for total in totals]
    grid = Grid(
        np.array([math.ldexp(1.0, exponent + unit) for exponent in own]),
        math.ldexp(1.0, -unit),
        np.array([math.ldexp(1.0, common[i % 2] - exponent) for i, exponent in enumerate(own)]),
    )
    _share(team, write, blocks, 2 * work)
    return (math.ldexp(1.0, common[GRAD]), math.ldexp(1.0, common[HESS])), sums.sum(axis=0)


def _share(team: Team | None, task: Callable[[int, int], None], count: int, work: float) -> None:
    if team is None:
        task(0, count)
    else:
        team.share(task, count, work)
