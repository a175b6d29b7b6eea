from __future__ import annotations

import numpy as np
import pytest

from costmodel.measure import check as answer


def product(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, n), dtype=np.float32)
    b = rng.standard_normal((n, n), dtype=np.float32)
    return a, b, a @ b


def in_order(a, b):
    """The product summed one term after another in float32, as a simple loop does."""
    total = np.zeros((len(a), b.shape[1]), np.float32)
    for k in range(a.shape[1]):
        total += a[:, k, None] * b[None, k]
    return total


@pytest.mark.parametrize("n", [1, 8, 64, 256])
def test_rounding_is_accepted(n):
    a, b, reference = product(n)
    outcome = answer.check(in_order(a, b), reference, 2 * n**3)
    assert outcome.right
    assert outcome.error <= outcome.tolerance


def test_rounding_of_positive_numbers_is_accepted():
    a, b, _ = product(256)
    a, b = np.abs(a), np.abs(b)
    assert answer.check(in_order(a, b), a @ b, 2 * 256**3).right


@pytest.mark.parametrize("n", [8, 64, 256, 512])
def test_a_missing_term_is_seen(n):
    a, b, reference = product(n)
    wrong = reference - a[:, :1] * b[:1]
    assert not answer.check(wrong, reference, 2 * n**3).right


def test_one_wrong_element_is_seen():
    a, b, reference = product(64)
    wrong = reference.copy()
    wrong[3, 5] += 0.5
    assert not answer.check(wrong, reference, 2 * 64**3).right


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_an_element_that_is_left_out_is_seen(dtype):
    reference = np.arange(6).reshape(2, 3).astype(dtype)
    output = np.empty_like(reference)
    answer.fill_with_sentinel(output)
    output[0] = reference[0]
    assert not answer.check(output, reference, 6).right
    output[1] = reference[1]
    assert answer.check(output, reference, 6).right


def test_integers_are_exact():
    reference = np.array([1000, 2000])
    assert not answer.check(reference + 1, reference, 10**9).right


def test_an_empty_output_is_right():
    assert answer.check(np.empty((0, 3), np.float32), np.empty((0, 3), np.float32), 0).right


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"the output has shape \(2,\), the reference \(3,\)"):
        answer.check(np.zeros(2), np.zeros(3), 1)
