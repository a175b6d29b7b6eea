"""`Tempering`: chains at several temperatures that exchange their points, in an irreversible order.

Even and odd neighbours swap in turns (DEO), so that a point that was accepted travels on in its direction:
Syed, Bouchard-Côté, Deligiannidis and Doucet, "Non-reversible parallel tempering" (arXiv 1905.02939).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from costmodel.sampling.jump import Chains, JumpSampler
from costmodel.sampling.move import Floats, Points


@dataclass(frozen=True)
class TemperingResult:
    """What the chains at each temperature visited.

    Parameters
    ----------
    points : array of shape (samples, levels, chains, ...)
    values : float64 array of shape (samples, levels, chains)
        Log densities at inverse temperature 1.
    rejection : float64 array of shape (levels - 1,)
        Share of the swaps between neighbouring levels that were rejected.
    round_trips : int
        How often a point went from the first level to the last one and back.
    """

    points: Points
    values: Floats
    rejection: Floats
    round_trips: int

    @property
    def barrier(self) -> float:
        """The communication barrier of the levels: the sum of the rejection rates."""
        return float(self.rejection.sum())


class Tempering:
    """Parallel tempering over a jump sampler.

    Parameters
    ----------
    sampler : JumpSampler
    betas : array_like of shape (levels,)
        Inverse temperatures, descending or ascending, each at least 0.
    steps : int
        Steps of each chain between two rounds of swaps.

    Raises
    ------
    ValueError
        For negative or unordered inverse temperatures, or no steps.
    """

    def __init__(self, sampler: JumpSampler, betas: ArrayLike, *, steps: int = 1) -> None:
        self.sampler = sampler
        self.betas = np.array(betas, dtype=np.float64)
        changes = np.diff(self.betas)
        if self.betas.ndim != 1 or not self.betas.size or not (self.betas >= 0).all():
            raise ValueError(f"betas must be a list of numbers of at least 0, not {betas!r}")
        if not ((changes > 0).all() or (changes < 0).all()):
            raise ValueError(f"betas must ascend or descend: {betas!r}")
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        self.steps = steps
        self._round = 0
        self._tried = np.zeros(len(self.betas) - 1)
        self._rejected = np.zeros(len(self.betas) - 1)

    def advance(self, chains: Chains, rng: np.random.Generator) -> NDArray[np.intp]:
        """Make `steps` moves of each chain, then one round of swaps, in place.

        Parameters
        ----------
        chains : Chains
            ``levels * n`` chains: n at the first level, then n at the second, and so on.
        rng : numpy.random.Generator

        Returns
        -------
        intp array of shape (2, swaps)
            The chains that exchanged their points.
        """
        width, rest = divmod(len(chains.points), len(self.betas))
        if rest:
            raise ValueError(f"{len(chains.points)} chains cannot share {len(self.betas)} levels equally")
        beta = np.repeat(self.betas, width)
        for _ in range(self.steps):
            self.sampler.step(chains, rng, beta=beta)
        swaps = [np.empty((2, 0), dtype=np.intp)]
        for level in range(self._round % 2, len(self.betas) - 1, 2):
            low = np.arange(level * width, (level + 1) * width)
            high = low + width
            gain = (self.betas[level] - self.betas[level + 1]) * (chains.values[high] - chains.values[low])
            swapped = np.log(rng.random(width)) < gain
            swaps.append(np.stack((low[swapped], high[swapped])))
            for array in (chains.points, chains.values, chains.signs):
                _exchange(array, swaps[-1])
            self._tried[level] += width
            self._rejected[level] += width - swapped.sum()
        self._round += 1
        return np.concatenate(swaps, axis=1)

    def sample(self, points: Points, samples: int, *, rng: np.random.Generator) -> TemperingResult:
        """Run chains and return what they visit.

        Parameters
        ----------
        points : array of shape (levels, chains, ...)
            Where the chains start.
        samples : int
            Number of rounds of swaps; a sample is taken after each.
        rng : numpy.random.Generator

        Returns
        -------
        TemperingResult
        """
        points = np.asarray(points)
        levels, width = points.shape[:2]
        if levels != len(self.betas):
            raise ValueError(f"points are given for {levels} levels, but there are {len(self.betas)} betas")
        chains = self.sampler.start(points.reshape(levels * width, *points.shape[2:]), rng)
        self._tried[:] = self._rejected[:] = 0.0
        traveller = np.arange(levels * width)
        heading = np.zeros(
            levels * width, dtype=np.int8
        )  # of a traveller: 1 from the first level, -1 from the last
        trips = 0
        kept = np.empty((samples, *points.shape), points.dtype)
        values = np.empty((samples, levels, width))
        for i in range(samples):
            _exchange(traveller, self.advance(chains, rng))
            first, last = traveller[:width], traveller[-width:]
            trips += int((heading[first] == -1).sum())
            heading[first] = 1
            heading[last[heading[last] == 1]] = -1
            kept[i] = chains.points.reshape(points.shape)
            values[i] = chains.values.reshape(levels, width)
        return TemperingResult(kept, values, self.rejection(), trips)

    def rejection(self) -> Floats:
        """Return the share of rejected swaps between neighbouring levels, (levels - 1,); NaN without any."""
        with np.errstate(invalid="ignore"):
            return self._rejected / self._tried

    def even_betas(self) -> Floats:
        """Return as many inverse temperatures, placed so that all swaps would be rejected equally often.

        The sum of the rejection rates up to each level is interpolated (Syed et al., section 5.1).
        """
        rates = np.nan_to_num(self.rejection(), nan=0.0) + 1e-12
        reached = np.concatenate(([0.0], np.cumsum(rates)))
        even = np.linspace(0.0, reached[-1], len(self.betas))
        return np.interp(even, reached, self.betas)


def _exchange(array: np.ndarray, swaps: NDArray[np.intp]) -> None:
    a, b = swaps
    array[a], array[b] = array[b], array[a].copy()
