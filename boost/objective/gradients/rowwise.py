"""Derivatives of losses of single rows, and the links from margins to probabilities.

The exponential is a polynomial here, because a call of the C library would keep loops from being vectorised.
Additions and multiplications are not contracted: a result must not depend on whether the row was processed in
the vectorised part of a loop or in its remainder.
"""

from __future__ import annotations

import math

import numpy as np

from boost.jit import kernel

TINY = 1e-16
FIRST_CLASS = 0
LOG2_E = 1 / math.log(2)
# ln 2 in two parts; the first has zeros at its end, so that its product with an exponent is exact.
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
# Added to a number below 2**51, it leaves the nearest integer in the last bits of the sum.
SHIFT = 1.5 * 2.0**52
EXPONENT_BIAS = np.int64(1023)
MANTISSA_BITS = np.int64(52)
LOWEST, HIGHEST = -708.0, 709.0  # powers of e that are normal numbers
# 1 / k!
C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13 = (1 / math.factorial(k) for k in range(2, 14))


@kernel(allocates=False)
def exp(x):
    """Return e to the power x, which is clamped to [-708, 709]; relative error below 2.3e-16.

    With n the integer nearest to x / ln 2, e**x = 2**n e**r, and r = x - n ln 2 is at most ln(2) / 2: there
    14 terms of the power series are exact to the last bit.
    """
    x = x if x > LOWEST else LOWEST
    x = x if x < HIGHEST else HIGHEST
    shifted = x * LOG2_E + SHIFT
    n = shifted - SHIFT
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = C12 + r * C13
    p = C11 + r * p
    p = C10 + r * p
    p = C9 + r * p
    p = C8 + r * p
    p = C7 + r * p
    p = C6 + r * p
    p = C5 + r * p
    p = C4 + r * p
    p = C3 + r * p
    p = C2 + r * p
    p = 1.0 + r * p
    p = 1.0 + r * p
    bits = (np.float64(shifted).view(np.int64) + EXPONENT_BIAS) << MANTISSA_BITS
    return p * np.int64(bits).view(np.float64)


@kernel(lazy=True, allocates=False)
def squared(margin, label, factor, grad, hess):
    """Write the derivatives of half the squared error; `hess` must hold ones when `factor` is one.

    Parameters
    ----------
    margin, label : (rows,)
    factor : the weight of label 1
    grad, hess : (rows,), output
    """
    if factor == 1.0:
        for i in range(margin.size):
            grad[i] = margin[i] - label[i]
        return
    for i in range(margin.size):
        weight = factor if label[i] == 1.0 else 1.0
        grad[i] = (margin[i] - label[i]) * weight
        hess[i] = weight


@kernel(lazy=True, allocates=False)
def logistic(margin, label, factor, grad, hess):
    """Write the derivatives of the logistic loss; parameters as of `squared`, `hess` always output."""
    for i in range(margin.size):
        rest = exp(-margin[i])
        p = 1.0 / (1.0 + rest)
        weight = factor if label[i] == 1.0 else 1.0
        grad[i] = (p - label[i]) * weight
        hess[i] = max(p * (rest * p), TINY) * weight  # 1 - p is rest p, also where p rounds to one


@kernel(lazy=True, allocates=False)
def sigmoid(margin, out):
    """Write 1 / (1 + exp(-margin)); both arrays have shape (rows,)."""
    for i in range(margin.size):
        out[i] = 1.0 / (1.0 + exp(-margin[i]))


@kernel(lazy=True, allocates=False)
def softmax(margin, out):
    """Write the probabilities of the classes; both of shape (rows, n_outputs)."""
    rows, n_outputs = margin.shape
    for i in range(rows):
        highest = margin[i, FIRST_CLASS]
        for k in range(1, n_outputs):
            highest = max(highest, margin[i, k])
        for k in range(n_outputs):
            out[i, k] = margin[i, k] - highest
    flat = out.reshape(rows * n_outputs)
    for j in range(flat.size):
        flat[j] = exp(flat[j])
    for i in range(rows):
        total = 0.0
        for k in range(n_outputs):
            total += out[i, k]
        scale = 1.0 / total
        for k in range(n_outputs):
            out[i, k] *= scale


@kernel(lazy=True, allocates=False)
def multinomial(margin, label, grad, hess):
    """Write the derivatives of the multinomial loss, the second ones doubled.

    Parameters
    ----------
    margin : (rows, n_outputs)
    label : (rows,), the class
    grad, hess : (rows, n_outputs), output
    """
    softmax(margin, grad)
    rows, n_outputs = margin.shape
    p, h = grad.reshape(rows * n_outputs), hess.reshape(rows * n_outputs)
    for j in range(p.size):
        h[j] = max(2.0 * p[j] * (1.0 - p[j]), TINY)
    for i in range(rows):
        grad[i, np.int64(label[i])] -= 1.0
