"""Quantized networks are close to those of floats, have integers inside, and refuse what they cannot do."""

from __future__ import annotations

import numpy as np
import pytest

import compiler.relay as relay
from compiler.relay import op
from compiler.relay.language.op import is_call_of
from compiler.relay.language.visit import post_order
from compiler.relay.optimize.integer_layers import Quantized, Weights, integer_layers, on_integers
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


def operand_types(module: relay.IRModule) -> list[str]:
    """The element types of the data of the layers."""
    layers = [n for n in post_order(module.main) if is_call_of(n, "nn.conv2d", "nn.dense")]
    return [n.args[0].checked_type.dtype for n in layers]


@pytest.mark.parametrize("method", ["range", "percentile"])
def test_a_quantized_network_is_close(method: str) -> None:
    module = network()
    small = quantize(module, ([x] for x in inputs(6)), method=method)
    assert operand_types(small) == ["int8", "int8", "uint8"]
    for x in inputs(4):
        exact, found = relay.evaluate(module, x), relay.evaluate(small, x)
        assert np.abs(exact - found).max() < 0.03 * np.abs(exact).max()
        assert np.abs(exact - found).max() > 0  # it is quantized indeed


def test_samples_by_name_and_layers_that_are_kept() -> None:
    small = quantize(network(), [{"x": inputs(1)[0]}], keep=["nn.dense"])
    assert operand_types(small) == ["int8", "int8", "float32"]


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


def quantized_form(x: relay.Expr, dtype: str, zero: int) -> relay.Expr:
    """A tensor as models in the form of quantize and dequantize operators have it."""
    scale, zero_point = relay.constant(0.02), relay.constant(zero, dtype)
    return op("qnn.dequantize")(op("qnn.quantize")(x, scale, zero_point, out_dtype=dtype), scale, zero_point)


def quantized_weights(*shape: int, axis: int = 0) -> relay.Expr:
    values = relay.constant(RNG.integers(-127, 128, shape), "int8")
    scales = relay.constant(RNG.uniform(0.01, 0.02, shape[axis]), "float32")
    return op("qnn.dequantize")(values, scales, relay.constant(np.zeros(shape[axis]), "int8"), axis=axis)


@pytest.mark.parametrize(("dtype", "zero"), [("uint8", 0), ("uint8", 131), ("int8", -7), ("int8", 0)])
def test_layers_of_dequantized_operands_are_computed_on_integers(dtype: str, zero: int) -> None:
    rows = relay.Var("rows", relay.TensorType((2, 4, 6)))
    product = op("nn.matmul")(quantized_form(rows, dtype, zero), quantized_weights(6, 5, axis=1))
    dense = op("nn.dense")(quantized_form(rows, dtype, zero), quantized_weights(5, 6))
    module = relay.IRModule.from_expr(relay.Function((rows,), relay.Tuple((product, dense))))
    after = relay.infer_type(integer_layers(module))
    layers = [n for n in post_order(after.main) if is_call_of(n, "nn.conv2d", "nn.dense", "nn.matmul")]
    assert {n.checked_type.dtype for n in layers} == {"int32"} and len(layers) == 2
    array = RNG.normal(size=(2, 4, 6)).astype("float32")
    for a, b in zip(relay.evaluate(module, array), relay.evaluate(after, array), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("dtype", "zero"), [("uint8", 0), ("uint8", 131), ("int8", -7)])
def test_convolutions_of_dequantized_operands_are_computed_on_integers(dtype: str, zero: int) -> None:
    image, signal = (
        relay.Var("image", relay.TensorType((1, 8, 5, 6))),
        relay.Var("s", relay.TensorType((1, 4, 9))),
    )
    layers = (
        op("nn.conv2d")(
            quantized_form(image, dtype, zero), quantized_weights(6, 4, 3, 3), padding=(1, 0, 2, 1), groups=2
        ),
        op("nn.conv1d")(
            quantized_form(signal, dtype, zero), quantized_weights(5, 4, 3), padding=(1, 1), strides=(2,)
        ),
    )
    module = relay.IRModule.from_expr(relay.Function((image, signal), relay.Tuple(layers)))
    after = relay.infer_type(integer_layers(module))
    found = [n for n in post_order(after.main) if is_call_of(n, "nn.conv2d", "nn.conv1d")]
    assert [n.checked_type.dtype for n in found] == ["int32", "int32"]
    arrays = [RNG.normal(size=shape).astype("float32") for shape in ((1, 8, 5, 6), (1, 4, 9))]
    compiled = relay.build(after)(*arrays)
    for a, b, c in zip(
        relay.evaluate(module, *arrays), relay.evaluate(after, *arrays), compiled, strict=True
    ):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(c, b, rtol=1e-6, atol=1e-6)


def test_convolutions_with_few_channels_in_a_sum_stay() -> None:
    image = relay.Var("image", relay.TensorType((1, 6, 5, 5)))
    layer = op("nn.conv2d")(quantized_form(image, "uint8", 3), quantized_weights(6, 1, 3, 3), groups=6)
    module = relay.infer_type(relay.IRModule.from_expr(relay.Function((image,), layer)))
    assert integer_layers(module) is module


@pytest.mark.parametrize("zero", [0, 128, 131])
def test_convolutions_of_bytes_have_the_zero_point_in_their_margin(zero: int) -> None:
    image = relay.Var("image", relay.TensorType((1, 3, 5, 5)))
    values, scales = RNG.integers(-127, 128, (4, 3, 3, 3)).astype("int8"), RNG.uniform(0.01, 0.02, 4)
    data = quantized_form(image, "uint8", zero)
    floats = relay.constant(values * scales.reshape(-1, 1, 1, 1), "float32")
    layer = op("nn.conv2d")(data, floats, padding=(1, 0, 2, 1), strides=(2, 1))
    found = on_integers(
        "nn.conv2d", Quantized(data.args[0], "uint8", 0.02, zero), Weights(values, scales), layer.attrs
    )
    array = RNG.normal(size=(1, 3, 5, 5)).astype("float32")
    both = relay.IRModule.from_expr(relay.Function((image,), relay.Tuple((layer, found))))
    expected, given = relay.evaluate(both, array)
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-4)


def test_weights_with_a_zero_point_or_scales_of_inputs_stay() -> None:
    rows = relay.Var("rows", relay.TensorType((4, 6)))
    shifted = op("qnn.dequantize")(
        relay.constant(np.ones((5, 6)), "int8"), relay.constant(0.1), relay.constant(3, "int8"), axis=0
    )
    for weights in (shifted, quantized_weights(5, 6, axis=1)):
        body = op("nn.dense")(quantized_form(rows, "uint8", 3), weights)
        module = relay.infer_type(relay.IRModule.from_expr(relay.Function((rows,), body)))
        assert integer_layers(module) is module
