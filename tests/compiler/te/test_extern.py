"""Externs: tensors whose elements a statement stores."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import numpy as np
import pytest

from compiler import te
from compiler.ir.expr import Buffer, Const, Load, Var
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import For, Stmt, Store, sequence
from compiler.ir.text import parse_function
from compiler.lowering.nest import loop_nest
from compiler.te.tensor import Tensor

A = te.placeholder((6,), "A", "int64")
SCAN = parse_function(
    dedent(
        """
        def scan(x: int64[6], total: int64[6]):
            total[0] = x[0]
            for i in range(5):
                total[i + 1] = total[i] + x[i + 1]
        """
    )
)


def scan(source: Tensor) -> Tensor:
    return te.extern((6,), [source], SCAN, "scan")


def run(s: te.Schedule, args: list[Tensor], *arrays: np.ndarray) -> list[np.ndarray]:
    nest = loop_nest(s, args)
    verify(nest)
    results = [np.zeros(t.shape, t.dtype) for t in args[len(arrays) :]]
    interpret(nest, *arrays, *results)
    return results


def test_a_statement_between_stages() -> None:
    B = te.compute((6,), lambda i: A[i] * 2, "B")
    S = scan(B)
    C = te.compute((6,), lambda i: S[i] + 1, "C")
    s = te.create_schedule(C.op)
    assert str(loop_nest(s, [A, C])).splitlines()[1:] == [
        '    B = allocate(int64[6], "global")',
        "    for i in range(6):",
        "        B[i] = A[i] * int64(2)",
        '    scan = allocate(int64[6], "global")',
        "    scan[0] = B[0]",
        "    for i in range(5):",
        "        scan[i + 1] = scan[i] + B[i + 1]",
        "    for i in range(6):",
        "        C[i] = scan[i] + int64(1)",
    ]
    a = np.arange(6) - 2
    np.testing.assert_array_equal(run(s, [A, C], a)[0], np.cumsum(a * 2) + 1)


def test_an_output() -> None:
    S = scan(A)
    a = np.arange(6)
    np.testing.assert_array_equal(run(te.create_schedule(S.op), [A, S], a)[0], np.cumsum(a))


def minmax(ins: list[Buffer], outs: list[Buffer]) -> Stmt:
    """The least and the greatest element, in one traversal."""
    (x,), (least, greatest) = ins, outs
    i, zero = Var("i"), (Const(0),)
    update = [
        Store(least, zero, te.minimum(Load(x, (i,)), Load(least, zero))),
        Store(greatest, zero, te.maximum(Load(x, (i,)), Load(greatest, zero))),
    ]
    begin = [Store(out, zero, Load(x, zero)) for out in outs]
    return sequence([*begin, For(i, Const(6), "serial", sequence(update))])


def test_several_outputs_of_a_function() -> None:
    low, high = te.extern([(1,), (1,)], [A], minmax, "minmax")
    assert (low.name, high.name) == ("minmax_v0", "minmax_v1")
    spread = te.compute((1,), lambda i: high[i] - low[i], "spread")
    s = te.create_schedule(spread.op)
    assert run(s, [A, spread], np.array([3, -4, 5, 0, 0, 1]))[0] == 9


def test_an_extern_reads_whole_tensors() -> None:
    """A stage that an extern reads, and the extern itself, inside a loop: computed whole there."""
    B = te.compute((6,), lambda i: A[i] * 2, "B")
    S = scan(B)
    C = te.compute((6,), lambda i: S[i] + 1, "C")
    s = te.create_schedule(C.op)
    outer, _ = s[C].split(C.op.axis[0], 3)
    s[S].compute_at(s[C], outer)
    s[B].compute_at(s[C], outer)
    a = np.arange(6) - 2
    np.testing.assert_array_equal(run(s, [A, C], a)[0], np.cumsum(a * 2) + 1)


def test_a_cache_that_an_extern_reads() -> None:
    S = scan(A)
    s = te.create_schedule(S.op)
    s.cache_read(A, "local", [S])
    assert "    scan[0] = A_local[0]" in str(loop_nest(s, [A, S])).splitlines()


def scheduled(change: Callable[[te.Schedule, Tensor, Tensor], object]) -> object:
    B = te.compute((6,), lambda i: A[i] * 2, "B")
    S = scan(B)
    C = te.compute((6,), lambda i: S[i] + 1, "C")
    s = te.create_schedule(C.op)
    change(s, B, S)
    return loop_nest(s, [A, C])


other = Buffer("other", (6,), "int64")
F = te.placeholder((6,), "F")

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "inputs of several types without a dtype": (
        lambda: te.extern((6,), [A, F], minmax, "E"),
        r"'E': the inputs have the types \['float32', 'int64'\]; give the dtype of the outputs",
    ),
    "two types for one shape": (
        lambda: te.extern((6,), [A], minmax, "E", ["int64", "int8"]),
        r"'E' has 1 shape\(s\), but 2 dtype\(s\)",
    ),
    "an unknown type": (lambda: te.extern((6,), [A], minmax, "E", "int65"), r"unknown dtype 'int65'"),
    "a function of other arguments": (
        lambda: te.extern((5,), [A], SCAN, "E"),
        r"'E': scan takes \[x: int64\[6\], total: int64\[6\]\], but inputs and outputs are "
        r"\['int64\[6\]', 'int64\[5\]'\]",
    ),
    "a function that returns no statement": (
        lambda: te.extern((6,), [A], lambda ins, outs: ins, "E"),
        r"'E': its function returned list; a statement is needed",
    ),
    "a buffer of another program": (
        lambda: te.extern((6,), [A], lambda ins, outs: Store(other, (Const(0),), Const(1, "int64")), "E"),
        r"'E' uses other: int64\[6\], which is neither an input nor an output, and not allocated in it",
    ),
    "cache_write": (
        lambda: scheduled(lambda s, B, S: s.cache_write(S, "local")),
        r"scan: cache_write of an extern; its statement determines where it stores",
    ),
    "compute_inline": (
        lambda: scheduled(lambda s, B, S: s[S].compute_inline()),
        r"scan: an extern cannot be inlined; use compute_at",
    ),
    "compute_inline of a stage that an extern reads": (
        lambda: scheduled(lambda s, B, S: s[B].compute_inline()),
        r"B: inlined, but the statement of scan reads its memory; use compute_root",
    ),
    "a layout": (
        lambda: scheduled(lambda s, B, S: s[S].transform_layout(lambda i: [i])),
        r"scan: the statement of an extern determines where it stores",
    ),
    "a layout of a stage that an extern reads": (
        lambda: scheduled(lambda s, B, S: s[B].transform_layout(lambda i: [i // 2, i % 2])),
        r"B: its layout was changed, but the statement of scan reads it in row-major order",
    ),
    "a loop of an extern": (
        lambda: scheduled(lambda s, B, S: s[B].compute_at(s[S], te.compute((2,), lambda i: i).op.axis[0])),
        r"scan: compute_at of 'i', which is not one of its loops now \(loops: \)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()
