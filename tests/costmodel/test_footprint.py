from __future__ import annotations

import numpy as np
import pytest

from compiler.ir.expr import Binary, Buffer, Const, Load, Var, binary, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Allocate, For, If, Seq, Store
from costmodel.footprint import measure_footprint


def matmul(n: int = 128, kinds=("serial", "serial", "serial")) -> PrimFunc:
    A, B, C = (Buffer(name, (n, n)) for name in "ABC")
    y, x, k = Var("y"), Var("x"), Var("k")
    product = binary("*", Load(A, (y, k)), Load(B, (k, x)))
    update = Store(C, (y, x), binary("+", Load(C, (y, x)), product))
    init = Store(C, (y, x), const(0.0))
    inner = Seq((init, For(k, const(n), kinds[2], update)))
    return PrimFunc("main", (A, B, C), For(y, const(n), kinds[0], For(x, const(n), kinds[1], inner)))


def the_update(function):
    return max(measure_footprint(function).stores, key=lambda s: s.flops)


def test_matmul_128_by_hand():
    """The counts that AutoTVM's published test gives for a 128 matmul, loops y, x, k."""
    store = the_update(matmul())
    C, A, B = store.accesses
    assert [a.buffer.name for a in (A, B, C)] == ["A", "B", "C"]
    assert (A.strides, B.strides, C.strides) == ((128, 0, 1), (0, 1, 128), (128, 1, 0))
    # elements touched by the loops from y, x, k inward, and by one iteration
    assert A.touched == (16384, 128, 128, 1)
    assert B.touched == (16384, 16384, 128, 1)
    assert C.touched == (16384, 128, 1, 1)
    assert store.iterations == 128**3
    assert store.outside == (1, 128, 128**2, 128**3)
    assert store.flops == 2 * 128**3
    assert (store.operations.add, store.operations.mul) == (1, 1)


def test_matmul_128_lines_by_hand():
    C, A, B = the_update(matmul()).accesses
    # a row of 128 float32 is 8 lines; a column is one line in each of 128 rows
    assert A.lines == (1024, 8, 8, 1)
    assert B.lines == (1024, 1024, 128, 1)
    assert C.lines == (1024, 8, 1, 1)


def test_reuse_and_reduction_of_matmul():
    store = the_update(matmul())
    C, A, B = store.accesses
    assert [A.is_reused(d) for d in range(3)] == [False, True, False]
    assert [B.is_reused(d) for d in range(3)] == [True, False, False]
    assert [store.is_reduction(d) for d in range(3)] == [False, False, True]
    assert C.writes and C.reads and A.reads and not A.writes
    # at level k: a row of A, a column of B, one element of C
    assert store.footprint(2) == 4 * (128 + 128 + 1)


def test_the_initial_store_reads_nothing():
    init = next(s for s in measure_footprint(matmul()).stores if not s.flops)
    assert len(init.accesses) == 1
    assert not init.accesses[0].reads
    assert init.depth == 2


def one_store(loops, indices, shape, *, value=None, buffer_scope="global"):
    """A store through the given (name, extent) loops."""
    variables = {name: Var(name) for name, _ in loops}
    out = Buffer("out", shape, scope=buffer_scope)
    body = Store(out, indices(variables), value or const(1.0))
    for name, extent in reversed(loops):
        body = For(variables[name], const(extent), "serial", body)
    return measure_footprint(PrimFunc("main", (out,), body)).stores[0].accesses[0]


def test_fused_loop_by_hand():
    # f // 8, f % 8 of a loop of 32: all of a 4 x 8 array, one after another
    access = one_store([("f", 32)], lambda v: (v["f"] // 8, v["f"] % 8), (4, 8))
    assert access.touched == (32, 1)
    assert access.strides == (1,)
    assert access.lines == (2, 1)


def test_split_loop_by_hand():
    access = one_store([("o", 4), ("i", 8)], lambda v: (v["o"] * 8 + v["i"],), (32,))
    assert access.touched == (32, 8, 1)
    assert access.strides == (8, 1)


def test_window_of_a_convolution_by_hand():
    # 7 pixels with stride 2 under a kernel of 3 touch (7 - 1) * 2 + 3 = 15 of a row
    access = one_store([("ow", 7), ("kw", 3)], lambda v: (v["ow"] * 2 + v["kw"],), (20,))
    assert access.touched == (15, 3, 1)
    assert access.strides == (2, 1)


def test_touched_never_exceeds_the_buffer():
    access = one_store([("i", 10), ("j", 10)], lambda v: (v["i"] * 9 + v["j"],), (50,))
    assert access.touched[0] == 50


def test_rows_that_are_not_whole_count_a_line_each():
    # 4 rows of 8 out of 16 columns: half a line each, not joined
    access = one_store([("i", 4), ("j", 8)], lambda v: (v["i"], v["j"]), (4, 16))
    assert access.lines == (4, 1, 1)
    # whole rows of 8 columns are joined: 32 elements are 2 lines
    access = one_store([("i", 4), ("j", 8)], lambda v: (v["i"], v["j"]), (4, 8))
    assert access.lines == (2, 1, 1)


@pytest.mark.parametrize("extent", [1, 5])
def test_loop_of_one_iteration_has_no_stride(extent):
    access = one_store([("i", extent)], lambda v: (v["i"] * 3,), (32,))
    assert access.strides == ((0,) if extent == 1 else (3,))


def test_a_buffer_allocated_in_a_loop_is_not_reused_by_it():
    i, j, k = Var("i"), Var("j"), Var("k")
    tile = Buffer("tile", (4,), scope="local")
    add = binary("+", Load(tile, (j,)), const(1.0))
    update = For(k, const(8), "serial", For(j, const(4), "serial", Store(tile, (j,), add)))
    body = For(i, const(16), "parallel", Allocate(tile, update))
    found = measure_footprint(PrimFunc("main", (), body))
    store = found.stores[0]
    assert store.accesses[0].allocation_depth == 1
    assert [store.is_reduction(d) for d in range(3)] == [False, True, False]
    assert [(a.buffer.name, a.times) for a in found.allocations] == [("tile", 16)]
    assert [(r.extent, r.entries) for r in found.regions] == [(16, 1)]


def test_parallel_region_inside_a_serial_loop_is_entered_often():
    i, j = Var("i"), Var("j")
    out = Buffer("out", (3, 5))
    body = For(i, const(3), "serial", For(j, const(5), "parallel", Store(out, (i, j), const(0.0))))
    found = measure_footprint(PrimFunc("main", (out,), body))
    assert [(r.extent, r.entries) for r in found.regions] == [(5, 3)]


def test_guards_are_counted():
    i = Var("i")
    out = Buffer("out", (5,))
    body = For(i, const(5), "serial", If(Binary("<", i, Const(3), "bool"), Store(out, (i,), const(0.0))))
    assert measure_footprint(PrimFunc("main", (out,), body)).stores[0].guards == 1


def by_enumeration(access, extents, indices, shape, itemsize=4):
    """Elements, lines and strides of an access by the values that its indices take in all iterations.

    At level d the loops outside of it have their first iteration. In each dimension the elements from the
    smallest to the largest index count as touched.
    """
    touched, lines = [], []
    for level in range(len(extents) + 1):
        ranges = [range(1 if d < level else n) for d, n in enumerate(extents)]
        points = np.array(np.meshgrid(*ranges, indexing="ij")).reshape(len(extents), -1)
        values = [np.broadcast_to(index(points), points.shape[1]) for index in indices]
        spans = [min(int(np.ptp(v)) + 1, n) for v, n in zip(values, shape, strict=True)]
        whole, contiguous = True, 1
        for span, n in zip(reversed(spans), reversed(shape), strict=True):
            contiguous *= span if whole else 1
            whole = whole and span == n
        touched.append(int(np.prod(spans)))
        lines.append(touched[-1] // contiguous * -(-contiguous * itemsize // 64))
    pitches = [int(np.prod(shape[d + 1 :])) for d in range(len(shape))]
    origin = np.zeros((len(extents), 1), dtype=int)
    strides = []
    for d, n in enumerate(extents):
        step = origin.copy()
        step[d] = 1
        moved = [
            int(index(step)[0] - index(origin)[0]) * p for index, p in zip(indices, pitches, strict=True)
        ]
        strides.append(sum(moved) if n > 1 else 0)
    return tuple(touched), tuple(lines), tuple(strides)


@pytest.mark.parametrize("seed", range(60))
def test_random_accesses_are_those_of_an_enumeration(seed):
    """Sums of multiples of loops; divisions and remainders of a loop that is split by them."""
    rng = np.random.default_rng(seed)
    extents = [int(n) for n in rng.integers(1, 7, rng.integers(1, 5))]
    names = [f"v{d}" for d in range(len(extents))]
    coefficients = rng.integers(0, 4, (int(rng.integers(1, 4)), len(extents)))
    # one loop of one dimension is split: v // f and v % f, whose widths are exact where f divides the extent
    divisor = int(rng.integers(1, 4))
    extents[0] *= divisor
    terms = [[(int(c), d) for d, c in enumerate(row) if c and d] for row in coefficients]
    operator = ("//", "%")[int(rng.integers(2))]

    def expressions(v):
        made = []
        for number, row in enumerate(terms):
            total = const(0)
            for c, d in row:
                total = binary("+", total, binary("*", v[names[d]], c))
            if number == 0:
                total = binary("+", total, binary(operator, v["v0"], divisor))
            made.append(total)
        return tuple(made)

    def values(number, points):
        total = sum((c * points[d] for c, d in terms[number]), start=np.zeros(points.shape[1], dtype=int))
        if number == 0:
            total = total + (points[0] // divisor if operator == "//" else points[0] % divisor)
        return total

    indices = [lambda points, number=number: values(number, points) for number in range(len(terms))]
    shape = tuple(int(n) for n in rng.integers(1, 40, len(terms)))
    access = one_store(list(zip(names, extents, strict=True)), expressions, shape)
    touched, lines, strides = by_enumeration(access, extents, indices, shape)
    assert (access.touched, access.lines, access.strides) == (touched, lines, strides)
