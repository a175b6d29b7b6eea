"""A recurrent network, ``h[t] = tanh(x[t] @ W + h[t - 1] @ U)``: a scan, scheduled like other stages.

The product with all inputs does not depend on the state, so it is computed before the steps. Parts of the
batch are independent of each other, so each thread runs all steps of a part.
"""

import numpy as np

import compiler
from compiler import te

T, B, D = 20, 8, 32
X, h = te.placeholder((T, B, D), "X"), te.placeholder((T, B, D), "h")
W, U = te.placeholder((D, D), "W"), te.placeholder((D, D), "U")
k, r = te.reduce_axis((0, D), "k"), te.reduce_axis((0, D), "r")
known = te.compute((T, B, D), lambda t, b, d: te.sum(X[t, b, k] * W[k, d], axis=k), "known")
carried = te.compute((T, B, D), lambda t, b, d: te.sum(h[t - 1, b, r] * U[r, d], axis=r), "carried")
first = te.compute((1, B, D), lambda t, b, d: te.tanh(known[t, b, d]), "first")
update = te.compute((T, B, D), lambda t, b, d: te.tanh(known[t, b, d] + carried[t, b, d]), "update")
out = te.scan(first, update, h, inputs=[known], name="out")

s = te.create_schedule(out.op)
t, b, d = out.op.axis
part, row = s[out].split(b, 4)
s[out].reorder(part, t, row, d)
s[out].parallel(part)
s[update].compute_inline()
for product in (known, carried):
    _, rows, columns = product.op.axis
    s[product].reorder(rows, *product.op.reduce_axis, columns)
    s[product].vectorize(columns)
print(compiler.loop_nest(s, [X, W, U, out]))

rng = np.random.default_rng(0)
x, w, u = (rng.standard_normal(shape, "float32") / 4 for shape in ((T, B, D), (D, D), (D, D)))
y = np.empty_like(x)
compiler.build(s, [X, W, U, out])(x, w, u, y)

expected = np.zeros_like(x)
for step in range(T):
    expected[step] = np.tanh(x[step] @ w + (expected[step - 1] @ u if step else 0))
print("largest error:", np.abs(y - expected).max())
assert np.allclose(y, expected, atol=1e-5)
