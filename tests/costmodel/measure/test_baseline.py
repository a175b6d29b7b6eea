from __future__ import annotations

import numpy as np
import pytest

from compiler import ops
from costmodel.measure.baseline import BASELINES, blas_threads, limit_blas


@pytest.mark.parametrize(
    "name, shape",
    [
        ("matmul", (5, 7, 3)),
        ("matmul", (5, 7, 3, 2, "TT", "bias+relu")),
        ("conv2d", (2, 3, 9, 8, 4, 3, 1, 1)),
        ("conv2d", (1, 2, 11, 11, 3, 3, 2, 0)),
        ("conv2d", (1, 3, 12, 10, 2, 5, 2, 2)),
        ("conv2d", (1, 4, 6, 6, 4, 1, 1, 0)),
        ("conv2d", (1, 4, 6, 6, 4, 3, 1, 1, 1, 2, "NHWC", "bias")),
    ],
)
def test_baseline_gives_the_reference(name, shape):
    operator = ops.operator(name)
    shape = operator.shape(*shape)
    arrays = operator.inputs(np.random.default_rng(0), *shape)
    output = operator.output(*shape)
    output.fill(np.nan)
    BASELINES[name][1](arrays, output, shape)
    np.testing.assert_allclose(output, operator.reference(*arrays, *shape), rtol=1e-4, atol=1e-4)


def test_blas_threads_can_be_limited():
    before = blas_threads()
    with limit_blas(1):
        assert blas_threads() == 1
    assert blas_threads() == before
