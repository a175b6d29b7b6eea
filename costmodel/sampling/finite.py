"""Jump samplers on finite states, where the transition matrix is known: their exact properties."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from costmodel.sampling.move import Floats, Points, Signs


class MatrixMove:
    """A move on the states 0 to n - 1, given by two transition matrices.

    Points have the shape (chains,) and an integer type.

    Parameters
    ----------
    forward, backward : array_like of shape (n, n)
        The row of a state holds the probabilities of what is proposed there.

    Raises
    ------
    ValueError
        If a matrix is not square, has a negative entry, or a row whose sum is not 1.
    """

    def __init__(self, forward: ArrayLike, backward: ArrayLike) -> None:
        self.forward = _stochastic("forward", forward)
        self.backward = _stochastic("backward", backward)
        if self.forward.shape != self.backward.shape:
            raise ValueError(f"the shapes differ: {self.forward.shape} and {self.backward.shape}")

    def propose(self, points: Points, signs: Signs, rng: np.random.Generator) -> tuple[Points, Floats]:
        """Propose from the row of `forward` where the sign is 1, else of `backward`."""
        up = signs[:, np.newaxis] > 0
        rows = np.where(up, self.forward[points], self.backward[points]).cumsum(axis=1)
        drawn = rng.random(len(points))[:, np.newaxis] * rows[:, -1:]
        proposed = (rows <= drawn).sum(axis=1).astype(points.dtype)
        up = up[:, 0]
        there = np.where(up, self.forward[points, proposed], self.backward[points, proposed])
        back = np.where(up, self.backward[proposed, points], self.forward[proposed, points])
        with np.errstate(divide="ignore"):
            return proposed, np.log(back) - np.log(there)


def transition_matrix(probabilities: ArrayLike, move: MatrixMove, *, refresh: float = 0.0) -> Floats:
    """Return the transition matrix of `JumpSampler` with one move on finite states.

    Parameters
    ----------
    probabilities : array_like of shape (n,)
        The target, positive.
    move : MatrixMove
    refresh : float
        See `JumpSampler`.

    Returns
    -------
    float64 array of shape (2 n, 2 n)
        From a row's state to a column's: first all states in forward direction, then in backward direction.
    """
    target = np.asarray(probabilities, dtype=np.float64)
    n = len(target)
    there = target[:, np.newaxis] * move.forward
    flow = np.minimum(there, (target[:, np.newaxis] * move.backward).T)  # pi f a, and, transposed, pi g a
    matrix = np.zeros((2 * n, 2 * n))
    matrix[:n, :n] = flow / target[:, np.newaxis]
    matrix[n:, n:] = flow.T / target[:, np.newaxis]
    for here, other in ((slice(0, n), slice(n, 2 * n)), (slice(n, 2 * n), slice(0, n))):
        matrix[here, other] = np.diag(1.0 - matrix[here, here].sum(axis=1))
    turn = np.roll(np.eye(2 * n), n, axis=1)
    return matrix @ ((1.0 - refresh) * np.eye(2 * n) + refresh * turn)


def net_flow(probabilities: ArrayLike, matrix: ArrayLike) -> float:
    """Return the largest net flow of probability between two states: zero for a reversible chain.

    Parameters
    ----------
    probabilities : array_like of shape (n,)
        The stationary distribution.
    matrix : array_like of shape (n, n)
        The transition matrix.

    Returns
    -------
    float
        ``max |pi_i P_ij - pi_j P_ji|``.
    """
    flow = np.asarray(probabilities)[:, np.newaxis] * np.asarray(matrix)
    return float(np.abs(flow - flow.T).max())


def _stochastic(name: str, given: ArrayLike) -> Floats:
    matrix = np.array(given, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{name} must be a square matrix, not of shape {matrix.shape}")
    if (matrix < 0).any() or not np.allclose(matrix.sum(axis=1), 1.0):
        raise ValueError(f"the rows of {name} must be probabilities that sum to 1")
    return matrix
