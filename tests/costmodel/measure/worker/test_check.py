from __future__ import annotations

import numpy as np
import pytest

from compiler.ops.rounding import Rounding
from costmodel.measure.worker.check import check, fill_with_sentinel


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


def is_right(output, reference, terms=1.0):
    return check([output], [reference], Rounding(terms)).passed


@pytest.mark.parametrize("n", [1, 8, 64, 256])
def test_rounding_is_accepted(n):
    a, b, reference = product(n)
    outcome = check([in_order(a, b)], [reference], Rounding(n))
    assert outcome.passed
    assert outcome.error <= outcome.tolerance


def test_rounding_of_positive_numbers_is_accepted():
    a, b, _ = product(256)
    a, b = np.abs(a), np.abs(b)
    assert is_right(in_order(a, b), a @ b, 256)


@pytest.mark.parametrize("n", [8, 64, 256, 512])
def test_a_missing_term_is_detected(n):
    a, b, reference = product(n)
    assert not is_right(reference - a[:, :1] * b[:1], reference, n)


def test_one_wrong_element_is_detected():
    a, b, reference = product(64)
    wrong = reference.copy()
    wrong[3, 5] += 0.5
    assert not is_right(wrong, reference, 64)


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool"]
)
def test_an_element_that_is_not_written_is_detected(dtype):
    reference = np.array([[0, 1, 127], [3, 4, 5]]).astype(dtype)
    output = np.empty_like(reference)
    fill_with_sentinel([output], [reference])
    output[0] = reference[0]
    assert not is_right(output, reference)
    output[1] = reference[1]
    assert is_right(output, reference)


def test_integers_are_exact():
    reference = np.array([1000, 2000])
    assert not is_right(reference + 1, reference, 1e9)
    large = np.array([2**60])
    assert not is_right(large + 1, large)  # which float64 does not distinguish


def test_infinities_are_equal():
    reference = np.array([np.inf, -np.inf, 1.0])
    assert is_right(reference.copy(), reference)
    assert not is_right(-reference, reference)
    assert not is_right(np.array([np.inf, -np.inf, 2.0]), reference)


def test_nan_is_wrong():
    assert not is_right(np.array([np.nan, 1.0]), np.array([0.0, 1.0]))


def test_an_empty_output_is_right():
    assert is_right(np.empty((0, 3), np.float32), np.empty((0, 3), np.float32))


def test_of_several_outputs_the_wrong_one_is_reported():
    right, wrong = np.ones(3, "float32"), np.array([1, 2, 3], "int32")
    outcome = check([right, wrong + 1], [right * 1.0000001, wrong], Rounding())
    assert not outcome.passed
    assert (outcome.error, outcome.tolerance) == (1.0, 0.0)
    assert check([right, wrong], [right, wrong], Rounding()).passed


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"the output has shape \(2,\), the reference \(3,\)"):
        check([np.zeros(2)], [np.zeros(3)], Rounding())
