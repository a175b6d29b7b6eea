"""The passes that make models fast keep what models compute, and do what they are for."""

from __future__ import annotations

import numpy as np
import pytest

import compiler.relay.operator  # noqa: F401  the rows
from compiler.relay.infer.infer import infer_type
from compiler.relay.interpret.evaluate import evaluate
from compiler.relay.language.expr import Constant, Expr, Function, Tuple, TupleGetItem, Var, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import is_call_of, op
from compiler.relay.language.types import TensorType
from compiler.relay.language.visit import post_order
from compiler.relay.optimize.canonicalize import canonicalize
from compiler.relay.optimize.combine_parallel import combine_parallel
from compiler.relay.optimize.fold_scale_axis import fold_scale_axis
from compiler.relay.optimize.pipeline import PASSES, optimize
from compiler.relay.optimize.recognize import recognize
from compiler.relay.optimize.simplify_inference import simplify_inference
from compiler.relay.transform.fold_constant import fold_constant

RNG = np.random.default_rng(0)


def random(*shape: int) -> Constant:
    return constant(RNG.normal(size=shape), "float32")


def module_of(*params: Var, body: Expr) -> IRModule:
    module = IRModule.from_expr(Function(params, body))
    infer_type(module)
    return module


def names(module: IRModule) -> list[str]:
    return [n.function.name for n in post_order(module.main) if is_call_of(n)]


def check(module: IRModule, after: IRModule, *shapes: tuple[int, ...], atol: float = 1e-5) -> IRModule:
    infer_type(after)
    inputs = [RNG.normal(size=shape).astype("float32") for shape in shapes]
    before, now = evaluate(module, *inputs), evaluate(after, *inputs)
    for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (before, now)), strict=True):
        np.testing.assert_allclose(a, b, atol=atol, rtol=1e-4)
    return after


IMAGE = TensorType((1, 3, 6, 6))
X = Var("x", IMAGE)


def convolution(data: Expr, channels: int = 4, inputs: int = 3) -> Expr:
    return op("nn.conv2d")(data, random(channels, inputs, 3, 3), padding=(1, 1, 1, 1))


def normalized(data: Expr, channels: int = 4) -> Expr:
    moments = [
        random(channels),
        random(channels),
        random(channels),
        constant(RNG.uniform(0.5, 2, channels), "float32"),
    ]
    return TupleGetItem(op("nn.batch_norm")(data, *moments), 0)


def test_batch_normalization_and_dropout_disappear() -> None:
    body = TupleGetItem(op("nn.dropout")(normalized(convolution(X)), rate=0.5), 0)
    after = check(module := module_of(X, body=body), simplify_inference(module), (1, 3, 6, 6))
    assert not {"nn.batch_norm", "nn.dropout"} & set(names(after))


def test_a_network_becomes_convolutions_with_a_bias() -> None:
    body = op("nn.relu")(normalized(convolution(op("nn.relu")(normalized(convolution(X))), 5, 4), 5))
    after = check(module := module_of(X, body=body), optimize(module), (1, 3, 6, 6))
    assert sorted(names(after)) == ["add", "add", "nn.conv2d", "nn.conv2d", "nn.relu", "nn.relu"]


@pytest.mark.parametrize("without", [p.name for p in PASSES])
def test_every_pass_may_be_left_out(without: str) -> None:
    body = op("nn.relu")(normalized(convolution(op("nn.relu")(normalized(convolution(X))), 5, 4), 5))
    module = module_of(X, body=body)
    check(module, optimize(module, without=(without,)), (1, 3, 6, 6))


@pytest.mark.parametrize("level", range(4))
def test_levels(level: int) -> None:
    body = op("nn.relu")(normalized(convolution(X)))
    module = module_of(X, body=body)
    after = check(module, optimize(module, level), (1, 3, 6, 6))
    assert ("multiply" in names(after)) == (level < 3)


def test_a_level_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="level is 4; 0, 1, 2 or 3"):
        optimize(module_of(X, body=X), 4)
    with pytest.raises(ValueError, match="unknown pass 'fuse'"):
        optimize(module_of(X, body=X), without=("fuse",))


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (op("multiply")(convolution(X), random(1, 4, 1, 1)), ["nn.conv2d"]),
        (op("multiply")(op("add")(convolution(X), random(4, 1, 1)), random(4, 1, 1)), ["add", "nn.conv2d"]),
        (op("multiply")(op("nn.relu")(convolution(X)), constant(2.0)), ["nn.conv2d", "nn.relu"]),
        (op("multiply")(op("nn.relu")(convolution(X)), constant(-2.0)), ["multiply", "nn.conv2d", "nn.relu"]),
        (convolution(op("multiply")(X, random(3, 1, 1))), ["nn.conv2d"]),
        (op("multiply")(convolution(X), random(1, 4, 6, 1)), ["multiply", "nn.conv2d"]),
    ],
)
def test_factors_of_channels_move_into_weights(body: Expr, left: list[str]) -> None:
    module = module_of(X, body=body)
    assert sorted(names(check(module, fold_scale_axis(module), (1, 3, 6, 6)))) == left


def test_a_factor_stays_where_something_else_reads_the_result() -> None:
    shared = convolution(X)
    body = op("add")(op("multiply")(shared, random(4, 1, 1)), shared)
    module = module_of(X, body=body)
    assert "multiply" in names(check(module, fold_scale_axis(module), (1, 3, 6, 6)))


def test_factors_of_dense_layers() -> None:
    x = Var("x", TensorType((2, 5)))
    body = op("multiply")(op("nn.dense")(op("multiply")(x, random(5)), random(3, 5)), random(3))
    module = module_of(x, body=body)
    assert names(check(module, fold_scale_axis(module), (2, 5))) == ["nn.dense"]


def test_parallel_branches_are_combined() -> None:
    body = Tuple(
        (convolution(X, 4), op("nn.relu")(convolution(X, 2)), op("nn.conv2d")(X, random(2, 3, 1, 1)))
    )
    after = check(module := module_of(X, body=body), combine_parallel(module), (1, 3, 6, 6))
    assert sorted(names(after)) == ["nn.conv2d", "nn.conv2d", "nn.relu", "strided_slice", "strided_slice"]


def test_queries_keys_and_values_are_one_product() -> None:
    x = Var("x", TensorType((1, 7, 5)))
    body = Tuple(tuple(op("nn.matmul")(x, random(5, 4)) for _ in range(3)))
    module = module_of(x, body=body)
    after = check(module, combine_parallel(canonicalize(module)), (1, 7, 5))
    assert names(after).count("nn.dense") == 1


def layer_norm(x: Expr, deviation_twice: bool, root: str) -> Expr:
    mean = op("mean")(x, axis=(-1,), keepdims=True)
    centred = op("subtract")(x, mean)
    again = op("subtract")(x, mean) if deviation_twice else centred
    variance = op("mean")(op("power")(again, constant(2.0)), axis=(-1,), keepdims=True)
    radicand = op("add")(variance, constant(1e-5))
    if root == "divide":
        return op("divide")(centred, op("sqrt")(radicand))
    return op("multiply")(centred, op("rsqrt")(radicand))


@pytest.mark.parametrize("deviation_twice", [False, True])
@pytest.mark.parametrize("root", ["divide", "rsqrt"])
def test_layer_normalization_is_recognized(deviation_twice: bool, root: str) -> None:
    x = Var("x", TensorType((2, 3, 8)))
    body = op("add")(op("multiply")(layer_norm(x, deviation_twice, root), random(8)), random(8))
    after = check(module := module_of(x, body=body), recognize(module), (2, 3, 8))
    assert names(after) == ["nn.layer_norm"]


def test_a_normalization_over_another_axis_is_left() -> None:
    x = Var("x", TensorType((2, 3, 8)))
    mean = op("mean")(x, axis=(1,), keepdims=True)
    centred = op("subtract")(x, mean)
    variance = op("mean")(op("square")(centred), axis=(1,), keepdims=True)
    body = op("divide")(centred, op("sqrt")(op("add")(variance, constant(1e-5))))
    after = check(module := module_of(x, body=body), recognize(module), (2, 3, 8))
    assert "nn.layer_norm" not in names(after)


HALF, ONE = constant(0.5), constant(1.0)
SCALED = {
    "divide": lambda x: op("divide")(x, constant(2**0.5)),
    "multiply": lambda x: op("multiply")(constant(0.5**0.5), x),
}


@pytest.mark.parametrize("scaled", SCALED)
@pytest.mark.parametrize("order", ["half last", "half first", "half inside"])
def test_gelu_that_is_written_out_is_one_operator(scaled: str, order: str) -> None:
    x, times = Var("x", TensorType((2, 3))), op("multiply")
    data = op("add")(x, random(3))
    rise = op("add")(op("erf")(SCALED[scaled](data)), ONE)
    body = {
        "half last": lambda: times(times(data, rise), HALF),
        "half first": lambda: times(times(data, HALF), rise),
        "half inside": lambda: times(times(rise, HALF), data),
    }[order]()
    after = check(module := module_of(x, body=body), recognize(module), (2, 3))
    assert names(after) == ["add", "nn.gelu"]


@pytest.mark.parametrize(
    ("half", "one", "root"), [(0.4, 1.0, 2**0.5), (0.5, 2.0, 2**0.5), (0.5, 1.0, 2.0)], ids=str
)
def test_other_constants_are_not_gelu(half: float, one: float, root: float) -> None:
    x = Var("x", TensorType((2, 3)))
    rise = op("add")(op("erf")(op("divide")(x, constant(root))), constant(one))
    body = op("multiply")(op("multiply")(x, rise), constant(half))
    after = check(module := module_of(x, body=body), recognize(module), (2, 3))
    assert "nn.gelu" not in names(after)


def test_gelu_of_fewer_axes_than_its_constants_is_left() -> None:
    x = Var("x", TensorType((3,)))
    rise = op("add")(op("erf")(op("divide")(x, constant(2**0.5))), ONE)
    body = op("multiply")(op("multiply")(x, rise), constant([[0.5]], "float32"))
    after = check(module := module_of(x, body=body), recognize(module), (3,))
    assert "nn.gelu" not in names(after)


Y = Var("y", TensorType((2, 6)))


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (op("add")(Y, constant(0.0)), []),
        (op("multiply")(constant(1.0), Y), []),
        (op("subtract")(constant(0.0), Y), ["subtract"]),
        (op("add")(Y, constant(np.zeros((3, 2, 6), "float32"))), ["add"]),
        (op("power")(Y, constant(2.0)), ["square"]),
        (op("divide")(Y, constant(4.0)), ["multiply"]),
        (op("divide")(Y, constant(3.0)), ["divide"]),
        (op("reshape")(op("reshape")(Y, newshape=(3, 4)), newshape=(12,)), ["reshape"]),
        (op("reshape")(op("reshape")(Y, newshape=(3, 4)), newshape=(2, 6)), []),
        (op("squeeze")(op("expand_dims")(Y, axis=1), axis=(1,)), []),
        (op("transpose")(op("transpose")(Y, axes=(1, 0)), axes=(1, 0)), []),
        (op("cast")(Y, dtype="float32"), []),
        (op("concatenate")(Tuple((Y,)), axis=0), []),
        (op("copy")(Y), []),
        (op("nn.bias_add")(Y, random(6), axis=1), ["add"]),
        (op("nn.matmul")(Y, random(6, 3)), ["nn.dense"]),
    ],
)
def test_canonical_forms(body: Expr, left: list[str]) -> None:
    module = module_of(Y, body=body)
    after = module
    for _ in range(3):  # rules see the types of what rules have made only at the next run
        after = fold_constant(canonicalize(after))
    assert names(check(module, after, (2, 6))) == left
