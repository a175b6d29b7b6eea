"""Candidates that are refused by their loop nests, before they are compiled."""

from __future__ import annotations

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.backend import Hardware
from compiler.passes.code_size import LANE_LIMIT, OPERATION_LIMIT, STORE_LIMIT, code_size
from costmodel.footprint import measure_footprint
from costmodel.refuse import refusal

AVX2 = Hardware(vector_bits=256, vector_registers=16)
AVX512 = Hardware(vector_bits=512, vector_registers=32)


def product(rows: int, columns: int, *, scope: str = "local", unroll: bool = True, k: int = 64):
    """A tile of sums in the loop over k, in local memory or in that of the result."""
    A, B = te.placeholder((96, k), "A"), te.placeholder((k, 96 * columns), "B")
    at = te.reduce_axis((0, k), "k")
    C = te.compute((96, 96 * columns), lambda i, j: te.sum(A[i, at] * B[at, j], axis=at), "C")
    s = te.create_schedule(C.op)
    tile = s.cache_write(C, "local") if scope == "local" else C
    io, jo, ii, ji = s[C].tile(*C.op.axis, rows, columns)
    if scope == "local":
        s[tile].compute_at(s[C], jo)
        ii, ji = tile.op.axis
    s[tile].reorder(tile.op.reduce_axis[0], ii, ji)
    if unroll:
        s[tile].unroll(ii)
    s[tile].vectorize(ji)
    return s, [A, B, C]


def why(program, hardware: Hardware) -> str | None:
    nest = compiler.loop_nest(*program)
    return refusal(nest, measure_footprint(nest), hardware)


@pytest.mark.parametrize("scope", ["local", "global"])
def test_a_tile_with_more_sums_than_registers_is_refused(scope):
    assert why(product(6, 16, scope=scope), AVX2) is None  # 12 sums, as 6 rows of 2 vectors
    reason = why(product(6, 24, scope=scope), AVX2)
    assert (
        reason is not None
        and "need 18 vector registers in the loop over 'k', and the target has 16" in reason
    )
    assert why(product(6, 24, scope=scope), AVX512) is None  # 6 rows of 1.5 vectors, which are two


def test_a_tile_that_leaves_no_register_for_an_operand_is_refused():
    assert why(product(4, 32), AVX2) is not None  # 16 sums in 16 registers
    assert why(product(5, 24), AVX2) is None  # 15


def test_sums_in_memory_are_not_meant_for_registers():
    assert why(product(4, 96, scope="global", unroll=False), AVX2) is None
    assert why(product(1, 192, scope="global", unroll=False), AVX2) is None
    reason = why(product(1, 192, unroll=False), AVX2)
    assert reason is not None and "need 24 vector registers" in reason


def test_a_target_without_vector_registers_refuses_no_tile():
    assert why(product(12, 96), Hardware()) is None


def stages(count: int, size: int):
    """Stages of an unrolled loop each: few iterations, and together much code."""
    A = te.placeholder((size,), "A")
    made = [A]
    for n in range(count):
        before = made[-1]
        made.append(te.compute((size,), lambda i, before=before: before[i] * 2.0 + 1.0, f"T{n}"))
    s = te.create_schedule(made[-1].op)
    for tensor in made[1:]:
        s[tensor].unroll(tensor.op.axis[0])
    return s, [A, made[-1]]


def test_many_small_unrolled_loops_are_refused():
    assert why(stages(30, 16), AVX2) is None
    reason = why(stages(30, 128), AVX2)
    assert reason is not None
    assert f"unrolled loops make {30 * 128} stores, more than {STORE_LIMIT}" in reason
    assert "'i' (unroll, 128)" in reason


def test_a_vector_of_too_many_lanes_is_refused():
    A = te.placeholder((2 * LANE_LIMIT,), "A")
    B = te.compute(A.shape, lambda i: A[i] + 1.0, "B")
    s = te.create_schedule(B.op)
    s[B].vectorize(B.op.axis[0])
    reason = why((s, [A, B]), AVX2)
    assert reason is not None and f"has {2 * LANE_LIMIT} iterations, more than {LANE_LIMIT} lanes" in reason
    with pytest.warns(compiler.ScheduleWarning, match=f"over 'i' has {2 * LANE_LIMIT} iterations, more than"):
        program = compiler.build(s, [A, B])
    a, out = np.arange(2 * LANE_LIMIT, dtype="float32"), np.zeros(2 * LANE_LIMIT, "float32")
    program(a, out)
    np.testing.assert_array_equal(out, a + 1)


def test_unrolled_loops_beyond_the_limit_stay_loops_with_a_warning():
    s, args = stages(30, 128)
    with pytest.warns(
        compiler.ScheduleWarning,
        match=rf"make 3840 stores, more than {STORE_LIMIT},.*than 64 stores; .*'i' .unroll, 128",
    ):
        program = compiler.lower(s, args)
    assert code_size(program.body).stores <= STORE_LIMIT
    with pytest.warns(compiler.ScheduleWarning, match="stay loops where they would have more than 64 stores"):
        module = compiler.build(s, args)
    a, out = np.zeros(128, "float32"), np.zeros(128, "float32")
    module(a, out)
    np.testing.assert_array_equal(out, np.full(128, 2.0**30 - 1, "float32"))


def test_sizes_are_those_of_the_code():
    s, args = product(4, 32)
    nest = compiler.loop_nest(s, args)
    # 4 rows of 4 vectors, of a store, three loads, a product and a sum, which are set before; a rolled copy
    size = code_size(nest.body, vector_bits=256)
    assert (size.stores, size.operations) == (4 + 4 + 1, 4 * 4 * 6 + 4 * 4 + 2)
    assert [str(loop) for loop in size.loops] == ["'i' (unroll, 4)", "'j' (vectorize, 32)"]


def test_much_arithmetic_in_few_stores_is_refused():
    A = te.placeholder((1000,), "A")

    def polynomial(i):
        value = A[i]
        for _ in range(60):
            value = value * A[i] + 0.5
        return value

    B = te.compute(A.shape, polynomial, "B")
    s = te.create_schedule(B.op)
    s[B].unroll(B.op.axis[0])
    reason = why((s, [A, B]), AVX2)
    assert reason is not None
    assert f"make about {1000 * (2 + 60 * 3)} operations, more than {OPERATION_LIMIT}" in reason
