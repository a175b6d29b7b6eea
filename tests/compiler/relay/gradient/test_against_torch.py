"""Gradients of a small CNN and of a recursive program, in float64, against PyTorch and finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compiler.relay import IRModule, build, evaluate, gradient, parse, prelude
from tests.compiler.relay.gradient.test_gradient import total

torch = pytest.importorskip("torch")
functional = torch.nn.functional

HEAD = '#[version = "0.0.5"]\n'

CNN = """
def @main(
  %x: Tensor[(2, 2, 8, 8), float64], %w1: Tensor[(4, 2, 3, 3), float64], %b1: Tensor[(4), float64],
  %w2: Tensor[(4, 1, 3, 3), float64], %w3: Tensor[(3, 16), float64], %labels: Tensor[(2, 3), float64]
) -> Tensor[(2, 3), float64] {
  let %first = nn.max_pool2d(
    tanh(nn.bias_add(nn.conv2d(%x, %w1, padding=[1, 1, 1, 1]), %b1)), pool_size=[2, 2], strides=[2, 2]
  );
  let %second = nn.relu(nn.conv2d(%first, %w2, strides=[2, 2], padding=[1, 1, 1, 1], groups=4));
  let %scores = nn.dense(reshape(%second, newshape=[2, 16]), %w3);
  negative(%labels * nn.log_softmax(%scores, axis=1))
}
"""

FOLD = """
def @state(
  %tree: Tree[Tensor[(1, 3), float64]], %w: Tensor[(4, 3), float64], %u: Tensor[(4, 4), float64],
  %b: Tensor[(4), float64]
) -> Tensor[(1, 4), float64] {
  match (%tree) {
    Rose(%x, %children) => {
      tanh(nn.dense(%x, %w) + nn.dense(@below(%children, %w, %u, %b), %u) + %b)
    },
  }
}

def @below(
  %trees: List[Tree[Tensor[(1, 3), float64]]], %w: Tensor[(4, 3), float64], %u: Tensor[(4, 4), float64],
  %b: Tensor[(4), float64]
) -> Tensor[(1, 4), float64] {
  match (%trees) {
    Cons(%tree, %rest) => {
      let %one = @state(%tree, %w, %u, %b);
      sigmoid(%one) * %one + @below(%rest, %w, %u, %b)
    },
    Nil => { zeros(shape=[1, 4], dtype="float64") },
  }
}

def @main(%w: Tensor[(4, 3), float64], %u: Tensor[(4, 4), float64], %b: Tensor[(4), float64]) ->
  Tensor[(1, 4), float64] {
  @state(TREE, %w, %u, %b)
}
"""

TREE: Any = (
    [0.5, -1.0, 2.0],
    [([1.5, 0.25, -0.5], [([-1.0, 1.0, 0.75], []), ([0.1, 0.2, 0.3], [])]), ([2.0, 0.0, -1.5], [])],
)


def tree_text(tree: Any) -> str:
    values, children = tree
    rest = "Nil"
    for child in reversed(children):
        rest = f"Cons({tree_text(child)}, {rest})"
    return f"Rose([[{', '.join(f'{v!r}f64' for v in values)}]], {rest})"


def torch_state(tree: Any, w: Any, u: Any, b: Any) -> Any:
    values, children = tree
    below = torch.zeros(1, 4, dtype=torch.float64)
    for child in children:
        one = torch_state(child, w, u, b)
        below = below + torch.sigmoid(one) * one
    return torch.tanh(functional.linear(torch.tensor([values], dtype=torch.float64), w) + below @ u.T + b)


def torch_cnn(x: Any, w1: Any, b1: Any, w2: Any, w3: Any, labels: Any) -> Any:
    first = functional.max_pool2d(torch.tanh(functional.conv2d(x, w1, b1, padding=1)), 2)
    second = torch.relu(functional.conv2d(first, w2, stride=2, padding=1, groups=4))
    return -labels * torch.log_softmax(second.reshape(2, 16) @ w3.T, dim=1)


def derivatives_by_torch(function: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    leaves = [torch.tensor(array, requires_grad=True) for array in inputs]
    function(*leaves).sum().backward()
    return [leaf.grad.numpy() for leaf in leaves]


def check(module: IRModule, inputs: list[np.ndarray], function: Any, compiled: bool) -> None:
    """Against PyTorch, and in some directions against central differences."""
    derived = gradient(module)
    results = [evaluate(derived, *inputs)]
    if compiled:
        results.append(build(derived, cache=False)(*inputs))
    for value, slopes in results:
        np.testing.assert_allclose(total(value), total(evaluate(module, *inputs)), rtol=1e-12)
        for found, expected in zip(slopes, derivatives_by_torch(function, inputs), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    rng, step = np.random.default_rng(1), 1e-6
    for _ in range(3):
        ways = [rng.standard_normal(array.shape) for array in inputs]
        sides = [
            total(evaluate(module, *(a + sign * step * w for a, w in zip(inputs, ways, strict=True))))
            for sign in (1, -1)
        ]
        slope = sum(float(np.sum(s * w)) for s, w in zip(results[0][1], ways, strict=True))
        np.testing.assert_allclose(slope, (sides[0] - sides[1]) / (2 * step), rtol=1e-5, atol=1e-5)


def test_a_small_cnn() -> None:
    rng = np.random.default_rng(0)
    shapes = ((2, 2, 8, 8), (4, 2, 3, 3), (4,), (4, 1, 3, 3), (3, 16))
    inputs = [rng.standard_normal(shape) for shape in shapes] + [np.eye(3)[[2, 0]]]
    check(parse(HEAD + CNN), inputs, torch_cnn, compiled=True)


def test_a_recursive_program() -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(shape) for shape in ((4, 3), (4, 4), (4,))]
    module = parse(HEAD + FOLD.replace("TREE", tree_text(TREE)), prelude())
    check(module, inputs, lambda w, u, b: torch_state(TREE, w, u, b), compiled=True)
