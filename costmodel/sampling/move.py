"""`Move`: a forward and a backward proposal, between which the direction of a chain chooses."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Points = NDArray[Any]
Floats = NDArray[np.float64]
Signs = NDArray[np.int8]


class Move(Protocol):
    """A forward and a backward proposal of new points."""

    def propose(self, points: Points, signs: Signs, rng: np.random.Generator) -> tuple[Points, Floats]:
        """Propose a new point for each chain.

        Parameters
        ----------
        points : array of shape (chains, ...)
        signs : int8 array of shape (chains,)
            1 for the forward and -1 for the backward proposal.
        rng : numpy.random.Generator

        Returns
        -------
        proposed : array of the shape of `points`
        log_ratio : float64 array of shape (chains,)
            The log density with which the proposal of the opposite direction leads back, less that with which
            this proposal was made: ``log g(z | z*) - log f(z* | z)`` forward. Minus infinity where there is
            no such point.
        """


class Proposal(Protocol):
    """A distribution of the next point, given the present one."""

    def draw(self, points: Points, rng: np.random.Generator) -> Points:
        """Draw a point for each of `points`, shape (chains, ...)."""

    def log_density(self, proposed: Points, points: Points) -> Floats:
        """Return the log density of each proposal given its point, shape (chains,)."""


class ProposalPair:
    """A move made of any two proposals with a common support.

    Parameters
    ----------
    forward, backward : Proposal
        Equal proposals give the Metropolis-Hastings algorithm.
    """

    def __init__(self, forward: Proposal, backward: Proposal) -> None:
        self.forward = forward
        self.backward = backward

    def propose(self, points: Points, signs: Signs, rng: np.random.Generator) -> tuple[Points, Floats]:
        """Propose from `forward` where the sign is 1, else from `backward`."""
        proposed, log_ratio = points.copy(), np.empty(len(points))
        for sign, there, back in ((1, self.forward, self.backward), (-1, self.backward, self.forward)):
            rows = np.flatnonzero(signs == sign)
            if rows.size:
                start = points[rows]
                end = there.draw(start, rng)
                proposed[rows] = end
                log_ratio[rows] = back.log_density(start, end) - there.log_density(end, start)
        return proposed, log_ratio


class GammaMove:
    """Steps of gamma-distributed length along one coordinate, upwards or downwards.

    The densities of both directions cancel (Ma et al., 2016, section 4.1).

    Parameters
    ----------
    shape, scale : float
        Of the gamma distribution, both positive.
    coordinate : int
        The coordinate that moves, of points of shape (chains, d).
    """

    def __init__(self, shape: float, scale: float, coordinate: int = 0) -> None:
        if not (shape > 0 and scale > 0):
            raise ValueError(f"shape {shape} and scale {scale} of the steps must be positive")
        self.shape = shape
        self.scale = scale
        self.coordinate = coordinate

    def propose(self, points: Points, signs: Signs, rng: np.random.Generator) -> tuple[Points, Floats]:
        """Add a step to the coordinate, in the direction of the sign."""
        proposed = points.copy()
        proposed[:, self.coordinate] += signs * rng.gamma(self.shape, self.scale, len(points))
        return proposed, np.zeros(len(points))


class GaussianMove:
    """A Gaussian random walk of all coordinates: the reversible move to compare with.

    Parameters
    ----------
    scale : float
        Standard deviation of a step, positive.
    """

    def __init__(self, scale: float) -> None:
        if not scale > 0:
            raise ValueError(f"the scale of the steps must be positive, not {scale}")
        self.scale = scale

    def propose(self, points: Points, signs: Signs, rng: np.random.Generator) -> tuple[Points, Floats]:
        """Add a Gaussian step to every coordinate; the direction makes no difference."""
        return points + self.scale * rng.standard_normal(points.shape), np.zeros(len(points))
