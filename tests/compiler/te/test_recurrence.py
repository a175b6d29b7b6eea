"""Scans and scatters: their values against NumPy, and what is refused when they are written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from compiler import te
from compiler.driver import build, lower
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule
from compiler.te.tensor import Tensor

N, M = 9, 20


def results(s: Schedule, args: Sequence[Tensor], *inputs: np.ndarray, outputs: int = 1) -> list[np.ndarray]:
    """The outputs, which are the same by the interpreter before and after the passes, and compiled."""
    nest, lowered = loop_nest(s, args), lower(s, args)
    verify(nest)
    verify(lowered)
    found = []
    for run in (lambda *a: interpret(nest, *a), lambda *a: interpret(lowered, *a), build(s, args)):
        outs = [np.full(t.shape, 77, t.dtype) for t in args[len(args) - outputs :]]
        run(*inputs, *outs)
        found.append(outs)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    return found[0]


def recurrence(combine, dtype: str = "float32") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The input, the first row, the update and the scan of ``y[t] = combine(y[t - 1], x[t])``."""
    X = te.placeholder((N, M), "X", dtype)
    state = te.placeholder((N, M), "state", dtype)
    init = te.compute((1, M), lambda _, i: X[0, i], "init")
    update = te.compute((N, M), lambda t, i: combine(state[t - 1, i], X[t, i]), "update")
    return X, init, update, te.scan(init, update, state, inputs=[X])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64"])
@pytest.mark.parametrize(
    ("combine", "reference"),
    [
        (lambda a, b: a + b, np.add),
        (lambda a, b: a * b, np.multiply),
        (te.maximum, np.maximum),
        (te.minimum, np.minimum),
    ],
    ids=["cumsum", "cumprod", "running max", "running min"],
)
def test_accumulations(combine, reference, dtype: str) -> None:
    X, init, update, S = recurrence(combine, dtype)
    x = np.random.default_rng(0).integers(-3, 4, (N, M)).astype(dtype)
    (plain,) = results(te.create_schedule(S.op), [X, S], x)
    np.testing.assert_array_equal(plain, reference.accumulate(x, 0, dtype=dtype))
    s = te.create_schedule(S.op)
    s[init].compute_inline()
    s[update].compute_inline()
    t, i = S.op.axis
    outer, inner = s[S].split(i, 8)
    s[S].reorder(outer, t, inner)
    s[S].parallel(outer)
    s[S].vectorize(inner)
    (fast,) = results(s, [X, S], x)
    np.testing.assert_array_equal(fast, plain)


def test_a_first_order_linear_recurrence_with_a_dynamic_number_of_rows() -> None:
    n = te.size_var("n", (2, 50))
    A, B = te.placeholder((n,), "A"), te.placeholder((n,), "B")
    state = te.placeholder((n,), "y")
    init = te.compute((1,), lambda t: B[t], "init")
    update = te.compute((n,), lambda t: A[t] * state[t - 1] + B[t], "update")
    S = te.scan(init, update, state)
    module = build(te.create_schedule(S.op), [A, B, S])
    rng = np.random.default_rng(0)
    for rows in (2, 3, 50):
        a, b = rng.random((2, rows), np.float32)
        expected = b.copy()
        for t in range(1, rows):
            expected[t] += a[t] * expected[t - 1]
        y = np.zeros(rows, np.float32)
        module(a, b, y)
        np.testing.assert_allclose(y, expected, rtol=1e-5)


def test_several_first_rows_and_states() -> None:
    """The Fibonacci numbers beside their sums."""
    states = [te.placeholder((12, 1), name, "int64") for name in "fs"]
    init = te.compute((2, 1), lambda t, _: te.cast(t, "int64"), "init")
    update = te.compute(
        (12, 1),
        lambda t, i: (states[0][t - 1, i] + states[0][t - 2, i], states[1][t - 1, i] + states[0][t - 1, i]),
        "update",
    )
    f, total = te.scan([init, init], update, states, name="fib")
    s = te.create_schedule(f.op)
    found = results(s, [f, total], outputs=2)
    fib = [0, 1]
    sums = [0, 1]
    for _ in range(10):
        sums.append(sums[-1] + fib[-1])
        fib.append(fib[-1] + fib[-2])
    np.testing.assert_array_equal(found[0][:, 0], fib)
    np.testing.assert_array_equal(found[1][:, 0], sums)


def rnn(steps: int, batch: int, width: int) -> tuple[dict[str, Tensor], list[Tensor]]:
    """An Elman network, ``h[t] = tanh(x[t] @ W + h[t - 1] @ U)``, with ``h[-1] = 0``."""
    shape = (steps, batch, width)
    X, h = te.placeholder(shape, "X"), te.placeholder(shape, "h")
    W, U = te.placeholder((width, width), "W"), te.placeholder((width, width), "U")
    k, r = te.reduce_axis((0, width), "k"), te.reduce_axis((0, width), "r")
    known = te.compute(shape, lambda t, b, d: te.sum(X[t, b, k] * W[k, d], axis=k), "known")
    carried = te.compute(shape, lambda t, b, d: te.sum(h[t - 1, b, r] * U[r, d], axis=r), "carried")
    init = te.compute((1, batch, width), lambda t, b, d: te.tanh(known[t, b, d]), "init")
    update = te.compute(shape, lambda t, b, d: te.tanh(known[t, b, d] + carried[t, b, d]), "update")
    out = te.scan(init, update, h, inputs=[known], name="rnn")
    named = {"known": known, "carried": carried, "init": init, "update": update, "out": out}
    return named, [X, W, U, out]


def rnn_arrays(steps: int, batch: int, width: int) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((steps, batch, width)).astype(np.float32)
    w, u = rng.standard_normal((2, width, width)).astype(np.float32) / 2
    h = np.zeros_like(x)
    for t in range(steps):
        h[t] = np.tanh(x[t] @ w + (h[t - 1] @ u if t else 0))
    return [x, w, u], h


def test_a_recurrent_network() -> None:
    """The product with all inputs is computed before the steps, the one with the state in each of them."""
    shape = (6, 5, 16)
    tensors, args = rnn(*shape)
    inputs, expected = rnn_arrays(*shape)
    (plain,) = results(te.create_schedule(tensors["out"].op), args, *inputs)
    np.testing.assert_allclose(plain, expected, rtol=1e-4, atol=1e-5)

    s = te.create_schedule(tensors["out"].op)
    t, b, d = tensors["out"].op.axis
    part, row = s[tensors["out"]].split(b, 2)  # parts of the batch are independent of each other
    s[tensors["out"]].reorder(part, t, row, d)
    s[tensors["out"]].parallel(part)
    s[tensors["out"]].vectorize(d)
    s[tensors["update"]].compute_inline()
    carried = s[tensors["carried"]]
    _, rows, columns = tensors["carried"].op.axis
    carried.reorder(rows, *tensors["carried"].op.reduce_axis, columns)
    carried.vectorize(columns)
    assert "carried = allocate(float32[1, 2, 16]" in str(loop_nest(s, args))
    (fast,) = results(s, args, *inputs)
    np.testing.assert_allclose(fast, expected, rtol=1e-4, atol=1e-5)


def test_a_long_short_term_memory() -> None:
    """Two states, one of which is computed from the new value of the other."""
    T, B, D = 5, 3, 4
    X, U = te.placeholder((T, B, 4 * D), "X"), te.placeholder((D, 4 * D), "U")
    h, c = te.placeholder((T, B, D), "h"), te.placeholder((T, B, D), "c")
    zero = te.compute((1, B, D), lambda t, b, d: 0.0, "zero")
    k = te.reduce_axis((0, D), "k")
    gates = te.compute((T, B, 4 * D), lambda t, b, g: te.sum(h[t - 1, b, k] * U[k, g], axis=k), "gates")

    def gate(number, t, b, d):
        return X[t, b, d + number * D] + gates[t, b, d + number * D]

    next_c = te.compute(
        (T, B, D),
        lambda t, b, d: (
            te.sigmoid(gate(0, t, b, d)) * c[t - 1, b, d]
            + te.sigmoid(gate(1, t, b, d)) * te.tanh(gate(2, t, b, d))
        ),
        "next_c",
    )
    next_h = te.compute(
        (T, B, D), lambda t, b, d: te.sigmoid(gate(3, t, b, d)) * te.tanh(next_c[t, b, d]), "next_h"
    )
    outs = te.scan([zero, zero], [next_h, next_c], [h, c], name="lstm")
    rng = np.random.default_rng(1)
    x, u = rng.standard_normal((T, B, 4 * D)).astype(np.float32), rng.random((D, 4 * D), np.float32)

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    hs, cs = np.zeros((2, T, B, D))
    for t in range(1, T):
        forget, new, value, out = np.split(x[t] + hs[t - 1] @ u, 4, axis=1)
        cs[t] = sigmoid(forget) * cs[t - 1] + sigmoid(new) * np.tanh(value)
        hs[t] = sigmoid(out) * np.tanh(cs[t])
    found = results(te.create_schedule(outs[0].op), [X, U, *outs], x, u, outputs=2)
    np.testing.assert_allclose(found[0], hs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], cs, rtol=1e-4, atol=1e-5)


def test_a_scan_between_other_operations() -> None:
    """It reads what is computed, and is read; only some of its columns are computed in a loop of a reader."""
    X = te.placeholder((N, M), "X")
    twice = te.compute((N, M), lambda t, i: X[t, i] * 2, "twice")
    state = te.placeholder((N, M), "state")
    init = te.compute((1, M), lambda t, i: twice[t, i], "init")
    update = te.compute((N, M), lambda t, i: state[t - 1, i] + twice[t, i], "update")
    S = te.scan(init, update, state)
    out = te.compute((M,), lambda i: S[N - 1, i] + 1, "out")
    s = te.create_schedule(out.op)
    s[init].compute_inline()
    s[update].compute_inline()
    outer, inner = s[out].split(out.op.axis[0], 8)
    s[out].vectorize(inner)
    s[S].compute_at(s[out], outer)
    assert "scan = allocate(float32[9, 8]" in str(loop_nest(s, [X, out]))
    x = np.random.default_rng(0).random((N, M), np.float32)
    (found,) = results(s, [X, out], x)
    np.testing.assert_allclose(found, x.sum(0) * 2 + 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (lambda t: t, r"step t reads the row t of state; with 2 first row\(s\), the rows t - 1 to t - 2"),
        (lambda t: t + 1, "step t reads the row t \\+ 1 of state"),
        (lambda t: t - 3, "step t reads the row t - 3 of state"),
        (lambda t: 8 - t, "step t reads the row 8 - t of state"),
    ],
)
def test_a_step_reads_earlier_rows_alone(row, message: str) -> None:
    state = te.placeholder((9, 4), "state")
    init = te.compute((2, 4), lambda t, i: 0.0, "init")
    between = te.compute((9, 4), lambda t, i: state[row(t), i] * 2, "between")
    update = te.compute((9, 4), lambda t, i: between[t, 3 - i], "update")
    with pytest.raises(ValueError, match=message):
        te.scan(init, update, state)


def test_what_a_scan_refuses() -> None:
    state, X = te.placeholder((9, 4), "state"), te.placeholder((9, 4), "X")
    init = te.compute((1, 4), lambda t, i: 0.0, "init")
    update = te.compute((9, 4), lambda t, i: state[t - 1, i] + 1, "update")
    with pytest.raises(ValueError, match=r"0 init, 1 update and 1 state tensor\(s\) are given"):
        te.scan([], update, state)
    with pytest.raises(ValueError, match="the state update: .* is computed; it must be a placeholder"):
        te.scan(init, update, update)
    with pytest.raises(ValueError, match="do not fit: update and state have one shape"):
        te.scan(te.compute((1, 5), lambda t, i: 0.0, "init"), update, state)
    with pytest.raises(ValueError, match="must have one type"):
        te.scan(te.compute((1, 4), lambda t, i: i, "init"), update, state)
    with pytest.raises(ValueError, match=r"init has 10 rows, but there are only 9 at least"):
        te.scan(te.compute((10, 4), lambda t, i: 0.0, "init"), update, state)
    with pytest.raises(ValueError, match="is among the inputs, but update does not depend on it"):
        te.scan(init, update, state, inputs=[X])
    reversed_rows = te.extern((9, 4), [state], lambda ins, outs: te_copy(ins[0], outs[0]), "reversed_rows")
    with pytest.raises(ValueError, match="reversed_rows reads the state, but it is no te.compute"):
        te.scan(init, te.compute((9, 4), lambda t, i: reversed_rows[t, i], "update"), state)


def te_copy(source, target):
    from compiler.ir.expr import Const, Load
    from compiler.ir.stmt import Store

    return Store(target, (Const(0), Const(0)), Load(source, (Const(0), Const(0))))


# --- scatters -------------------------------------------------------------------------------------

COMBINES = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def scattered(start: np.ndarray, index: np.ndarray, values: np.ndarray, combine: str) -> np.ndarray:
    """In order; indices outside, negative ones included, are dropped."""
    out = start.copy()
    for at, value in zip(index, values, strict=True):
        if 0 <= at < len(out):
            out[at] = value if combine == "set" else COMBINES[combine](out[at], value)
    return out


@pytest.mark.parametrize("index", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("combine", [*COMBINES, "set"])
def test_updates_in_order(combine: str, index: str) -> None:
    start, where = te.placeholder((5, 6), "start"), te.placeholder((40,), "where", index)
    values = te.placeholder((40, 6), "values")
    out = te.scatter(start, where, values, combine)
    rng = np.random.default_rng(0)
    a, v = rng.random((5, 6), np.float32), rng.random((40, 6), np.float32) + 0.5
    info = np.iinfo(index)
    i, outside = rng.integers(0, 5, 40).astype(index), rng.random(40) < 0.2
    i[outside] = rng.choice(np.array([info.min, info.max, 5], index), outside.sum())
    expected = scattered(a, i, v, combine)
    args = [start, where, values, out]
    (plain,) = results(te.create_schedule(out.op), args, a, i, v)
    np.testing.assert_allclose(plain, expected, rtol=1e-6)
    s = te.create_schedule(out.op)
    u, j = out.op.axis
    part, lane = s[out].split(j, 3)
    s[out].reorder(part, u, lane)
    s[out].parallel(part)
    s[out].vectorize(lane)
    (fast,) = results(s, args, a, i, v)
    np.testing.assert_array_equal(fast, plain)


def test_nan_wins_in_max_and_min() -> None:
    start, where = te.placeholder((2,), "start"), te.placeholder((3,), "where", "int32")
    values = te.placeholder((3,), "values")
    for combine in ("max", "min"):
        out = te.scatter(start, where, values, combine)
        v = np.array([1, np.nan, 3], np.float32)
        i = np.array([0, 0, 0], np.int32)
        (found,) = results(te.create_schedule(out.op), [start, where, values, out], v[:2] * 0, i, v)
        assert np.isnan(found[0])


def test_the_gradient_of_an_embedding() -> None:
    """``grad[token] += gradient of the output of that token``: words occur more than once."""
    words, width = 7, 8
    tokens = te.placeholder((3, 5), "tokens", "int64")
    upstream = te.placeholder((3, 5, width), "upstream")
    zero = te.compute((words, width), lambda n, d: 0.0, "zero")
    grad = te.scatter(zero, tokens, upstream, name="grad")
    s = te.create_schedule(grad.op)
    *positions, d = grad.op.axis
    s[grad].reorder(d, *positions)
    s[grad].parallel(d)
    rng = np.random.default_rng(0)
    t, g = rng.integers(0, words, (3, 5)), rng.standard_normal((3, 5, width)).astype(np.float32)
    expected = np.zeros((words, width), np.float32)
    np.add.at(expected, t, g)
    (found,) = results(s, [tokens, upstream, grad], t, g)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_histogram_of_pairs() -> None:
    x, y = te.placeholder((50,), "x", "uint8"), te.placeholder((50,), "y", "int16")
    zero = te.compute((4, 3), lambda a, b: te.const(0, "int32"), "zero")
    ones = te.compute((50,), lambda i: te.const(1, "int32"), "ones")
    out = te.scatter(zero, [x, y], ones)
    s = te.create_schedule(out.op)
    s[ones].compute_inline()
    s[zero].compute_inline()
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 50).astype(np.uint8), rng.integers(-1, 4, 50).astype(np.int16)
    expected = np.zeros((4, 3), np.int32)
    inside = (a < 4) & (b >= 0) & (b < 3)
    np.add.at(expected, (a[inside], b[inside]), 1)
    (found,) = results(s, [x, y, out], a, b)
    np.testing.assert_array_equal(found, expected)


def test_private_histograms_that_run_in_parallel() -> None:
    """A batch axis is a data axis: each part of the data has a histogram of its own, added up in order."""
    parts, length, bins = 4, 25, 6
    x = te.placeholder((parts * length,), "x", "uint8")
    where = te.compute((parts, length), lambda p, i: x[p * length + i], "where")
    ones = te.compute((parts, length), lambda p, i: te.const(1, "int32"), "ones")
    zero = te.compute((parts, bins), lambda p, n: te.const(0, "int32"), "zero")
    private = te.scatter(zero, where, ones, batch=1, name="private")
    p = te.reduce_axis((0, parts), "p")
    out = te.compute((bins,), lambda n: te.sum(private[p, n], axis=p), "out")
    s = te.create_schedule(out.op)
    for tensor in (where, ones, zero):
        s[tensor].compute_inline()
    u, b = private.op.axis
    s[private].reorder(b, u)
    s[private].parallel(b)
    values = np.random.default_rng(0).integers(0, bins + 1, parts * length).astype(np.uint8)
    (found,) = results(s, [x, out], values)
    np.testing.assert_array_equal(found, np.bincount(values, minlength=bins + 1)[:bins])


def test_what_a_scatter_refuses() -> None:
    start, values = te.placeholder((5, 6), "start"), te.placeholder((40, 6), "values")
    where = te.placeholder((40,), "where", "int32")
    with pytest.raises(ValueError, match=r"unknown combine 'sum'.*add"):
        te.scatter(start, where, values, "sum")
    with pytest.raises(ValueError, match=r"the indices values: float32\[40, 6\] must be integers"):
        te.scatter(start, values, values)
    with pytest.raises(ValueError, match=r"do not fit: with batch=0 they are"):
        te.scatter(start, where, te.placeholder((40, 5), "values"))
    with pytest.raises(ValueError, match=r"do not fit: with batch=1"):
        te.scatter(start, where, values, batch=1)
    with pytest.raises(ValueError, match="init is float32, but the updates are float64; cast them"):
        te.scatter(start, where, te.placeholder((40, 6), "values", "float64"))
    with pytest.raises(ValueError, match="init, indices and updates are tensors"):
        te.scatter(start, [], values)


def test_a_scan_without_steps() -> None:
    """All rows are first rows; the update would read a row before them, and is not evaluated."""
    X, state = te.placeholder((1, 4), "X"), te.placeholder((1, 4), "state")
    init = te.compute((1, 4), lambda t, i: X[t, i], "init")
    update = te.compute((1, 4), lambda t, i: state[t - 1, i] + X[t - 1, i], "update")
    S = te.scan(init, update, state)
    s = te.create_schedule(S.op)
    outer, inner = s[S].split(S.op.scan_axis, nparts=2)
    s[S].fuse(outer, inner)
    x = np.random.default_rng(0).random((1, 4), np.float32)
    (found,) = results(s, [X, S], x)
    np.testing.assert_array_equal(found, x)
