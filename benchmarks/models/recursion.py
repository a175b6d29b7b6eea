"""How fast are programs with recursion and data types, compiled, against the interpreter and PyTorch eager?

A child-sum TreeLSTM (arXiv 1503.00075, section 3.1) over random trees, and a character RNN (an LSTM) that
writes a text greedily, each character the input of the next step. Both are in the text of the language,
with recursive functions over the lists and trees of the prelude; the peer is the same program in Python
over PyTorch's modules, in inference mode.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.interleave import interleave
from benchmarks.report import heading, table
from compiler.relay import IRModule, build, constant, evaluate, parse
from compiler.relay.interpret.values import ConstructorValue
from compiler.relay.notation.literals import metadata_text
from compiler.relay.notation.prelude import prelude

QUESTION = "Recursive programs: compiled, against the interpreter and PyTorch eager"
LETTERS = 96
STEPS = 100

TREE_LSTM = """#[version = "0.0.5"]
def @lstm(%tree: Tree[Tensor[(1, SIZE), DTYPE]]) -> (Tensor[(1, SIZE), DTYPE], Tensor[(1, SIZE), DTYPE]) {
  match (%tree) {
    Rose(%x, %children) => {
      let %all = nn.dense(%x, meta[relay.Constant][0]) + meta[relay.Constant][1];
      let %parts = split(%all, indices_or_sections=[THREE], axis=1);
      let %nothing = zeros(shape=[1, SIZE], dtype="DTYPE");
      let %sums = @children(%children, %parts.1, %nothing, %nothing);
      let %given = %parts.0 + nn.dense(%sums.0, meta[relay.Constant][2]);
      let %gates = split(%given, indices_or_sections=3, axis=1);
      let %c = sigmoid(%gates.0) * tanh(%gates.2) + %sums.1;
      (sigmoid(%gates.1) * tanh(%c), %c)
    },
  }
}

def @children(
  %trees: List[Tree[Tensor[(1, SIZE), DTYPE]]], %given: Tensor[(1, SIZE), DTYPE],
  %h: Tensor[(1, SIZE), DTYPE], %c: Tensor[(1, SIZE), DTYPE]
) -> (Tensor[(1, SIZE), DTYPE], Tensor[(1, SIZE), DTYPE]) {
  match (%trees) {
    Cons(%tree, %rest) => {
      let %child = @lstm(%tree);
      let %forget = sigmoid(%given + nn.dense(%child.0, meta[relay.Constant][3]));
      @children(%rest, %given, %h + %child.0, %c + %forget * %child.1)
    },
    Nil => { (%h, %c) },
  }
}

def @main(%tree: Tree[Tensor[(1, SIZE), DTYPE]]) -> Tensor[(1, SIZE), DTYPE] {
  let %result = @lstm(%tree);
  %result.0
}
"""

CHAR_RNN = """#[version = "0.0.5"]
def @write(
  %left: int32, %letter: Tensor[(1), int64], %h: Tensor[(1, SIZE), float32], %c: Tensor[(1, SIZE), float32]
) -> List[Tensor[(1), int64]] {
  if (%left == 0) { Nil } else {
    let %x = take(meta[relay.Constant][0], %letter, axis=0);
    let %gates = split(
      nn.dense(concatenate((%x, %h), axis=1), meta[relay.Constant][1]) + meta[relay.Constant][2],
      indices_or_sections=4, axis=1
    );
    let %next_c = sigmoid(%gates.1) * %c + sigmoid(%gates.0) * tanh(%gates.2);
    let %next_h = sigmoid(%gates.3) * tanh(%next_c);
    let %scores = nn.dense(%next_h, meta[relay.Constant][3]) + meta[relay.Constant][4];
    let %next = argmax(%scores, axis=1);
    Cons(%next, @write(%left - 1, %next, %next_h, %next_c))
  }
}

def @main(%left: int32, %letter: Tensor[(1), int64]) -> List[Tensor[(1), int64]] {
  let %nothing = zeros(shape=[1, SIZE], dtype="float32");
  @write(%left, %letter, %nothing, %nothing)
}
"""


def program(text: str, size: int, weights: Sequence[np.ndarray]) -> IRModule:
    """A program for states of a size, with its weights as constants."""
    dtype = str(weights[0].dtype)
    text = text.replace("THREE", str(3 * size)).replace("SIZE", str(size)).replace("DTYPE", dtype)
    return parse(text + metadata_text([constant(w) for w in weights]), prelude())


def tree_weights(rng: np.random.Generator, size: int, dtype: str = "float32") -> list[np.ndarray]:
    """For x to the gates (i, o, u, f), and biases; for the sum of the children's h to i, o, u; for h to f."""
    shapes = ((4 * size, size), (4 * size,), (3 * size, size), (size, size))
    return [(rng.standard_normal(shape) / np.sqrt(size)).astype(dtype) for shape in shapes]


def random_tree(rng: np.random.Generator, nodes: int, size: int, dtype: str = "float32") -> Any:
    """A tree as nested tuples ``(x, children)``: the nodes below a root are dealt to up to three children."""
    x = rng.standard_normal((1, size)).astype(dtype)
    if nodes == 1:
        return x, []
    count = int(rng.integers(1, min(3, nodes - 1) + 1))
    cuts: Any = np.sort(rng.choice(np.arange(1, nodes - 1), count - 1, replace=False)) if count > 1 else []
    parts = np.diff([0, *cuts, nodes - 1])
    return x, [random_tree(rng, int(part), size, dtype) for part in parts]


def as_list(values: Sequence[Any]) -> ConstructorValue:
    """A list of the prelude."""
    made = ConstructorValue(prelude().constructor("Nil"), ())
    for value in reversed(values):
        made = ConstructorValue(prelude().constructor("Cons"), (value, made))
    return made


def as_tree(tree: Any) -> ConstructorValue:
    """A tree of the prelude from nested tuples."""
    x, children = tree
    return ConstructorValue(
        prelude().constructor("Rose"), (x, as_list([as_tree(child) for child in children]))
    )


def elements(values: ConstructorValue) -> list[Any]:
    """The elements of a list of the prelude."""
    found = []
    while values.fields:
        value, values = values.fields
        found.append(value)
    return found


def eager_tree(weights: Sequence[np.ndarray], tree: Any) -> Callable[[], Any]:
    """The TreeLSTM in PyTorch, eager."""
    import torch

    size = weights[3].shape[0]
    given, summed, forget = (
        torch.nn.Linear(size, 4 * size),
        torch.nn.Linear(size, 3 * size),
        torch.nn.Linear(size, size),
    )
    summed.register_parameter("bias", None)
    forget.register_parameter("bias", None)
    for layer, weight in zip((given, summed, forget), (weights[0], *weights[2:]), strict=True):
        layer.weight = torch.nn.Parameter(torch.from_numpy(weight))
    given.bias = torch.nn.Parameter(torch.from_numpy(weights[1]))

    def convert(node: Any) -> Any:
        return torch.from_numpy(node[0]), [convert(child) for child in node[1]]

    def lstm(node: Any) -> Any:
        x, children = node
        iou, f = torch.split(given(x), [3 * size, size], dim=1)
        h, c = torch.zeros(1, size), torch.zeros(1, size)
        for child in children:
            child_h, child_c = lstm(child)
            h, c = h + child_h, c + torch.sigmoid(f + forget(child_h)) * child_c
        i, o, u = torch.split(iou + summed(h), size, dim=1)
        c = torch.sigmoid(i) * torch.tanh(u) + c
        return torch.sigmoid(o) * torch.tanh(c), c

    root = convert(tree)

    def run() -> Any:
        with torch.inference_mode():
            return lstm(root)[0].numpy()

    return run


def letter_weights(rng: np.random.Generator, size: int) -> list[np.ndarray]:
    """Of the letters; for (x, h) to the gates (i, f, g, o), and biases; for h to the scores, and biases."""
    shapes = ((LETTERS, size), (4 * size, 2 * size), (4 * size,), (LETTERS, size), (LETTERS,))
    return [(rng.standard_normal(s) / np.sqrt(size) * 2).astype("float32") for s in shapes]


def eager_letters(weights: Sequence[np.ndarray]) -> Callable[[], list[int]]:
    """The character RNN in PyTorch, eager."""
    import torch

    letters, gates, bias, out, out_bias = (torch.nn.Parameter(torch.from_numpy(w)) for w in weights)
    size = out.shape[1]
    embedding = torch.nn.Embedding.from_pretrained(letters.data)
    cell, last = torch.nn.LSTMCell(size, size), torch.nn.Linear(size, LETTERS)
    cell.weight_ih, cell.weight_hh = (
        torch.nn.Parameter(gates.data[:, part].contiguous()) for part in (slice(size), slice(size, None))
    )
    cell.bias_ih, cell.bias_hh = bias, torch.nn.Parameter(torch.zeros_like(bias))
    last.weight, last.bias = out, out_bias

    def run() -> list[int]:
        with torch.inference_mode():
            h, c, letter = torch.zeros(1, size), torch.zeros(1, size), torch.tensor([0])
            found = []
            for _ in range(STEPS):
                h, c = cell(embedding(letter), (h, c))
                letter = torch.argmax(last(h), dim=1)
                found.append(int(letter.item()))
            return found

    return run


def cases(size: int) -> dict[str, tuple[IRModule, tuple[Any, ...], Callable[[Any], Any], Callable[[], Any]]]:
    """By name: the program, its arguments, what makes its result comparable, and the peer."""
    rng = np.random.default_rng(0)
    weights, tree = tree_weights(rng, size), random_tree(rng, 60, size)
    letters = letter_weights(rng, size)
    start = np.array(STEPS, "int32"), np.zeros(1, "int64")
    return {
        f"TreeLSTM, 60 nodes, state {size}": (
            program(TREE_LSTM, size, weights),
            (as_tree(tree),),
            np.asarray,
            eager_tree(weights, tree),
        ),
        f"character RNN, {STEPS} steps, state {size}": (
            program(CHAR_RNN, size, letters),
            start,
            lambda result: np.concatenate(elements(result)),
            eager_letters(letters),
        ),
    }


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[32, 128])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    heading(QUESTION, "torch")
    torch.set_num_threads(1)
    rows, ratios = [], []
    for size in options.sizes:
        for name, (module, arguments, plain, peer) in cases(size).items():
            compiled = build(module, cache=False)
            expected = plain(evaluate(module, *arguments))
            np.testing.assert_allclose(plain(compiled(*arguments)), expected, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(peer(), expected, rtol=1e-4, atol=1e-5)
            ways: dict[str, Callable[[], Any]] = {
                "ours": partial(compiled, *arguments),
                "interpreter": partial(evaluate, module, *arguments),
                "PyTorch": peer,
            }
            times = interleave(ways, rounds=options.rounds, min_seconds=0.02)
            ratio = times["ours"].speedup_over(times["PyTorch"])
            ratios.append(ratio.median)
            shown = [times[way].spread.scaled(1e3).format(3) for way in ways]
            rows.append(
                [name, *shown, times["ours"].speedup_over(times["interpreter"]).format(1), ratio.format(2)]
            )
            print(" | ".join(rows[-1]), flush=True)
    columns = (
        "program",
        "ours, ms",
        "interpreter, ms",
        "PyTorch eager, ms",
        "times the interpreter",
        "times PyTorch",
    )
    table(
        columns,
        [*rows, ["geometric mean", "", "", "", "", f"{np.exp(np.mean(np.log(ratios))):.2f}"]],
        threads=1,
    )


if __name__ == "__main__":
    main()
