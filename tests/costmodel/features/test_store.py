from __future__ import annotations

from math import log2

import numpy as np
import pytest

from compiler.backend import Hardware
from compiler.ir.expr import Buffer, Load, Var, binary, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For, Seq, Store
from compiler.ir.text import parse_function
from costmodel.features import StoreFeatures, extract, feature_names
from costmodel.features.store import CAPACITIES, traffic
from costmodel.footprint import measure_footprint


def matmul(n: int = 128, kinds=("serial", "serial", "serial")) -> PrimFunc:
    A, B, C = (Buffer(name, (n, n)) for name in "ABC")
    y, x, k = Var("y"), Var("x"), Var("k")
    product = binary("*", Load(A, (y, k)), Load(B, (k, x)))
    update = Store(C, (y, x), binary("+", Load(C, (y, x)), product))
    inner = Seq((Store(C, (y, x), const(0.0)), For(k, const(n), kinds[2], update)))
    return PrimFunc("main", (A, B, C), For(y, const(n), kinds[0], For(x, const(n), kinds[1], inner)))


AVX2 = Hardware(vector_bits=256, vector_registers=16, caches=(2**15, 2**18, 2**23), threads=4)
AVX512 = Hardware(vector_bits=512, vector_registers=32, caches=(3 * 2**14, 2**21, 2**25), threads=4)


def by_name(function, hardware: Hardware | None = None) -> dict[str, float]:
    return dict(zip(feature_names(), extract(function, hardware).tolist(), strict=True))


def log(value: float):
    return pytest.approx(log2(1 + value), rel=1e-5)


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
    assert f["main.loops"] == log(3)
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
    assert annotated["main.vectorize.position"] == log(2)
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


def tile(rows: int, columns: int, k: int = 64) -> PrimFunc:
    """A register tile of a matrix product: unrolled rows, a vectorized row of columns, inside of the sum."""
    A, B, C = Buffer("A", (rows, k)), Buffer("B", (k, columns)), Buffer("C", (rows, columns), scope="local")
    p, i, j = Var("p"), Var("i"), Var("j")
    product = binary("*", Load(A, (i, p)), Load(B, (p, j)))
    update = Store(C, (i, j), binary("+", Load(C, (i, j)), product))
    vector = For(j, const(columns), "vectorize", update)
    return PrimFunc("main", (A, B, C), For(p, const(k), "serial", For(i, const(rows), "unroll", vector)))


@pytest.mark.parametrize(("hardware", "accumulators"), [(AVX2, 12), (AVX512, 6)])
def test_registers_of_a_tile_by_hand(hardware, accumulators):
    # 6 rows of 16 floats: 2 vectors of 8 each, or one of 16; a row of B, and 6 elements of A
    f = by_name(tile(6, 16), hardware)
    vectors = accumulators // 6
    assert f["main.register.accumulators"] == log(accumulators)
    assert f["main.register.accumulators_share"] == log(accumulators / hardware.vector_registers)
    assert f["main.register.operands"] == log(vectors)
    assert f["main.register.broadcasts"] == log(6)
    assert f["main.register.pressure"] == log((accumulators + vectors + 1) / hardware.vector_registers)
    assert f["main.register.loads_per_operation"] == log((vectors + 6) / accumulators)
    assert f["main.vector.fill"] == log(vectors)
    assert f["main.vector.idle"] == 0
    assert f["main.work.instructions"] == log(64 * 6 * 16 * 2 / (hardware.vector_bits // 32))


def test_a_vector_that_does_not_fill_its_registers():
    # 12 floats are 1.5 vectors of 8: a quarter of two registers is idle, a third of what is used
    assert by_name(tile(2, 12), AVX2)["main.vector.idle"] == log(1 / 3)


def test_caches_of_the_target_by_hand():
    f = by_name(matmul(), AVX2)
    # all three matrices are 192 KiB; the innermost sum has a row of A, a column of B, an element of C
    assert f["main.cache1.whole"] == log(6)
    assert f["main.cache2.whole"] == log(0.75)
    assert f["main.cache1.sum"] == log(1028 / 2**15)
    # the second level fetches each matrix once
    assert f["main.traffic.cache2"] == log(3 * 2**16)
    assert f["main.cache2.flops_per_byte"] == log(2 * 128**3 / (3 * 2**16))
    assert f["target.cache1"] == log(2**15) and f["target.threads"] == log(4)


def test_only_the_target_differs():
    here, there = StoreFeatures(AVX2), StoreFeatures(AVX512)
    assert here.names == there.names and here.version == there.version
    a, b = by_name(matmul(), AVX2), by_name(matmul(), AVX512)
    different = {name for name in a if a[name] != b[name]}
    assert "target.vector_bits" in different and "main.register.accumulators_share" in different
    groups = (
        "target.",
        "main.register.",
        "main.vector.",
        "main.cache",
        "main.body.in",
        "main.work.",
        "ratio.",
    )
    assert all(name.startswith(groups) or ".traffic.cache" in name for name in different)


def test_idle_threads_of_a_parallel_loop():
    # 6 chunks on 4 threads take two rounds: 2 of 8 places are idle
    i, out = Var("i"), Buffer("out", (6,))
    f = by_name(PrimFunc("main", (out,), For(i, const(6), "parallel", Store(out, (i,), const(1.0)))), AVX2)
    assert f["program.idle_threads"] == log(8 / 6 - 1)
    assert f["program.chunks_per_thread"] == log(6 / 4)


def test_names_of_loops_and_buffers_do_not_matter():
    renamed = parse_function(str(matmul()).replace("A", "Left").replace("y", "row"))
    assert np.array_equal(extract(matmul()), extract(renamed))


def test_larger_problem_differs():
    small, large = by_name(matmul(64)), by_name(matmul(128))
    assert large["main.iterations"] == pytest.approx(small["main.iterations"] + 3, abs=1e-4)
