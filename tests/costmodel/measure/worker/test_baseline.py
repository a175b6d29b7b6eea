from __future__ import annotations

import numpy as np
import pytest

from compiler import ops
from costmodel.measure.worker.baseline import BASELINES, blas_threads, limit_blas
from costmodel.measure.worker.check import check, fill_with_sentinel

SHAPES = {
    "matmul": [
        (5, 7, 3),
        (5, 7, 3, 2, "TT", "bias+relu"),
        (5, 7, 3, 0, "NN", "none", "int8"),
        (5, 7, 3, 0, "NT", "relu", "float16"),
    ],
    "dense": [(5, 7, 3), (5, 7, 3, "bias+residual+relu", "int8")],
    "conv2d": [
        (2, 3, 9, 8, 4, 3, 1, 1),
        (1, 2, 11, 11, 3, 3, 2, 0),
        (1, 3, 12, 10, 2, 5, 2, 2),
        (1, 4, 6, 6, 4, 1, 1, 0),
        (1, 4, 6, 6, 4, 3, 1, 1, 1, 2, "NHWC", "bias"),
        (1, 4, 6, 6, 4, 3, 1, 1, 1, 2, "NHWC", "bias", "int8"),
    ],
    "conv2d_transpose": [(1, 2, 5, 4, 6, 3, 2, 1)],
    "conv2d_winograd": [(1, 3, 8, 8, 4)],
    "depthwise_conv2d": [(1, 3, 8, 8, 3, 2, 1)],
    "pool2d": [(1, 3, 8, 8, 3, 2, 1), (1, 3, 8, 8, 3, 2, 1, 1, "average")],
    "softmax": [(3, 9)],
    "unary": [((3, 9), "gelu"), ((3, 9), "log"), ((3, 9), "relu", "int8")],
    "binary": [((3, 9), (9,), "divide"), ((3, 9), (3, 1), "maximum", "int32")],
    "reduction": [((3, 4, 5), (0, 2), "mean")],
    "argmax": [((3, 4, 5), 1), ((7, 40), 1, "min", "int32")],
    "cumsum": [((3, 4, 5), 1), ((7, 40), 1, "int32")],
    "transpose": [((3, 4, 5), (2, 0, 1)), ((3, 4), (1, 0), "bool")],
}


def test_every_built_in_operator_has_a_baseline():
    assert set(BASELINES) == {op.name for op in ops.OPERATORS} == set(SHAPES)


@pytest.mark.parametrize(
    "name, shape", [(name, shape) for name, shapes in SHAPES.items() for shape in shapes]
)
def test_baseline_gives_the_reference(name, shape):
    operator = ops.operator(name)
    shape = operator.shape(*shape)
    inputs = operator.inputs(np.random.default_rng(0), *shape)
    references = operator.references(inputs, *shape)
    outputs = operator.outputs(*shape)
    fill_with_sentinel(outputs, references)
    BASELINES[name].run(inputs, outputs, shape)
    assert check(outputs, references, operator.error_model(*shape)).passed


def test_blas_threads_can_be_limited():
    before = blas_threads()
    with limit_blas(1):
        assert blas_threads() == 1
    assert blas_threads() == before
