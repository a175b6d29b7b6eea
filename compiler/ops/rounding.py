"""`Rounding`: how far rounding can move an output from the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

MARGIN = 16
"""Standard deviations of the rounding error that a correct program may reach.

An output has up to millions of elements, and the reference rounds as well as the program.
"""


@dataclass(frozen=True, slots=True)
class Rounding:
    """The error model of an operator: what determines the rounding error of one output element.

    Each addition of a sum of `terms` terms rounds by at most half a unit in the last place of the partial
    sum, with a sign that behaves as random. The error therefore grows as ``eps * sqrt(terms)`` times the
    largest partial sum (Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, section 2.8),
    for which the largest element of the output stands.

    Parameters
    ----------
    terms : float
        Number of terms that are summed into one element; 1 for an element-wise operator.
    amplification : float
        Factor by which the algorithm's rounding errors exceed those of the plain sum, for an algorithm that
        transforms its inputs and outputs (see `compiler.ops.conv.winograd.amplification`).
    accumulator : str, optional
        Type of the partial sums; by default that of the output.
    """

    terms: float = 1.0
    amplification: float = 1.0
    accumulator: str | None = None

    def tolerance(self, reference: Array) -> float:
        """Return the largest absolute difference from `reference` that rounding explains.

        Parameters
        ----------
        reference : ndarray
            The exact result, rounded to the output's type.

        Returns
        -------
        float
            Zero for types other than floating-point numbers: their results are exact.
        """
        if not np.issubdtype(reference.dtype, np.floating):
            return 0.0
        if reference.size == 0:
            return 0.0
        largest = np.max(np.abs(reference))
        if not np.isfinite(largest):
            largest = np.max(np.abs(reference), where=np.isfinite(reference), initial=0.0)
        stored = float(np.finfo(reference.dtype).eps)
        summed = stored if self.accumulator is None else float(np.finfo(self.accumulator).eps)
        relative = MARGIN * summed * self.amplification * max(self.terms, 1.0) ** 0.5
        if summed < stored:
            relative += stored  # both sides round once more where they store the sum
        return float(relative * largest)
