from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from costmodel.sampling import GammaMove, GaussianMove, JumpSampler, Tempering


def two_modes(z):
    return np.logaddexp(-0.5 * ((z[:, 0] - 10) / 0.5) ** 2, -0.5 * ((z[:, 0] + 10) / 0.5) ** 2)


BETAS = [0.005, 0.03, 0.15, 1.0]


def run(samples: int, start: float = 10.0, chains: int = 50, seed: int = 0):
    tempering = Tempering(JumpSampler(two_modes, GammaMove(2.0, 1.0), refresh=0.05), BETAS, steps=3)
    return tempering, tempering.sample(
        np.full((4, chains, 1), start), samples, rng=np.random.default_rng(seed)
    )


def test_both_modes_are_reached_from_one() -> None:
    _, result = run(300)
    cold = result.points[150:, -1, :, 0]
    assert 0.35 < (cold > 0).mean() < 0.65
    alone = JumpSampler(two_modes, GammaMove(2.0, 1.0), refresh=0.05)
    stuck = alone.sample(np.full((50, 1), 10.0), 300, rng=np.random.default_rng(0)).points
    assert (stuck > 0).mean() > 0.99


def test_the_coldest_level_has_the_distribution_of_the_target() -> None:
    start = np.where(np.random.default_rng(1).random((4, 400, 1)) < 0.5, -10.0, 10.0)
    tempering = Tempering(JumpSampler(two_modes, GaussianMove(1.0)), BETAS, steps=3)
    result = tempering.sample(start, 40, rng=np.random.default_rng(2))
    folded = np.abs(result.points[-1, -1, :, 0])
    assert scipy.stats.kstest(folded, scipy.stats.norm(10, 0.5).cdf).pvalue > 1e-3


def test_swaps_are_counted() -> None:
    tempering, result = run(200)
    assert result.rejection.shape == (3,)
    assert ((result.rejection > 0) & (result.rejection < 1)).all()
    assert result.barrier == pytest.approx(result.rejection.sum())
    assert result.round_trips > 5
    np.testing.assert_allclose(result.values[-1, -1], two_modes(result.points[-1, -1]))
    even = tempering.even_betas()
    assert even[0] == BETAS[0] and even[-1] == BETAS[-1]
    assert (np.diff(even) > 0).all()


def test_equal_rejection_leaves_the_temperatures() -> None:
    tempering = Tempering(JumpSampler(two_modes, GammaMove(2.0, 1.0)), [0.1, 0.4, 1.0])
    tempering._tried[:] = 100
    tempering._rejected[:] = (30, 30)
    np.testing.assert_allclose(tempering.even_betas(), [0.1, 0.4, 1.0])
    tempering._rejected[:] = (60, 20)
    np.testing.assert_allclose(tempering.even_betas(), [0.1, 0.3, 1.0])


@pytest.mark.parametrize(
    ("betas", "steps", "message"),
    [
        ([1.0, 0.5, 0.7], 1, "must ascend or descend"),
        ([-1.0, 1.0], 1, "at least 0"),
        ([0.5, 1.0], 0, "steps must be at least 1"),
    ],
)
def test_wrong_settings(betas, steps, message) -> None:
    with pytest.raises(ValueError, match=message):
        Tempering(JumpSampler(two_modes, GammaMove(1.0, 1.0)), betas, steps=steps)


def test_chains_must_fill_the_levels() -> None:
    tempering = Tempering(JumpSampler(two_modes, GammaMove(1.0, 1.0)), [0.5, 1.0])
    with pytest.raises(ValueError, match="given for 3 levels, but there are 2 betas"):
        tempering.sample(np.zeros((3, 1, 1)), 1, rng=np.random.default_rng(0))
    chains = tempering.sampler.start(np.zeros((3, 1)), np.random.default_rng(0))
    with pytest.raises(ValueError, match="3 chains cannot share 2 levels"):
        tempering.advance(chains, np.random.default_rng(0))
