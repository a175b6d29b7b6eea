"""The buffers and elements that a piece of a program reads and writes."""

from __future__ import annotations

from math import inf
from textwrap import dedent

import pytest

from compiler.ir.address import position
from compiler.ir.calls import call
from compiler.ir.expr import Broadcast, Buffer, Const, Load, Ramp, Var, binary
from compiler.ir.function import Invoke, PrimFunc
from compiler.ir.semantics.access import accesses, is_pure, mentions, reads, roles, writes
from compiler.ir.simplify.simplify import Simplifier
from compiler.ir.stmt import For
from compiler.ir.text import parse_function, print_expr
from compiler.ir.visit import walk

TEXT = """
@intrinsic
def add(x: float32[2], y: float32[2]):
    for i in range(2):
        y[i] = y[i] + x[i]

def main(A: float32[8], B: float32[8], C: float32[8], D: float32[8], E: int32[8]):
    for i in range(4):
        if E[i] < 3:
            prefetch(D[i])
            C[E[i]] = A[i]
        copy(region(B, i * 2, (2,), (1,)), region(A, i, (2,), (3,)), before=(0,), after=(0,), fill=C[0])
        add(region(A, i * 2, (2,), (1,)), region(D, 6 - i * 2, (2,), (1,)))
"""


def program() -> PrimFunc:
    return parse_function(dedent(TEXT))


def names(buffers: set[Buffer]) -> str:
    return "".join(sorted(buffer.name for buffer in buffers))


def test_reads_and_writes() -> None:
    func = program()
    assert names(reads(func.body)) == "ACDE"
    assert names(writes(func.body)) == "BCD"


def test_roles_of_an_intrinsic() -> None:
    (invoke,) = (n for n in walk(program().body) if isinstance(n, Invoke))
    stored, loaded = roles(invoke.intrinsic)
    assert (names(stored), names(loaded)) == ("y", "xy")


def test_spans() -> None:
    func = program()
    assert isinstance(func.body, For)
    simplifier = Simplifier({func.body.var: (0, 3)})
    spans = [(a.buffer.name, a.writes, *a.span(simplifier)) for a in accesses(func.body)]
    assert ("A", False, 0, 3) in spans  # A[i]
    assert ("A", False, 0, 6) in spans  # i, i + 3
    assert ("B", True, 0, 7) in spans
    assert ("D", True, 0, 7) in spans and ("D", False, 0, 7) in spans
    (unknown,) = (s for s in spans if s[:2] == ("C", True))
    assert unknown[2] < 0 and unknown[3] > 8


def test_spans_of_vectors() -> None:
    i, a = Var("i"), Buffer("a", (4, 16))
    simplifier = Simplifier({i: (1, 2)})

    def span(*indices):
        (access,) = (x for x in accesses(Load(a, indices)) if x.buffer is a)
        return access.span(simplifier)

    assert span(Ramp(binary("*", i, 16), Const(1), 8)) == (16, 39)
    assert span(Ramp(binary("*", i, 16), Const(-2), 8)) == (2, 32)
    assert span(i, Const(3)) == (19, 35)
    assert span(binary("+", Ramp(i, Const(1), 4), Broadcast(i, 4))) == (-inf, inf)


def test_position() -> None:
    i, j, k = Var("i"), Var("j"), Var("k")
    assert print_expr(position(Buffer("a", (2, 3, 4)), (i, j, k))) == "(i * 3 + j) * 4 + k"
    assert position(Buffer("a", ()), ()) == Const(0)
    assert position(Buffer("a", (2, 3)), (i,)) is i


@pytest.mark.parametrize(("dtype", "wide"), [("int8", "int32"), ("uint16", "int32"), ("uint32", "int64")])
def test_a_position_does_not_leave_the_type_of_a_short_index(dtype: str, wide: str) -> None:
    index = position(Buffer("a", (100, 100)), (Var("i", dtype), Const(3)))
    assert index.dtype == wide


def test_pure_expressions() -> None:
    i, j, a = Var("i"), Var("j"), Buffer("a", (4,))
    assert is_pure(binary("+", binary("//", i, 3), j))
    assert is_pure(binary("%", Ramp(i, Const(1), 4), Broadcast(Const(3), 4)))
    assert is_pure(call("exp", Const(1.0, "float32")))
    assert is_pure(binary("//", i, j))
    assert not is_pure(Load(a, (i,)))


def test_mentions() -> None:
    i, j = Var("i"), Var("j")
    assert mentions(binary("+", i, j), (j,))
    assert not mentions(binary("+", i, i), {j})
