"""Quantized networks are close to those of floats, have integers inside, and refuse what they cannot do."""

from __future__ import annotations

import numpy as np
import pytest

import compiler.relay as relay
from compiler.relay import op
from compiler.relay.language.op import is_call_of
from compiler.relay.language.visit import post_order
from compiler.relay.optimize.quantize import Scale, quantize

RNG = np.random.default_rng(0)


def random(*shape: int) -> relay.Constant:
    return relay.constant(RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:])), "float32")


def network() -> relay.IRModule:
    x = relay.Var("x", relay.TensorType((1, 3, 8, 8)))
    y = op("nn.relu")(
        op("add")(op("nn.conv2d")(x, random(8, 3, 3, 3), padding=(1, 1, 1, 1)), random(8, 1, 1))
    )
    y = op("nn.relu")(op("nn.conv2d")(y, random(8, 8, 3, 3), strides=(2, 2)))
    y = op("nn.dense")(op("reshape")(y, newshape=(1, -1)), random(5, 72))
    return relay.IRModule.from_expr(relay.Function((x,), y))


def inputs(count: int) -> list[np.ndarray]:
    return [RNG.normal(size=(1, 3, 8, 8)).astype("float32") for _ in range(count)]


def names(module: relay.IRModule) -> list[str]:
    return [n.function.name for n in post_order(module.main) if is_call_of(n)]


@pytest.mark.parametrize("method", ["range", "percentile"])
def test_a_quantized_network_is_close(method: str) -> None:
    module = network()
    small = quantize(module, ([x] for x in inputs(6)), method=method)
    assert names(small).count("qnn.conv2d") == 2 and names(small).count("qnn.dense") == 1
    assert not {"nn.conv2d", "nn.dense"} & set(names(small))
    for x in inputs(4):
        exact, found = relay.evaluate(module, x), relay.evaluate(small, x)
        assert np.abs(exact - found).max() < 0.03 * np.abs(exact).max()
        assert np.abs(exact - found).max() > 0  # it is quantized indeed


def test_samples_by_name_and_layers_that_are_kept() -> None:
    small = quantize(network(), [{"x": inputs(1)[0]}], keep=["nn.dense"])
    assert "nn.dense" in names(small) and "qnn.conv2d" in names(small)


def test_layers_that_read_one_tensor_share_its_conversion() -> None:
    x = relay.Var("x", relay.TensorType((2, 6)))
    y = op("exp")(x)
    second = op("nn.dense")(op("tanh")(op("nn.dense")(y, random(3, 6))), random(4, 3))
    body = op("add")(op("nn.dense")(y, random(4, 6)), second)
    module = relay.IRModule.from_expr(relay.Function((x,), body))
    assert names(quantize(module, [[np.ones((2, 6), "float32")]])).count("qnn.quantize") == 2


def test_zero_is_exact() -> None:
    for low, high in [(0.3, 2.0), (-1.0, 3.0), (-2.0, -0.5), (0.0, 0.0)]:
        scale = Scale.of_range(low, high)
        assert 0 <= scale.zero_point <= 255 and scale.scale > 0
    assert Scale.of_range(-1.0, 3.0) == Scale(4 / 255, 64)


def test_a_module_without_layers_stays() -> None:
    x = relay.Var("x", relay.TensorType((2, 6)))
    module = relay.IRModule.from_expr(relay.Function((x,), op("exp")(x)))
    assert names(quantize(module, [])) == ["exp"]


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match="method is 'entropy'; range or percentile"):
        quantize(network(), [], method="entropy")
    with pytest.raises(ValueError, match="nn.softmax is not quantized in any case"):
        quantize(network(), [], keep=["nn.softmax"])
    with pytest.raises(ValueError, match="at least one sample"):
        quantize(network(), [])
    with pytest.raises(ValueError, match="no value for the input x; it has y"):
        quantize(network(), [{"y": inputs(1)[0]}])
