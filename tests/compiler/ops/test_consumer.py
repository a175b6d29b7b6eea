from itertools import product

import numpy as np
import pytest

from compiler import te
from compiler.ir.expr import Var, const
from compiler.ir.simplify.simplify import Simplifier
from compiler.ops.consumer import Consumer, reshaped_index


@pytest.mark.parametrize(
    ("shape", "other"),
    [
        ((1, 5, 1, 7), (1, 5, 7)),
        ((6, 4), (2, 3, 4)),
        ((2, 3, 4), (6, 4)),
        ((2, 12), (4, 6)),
        ((1,), ()),
        ((), (1,)),
        ((3, 1, 1), (1, 3)),
    ],
)
def test_an_index_in_another_shape_names_the_same_element(shape, other):
    for place, at in enumerate(product(*map(range, shape))):
        index = reshaped_index(shape, other, [const(i, "int32") for i in at])
        assert tuple(int(Simplifier({})(i).value) for i in index) == tuple(np.unravel_index(place, other))


def test_another_number_of_elements_is_refused():
    with pytest.raises(ValueError, match="different numbers of elements"):
        reshaped_index((2, 3), (7,), [const(0, "int32"), const(0, "int32")])


def chain():
    given = te.placeholder((2, 3, 4), "given")
    result = te.compute((2, 3, 4), lambda *at: given[at] * 2.0, "result")
    bias, beside = te.placeholder((4,), "bias"), te.placeholder((2, 3, 4), "beside")
    moved = te.compute(result.shape, lambda i, j, k: result[i, j, k] + bias[k], "moved")
    return result, bias, beside, te.compute(result.shape, lambda *at: moved[at] * beside[at], "output")


def test_a_chain_of_elements_is_one_expression():
    result, bias, beside, output = chain()
    consumer = Consumer.of(result, output)
    assert consumer.sources == consumer.inputs == (bias, beside)
    i, j, k = (Var(name, "int32") for name in "ijk")
    assert str(consumer.apply(const(1.0, "float32"), (i, j, k))) == str(
        (const(1.0, "float32") + bias[k]) * beside[i, j, k]
    )
    assert consumer.along == {0, 1, 2}


def test_what_is_beside_the_result_has_the_shape_of_the_operator():
    result, bias, beside, output = chain()
    consumer = Consumer.of(result, output, (6, 4))
    assert consumer.sources == (bias, beside)
    assert [t.shape for t in consumer.inputs] == [(4,), (6, 4)]


def test_only_the_axes_that_matter_are_along():
    result, bias, _, _ = chain()
    output = te.compute(result.shape, lambda i, j, k: result[i, j, k] + bias[k], "output")
    assert Consumer.of(result, output).along == {2}


def test_other_elements_and_reductions_are_no_consumers():
    result, *_ = chain()
    turned = te.compute(result.shape, lambda i, j, k: result[i, j, 3 - k], "turned")
    k = te.reduce_axis((0, 4), "k")
    total = te.compute((2, 3, 4), lambda i, j, _: te.sum(result[i, j, k], axis=k), "total")
    less = te.compute(result.shape, lambda *at: result[at] - total[at], "less")
    beside = te.placeholder(result.shape, "beside")
    apart = te.compute(result.shape, lambda *at: beside[at] + 1.0, "apart")
    for output in (turned, total, less, apart):
        assert Consumer.of(result, output) is None
