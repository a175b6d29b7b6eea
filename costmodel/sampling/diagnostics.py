"""How much chains tell of their target: autocorrelation, effective sample size, and convergence."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from costmodel.sampling.move import Floats


def autocorrelation(x: ArrayLike) -> Floats:
    """Return the autocorrelation of a series at every lag.

    Parameters
    ----------
    x : array_like of shape (samples,) or (samples, chains)
        Chains share one mean; their autocovariances are averaged.

    Returns
    -------
    float64 array of shape (samples,)
        1 at lag 0. Zero everywhere else for a constant series.
    """
    series = _chains(x)
    n = len(series)
    centred = series - series.mean()
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, size, axis=0)[:n].mean(axis=1) / n
    if not covariance[0] > 0.0:
        return np.eye(1, n)[0]
    return covariance / covariance[0]


def integrated_time(x: ArrayLike) -> float:
    """Return the integrated autocorrelation time: how many samples are worth one independent sample.

    Sums of two neighbouring autocorrelations are added while they are positive and do not rise (Geyer,
    "Practical Markov chain Monte Carlo", 1992, section 3.3). That rule holds for reversible chains; an
    irreversible one may have negative sums, and is not given credit for them.

    Parameters
    ----------
    x : array_like of shape (samples,) or (samples, chains)

    Returns
    -------
    float
        At least ``1 / samples``.
    """
    rho = autocorrelation(x)
    pairs = rho[: len(rho) // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0.0)
    kept = np.minimum.accumulate(pairs[: ends[0]] if ends.size else pairs)
    return float(max(2.0 * kept.sum() - 1.0, 1.0 / len(rho)))


def effective_sample_size(x: ArrayLike) -> float:
    """Return the number of independent samples with the same variance of the mean.

    Parameters
    ----------
    x : array_like of shape (samples,) or (samples, chains)

    Returns
    -------
    float
    """
    series = _chains(x)
    return series.size / integrated_time(series)


def split_r_hat(x: ArrayLike) -> float:
    """Return the split R-hat: near 1 when the halves of all chains agree (Gelman et al., BDA3, section 11.4).

    Parameters
    ----------
    x : array_like of shape (samples, chains)
        At least four samples.

    Returns
    -------
    float
        Infinite where halves are constant and differ.
    """
    series = _chains(x)
    half = len(series) // 2
    if half < 2:
        raise ValueError(f"split R-hat needs at least four samples, not {len(series)}")
    halves = np.concatenate((series[:half], series[-half:]), axis=1)
    within = halves.var(axis=0, ddof=1).mean()
    between = half * halves.mean(axis=0).var(ddof=1)
    if within == 0.0:
        return 1.0 if between == 0.0 else np.inf
    return float(np.sqrt(((half - 1) / half * within + between / half) / within))


def _chains(x: ArrayLike) -> Floats:
    series = np.asarray(x, dtype=np.float64)
    if series.ndim == 1:
        series = series[:, np.newaxis]
    if series.ndim != 2 or not series.size:
        raise ValueError(f"samples must have the shape (samples,) or (samples, chains), not {np.shape(x)}")
    return series
