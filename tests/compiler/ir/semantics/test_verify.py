"""Every rule of the verifier: a program that keeps it, and one that breaks it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir.dtype import PACKED_TYPES
from compiler.ir.expr import Binary, Broadcast, Buffer, Call, Cast, Const, Expr, Load, Not, Ramp, Select, Var
from compiler.ir.function import Intrinsic, PrimFunc
from compiler.ir.semantics.verify import VerifyError, verify
from compiler.ir.stmt import (
    Allocate,
    Barrier,
    Copy,
    For,
    If,
    Let,
    Prefetch,
    Region,
    Seq,
    Store,
    Token,
)
from compiler.ir.text import parse_function
from compiler.ir.visit import walk
from tests.compiler.random_programs import functions

A = Buffer("A", (4, 8))
ONE = Const(1.0, "float32")
EMPTY = Seq(())


def store(value, *indices):
    return Store(A, indices or (Const(0), Const(0)), value)


def check(body, *params, name="f"):
    return verify(PrimFunc(name, params or (A,), body))


def loop(var, body, extent=None, kind="serial"):
    return For(var, Const(4) if extent is None else extent, kind, body)


def test_a_verify_error_is_a_value_error():
    assert issubclass(VerifyError, ValueError)


@pytest.mark.parametrize(
    "text",
    [
        """
        def f(A: float32[4, 8], B: int64[()], M: (bool[4], "local")):
            for i in parallel(4):
                acc = allocate(float32[8], "local")
                for j in vectorize(8):
                    acc[j] = A[i, j] / 2.0
                acc[ramp(0, 2, 4)] = select(M[ramp(0, 1, 4)], acc[ramp(1, 2, 4)], broadcast(0.0, 4))
                acc[ramp(0, 2, 4)] = select(M[i], acc[ramp(1, 2, 4)], broadcast(0.0, 4))
                for k in unroll(i + 1):
                    if M[k] == (k < 3) and not M[k]:
                        B[()] = B[()] + cast(k, "int64") // int64(2)
                    A[i, 7] = if_then_else(i > 0, A[i - 1, 7], pow(abs(acc[0]), 2.0))
                A[ramp(i, 8, 4)] = A[ramp(0, 1, 4), 3]
        """,
        "def f(A: float32[4, 8]):\n    A[31] = A[3, 7]",
        "def f():\n    pass",
        # an index that is out of bounds does no harm where it may never be used
        "def f(A: float32[4, 8]):\n    if A[0, 0] < 1.0:\n        A[4, 0] = 1.0",
        "def f(A: float32[4, 8]):\n    if True:\n        pass\n    else:\n        A[0, -1] = 1.0",
        "def f(A: float32[4, 8]):\n    A[0, 0] = if_then_else(0 >= 1, A[0, -1], A[9, 0])",
        "def f(A: float32[4, 8]):\n    for i in range(0):\n        A[4, 0] = 1.0",
        "def f(A: float32[4]):\n    for i in range(3):\n        for j in range(i):\n            A[4] = 1.0",
    ],
)
def test_accepts(text):
    assert verify(parse_function(text)) is None


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_accepts_random_programs(data):
    verify(data.draw(functions()))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_random_programs_have_the_features_that_they_are_asked_for(data):
    plain = (Expr, Seq, Store, For, If, Allocate)
    func = data.draw(functions(()))
    assert all(isinstance(node, plain) for node in walk(func.body))
    assert not func.sizes and not any(p.dtype in PACKED_TYPES for p in func.params)
    func = data.draw(functions(("let",)))
    assert all(isinstance(node, (*plain, Let)) for node in walk(func.body))


# functions and definitions


@pytest.mark.parametrize("name", ["", "2d", "a.b", "class", "\u00e9"])
def test_the_name_of_a_function(name):
    with pytest.raises(VerifyError, match=f"the name of a function is an identifier, not {name!r}"):
        check(EMPTY, name=name)


def test_parameters_are_distinct():
    with pytest.raises(VerifyError, match="^f: parameter `A` is given twice"):
        check(EMPTY, A, A)


@pytest.mark.parametrize(
    ("buffer", "message"),
    [
        (Buffer("B", (4,), "float23"), r"unknown type 'float23'; did you mean 'float32'\?"),
        (Buffer("B", (4,), "complex64"), r"unknown type 'complex64'"),
        (Buffer("B", (4,), "float32x4"), r"unknown type 'float32x4'; did you mean 'float32'\?"),
        (Buffer("B", (4,), "float32", "locl"), r"unknown scope 'locl'; did you mean 'local'\?"),
        (Buffer("B", (4,), "float32", "?"), r"unknown scope '\?'; known: global, shared, warp, local"),
        (Buffer("B", (4, -1)), r"the shape of `B` is \(4, -1\); an extent is a whole number"),
        (Buffer("B", (4.0,)), r"the shape of `B` is \(4.0,\); an extent is a whole number"),
    ],
)
def test_buffers(buffer, message):
    with pytest.raises(VerifyError, match=message):
        check(EMPTY, buffer)
    with pytest.raises(VerifyError, match=message):
        check(Allocate(buffer, EMPTY))


def test_variables_are_used_inside_of_their_loop():
    i = Var("i")
    with pytest.raises(
        VerifyError, match=r"^f, at `A\[i, 0\] = 1.0`: variable `i` is used but never defined"
    ):
        check(store(ONE, i, Const(0)))
    with pytest.raises(VerifyError, match=r"variable `i` is used outside of its loop"):
        check(Seq((loop(i, EMPTY), store(ONE, i, Const(0)))))
    with pytest.raises(
        VerifyError, match=r"at `for i in range\(i\):`: variable `i` is used but never defined"
    ):
        check(loop(i, EMPTY, extent=i))


def test_a_variable_is_bound_by_one_loop_at_a_time():
    i, j = Var("i"), Var("i")
    check(loop(i, loop(j, EMPTY)))
    check(Seq((loop(i, EMPTY), loop(i, EMPTY))))  # what unrolling a loop around a loop leaves
    with pytest.raises(
        VerifyError, match=r"variable `i` is bound twice, by one loop or let inside the other"
    ):
        check(loop(i, loop(i, EMPTY)))


def test_messages_name_variables_as_the_text_does():
    outer, inner = Var("i"), Var("i")
    with pytest.raises(VerifyError, match=r"at `A\[i, i_1\] = True`: the value `True` is bool"):
        check(loop(outer, loop(inner, store(Const(True, "bool"), outer, inner))))


def test_buffers_are_used_inside_of_their_allocation():
    b = Buffer("b", (4,))
    use = Store(b, (Const(0),), ONE)
    check(Allocate(b, use))
    with pytest.raises(VerifyError, match=r"buffer `b` is used but never defined"):
        check(use)
    with pytest.raises(VerifyError, match=r"buffer `b` is used but never defined"):
        check(store(Load(b, (Const(0),))))
    with pytest.raises(VerifyError, match=r"buffer `b` is used outside of its allocation"):
        check(Seq((Allocate(b, EMPTY), use)))


def test_a_buffer_is_allocated_once_at_a_time():
    b = Buffer("b", (4,))
    check(Seq((Allocate(b, EMPTY), Allocate(b, EMPTY))))
    with pytest.raises(VerifyError, match=r"buffer `b` is allocated inside of its allocation; give each"):
        check(Allocate(b, Allocate(b, EMPTY)))
    with pytest.raises(VerifyError, match=r"buffer `A` is a parameter; give each allocation a buffer"):
        check(Allocate(A, EMPTY))


# statements


@pytest.mark.parametrize(
    ("stmt", "message"),
    [
        (
            loop(Var("i"), EMPTY, kind="tiled"),
            r"unknown kind of loop 'tiled'; known: serial, parallel, vectorize, unroll, vthread, block",
        ),
        (loop(Var("i"), EMPTY, kind="threadIdx"), r"'threadIdx'; did you mean 'threadIdx.[xyz]'\?"),
        (
            loop(Var("i"), EMPTY, kind="vectorise"),
            r"unknown kind of loop 'vectorise'; did you mean 'vectorize'\?",
        ),
        (
            loop(Var("i", "float32"), EMPTY, extent=Const(4.0, "float32")),
            r"the extent `4.0` is float32; an extent is a scalar integer",
        ),
        (
            loop(Var("i", "bool"), EMPTY, extent=Const(True, "bool")),
            r"the extent `True` is bool; an extent is a scalar integer",
        ),
        (
            loop(Var("i"), EMPTY, extent=Broadcast(Const(4), 2)),
            r"the extent `broadcast\(4, 2\)` is int32x2; an extent is a scalar integer",
        ),
        (loop(Var("i", "int64"), EMPTY), r"variable `i` is int64, and its extent int32"),
        (
            loop(Var("i"), EMPTY, extent=Load(Buffer("A", (), "int32"), ())),
            r"buffer `A_1` is used but never defined",
        ),
        (
            loop(Var("i"), EMPTY, extent=Binary("+", Const(1), Const(2), "int32"), kind="vectorize"),
            r"the extent of a vectorize loop is a literal, not `1 \+ 2`",
        ),
        (If(Const(1), EMPTY), r"at `if 1:`: the condition `1` is int32; it must be a scalar bool"),
        (
            If(Broadcast(Const(True, "bool"), 4), EMPTY),
            r"the condition `broadcast\(True, 4\)` is boolx4; it must be a scalar bool",
        ),
        (If(Const(True, "bool"), store(Const(1))), r"at `A\[0, 0\] = 1`: the value `1` is int32"),
        (If(Const(True, "bool"), EMPTY, store(Const(1))), r"at `A\[0, 0\] = 1`: the value `1` is int32"),
        (store(Const(1)), r"the value `1` is int32, but float32 is stored to"),
        (store(Broadcast(ONE, 4)), r"the value `broadcast\(1.0, 4\)` is float32x4, but float32 is stored to"),
        (
            store(ONE, Const(0), Ramp(Const(0), Const(1), 4)),
            r"the value `1.0` is float32, but float32x4 is stored to",
        ),
        (
            store(Broadcast(ONE, 2), Const(0), Ramp(Const(0), Const(1), 4)),
            r"the value `broadcast\(1.0, 2\)` is float32x2, but float32x4 is stored to",
        ),
        ("nothing", r"a statement cannot be a str: 'nothing'"),
        (Seq((ONE,)), r"a statement cannot be a Const"),
        (store("nothing"), r"an expression cannot be a str: 'nothing'"),
    ],
)
def test_statements(stmt, message):
    with pytest.raises(VerifyError, match=message):
        check(stmt)


# accesses


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        (
            (Const(0), Const(0), Const(0)),
            r"in `A\[0, 0, 0\]`, 3 indices are given; take one for each axis of \(4, 8\)",
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


def test_what_surely_runs_is_checked_for_its_bounds():
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
        # what comes after a guard is not guarded
        Seq((If(Const(True, "bool"), bad), bad)),
    ):
        with pytest.raises(VerifyError, match=r"the index 4 is out of bounds"):
            check(body)


# expressions


TRUE = Const(True, "bool")
WIDE = Broadcast(ONE, 4)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Const(1.5), r"1.5 is no literal of type int32"),
        (Const(True), r"True is no literal of type int32"),
        (Const(300, "int8"), r"300 is no literal of type int8"),
        (Const(-1, "uint8"), r"-1 is no literal of type uint8"),
        (Const(1, "bool"), r"1 is no literal of type bool"),
        (Const(True, "float32"), r"True is no literal of type float32"),
        (Const("x", "float32"), r"'x' is no literal of type float32"),
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
        (Call("abs", (TRUE,), "bool"), r"abs takes a float, but the argument of `abs\(True\)` is bool"),
        (Call("pow", (ONE, Const(1)), "float32"), r"the arguments of `pow\(1.0, 1\)` are float32 and int32"),
        (Call("exp", (ONE,), "float64"), r"`exp\(1.0\)` is labelled float64, but its value is float32"),
        (Call("exp", (Call("sine", (), ""),), "float32"), r"unknown intrinsic 'sine'"),
        (Call("pow", (ONE, Const(1.5)), "float32"), r"1.5 is no literal of type int32"),
        (
            Call("if_then_else", (ONE, ONE, ONE), "float32"),
            r"the condition `1.0` is float32; it must be a bool",
        ),
        (
            Call("if_then_else", (TRUE, ONE, Const(1)), "float32"),
            r"the arms of `if_then_else\(True, 1.0, 1\)` are float32 and int32",
        ),
        (Call("if_then_else", (TRUE, ONE, ONE), "int32"), r"is labelled int32, but its value is float32"),
        (Call("if_then_else", (TRUE, ONE, Const(1.5)), "float32"), r"1.5 is no literal of type int32"),
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


def test_the_innermost_culprit_is_named():
    bad = Binary("/", Const(1), Const(2), "int32")
    with pytest.raises(VerifyError, match=r"the operands of `1 / 2` are int32"):
        check(store(Call("exp", (Select(TRUE, Cast(bad, "float32"), ONE),), "float32")))


# sizes, packed types, threads, lets, copies, intrinsics and tokens


def test_accepts_sizes():
    verify(
        parse_function(
            """
            def f(n: size(1, 64), m: size(1, 8, dtype="int64"), A: float32[n, 64], B: float32[m, n]):
                for i in range(n):
                    for j in range(m):
                        B[j, i] = A[i, 63] + cast(n - i, "float32")
            """
        )
    )


N = Var("n", bounds=(1, 8))


@pytest.mark.parametrize(
    ("buffer", "message"),
    [
        (
            Buffer("B", (Var("n"),)),
            r"^f: the extent `n` has no bounds; give a size its least and its greatest",
        ),
        (
            Buffer("B", (Var("n", bounds=(4, 2)),)),
            r"the bounds of size `n` are \(4, 2\); a size lies in 0 .. the",
        ),
        (Buffer("B", (Var("n", bounds=(-1, 2)),)), r"the bounds of size `n` are \(-1, 2\)"),
        (Buffer("B", (Var("n", "int8", (1, 128)),)), r"\(1, 128\); a size lies in 0 .. the most of int8"),
        (Buffer("B", (Var("n", "float32", (1, 2)),)), r"the size `n` is float32; a size is an integer"),
        (Buffer("B", (Var("n", "int4", (1, 2)),)), r"unknown type 'int4'"),
        (
            Buffer("B", (4, 3), "int4"),
            r"the last extent of parameter `B` must fill whole bytes, a multiple of 2",
        ),
        (Buffer("B", (12,), "uint1"), r"must fill whole bytes, a multiple of 8 known at build, for uint1"),
        (Buffer("B", (N,), "int4"), r"must fill whole bytes, a multiple of 2 known at build, for int4"),
        (Buffer("B", (), "int2"), r"must fill whole bytes, a multiple of 4"),
    ],
)
def test_parameters(buffer, message):
    with pytest.raises(VerifyError, match=message):
        check(EMPTY, buffer)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (loop(N, EMPTY), r"variable `n` has bounds, but only the size of a parameter has"),
        (Let(N, Const(1), EMPTY), r"variable `n` has bounds, but only the size of a parameter has"),
        (loop(Var("i"), EMPTY, extent=N), r"variable `n` is used but never defined"),
        (
            Allocate(Buffer("b", (N,)), EMPTY),
            r"the shape of `b` is \(n,\); an extent is a whole number, the most that it can be",
        ),
    ],
)
def test_sizes_belong_to_parameters(body, message):
    with pytest.raises(VerifyError, match=message):
        check(body)


def test_an_index_is_checked_against_the_most_that_a_size_can_be():
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


def bound(kind, body):
    return loop(Var("t"), body, kind=kind)


GATE = Barrier("shared")


def test_threads():
    check(bound("blockIdx.x", bound("threadIdx.x", bound("threadIdx.y", GATE))))
    check(bound("threadIdx.x", Seq((GATE, loop(Var("i"), GATE)))))
    check(Seq((bound("threadIdx.x", GATE), bound("threadIdx.x", GATE))))
    for body in (GATE, bound("blockIdx.x", GATE), Seq((bound("threadIdx.x", EMPTY), GATE))):
        with pytest.raises(
            VerifyError, match=r"a barrier is for threads: it stands inside of a loop that is"
        ):
            check(body)
    with pytest.raises(VerifyError, match=r"two loops are bound to threadIdx.x, one inside the other"):
        check(bound("threadIdx.x", loop(Var("i"), bound("threadIdx.x", EMPTY))))
    with pytest.raises(VerifyError, match=r"unknown scope 'sharde'; did you mean 'shared'\?"):
        check(bound("threadIdx.x", Barrier("sharde")))


@pytest.mark.parametrize(
    ("pragmas", "message"),
    [
        ((("a", 1), ("a", 2)), r"pragma 'a' is given twice"),
        ((("a", 1.5),), r"pragma 'a' is 1.5; a text, a whole number or a bool is wanted"),
        (((3, 1),), r"pragma 3 is 1; a text"),
    ],
)
def test_pragmas(pragmas, message):
    with pytest.raises(VerifyError, match=message):
        check(For(Var("i"), Const(4), "serial", EMPTY, pragmas))
    with pytest.raises(VerifyError, match=message):
        check(Allocate(Buffer("b", (4,)), EMPTY, pragmas))


def test_lets():
    x, v = Var("x"), Var("v", "float32x4")
    row = (Const(0), Ramp(Const(0), Const(1), 4))
    check(Let(x, Const(1), Let(v, Load(A, row), Store(A, row, v))))
    with pytest.raises(VerifyError, match=r"at `x = 1.0`: variable `x` is int32, and its value float32"):
        check(Let(x, ONE, EMPTY))
    with pytest.raises(
        VerifyError, match=r"variable `x` is bound twice, by one loop or let inside the other"
    ):
        check(loop(x, Let(x, Const(1), EMPTY)))
    with pytest.raises(VerifyError, match=r"variable `x` is used outside of its loop or let"):
        check(Seq((Let(x, Const(1), EMPTY), store(ONE, x, Const(0)))))
    with pytest.raises(VerifyError, match=r"variable `x` is used but never defined"):
        check(Let(x, x + 1, EMPTY))


def test_prefetches():
    check(Prefetch(A, (Const(99), Const(-1))))
    with pytest.raises(VerifyError, match=r"in `A\[0, 0, 0\]`, 3 indices are given"):
        check(Prefetch(A, (Const(0),) * 3))
    with pytest.raises(VerifyError, match=r"the index of a prefetch is a scalar, but there are 4 lanes"):
        check(Prefetch(A, (Const(0), Ramp(Const(0), Const(1), 4))))


def at(offset=0, extents=(4,), strides=(1,), buffer=A):
    return Region(buffer, Const(offset), extents, tuple(map(Const, strides)))


ZERO = Const(0)
B = Buffer("B", (4, 8), "int32")


def copied(target, source, before=(ZERO,), after=(ZERO,), fill=ONE):
    return Copy(target, source, before, after, fill)


def test_copies():
    i = Var("i")
    check(copied(at(0, (6,)), at(26, (2,), (5,)), (Const(1),), (Const(3),)))
    check(copied(at(31, (4, 8), (-8, -1)), at(0, (4, 8), (8, 1)), (ZERO, ZERO), (ZERO, ZERO)))
    check(copied(at(99, (0,), (5,)), at(99, (0,), (5,))))
    # margins that are not known are left to the run
    check(loop(i, copied(at(0, (6,)), at(), (i,), (2 - i,))))
    check(If(TRUE, copied(at(40), at())))


@pytest.mark.parametrize(
    ("stmt", "message"),
    [
        (
            copied(at(28, (5,)), at(0, (5,))),
            r"`region\(A, 28, \(5,\), \(1,\)\)` is out of bounds: .* 28 .. 32 of 32",
        ),
        (
            copied(at(), at(2, (4,), (-1,))),
            r"`region\(A, 2, \(4,\), \(-1,\)\)` is out of bounds: .* -1 .. 2 of 32",
        ),
        (copied(at(buffer=B), at()), r"buffer `B` is used but never defined"),
        (
            copied(Region(A, ONE, (4,), (Const(1),)), at()),
            r"the offset `1.0` is float32; it must be a scalar int",
        ),
        (
            copied(Region(A, ZERO, (4,), (ONE,)), at()),
            r"the stride `1.0` is float32; it must be a scalar int",
        ),
        (copied(at(), at(), (ONE,)), r"the margin `1.0` is float32; it must be a scalar integer"),
        (
            copied(at(0, (4.0,)), at()),
            r"the extents of `region\(.*\)` are \(4.0,\); an extent is a whole number",
        ),
        (copied(at(0, (4, 1)), at()), r"`region\(A, 0, \(4, 1\), \(1,\)\)` has 2 extents and 1 strides"),
        (
            copied(at(0, (4, 1), (1, 1)), at()),
            r"the target has 2 axes, the source 1, and the margins 1 and 1; all must be the same number",
        ),
        (copied(at(), at(), (ZERO, ZERO)), r"the margins 2 and 1; all must be the same number"),
        (
            copied(at(), at(), fill=Const(1)),
            r"the target, the source and the fill are float32, float32 and int32; a copy has one type",
        ),
        (
            copied(at(0, (6,)), at(), (Const(1),)),
            r"along axis 0 the target has 6 elements, but 1 before, 4 of the source and 0 after make 5",
        ),
        (copied(at(0, (3,)), at(), (Const(-1),)), r"along axis 0 the target has 3 elements, but -1 before"),
        (copied("A", at()), r"a region was expected, not a str: 'A'"),
    ],
)
def test_copies_refuse(stmt, message):
    with pytest.raises(VerifyError, match=message):
        check(stmt)


def intrinsic(name="clear", body=EMPTY, shape=(4,)):
    x = Buffer("x", shape)
    return Intrinsic(name, PrimFunc("f", (x,), body))


CLEAR = intrinsic()
TWICE = intrinsic("twice", CLEAR(at(buffer=A)))


def test_intrinsics():
    check(CLEAR(at(0, (4,), (8,))))
    x = Buffer("x", (4,))
    calls = CLEAR(Region(x, ZERO, (4,), (Const(1),)))
    check(Seq((Intrinsic("twice", PrimFunc("f", (x,), Seq((calls, calls))))(at()), CLEAR(at()))))


@pytest.mark.parametrize(
    ("stmt", "message"),
    [
        (CLEAR(), r"at `clear\(\)`: clear takes 1 region\(s\), not 0"),
        (
            CLEAR(at(0, (5,))),
            r"parameter `x` of clear is float32 of shape \(4,\), but `region\(.*` is float32 of shape \(5,\)",
        ),
        (CLEAR(at(30)), r"is out of bounds: it has the elements 30 .. 33 of 32"),
        (CLEAR("A"), r"a region was expected, not a str"),
        (Seq((CLEAR(at()), intrinsic()(at()))), r"two intrinsics are called 'clear'"),
        (
            intrinsic("copy")(at()),
            r"the name of an intrinsic is an identifier without a meaning of its own, not 'co",
        ),
        (intrinsic("2d")(at()), r"the name of an intrinsic is an identifier .*, not '2d'"),
        (intrinsic(shape=(N,))(at()), r"the shapes of intrinsic clear are fixed, but 'n' is an extent"),
        (intrinsic(body=store(Const(1)))(at()), r"at `A\[0, 0\] = 1`: buffer `A` is used but never defined"),
        (TWICE(at()), r"at `clear\(region\(A, .*: buffer `A` is used but never defined"),
    ],
)
def test_intrinsics_refuse(stmt, message):
    with pytest.raises(VerifyError, match=message):
        check(stmt)


def test_tokens():
    check(Seq((Token("push", "load", "compute"), Token("pop", "load", "compute"))))
    with pytest.raises(VerifyError, match=r"unknown action of a token 'pull'; known: push, pop"):
        check(Token("pull", "load", "compute"))
    with pytest.raises(VerifyError, match=r"a stage of the pipeline has a name, not ''"):
        check(Token("push", "load", ""))
