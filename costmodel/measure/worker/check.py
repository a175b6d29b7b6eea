"""The check of a program's outputs against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.ops.rounding import Rounding


@dataclass(frozen=True)
class Check:
    """The outcome of a comparison.

    Parameters
    ----------
    passed : bool
        Whether every element of every output is within its tolerance.
    error : float
        The largest absolute difference (NaN if an output holds one).
    tolerance : float
        The largest difference that is accepted for that output.
    """

    passed: bool
    error: float
    tolerance: float

    def __str__(self) -> str:
        return f"largest difference {self.error:.3g}, tolerance {self.tolerance:.3g}"


def fill_with_sentinel(outputs: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> None:
    """Fill outputs so that an element that a program does not write fails the check."""
    for output, reference in zip(outputs, references, strict=True):
        if np.issubdtype(output.dtype, np.floating):
            output.fill(np.nan)
        else:  # the complement differs from the reference in every element
            output[...] = np.invert(reference.astype(output.dtype))


def check(outputs: Sequence[np.ndarray], references: Sequence[np.ndarray], model: Rounding) -> Check:
    """Compare the outputs of a program with the reference.

    Parameters
    ----------
    outputs, references : sequence of ndarray
        Of the same shapes.
    model : Rounding
        The operator's error model, see `compiler.ops.Operator.error_model`.

    Returns
    -------
    Check
        Of the first output that is wrong; if none is, of the one with the largest difference.

    Raises
    ------
    ValueError
        If an output and its reference have different shapes.
    """
    checks = [_check(o, r, model.tolerance(r)) for o, r in zip(outputs, references, strict=True)]
    wrong = next((c for c in checks if not c.passed), None)
    return wrong or max(checks, key=lambda c: c.error)


def _check(output: np.ndarray, reference: np.ndarray, limit: float) -> Check:
    if output.shape != reference.shape:
        raise ValueError(f"the output has shape {output.shape}, the reference {reference.shape}")
    if output.size == 0:
        return Check(True, 0.0, limit)
    exact = not np.issubdtype(reference.dtype, np.floating)
    if exact and np.array_equal(output, reference):
        return Check(True, 0.0, limit)
    with np.errstate(invalid="ignore"):  # equal infinities have no difference
        difference = np.abs(output.astype(np.float64) - reference.astype(np.float64))
    error = float(np.max(difference))
    if not exact and np.isnan(error):
        difference[output == reference] = 0.0
        error = float(np.max(difference))
    # a comparison by "not larger" would accept NaN
    return Check(not exact and error <= limit, error, limit)
