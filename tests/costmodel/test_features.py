from __future__ import annotations

from math import log2

import numpy as np
import pytest

from compiler.ir.expr import Buffer, Load, Var, binary, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For, Seq, Store
from costmodel.features import CAPACITIES, extract, feature_names, traffic
from costmodel.footprint import measure_footprint


def matmul(n: int = 128, kinds=("serial", "serial", "serial")) -> PrimFunc:
    A, B, C = (Buffer(name, (n, n)) for name in "ABC")
    y, x, k = Var("y"), Var("x"), Var("k")
    product = binary("*", Load(A, (y, k)), Load(B, (k, x)))
    update = Store(C, (y, x), binary("+", Load(C, (y, x)), product))
    inner = Seq((Store(C, (y, x), const(0.0)), For(k, const(n), kinds[2], update)))
    return PrimFunc("main", (A, B, C), For(y, const(n), kinds[0], For(x, const(n), kinds[1], inner)))


def by_name(function) -> dict[str, float]:
    return dict(zip(feature_names(), extract(function).tolist(), strict=True))


def test_vector_has_a_fixed_length_whatever_the_loops():
    i = Var("i")
    out = Buffer("out", (8,))
    programs = [
        matmul(),
        PrimFunc("main", (out,), For(i, const(8), "vectorize", Store(out, (i,), const(1.0)))),
        PrimFunc("main", (out,), Store(out, (const(0),), const(1.0))),
        PrimFunc("main", (), Seq(())),
    ]
    for program in programs:
        vector = extract(program)
        assert vector.shape == (len(feature_names()),)
        assert vector.dtype == np.float32
        assert np.isfinite(vector).all()


def test_names_are_unique_and_fixed():
    assert len(set(feature_names())) == len(feature_names())
    assert feature_names() is feature_names()


def test_matmul_128_by_hand():
    f = by_name(matmul())
    work = 128**3
    assert f["main.add.total"] == pytest.approx(log2(1 + work))
    assert f["main.mul.total"] == pytest.approx(log2(1 + work))
    assert f["main.loops"] == 3
    # buffer 0 is C; A and B are as large, so A, which is read first, is buffer 1
    assert f["main.buffer0.stride"] == 0
    assert f["main.buffer1.stride"] == pytest.approx(log2(1 + 1))
    assert f["main.buffer2.stride"] == pytest.approx(log2(1 + 128))
    assert f["main.buffer1.unique_bytes"] == pytest.approx(log2(1 + 128 * 128 * 4))
    assert f["main.buffer1.bytes"] == pytest.approx(log2(1 + work * 4))
    # C is reused after each k; A when x advances, a row of k later; B when y advances
    assert f["main.buffer0.reuse_count"] == pytest.approx(log2(1 + 128))
    assert f["main.buffer0.reuse_distance"] == pytest.approx(log2(1 + 1))
    assert f["main.buffer1.reuse_distance"] == pytest.approx(log2(1 + 128))
    assert f["main.buffer2.reuse_distance"] == pytest.approx(log2(1 + 128**2))
    assert f["main.reduction.product"] == pytest.approx(log2(1 + 128))
    # the zero-filling store is the rest
    assert f["rest.stores"] == pytest.approx(log2(1 + 1))
    assert f["rest.iterations"] == pytest.approx(log2(1 + 128**2))


def test_annotations_are_features():
    plain = by_name(matmul())
    annotated = by_name(matmul(kinds=("parallel", "vectorize", "unroll")))
    assert (
        plain["main.parallel.product"] == plain["main.vectorize.product"] == pytest.approx(1.0)
    )  # log2(1 + 1)
    assert annotated["main.parallel.product"] == pytest.approx(log2(129))
    assert annotated["main.vectorize.position"] == 2
    assert annotated["main.unroll.reduction_product"] == pytest.approx(log2(129))
    # x and k are straight-line code: all but y
    assert annotated["main.body.iterations"] == pytest.approx(log2(1 + 128**2))
    assert annotated["program.parallel_regions"] == pytest.approx(log2(2))
    assert annotated["main.buffer2.vector_stride"] == pytest.approx(log2(2))


def test_traffic_of_matmul_128_by_hand():
    store = max(measure_footprint(matmul()).stores, key=lambda s: s.flops)
    flow = dict(zip(CAPACITIES, traffic(store), strict=True))
    line = 64
    # footprints by level: 3 * 64 KiB; 64.5 + 0.5 KiB + .. (B and two rows); 1028 bytes; 12 bytes
    # 2 KiB holds one k loop: the loop x around it fetches 8 + 1024 + 8 lines for each y
    assert flow[2**11] == 128 * line * (8 + 1024 + 8)
    # 128 KiB holds B and a row each: the loop y around it fetches every array once
    assert flow[2**17] == line * 3 * 1024
    # everything fits
    assert flow[2**19] == line * 3 * 1024


def test_arithmetic_intensity_ends_at_the_whole_program():
    f = by_name(matmul())
    whole = 2 * 128**3 / (3 * 128 * 128 * 4)
    assert f["main.intensity.9"] == pytest.approx(log2(1 + whole), rel=1e-5)


def test_names_of_loops_and_buffers_do_not_matter():
    assert np.array_equal(extract(matmul()), extract(matmul()))


def test_larger_problem_differs():
    small, large = by_name(matmul(64)), by_name(matmul(128))
    assert large["main.iterations"] == pytest.approx(small["main.iterations"] + 3, abs=1e-4)
