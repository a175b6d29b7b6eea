"""Approximate contributions: the kernel that credits the splits on the path of a row."""

from __future__ import annotations

import numpy as np

from boost.forest.packed import CHILD, CONDITION, KIND, LAST, NO_SIGN, OUTPUT, ROOT, SPLIT, START, VECTOR
from boost.forest.predict import goes_right
from boost.jit import kernel

ONLY_OUTPUT = 0  # of a tree whose leaves are numbers


@kernel(lazy=True, allocates=False)
def credit_path(x, forest, means, first, last, credits):
    """Credit each split on the path of a row with the change of the mean: an approximation, in O(depth).

    A. Saabas, "Interpreting random forests", 2014.

    Parameters
    ----------
    x : (rows, features)
    forest : boost.forest.outline.ForestArrays
    means : (nodes, outputs of a tree), the mean of the leaves below each node
    first, last : the range of trees
    credits : (rows, outputs, features + 1), changed in place; the last column is not
    """
    nodes, trees, weights = forest.nodes, forest.trees, forest.weights
    for r in range(x.shape[0]):
        for t in range(first, last):
            vector = (trees[t, KIND] & VECTOR) != 0
            at = np.int64(trees[t, ROOT])
            while nodes[at, CHILD] != at:
                word = nodes[at, SPLIT]
                f = (word & NO_SIGN) >> 1
                value = x[r, f]
                if value != value:
                    goes = np.uint32(word & 1)
                elif word < 0:
                    goes = goes_right(word, nodes[at, START], nodes[at, LAST], value, forest.bits)
                else:
                    goes = np.uint32(value >= forest.values[at, CONDITION])
                to = np.int64(nodes[at, CHILD]) + goes
                if vector:
                    for o in range(credits.shape[1]):
                        credits[r, o, f] += weights[t] * (means[to, o] - means[at, o])
                else:
                    credits[r, trees[t, OUTPUT], f] += weights[t] * (
                        means[to, ONLY_OUTPUT] - means[at, ONLY_OUTPUT]
                    )
                at = to
