from __future__ import annotations

import numpy as np
import pytest

from costmodel.sampling import autocorrelation, effective_sample_size, integrated_time, split_r_hat


def autoregression(rho: float, samples: int, chains: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = np.empty((samples, chains))
    x[0] = rng.standard_normal(chains) / np.sqrt(1 - rho**2)
    for t in range(1, samples):
        x[t] = rho * x[t - 1] + rng.standard_normal(chains)
    return x


def test_autocorrelation_by_hand() -> None:
    # 1, -1, 1, -1: covariances 1, -3/4, 2/4, -1/4
    np.testing.assert_allclose(autocorrelation([1.0, -1.0, 1.0, -1.0]), [1.0, -0.75, 0.5, -0.25], atol=1e-12)
    np.testing.assert_array_equal(autocorrelation([2.0, 2.0, 2.0]), [1.0, 0.0, 0.0])


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_integrated_time_of_an_autoregression(rho: float) -> None:
    expected = (1 + rho) / (1 - rho)
    assert integrated_time(autoregression(rho, 20_000, 8)) == pytest.approx(expected, rel=0.06)


def test_effective_size_counts_all_chains() -> None:
    x = autoregression(0.5, 5000, 4)
    assert effective_sample_size(x) == pytest.approx(20_000 / 3, rel=0.1)
    assert effective_sample_size(x[:, 0]) == pytest.approx(5000 / 3, rel=0.15)


def test_chains_that_disagree_are_one_long_correlation() -> None:
    x = autoregression(0.0, 1000, 2) + np.array([0.0, 30.0])
    assert effective_sample_size(x) < 20


def test_r_hat() -> None:
    x = autoregression(0.3, 2000, 4)
    assert split_r_hat(x) == pytest.approx(1.0, abs=0.01)
    assert split_r_hat(x + np.array([0, 0, 0, 2.0])) > 1.2
    assert split_r_hat(np.ones((10, 2))) == 1.0
    assert split_r_hat(np.tile([0.0, 1.0], (10, 1))) == np.inf


def test_wrong_shapes() -> None:
    with pytest.raises(ValueError, match="must have the shape"):
        autocorrelation(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="at least four samples, not 3"):
        split_r_hat(np.zeros((3, 2)))
