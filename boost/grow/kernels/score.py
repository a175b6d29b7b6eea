"""Kernels of structure scores, and the split parameters that every search for splits obeys.

The score of a node is that of the XGBoost paper, equation 6, without the factor 1/2, in the units of the
rounded sums, see `boost.grow.kernels.rounding.round_gradients`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boost.jit import kernel
from boost.params import Params

# A gain below this share of the scores is their rounding.
NOISE = 1e-10
# Indices of the array of split parameters, all in the units of the rounded sums. LEAST, the smallest hessian
# of a child, is at least one: sums are whole numbers, and a child needs some weight.
# The last three are of splits into two sets of categories.
ALPHA, LAMBDA, LEAST, GAIN, STEP, ONE_HOT, MOST_CATEGORIES, SMOOTH, SET_LAMBDA, SET_LEAST = range(10)
LIMITS = 10


def make_limits(params: Params, scales: tuple[float, float], step: float) -> NDArray[np.float64]:
    """Return the parameters in the units of the rounded sums.

    Parameters
    ----------
    params : Params
        The checked parameters.
    scales : (float, float)
        See `boost.grow.kernels.rounding.round_gradients`.
    step : float
        Largest weight of a leaf before the learning rate, 0 for no limit.

    Returns
    -------
    float64 array of shape (LIMITS,)
    """
    grad_scale, hess_scale = scales
    limits = np.empty(LIMITS)
    limits[ALPHA] = params["alpha"] * grad_scale
    limits[LAMBDA] = params["lambda"] * hess_scale
    limits[LEAST] = max(params["min_child_weight"] * hess_scale, 1.0)
    # score * hess_scale / grad_scale**2 is the score in the units of the loss
    limits[GAIN] = params["gamma"] * grad_scale / hess_scale * grad_scale
    limits[STEP] = step * grad_scale / hess_scale
    limits[ONE_HOT] = params["max_cat_to_onehot"]
    limits[MOST_CATEGORIES] = params["max_cat_threshold"]
    limits[SMOOTH] = params["cat_smooth"] * hess_scale
    limits[SET_LAMBDA] = params["cat_l2"] * hess_scale
    limits[SET_LEAST] = params["cat_min_weight"] * hess_scale
    return limits


@kernel(allocates=False)
def score(g, h, alpha, reg_lambda):
    """Structure score of a leaf without the factor 1/2: T(g)**2 / (h + lambda) with T the soft threshold."""
    over = abs(g) - alpha
    return over * over / (h + reg_lambda) if over > 0.0 else 0.0


@kernel(allocates=False)
def clamp(value, lower, upper):
    """Return the number nearest to `value` that lies within two bounds."""
    if value < lower:
        value = lower
    return upper if value > upper else value


@kernel(allocates=False)
def weigh(g, h, limits, lower, upper):
    """Return the best weight of a leaf within its bounds."""
    over = abs(g) - limits[ALPHA]
    bottom = h + limits[LAMBDA]
    w = 0.0
    if over > 0.0 and bottom > 0.0:
        w = over / bottom if g < 0.0 else -over / bottom
    step = limits[STEP]
    if step > 0.0:
        w = clamp(w, -step, step)
    return clamp(w, lower, upper)


@kernel(allocates=False)
def score_of_weight(g, h, w, limits):
    """Return the structure score of a leaf that has the weight `w`; `score` is the largest of these."""
    return -(2.0 * g * w + (h + limits[LAMBDA]) * w * w + 2.0 * limits[ALPHA] * abs(w))


@kernel(allocates=False)
def bounded_scores(left_g, left_h, right_g, right_h, limits, lower, upper, direction):
    """Return the sum of the scores of two bounded children, -inf where they break a direction."""
    left = weigh(left_g, left_h, limits, lower, upper)
    right = weigh(right_g, right_h, limits, lower, upper)
    if direction * (right - left) < 0.0:
        return -np.inf
    return score_of_weight(left_g, left_h, left, limits) + score_of_weight(right_g, right_h, right, limits)


# These two are compiled into the loops that call them before anything is optimised: a function that LLVM has
# optimised by itself, and inlines then, keeps a loop from being vectorised.


@kernel(inline="always", allocates=False)
def fraction(left_g, left_h, right_g, right_h, alpha, reg_lambda):
    """Return top and bottom of the fraction that is the sum of the scores of two children.

    a / b + c / d is (a d + c b) / (b d): whether it is above some best needs no division. Swapping left and
    right does not change a bit of it.
    """
    over_left = abs(left_g) - alpha
    over_right = abs(right_g) - alpha
    over_left = over_left if over_left > 0.0 else 0.0
    over_right = over_right if over_right > 0.0 else 0.0
    left_bottom = left_h + reg_lambda
    right_bottom = right_h + reg_lambda
    top = over_left * over_left * right_bottom + over_right * over_right * left_bottom
    return top, left_bottom * right_bottom


@kernel(inline="always", allocates=False)
def may_beat(left_g, left_h, total_g, total_h, alpha, reg_lambda, least, best):
    """Return 1 where a split is allowed and may beat `best`, else 0: no branch and no division."""
    right_h = total_h - left_h
    top, bottom = fraction(left_g, left_h, total_g - left_g, right_h, alpha, reg_lambda)
    return np.int64(top > best * bottom) & np.int64(left_h >= least) & np.int64(right_h >= least)


@kernel(allocates=False)
def beats(left_g, left_h, right_g, right_h, alpha, reg_lambda, best):
    """Return the sum of the scores of two children when it is above `best`, or else `best`.

    Most are below, which costs no division. Rounding may let an equal pass, so the division decides.
    """
    top, bottom = fraction(left_g, left_h, right_g, right_h, alpha, reg_lambda)
    if top > best * bottom:
        value = top / bottom
        return value if value > best else best
    return best
