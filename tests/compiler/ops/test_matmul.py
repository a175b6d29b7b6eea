"""Matrix product: the default schedule and random ones against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.ops import MATMUL, Defaults

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
]


@pytest.mark.parametrize("shape", SHAPES)
def test_defaults(shape: tuple[int, int, int], check_operator: Callable) -> None:
    check_operator(MATMUL, Defaults(), *shape)


@given(st.data())
def test_random_knobs(check_operator: Callable, random_knobs: Callable, data: st.DataObject) -> None:
    size = st.sampled_from([1, 2, 3, 4, 6, 7, 8, 12, 16])
    shape = tuple(data.draw(size) for _ in "MNK")
    check_operator(MATMUL, random_knobs(data.draw), *shape)


@given(st.data())
def test_the_questions_do_not_depend_on_the_answers(
    asking_defaults: Callable, random_knobs: Callable, data: st.DataObject
) -> None:
    first, second = asking_defaults(), random_knobs(data.draw)
    MATMUL.schedule(first, 12, 16, 8)
    MATMUL.schedule(second, 12, 16, 8)
    assert first.asked == second.asked


def test_flops_and_shapes() -> None:
    assert MATMUL.flops(3, 4, 5) == 120
    assert MATMUL.output(3, 4, 5).shape == (3, 4)
    a, b = MATMUL.inputs(np.random.default_rng(0), 3, 4, 5)
    assert (a.shape, b.shape, a.dtype) == ((3, 5), (5, 4), np.dtype("float32"))
    np.testing.assert_array_equal(MATMUL.reference(a, b, 3, 4, 5), a @ b)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((0, 4, 4), r"matmul: M is 0; a positive whole number is needed"),
        ((4, -1, 4), r"matmul: N is -1; a positive"),
        ((4, 4, 2.5), r"matmul: K is 2\.5; a positive"),
        ((4, 4), r"matmul takes 3 numbers \(M, N, K\), not 2"),
    ],
)
def test_refused(shape: tuple, message: str) -> None:
    for ask in (lambda: MATMUL.schedule(Defaults(), *shape), lambda: MATMUL.output(*shape)):
        with pytest.raises(ValueError, match=message):
            ask()
