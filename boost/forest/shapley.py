"""Shapley values of trees: the kernels that credit features with what they contribute.

The game of one row and one leaf is a product over the features that are tested on the path to the leaf. A
known feature lets the row through (o = 1) or not (o = 0). An unknown feature lets a share z of the training
rows through: the product of the hessian ratios of its splits on the path. The value of a set of known
features is the leaf's value times o of those in the set and z of the others (S. M. Lundberg, G. G. Erion and
S.-I. Lee, "Consistent Individualized Feature Attribution for Tree Ensembles", 2018, Algorithm 1).

The Shapley weight of a set of s of m - 1 other features is the integral of t^s (1 - t)^(m - 1 - s) over
[0, 1], and the weight of a set for the interaction of two features is half of the same with m - 2. So with
f = t o + (1 - t) z for each feature, the credit of a feature is the integral of the product of all f, times
its (o - z) / f; that of two features has two such quotients. The product is a polynomial in t of degree below
m, which Gauss's rule integrates exactly with half as many points: this replaces all sums over sets, without
the divisions of polynomials that lose digits in other methods. The product over a path is computed on the way
down the tree, the sums over leaves on the way up, and every feature is credited where its edge ends. This
takes O(nodes * features of the longest path) for a row, and one more such factor for interactions. (The
algorithm of Lundberg and others takes the square of the features of the path, and for interactions that times
all features.)

A feature that is tested again on a path gets another edge, whose o and z are the products so far: on the way
down, the product trades the old f for the new one, and on the way up the edge credits the difference of the
two quotients. As o only falls, an edge has three cases, of which the first does not occur for a new feature:
(before, now) is (0, 0), (1, 0) or (1, 1). What depends on them is written as a + before * b + now * c, with
factors of the edge that are the same for all rows; so rows are processed in vectors, without a branch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.forest.outline import (
    BEFORE,
    EDGE,
    IS_RIGHT,
    LEVEL,
    NODE,
    TESTED,
    Z_BEFORE,
    Outline,
    Z,
)
from boost.forest.packed import CONDITION, KIND, LAST, OUTPUT, SPLIT, START, VALUE, VECTOR
from boost.forest.predict import goes_right
from boost.jit import by_type, field_type, is_none, kernel

Floats = NDArray[np.float64]
# Most rows that are processed side by side, so that what a path needs for them stays in the first cache; and
# rows that fit one vector.
MOST_LANES, VECTOR_LANES = 32, 8
# Most bytes of rows and their credits for which the factors of a tree are computed at once.
CHUNK_BYTES = 1 << 18
# Factors of an edge at a point: the product's factor is a + before * b + now * c, the difference of the
# quotients is before * d + now * e.
A, B, C, D, E = range(5)
FACTORS = 5
# Rows of an integration rule: points t of Gauss's rule in (0, 1), their weights w, and w / (1 - t).
POINT, WEIGHT, WEIGHT_OVER_REST = range(3)
RULE_ROWS = 3


class Scratch(NamedTuple):
    """What a thread computes for blocks of rows; the last axis is the rows of a block ("lanes").

    Attributes
    ----------
    block : (blocks, 2 * used features, lanes)
        See `load_block`.
    credit : (blocks, outputs, used features, lanes)
    paired : (outputs, used features, used features, lanes), or None without interactions
        Credits of pairs of features, the first one below the second.
    factors : (steps of a tree, points, FACTORS)
    down : (depth + 1, points, lanes)
        The products of the path down to each level.
    lefts : (depth + 1, points, lanes)
        At each level, the sums over the leaves below the left child.
    quotients : (depth + 1, points, lanes), or None without interactions
        The differences of the quotients of the edges of the path.
    total : (points, lanes)
        The sums over the leaves below a node of their products times their values.
    passes : (depth + 1, lanes)
        o of the edges of the path.
    right : (depth + 1, lanes)
        Whether each row goes right at the nodes of the path, as 0 or 1.
    path : (depth + 1,)
        The steps of the path.
    """

    block: NDArray[np.float32]
    credit: Floats
    paired: Floats | None
    factors: Floats
    down: Floats
    lefts: Floats
    quotients: Floats | None
    total: Floats
    passes: Floats
    right: Floats
    path: NDArray[np.int64]


class _Edge(NamedTuple):
    """An edge of the path: its step in the tree, the number of points, and columns of the step."""

    step: int
    points: int
    level: np.int64
    before: np.int64
    feature: np.int64


@kernel(allocates=False)
def load_block(x, begin, used, b, block):
    """Copy the used features of the rows from `begin` on into block `b`: one lane per row.

    Each value is written twice: missing as minus infinity, and as infinity. The last row is repeated to fill
    all lanes.
    """
    for i in range(block.shape[2]):
        row = begin + i if begin + i < x.shape[0] else x.shape[0] - 1
        for j in range(used.size):
            value = x[row, used[j]]
            block[b, 2 * j, i] = value if value == value else -np.inf
            block[b, 2 * j + 1, i] = value if value == value else np.inf


@kernel(allocates=False)
def make_factors(outline, t, rule, factors):
    """Write the factors of the edges of a tree, which are the same for all rows: see `A`.

    Parameters
    ----------
    t : the tree's index in the outline
    rule : (RULE_ROWS, at least points)
    factors : (steps, at least points, FACTORS), output; D and E include the weight of the point
    """
    start = outline.starts[t]
    for k in range(1, outline.starts[t + 1] - start):
        z, y = outline.shares[start + k, Z], outline.shares[start + k, Z_BEFORE]
        cold = z / y if y > 0 else 0.0
        for q in range(outline.points[t]):
            point, weight, over_rest = rule[POINT, q], rule[WEIGHT, q], rule[WEIGHT_OVER_REST, q]
            old = 1.0 / (point + (1.0 - point) * y)
            new = 1.0 / (point + (1.0 - point) * z)
            factors[k, q, A] = cold
            factors[k, q, B] = (1.0 - point) * z * old - cold
            factors[k, q, C] = point * old
            factors[k, q, D] = -over_rest - weight * (1.0 - y) * old
            factors[k, q, E] = over_rest + weight * (1.0 - z) * new


# The kernels of a step take whole arrays and indices: a view of an array would count a reference, which costs
# more than the step.


@kernel(allocates=False)
def test_rows(forest, at, feature, b, level, scratch):
    """Write for each row of a block whether it goes right at node `at`, into `scratch.right`.

    Parameters
    ----------
    feature : the index of the tested feature among the used ones
    b, level : the block, and the depth of the node
    """
    nodes, block, right = forest.nodes, scratch.block, scratch.right
    word = nodes[at, SPLIT]
    column = 2 * feature + (word & 1)
    if word < 0:
        start, size = nodes[at, START], nodes[at, LAST]
        for i in range(block.shape[2]):
            right[level, i] = goes_right(word, start, size, block[b, column, i], forest.bits)
    else:
        condition = forest.values[at, CONDITION]
        for i in range(block.shape[2]):
            right[level, i] = 1.0 if block[b, column, i] >= condition else 0.0


@kernel(allocates=False)
def go_down(scratch, edge, is_right):
    """Write o of an edge, and multiply the products of the path by its factors."""
    passes, right, factors, down = scratch.passes, scratch.right, scratch.factors, scratch.down
    level, before, lanes = edge.level, edge.before, scratch.passes.shape[1]
    for i in range(lanes):
        goes = passes[before, i] * right[level - 1, i]
        passes[level, i] = goes if is_right else passes[before, i] - goes
    for q in range(edge.points):
        a, b, c = factors[edge.step, q, A], factors[edge.step, q, B], factors[edge.step, q, C]
        if before:
            for i in range(lanes):
                down[level, q, i] = down[level - 1, q, i] * (a + passes[before, i] * b + passes[level, i] * c)
        else:
            for i in range(lanes):
                down[level, q, i] = down[level - 1, q, i] * (a + b + passes[level, i] * c)


@kernel(allocates=False)
def write_quotients(scratch, edge, rule):
    """Write the differences of the quotients of an edge, without the weights of the points."""
    passes, factors, quotients = scratch.passes, scratch.factors, scratch.quotients
    for q in range(edge.points):
        d, e = factors[edge.step, q, D], factors[edge.step, q, E]
        weight = 1.0 / rule[WEIGHT, q]
        for i in range(passes.shape[1]):
            quotient = passes[edge.before, i] * d + passes[edge.level, i] * e
            quotients[edge.level, q, i] = quotient * weight


@kernel(allocates=False)
def credit_edge(scratch, edge, b, o):
    """Credit the feature of an edge with what the leaves below it contribute, in block `b` and output `o`."""
    passes, factors, total, credit = scratch.passes, scratch.factors, scratch.total, scratch.credit
    level, before, feature, lanes = edge.level, edge.before, edge.feature, scratch.passes.shape[1]
    for q in range(edge.points):
        d, e = factors[edge.step, q, D], factors[edge.step, q, E]
        if before:
            for i in range(lanes):
                credit[b, o, feature, i] += total[q, i] * (passes[before, i] * d + passes[level, i] * e)
        else:
            for i in range(lanes):
                credit[b, o, feature, i] += total[q, i] * (d + passes[level, i] * e)


@kernel(allocates=False)
def credit_edge_pairs(scratch, edge, steps, start, rule, o):
    """Credit the feature of an edge with each other feature above it; the tree's steps begin at `start`."""
    total, quotients, paired = scratch.total, scratch.quotients, scratch.paired
    for above in range(1, edge.level):
        other = steps[start + scratch.path[above], EDGE]
        if other == edge.feature:
            continue
        low, high = (edge.feature, other) if edge.feature < other else (other, edge.feature)
        for q in range(edge.points):
            weight = 0.5 * rule[WEIGHT, q]
            for i in range(total.shape[1]):
                paired[o, low, high, i] += (
                    weight * total[q, i] * quotients[edge.level, q, i] * quotients[above, q, i]
                )


@kernel(allocates=False)
def _no_quotients(scratch, edge, rule):
    pass


@kernel(allocates=False)
def _no_pairs(scratch, edge, steps, start, rule, o):
    pass


# Without interactions, what serves them is not compiled.


@by_type
def keep_quotients(scratch, edge, rule):
    """Keep the quotients of an edge, for pairs of features."""
    return _no_quotients if is_none(field_type(scratch, "paired")) else write_quotients


@by_type
def credit_pairs(scratch, edge, steps, start, rule, o):
    """Credit the pairs of features of an edge, if these are computed."""
    return _no_pairs if is_none(field_type(scratch, "paired")) else credit_edge_pairs


@kernel(allocates=False)
def credit_tree(forest, outline, first, t, rule, scratch, b, o):
    """Credit the features of a tree for the rows of block `b` in output `o`.

    Parameters
    ----------
    first, t : the first tree of the outline, and the tree's index in the outline
    rule : (RULE_ROWS, at least points)
    """
    steps, start, points = outline.steps, outline.starts[t], outline.points[t]
    total, lefts, down, lanes = scratch.total, scratch.lefts, scratch.down, scratch.total.shape[1]
    vector = (forest.trees[first + t, KIND] & VECTOR) != 0
    for k in range(outline.starts[t + 1] - start):
        level = np.int64(steps[start + k, LEVEL])
        scratch.path[level] = k
        if level:
            before, feature = np.int64(steps[start + k, BEFORE]), np.int64(steps[start + k, EDGE])
            edge = _Edge(k, points, level, before, feature)
            go_down(scratch, edge, steps[start + k, IS_RIGHT] == 1)
            keep_quotients(scratch, edge, rule)
        at = np.int64(steps[start + k, NODE])
        if steps[start + k, TESTED] >= 0:
            test_rows(forest, at, np.int64(steps[start + k, TESTED]), b, level, scratch)
            continue
        leaf = forest.vectors[forest.nodes[at, LAST], o] if vector else forest.values[at, VALUE]
        value = forest.weights[first + t] * leaf
        for q in range(points):
            for i in range(lanes):
                total[q, i] = value * down[level, q, i]
        # Up to the first left edge, whose sibling comes next.
        while level:
            m = scratch.path[level]
            before, feature = np.int64(steps[start + m, BEFORE]), np.int64(steps[start + m, EDGE])
            edge = _Edge(m, points, level, before, feature)
            credit_edge(scratch, edge, b, o)
            credit_pairs(scratch, edge, steps, start, rule, o)
            if not steps[start + m, IS_RIGHT]:
                for q in range(points):
                    for i in range(lanes):
                        lefts[level, q, i] = total[q, i]
                break
            for q in range(points):
                for i in range(lanes):
                    total[q, i] += lefts[level, q, i]
            level -= 1


@kernel(allocates=False)
def clear_credits(credit):
    """Write zeros; the array is (blocks or outputs, outputs or features, features, lanes)."""
    for b in range(credit.shape[0]):
        for o in range(credit.shape[1]):
            for j in range(credit.shape[2]):
                for i in range(credit.shape[3]):
                    credit[b, o, j, i] = 0.0


@kernel(allocates=False)
def add_credits(scratch, used, begin, b, credits):
    """Add the credits of block `b` to those of the rows from `begin` on."""
    credit = scratch.credit
    for i in range(credit.shape[3]):
        if begin + i == credits.shape[0]:
            break
        for o in range(credits.shape[1]):
            for j in range(used.size):
                credits[begin + i, o, used[j]] += credit[b, o, j, i]


@kernel(allocates=False)
def add_paired(scratch, used, begin, pairs):
    """Add the credits of pairs to those of the rows from `begin` on, and set them to zero."""
    paired = scratch.paired
    for i in range(paired.shape[3]):
        if begin + i == pairs.shape[0]:
            break
        for o in range(paired.shape[0]):
            for j in range(used.size):
                for h in range(j + 1, used.size):
                    pairs[begin + i, o, used[j], used[h]] += paired[o, j, h, i]
                    pairs[begin + i, o, used[h], used[j]] += paired[o, j, h, i]
    clear_credits(paired)


@kernel(allocates=False)
def _add_nothing(scratch, used, begin, pairs):
    pass


@by_type
def add_pairs(scratch, used, begin, pairs):
    """Add the credits of pairs to those of the rows from `begin` on, if they are computed."""
    return _add_nothing if is_none(field_type(scratch, "paired")) else add_paired


def make_scratch(
    rows: int, depth: int, outline: Outline, used: int, outputs: int, interactions: bool
) -> Scratch:
    """Return the scratch of a thread.

    Parameters
    ----------
    rows : int
        That the thread processes.
    depth : int
        Of the deepest tree.
    outline : Outline
    used : int
        Number of features that the trees test.
    outputs : int
    interactions : bool
    """
    most = int(outline.points.max(initial=0))
    longest = int(np.diff(outline.starts).max(initial=0))
    lanes = min(MOST_LANES, -(-rows // VECTOR_LANES) * VECTOR_LANES)
    block_bytes = 8 * lanes * used * (1 + outputs)
    blocks = 1
    if not interactions and block_bytes:
        blocks = max(1, min(CHUNK_BYTES // block_bytes, -(-rows // lanes)))
    scratch = Scratch(
        block=np.empty((blocks, 2 * used, lanes), dtype=np.float32),
        credit=np.empty((blocks, outputs, used, lanes)),
        paired=np.zeros((outputs, used, used, lanes)) if interactions else None,
        factors=np.empty((longest, most, FACTORS)),
        down=np.empty((depth + 1, most, lanes)),
        lefts=np.empty((depth + 1, most, lanes)),
        quotients=np.empty((depth + 1, most, lanes)) if interactions else None,
        total=np.empty((most, lanes)),
        passes=np.empty((depth + 1, lanes)),
        right=np.empty((depth + 1, lanes)),
        path=np.empty(depth + 1, dtype=np.int64),
    )
    scratch.down[0] = scratch.passes[0] = 1.0
    return scratch


class Credits(NamedTuple):
    """Where the credits of some rows are added.

    Attributes
    ----------
    features : (rows, outputs, features + 1)
        But for the last column.
    pairs : (rows, outputs, features + 1, features + 1), or None without interactions
        But for the last row and column and the diagonal.
    """

    features: Floats
    pairs: Floats | None


@kernel(lazy=True, allocates=False)
def credit_features(x, used, forest, first, outline, rules, scratch, credits):
    """Add the Shapley values of trees, and of pairs of features.

    Parameters
    ----------
    x : (rows, features)
    used : the features that the trees test, increasing
    forest : ForestArrays
    first : the first tree
    outline : Outline
    rules : (at least most points + 1, RULE_ROWS, at least most points), by number of points
    scratch : Scratch
        Overwritten.
    credits : Credits
        Changed in place.
    """
    outputs = credits.features.shape[1]
    rows = x.shape[0]
    blocks, lanes = scratch.block.shape[0], scratch.block.shape[2]
    for begin in range(0, rows, blocks * lanes):
        filled = (rows - begin + lanes - 1) // lanes
        filled = filled if filled < blocks else blocks
        for b in range(filled):
            load_block(x, begin + b * lanes, used, b, scratch.block)
        clear_credits(scratch.credit)
        for t in range(outline.points.size):
            points = outline.points[t]
            if points == 0:  # a root alone
                continue
            make_factors(outline, t, rules[points], scratch.factors)
            vector = (forest.trees[first + t, KIND] & VECTOR) != 0
            for o in range(outputs):
                if not vector and o != forest.trees[first + t, OUTPUT]:
                    continue
                for b in range(filled):
                    credit_tree(forest, outline, first, t, rules[points], scratch, b, o)
        for b in range(filled):
            add_credits(scratch, used, begin + b * lanes, b, credits.features)
        add_pairs(scratch, used, begin, credits.pairs)
