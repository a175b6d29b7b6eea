"""`LangevinMove`: irreversible Langevin dynamics and its time reversal, as the proposals of a jump sampler.

The process ``dz = [(D + Q) grad log pi + Gamma] dt + sqrt(2 D) dW``, with a positive definite D, a
skew-symmetric Q and ``Gamma_i = sum_j d/dz_j (D + Q)_ij``, has the stationary distribution pi, and every
continuous Markov process with it has this form. Its time reversal has -Q in place of Q. With an Euler step of
each as forward and backward proposal the jump sampler is I-MALA, exact for any step; Q = 0 is MALA (Ma et
al., arXiv 1608.05973, sections 2 and 5).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from costmodel.sampling.move import Floats, Points, Signs

Field = Callable[[Points], Floats]


class LangevinMove:
    """An Euler step of Langevin dynamics, with the drift turned by a skew-symmetric matrix.

    Parameters
    ----------
    gradient : callable
        From points (chains, d) to gradients of the log density, (chains, d).
    step : float
        The time of a step, positive.
    dimension : int
        d.
    diffusion : array_like of shape (d, d), or callable, optional
        D, symmetric and positive definite; by default the identity. A function of the points returns an array
        of shape (chains, d, d).
    curl : array_like of shape (d, d), or callable, optional
        Q, skew-symmetric; by default zero.
    divergence : callable, optional
        Needed where D or Q is a function: from points and signs to the divergence of ``D + sign * Q``,
        shape (chains, d).

    Raises
    ------
    ValueError
        If a matrix has another shape, D is not symmetric and positive definite, or Q not skew-symmetric.
    """

    def __init__(
        self,
        gradient: Field,
        step: float,
        dimension: int,
        *,
        diffusion: ArrayLike | Field | None = None,
        curl: ArrayLike | Field | None = None,
        divergence: Callable[[Points, Signs], Floats] | None = None,
    ) -> None:
        if not step > 0:
            raise ValueError(f"the time of a step must be positive, not {step}")
        if divergence is None and (callable(diffusion) or callable(curl)):
            raise ValueError(
                "where D or Q depends on the point, `divergence` must return that of D + sign * Q"
            )
        self.gradient = gradient
        self.step = step
        self.dimension = dimension
        self.divergence = divergence
        self._diffusion = _field(
            "diffusion", np.eye(dimension) if diffusion is None else diffusion, dimension
        )
        self._curl = _field("curl", np.zeros((dimension, dimension)) if curl is None else curl, dimension)

    def propose(self, points: Points, signs: Signs, rng: np.random.Generator) -> tuple[Points, Floats]:
        """Make a step of the dynamics where the sign is 1, of its time reversal where it is -1."""
        mean, root = self._step(points, signs)
        noise = rng.standard_normal(points.shape)
        proposed = mean + np.einsum("nij,nj->ni", root, noise)
        there = -0.5 * (noise**2).sum(axis=1) - _log_determinant(root)
        back_mean, back_root = self._step(proposed, -signs)
        residual = np.linalg.solve(back_root, (points - back_mean)[..., np.newaxis])[..., 0]
        back = -0.5 * (residual**2).sum(axis=1) - _log_determinant(back_root)
        ratio = back - there
        # outside of the support the gradient may not be a number
        return proposed, np.where(np.isnan(ratio), -np.inf, ratio)

    def _step(self, points: Points, signs: Signs) -> tuple[Floats, Floats]:
        """Return means of steps, (chains, d), and the Cholesky factors of the covariances, (chains, d, d)."""
        diffusion = self._diffusion(points)
        drift = diffusion + signs[:, np.newaxis, np.newaxis] * self._curl(points)
        velocity = np.einsum("nij,nj->ni", drift, self.gradient(points))
        if self.divergence is not None:
            velocity = velocity + self.divergence(points, signs)
        root = np.linalg.cholesky(2.0 * self.step * diffusion)
        return points + self.step * velocity, np.broadcast_to(root, (len(points), *root.shape[1:]))


def _log_determinant(root: Floats) -> Floats:
    return np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)


def _field(name: str, given: ArrayLike | Field, dimension: int) -> Field:
    """Return a function of points (chains, d) that returns matrices (chains or 1, d, d)."""
    if callable(given):
        return given
    matrix = np.array(given, dtype=np.float64)
    if matrix.shape != (dimension, dimension):
        raise ValueError(f"{name} must have the shape {(dimension, dimension)}, not {matrix.shape}")
    if name == "curl" and not np.allclose(matrix, -matrix.T):
        raise ValueError("curl must be skew-symmetric: Q = -Q.T")
    if name == "diffusion":
        if not np.allclose(matrix, matrix.T):
            raise ValueError("diffusion must be symmetric")
        if not np.linalg.eigvalsh(matrix)[0] > 0:
            raise ValueError("diffusion must be positive definite")
    return lambda points: matrix[np.newaxis]
