"""Derivatives of recurrent layers, sampled grids and regions: against PyTorch, and central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import compiler.relay.operator  # noqa: F401  the rows
from compiler.relay.execute.build import build
from compiler.relay.gradient import gradient
from compiler.relay.interpret.evaluate import evaluate
from compiler.relay.language.expr import Call, Function, Tuple, TupleGetItem, Var, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import op
from compiler.relay.language.types import TensorType
from tests.compiler.relay.gradient.test_gradient import total

RNG = np.random.default_rng(0)


def module_of(
    name: str, inputs: list[np.ndarray], fixed: tuple[Any, ...] = (), **attributes: Any
) -> IRModule:
    """The sum of the squares of an operator's results, as a function of its first arguments."""
    params = tuple(Var(f"x{i}", TensorType(a.shape, a.dtype.name)) for i, a in enumerate(inputs))
    call = op(name)(*params, *map(constant, fixed), **attributes)
    count = {"nn.lstm": 3, "nn.gru": 2, "nn.rnn": 2}.get(name, 0)
    results = [TupleGetItem(call, i) for i in range(count)] or [call]
    body = Tuple(tuple(op("sum")(op("square")(result)) for result in results))
    return IRModule.from_expr(Function(params, body))


def slopes(module: IRModule, inputs: list[np.ndarray], compiled: bool = False) -> list[np.ndarray]:
    derived = gradient(module)
    value, found = evaluate(derived, *inputs)
    np.testing.assert_allclose(total(value), total(evaluate(module, *inputs)), rtol=1e-12)
    if compiled:
        for a, b in zip(build(derived, cache=False)(*inputs)[1], found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    return list(found)


def check(module: IRModule, inputs: list[np.ndarray], compiled: bool = False) -> None:
    """In some directions against central differences."""
    found, step = slopes(module, inputs, compiled), 1e-6
    for _ in range(3):
        ways = [RNG.standard_normal(a.shape) for a in inputs]
        sides = [
            total(evaluate(module, *(a + sign * step * w for a, w in zip(inputs, ways, strict=True))))
            for sign in (1, -1)
        ]
        slope = sum(float(np.sum(s * w)) for s, w in zip(found, ways, strict=True))
        np.testing.assert_allclose(slope, (sides[0] - sides[1]) / (2 * step), rtol=1e-5, atol=1e-6)


def layer(kind: str, directions: int = 1, layout: int = 0, steps: int = 3) -> list[np.ndarray]:
    gates, states = {"lstm": (4, 2), "gru": (3, 1), "rnn": (1, 1)}[kind]
    batch, size, hidden = 3, 2, 2
    state = (batch, directions, hidden) if layout else (directions, batch, hidden)
    shapes = [
        (batch, steps, size) if layout else (steps, batch, size),
        (directions, gates * hidden, size),
        (directions, gates * hidden, hidden),
        (directions, 2 * gates * hidden),
        *[state] * states,
    ]
    return [RNG.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("lstm", {}),
        ("lstm", {"direction": "bidirectional", "layout": 1, "clip": 0.7}),
        ("lstm", {"input_forget": True, "direction": "reverse"}),
        ("gru", {"direction": "bidirectional"}),
        ("gru", {"linear_before_reset": True, "layout": 1}),
        ("rnn", {"direction": "reverse"}),
        (
            "rnn",
            {"direction": "bidirectional", "activations": ("softplus", "leakyrelu"), "alphas": (0.3,)},
        ),
    ],
)
def test_recurrent_layers(kind: str, attributes: dict[str, Any]) -> None:
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    inputs = layer(kind, directions, attributes.get("layout", 0))
    check(module_of(f"nn.{kind}", inputs, **attributes), inputs, compiled=(kind, directions) == ("rnn", 1))


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_sequences_of_several_lengths_and_peepholes(direction: str) -> None:
    count = 2 if direction == "bidirectional" else 1
    inputs = layer("lstm", count)
    peepholes, lengths = RNG.standard_normal((count, 6)), np.array([3, 1, 2], "int32")
    module = module_of(
        "nn.lstm", inputs, (lengths, peepholes), direction=direction, lens=True, peepholes=True
    )
    check(module, inputs)


def test_a_recurrent_layer_against_torch() -> None:
    torch = pytest.importorskip("torch")
    inputs = layer("gru")
    theirs = torch.nn.GRU(2, 2, dtype=torch.float64)

    def turned(a: np.ndarray) -> np.ndarray:  # the reset gate is first there
        z, r, n = np.split(a, 3)
        return np.concatenate([r, z, n])

    x, w, r, b, h = inputs
    with torch.no_grad():
        for name, value in zip(
            ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"),
            (w[0], r[0], b[0, :6], b[0, 6:]),
            strict=True,
        ):
            getattr(theirs, name).copy_(torch.tensor(turned(value)))
    given, first = torch.tensor(x, requires_grad=True), torch.tensor(h, requires_grad=True)
    y, last = theirs(given, first)
    (y.square().sum() + last.square().sum()).backward()
    found = slopes(module_of("nn.gru", inputs, linear_before_reset=True), inputs)
    np.testing.assert_allclose(found[0], given.grad, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[4], first.grad, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[1][0], turned(theirs.weight_ih_l0.grad.numpy()), rtol=1e-9, atol=1e-12)


def test_the_number_of_steps_has_to_be_known() -> None:
    from compiler.relay.language.types import ANY

    x = Var("x", TensorType((ANY, 3, 2), "float64"))
    rest = [constant(a) for a in layer("rnn")[1:]]
    module = IRModule.from_expr(Function((x,), op("nn.rnn")(x, *rest)))
    with pytest.raises(ValueError, match="the derivative of nn.rnn needs the number of steps"):
        gradient(module)


@pytest.mark.parametrize("method", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grids(method: str, padding: str) -> None:
    torch = pytest.importorskip("torch")
    inputs = [RNG.standard_normal((2, 2, 4, 5)), RNG.uniform(-1.3, 1.3, (2, 2, 3, 2))]
    aligned = padding != "border"
    module = module_of(
        "image.grid_sample", inputs, method=method, padding_mode=padding, align_corners=aligned
    )
    found = slopes(module, inputs, compiled=(method, padding) == ("linear", "zeros"))
    leaves = [torch.tensor(a, requires_grad=True) for a in inputs]
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(method, method)
    made = torch.nn.functional.grid_sample(*leaves, mode=mode, padding_mode=padding, align_corners=aligned)
    made.square().sum().backward()
    for slope, leaf in zip(found, leaves, strict=True):
        np.testing.assert_allclose(slope, leaf.grad, rtol=1e-8, atol=1e-9)


def test_a_grid_of_one_axis() -> None:
    inputs = [RNG.standard_normal((2, 3, 7)), RNG.uniform(-0.9, 0.9, (2, 4, 1))]
    check(module_of("image.grid_sample", inputs), inputs)


ROIS = np.array([[0.3, 0.2, 5.1, 6.4], [2.0, 1.5, 7.0, 4.2], [-3.0, -2.0, 3.0, 12.0]])


@pytest.mark.parametrize(
    "attributes",
    [
        {"sampling_ratio": 2},
        {"coordinate": "output_half_pixel", "spatial_scale": 0.5},
        {"mode": "max", "sampling_ratio": 2},
    ],
)
def test_samples_of_regions(attributes: dict[str, Any]) -> None:
    inputs = [RNG.standard_normal((2, 3, 8, 9))]
    fixed = (ROIS, np.array([0, 1, 1]))
    check(
        module_of("vision.roi_align", inputs, fixed, pooled_size=(2, 3), **attributes), inputs, compiled=True
    )


def test_largest_elements_of_regions() -> None:
    inputs = [RNG.standard_normal((2, 3, 8, 9))]
    rois = np.concatenate([np.array([[0.0], [1.0], [1.0]]), ROIS], axis=1)
    check(module_of("vision.roi_pool", inputs, (rois,), pooled_size=(2, 3)), inputs, compiled=True)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("zeros", [(), (2,), (0, 3), (0, 1, 2, 3, 4)])
def test_cumulative_products_with_zeros(exclusive: bool, reverse: bool, zeros: tuple[int, ...]) -> None:
    x = RNG.standard_normal((2, 5, 2))
    x[0, list(zeros), 1] = 0.0
    module = module_of("cumprod", [x], axis=1, exclusive=exclusive, reverse=reverse)
    check(module, [x])
    check(gradient_alone(module), [x])


def gradient_alone(module: IRModule) -> IRModule:
    """The derivative as a program: to be differentiated again."""
    main = gradient(module).main
    derivatives = TupleGetItem(TupleGetItem(main.body, 1), 0)
    return IRModule.from_expr(Function(main.params, op("sum")(op("sin")(derivatives))))


def test_products_that_are_scattered_on_zeros() -> None:
    """Several updates of one element, and zeros among them and in the data."""
    data, indices = np.array([2.0, 0.0, 3.0, 0.5, -1.0]), np.array([[0], [0], [1], [2], [2], [2], [3], [3]])
    for zero in ((), (0,), (0, 1), (2,), (4,), (3, 5), (6, 7)):
        updates = RNG.standard_normal(8)
        updates[list(zero)] = 0.0
        params = tuple(Var(n, TensorType(a.shape, "float64")) for n, a in (("d", data), ("u", updates)))
        call: Call = op("scatter_nd")(params[0], constant(indices), params[1], reduction="mul")
        shifted = op("sum")(op("sin")(call))
        check(IRModule.from_expr(Function(params, shifted)), [data, updates])
