"""Row-major positions, and indices that are moved."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ir.address import in_type, position, shifted, widened
from compiler.ir.expr import Buffer, Cast, Const, Ramp, Var, binary

i, j, u = Var("i"), Var("j"), Var("u", "uint8")


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 4)])
def test_positions_equal_those_of_numpy(shape: tuple[int, ...]) -> None:
    buffer = Buffer("A", shape)
    for flat, where in enumerate(np.ndindex(shape)):
        assert position(buffer, tuple(map(Const, where))) == Const(flat)


def test_positions() -> None:
    buffer = Buffer("A", (4, 8))
    assert position(buffer, (i,)) is i  # one index is a position already
    assert position(buffer, (Const(0), j)) is j
    assert position(buffer, (i, j)) == binary("+", binary("*", i, 8), j)
    assert position(Buffer("scalar", ()), ()) == Const(0)
    ramp = Ramp(Const(0), Const(1), 4)
    assert position(buffer, (i, ramp)) == binary("+", binary("*", i, 8), ramp)


def test_narrow_indices_are_widened() -> None:
    assert widened(i) is i
    assert widened(u) == Cast(u, "int32")
    assert widened(Var("v", "uint32")).dtype == "int64"
    assert widened(Ramp(u, Const(1, "uint8"), 4)).dtype == "int32x4"
    assert in_type(Const(3, "uint8"), "int32") == Const(3)
    assert in_type(u, "int32") == Cast(u, "int32")


def test_shifted() -> None:
    assert shifted(i, Const(0)) is i
    assert shifted(Const(0), i) is i
    assert shifted(i, Const(3)) == binary("+", i, 3)
    assert shifted(Ramp(i, Const(2), 4), Const(3)) == Ramp(binary("+", i, 3), Const(2), 4)


def test_arithmetic_on_narrow_indices_is_wide() -> None:
    buffer = Buffer("A", (300,))
    assert position(buffer, (u,)) == Cast(u, "int32")
    assert shifted(u, Const(200)) == binary("+", Cast(u, "int32"), 200)
    assert shifted(i, u) == binary("+", i, Cast(u, "int32"))
    ramp = Ramp(u, Const(1, "uint8"), 4)  # its lanes may wrap around in uint8, those of the sum do not
    assert shifted(ramp, Const(200)) == binary("+", Cast(ramp, "int32x4"), 200)
