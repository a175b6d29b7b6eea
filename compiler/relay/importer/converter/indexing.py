"""Conversions of gathers, scatters and selections."""

from __future__ import annotations

import numpy as np

from compiler.relay.importer.converter.shapes import full
from compiler.relay.importer.converter.table import NodeView, axis_of, converts, rank_of, shape_of
from compiler.relay.importer.errors import OnnxError, Unsupported
from compiler.relay.language.expr import Constant, Expr


def _checked(index: Expr, extent: object) -> None:
    """Raise OnnxError for a constant index outside of an axis; other indices are bounded when used."""
    if isinstance(index, Constant) and type(extent) is int and index.data.size:
        low, high = index.data.min(), index.data.max()
        if low < -extent or high >= extent:
            raise OnnxError(f"an index is {low if low < -extent else high}; the axis has {extent} elements")


@converts("Gather")
def _gather(node: NodeView, x: Expr, index: Expr) -> Expr:
    axis = axis_of(node.attr("axis"), rank_of(x))
    _checked(index, shape_of(x)[axis])
    return node.call("take", x, index, axis=axis)


@converts("GatherElements")
def _gather_elements(node: NodeView, x: Expr, index: Expr) -> Expr:
    axis = axis_of(node.attr("axis"), rank_of(x))
    _checked(index, shape_of(x)[axis])
    return node.call("gather_elements", x, index, axis=axis)


@converts("GatherND")
def _gather_nd(node: NodeView, x: Expr, index: Expr) -> Expr:
    return node.call("gather_nd", x, index, batch_dims=node.attr("batch_dims", 0))


_COMBINED = {"none": "update", "add": "add", "mul": "mul", "max": "max", "min": "min"}


@converts("ScatterElements", "Scatter")
def _scatter_elements(node: NodeView, x: Expr, index: Expr, updates: Expr) -> Expr:
    axis = axis_of(node.attr("axis"), rank_of(x))
    _checked(index, shape_of(x)[axis])
    return node.call(
        "scatter_elements", x, index, updates, axis=axis, reduction=_COMBINED[node.attr("reduction", "none")]
    )


@converts("ScatterND")
def _scatter_nd(node: NodeView, x: Expr, index: Expr, updates: Expr) -> Expr:
    return node.call("scatter_nd", x, index, updates, reduction=_COMBINED[node.attr("reduction", "none")])


@converts("OneHot")
def _one_hot(node: NodeView, index: Expr, depth: Expr, values: Expr) -> Expr:
    count, axis = node.ints(depth, "depth")[0], axis_of(node.attr("axis"), rank_of(index) + 1)
    if count < 1:
        raise OnnxError(f"depth is {count}; it is at least 1")
    off, on = (node.call("take", values, node.constant(np.int64(i)), axis=0) for i in (0, 1))
    return node.call("one_hot", node.cast(index, "int64"), on, off, depth=count, axis=axis)


@converts("Compress")
def _compress(node: NodeView, x: Expr, condition: Expr) -> Expr:
    chosen = np.flatnonzero(node.value(condition, "the condition"))
    axis = node.attr("axis")
    if axis is None:
        x, axis = node.call("reshape", x, newshape=(-1,)), 0
    return node.call("take", x, node.constant(chosen.astype("int64")), axis=axis_of(axis, rank_of(x)))


@converts("TensorScatter")
def _tensor_scatter(node: NodeView, cache: Expr, update: Expr, start: Expr | None = None) -> Expr:
    """Rows of a cache are replaced from a place on that differs from batch to batch."""
    shape, rows = node.static(cache), node.static(update)
    axis = axis_of(node.attr("axis"), len(shape))
    begins = (
        np.zeros(shape[0], "int64") if start is None else node.value(start, "write_indices").astype("int64")
    )
    places = begins.reshape(-1, 1) + np.arange(rows[axis])
    if node.attr("mode") == "circular":
        places %= shape[axis]
    elif places.size and (places.min() < 0 or places.max() >= shape[axis]):
        raise OnnxError(f"write_indices and the update reach beyond the {shape[axis]} rows of the cache")
    aligned = places.reshape(shape[0], *(rows[axis] if i == axis else 1 for i in range(1, len(shape))))
    index = np.broadcast_to(aligned, rows)
    return node.call(
        "scatter_elements",
        cache,
        node.constant(np.ascontiguousarray(index)),
        update,
        axis=axis,
        reduction="update",
    )


MOST_COLUMNS = 1 << 20
"""Of the result of a TfIdfVectorizer, each of which is computed by operators of its own."""


@converts("TfIdfVectorizer")
def _tf_idf(node: NodeView, x: Expr) -> Expr:
    """Counts of n-grams: each position is compared with each gram of the pool."""
    pool, starts = node.attr("pool_int64s"), node.attr("ngram_counts")
    places, weights = node.attr("ngram_indexes"), node.attr("weights")
    if pool is None:
        raise OnnxError("the pool has strings, which are not supported")
    shape = node.static(x)
    shortest, longest, skips = (
        node.attr("min_gram_length"),
        node.attr("max_gram_length"),
        node.attr("max_skip_count"),
    )
    rows = node.call("reshape", node.cast(x, "int64"), newshape=(-1, shape[-1]))
    if max(places, default=-1) >= MOST_COLUMNS:
        raise Unsupported(f"ngram_indexes up to {max(places)}; {MOST_COLUMNS - 1} is the largest")
    width, count = max(places) + 1, int(np.prod(shape[:-1], dtype="int64"))
    columns: list[Expr] = [full(node, [count], node.constant(np.float32(0)))] * width
    gram = 0
    for length, (begin, end) in enumerate(zip(starts, [*starts[1:], len(pool)], strict=True), 1):
        for first in range(begin, end, length):
            if shortest <= length <= longest:
                found = _occurrences(node, rows, pool[first : first + length], skips if length > 1 else 0)
                if found is not None:
                    columns[places[gram]] = node.call("add", columns[places[gram]], found)
            gram += 1
    table = node.call("stack", columns, axis=1)
    kind = node.attr("mode")
    ones = [1.0] * gram
    scale = np.zeros(width, "float32")
    for number, place in enumerate(places):
        scale[place] = (weights or ones)[number]
    if kind != "TF":
        table = node.call("minimum", table, node.like(1, table))
    if kind != "TF" and kind != "IDF" and kind != "TFIDF":
        raise OnnxError(f"mode is {kind!r}; TF, IDF and TFIDF exist")
    if kind in ("IDF", "TFIDF"):
        counted = table if kind == "IDF" else node.call("stack", columns, axis=1)
        table = node.call("multiply", counted, node.constant(scale))
    return node.call("reshape", table, newshape=(*shape[:-1], width))


def _occurrences(node: NodeView, rows: Expr, gram: list[int], skips: int) -> Expr | None:
    """How often a gram is in each row, its elements up to ``skips + 1`` apart."""
    total: Expr | None = None
    extent = shape_of(rows)[1]
    for step in range(1, skips + 2):
        reach = extent - (len(gram) - 1) * step
        if reach < 1:
            break
        match: Expr | None = None
        for number, word in enumerate(gram):
            begin = number * step
            part = node.call(
                "strided_slice", rows, begin=(begin,), end=(begin + reach,), strides=(1,), axes=(1,)
            )
            same = node.call("equal", part, node.constant(np.int64(word)))
            match = same if match is None else node.call("logical_and", match, same)
        assert match is not None
        here = node.call("sum", node.cast(match, "float32"), axis=(1,), keepdims=False)
        total = here if total is None else node.call("add", total, here)
    return total
