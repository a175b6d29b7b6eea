"""Shapley values of trees: the outline of each tree, and the kernels that credit features with what they add.

The game of one row and one leaf is a product. A feature that the path to the leaf asks for is either known,
and then lets the row through (o = 1) or not (o = 0), or it is unknown, and then lets a share z of the
training rows through: what the hessians say of its splits on the path, multiplied. The value of a set of
known features is the leaf's value times o of those in the set and z of the others (S. M. Lundberg, G. G.
Erion and S.-I. Lee, "Consistent Individualized Feature Attribution for Tree Ensembles", 2018, Algorithm 1).

The weight that Shapley gives to a set of s of m - 1 others is the integral of t^s (1 - t)^(m - 1 - s) over
[0, 1], and the weight of a set for the interaction of two features is half of the same with m - 2. So with
f = t o + (1 - t) z for each feature, the credit of a feature is the integral of the product of all f, times
(o - z) / f of its own; that of two features has two such quotients. The product is a polynomial in t of a
degree below m, which Gauss's rule integrates exactly with half as many points: all sums over sets are gone,
without the divisions of polynomials that cost other methods their digits. A product over a path is made on
the way down the tree, sums over leaves on the way up, and every feature is credited where its edge ends: it
takes O(nodes * features of the longest path) for a row, and one more factor of that for interactions. (The
algorithm of Lundberg and others takes the square of the features, and again for interactions all of them.)

A feature that a path asks for again gets one more edge, whose o and z are the products so far: on its way
down the product trades the old f for the new one, and on its way up the edge credits the difference of the
two quotients. As o only falls, an edge has three cases, of which the first does not occur for a new feature:
(before, now) is (0, 0), (1, 0) or (1, 1). What depends on them is written as a + before * b + now * c, with
factors of the edge that are the same for all rows; rows are then treated side by side, without a branch.
"""

from __future__ import annotations

import numpy as np

from boost.forest.predict import DEPTH, GROUP, KIND, ROOT, VECTOR, goes_right
from boost.jit import kernel

# Most rows that are treated side by side, so that what a path needs for them stays in the first cache, and
# rows for which one step of a vector does.
MOST_LANES, VECTOR_LANES = 32, 8
# Most bytes of rows and their credits for which the factors of a tree are made at once.
CHUNK_BYTES = 1 << 18
# Columns of an outline: the node, its depth, the place of the feature of the edge to it, the depth of the
# edge before it on the same feature (0: none), whether it is a right child, the place of the feature that it
# asks for (-1: a leaf).
AT, LEVEL, EDGE, BEFORE, RIGHT, ASKS = range(6)
# Numbers of an edge for a point: the product's factor is a + before * b + now * c, the difference of the
# quotients is before * d + now * e.
FACTORS = 5


@kernel()
def outline(nodes, number, cover, vectors, tree, place, own, steps, shares, means):
    """Write a tree's nodes in the order of a walk from the root; see `outline_trees`.

    Parameters
    ----------
    tree : a row of the table of trees
    own : (nodes,), scratch: z of the edge to a node alone

    Returns
    -------
    steps, features : how many nodes are reached, and how many features the longest path asks for
    """
    root = tree[ROOT]
    values = nodes.view(np.float32)
    waiting = np.empty((tree[DEPTH] + 2, 3), dtype=np.int64)  # node, depth, right
    on_path = np.zeros((tree[DEPTH] + 1, 2), dtype=np.int64)  # step, features so far
    waiting[0, 0] = root
    waiting[0, 1:] = 0
    filled = 1
    count = 0
    most = 0
    while filled:
        filled -= 1
        at, level, right = waiting[filled]
        here = steps[count]
        here[AT] = at
        here[LEVEL] = level
        here[EDGE] = -1
        here[BEFORE] = 0
        here[RIGHT] = right
        left = nodes[at, 2]
        here[ASKS] = -1 if left == at else place[(nodes[at, 0] & 0x7FFFFFFF) >> 1]
        on_path[level, 0] = count
        shares[count] = 1.0
        own[at] = 1.0
        if level:
            parent = steps[on_path[level - 1, 0]]
            here[EDGE] = parent[ASKS]
            before = level - 1
            while before and steps[on_path[before, 0], EDGE] != here[EDGE]:
                before -= 1
            here[BEFORE] = before
            whole = cover[root + number[parent[AT]]]
            part = max(cover[root + number[at]], np.float32(0))
            # Where no training row came, nobody knows to which side more would go.
            z = np.float64(part) / np.float64(whole) if whole > 0 else 0.5
            own[at] = z
            if before:
                shares[count, 1] = shares[on_path[before, 0], 0]
            shares[count, 0] = z * shares[count, 1]
            on_path[level, 1] = on_path[level - 1, 1] + (before == 0)
            most = max(most, on_path[level, 1])
        if left != at:
            waiting[filled, 0] = left + 1
            waiting[filled, 1] = level + 1
            waiting[filled, 2] = 1
            waiting[filled + 1, 0] = left
            waiting[filled + 1, 1] = level + 1
            waiting[filled + 1, 2] = 0
            filled += 2
        count += 1
    for k in range(count - 1, -1, -1):
        at = steps[k, AT]
        left = nodes[at, 2]
        for o in range(means.shape[1]):
            if left != at:
                means[at, o] = own[left] * means[left, o] + own[left + 1] * means[left + 1, o]
            else:
                means[at, o] = vectors[nodes[at, 3], o] if tree[KIND] & VECTOR else values[at, 3]
    return count, most


@kernel(
    "void(int32[:,::1], int32[::1], float32[::1], float32[:,::1], int32[:,::1], int64, int64[::1],"
    " int32[:,::1], float64[:,::1], int64[::1], int64[::1], float64[:,::1])"
)
def outline_trees(nodes, number, cover, vectors, trees, first, place, steps, shares, starts, points, means):
    """Write the nodes of trees in the order of walks from their roots, left before right.

    Parameters
    ----------
    nodes, number, vectors, trees : see `PackedForest`
    cover : (nodes,), the hessians of the nodes by `number`, tree after tree
    first : the first tree
    place : (features,), the place of a feature among those that the trees ask for
    steps : (at least nodes of the trees, 6), output: see `AT`
    shares : (as steps, 2), output: z of an edge, and of the edge before it on the same feature
    starts : (trees + 1,), output: where the steps of a tree start
    points : (trees,), output: how many points integrate a tree exactly
    means : (nodes, outputs of a tree), output: the mean of the leaves below each node, by their shares
    """
    own = np.empty(cover.size)
    starts[0] = 0
    for t in range(points.size):
        begin = starts[t]
        count, longest = outline(
            nodes,
            number,
            cover,
            vectors,
            trees[first + t],
            place,
            own,
            steps[begin:],
            shares[begin:],
            means,
        )
        starts[t + 1] = begin + count
        points[t] = (longest + 1) // 2


@kernel()
def lay_out(x, begin, used, lanes, b, block):
    """Copy the features that are asked for, side by side, missing as minus infinity and as infinity.

    Behind the last row, it is repeated: all lanes are always filled.
    """
    for i in range(lanes):
        row = min(begin + i, x.shape[0] - 1)
        for j in range(used.size):
            value = x[row, used[j]]
            block[b, 2 * j, i] = value if value == value else -np.inf
            block[b, 2 * j + 1, i] = value if value == value else np.inf


@kernel()
def make_factors(shares, rule, points, factors):
    """Write what is the same for all rows of each edge of a tree: see `FACTORS`.

    Parameters
    ----------
    shares : (steps, 2), see `outline_trees`
    rule : (3, at least points), see `credit_features`
    factors : (steps, at least points, 5), output; the last two are times the weight of the point
    """
    for k in range(1, shares.shape[0]):
        z, y = shares[k, 0], shares[k, 1]
        cold = z / y if y > 0 else 0.0
        for q in range(points):
            t, weight, never = rule[0, q], rule[1, q], rule[2, q]
            old = 1.0 / (t + (1.0 - t) * y)
            new = 1.0 / (t + (1.0 - t) * z)
            factors[k, q, 0] = cold
            factors[k, q, 1] = (1.0 - t) * z * old - cold
            factors[k, q, 2] = t * old
            factors[k, q, 3] = -never - weight * (1.0 - y) * old
            factors[k, q, 4] = never + weight * (1.0 - z) * new


@kernel()
def answer(nodes, at, feature, block, b, bits, lanes, right, level):
    """Write for each row whether it goes right at a node, as 0 or 1, into ``right[level]``.

    The kernels of a step take whole arrays and places in them: a view would be counted as one more owner of
    its array, which costs more than the step.

    Parameters
    ----------
    nodes, bits : see `PackedForest`
    feature : the place of what node `at` asks for
    block : (blocks, 2 * features, lanes), see `lay_out`; block `b` is asked
    """
    word = nodes[at, 0]
    column = 2 * feature + (word & 1)
    if word < 0:
        for i in range(lanes):
            right[level, i] = goes_right(word, nodes[at, 1], nodes[at, 3], block[b, column, i], bits)
    else:
        condition = nodes.view(np.float32)[at, 1]
        for i in range(lanes):
            right[level, i] = 1.0 if block[b, column, i] >= condition else 0.0


@kernel()
def go_down(factors, k, points, before, let, level, lanes, down):
    """Multiply the products of a path by the factors of one more edge.

    Parameters
    ----------
    factors : (steps, points, 5), of which step `k` is the edge
    before : the depth of the edge before it on the same feature, or 0
    let : (depth + 1, lanes), o of the edges of the path
    down : (depth + 1, points, lanes), the products; those of `level` are written
    """
    for q in range(points):
        a, b, c = factors[k, q, 0], factors[k, q, 1], factors[k, q, 2]
        if before:
            for i in range(lanes):
                down[level, q, i] = down[level - 1, q, i] * (a + let[before, i] * b + let[level, i] * c)
        else:
            for i in range(lanes):
                down[level, q, i] = down[level - 1, q, i] * (a + b + let[level, i] * c)


@kernel()
def give(factors, k, points, before, let, level, lanes, total, credit, b, o, feature):
    """Credit the feature of an edge with what the leaves below it add; see `go_down`.

    Parameters
    ----------
    total : (points, lanes), products of the leaves times their values, summed up
    credit : (blocks, outputs, features, lanes), changed in place for block `b`, output `o` and the feature
    """
    for q in range(points):
        d, e = factors[k, q, 3], factors[k, q, 4]
        if before:
            for i in range(lanes):
                credit[b, o, feature, i] += total[q, i] * (let[before, i] * d + let[level, i] * e)
        else:
            for i in range(lanes):
                credit[b, o, feature, i] += total[q, i] * (d + let[level, i] * e)


@kernel()
def give_pairs(steps, start, on_path, level, points, quotients, rules, lanes, total, paired, o):
    """Credit the feature of an edge together with each other feature above it; see `give`.

    Parameters
    ----------
    steps, start, on_path, level : where the edge is
    quotients : (depth + 1, points, lanes), differences of the quotients of the edges of the path
    rules : see `credit_features`
    paired : (outputs, features, features, lanes), changed in place where the first feature is the smaller
    """
    mine = steps[start + on_path[level], EDGE]
    for above in range(1, level):
        other = steps[start + on_path[above], EDGE]
        if other == mine:
            continue
        low, high = min(mine, other), max(mine, other)
        for q in range(points):
            weight = 0.5 * rules[points, 1, q]
            for i in range(lanes):
                paired[o, low, high, i] += (
                    weight * total[q, i] * quotients[level, q, i] * quotients[above, q, i]
                )


_CREDIT = (
    "void(float32[:,::1], int64[::1], int32[:,::1], int32[:,::1], float64[::1], uint32[::1], float32[:,::1],"
    " int64, int32[:,::1], float64[:,::1], int64[::1], int64[::1], float64[:,:,::1], float64[:,:,::1],"
    " float64[:,:,:,::1])"
)


@kernel(_CREDIT)
def credit_features(
    x, used, nodes, trees, weights, bits, vectors, first, steps, shares, starts, points, rules, credits, pairs
):
    """Add the Shapley values of trees, and of pairs of features.

    Parameters
    ----------
    x : (rows, features)
    used : the features that the trees ask for, rising
    nodes, trees, weights, bits, vectors : see `PackedForest`
    first : the first tree
    steps, shares : the outlines of the trees, one after the other
    starts : (trees + 1,), where they start
    points : (trees,), how many points integrate a tree exactly
    rules : (at least most points + 1, 3, at least most points): for a number of points, those of Gauss's rule
        in (0, 1), their weights, and the weights divided by 1 - point
    credits : (rows, outputs, features + 1), changed in place, but for the last column
    pairs : (rows, outputs, features + 1, features + 1), or without rows; changed in place, but for the last
        row and column and for the diagonal
    """
    outputs = credits.shape[1]
    conditions = nodes.view(np.float32)
    both = pairs.shape[0] > 0
    most = points.max()
    longest = 0
    depth = 0
    for t in range(points.size):
        longest = max(longest, starts[t + 1] - starts[t])
        depth = max(depth, trees[first + t, DEPTH])
    rows = x.shape[0]
    lanes = min(MOST_LANES, (rows + VECTOR_LANES - 1) // VECTOR_LANES * VECTOR_LANES)
    per_block = 8 * lanes * used.size * (1 + outputs)
    blocks = 1 if both else max(1, min(CHUNK_BYTES // per_block, (rows + lanes - 1) // lanes))
    block = np.empty((blocks, 2 * used.size, lanes), dtype=np.float32)
    credit = np.empty((blocks, outputs, used.size, lanes))
    paired = np.empty((outputs if both else 0, used.size, used.size, lanes))
    factors = np.empty((longest, most, FACTORS))
    down = np.empty((depth + 1, most, lanes))
    lefts = np.empty((depth + 1, most, lanes))
    quotients = np.empty((depth + 1 if both else 0, most, lanes))
    total = np.empty((most, lanes))
    let = np.empty((depth + 1, lanes))
    right = np.empty((depth + 1, lanes))
    on_path = np.empty(depth + 1, dtype=np.int64)
    down[0] = 1.0
    let[0] = 1.0
    for begin in range(0, rows, blocks * lanes):
        filled = min(blocks, (rows - begin + lanes - 1) // lanes)
        for b in range(filled):
            lay_out(x, begin + b * lanes, used, lanes, b, block)
        credit[:filled] = 0.0
        paired[:] = 0.0
        for t in range(first, first + points.size):
            start = starts[t - first]
            count = starts[t - first + 1] - start
            n = points[t - first]
            if n == 0:  # a root alone
                continue
            make_factors(shares[start : start + count], rules[n], n, factors)
            vector = (trees[t, KIND] & VECTOR) != 0
            for o in range(outputs):
                if not vector and o != trees[t, GROUP]:
                    continue
                for b in range(filled):
                    for k in range(count):
                        at = np.int64(steps[start + k, AT])
                        level = np.int64(steps[start + k, LEVEL])
                        asks = np.int64(steps[start + k, ASKS])
                        before = np.int64(steps[start + k, BEFORE])
                        is_right = steps[start + k, RIGHT] == 1
                        on_path[level] = k
                        if level:
                            for i in range(lanes):
                                goes = let[before, i] * right[level - 1, i]
                                let[level, i] = goes if is_right else let[before, i] - goes
                            go_down(factors, k, n, before, let, level, lanes, down)
                            if both:
                                for q in range(n):
                                    d, e = factors[k, q, 3], factors[k, q, 4]
                                    weight = 1.0 / rules[n, 1, q]
                                    for i in range(lanes):
                                        quotient = let[before, i] * d + let[level, i] * e
                                        quotients[level, q, i] = quotient * weight
                        if asks >= 0:
                            answer(nodes, at, asks, block, b, bits, lanes, right, level)
                            continue
                        value = weights[t] * (vectors[nodes[at, 3], o] if vector else conditions[at, 3])
                        for q in range(n):
                            for i in range(lanes):
                                total[q, i] = value * down[level, q, i]
                        while level:
                            m = on_path[level]
                            before = np.int64(steps[start + m, BEFORE])
                            edge = np.int64(steps[start + m, EDGE])
                            give(factors, m, n, before, let, level, lanes, total, credit, b, o, edge)
                            if both:
                                give_pairs(
                                    steps, start, on_path, level, n, quotients, rules, lanes, total, paired, o
                                )
                            if not steps[start + m, RIGHT]:
                                for q in range(n):
                                    for i in range(lanes):
                                        lefts[level, q, i] = total[q, i]
                                break
                            for q in range(n):
                                for i in range(lanes):
                                    total[q, i] += lefts[level, q, i]
                            level -= 1
        for b in range(filled):
            for i in range(min(lanes, rows - begin - b * lanes)):
                for o in range(outputs):
                    out = credits[begin + b * lanes + i, o]
                    for j in range(used.size):
                        out[used[j]] += credit[b, o, j, i]
                    if both:
                        for j in range(used.size):
                            for h in range(j + 1, used.size):
                                pairs[begin + i, o, used[j], used[h]] += paired[o, j, h, i]
                                pairs[begin + i, o, used[h], used[j]] += paired[o, j, h, i]


@kernel(
    "void(float32[:,::1], int32[:,::1], int32[:,::1], float64[::1], uint32[::1], float64[:,::1], int64,"
    " int64, float64[:,:,::1])"
)
def credit_path(x, nodes, trees, weights, bits, means, first, last, credits):
    """Credit each split on the path of a row with the change of the mean; approximate, and quick.

    A. Saabas, "Interpreting random forests", 2014.

    Parameters
    ----------
    x, nodes, trees, weights, bits : as for `credit_features`
    means : see `outline`
    first, last : the range of trees
    credits : (rows, outputs, features + 1), changed in place, but for the last column
    """
    conditions = nodes.view(np.float32)
    for r in range(x.shape[0]):
        for t in range(first, last):
            vector = (trees[t, KIND] & VECTOR) != 0
            at = np.int64(trees[t, ROOT])
            while nodes[at, 2] != at:
                word = nodes[at, 0]
                f = (word & 0x7FFFFFFF) >> 1
                value = x[r, f]
                if value != value:
                    goes = np.uint32(word & 1)
                elif word < 0:
                    goes = goes_right(word, nodes[at, 1], nodes[at, 3], value, bits)
                else:
                    goes = np.uint32(value >= conditions[at, 1])
                to = np.int64(nodes[at, 2]) + goes
                if vector:
                    for o in range(credits.shape[1]):
                        credits[r, o, f] += weights[t] * (means[to, o] - means[at, o])
                else:
                    credits[r, trees[t, GROUP], f] += weights[t] * (means[to, 0] - means[at, 0])
                at = to
