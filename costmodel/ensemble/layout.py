"""`Layout`: a forest as the tables that compiled scorers read: columns of small codes, and trees on them.

A split compares one value of a row. All splits that compare the same feature, and send missing values the
same way, share a *column*: the code of a row in it is the number of the column's thresholds that its value
reaches, and the row goes right where its code is above that of the split. A feature has at most as many
thresholds as bins, so a code is a byte, and one vector holds many rows. Each categorical split of a set of
categories is a column too; its code says whether the row's category is in the set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boost.forest.forest import Forest
from boost.forest.tree import Tree

Ints = NDArray[np.int32]
# Nodes of four bytes in a line of 64 bytes.
LINE = 16
# (feature, whether missing values go right), and for a set of categories the bytes of its codes.
Key = tuple[int, bool, bytes]


@dataclass(frozen=True, eq=False)
class Layout:
    """The tables of a forest.

    Nodes are numbered in level order. The *slot* of a leaf is its number among the leaves of its tree, and
    that of a split is `leaves` and its number among the splits of its tree, last first, so that the slots of
    children are filled before those of their parents.

    Attributes
    ----------
    features, outputs : int
    width : int
        Values of a leaf: the outputs for vector leaves, else 1.
    leaves, splits, depth : int
        The most of a tree.
    code : {"uint8", "uint16", "int32"}
        The smallest type that holds codes and numbers of leaves.
    ranges : int32 array of shape (numerical columns, 4)
        Feature, position of the first threshold, how many halvings its search takes, and the code of a
        missing value. Columns of numbers come first.
    thresholds : float32 array
        Of each column, increasing, filled up with infinities to a power of two less one.
    sets : int32 array of shape (categorical columns, 4)
        Feature, position of the first word of bits, number of bits, and the code of a missing value.
    bits : int32 array
        32 categories a word, lowest first: whether they are in the set.
    trees : int32 array of shape (trees, 6)
        First split, number of splits, root, depth, output, and the position of the values of its leaves.
    split_table : int32 array of shape (splits, 4)
        Column, code, and the slots of the left and the right child, last split of a tree first.
    nodes : int32 array of shape (nodes, 4)
        The root of a tree is at a multiple of `LINE`, so that its first levels share a line of the cache.
        Code, column, nodes from here to the left child (none from a leaf), and the position of its values.
    values : float64 array
        Those of leaves, times the weight of their tree.
    """

    features: int
    outputs: int
    width: int
    leaves: int
    splits: int
    depth: int
    code: str
    ranges: Ints
    thresholds: NDArray[np.float32]
    sets: Ints
    bits: Ints
    trees: Ints
    split_table: Ints
    nodes: Ints
    values: NDArray[np.float64]

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.ranges) + len(self.sets)


def make_layout(forest: Forest, features: int) -> Layout:
    """Return the tables of a forest.

    Parameters
    ----------
    forest : Forest
    features : int
        Columns of the rows.
    """
    every = [_level_order(forest[t]) for t in range(forest.trees)]
    numbers, sets = _columns(forest, every)
    if not numbers and not sets:  # leaves have a column too
        numbers = {(0, False, b""): np.empty(0, np.float32)}
    ranges, thresholds, cuts = _ranges(numbers)
    set_table, bits = _sets(sets)
    column_of: dict[Key, int] = {key: k for k, key in enumerate([*numbers, *sets])}
    width = forest.n_outputs if forest.vector else 1
    leaves = max((forest[t].leaves for t in range(forest.trees)), default=1)
    trees = np.zeros((forest.trees, 6), np.int32)
    splits_of, nodes, values = [], [], []
    first_split = first_node = first_value = 0
    for t, (order, depth) in enumerate(every):
        tree = forest[t]
        inner = np.flatnonzero(tree.left[order] >= 0)
        ends = np.flatnonzero(tree.left[order] < 0)
        number = np.empty(tree.size, np.int32)
        number[order] = np.arange(order.size)
        column, code = np.zeros(order.size, np.int32), np.zeros(order.size, np.int32)
        for key, members in _by_column(tree, order[inner]).items():
            at = number[members]
            column[at] = column_of[key]
            if key in cuts:
                code[at] = np.searchsorted(cuts[key], tree.condition[members])
        slot = np.empty(order.size, np.int32)
        slot[ends] = np.arange(ends.size)
        slot[inner] = leaves + np.arange(inner.size)[::-1]
        left = np.arange(order.size, dtype=np.int32)
        left[inner] = number[tree.left[order[inner]]]
        value = np.zeros(order.size, np.int32)
        value[ends] = first_value + width * np.arange(ends.size)
        table = np.column_stack((column[inner], code[inner], slot[left[inner]], slot[left[inner] + 1]))
        splits_of.append(table[::-1])
        code[ends] = np.iinfo(np.int32).max  # no code is above it: rows stay
        of_tree = np.column_stack((code, column, left - np.arange(order.size), value))
        nodes.append(np.pad(of_tree, ((0, -order.size % LINE), (0, 0))))
        leaf = order[ends]
        own = tree.vectors[leaf].ravel() if forest.vector else tree.condition[leaf]
        values.append(forest.weights[t] * own.astype(np.float64))
        trees[t] = first_split, inner.size, first_node, depth, forest.output(t), first_value
        first_split, first_node = first_split + inner.size, first_node + len(nodes[-1])
        first_value += width * ends.size
    largest = max([leaves - 1, 1, *(len(cut) for cut in cuts.values())])
    return Layout(
        features,
        forest.n_outputs,
        width,
        leaves,
        int(trees[:, 1].max(initial=0)),
        int(trees[:, 3].max(initial=0)),
        next((name for name in ("uint8", "uint16") if largest <= np.iinfo(name).max), "int32"),
        ranges,
        thresholds,
        set_table,
        bits,
        trees,
        _stack(splits_of),
        _stack(nodes),
        np.concatenate([np.zeros(0), *values]),
    )


def _stack(tables: Sequence[NDArray]) -> Ints:
    return np.concatenate([np.zeros((0, 4)), *tables]).astype(np.int32)


def _level_order(tree: Tree) -> tuple[NDArray[np.int64], int]:
    """Return the nodes of a tree level by level, a right child after its left one, and the depth."""
    levels = [np.zeros(1, np.int64)]
    while True:
        inner = levels[-1][tree.left[levels[-1]] >= 0]
        if not inner.size:
            return np.concatenate(levels), len(levels) - 1
        levels.append(np.column_stack((tree.left[inner], tree.right[inner])).ravel().astype(np.int64))


def _by_column(tree: Tree, inner: NDArray[np.int64]) -> dict[Key, NDArray[np.int64]]:
    """Return the splits of a tree by the key of their column."""
    starts = tree.category_starts
    categorical = np.diff(starts)[inner] > 0 if starts.size else np.zeros(inner.size, bool)
    right = tree.default_left[inner] == 0
    found: dict[Key, NDArray[np.int64]] = {}
    joined = 2 * tree.feature[inner].astype(np.int64) + right
    for pair in np.unique(joined[~categorical]):
        found[(int(pair) >> 1, bool(pair & 1), b"")] = inner[~categorical & (joined == pair)]
    for n in inner[categorical]:
        codes = tree.categories[starts[n] : starts[n + 1]].astype(np.int32).tobytes()
        key = (int(tree.feature[n]), not tree.default_left[n], codes)
        found[key] = np.append(found.get(key, np.zeros(0, np.int64)), n)
    return found


def _columns(
    forest: Forest, every: Sequence[tuple[NDArray[np.int64], int]]
) -> tuple[dict[Key, NDArray[np.float32]], list[Key]]:
    """Return the columns of numbers, with their thresholds, and those of sets, both sorted."""
    found: dict[Key, list[NDArray[np.float32]]] = {}
    for t, (order, _) in enumerate(every):
        tree = forest[t]
        for key, members in _by_column(tree, order[tree.left[order] >= 0]).items():
            found.setdefault(key, []).append(tree.condition[members])
    numbers = {key: np.unique(np.concatenate(found[key])) for key in sorted(found) if not key[2]}
    return numbers, [key for key in sorted(found) if key[2]]


def _ranges(
    numbers: dict[Key, NDArray[np.float32]],
) -> tuple[Ints, NDArray[np.float32], dict[Key, NDArray[np.float32]]]:
    rows, padded, first = [], [], 0
    for (feature, right, _), cut in numbers.items():
        halvings = int(cut.size).bit_length()
        full = np.full(2**halvings - 1, np.inf, np.float32)
        full[: cut.size] = cut
        rows.append((feature, first, halvings, cut.size if right else 0))
        padded.append(full)
        first += full.size
    return (
        np.array(rows, np.int32).reshape(-1, 4),
        np.concatenate([np.zeros(0, np.float32), *padded]),
        numbers,
    )


def _sets(sets: Sequence[Key]) -> tuple[Ints, Ints]:
    rows, words, first = [], [], 0
    for feature, right, text in sets:
        codes = np.frombuffer(text, np.int32)
        word = np.zeros(int(codes[-1]) // 32 + 1, np.uint32)
        np.bitwise_or.at(word, codes >> 5, np.uint32(1) << (codes & 31).astype(np.uint32))
        rows.append((feature, first, int(codes[-1]) + 1, int(right)))
        words.append(word)
        first += word.size
    bits = np.concatenate([np.zeros(0, np.uint32), *words]).view(np.int32)
    return np.array(rows, np.int32).reshape(-1, 4), bits
