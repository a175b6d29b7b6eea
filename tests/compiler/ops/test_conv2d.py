"""Convolution: the default schedule and random ones against NumPy, and NumPy's way against the definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.ops import CONV2D, Defaults
from compiler.ops.conv2d import by_im2col, im2col, output_size

# N, CI, H, W, CO, kernel, stride, pad
SHAPES = {
    "one pixel": (1, 1, 1, 1, 1, 1, 1, 0),
    "3x3": (1, 3, 6, 7, 8, 3, 1, 1),
    "1x1": (1, 5, 4, 4, 6, 1, 1, 0),
    "1x1 with padding": (1, 2, 3, 3, 4, 1, 1, 1),
    "stride 2": (1, 2, 9, 8, 4, 3, 2, 1),
    "stride past the kernel": (1, 2, 7, 7, 4, 1, 3, 0),
    "no padding": (2, 2, 5, 6, 4, 3, 1, 0),
    "5x5": (1, 1, 5, 5, 2, 5, 1, 2),
    "prime sizes": (1, 3, 7, 5, 11, 3, 1, 1),
    "a batch": (3, 2, 4, 4, 16, 3, 1, 1),
    "a kernel as large as the image": (1, 2, 3, 3, 4, 3, 1, 0),
    "more padding than kernel": (1, 1, 2, 2, 2, 2, 1, 3),
    "channels of two vectors": (1, 8, 2, 7, 32, 3, 1, 1),
}


def by_definition(data: np.ndarray, weight: np.ndarray, stride: int, pad: int) -> np.ndarray:
    """The sum as it stands in the textbook, in float64."""
    kernel = weight.shape[2]
    padded = np.pad(data.astype("float64"), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    oh, ow = (output_size(size, kernel, stride, pad) for size in data.shape[2:])
    out = np.zeros((len(data), len(weight), oh, ow))
    for i, j in np.ndindex(oh, ow):
        patch = padded[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
        out[:, :, i, j] = np.einsum("nchw,ochw->no", patch, weight)
    return out


@pytest.mark.parametrize("name", SHAPES)
def test_reference(name: str) -> None:
    shape = SHAPES[name]
    data, weight = CONV2D.inputs(np.random.default_rng(1), *shape)
    expected = by_definition(data, weight, *shape[-2:])
    np.testing.assert_allclose(CONV2D.reference(data, weight, *shape), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(by_im2col(data, weight, *shape[-2:]), expected, rtol=1e-4, atol=1e-4)
    assert CONV2D.output(*shape).shape == expected.shape
    assert CONV2D.flops(*shape) == 2 * expected.size * shape[1] * shape[5] ** 2


@pytest.mark.parametrize("name", SHAPES)
def test_defaults(name: str, check_operator: Callable) -> None:
    check_operator(CONV2D, Defaults(), *SHAPES[name])


@given(st.data())
def test_random_knobs(check_operator: Callable, random_knobs: Callable, data: st.DataObject) -> None:
    def size(*options: int) -> int:
        return data.draw(st.sampled_from(options))

    kernel, pad = size(1, 2, 3), size(0, 1, 2)
    height, width = size(3, 4, 5, 8), size(3, 4, 7, 8)
    shape = (size(1, 2), size(1, 2, 3, 4), height, width, size(1, 2, 4, 6, 7), kernel, size(1, 2), pad)
    check_operator(CONV2D, random_knobs(data.draw), *shape)


@given(st.data())
def test_the_questions_do_not_depend_on_the_answers(
    asking_defaults: Callable, random_knobs: Callable, data: st.DataObject
) -> None:
    first, second = asking_defaults(), random_knobs(data.draw)
    shape = (2, 4, 6, 6, 12, 3, 1, 1)
    CONV2D.schedule(first, *shape)
    CONV2D.schedule(second, *shape)
    assert first.asked == second.asked


def test_im2col_by_hand() -> None:
    data = np.arange(9, dtype="float32").reshape(1, 1, 3, 3)
    np.testing.assert_array_equal(
        im2col(data, 2, 1, 0)[0], [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]
    )
    np.testing.assert_array_equal(
        im2col(data, 2, 2, 1)[0], [[0, 0, 0, 4], [0, 0, 3, 5], [0, 1, 0, 7], [0, 2, 6, 8]]
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({0: 0}, r"conv2d: N is 0; a positive whole number is needed"),
        ({4: -3}, r"conv2d: CO is -3; a positive"),
        ({5: 0}, r"conv2d: kernel is 0; a positive"),
        ({6: 0}, r"conv2d: stride is 0; a positive"),
        ({7: -1}, r"conv2d: pad is -1; a whole number of at least zero is needed"),
        ({7: 0.5}, r"conv2d: pad is 0\.5; a whole number"),
        ({2: 2, 5: 7}, r"conv2d: H=2 with pad=1 has 4 pixels, fewer than kernel=7"),
        ({3: 1, 5: 4}, r"conv2d: W=1 with pad=1 has 3 pixels, fewer than kernel=4"),
    ],
)
def test_refused(changed: dict[int, int], message: str) -> None:
    shape = [1, 3, 8, 8, 4, 3, 1, 1]
    for position, value in changed.items():
        shape[position] = value
    for ask in (lambda: CONV2D.schedule(Defaults(), *shape), lambda: CONV2D.flops(*shape)):
        with pytest.raises(ValueError, match=message):
            ask()


def test_a_wrong_number_of_sizes() -> None:
    message = r"conv2d takes 8 numbers \(N, CI, H, W, CO, kernel, stride, pad\), not 3"
    with pytest.raises(ValueError, match=message):
        CONV2D.schedule(Defaults(), 1, 2, 3)
