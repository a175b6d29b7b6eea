"""Matrix product ``C[i, j] = sum_k A[i, k] * B[k, j]`` in float32."""

from __future__ import annotations

import numpy as np

from compiler import te
from compiler.ops.knobs import Knobs, divisor, vector_lanes
from compiler.ops.operator import Array, Operator, positive
from compiler.schedule.schedule import Schedule
from compiler.tensor import Tensor


def template(knobs: Knobs, M: int, N: int, K: int) -> tuple[Schedule, list[Tensor]]:
    """Register tiles over packed operands.

    A tile of C is accumulated in registers while k runs; B is copied once so that the
    columns of a tile lie one behind another for every k. The outer tiles are walked in
    blocks for the caches, and shared among the threads.
    """
    m_block, m_tile, m_inner = knobs.split("tile_m", M, 3, max_inner=16, default=(1, divisor(M, 8)))
    n_columns = divisor(N, 32)
    n_block, n_tile, n_inner = knobs.split("tile_n", N, 3, max_inner=64, default=(1, n_columns))
    _, k_inner = knobs.split("tile_k", K, 2, max_inner=16, default=(divisor(K, 4),))
    pack_a = knobs.choice("pack_a", [False, True])
    order = [(0, 1, 2, 3), (1, 0, 2, 3), (0, 1, 3, 2), (1, 0, 3, 2)]
    unroll_k = knobs.annotate("unroll_k", ["none", "unroll"])

    A = te.placeholder((M, K), "A")
    B = te.placeholder((K, N), "B")
    k = te.reduce_axis((0, K), "k")
    packed_b = te.compute((N // n_inner, K, n_inner), lambda no, k, ni: B[k, no * n_inner + ni], "packed_B")
    if pack_a:
        packed_a = te.compute(
            (M // m_inner, K, m_inner), lambda mo, k, mi: A[mo * m_inner + mi, k], "packed_A"
        )

        def left(i, k):
            return packed_a[i // m_inner, k, i % m_inner]
    else:

        def left(i, k):
            return A[i, k]

    C = te.compute(
        (M, N), lambda i, j: te.sum(left(i, k) * packed_b[j // n_inner, k, j % n_inner], axis=k), "C"
    )

    s = te.create_schedule(C.op)
    CC = s.cache_write(C, "local")
    i, j = s[C].op.axis
    io, i_tile = s[C].split(i, m_inner)
    jo, j_tile = s[C].split(j, n_inner)
    ib, io = s[C].split(io, m_tile)
    jb, jo = s[C].split(jo, n_tile)
    outer = knobs.reorder("order", (ib, jb, io, jo), order)
    s[C].reorder(*outer, i_tile, j_tile)
    s[C].parallel(s[C].fuse(outer[0], outer[1]))
    _vectorized(s, C, j_tile, n_inner)

    s[CC].compute_at(s[C], outer[3])
    i, j = s[CC].op.axis
    ko, ki = s[CC].split(k, k_inner)
    s[CC].reorder(ko, ki, i, j)
    _vectorized(s, CC, j, n_inner)
    s[CC].unroll(i)
    if unroll_k == "unroll":
        s[CC].unroll(ki)

    s[packed_b].parallel(packed_b.op.axis[0])
    _vectorized(s, packed_b, packed_b.op.axis[2], n_inner)
    if pack_a:
        s[packed_a].parallel(packed_a.op.axis[0])
    return s, [A, B, C]


def _vectorized(s: Schedule, tensor: Tensor, axis: te.IterVar, extent: int) -> None:
    """Vectors as wide as the axis allows, several side by side."""
    outer, lanes = s[tensor].split(axis, vector_lanes(extent))
    s[tensor].unroll(outer)
    s[tensor].vectorize(lanes)


def _check(M: int, N: int, K: int) -> None:
    positive("matmul", M=M, N=N, K=K)


def _inputs(rng: np.random.Generator, M: int, N: int, K: int) -> list[Array]:
    return [rng.standard_normal(shape, dtype=np.float32) for shape in ((M, K), (K, N))]


MATMUL = Operator(
    name="matmul",
    parameters=("M", "N", "K"),
    template=template,
    make_inputs=_inputs,
    compute_reference=lambda inputs, M, N, K: inputs[0] @ inputs[1],
    count_flops=lambda M, N, K: 2 * M * N * K,
    check=_check,
    output_shape=lambda M, N, K: (M, N),
    reduction=lambda M, N, K: K,
)
