"""Whether a program's answer is right: the comparison with a reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Check:
    """The outcome of a comparison.

    Parameters
    ----------
    right : bool
        Whether every element is within the tolerance.
    error : float
        The largest absolute difference (NaN when the answer holds one).
    tolerance : float
        The largest that is accepted.
    """

    right: bool
    error: float
    tolerance: float

    def __str__(self) -> str:
        return f"largest difference {self.error:.3g}, tolerance {self.tolerance:.3g}"


def tolerance(reference: np.ndarray, flops: int) -> float:
    """The largest absolute difference that rounding explains.

    An output element sums ``n = flops / (2 size)`` products. Each addition rounds by at most
    half a unit in the last place of the partial sum, with a sign that behaves as random, so the error
    grows as ``eps sqrt(n)`` times the largest partial sum, for sums that grow and for sums that wander alike
    (Higham, Accuracy and Stability of Numerical Algorithms, section 2.8). The reference may round as much.
    A factor of 16 covers the extreme of millions of elements; one product left out of the sum of a few
    hundred is still seen.

    Parameters
    ----------
    reference : ndarray
        The right answer.
    flops : int
        Floating-point operations of the whole call.

    Returns
    -------
    float
        Zero for integers, which are exact.
    """
    if not np.issubdtype(reference.dtype, np.floating) or reference.size == 0:
        return 0.0
    terms = max(1.0, flops / (2 * reference.size))
    return float(16 * np.finfo(reference.dtype).eps * np.sqrt(terms) * np.max(np.abs(reference)))


def fill_with_sentinel(output: np.ndarray) -> None:
    """Fill an output so that an element which the program leaves out is seen."""
    output.fill(np.nan if np.issubdtype(output.dtype, np.floating) else np.iinfo(output.dtype).max)


def check(output: np.ndarray, reference: np.ndarray, flops: int) -> Check:
    """Compare an answer with the reference of the same shape."""
    limit = tolerance(reference, flops)
    if output.shape != reference.shape:
        raise ValueError(f"the output has shape {output.shape}, the reference {reference.shape}")
    if output.size == 0:
        return Check(True, 0.0, limit)
    difference = np.abs(output.astype(np.float64) - reference.astype(np.float64))
    # "not larger" would let NaN through
    return Check(bool(np.all(difference <= limit)), float(np.max(difference)), limit)
