"""A child-sum TreeLSTM and a character RNN in Relay's text, recursive, on data types; the same in NumPy."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import compiler.relay  # the operators  # noqa: F401
from compiler.relay.interpret.values import ConstructorValue
from compiler.relay.language.module import IRModule
from compiler.relay.notation.parser import parse
from compiler.relay.notation.prelude import prelude

TREE_LSTM = """
def @main(
  %tree: Tree[Tensor[(1, D), float32]],
  %w_iou: Tensor[(H3, D), float32], %u_iou: Tensor[(H3, H), float32], %b_iou: Tensor[(H3,), float32],
  %w_f: Tensor[(H, D), float32], %u_f: Tensor[(H, H), float32], %b_f: Tensor[(H,), float32]
) -> Tensor[(1, H), float32] {
  let %zero = zeros(shape=[1, H], dtype="float32");
  let %state = fn (
    %node: Tree[Tensor[(1, D), float32]]
  ) -> (Tensor[(1, H), float32], Tensor[(1, H), float32]) {
    match (%node) {
      Rose(%x, %children) => {
        let %states = @map(%state, %children);
        let %h_sum = @foldl(fn (%h, %s) { %h + %s.0 }, %zero, %states);
        let %f_x = nn.dense(%x, %w_f) + %b_f;
        let %kept = fn (%c, %s) { %c + sigmoid(%f_x + nn.dense(%s.0, %u_f)) * %s.1 };
        let %iou = split(
          nn.dense(%x, %w_iou) + nn.dense(%h_sum, %u_iou) + %b_iou, indices_or_sections=3, axis=1
        );
        let %c = sigmoid(%iou.0) * tanh(%iou.2) + @foldl(%kept, %zero, %states);
        (sigmoid(%iou.1) * tanh(%c), %c)
      },
    }
  };
  %state(%tree).0
}
"""
"""K. S. Tai et al., "Improved semantic representations from tree-structured LSTMs", ACL 2015, section 3.1."""

CHAR_RNN = """
def @main(
  %first: int32, %count: int32, %embedding: Tensor[(V, H), float32],
  %w: Tensor[(H, H), float32], %u: Tensor[(H, H), float32], %b: Tensor[(H,), float32],
  %out: Tensor[(V, H), float32]
) -> List[int32] {
  let %more = fn (%char: int32, %h: Tensor[(1, H), float32], %left: int32) -> List[int32] {
    if (%left == 0) {
      Nil
    } else {
      let %x = reshape(take(%embedding, %char, axis=0), newshape=[1, H]);
      let %next_h = tanh(nn.dense(%x, %w) + nn.dense(%h, %u) + %b);
      let %best = argmax(nn.dense(%next_h, %out), axis=1);
      let %next = cast(reshape(%best, newshape=[]), dtype="int32");
      Cons(%next, %more(%next, %next_h, %left - 1))
    }
  };
  %more(%first, zeros(shape=[1, H], dtype="float32"), %count)
}
"""
"""The most likely next character, again and again."""


def _sized(text: str, **sizes: int) -> IRModule:
    return parse(re.sub(r"\b(H3|H|D|V)\b", lambda m: str(sizes[m.group()]), text), prelude())


def tree_lstm(inputs: int, hidden: int) -> IRModule:
    """The module: ``main(tree, w_iou, u_iou, b_iou, w_f, u_f, b_f)`` of a tree of (1, inputs) tensors."""
    return _sized(TREE_LSTM, D=inputs, H=hidden, H3=3 * hidden)


def char_rnn(characters: int, hidden: int) -> IRModule:
    """The module: ``main(first, count, embedding, w, u, b, out)``."""
    return _sized(CHAR_RNN, V=characters, H=hidden)


def tree_lstm_weights(inputs: int, hidden: int, random: np.random.Generator) -> list[np.ndarray]:
    """Weights in the order of the parameters."""
    h = hidden
    shapes = [(3 * h, inputs), (3 * h, h), (3 * h,), (h, inputs), (h, h), (h,)]
    return [(random.standard_normal(s) * 0.3).astype("float32") for s in shapes]


def char_rnn_weights(characters: int, hidden: int, random: np.random.Generator) -> list[np.ndarray]:
    """Weights in the order of the parameters."""
    h, v = hidden, characters
    return [random.standard_normal(s).astype("float32") for s in [(v, h), (h, h), (h, h), (h,), (v, h)]]


def random_tree(inputs: int, nodes: int, random: np.random.Generator) -> Any:
    """A tree as nested tuples ``(x, children)``."""
    made = [((random.standard_normal((1, inputs))).astype("float32"), []) for _ in range(nodes)]
    for at in range(1, nodes):
        made[random.integers(at)][1].append(made[at])
    return made[0]


def as_value(tree: Any, module: IRModule) -> ConstructorValue:
    """A tree as a value of the data type ``Tree``."""
    cons, nil, rose = (module.constructor(n) for n in ("Cons", "Nil", "Rose"))
    children = ConstructorValue(nil, ())
    for child in reversed(tree[1]):
        children = ConstructorValue(cons, (as_value(child, module), children))
    return ConstructorValue(rose, (tree[0], children))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def tree_lstm_reference(tree: Any, w_iou, u_iou, b_iou, w_f, u_f, b_f) -> tuple[np.ndarray, np.ndarray]:
    """The state (h, c) of the root, by NumPy."""
    x, children = tree
    states = [tree_lstm_reference(child, w_iou, u_iou, b_iou, w_f, u_f, b_f) for child in children]
    total = sum((h for h, _ in states), np.zeros((1, len(b_f)), "float32"))
    i, o, u = np.split(x @ w_iou.T + total @ u_iou.T + b_iou, 3, axis=1)
    kept = sum(sigmoid(x @ w_f.T + b_f + h @ u_f.T) * c for h, c in states)
    c = sigmoid(i) * np.tanh(u) + kept
    return sigmoid(o) * np.tanh(c), c


def char_rnn_reference(first: int, count: int, embedding, w, u, b, out) -> list[int]:
    """The characters that follow, by NumPy."""
    h, found = np.zeros((1, len(b)), "float32"), [first]
    for _ in range(count):
        h = np.tanh(embedding[found[-1]][None] @ w.T + h @ u.T + b)
        found.append(int(np.argmax(h @ out.T)))
    return found[1:]


def listed(value: ConstructorValue) -> list[Any]:
    """The elements of a list."""
    found = []
    while value.fields:
        found.append(value.fields[0])
        value = value.fields[1]
    return found
