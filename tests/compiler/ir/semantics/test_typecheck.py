"""The types of expressions, and literal indices inside of shapes."""

from __future__ import annotations

import pytest

from compiler.ir.expr import Binary, Broadcast, Buffer, Call, Cast, Const, Load, Not, Ramp, Select, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.verify import VerifyError, verify
from compiler.ir.stmt import (
    Allocate,
    For,
    If,
    Let,
    Region,
    Seq,
    Store,
)

A = Buffer("A", (4, 8))
ONE = Const(1.0, "float32")
EMPTY = Seq(())


def store(value, *indices):
    return Store(A, indices or (Const(0), Const(0)), value)


def check(body, *params, name="f"):
    return verify(PrimFunc(name, params or (A,), body))


def loop(var, body, extent=None, kind="serial"):
    return For(var, Const(4) if extent is None else extent, kind, body)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        (
            (Const(0), Const(0), Const(0)),
            r"in `A\[0, 0, 0\]`, 3 indices are given; give one per axis of \(4, 8\)",
        ),
        ((), r"in `A\[\(\)\]`, 0 indices are given"),
        ((Const(0), ONE), r"in `A\[0, 1.0\]`, the index `1.0` is float32; an index is an integer"),
        ((Const(0), Const(True, "bool")), r"the index `True` is bool; an index is an integer"),
        (
            (Ramp(Const(0), Const(1), 4), Ramp(Const(0), Const(1), 2)),
            r"in `A\[ramp\(0, 1, 4\), ramp\(0, 1, 2\)\]`, the indices have 4 and 2 lanes",
        ),
        ((Const(4), Const(0)), r"in `A\[4, 0\]`, the index 4 is out of bounds; there are 4 elements"),
        ((Const(0), Const(-1)), r"in `A\[0, -1\]`, the index -1 is out of bounds; there are 8 elements"),
        ((Const(32),), r"in `A\[32\]`, the index 32 is out of bounds; there are 32 elements"),
        (
            (Const(0), Ramp(Const(5), Const(1), 4)),
            r"in `A\[0, ramp\(5, 1, 4\)\]`, the index 8 is out of bounds",
        ),
        ((Const(0), Ramp(Const(2), Const(-1), 4)), r"the index -1 is out of bounds; there are 8 elements"),
        ((Broadcast(Const(9), 4), Ramp(Const(2), Const(1), 4)), r"the index 9 is out of bounds; there are 4"),
    ],
)
def test_accesses(indices, message):
    load = Load(A, indices)
    lanes = max([1, *(int(i.dtype.split("x")[1]) for i in indices if "x" in i.dtype)])
    with pytest.raises(VerifyError, match=message):
        check(Store(A, indices, ONE if lanes == 1 else Broadcast(ONE, lanes)))
    with pytest.raises(VerifyError, match=message):
        check(store(Call("exp", (load,), load.dtype)))


def test_literal_indices_are_checked_where_they_always_run():
    bad = store(ONE, Const(4), Const(0))
    for body in (
        loop(Var("i"), bad),
        Allocate(Buffer("b", (1,)), bad),
        Seq((EMPTY, bad)),
        If(Binary("<", Load(A, (Const(4), Const(0))), ONE, "bool"), EMPTY),
        store(Select(Const(True, "bool"), Load(A, (Const(4), Const(0))), ONE)),
        store(
            Call(
                "if_then_else", (Binary("<", Load(A, (Const(4), Const(0))), ONE, "bool"), ONE, ONE), "float32"
            )
        ),
        # a statement after a branch is unconditional
        Seq((If(Const(True, "bool"), bad), bad)),
    ):
        with pytest.raises(VerifyError, match=r"the index 4 is out of bounds"):
            check(body)


TRUE = Const(True, "bool")
WIDE = Broadcast(ONE, 4)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Const(1.5), r"1.5 is not a literal of type int32"),
        (Const(True), r"True is not a literal of type int32"),
        (Const(300, "int8"), r"300 is not a literal of type int8"),
        (Const(-1, "uint8"), r"-1 is not a literal of type uint8"),
        (Const(1, "bool"), r"1 is not a literal of type bool"),
        (Const(True, "float32"), r"True is not a literal of type float32"),
        (Const("x", "float32"), r"'x' is not a literal of type float32"),
        (Const(1.0, "float33"), r"unknown type of a literal 'float33'; did you mean 'float32'\?"),
        (Const(1.0, "float32x4"), r"unknown type of a literal 'float32x4'"),
        (Binary("**", ONE, ONE, "float32"), r"unknown operator '\*\*'; did you mean"),
        (Binary("@", ONE, ONE, "float32"), r"unknown operator '@'; known: \+, -, "),
        (Binary("+", ONE, Const(1), "float32"), r"the operands of `1.0 \+ 1` are float32 and int32; cast"),
        (
            Binary("+", ONE, WIDE, "float32"),
            r"the operands of `1.0 \+ broadcast\(1.0, 4\)` are float32 and float32x4",
        ),
        (Binary("<", ONE, Const(1), "bool"), r"the operands of `1.0 < 1` are float32 and int32"),
        (
            Binary("and", ONE, ONE, "bool"),
            r"`and` takes bools, but the operands of `1.0 and 1.0` are float32",
        ),
        (Binary("or", TRUE, Const(1), "bool"), r"the operands of `True or 1` are bool and int32"),
        (Binary("+", TRUE, TRUE, "bool"), r"`\+` takes numbers, but the operands of `True \+ True` are bool"),
        (Binary("min", TRUE, TRUE, "bool"), r"`min` takes numbers, but the operands of `min\(True, True\)`"),
        (
            Binary("/", Const(1), Const(2), "int32"),
            r"`/` takes floats, but the operands of `1 / 2` are int32",
        ),
        (
            Binary("//", ONE, ONE, "float32"),
            r"`//` takes integers, but the operands of `1.0 // 1.0` are float32",
        ),
        (
            Binary("%", ONE, ONE, "float32"),
            r"`%` takes integers, but the operands of `1.0 % 1.0` are float32",
        ),
        (Binary("+", ONE, ONE, "float64"), r"`1.0 \+ 1.0` is labelled float64, but its value is float32"),
        (Binary("<", ONE, ONE, "float32"), r"`1.0 < 1.0` is labelled float32, but its value is bool"),
        (Not(ONE), r"`not` takes a bool, but `1.0` is float32"),
        (Select(ONE, ONE, ONE), r"the condition `1.0` is float32; it must be a bool"),
        (Select(TRUE, ONE, Const(1)), r"the arms of `select\(True, 1.0, 1\)` are float32 and int32"),
        (Select(TRUE, ONE, WIDE), r"the arms of `select\(.*\)` are float32 and float32x4"),
        (
            Select(Broadcast(TRUE, 2), WIDE, WIDE),
            r"the condition of `select\(.*\)` is boolx2, and its arms .*x4",
        ),
        (
            Select(Broadcast(TRUE, 2), ONE, ONE),
            r"the condition of `select\(.*\)` is boolx2, and its arms are float32",
        ),
        (Cast(ONE, "int33"), r"unknown type 'int33'; did you mean 'int32'\?"),
        (Cast(ONE, "int32xx"), r"unknown type 'int32xx'; a vector is written as int32x16"),
        (Cast(ONE, "int32x1"), r"unknown type 'int32x1'; a vector is written as int32x16"),
        (Cast(ONE, "int32x4"), r"`cast\(1.0, \"int32x4\"\)` changes the number of lanes of float32"),
        (Cast(WIDE, "int32"), r"changes the number of lanes of float32x4"),
        (Call("sine", (ONE,), "float32"), r"unknown intrinsic 'sine'"),
        (Call("sqr", (ONE,), "float32"), r"unknown intrinsic 'sqr'; did you mean 'sqrt'\?"),
        (Call("exp", (ONE, ONE), "float32"), r"`exp\(1.0, 1.0\)` has 2 argument\(s\); it takes 1"),
        (Call("exp", (Const(1),), "int32"), r"exp takes a float, but the argument of `exp\(1\)` is int32"),
        (Call("abs", (TRUE,), "bool"), r"abs takes a number, but the argument of `abs\(True\)` is bool"),
        (Call("pow", (ONE, Const(1)), "float32"), r"the arguments of `pow\(1.0, 1\)` are float32 and int32"),
        (Call("exp", (ONE,), "float64"), r"`exp\(1.0\)` is labelled float64, but its value is float32"),
        (Call("exp", (Call("sine", (), ""),), "float32"), r"unknown intrinsic 'sine'"),
        (Call("pow", (ONE, Const(1.5)), "float32"), r"1.5 is not a literal of type int32"),
        (
            Call("if_then_else", (ONE, ONE, ONE), "float32"),
            r"the condition `1.0` is float32; it must be a bool",
        ),
        (
            Call("if_then_else", (TRUE, ONE, Const(1)), "float32"),
            r"the arms of `if_then_else\(True, 1.0, 1\)` are float32 and int32",
        ),
        (Call("if_then_else", (TRUE, ONE, ONE), "int32"), r"is labelled int32, but its value is float32"),
        (Call("if_then_else", (TRUE, ONE, Const(1.5)), "float32"), r"1.5 is not a literal of type int32"),
        (
            Ramp(ONE, ONE, 4),
            r"the base and the stride of `ramp\(1.0, 1.0, 4\)` are float32 and float32; they must",
        ),
        (
            Ramp(Const(1), Const(1, "int64"), 4),
            r"the base and the stride of `ramp\(1, int64\(1\), 4\)` are int32",
        ),
        (Ramp(Broadcast(Const(1), 2), Const(1), 4), r"are int32x2 and int32; they must be scalar integers"),
        (Ramp(Const(1), Const(1), 0), r"`ramp\(1, 1, 0\)` has 0 lanes; at least 1 is needed"),
        (Ramp(Const(1), Const(1), 4.0), r"`ramp\(1, 1, 4.0\)` has 4.0 lanes; at least 1 is needed"),
        (Broadcast(ONE, 0), r"`broadcast\(1.0, 0\)` has 0 lanes; at least 1 is needed"),
        (
            Broadcast(WIDE, 4),
            r"the value of `broadcast\(broadcast\(1.0, 4\), 4\)` is float32x4; it must be a scalar",
        ),
    ],
)
def test_expressions(value, message):
    with pytest.raises(VerifyError, match=message):
        check(store(value))


def test_a_vector_condition_and_a_scalar_one_choose_between_vectors():
    at = (Const(0), Ramp(Const(0), Const(1), 4))
    check(Store(A, at, Select(Broadcast(TRUE, 4), WIDE, WIDE)))
    check(Store(A, at, Select(TRUE, WIDE, WIDE)))
    check(Store(A, at, Call("if_then_else", (TRUE, WIDE, WIDE), "float32x4")))


def test_the_innermost_invalid_expression_is_named():
    bad = Binary("/", Const(1), Const(2), "int32")
    with pytest.raises(VerifyError, match=r"the operands of `1 / 2` are int32"):
        check(store(Call("exp", (Select(TRUE, Cast(bad, "float32"), ONE),), "float32")))


N = Var("n", bounds=(1, 8))


def test_an_index_is_checked_against_the_upper_bound_of_a_dynamic_extent():
    buffer = Buffer("B", (N,))
    check(Store(buffer, (Const(7),), ONE), buffer)
    with pytest.raises(VerifyError, match=r"the index 8 is out of bounds; there are 8 elements"):
        check(Store(buffer, (Const(8),), ONE), buffer)
    with pytest.raises(VerifyError, match=r"variable `n` is bound twice"):
        check(loop(N, EMPTY), buffer)


def test_packed_values_are_loaded_stored_cast_and_repeated():
    packed = Buffer("P", (4, 8), "int4")
    value = Load(packed, (Const(0), Const(1)))
    row = (Const(0), Ramp(Const(0), Const(1), 8))
    check(Store(packed, (Const(0), Const(0)), value), packed)
    check(Store(packed, row, Broadcast(value, 8)), packed)
    check(Store(packed, row, Cast(Load(packed, row), "int4x8")), packed)
    check(store(Cast(value, "float32")), A, packed)
    for node in (
        Binary("+", value, value, "int4"),
        Binary("<", value, value, "bool"),
        Binary("&", value, value, "int4"),
        Select(Const(True, "bool"), value, value),
        Call("if_then_else", (Const(True, "bool"), value, value), "int4"),
    ):
        with pytest.raises(
            VerifyError, match=r"works on int4, which is only loaded, stored and cast: cast it"
        ):
            check(Store(packed, (Const(0), Const(0)), node), packed)
    with pytest.raises(VerifyError, match=r"popcount takes an integer, but the argument of `popcount"):
        check(Store(packed, (Const(0), Const(0)), Call("popcount", (value,), "int4")), packed)
    with pytest.raises(VerifyError, match=r"unknown type of a literal 'int4'"):
        check(Store(packed, (Const(0), Const(0)), Const(1, "int4")), packed)
    with pytest.raises(VerifyError, match=r"unknown type 'int4'"):
        check(Let(Var("x", "int4"), value, EMPTY), packed)
    with pytest.raises(VerifyError, match=r"the index `P\[0, 1\]` is int4; an index is an integer"):
        check(store(ONE, value, Const(0)), A, packed)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            Binary("&", ONE, ONE, "float32"),
            r"`&` takes integers, but the operands of `1.0 & 1.0` are float32",
        ),
        (
            Binary("<<", TRUE, TRUE, "bool"),
            r"`<<` takes numbers, but the operands of `True << True` are bool",
        ),
        (Binary("|", Const(1), Const(1), "bool"), r"`1 \| 1` is labelled bool, but its value is int32"),
        (
            Call("popcount", (ONE,), "float32"),
            r"popcount takes an integer, but the argument of `popcount\(1.0\)",
        ),
        (Call("sin", (Const(1),), "int32"), r"sin takes a float, but the argument of `sin\(1\)` is int32"),
        (Call("isnan", (ONE,), "float32"), r"`isnan\(1.0\)` is labelled float32, but its value is bool"),
        (
            Call("isnan", (Const(1),), "bool"),
            r"isnan takes a float, but the argument of `isnan\(1\)` is int32",
        ),
    ],
)
def test_bits_and_functions(value, message):
    with pytest.raises(VerifyError, match=message):
        check(store(value))


def at(offset=0, extents=(4,), strides=(1,), buffer=A):
    return Region(buffer, Const(offset), extents, tuple(map(Const, strides)))
