import numpy as np
import pytest

from compiler import build, te
from compiler.ops import CONV2D, CONV2D_WINOGRAD, DENSE, DEPTHWISE_CONV2D, MATMUL, POOL2D, TRANSPOSE
from compiler.ops.group import Anchor, schedule_group
from compiler.te.tensor import Placeholder

ANCHORS = [
    (CONV2D, (1, 5, 7, 6, 18, 3, 1, 1)),
    (CONV2D, (1, 5, 7, 6, 18, 1)),
    (CONV2D, (1, 6, 7, 6, 32, 3, 2, 1, 1, 2)),
    (CONV2D, (2, 3, 7, 6, 16, 3, 1, 1, 1, 1, "NHWC")),
    (CONV2D, (1, 16, 7, 6, 32, 3, 1, 1, 1, 1, "NCHW16c")),
    (CONV2D_WINOGRAD, (1, 5, 7, 6, 18)),
    (DEPTHWISE_CONV2D, (1, 5, 7, 6, 3, 2, 1)),
    (DEPTHWISE_CONV2D, (1, 16, 7, 6, 3, 1, 1, 1, 1, "NHWC")),
    (POOL2D, (1, 5, 8, 6, 3, 2, 1)),
    (POOL2D, (1, 5, 8, 6, 2, 2, 0, 1, "average")),
    (DENSE, (7, 9, 5)),
    (DENSE, (1, 9, 5)),
    (MATMUL, (7, 1, 5)),
    (MATMUL, (7, 9, 5, 2)),
]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def run(program, arrays):
    module = build(program.schedule, program.parameters)
    pairs = zip(program.parameters, program.sources, strict=True)
    module(*(arrays[source].reshape(parameter.shape) for parameter, source in pairs))


def drawn(rng, tensors):
    return {t: rng.standard_normal(t.shape).astype(t.dtype) for t in tensors}


@pytest.mark.parametrize(("operator", "values"), ANCHORS, ids=[o.spell(o.shape(*v)) for o, v in ANCHORS])
@pytest.mark.parametrize("beside", [False, True], ids=["channels", "elements"])
def test_what_follows_an_anchor_is_computed_where_it_is_stored(rng, operator, values, beside):
    *operands, result = operator.tensors(*values)
    bias = te.placeholder((result.shape[1],), "bias")
    other = te.placeholder(result.shape if beside else (1,), "other")
    first = te.compute(result.shape, lambda *at: te.maximum(result[at] + bias[at[1]], 0), "first")
    index = (lambda at: at) if beside else (lambda at: (0,))
    output = te.compute(
        result.shape,
        lambda *at: te.round(first[at] * te.tanh(first[at]) + other[index(at)]).astype("int16"),
        "y",
    )
    program = schedule_group(
        [*operands, bias, other], [output], anchor=Anchor(result, operator, values, operands)
    )
    assert all(isinstance(p.op, Placeholder) for p in program.parameters[:-1])
    arrays = drawn(rng, [*operands, bias, other])
    arrays[output] = np.zeros(output.shape, "int16")
    run(program, arrays)
    expected = operator.reference(*(arrays[t] for t in operands), *values)
    expected = np.maximum(expected + arrays[bias].reshape((-1,) + (1,) * (result.ndim - 2)), 0)
    expected = expected * np.tanh(expected) + arrays[other]
    assert np.abs(arrays[output] - expected).max() <= 0.501


def test_an_operator_may_have_another_shape_than_the_computation(rng):
    data, weight, beside = (
        te.placeholder(s, n) for s, n in (((2, 3, 5), "x"), ((4, 5), "w"), ((2, 3, 4), "r"))
    )
    k = te.reduce_axis((0, 5), "k")
    dense = te.compute((2, 3, 4), lambda b, t, n: te.sum(data[b, t, k] * weight[n, k], axis=k), "dense")
    output = te.compute(dense.shape, lambda *at: dense[at] + beside[at], "output")
    anchor = Anchor(dense, DENSE, (6, 4, 5), (data, weight))
    program = schedule_group([data, weight, beside], [output], anchor=anchor)
    assert [tuple(p.shape) for p in program.parameters] == [(6, 5), (4, 5), (6, 4), (6, 4)]
    arrays = drawn(rng, [data, weight, beside])
    arrays[output] = np.zeros((2, 3, 4), "float32")
    run(program, arrays)
    np.testing.assert_allclose(
        arrays[output], arrays[data] @ arrays[weight].T + arrays[beside], rtol=1e-5, atol=1e-6
    )


def test_without_a_place_for_the_consumer_the_rules_schedule_the_group(rng):
    given, result = TRANSPOSE.tensors((4, 6), (1, 0))
    output = te.compute(result.shape, lambda i, j: result[i, j] + 1.0, "output")
    anchor = Anchor(result, TRANSPOSE, ((4, 6), (1, 0)), [given])
    program = schedule_group([given], [output], anchor=anchor)
    arrays = drawn(rng, [given]) | {output: np.zeros((6, 4), "float32")}
    run(program, arrays)
    np.testing.assert_array_equal(arrays[output], arrays[given].T + np.float32(1))


def test_several_outputs_are_scheduled_by_the_rules(rng):
    x = te.placeholder((8, 5), "x")
    k = te.reduce_axis((0, 5), "k")
    total = te.compute((8,), lambda i: te.sum(x[i, k], axis=k), "total")
    twice = te.compute((8, 5), lambda i, j: x[i, j] * 2.0, "twice")
    program = schedule_group([x], [total, twice])
    arrays = drawn(rng, [x]) | {total: np.zeros(8, "float32"), twice: np.zeros((8, 5), "float32")}
    run(program, arrays)
    np.testing.assert_allclose(arrays[total], arrays[x].sum(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(arrays[twice], arrays[x] * 2)


def test_a_template_without_a_consumer_refuses_one():
    from compiler.ops.consumer import Consumer
    from compiler.ops.knobs import Defaults

    _, result = TRANSPOSE.tensors((4, 6), (1, 0))
    output = te.compute(result.shape, lambda i, j: result[i, j] + 1.0, "output")
    with pytest.raises(ValueError, match="transpose has no place for a consumer"):
        TRANSPOSE.schedule(Defaults(), (4, 6), (1, 0), consumer=Consumer.of(result, output))
