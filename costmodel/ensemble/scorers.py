"""The programs that score rows: by blocks of rows, by rows that walk down together, and by trees.

Three ways to find the leaves, none of which branches on data:

- `by_blocks` computes the leaf of every subtree for a block of rows, children before parents: for each split
  a comparison of codes, and a choice between the leaves of two subtrees. A vector holds as many rows as a
  register has bytes.
- `by_rows` lets the rows of a block walk down a tree together: a gather for each level. It is for trees of
  many leaves, of which a row visits few.
- `by_trees` lets one row walk down many trees together. It is for few rows.

All of them replace values by codes first, and add the values of leaves to the margins in the order of the
trees, in float64: the sums are those of `boost.Booster.predict`, bit for bit. An infinite value makes the
margins of its row NaN.

References
----------
C. Lucchese, F. Nardini, S. Orlando, R. Perego, N. Tonellotto and R. Venturini, "QuickScorer: a fast algorithm
to rank documents with additive ensembles of regression trees", SIGIR 2015: evaluates all splits of a tree
too, with the reachable leaves as a mask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.backend.target import Target
from compiler.ir.dtype import bits_of
from compiler.ir.expr import Buffer, Cast, Expr, Select, const, maximum, minimum
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Allocate, Seq, Stmt, Store
from costmodel.ensemble.encode import Lanes, code_of_number, code_of_set
from costmodel.ensemble.layout import Layout
from costmodel.ensemble.statements import let, loop, read, vector, vectors
from costmodel.ensemble.tables import Packed, Tables, pack_nodes

# Rows or trees that walk down together, whose loads overlap; loops over them are plain, so that LLVM chooses
# gathers where the target's are fast, and single loads elsewhere.
WALKERS = 64
# Instructions for a vector: to choose the leaf of a subtree, and to add values of leaves.
CHOICE, ADDITION = 4, 6
# Instructions for each element of a gather.
GATHER = 1.0


@dataclass(frozen=True)
class Program:
    """A function before all passes, and its arguments between rows and margins."""

    function: PrimFunc
    arrays: tuple[NDArray, ...]


def programs(layout: Layout, target: Target) -> tuple[Program, Program, int]:
    """Return the programs for few rows and for many, and the number of rows from which on there are many.

    What is estimated are the instructions of a row, from the shape of the trees and the lanes of the target.
    """
    lanes = target.lanes("int32")
    count, columns = len(layout.trees), layout.columns
    splits, levels = layout.trees[:, 1].sum(), layout.trees[:, 3].sum()
    packed = pack_nodes(layout)
    level = (packed.words.shape[1] + 1) * GATHER + 6 / lanes
    encoding = columns * (GATHER + 6 / lanes) * max([1, *layout.ranges[:, 2].tolist()])
    adding = count * (GATHER + ADDITION / target.lanes("float64"))
    of_block = encoding + adding + splits * CHOICE / target.lanes(layout.code)
    of_walk = encoding + adding + levels * level
    few = by_trees(layout, target, packed)
    if of_block <= of_walk:
        many, size = by_blocks(layout, target), block_rows(layout, target)
    else:
        many, size = by_rows(layout, target, packed), walking_rows(layout, target)
    return few, many, max(2, int(size * min(of_block, of_walk) / of_walk))


def by_blocks(layout: Layout, target: Target) -> Program:
    """Return the program that computes the leaf of every subtree for a block of rows."""
    tables = Tables(layout, {"splits": layout.split_table}, layout.values)
    size, lanes = block_rows(layout, target), target.lanes(layout.code)
    codes = Buffer("codes", (max(1, layout.columns), size), layout.code)
    slots = Buffer("slots", (layout.leaves + layout.splits, size), layout.code)
    sums = Buffer("sums", (layout.outputs, size), "float64")

    def choose(slot: Expr, column: Expr, code: Expr, left: Expr, right: Expr) -> Stmt:
        def of_lane(i: Expr) -> Stmt:
            above = read(codes, column, i) > code
            return Store(slots, (slot, i), Select(above, read(slots, right, i), read(slots, left, i)))

        return vectors(size, lanes, of_lane)

    def split(t: Expr, q: Expr) -> Stmt:
        column, code, left, right = (tables("splits", tables("trees", t, 0) + q, k) for k in range(4))
        slot = q + const(layout.leaves)
        return let((slot, column, _cast(code, layout.code), left, right), choose)

    def add(root: Expr, first: Expr, output: Expr) -> Stmt:
        def place(i: Expr) -> Expr:
            return first + _cast(read(slots, root, i), "int32") * const(layout.width)

        return _add_leaves(tables, sums, target, output, place)

    def tree(t: Expr) -> Stmt:
        count = tables("trees", t, 1)
        root = Select(count > const(0), count + const(layout.leaves - 1), const(0))
        output = tables("trees", t, 4)
        return Seq((loop(count, lambda q: split(t, q)), let((root, tables("trees", t, 5), output), add)))

    def identity(leaf: Expr) -> Stmt:
        return vectors(size, lanes, lambda i: Store(slots, (leaf, i), _cast(leaf, layout.code)))

    trees = Seq((loop(layout.leaves, identity), loop(len(layout.trees), tree)))
    return _of_blocks("score_blocks", tables, target, codes, sums, Allocate(slots, trees))


def by_rows(layout: Layout, target: Target, packed: Packed) -> Program:
    """Return the program that lets the rows of a block walk down each tree together."""
    tables = Tables(layout, {"words": packed.words, "leaf": layout.nodes[:, 3]}, layout.values)
    size, lanes = walking_rows(layout, target), WALKERS
    codes = Buffer("codes", (max(1, layout.columns), size), "int32")
    sums = Buffer("sums", (layout.outputs, size), "float64")
    found = Buffer("found", (size,), "int32")

    def walk(t: Expr, part: Expr) -> Stmt:
        node = Buffer("node", (lanes,), "int32", "local")
        first = part * const(lanes)
        begin = loop(lanes, lambda i: Store(node, (i,), tables("trees", t, 2)))
        end = loop(lanes, lambda i: Store(found, (first + i,), tables("leaf", read(node, i))))
        down = _walk(
            tables, packed, node, tables("trees", t, 3), lambda column, i: read(codes, column, first + i)
        )
        return Allocate(node, Seq((begin, down, end)))

    def tree(t: Expr) -> Stmt:
        add = _add_leaves(tables, sums, target, tables("trees", t, 4), lambda i: read(found, i))
        return Seq((loop(size // lanes, lambda part: walk(t, part)), add))

    trees = Allocate(found, loop(len(layout.trees), tree))
    return _of_blocks("score_walking", tables, target, codes, sums, trees)


def by_trees(layout: Layout, target: Target, packed: Packed) -> Program:
    """Return the program that lets one row walk down many trees together, those of like depth."""
    lanes, count = target.lanes("int32"), len(layout.trees)
    group = WALKERS
    order = np.argsort(layout.trees[:, 3], kind="stable")
    if not count or _steps(layout.trees[order, 3], group) > 0.9 * _steps(layout.trees[:, 3], group):
        order = np.arange(count)  # the trees are as good as sorted, and each group can be added at once
    sorted_ = bool((np.diff(order) != 1).any())
    padded = np.pad(order, (0, -count % group), mode="edge") if count else order
    roots, leaf, single = layout.trees[padded, 2], layout.nodes[:, 3], layout.width == 1
    integers = {
        "words": packed.words,
        "depths": layout.trees[padded, 3].reshape(-1, group).max(axis=1),
        "roots": roots,
        "first": packed.words[roots].T.ravel(),  # a load in place of two gathers
        "place": np.argsort(order).astype(np.int32),
    }
    integers |= {} if single else {"leaf": leaf}
    # By node, for leaves of one value: a gather less.
    tables = Tables(layout, integers, np.append(layout.values, 0.0)[leaf] if single else layout.values)
    codes = Buffer("codes", (layout.columns + 2 * lanes,), "int32")
    sums = Buffer("sums", (layout.outputs,), "float64", "local" if layout.outputs == 1 else "global")
    infinite = Buffer("infinite", (lanes,), "int32", "local")
    ends = Buffer("ends", (max(group, len(padded) if sorted_ else 0),), "float64" if single else "int32")

    def encode(row: Expr, first: int, number: int, code_of: Callable[[Tables, Lanes], Stmt]) -> Stmt:
        def part(g: Expr) -> Stmt:
            of = Lanes(
                lanes,
                lambda i: minimum(g * const(lanes) + i, const(number - 1)),
                lambda i, feature: read(tables.x, row, feature),
                lambda i, code: Store(codes, (g * const(lanes) + i + const(first),), code),
                lambda i: (infinite, i),
            )
            return code_of(tables, of)

        return loop(-(-number // lanes), part)

    def add(t: Expr, at: Expr) -> Stmt:
        if single:
            output = tables("trees", t, 4) if layout.outputs > 1 else const(0)
            return let((output,), lambda k: Store(sums, (k,), read(sums, k) + read(ends, at)))
        return let(
            (read(ends, at),),
            lambda first: loop(
                layout.width, lambda k: Store(sums, (k,), read(sums, k) + read(tables.values, first + k))
            ),
        )

    def trees(g: Expr) -> Stmt:
        node = Buffer("node", (group,), "int32", "local")
        first = g * const(group)

        def begin(i: Expr) -> Stmt:
            def word(number: int) -> Expr:
                return tables("first", const(number * len(padded)) + first + i)

            return Store(
                node, (i,), _next(packed, tables("roots", first + i), word, lambda c: read(codes, c))
            )

        def end(i: Expr) -> Stmt:
            found = read(tables.values, read(node, i)) if single else tables("leaf", read(node, i))
            return Store(ends, (first + i if sorted_ else i,), found)

        more = maximum(tables("depths", g) - const(1), const(0))
        down = _walk(tables, packed, node, more, lambda column, i: read(codes, column))
        walk = Allocate(node, Seq((loop(group, begin), down, loop(group, end))))
        if sorted_:
            return walk
        return Seq((walk, loop(minimum(const(count) - first, const(group)), lambda i: add(first + i, i))))

    def row(r: Expr) -> Stmt:
        total: Expr = read(infinite, 0)
        for i in range(1, lanes):
            total = total + read(infinite, i)
        parts: list[Stmt] = [vector(lanes, lambda i: Store(infinite, (i,), const(0)))]
        if len(layout.ranges):
            parts.append(encode(r, 0, len(layout.ranges), code_of_number))
        if len(layout.sets):  # after numbers, whose last vector may reach into the columns of sets
            parts.append(encode(r, len(layout.ranges), len(layout.sets), code_of_set))
        parts.append(
            loop(layout.outputs, lambda k: Store(sums, (k,), _start(read(tables.margin, r, k), total)))
        )
        parts.append(loop(len(padded) // group, trees))
        if sorted_:
            parts.append(loop(count, lambda t: add(t, tables("place", t))))
        parts.append(loop(layout.outputs, lambda k: Store(tables.margin, (r, k), read(sums, k))))
        return Seq(tuple(parts))

    body: Stmt = loop(tables.rows, row)
    for buffer in (codes, sums, infinite, ends):
        body = Allocate(buffer, body)
    return Program(PrimFunc("score_rows", tables.params, body), tables.arrays)


def block_rows(layout: Layout, target: Target) -> int:
    """Return the rows of a block: vectors whose slots and codes fit the nearest cache."""
    lanes, size = target.lanes(layout.code), bits_of(layout.code) // 8
    return _rows(target, lanes, (layout.leaves + layout.splits + layout.columns) * size)


def walking_rows(layout: Layout, target: Target) -> int:
    """Return the rows of a block that walks: vectors whose codes fit the nearest cache."""
    return _rows(target, WALKERS, 4 * layout.columns + 4)


def _rows(target: Target, lanes: int, bytes_of_row: int) -> int:
    """Return a power of two times the lanes: at most so many vectors of bytes as are worth unrolling."""
    nearest = target.hardware.caches[0]
    fits = min(nearest // (lanes * bytes_of_row), target.hardware.vector_registers // 2, 256 // lanes)
    return lanes << (max(1, fits).bit_length() - 1)


def _of_blocks(
    name: str, tables: Tables, target: Target, codes: Buffer, sums: Buffer, trees: Stmt
) -> Program:
    """Return the program that encodes each block of rows, runs `trees`, and writes the margins."""
    layout, lanes, size = tables.layout, target.lanes("float32"), sums.size // tables.layout.outputs
    infinite = Buffer("infinite", (size,), "int32")

    def block(b: Expr) -> Stmt:
        begin = b * const(size)

        def row(i: Expr) -> Expr:
            return minimum(begin + i, tables.rows - const(1))

        def encode(c: Expr, first: int, code_of: Callable[[Tables, Lanes], Stmt]) -> Stmt:
            def part(o: Expr) -> Stmt:
                at = o * const(lanes)
                of = Lanes(
                    lanes,
                    lambda i: c,
                    lambda i, feature: read(tables.x, row(at + i), feature),
                    lambda i, code: Store(codes, (c + const(first), at + i), _cast(code, codes.dtype)),
                    lambda i: (infinite, at + i),
                    c,
                )
                return code_of(tables, of)

            return loop(size // lanes, part)

        numbers, sets = len(layout.ranges), len(layout.sets)
        parts: list[Stmt] = [vectors(size, lanes, lambda i: Store(infinite, (i,), const(0)))]
        if numbers:
            parts.append(loop(numbers, lambda c: encode(c, 0, code_of_number)))
        if sets:
            parts.append(loop(sets, lambda c: encode(c, numbers, code_of_set)))
        parts += [
            loop(
                size,
                lambda i: loop(
                    layout.outputs,
                    lambda k: Store(sums, (k, i), _start(read(tables.margin, row(i), k), read(infinite, i))),
                ),
            ),
            trees,
            loop(
                minimum(tables.rows - begin, const(size)),
                lambda i: loop(
                    layout.outputs, lambda k: Store(tables.margin, (begin + i, k), read(sums, k, i))
                ),
            ),
        ]
        body: Stmt = Seq(tuple(parts))
        for buffer in (codes, sums, infinite):
            body = Allocate(buffer, body)
        return body

    blocks = (tables.rows + const(size - 1)) // const(size)
    body = loop(blocks, block, "parallel")
    return Program(PrimFunc(name, tables.params, body), tables.arrays)


def _walk(
    tables: Tables, packed: Packed, node: Buffer, depth: Expr, code: Callable[[Expr, Expr], Expr]
) -> Stmt:
    """Return the statement that moves the nodes of some lanes down `depth` levels."""

    def step(i: Expr) -> Stmt:
        def word(number: int) -> Expr:
            return tables("words", read(node, i), number)

        return Store(node, (i,), _next(packed, read(node, i), word, lambda column: code(column, i)))

    return loop(depth, lambda level: loop(node.size, step))


def _next(packed: Packed, node: Expr, word: Callable[[int], Expr], code: Callable[[Expr], Expr]) -> Expr:
    """Return the child of a node that a row goes to; a leaf itself."""
    right = code(packed.field("column", word)) > packed.field("code", word)
    return node + packed.field("step", word) + Select(right, const(1), const(0))


def _steps(depths: NDArray[np.int32], group: int) -> int:
    """Return the sum of the depths that groups of trees walk down."""
    return sum(int(depths[t : t + group].max()) for t in range(0, len(depths), group))


def _add_leaves(
    tables: Tables, sums: Buffer, target: Target, output: Expr, place: Callable[[Expr], Expr]
) -> Stmt:
    """Return the statement that adds the values of the leaves at `place` to the margins of a block."""
    layout, lanes = tables.layout, target.lanes("float64")

    def add(output: Expr, k: Expr) -> Stmt:
        def of_lane(i: Expr) -> Stmt:
            return Store(sums, (output, i), read(sums, output, i) + read(tables.values, place(i) + k))

        return vectors(sums.size // layout.outputs, lanes, of_lane)

    if layout.width > 1:
        return loop(layout.width, lambda k: add(k, k))
    return let((output if layout.outputs > 1 else const(0),), lambda k: add(k, const(0)))


def _start(margin: Expr, infinite: Expr) -> Expr:
    """Return the margin before the first tree; NaN for a row that holds an infinity."""
    return margin + Select(infinite > const(0), const(float("nan"), "float64"), const(0.0, "float64"))


def _cast(value: Expr, dtype: str) -> Expr:
    return value if value.dtype == dtype else Cast(value, dtype)
