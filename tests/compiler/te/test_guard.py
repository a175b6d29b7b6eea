"""Reads and writes outside of a tensor: refused where they are proved, guarded where a condition does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.ir.expr import Call, Const, Expr, Load, Select, Var
from compiler.ir.semantics.interpret import interpret
from compiler.ir.stmt import For, If, Store
from compiler.lowering.nest import loop_nest
from compiler.te.tensor import Tensor

A = te.placeholder((3,), "A")
B = te.placeholder((64,), "B")
M = te.placeholder((4, 6), "M")
I = te.placeholder((64,), "I", "int32")  # noqa: E741
U = te.placeholder((64,), "U", "uint8")
n, m = te.size_var("n", (1, 64)), te.size_var("m", (1, 64))
N = te.placeholder((n,), "N")
k = te.reduce_axis((0, 8), "k")
k2 = te.reduce_axis((2, 9), "k2")

ALL_OF_IT = (
    r"'C' reads outside of A: the index of axis 0 of A \[3\] is `i`, which is 0 .. 63 \(63 at i = 63\); "
    "valid are 0 .. 2"
)
OUTSIDE: dict[str, tuple[tuple, Callable, str]] = {
    "longer": ((64,), lambda i: A[i], ALL_OF_IT),
    "shifted": ((64,), lambda i: B[i + 100], r"`i \+ 100`, which is 100 .. 163; valid are 0 .. 63"),
    "negative": ((64,), lambda i: B[i - 1], r"`i - 1`, which is -1 .. 62 \(-1 at i = 0\)"),
    "python's last": ((64,), lambda i: B[-1], r"`-1`, which is -1; valid are 0 .. 63"),
    "second axis": ((4, 7), lambda i, j: M[i, j], r"axis 1 of M \[4, 6\] is `j`, .* 0 .. 6 \(6 at j = 6"),
    "exchanged axes": ((6, 4), lambda i, j: M[i, j], r"axis 0 of M \[4, 6\] is `i`, which is 0 .. 5"),
    "remainder": ((64,), lambda i: A[i % 4], r"`i % 4`, which is 0 .. 3 \(3 at i = \d+\)"),
    "two axes": ((8, 9), lambda i, j: B[i * 8 + j], r"which is 0 .. 64 \(64 at i = 7, j = 8\)"),
    "wrong condition": ((64,), lambda i: te.if_then_else(i > 0, B[i + 1], 0.0), r"2 .. 64 \(64 at i = 63\)"),
    "condition too weak": ((64,), lambda i: te.if_then_else(i < 5, A[i], 0.0), r"0 .. 4 \(4 at i = 4\)"),
    "other arm": ((64,), lambda i: te.if_then_else(i < 3, 0.0, A[i]), r"3 .. 63"),
    "select": ((64,), lambda i: te.select(i > 0, B[i - 2], 0.0), r"-1 .. 61 \(-1 at i = 1\)"),
    "any": ((7,), lambda i: te.if_then_else(te.any(i < 1, i > 5), 0.0, A[i - 2]), r"\(3 at i = 5\)"),
    "reduction": ((4,), lambda i: te.sum(A[k.var], axis=k), r"`k`, which is 0 .. 7"),
    "reduction from 2": ((4,), lambda i: te.max(M[i, k2.var], axis=k2), r"`k2`, which is 2 .. 8"),
    "window": ((62,), lambda i: te.sum(B[i + k], axis=k), r"`i \+ k`, which is 0 .. 68"),
    "where": ((4,), lambda i: te.sum(A[k.var], axis=k, where=k < 4), r"0 .. 3 \(3 at k = 3\)"),
    "in where": ((4,), lambda i: te.sum(B[k.var], axis=k, where=A[k.var] > 0), r"reads outside of A"),
    "index of an index": ((64,), lambda i: A[I[i + 64]], r"reads outside of I"),
    "gather": ((64,), lambda i: A[U[i].astype("int32") + 3], r"which is 3 .. 258; valid are 0 .. 2"),
    "dynamic, longer by one": ((n,), lambda i: N[i + 1], r"of N: .*`i \+ 1`, .*valid are 0 .. n - 1"),
    "dynamic, backwards": ((n,), lambda i: N[n - i], r"`n - i`"),
    "dynamic, beyond the bounds": ((m,), lambda i: N[i + 64], r"which is 64 .. 127"),
    "argmax": ((4,), lambda i: te.argmax(A[k.var], axis=k), r"reads outside of A"),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_proved_outside_is_refused(name: str) -> None:
    shape, element, message = OUTSIDE[name]
    with pytest.raises(ValueError, match=message):
        _scheduled(shape, element)


def _scheduled(shape: tuple, element: Callable) -> None:
    c = te.compute(shape, element, "C")
    te.create_schedule((c[0] if isinstance(c, tuple) else c).op)


def test_what_is_always_outside_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"'C' reads outside of B: .*`i \+ 100`, which is 100 .. 163"):
        te.compute((64,), lambda i: B[i + 100], "C")


def test_the_first_rows_of_a_step_are_not_evaluated() -> None:
    state = te.placeholder((8, 4), "state")
    x = te.placeholder((8, 4), "X")
    init = te.compute((1, 4), lambda _, i: x[0, i], "init")
    update = te.compute((8, 4), lambda t, i: state[t - 1, i] + x[t - 1, i], "update")
    sums = te.scan(init, update, state, inputs=[x])
    s = te.create_schedule(sums.op)
    assert loop_nest(s, [x, sums]) is not None
    alone = te.placeholder((1, 4), "state")  # its only row is the first one: no step is evaluated
    last = te.compute((1, 4), lambda t, i: alone[t - 1, i], "update")
    te.create_schedule(te.scan(init, last, alone).op)
    with pytest.raises(ValueError, match=r"'update' reads outside of (state|X)"):
        te.create_schedule(update.op)
    beyond = te.compute((8, 4), lambda t, i: state[t - 1, i] + x[t + 1, i], "update")
    with pytest.raises(ValueError, match=r"'scan': in a step, 'update' reads outside of X: .*\(8 at t = 7\)"):
        te.scan(init, beyond, state)


INSIDE: dict[str, tuple[tuple, Callable]] = {
    "remainder": ((64,), lambda i: A[i % 3]),
    "condition": ((64,), lambda i: te.if_then_else(i < 3, A[i], 0.0)),
    "two conditions": ((8, 9), lambda i, j: te.if_then_else(i * 8 + j < 64, B[i * 8 + j], 0.0)),
    "nested": ((9,), lambda i: te.if_then_else(i > 0, te.if_then_else(i < 4, A[i - 1], 1.0), 2.0)),
    "never": ((9,), lambda i: te.if_then_else(i > 20, A[i + 100], 1.0)),
    "product": ((9,), lambda i: te.if_then_else(i * i < 9, A[i], 0.0)),
    "any": ((7,), lambda i: te.if_then_else(te.any(i < 2, i > 4), 0.0, A[i - 2])),
    "data": ((64,), lambda i: A[I[i]]),
    "data and a condition": ((64,), lambda i: te.if_then_else(B[i] > 0, B[i + 1], 0.0)),
    "narrow type": ((64,), lambda i: A[te.cast(U[i] + 3, "uint8")]),
    "dynamic": ((n,), lambda i: N[n - 1 - i]),
    "dynamic, other extent": ((m,), lambda i: N[i]),
    "dynamic, halved": ((n,), lambda i: N[i // 2]),
    "fixed by dynamic": ((n,), lambda i: A[i]),
    "where": ((4,), lambda i: te.sum(A[k.var], axis=k, where=k < 3)),
    "window": ((57,), lambda i: te.sum(B[i + k], axis=k)),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_is_not_proved_outside_is_accepted(name: str) -> None:
    _scheduled(*INSIDE[name])


def _body(c: Tensor) -> object:
    return c.op.body[0]


GUARDED: dict[str, tuple[Callable, Callable]] = {
    "padding": (lambda i: te.select(i > 0, B[i - 1], -1.0), lambda i, b, x: b[i - 1] if i > 0 else -1),
    "else": (lambda i: te.select(i < 1, -1.0, B[i - 1]), lambda i, b, x: b[i - 1] if i > 0 else -1),
    "all": (
        lambda i: te.select(te.all(i > 0, B[i - 1] > 4), B[i - 1], -1.0),
        lambda i, b, x: b[i - 1] if i > 0 and b[i - 1] > 4 else -1,
    ),
    "any": (
        lambda i: te.select(te.any(i > 62, B[i + 1] > 4), -1.0, B[i]),
        lambda i, b, x: -1 if i > 62 or b[i + 1] > 4 else b[i],
    ),
    "gather": (
        lambda i: te.select(te.all(I[i] >= 0, I[i] < 64), B[I[i]], -1.0),
        lambda i, b, x: b[x[i]] if 0 <= x[i] < 64 else -1,
    ),
    "nested": (
        lambda i: te.select(i > 0, te.select(i < 63, B[i - 1] + B[i + 1], B[i - 1]), -1.0),
        lambda i, b, x: -1 if i < 1 else b[i - 1] + b[i + 1] if i < 63 else b[i - 1],
    ),
}


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("name", GUARDED)
def test_a_select_does_not_read_outside(name: str, vector: bool) -> None:
    element, value = GUARDED[name]
    c = te.compute((64,), element, "C")
    b = np.arange(64, dtype="float32")
    x = np.random.default_rng(0).integers(-100, 200, 64).astype("int32")
    x[:3] = [-(2**31), 2**31 - 1, 63]
    inputs = [t for t in (B, I) if t in c.op.inputs]
    s = te.create_schedule(c.op)
    if vector:
        s[c].vectorize(s[c].split(c.op.axis[0], 8)[1])
    arrays = [{B: b, I: x}[t] for t in inputs]
    want = np.array([value(i, b, x) for i in range(64)], "float32")
    out = np.zeros(64, "float32")
    interpret(loop_nest(s, [*inputs, c]), *arrays, out)  # which fails for a read outside
    np.testing.assert_array_equal(out, want)
    for check in (False, True):
        out = np.zeros(64, "float32")
        compiler.build(s, [*inputs, c], check_bounds=check)(*arrays, out)
        np.testing.assert_array_equal(out, want)


def test_a_select_of_safe_reads_evaluates_both_arms() -> None:
    c = te.compute((64,), lambda i: te.select(i > 3, B[i], B[63 - i]), "C")
    assert type(_body(c)) is Select
    outer = te.compute((64,), lambda i: te.select(B[i] > 0, te.if_then_else(i > 0, B[i - 1], 0.0), B[i]))
    assert type(_body(outer)) is Select and type(_body(outer).a) is Call


def _copy(index: Callable, store: Callable, extent: Expr | None = None) -> Callable:
    def statement(ins: list, outs: list) -> For:
        i = Var("i")
        return For(
            i,
            Const(64) if extent is None else extent,
            "serial",
            Store(outs[0], (store(i),), Load(ins[0], (index(i),))),
        )

    return statement


def test_an_extern_is_checked() -> None:
    te.extern((64,), [B], _copy(lambda i: 63 - i, lambda i: i))
    with pytest.raises(ValueError, match=r"'E' reads outside of B: .*`i \+ 1`, which is 1 .. 64"):
        te.extern((64,), [B], _copy(lambda i: i + 1, lambda i: i), "E")
    with pytest.raises(ValueError, match=r"'E' writes outside of E_v0: .*`i \* 2`, which is 0 .. 126"):
        te.extern((64,), [B], _copy(lambda i: i, lambda i: i * 2), "E")
    with pytest.raises(ValueError, match=r"'E' reads outside of N: .*at i = \d+"):
        te.extern((n,), [N], _copy(lambda i: i + 1, lambda i: i, n), "E")


def test_a_select_in_an_extern_does_not_read_outside() -> None:
    def statement(ins: list, outs: list) -> For:
        i = Var("i")
        value = Select(i > 0, Load(ins[0], (i - 1,)), Const(-1.0, "float32"))
        return For(i, Const(64), "serial", If(i < 60, Store(outs[0], (i,), value)))

    c = te.extern((64,), [B], statement, "E")
    b, out = np.arange(64, dtype="float32"), np.zeros(64, "float32")
    s = te.create_schedule(c.op)
    interpret(loop_nest(s, [B, c]), b, out)
    np.testing.assert_array_equal(out, [-1, *range(59), 0, 0, 0, 0])
