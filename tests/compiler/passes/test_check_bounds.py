"""Checks at run time that each access is inside of its buffer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.ir.expr import Const, Load, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.equal import structural_equal
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import For, Store
from compiler.ir.text import parse_function
from compiler.passes.check_bounds import check_bounds
from compiler.runtime import Module
from compiler.te.tensor import Tensor

GOLDEN = {
    "a gather": (
        """
        def main(I: int32[8], A: float32[3], C: float32[8]):
            for i in range(8):
                C[i] = A[I[i]]
        """,
        """
        def main(I: int32[8], A: float32[3], C: float32[8], violations: int64[2]):
            for i in range(8):
                if I[i] >= 0 and I[i] < 3:
                    pass
                else:
                    violations[0] = cast(I[i], "int64")
                    violations[1] = cast(3, "int64")
                C[i] = if_then_else(I[i] >= 0 and I[i] < 3, A[I[i]], 0.0)
        """,
    ),
    "a scatter under a condition": (
        """
        def main(I: int32[8], A: float32[3], C: float32[8]):
            for i in range(8):
                if C[i] > 0.0:
                    A[I[i]] = C[i]
        """,
        """
        def main(I: int32[8], A: float32[3], C: float32[8], violations: int64[2]):
            for i in range(8):
                if C[i] > 0.0:
                    if I[i] >= 0 and I[i] < 3:
                        pass
                    else:
                        violations[0] = cast(I[i], "int64")
                        violations[1] = cast(3, "int64")
                    if I[i] >= 0 and I[i] < 3:
                        A[I[i]] = C[i]
        """,
    ),
    "one side of which is proved": (
        """
        def main(I: int32[8], A: float32[3], C: float32[8]):
            for i in range(8):
                C[i] = if_then_else(I[i] >= 0, A[I[i]], 1.0)
        """,
        """
        def main(I: int32[8], A: float32[3], C: float32[8], violations: int64[2]):
            for i in range(8):
                if I[i] >= 0:
                    if I[i] >= 0 and I[i] < 3:
                        pass
                    else:
                        violations[0] = cast(I[i], "int64")
                        violations[1] = cast(3, "int64")
                C[i] = if_then_else(I[i] >= 0, if_then_else(I[i] >= 0 and I[i] < 3, A[I[i]], 0.0), 1.0)
        """,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    before, after = map(parse_function, GOLDEN[name])
    func, checks = check_bounds(before)
    verify(func)
    assert structural_equal(func, after), f"{func}"
    assert len(checks) == 1


@pytest.mark.parametrize(
    "line",
    [
        "C[i] = A[i % 3]",
        "C[i] = A[cast(U[i] & uint8(1), 'int32')]",
        "C[i] = if_then_else(I[i] >= 0 and I[i] < 3, A[I[i]], 1.0)",
        "prefetch(A[I[i]])",
    ],
)
def test_what_is_proved_inside_needs_no_check(line: str) -> None:
    text = (
        "def main(I: int32[8], U: uint8[8], A: float32[3], C: float32[8]):\n    for i in range(8):\n        "
    )
    func = parse_function(text + line)
    assert check_bounds(func) == (func, ()) and check_bounds(func)[0] is func


A = te.placeholder((3,), "A")
I = te.placeholder((64,), "I", "int32")  # noqa: E741
k = te.reduce_axis((0, 64), "k")
a = np.arange(3, dtype="float32")
valid = (np.arange(64) % 3).astype("int32")


def _vector(s, c) -> None:
    outer, inner = s[c].split(s[c].op.axis[0], 8)
    s[c].vectorize(inner)
    s[c].parallel(outer)


def _unrolled(s, c) -> None:
    s[c].unroll(s[c].split(s[c].op.axis[0], 4)[1])


def _built(c: Tensor, args: list[Tensor], schedule: Callable | None = None) -> Module:
    s = te.create_schedule(c.op)
    if schedule is not None:
        schedule(s, c)
    return compiler.build(s, [*args, c], check_bounds=True)


@pytest.mark.parametrize("schedule", [None, _vector, _unrolled])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_a_gather_is_checked(dtype: str, schedule: Callable | None) -> None:
    index = te.placeholder((64,), "I", dtype)
    c = te.compute((64,), lambda i: A[index[i]], "C")
    module, out = _built(c, [index, A], schedule), np.zeros(64, "float32")
    module(valid.astype(dtype), a, out)
    np.testing.assert_array_equal(out, a[valid])
    for wrong in (3, 100, np.iinfo(dtype).max, *(() if dtype.startswith("u") else (-1, np.iinfo(dtype).min))):
        bad = valid.astype(dtype)
        bad[41] = wrong
        shown = int(wrong) if dtype != "uint64" else int(np.uint64(wrong).astype("int64"))
        message = (
            rf"main reads outside of A: the index of axis 0 of A \[3\], `.*`, is {shown}, but the extent is 3"
        )
        with pytest.raises(IndexError, match=message):
            module(bad, a, out)
        assert out[41] == 0  # and nothing else is changed
        np.testing.assert_array_equal(np.delete(out, 41), np.delete(a[valid], 41))


def test_reductions_conditions_and_intermediate_tensors_are_checked() -> None:
    bad, out = valid.copy(), np.zeros(1, "float32")
    bad[17] = -5
    total = te.compute((1,), lambda i: te.sum(A[I[k.var]], axis=k), "R")
    with pytest.raises(IndexError, match=r"reads outside of A: .*`I\[k\]`, is -5"):
        _built(total, [I, A])(bad, a, out)
    masked = te.compute((1,), lambda i: te.sum(A[I[k.var]], axis=k, where=I[k.var] >= 0), "R")
    _built(masked, [I, A])(bad, a, out)
    assert out[0] == a[np.delete(valid, 17)].sum()
    twice = te.compute((3,), lambda i: A[i] * 2, "T")
    c = te.compute((64,), lambda i: twice[I[i]], "C")
    with pytest.raises(
        IndexError, match=r"reads outside of T: .* is -5, but the extent is 3 \(valid are 0 .. 2\)"
    ):
        _built(c, [I, A], _vector)(bad, a, np.zeros(64, "float32"))


def test_a_dynamic_extent_is_reported() -> None:
    n = te.size_var("n", (1, 9))
    x = te.placeholder((n,), "X")
    module = _built(te.compute((64,), lambda i: x[I[i]], "C"), [I, x])
    out = np.zeros(64, "float32")
    module(valid, np.ones(3, "float32"), out)
    with pytest.raises(
        IndexError, match=r"reads outside of X: .* of X \[n\], `I\[i\]`, is 2, but the extent is 2"
    ):
        module(valid, np.ones(2, "float32"), out)


def test_a_write_is_checked_and_not_made() -> None:
    def scatter(ins: list, outs: list) -> For:
        i = Var("i")
        return For(i, Const(64), "serial", Store(outs[0], (Load(ins[0], (i,)),), Const(1.0, "float32")))

    module = _built(te.extern((3,), [I], scatter, "S", "float32"), [I])
    memory = np.zeros(9, "float32")
    bad = valid.copy()
    bad[3] = 3
    with pytest.raises(IndexError, match=r"writes outside of S: .*is 3, but the extent is 3"):
        module(bad, memory[3:6])
    assert memory.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]


def test_nothing_is_checked_where_all_is_proved() -> None:
    c = te.compute((64,), lambda i: A[i % 3], "C")
    assert type(_built(c, [A])) is Module


def test_the_checks_are_no_argument() -> None:
    c = te.compute((64,), lambda i: A[I[i]], "C")
    module = _built(c, [I, A])
    assert [p.name for p in module.params] == ["I", "A", "C"]
    with pytest.raises(ValueError, match=r"main takes 3 array\(s\) \(I: int32\[64\], .*\), not 1"):
        module(a)
    with pytest.raises(ValueError, match="main checks bounds, which a saved module cannot"):
        module.save("x")
    assert module.time_evaluator(1, 1)(valid, a, np.zeros(64, "float32")).mean > 0


def test_programs() -> None:
    i = Var("i")
    x = compiler.ir.expr.Buffer("X", (4,), "int32")
    func = PrimFunc("main", (x,), For(i, Const(4), "serial", Store(x, (Load(x, (i,)),), i)))
    with pytest.raises(IndexError, match=r"writes outside of X: .*is 9"):
        compiler.build(func, check_bounds=True)(np.array([0, 9, 1, 2], "int32"))
    wide = parse_function("def f(I: int32[4], X: int32[4]):\n    X[ramp(0, 1, 4)] = X[I[ramp(0, 1, 4)]]")
    with pytest.raises(ValueError, match="f: .*is an index of several lanes; .*build from the schedule"):
        compiler.build(wide, check_bounds=True)
    c = te.compute((64,), lambda i: A[I[i]], "C")
    with pytest.raises(ValueError, match="check_bounds cannot be combined with constants"):
        compiler.build(te.create_schedule(c.op), [I, A, c], constants=[A], check_bounds=True)
