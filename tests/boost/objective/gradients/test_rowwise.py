"""The kernels against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from scipy.special import softmax as scipy_softmax

from boost.objective.gradients import rowwise


def test_sigmoid_to_the_last_bits() -> None:
    x = np.concatenate((np.linspace(-700, 700, 100_001), np.random.default_rng(0).normal(size=10_000)))
    out = np.empty_like(x)
    rowwise.sigmoid(x, out)
    np.testing.assert_allclose(out, expit(x), rtol=1e-15)


def test_sigmoid_far_out() -> None:
    x = np.array([-1e300, -800.0, 800.0, 1e300, 0.0])
    out = np.empty_like(x)
    rowwise.sigmoid(x, out)
    np.testing.assert_allclose(out, [0, 0, 1, 1, 0.5], atol=1e-300)


@pytest.mark.parametrize("size", [1, 3, 7, 8, 31, 64, 100])
def test_a_number_does_not_depend_on_its_place(size: int) -> None:
    rng = np.random.default_rng(size)
    x = rng.normal(size=size) * 5
    out, alone = np.empty(size), np.empty(1)
    rowwise.sigmoid(x, out)
    for i in range(size):
        rowwise.sigmoid(x[i : i + 1], alone)
        assert alone[0] == out[i]


@pytest.mark.parametrize("n_outputs", [2, 3, 10])
def test_softmax(n_outputs: int) -> None:
    margin = np.random.default_rng(0).normal(size=(501, n_outputs)) * 5
    margin[0] = 0
    margin[1, 0] = 1e4
    out = np.empty_like(margin)
    rowwise.softmax(margin, out)
    np.testing.assert_allclose(out, scipy_softmax(margin, axis=1), rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("n_outputs", [2, 5])
def test_multinomial_derivatives(n_outputs: int) -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(size=(20, n_outputs))
    label = rng.integers(0, n_outputs, size=20)
    grad, hess = np.empty_like(margin), np.empty_like(margin)
    rowwise.multinomial(margin, label.astype(np.float32), grad, hess)

    def loss(m: np.ndarray) -> np.ndarray:
        return logsumexp(m, axis=1) - m[np.arange(20), label]

    step = 1e-4
    for k in range(n_outputs):
        move = np.zeros(n_outputs)
        move[k] = step
        high, low = loss(margin + move), loss(margin - move)
        np.testing.assert_allclose(grad[:, k], (high - low) / (2 * step), atol=1e-7)
        # Doubled on purpose.
        np.testing.assert_allclose(hess[:, k], 2 * (high - 2 * loss(margin) + low) / step**2, atol=1e-6)
