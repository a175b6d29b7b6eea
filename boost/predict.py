"""The kernels that traverse trees."""

from __future__ import annotations

import numpy as np

from boost.jit import kernel

# Rows that go down a tree in step.
BLOCK = 64
# A tree that is deeper than this is walked row by row: in step, all rows would wait for the deepest leaf.
DEEPEST = 16


@kernel("void(int64[::1], int64, int64, int32[::1], int32[::1], int32[:,::1], int32[::1])")
def link(starts, first, last, left, right, child, depth):
    """Write the form of trees that `add_trees` walks.

    Parameters
    ----------
    starts : (trees + 1,), where each tree's nodes start
    first, last : the range of trees to do
    left, right : (nodes,), within a tree
    child : (nodes, 2), output: left and right child; a leaf is its own child, so that a row may step on the
    spot
    depth : (trees,), output
    """
    for t in range(first, last):
        root = starts[t]
        size = starts[t + 1] - root
        level = np.zeros(size, dtype=np.int32)
        queue = np.zeros(size, dtype=np.int32)
        filled = 1
        deepest = 0
        for n in range(size):
            child[root + n, 0] = n
            child[root + n, 1] = n
        done = 0
        while done < filled:
            n = queue[done]
            done += 1
            deepest = max(deepest, level[n])
            if left[root + n] < 0:
                continue
            child[root + n, 0] = left[root + n]
            child[root + n, 1] = right[root + n]
            for k in range(2):
                below = child[root + n, k]
                level[below] = level[n] + 1
                queue[filled] = below
                filled += 1
        depth[t] = deepest


@kernel(
    "void(float32[:,::1], int64[::1], int32[::1], int32[::1], int64, int64, int32[:,::1], int32[::1],"
    " float32[::1], uint8[::1], float64[:,::1])"
)
def add_trees(x, starts, group, depth, first, last, child, feature, condition, default_left, margin):
    """Add the values of trees to margins. O(rows * trees * depth); see `Forest.add_margins`."""
    node = np.empty(BLOCK, dtype=np.uint32)
    for begin in range(0, x.shape[0], BLOCK):
        rows = min(x.shape[0] - begin, BLOCK)
        for t in range(first, last):
            at = starts[t]
            end = starts[t + 1]
            k = group[t]
            links = child[at:end]
            asked = feature[at:end]
            cut = condition[at:end]
            absent_left = default_left[at:end]
            for i in range(rows):
                node[i] = 0
            if depth[t] <= DEEPEST:
                for _ in range(depth[t]):
                    for i in range(rows):
                        n = node[i]
                        value = x[begin + i, np.uint32(asked[n])]
                        # A comparison with NaN is false: the question of the default direction answers it.
                        right = value >= cut[n] if absent_left[n] else not (value < cut[n])
                        node[i] = links[n, np.uint32(right)]
            else:
                for i in range(rows):
                    n = node[i]
                    while links[n, 0] != n:
                        value = x[begin + i, np.uint32(asked[n])]
                        right = value >= cut[n] if absent_left[n] else not (value < cut[n])
                        n = np.uint32(links[n, np.uint32(right)])
                    node[i] = n
            for i in range(rows):
                margin[begin + i, k] += cut[node[i]]
