"""Kernels that add the leaf values of a new tree to margins, from the rows of its leaves."""

from __future__ import annotations

from boost.jit import kernel


@kernel(lazy=True, allocates=False)
def add_leaves(rows, begins, ends, values, first, last, margin):
    """Add the values of some leaves to the margins of their rows.

    Parameters
    ----------
    rows : (rows,), row numbers, leaf after leaf
    begins, ends : (leaves,), the range of each leaf in `rows`
    values : (leaves,)
    first, last : the range of leaves
    margin : (all rows,), changed in place
    """
    for n in range(first, last):
        for r in range(begins[n], ends[n]):
            margin[rows[r]] += values[n]


@kernel(lazy=True, allocates=False)
def add_vectors(rows, begins, ends, values, first, last, margin):
    """Add leaf vectors, as `add_leaves` does: `values` is (leaves, outputs), `margin` (all rows, outputs)."""
    for n in range(first, last):
        for r in range(begins[n], ends[n]):
            i = rows[r]
            for k in range(margin.shape[1]):
                margin[i, k] += values[n, k]
