"""Functions that are well formed, and those that are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir.dtype import PACKED_TYPES
from compiler.ir.expr import Binary, Broadcast, Buffer, Const, Expr, Load, Ramp, Var
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
        # an index out of bounds is allowed where the access may not run
        "def f(A: float32[4, 8]):\n    if A[0, 0] < 1.0:\n        A[4, 0] = 1.0",
        "def f(A: float32[4, 8]):\n    if True:\n        pass\n    else:\n        A[0, -1] = 1.0",
        "def f(A: float32[4, 8]):\n    A[0, 0] = if_then_else(0 >= 1, A[0, -1], A[0, 0])",
        "def f(A: float32[4, 8]):\n    for i in range(0):\n        A[4, 0] = 1.0",
        "def f(A: float32[4]):\n    for i in range(1):\n        for j in range(i):\n            A[4] = 1.0",
        "def f(A: float32[4], I: int32[4]):\n    for i in range(4):\n        A[I[i]] = A[I[i] + 100]",
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
def test_random_programs_have_the_requested_features(data):
    plain = (Expr, Seq, Store, For, If, Allocate)
    func = data.draw(functions(()))
    assert all(isinstance(node, plain) for node in walk(func.body))
    assert not func.sizes and not any(p.dtype in PACKED_TYPES for p in func.params)
    func = data.draw(functions(("let",)))
    assert all(isinstance(node, (*plain, Let)) for node in walk(func.body))


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
        (Buffer("B", (4, -1)), r"the shape of `B` is \(4, -1\); an extent is a non-negative integer"),
        (Buffer("B", (4.0,)), r"the shape of `B` is \(4.0,\); an extent is a non-negative integer"),
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
    check(Seq((loop(i, EMPTY), loop(i, EMPTY))))  # two loops over one variable, as unrolling makes
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
    with pytest.raises(
        VerifyError, match=r"buffer `b` is allocated inside of its allocation; allocate another"
    ):
        check(Allocate(b, Allocate(b, EMPTY)))
    with pytest.raises(VerifyError, match=r"buffer `A` is a parameter; allocate another buffer"):
        check(Allocate(A, EMPTY))


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


TRUE = Const(True, "bool")


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
            r"^f: the dynamic extent `n` has no bounds",
        ),
        (
            Buffer("B", (Var("n", bounds=(4, 2)),)),
            r"the bounds of the dynamic extent `n` are \(4, 2\); they must be ordered and within 0 .. 2147",
        ),
        (Buffer("B", (Var("n", bounds=(-1, 2)),)), r"the bounds of the dynamic extent `n` are \(-1, 2\)"),
        (
            Buffer("B", (Var("n", "int8", (1, 128)),)),
            r"\(1, 128\); they must be ordered and within 0 .. 127, the values of int8",
        ),
        (
            Buffer("B", (Var("n", "float32", (1, 2)),)),
            r"the dynamic extent `n` is float32; it must be an integer",
        ),
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
        (loop(N, EMPTY), r"variable `n` has bounds; only dynamic extents of parameters have them"),
        (Let(N, Const(1), EMPTY), r"variable `n` has bounds; only dynamic extents of parameters have them"),
        (loop(Var("i"), EMPTY, extent=N), r"variable `n` is used but never defined"),
        (
            Allocate(Buffer("b", (N,)), EMPTY),
            r"the shape of `b` is \(n,\); an extent is a non-negative integer, as the upper bound of",
        ),
    ],
)
def test_sizes_belong_to_parameters(body, message):
    with pytest.raises(VerifyError, match=message):
        check(body)


def bound(kind, body):
    return loop(Var("t"), body, kind=kind)


GATE = Barrier("shared")


def test_threads():
    check(bound("blockIdx.x", bound("threadIdx.x", bound("threadIdx.y", GATE))))
    check(bound("threadIdx.x", Seq((GATE, loop(Var("i"), GATE)))))
    check(Seq((bound("threadIdx.x", GATE), bound("threadIdx.x", GATE))))
    for body in (GATE, bound("blockIdx.x", GATE), Seq((bound("threadIdx.x", EMPTY), GATE))):
        with pytest.raises(VerifyError, match=r"a barrier must be inside of a loop that is"):
            check(body)
    with pytest.raises(VerifyError, match=r"two loops are bound to threadIdx.x, one inside the other"):
        check(bound("threadIdx.x", loop(Var("i"), bound("threadIdx.x", EMPTY))))
    with pytest.raises(VerifyError, match=r"unknown scope 'sharde'; did you mean 'shared'\?"):
        check(bound("threadIdx.x", Barrier("sharde")))


@pytest.mark.parametrize(
    ("pragmas", "message"),
    [
        ((("a", 1), ("a", 2)), r"pragma 'a' is given twice"),
        ((("a", 1.5),), r"pragma 'a' is 1.5; it must be a string, an integer or a bool"),
        (((3, 1),), r"pragma 3 is 1; it must be a string"),
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
    # margins that are not literals are checked at run time
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
        (copied(at(), at(), (ONE,)), r"the padding `1.0` is float32; it must be a scalar integer"),
        (
            copied(at(0, (4.0,)), at()),
            r"the extents of `region\(.*\)` are \(4.0,\); they must be non-negative integers",
        ),
        (copied(at(0, (4, 1)), at()), r"`region\(A, 0, \(4, 1\), \(1,\)\)` has 2 extents and 1 strides"),
        (
            copied(at(0, (4, 1), (1, 1)), at()),
            r"the target has 2 axes, the source 1, and the padding 1 and 1; the numbers must agree",
        ),
        (copied(at(), at(), (ZERO, ZERO)), r"the padding 2 and 1; the numbers must agree"),
        (
            copied(at(), at(), fill=Const(1)),
            r"the target, the source and the fill are float32, float32 and int32; they must have one type",
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
        (CLEAR(at(30)), r"is out of bounds: positions 30 .. 33 of 32 elements"),
        (CLEAR("A"), r"a region was expected, not a str"),
        (Seq((CLEAR(at()), intrinsic()(at()))), r"two intrinsics are called 'clear'"),
        (
            intrinsic("copy")(at()),
            r"the name of an intrinsic is an identifier that is not reserved, not 'co",
        ),
        (intrinsic("2d")(at()), r"the name of an intrinsic is an identifier .*, not '2d'"),
        (intrinsic(shape=(N,))(at()), r"intrinsic clear must have fixed shapes, but 'n' is a dynamic extent"),
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
    with pytest.raises(VerifyError, match=r"the name of a pipeline stage is a non-empty string, not ''"):
        check(Token("push", "load", ""))
