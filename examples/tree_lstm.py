"""A TreeLSTM as a recursive program over a data type, in the text of the graph language, compiled once.

A node of a tree has a vector and a list of children; the state of a node is computed from its vector and from
the states of its children (arXiv 1503.00075, section 3.1). The shape of the tree comes with each call.
"""

import numpy as np

from compiler import relay

PROGRAM = """#[version = "0.0.5"]
def @state(
  %tree: Tree[Tensor[(1, 8), float32]], %w: Tensor[(32, 8), float32], %u: Tensor[(24, 8), float32],
  %f: Tensor[(8, 8), float32]
) -> (Tensor[(1, 8), float32], Tensor[(1, 8), float32]) {
  match (%tree) {
    Rose(%x, %children) => {
      let %given = split(nn.dense(%x, %w), indices_or_sections=[24], axis=1);
      let %zero = zeros(shape=[1, 8], dtype="float32");
      let %sums = @children(%children, %given.1, %zero, %zero, %w, %u, %f);
      let %gates = split(%given.0 + nn.dense(%sums.0, %u), indices_or_sections=3, axis=1);
      let %c = sigmoid(%gates.0) * tanh(%gates.2) + %sums.1;
      (sigmoid(%gates.1) * tanh(%c), %c)
    },
  }
}

def @children(
  %trees: List[Tree[Tensor[(1, 8), float32]]], %given: Tensor[(1, 8), float32], %h: Tensor[(1, 8), float32],
  %c: Tensor[(1, 8), float32], %w: Tensor[(32, 8), float32], %u: Tensor[(24, 8), float32],
  %f: Tensor[(8, 8), float32]
) -> (Tensor[(1, 8), float32], Tensor[(1, 8), float32]) {
  match (%trees) {
    Cons(%tree, %rest) => {
      let %child = @state(%tree, %w, %u, %f);
      let %kept = sigmoid(%given + nn.dense(%child.0, %f)) * %child.1;
      @children(%rest, %given, %h + %child.0, %c + %kept, %w, %u, %f)
    },
    Nil => { (%h, %c) },
  }
}

def @main(
  %tree: Tree[Tensor[(1, 8), float32]], %w: Tensor[(32, 8), float32], %u: Tensor[(24, 8), float32],
  %f: Tensor[(8, 8), float32]
) -> Tensor[(1, 8), float32] {
  @state(%tree, %w, %u, %f).0
}
"""

module = relay.parse(PROGRAM, relay.prelude())
cons, nil, rose = (module.constructor(name) for name in ("Cons", "Nil", "Rose"))


def node(x, *children):
    """A tree of the prelude."""
    listed = relay.ConstructorValue(nil, ())
    for child in reversed(children):
        listed = relay.ConstructorValue(cons, (child, listed))
    return relay.ConstructorValue(rose, (x, listed))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_numpy(tree, w, u, f):
    """The same in NumPy."""
    x, children = tree.fields
    given, h, c = x @ w.T, np.zeros((1, 8)), np.zeros((1, 8))
    while children.fields:
        child, children = children.fields
        child_h, child_c = by_numpy(child, w, u, f)
        h, c = h + child_h, c + sigmoid(given[:, 24:] + child_h @ f.T) * child_c
    i, o, new = np.split(given[:, :24] + h @ u.T, 3, axis=1)
    c = sigmoid(i) * np.tanh(new) + c
    return sigmoid(o) * np.tanh(c), c


rng = np.random.default_rng(0)
weights = [rng.standard_normal(shape, "float32") for shape in ((32, 8), (24, 8), (8, 8))]
vectors = rng.standard_normal((6, 1, 8), "float32")
deep = node(vectors[0], node(vectors[1], node(vectors[2])), node(vectors[3]))
wide = node(vectors[0], *(node(x) for x in vectors[1:]))

program = relay.build(module)
for name, tree in (("deep", deep), ("wide", wide)):
    expected = by_numpy(tree, *weights)[0]
    interpreted, compiled = relay.evaluate(module, tree, *weights), program(tree, *weights)
    print(f"{name}: largest error {np.abs(compiled - expected).max():.1e}, state {compiled[0, :3]}")
    assert np.allclose(interpreted, expected, atol=1e-5) and np.allclose(compiled, expected, atol=1e-5)
