"""Matrix products: the default schedule and random ones against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.driver import build
from compiler.ops import DENSE, MATMUL, Defaults

SHAPES = [
    (1, 1, 1),
    (1, 7, 3),
    (7, 1, 5),
    (5, 4, 1),
    (7, 11, 13),
    (8, 32, 4),
    (16, 64, 8),
    (12, 48, 6),
    (3, 34, 9),
    (17, 67, 5),
    (31, 37, 11),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_defaults(shape: tuple[int, int, int], check_operator: Callable) -> None:
    check_operator(MATMUL, Defaults(), *shape)


@pytest.mark.parametrize("transpose", ["NN", "NT", "TN", "TT"])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_transposed_and_batched(batch: int, transpose: str, check_operator: Callable) -> None:
    check_operator(MATMUL, Defaults(), 5, 18, 7, batch, transpose)


@pytest.mark.parametrize(
    "epilogue", ["relu", "bias", "residual", "bias+residual+relu6", "bias+sigmoid", "tanh", "gelu"]
)
def test_epilogues(epilogue: str, check_operator: Callable) -> None:
    check_operator(MATMUL, Defaults(), 5, 18, 7, 2, "NN", epilogue)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 33, 7), (8, 16, 32)])
@pytest.mark.parametrize("epilogue", ["none", "bias+relu"])
def test_dense(shape: tuple[int, int, int], epilogue: str, check_operator: Callable) -> None:
    check_operator(DENSE, Defaults(), *shape, epilogue, how=("nest", "compiled", "bound"))


@pytest.mark.parametrize("dtype", ["float64", "float16", "int8", "bfloat16"])
@pytest.mark.parametrize(
    ("transpose", "epilogue"), [("NN", "none"), ("TT", "bias+residual+relu6"), ("NT", "residual+relu")]
)
def test_other_types(dtype: str, transpose: str, epilogue: str, check_operator: Callable) -> None:
    values = MATMUL.shape(5, 18, 37, 2, transpose, epilogue, dtype)
    check_operator(MATMUL, Defaults(), *values, how=("definition", "compiled"))


def test_int8_sums_are_exact_in_int32() -> None:
    extreme = np.full((1, 1000), -128, "int8")
    shape = MATMUL.shape(1, 1, 1000, dtype="int8")
    assert MATMUL.reference(extreme, extreme.T, *shape) == 1000 * 128**2
    out = MATMUL.output(*shape)
    assert out.dtype == "int32"
    build(*MATMUL.schedule(Defaults(), *shape))(extreme, extreme.T.copy(), out)
    assert out == 1000 * 128**2


def test_float16_is_summed_in_float32() -> None:
    # in float16 a sum of ones stops at 2048
    ones = np.ones((1, 5000), "float16")
    shape = MATMUL.shape(1, 1, 5000, dtype="float16")
    out = MATMUL.output(*shape)
    build(*MATMUL.schedule(Defaults(), *shape))(ones, ones.T.copy(), out)
    assert out == 5000


def test_bfloat16_is_summed_in_float32() -> None:
    ones = np.full((1, 5000), 0x3F80, "uint16")
    shape = MATMUL.shape(1, 1, 5000, dtype="bfloat16")
    assert MATMUL.reference(ones, ones.T, *shape) == 5000
    out = MATMUL.output(*shape)
    assert out.dtype == "float32"
    build(*MATMUL.schedule(Defaults(), *shape))(ones, ones.T.copy(), out)
    assert out == 5000


@pytest.mark.slow
@settings(max_examples=40)
@given(st.data())
def test_random_knobs(check_operator: Callable, random_knobs: Callable, data: st.DataObject) -> None:
    size = st.sampled_from([1, 2, 3, 7, 8, 16, 33])
    shape = tuple(data.draw(size) for _ in "MNK")
    transpose = data.draw(st.sampled_from(["NN", "NT", "TN", "TT"]))
    check_operator(MATMUL, random_knobs(data.draw), *shape, 0, transpose, how=("lowered", "compiled"))


@given(st.data())
def test_the_requested_knobs_do_not_depend_on_their_values(
    recording_defaults: Callable, random_knobs: Callable, data: st.DataObject
) -> None:
    first, second = recording_defaults(), random_knobs(data.draw)
    MATMUL.schedule(first, 12, 16, 8)
    MATMUL.schedule(second, 12, 16, 8)
    assert first.requested == second.requested


def test_flops_and_shapes() -> None:
    assert MATMUL.flops(3, 4, 5) == 120
    assert MATMUL.flops(3, 4, 5, 6) == 720
    assert MATMUL.output(3, 4, 5).shape == (3, 4)
    assert MATMUL.output(3, 4, 5, 2).shape == (2, 3, 4)
    a, b = MATMUL.inputs(np.random.default_rng(0), 3, 4, 5)
    assert (a.shape, b.shape, a.dtype) == ((3, 5), (5, 4), np.dtype("float32"))
    np.testing.assert_array_equal(MATMUL.reference(a, b, 3, 4, 5), a @ b)
    a, b = MATMUL.inputs(np.random.default_rng(0), 3, 4, 5, 0, "TT")
    assert (a.shape, b.shape) == ((5, 3), (4, 5))
    np.testing.assert_array_equal(MATMUL.reference(a, b, 3, 4, 5, 0, "TT"), a.T @ b.T)
