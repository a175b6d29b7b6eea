"""Every rule of the verifier: a program that keeps it, and one that breaks it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir.expr import Binary, Broadcast, Call, Cast, Const, Load, Not, Ramp, Select, Var
from compiler.ir.function import Buffer, PrimFunc
from compiler.ir.stmt import Allocate, For, If, Seq, Store
from compiler.ir.text import parse_function
from compiler.ir.verify import VerifyError, verify

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
def test_accepts_random_programs(functions, data):
    verify(data.draw(functions))


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
        (Buffer("B", (4,), "float32", "?"), r"unknown scope '\?'; known: global, local"),
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
    with pytest.raises(VerifyError, match=r"variable `i` is bound by two loops, one inside the other"):
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
            loop(Var("i"), EMPTY, kind="threaded"),
            r"unknown kind of loop 'threaded'; known: serial, parallel, vectorize",
        ),
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
        (Binary("^", ONE, ONE, "float32"), r"unknown operator '\^'; known: \+, -, "),
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
