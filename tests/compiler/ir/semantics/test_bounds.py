"""Accesses that are proved to be outside of their buffers."""

from __future__ import annotations

import pytest

from compiler.ir.expr import Binary, Buffer, Const, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.verify import VerifyError, verify
from compiler.ir.stmt import For, Let, Store
from compiler.ir.text import parse_function

ONE = Const(1.0, "float32")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "A[i + 100] = 1.0",
            r"writes outside of A: the index of axis 0 of A \[4\] is `i \+ 100`, .* 100 .. 103",
        ),
        (
            "A[0] = A[i + 1]",
            r"reads outside of A: .*`i \+ 1`, which is 1 .. 4 \(4 at i = 3\); valid are 0 .. 3",
        ),
        ("A[i - 1] = 1.0", r"which is -1 .. 2 \(-1 at i = 0\)"),
        ("if i > 0:\n            A[i + 1] = 1.0", r"which is 2 .. 4 \(4 at i = 3\)"),
        ("for j in range(i):\n            A[j * 2] = 1.0", r"which is 0 .. 4 \(4 at .*j = 2"),
        ("A[ramp(i, 1, 2)] = broadcast(1.0, 2)", r"which is 0 .. 4 \(4 at i = 3\)"),
        ("A[0] = select(i < 3, A[i + 1], 0.0)", r"which is 1 .. 4 \(4 at i = 3\)"),
        ("A[0] = A[cast(U[i], 'int32') + 4]", r"which is 4 .. 259; valid are 0 .. 3"),
        ("let(x, i * 2)\n        A[x] = 1.0", r"which is 0 .. 6"),
    ],
)
def test_an_index_that_is_proved_outside(body, message):
    if body.startswith("let"):
        i, x, a = Var("i"), Var("x"), Buffer("A", (4,))
        twice = Binary("*", i, Const(2), "int32")
        func = PrimFunc("f", (a,), For(i, Const(4), "serial", Let(x, twice, Store(a, (x,), ONE))))
    else:
        func = parse_function(f"def f(A: float32[4], U: uint8[4]):\n    for i in range(4):\n        {body}")
    with pytest.raises(VerifyError, match=message):
        verify(func)
