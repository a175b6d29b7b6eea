"""The selection of a batch: high scores, diverse configurations, and a random share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from compiler.suggest import unknown
from costmodel.space import ConfigSpace


def diverse(
    space: ConfigSpace, candidates: Sequence[tuple[int, float]], n: int, *, weight: float = 0.2
) -> list[int]:
    """Greedily choose `n` of the scored candidates, trading score against new knob values.

    The value of a set S is ``sum of scores + weight * (number of knob values that S covers) / (number of
    knobs)``, with the scores scaled to 0 .. 1. It is submodular, so the greedy choice is within ``1 - 1/e``
    of the optimum (Chen et al., Learning to Optimize Tensor Programs, 2018, equation 3).

    Parameters
    ----------
    space : ConfigSpace
    candidates : sequence of (index, score)
        Higher scores are better.
    n : int
        Number to choose; all if there are fewer.
    weight : float
        Value of covering one new value of every knob, in units of the range of the scores.

    Returns
    -------
    list of int
        Indices in the order of choice. Of equal candidates the first in the sequence is chosen.
    """
    if not candidates:
        return []
    scores = np.array([score for _, score in candidates], dtype=np.float64)
    spread = scores.max() - scores.min()
    gains = (scores - scores.min()) / spread if spread > 0 else np.zeros_like(scores)
    digits = np.array([space.digits(index) for index, _ in candidates]).reshape(
        len(candidates), len(space.knobs)
    )
    uncovered = np.ones(digits.shape, dtype=bool)
    available = np.ones(len(candidates), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(n, len(candidates))):
        total = gains + weight * uncovered.mean(axis=1) if digits.shape[1] else gains
        pick = int(np.argmax(np.where(available, total, -np.inf)))
        chosen.append(candidates[pick][0])
        available[pick] = False
        uncovered &= digits != digits[pick]
    return chosen


ACQUISITIONS = ("mean", "ucb", "ei")


def acquire(
    name: str, scores: np.ndarray, deviations: np.ndarray | None, best: float = 0.0, optimism: float = 1.0
) -> np.ndarray:
    """Return the values by which a search prefers configurations, shape (n,), higher for better.

    Parameters
    ----------
    name : str
        ``"mean"`` for the scores themselves, ``"ucb"`` for `upper_confidence_bound`, ``"ei"`` for
        `log_expected_improvement`.
    scores, deviations : ndarray of float64, shape (n,)
        See `CostModel.predict_uncertainty`; ``"mean"`` needs no deviations.
    best : float
        Score of the best measured configuration, for ``"ei"``.
    optimism : float
        Number of standard deviations, for ``"ucb"``.

    Raises
    ------
    ValueError
        For an unknown name, missing deviations, or values that the acquisition refuses.
    """
    if name not in ACQUISITIONS:
        raise ValueError(unknown("acquisition", name, ACQUISITIONS))
    if name == "mean":
        return np.asarray(scores, np.float64)
    if deviations is None:
        raise ValueError(f"the acquisition {name!r} needs a deviation of each score")
    if name == "ucb":
        return upper_confidence_bound(scores, deviations, optimism)
    return log_expected_improvement(scores, deviations, best)


def upper_confidence_bound(scores: np.ndarray, deviations: np.ndarray, optimism: float) -> np.ndarray:
    """Return upper confidence bounds of scores: ``score + optimism * deviation``, shape (n,).

    They favour configurations with uncertain scores, whose measurements are most informative
    (Srinivas et al., Gaussian Process Optimization in the Bandit Setting, ICML 2010).

    Parameters
    ----------
    scores, deviations : ndarray of float64, shape (n,)
        See `CostModel.predict_uncertainty`.
    optimism : float
        Number of standard deviations; 0 returns the scores.

    Raises
    ------
    ValueError
        For an optimism below zero, or shapes that differ.
    """
    if not optimism >= 0:
        raise ValueError(f"optimism must be at least 0, not {optimism}")
    scores, deviations = _same_shape(scores, deviations)
    return scores + optimism * deviations


def log_expected_improvement(scores: np.ndarray, deviations: np.ndarray, best: float) -> np.ndarray:
    """Return the logarithm of the expected improvement on the score `best`, shape (n,).

    For a normally distributed score, the improvement ``E[max(x - best, 0)]`` is ``deviation * h(z)`` with
    ``h(z) = z * Phi(z) + phi(z)`` and ``z = (score - best) / deviation`` (Jones et al., Efficient Global
    Optimization of Expensive Black-Box Functions, 1998, equation 15). Far below `best` it underflows to zero
    for every configuration; the logarithm, computed from the scaled complementary error function, keeps their
    order (Ament et al., Unexpected Improvements to Expected Improvement, 2023, equation 9).

    Parameters
    ----------
    scores, deviations : ndarray of float64, shape (n,)
        See `CostModel.predict_uncertainty`. A deviation of zero counts as the smallest one that keeps the
        result finite.
    best : float
        In the units of the scores.

    Raises
    ------
    ValueError
        For a negative deviation, a `best` that is not finite, or shapes that differ.
    """
    scores, deviations = _same_shape(scores, deviations)
    if not math.isfinite(best) or (deviations < 0).any():
        raise ValueError(f"no deviation may be negative, and the best score must be finite, not {best}")
    from scipy.special import erfcx, ndtr

    gain = scores - best
    deviations = np.maximum(deviations, 1e-9 * max(1.0, float(np.max(np.abs(gain), initial=0.0))))
    z = gain / deviations
    high = np.maximum(z, -1.0)
    low = np.minimum(z, -1.0)
    root = math.sqrt(math.pi / 2)
    # h(z) = phi(z) * (1 - |z| * Mills' ratio); for large |z| the difference is 1 / z^2 to first order
    tail = np.where(low < -1e3, low**-2.0, 1.0 - root * -low * erfcx(-low / math.sqrt(2.0)))
    below = -0.5 * low * low - 0.5 * math.log(2 * math.pi) + np.log(tail)
    above = np.log(high * ndtr(high) + np.exp(-0.5 * high * high) / math.sqrt(2 * math.pi))
    return np.log(deviations) + np.where(z < -1.0, below, above)


def _same_shape(scores: np.ndarray, deviations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if np.shape(scores) != np.shape(deviations):
        raise ValueError(f"each score needs a deviation, not {np.shape(scores)} and {np.shape(deviations)}")
    return np.asarray(scores, np.float64), np.asarray(deviations, np.float64)


def choose_batch(
    space: ConfigSpace,
    candidates: Sequence[tuple[int, float]],
    n: int,
    visited: AbstractSet[int],
    *,
    rng: np.random.Generator,
    epsilon: float = 0.05,
    weight: float = 1.0,
) -> list[int]:
    """Choose a batch to measure: most of it from the candidates, a share of `epsilon` at random.

    The random ones are training data where the scores are low. The random number of candidates is
    ``epsilon * n`` rounded up or down, with that expectation.

    Parameters
    ----------
    space : ConfigSpace
    candidates : sequence of (index, score)
    n : int
        Size of the batch.
    visited : set of int
        The configurations that were measured; none of them is returned.
    rng : numpy.random.Generator
    epsilon : float
        Share of random configurations, 0 to 1.
    weight : float
        As in `diverse`. A model orders its best candidates badly, so a batch of different ones finds more.

    Returns
    -------
    list of int
        Up to `n` different indices outside `visited`; fewer only if the space has no more.
    """
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon is a share, 0 to 1, not {epsilon}")
    share = epsilon * n
    chance = math.floor(share) + int(rng.random() < share - math.floor(share))
    fresh = [c for c in candidates if c[0] not in visited]
    batch = diverse(space, fresh, n - chance, weight=weight)
    return batch + space.random(rng, n - len(batch), {*visited, *batch})
