"""Describe a matrix product, schedule its loops, and compare the speed of both programs."""

import numpy as np

import compiler
from compiler import te

N = 256
A = te.placeholder((N, N), name="A")
B = te.placeholder((N, N), name="B")
k = te.reduce_axis((0, N), name="k")
C = te.compute((N, N), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), name="C")

plain = te.create_schedule(C.op)

tiled = te.create_schedule(C.op)
i, j, i_inner, j_inner = tiled[C].tile(C.op.axis[0], C.op.axis[1], 4, 32)
tiled[C].reorder(i, j, C.op.reduce_axis[0], i_inner, j_inner)
tiled[C].vectorize(j_inner)
tiled[C].parallel(i)
print(compiler.loop_nest(tiled, [A, B, C]))

a, b = np.random.default_rng(0).standard_normal((2, N, N), dtype=np.float32)
c = np.empty((N, N), dtype=np.float32)
for name, schedule in {"plain loops": plain, "tiled, vectorized, parallel": tiled}.items():
    module = compiler.build(schedule, [A, B, C])
    module(a, b, c)  # the output is written in place
    np.testing.assert_allclose(c, a @ b, rtol=1e-3, atol=1e-3)
    seconds = module.time_evaluator(repeat=5, min_repeat_ms=20)(a, b, c).median
    print(f"{name:28} {2 * N**3 / seconds / 1e9:6.1f} GFLOP/s")
