"""Blocks of channels go through chains of convolutions and are converted at the ends alone."""

from __future__ import annotations

import numpy as np

import compiler.relay as relay
from compiler.relay import op
from compiler.relay.language.op import is_call_of
from compiler.relay.language.visit import post_order
from compiler.relay.optimize.choose_layout import choose_layout

RNG = np.random.default_rng(0)


def random(*shape: int) -> relay.Constant:
    return relay.constant(RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:])), "float32")


def convolution(x: relay.Expr, co: int, ci: int, groups: int = 1) -> relay.Expr:
    weight = random(co, ci // groups, 3, 3)
    return op("nn.conv2d")(x, weight, padding=(1, 1, 1, 1), groups=groups)


def converted(module: relay.IRModule, *shapes: tuple[int, ...]) -> relay.IRModule:
    after = relay.infer_type(choose_layout(module))
    inputs = [RNG.normal(size=shape).astype("float32") for shape in shapes]
    np.testing.assert_allclose(
        relay.evaluate(after, *inputs), relay.evaluate(module, *inputs), rtol=1e-5, atol=1e-5
    )
    return after


def layouts(module: relay.IRModule) -> list[str]:
    return [n.attrs.data_layout for n in post_order(module.main) if is_call_of(n, "nn.conv2d")]


def conversions(module: relay.IRModule) -> int:
    return sum(is_call_of(n, "layout_transform") for n in post_order(module.main))


def module_of(x: relay.Var, body: relay.Expr) -> relay.IRModule:
    return relay.infer_type(relay.IRModule.from_expr(relay.Function((x,), body)))


def test_a_residual_network_is_converted_at_its_ends() -> None:
    x = relay.Var("x", relay.TensorType((1, 3, 8, 8)))
    stem = op("nn.relu")(op("add")(convolution(x, 16, 3), random(16, 1, 1)))
    left = op("nn.relu")(op("add")(convolution(stem, 16, 16), random(1, 16, 1, 1)))
    depth = op("multiply")(convolution(left, 16, 16, groups=16), relay.constant(2.0))
    joined = op("concatenate")(relay.Tuple((op("add")(depth, left), left)), axis=1)
    pooled = op("nn.max_pool2d")(joined, pool_size=(2, 2), strides=(2, 2))
    body = op("nn.global_avg_pool2d")(convolution(pooled, 32, 32))
    after = converted(module_of(x, body), (1, 3, 8, 8))
    assert layouts(after) == ["NCHW", "NCHW16c", "NCHW16c", "NCHW16c"]
    assert conversions(after) == 2


def test_a_scale_for_each_channel_that_is_computed() -> None:
    x = relay.Var("x", relay.TensorType((1, 16, 4, 4)))
    first = convolution(x, 16, 16)
    gate = op("sigmoid")(op("nn.global_avg_pool2d")(first))
    after = converted(module_of(x, convolution(op("multiply")(first, gate), 16, 16)), (1, 16, 4, 4))
    assert layouts(after) == ["NCHW16c", "NCHW16c"]


def test_what_has_no_blocks_stays() -> None:
    x = relay.Var("x", relay.TensorType((1, 6, 4, 4)))
    odd = module_of(x, convolution(convolution(x, 6, 6), 6, 6))
    assert layouts(converted(odd, (1, 6, 4, 4))) == ["NCHW", "NCHW"]
    y = relay.Var("y", relay.TensorType((1, 16, 4, 4)))
    single = module_of(y, convolution(y, 16, 16))
    assert choose_layout(single) is single
