from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from costmodel.sampling import JumpSampler, LangevinMove, effective_sample_size

COVARIANCE = np.array([[1.0, 0.95], [0.95, 1.0]])
PRECISION = np.linalg.inv(COVARIANCE)
CURL = np.array([[0.0, 1.0], [-1.0, 0.0]])


def log_density(z):
    return -0.5 * np.einsum("ni,ij,nj->n", z, PRECISION, z)


def gradient(z):
    return -z @ PRECISION


@pytest.mark.parametrize("curl", [None, CURL, 3 * CURL])
@pytest.mark.parametrize("diffusion", [None, COVARIANCE])
def test_samples_have_the_distribution_of_the_target(curl, diffusion) -> None:
    step = 0.4 if diffusion is not None else 0.05
    sampler = JumpSampler(log_density, LangevinMove(gradient, step, 2, diffusion=diffusion, curl=curl))
    start = np.random.default_rng(9).multivariate_normal([0, 0], COVARIANCE, 800)
    samples = sampler.sample(start, 1, rng=np.random.default_rng(1), thin=100)
    z = samples.points[-1] @ np.linalg.inv(np.linalg.cholesky(COVARIANCE)).T
    for i in range(2):
        assert scipy.stats.kstest(z[:, i], scipy.stats.norm.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.15


def test_an_irreversible_drift_mixes_the_squares_sooner() -> None:
    def size(curl: float, step: float) -> float:
        sampler = JumpSampler(log_density, LangevinMove(gradient, step, 2, curl=curl * CURL))
        start = np.random.default_rng(9).multivariate_normal([0, 0], COVARIANCE, 400)
        samples = sampler.sample(start, 700, rng=np.random.default_rng(1))
        return effective_sample_size(samples.points[:, :, 0] ** 2)

    assert size(2.0, 0.03) > 1.15 * size(0.0, 0.05)  # 37 against 50 by the reference


def test_a_diffusion_that_depends_on_the_point() -> None:
    # log-normal target by geometric steps: D(z) = z^2, whose divergence is 2 z
    target = scipy.stats.lognorm(0.5)

    def grad(z):
        with np.errstate(invalid="ignore"):
            return -1.0 / z - np.log(z) / (0.25 * z)

    move = LangevinMove(
        grad,
        0.05,
        1,
        diffusion=lambda z: (z**2)[:, :, np.newaxis],
        divergence=lambda z, signs: 2.0 * z,
    )
    # an Euler step may leave the support, where the density is zero
    sampler = JumpSampler(lambda z: np.where(z[:, 0] > 0, target.logpdf(np.abs(z[:, 0])), -np.inf), move)
    start = target.rvs(600, random_state=4)[:, np.newaxis]
    samples = sampler.sample(start, 1, rng=np.random.default_rng(2), thin=100)
    assert scipy.stats.kstest(samples.points[-1, :, 0], target.cdf).pvalue > 1e-3


def test_a_curl_that_depends_on_the_point() -> None:
    def gaussian(z):
        return -0.5 * (z**2).sum(axis=1)

    # Q(z) = z_0 C: its divergence is (0, -1), turned by the sign
    move = LangevinMove(
        lambda z: -z,
        0.2,
        2,
        curl=lambda z: z[:, :1, np.newaxis] * CURL,
        divergence=lambda z, signs: signs[:, np.newaxis] * np.array([[0.0, -1.0]]),
    )
    samples = JumpSampler(gaussian, move).sample(
        np.zeros((600, 2)), 1, rng=np.random.default_rng(7), thin=200
    )
    for i in range(2):
        assert scipy.stats.kstest(samples.points[-1, :, i], scipy.stats.norm.cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"step": 0.0}, "must be positive"),
        ({"curl": np.eye(2)}, "skew-symmetric"),
        ({"diffusion": CURL}, "diffusion must be symmetric"),
        ({"diffusion": -np.eye(2)}, "positive definite"),
        ({"curl": np.zeros((3, 3))}, r"curl must have the shape \(2, 2\), not \(3, 3\)"),
        ({"curl": lambda z: z}, "`divergence` must return"),
    ],
)
def test_wrong_settings(arguments, message) -> None:
    settings = {"step": 0.1, **arguments}
    with pytest.raises(ValueError, match=message):
        LangevinMove(gradient, settings.pop("step"), 2, **settings)
