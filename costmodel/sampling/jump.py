"""`JumpSampler`: chains that keep their direction until a proposal is rejected (I-Jump).

Ma, Fox, Chen and Wu, "Irreversible samplers from jump and continuous Markov processes" (arXiv 1608.05973),
section 4. The state is lifted by a direction. A forward proposal f is accepted with probability
``min(1, pi(z*) g(z | z*) / (pi(z) f(z* | z)))``, where g is the backward proposal, and a rejection turns the
direction. The flow of probability along one direction equals that against the other, so that the
distribution, with uniform directions, is invariant for any f and g with a common support.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.sampling.move import Floats, Move, Points, Signs

LogDensity = Callable[[Points], Floats]
"""From points of shape (chains, ...) to log densities of shape (chains,), up to a constant."""


@dataclass
class Chains:
    """The present state of many chains.

    Parameters
    ----------
    points : array of shape (chains, ...)
    values : float64 array of shape (chains,)
        Log densities of the points.
    signs : int8 array of shape (chains, moves)
        The direction of each chain for each move, 1 or -1.
    """

    points: Points
    values: Floats
    signs: Signs


@dataclass(frozen=True)
class Samples:
    """What a run of a sampler visited.

    Parameters
    ----------
    points : array of shape (samples, chains, ...)
    values : float64 array of shape (samples, chains)
        Log densities.
    acceptance : float64 array of shape (moves,)
        Share of the accepted proposals of each move; NaN for a move that was never made.
    """

    points: Points
    values: Floats
    acceptance: Floats


class JumpSampler:
    """The irreversible jump sampler, for many chains at once.

    Parameters
    ----------
    log_density : callable
        The logarithm of the target's density, see `LogDensity`. Minus infinity is outside of its support.
    moves : Move or sequence of Move
        Several moves, such as one for each coordinate, have a direction each.
    refresh : float
        Probability with which a step turns the direction of a random move afterwards. It keeps the
        distribution invariant, and makes every chain aperiodic.
    scan : {"random", "systematic"}
        Whether a step makes a random move, drawn for each chain, or the next one in order.

    Raises
    ------
    ValueError
        Without moves, for a `refresh` outside of 0 to 1, or an unknown `scan`.
    """

    def __init__(
        self,
        log_density: LogDensity,
        moves: Move | Sequence[Move],
        *,
        refresh: float = 0.0,
        scan: str = "random",
    ) -> None:
        self.log_density = log_density
        self.moves: tuple[Move, ...] = tuple(moves) if isinstance(moves, Sequence) else (moves,)
        if not self.moves:
            raise ValueError("a sampler needs at least one move")
        if not 0.0 <= refresh <= 1.0:
            raise ValueError(f"refresh is a probability, not {refresh}")
        if scan not in ("random", "systematic"):
            raise ValueError(f"scan must be 'random' or 'systematic', not {scan!r}")
        self.refresh = refresh
        self.scan = scan
        self._steps = 0
        self._made = np.zeros(len(self.moves))
        self._accepted = np.zeros(len(self.moves))

    def start(self, points: Points, rng: np.random.Generator) -> Chains:
        """Return chains at `points`, shape (chains, ...), with random directions.

        Raises
        ------
        ValueError
            If a point is outside of the support of the target.
        """
        points = np.array(points)
        values = self._values(points)
        outside = np.flatnonzero(~(values > -np.inf))
        if outside.size:
            raise ValueError(
                f"chain {outside[0]} starts where the target has no density: {points[outside[0]]!r}"
            )
        signs = rng.choice(np.array([-1, 1], dtype=np.int8), (len(points), len(self.moves)))
        return Chains(points, values, signs)

    def step(self, chains: Chains, rng: np.random.Generator, *, beta: Floats | float = 1.0) -> None:
        """Make one move of each chain, in place.

        Parameters
        ----------
        chains : Chains
        rng : numpy.random.Generator
        beta : float or float64 array of shape (chains,)
            Inverse temperature: the target is ``exp(beta * log_density)``.
        """
        count = len(chains.points)
        if self.scan == "random":
            move_of = rng.integers(len(self.moves), size=count)
        else:
            move_of = np.full(count, self._steps % len(self.moves))
        self._steps += 1
        signs = chains.signs[np.arange(count), move_of]
        proposed, log_ratio = chains.points.copy(), np.zeros(count)
        for m in np.unique(move_of):
            rows = np.flatnonzero(move_of == m)
            proposed[rows], log_ratio[rows] = self.moves[m].propose(chains.points[rows], signs[rows], rng)
        values = np.full(count, -np.inf)
        possible = np.flatnonzero(log_ratio > -np.inf)
        if possible.size:
            values[possible] = self._values(proposed[possible])
        with np.errstate(invalid="ignore"):  # infinite less infinite is NaN, and is not accepted
            exponent = beta * (values - chains.values) + log_ratio
        accepted = np.log(rng.random(count)) < exponent
        chains.points[accepted] = proposed[accepted]
        chains.values[accepted] = values[accepted]
        rejected = np.flatnonzero(~accepted)
        chains.signs[rejected, move_of[rejected]] *= -1
        self._made += np.bincount(move_of, minlength=len(self.moves))
        self._accepted += np.bincount(move_of[accepted], minlength=len(self.moves))
        if self.refresh:
            turned = np.flatnonzero(rng.random(count) < self.refresh)
            chains.signs[turned, rng.integers(len(self.moves), size=turned.size)] *= -1

    def sample(
        self, points: Points, samples: int, *, rng: np.random.Generator, thin: int = 1, warmup: int = 0
    ) -> Samples:
        """Run chains and return what they visit.

        Parameters
        ----------
        points : array of shape (chains, ...)
            Where the chains start.
        samples : int
            Number of samples of each chain.
        rng : numpy.random.Generator
        thin : int
            Number of steps between two samples.
        warmup : int
            Number of steps before the first sample.

        Returns
        -------
        Samples
        """
        if samples < 1 or thin < 1 or warmup < 0:
            raise ValueError(
                f"samples {samples} and thin {thin} must be at least 1, and warmup {warmup} at least 0"
            )
        chains = self.start(points, rng)
        for _ in range(warmup):
            self.step(chains, rng)
        self._made[:] = self._accepted[:] = 0.0
        kept = np.empty((samples, *chains.points.shape), chains.points.dtype)
        values = np.empty((samples, len(chains.points)))
        for i in range(samples):
            for _ in range(thin):
                self.step(chains, rng)
            kept[i], values[i] = chains.points, chains.values
        return Samples(kept, values, self.acceptance())

    def acceptance(self) -> Floats:
        """Return the share of accepted proposals of each move, shape (moves,); NaN where none was made."""
        with np.errstate(invalid="ignore"):
            return self._accepted / self._made

    def _values(self, points: Points) -> Floats:
        return np.asarray(self.log_density(points), dtype=np.float64)
