"""The text of functions: golden text, names, and the round trip through the parser."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir.expr import (
    Binary,
    Broadcast,
    Buffer,
    Call,
    Cast,
    Const,
    Load,
    Not,
    Ramp,
    Select,
    Var,
    binary,
)
from compiler.ir.function import Intrinsic, PrimFunc
from compiler.ir.semantics.equal import structural_equal
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import Allocate, For, If, Region, Seq, Store
from compiler.ir.text import RESERVED, parse_function, print_expr, print_function, print_stmt
from tests.compiler.random_programs import functions

i, j, k = Var("i"), Var("j"), Var("k")
A, B, C = Buffer("A", (64, 64)), Buffer("B", (64, 64)), Buffer("C", (64, 64))
TRUE = Const(True, "bool")


def less(a, b):
    return Binary("<", a, b, "bool")


def test_matmul():
    zero = Store(C, (i, j), Const(0.0, "float32"))
    update = Store(C, (i, j), C_at() + Load(A, (i, k)) * Load(B, (k, j)))
    body = For(j, Const(64), "serial", Seq((zero, For(k, Const(64), "unroll", update))))
    func = PrimFunc("main", (A, B, C), For(i, Const(64), "parallel", body))
    assert str(func) == (
        "def main(A: float32[64, 64], B: float32[64, 64], C: float32[64, 64]):\n"
        "    for i in parallel(64):\n"
        "        for j in range(64):\n"
        "            C[i, j] = 0.0\n"
        "            for k in unroll(64):\n"
        "                C[i, j] = C[i, j] + A[i, k] * B[k, j]"
    )


def C_at():
    return Load(C, (i, j))


def test_vectors_and_branches():
    ramp = Ramp(j * 16, Const(1), 16)
    value = Select(Broadcast(less(i, Const(3)), 16), Load(A, (i, ramp)), Broadcast(Const(1.0, "float32"), 16))
    store = Store(C, (i, ramp), value)
    inner = If(less(j, Const(4)), store, If(less(j, Const(5)), Seq(()), store))
    func = PrimFunc("f", (A, C), For(i, Const(64), "serial", For(j, Const(4), "vectorize", inner)))
    assert str(func) == (
        "def f(A: float32[64, 64], C: float32[64, 64]):\n"
        "    for i in range(64):\n"
        "        for j in vectorize(4):\n"
        "            if j < 4:\n"
        "                C[i, ramp(j * 16, 1, 16)] = select(broadcast(i < 3, 16), A[i, ramp(j * 16, 1, 16)], "
        "broadcast(1.0, 16))\n"
        "            elif j < 5:\n"
        "                pass\n"
        "            else:\n"
        "                C[i, ramp(j * 16, 1, 16)] = select(broadcast(i < 3, 16), A[i, ramp(j * 16, 1, 16)], "
        "broadcast(1.0, 16))"
    )


def test_allocation_is_a_line_at_the_end_of_its_block_and_a_block_elsewhere():
    acc, tile = Buffer("acc", (), "int64", "local"), Buffer("tile", (2, 8))
    set_acc = Store(acc, (), Const(-7, "int64"))
    set_tile = Store(tile, (Const(0), Const(0)), Const(0.0, "float32"))
    body = Seq(
        (Allocate(acc, Seq((set_acc, set_acc))), Allocate(tile, Seq((set_tile, Allocate(acc, Seq(()))))))
    )
    assert str(PrimFunc("f", (), body)) == (
        "def f():\n"
        '    with allocate(int64[()], "local") as acc:\n'
        "        acc[()] = int64(-7)\n"
        "        acc[()] = int64(-7)\n"
        '    tile = allocate(float32[2, 8], "global")\n'
        "    tile[0, 0] = 0.0\n"
        '    acc = allocate(int64[()], "local")\n'
        "    pass"
    )


def test_parameters_of_another_scope_and_loops_of_another_type():
    local, wide = Buffer("w", (4,), "int8", "local"), Var("k", "int64")
    store = Store(local, (wide,), Const(1, "int8"))
    loop = For(wide, Const(4), "serial", For(j, Const(4, "uint8"), "serial", store))
    assert str(PrimFunc("f", (local,), loop)) == (
        'def f(w: (int8[4], "local")):\n'
        '    for k in range(4, dtype="int64"):\n'
        '        for j in range(uint8(4), dtype="int32"):\n'
        "            w[k] = int8(1)"
    )


def test_the_empty_program_passes():
    assert str(PrimFunc("f", (), Seq(()))) == "def f():\n    pass"
    assert print_stmt(Seq((Seq(()), Seq(())))) == "pass"


def test_a_branch_with_an_empty_else_is_not_one_without():
    text = print_stmt(If(TRUE, Seq(()), Seq(())))
    assert text == "if True:\n    pass\nelse:\n    pass"
    assert print_stmt(If(TRUE, Seq(()))) == "if True:\n    pass"


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (i + j * k, "i + j * k"),
        ((i + j) * k, "(i + j) * k"),
        (i - (j - k), "i - (j - k)"),
        ((i - j) - k, "i - j - k"),
        (i // (j * k) % k, "i // (j * k) % k"),
        (i * (j // k), "i * (j // k)"),
        (binary("min", i + j, k), "min(i + j, k)"),
        (binary("max", i, Const(-1)) * 2, "max(i, -1) * 2"),
        (i - Const(-1), "i - -1"),
        (Const(-1) * i, "-1 * i"),
        (binary("and", less(i, j), binary("or", less(j, k), less(k, i))), "i < j and (j < k or k < i)"),
        (binary("or", binary("and", less(i, j), TRUE), TRUE), "i < j and True or True"),
        (binary("and", TRUE, binary("and", less(i, j), TRUE)), "True and (i < j and True)"),
        (Not(less(i, j)), "not i < j"),
        (Not(Not(binary("and", less(i, j), TRUE))), "not not (i < j and True)"),
        (Binary("==", less(i, j), less(j, k), "bool"), "(i < j) == (j < k)"),
        (Binary("==", Not(TRUE), TRUE, "bool"), "(not True) == True"),
        (less(i + 1, j), "i + 1 < j"),
        (Cast(i + j, "float32"), 'cast(i + j, "float32")'),
        (Cast(Const(1), "float32"), 'cast(1, "float32")'),
        (Call("exp", (Load(A, (i, j)),), "float32"), "exp(A[i, j])"),
        (Call("if_then_else", (less(i, j), i, j), "int32"), "if_then_else(i < j, i, j)"),
        (Ramp(i, Const(2), 4), "ramp(i, 2, 4)"),
    ],
)
def test_expressions_have_the_fewest_parentheses(expr, text):
    assert print_expr(expr) == text


@pytest.mark.parametrize(
    ("const", "text"),
    [
        (Const(3), "3"),
        (Const(-3), "-3"),
        (Const(0.5, "float32"), "0.5"),
        (Const(0.0, "float32"), "0.0"),
        (Const(-0.0, "float32"), "-0.0"),
        (Const(1e30, "float32"), "1e+30"),
        (Const(float("inf"), "float32"), 'float32("inf")'),
        (Const(float("-inf"), "float64"), 'float64("-inf")'),
        (Const(float("nan"), "float16"), 'float16("nan")'),
        (Const(0.1, "float64"), "float64(0.1)"),
        (Const(2**63 - 1, "int64"), "int64(9223372036854775807)"),
        (Const(-(2**63), "int64"), "int64(-9223372036854775808)"),
        (Const(255, "uint8"), "uint8(255)"),
        (TRUE, "True"),
        (Const(False, "bool"), "False"),
    ],
)
def test_literals_carry_their_type(const, text):
    assert print_expr(const) == text
    out = Buffer("out", (), const.dtype)
    func = PrimFunc("f", (out,), Store(out, (), const))
    again = parse_function(str(func))
    assert structural_equal(func, again)
    assert again.body.value.dtype == const.dtype
    assert repr(again.body.value.value) == repr(const.value)


def test_names_are_distinct_while_in_scope():
    inner, again = Var("i"), Var("i")
    store = Store(A, (i, inner), Const(1.0, "float32"))
    body = Seq(
        (
            For(i, Const(4), "serial", For(inner, Const(4), "serial", store)),
            For(again, Const(4), "serial", Store(A, (again, again), Const(2.0, "float32"))),
        )
    )
    func = PrimFunc("f", (A, Buffer("A", (2,)), Buffer("A_1", (2,))), body)
    assert str(func) == (
        "def f(A: float32[64, 64], A_1: float32[2], A_1_1: float32[2]):\n"
        "    for i in range(4):\n"
        "        for i_1 in range(4):\n"
        "            A[i, i_1] = 1.0\n"
        "    for i in range(4):\n"
        "        A[i, i] = 2.0"
    )
    assert structural_equal(func, parse_function(str(func)))


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("i.outer", "i_outer"),
        ("2d", "_2d"),
        ("", "_"),
        ("\u00e9", "_"),
        ("for", "for_"),
        ("min", "min_"),
        ("range", "range_"),
        ("float32", "float32_"),
        ("if_then_else", "if_then_else_"),
    ],
)
def test_names_become_legal(name, legal):
    buffer = Buffer(name, (2,))
    func = PrimFunc("f", (buffer,), Store(buffer, (Const(0),), Const(1.0, "float32")))
    assert str(func) == f"def f({legal}: float32[2]):\n    {legal}[0] = 1.0"
    assert structural_equal(func, parse_function(str(func)))


def test_a_function_may_be_called_as_an_intrinsic_is():
    assert str(PrimFunc("exp", (), Seq(()))) == "def exp():\n    pass"
    assert str(PrimFunc("my.kernel", (), Seq(()))) == "def my_kernel():\n    pass"
    assert str(PrimFunc("class", (), Seq(()))) == "def class_():\n    pass"


def test_items_used_outside_of_their_definition_keep_distinct_names():
    free = Var("i")
    body = For(i, Const(4), "serial", Store(A, (i, free), Const(1.0, "float32")))
    assert print_stmt(Seq((body, Store(A, (i, free), Const(1.0, "float32"))))) == (
        "for i in range(4):\n    A[i, i_1] = 1.0\nA[i, i_1] = 1.0"
    )


def test_nodes_without_a_schema_print_as_their_repr():
    class Leaf(Const):
        def __repr__(self):
            return "<leaf>"

    assert print_expr(Binary("+", i, Leaf(1), "int32")) == "i + <leaf>"


@pytest.mark.slow
@settings(max_examples=settings().max_examples, deadline=None)
@given(data=st.data())
def test_parse_undoes_print(data):
    func = data.draw(functions())
    verify(func)
    text = print_function(func)
    again = parse_function(text)
    assert structural_equal(func, again)
    assert structural_equal(again, func)
    assert print_function(again) == text
    verify(again)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_every_reserved_name_is_avoided(name):
    var = Var(name)
    func = PrimFunc("f", (), For(var, Const(2), "serial", Seq(())))
    assert structural_equal(func, parse_function(str(func)))
    assert f"for {name} in" not in str(func)


EVERYTHING = """
@intrinsic
def add(x: float32[4], y: (float32[4], "vta.acc")):
    for i in range(4):
        y[i] = y[i] + x[i]

@intrinsic
def twice(x: float32[4], y: float32[4]):
    add(region(x, 0, (4,), (1,)), region(y, 0, (4,), (1,)))
    add(region(x, 0, (4,), (1,)), region(y, 0, (4,), (1,)))

def main(n: size(1, 64), m: size(2, 8, dtype="int64"), A: float32[n, 64], B: (int4[m, n, 8], "shared")):
    for i in bind(4, "blockIdx.x", pragmas={"a": 1, "b": "it's", "c": True}):
        with allocate(float32[4, 18], "local", pragmas={"double_buffer": True}) as t:
            copy(region(t, 0, (6,), (9,)), region(A, i, (4,), (9,)), before=(0,), after=(2,), fill=0.0)
            for j in bind(n, "threadIdx.x"):
                barrier("shared")
                for k in vthread(int64(2)):
                    prefetch(A[j, 3])
        with let(i * 2) as twice_1:
            A[0, twice_1] = 1.0
        push("load", "compute")
        pop("load", "compute")
        twice(region(A, 0, (4,), (1,)), region(A, 64, (4,), (1,)))
        v = A[0, ramp(0, 1, 4)]
        A[1, ramp(0, 1, 4)] = v
"""


def test_every_statement():
    text = EVERYTHING.strip()
    func = parse_function(text)
    verify(func)
    assert str(func) == text
    assert structural_equal(func, parse_function(str(func)))
    assert [size.name for size in func.sizes] == ["n", "m"]
    assert func.sizes[1].bounds == (2, 8)
    assert func.body.pragmas == (("a", 1), ("b", "it's"), ("c", True))


def test_intrinsics_with_equal_names_get_distinct_ones():
    def description(value):
        x = Buffer("x", (1,))
        return PrimFunc("set", (x,), Store(x, (Const(0),), Const(value, "float32")))

    place = Region(A, Const(0), (1,), (Const(1),))
    calls = [Intrinsic("set", description(value))(place) for value in (1.0, 2.0)]
    assert str(PrimFunc("f", (A,), Seq((*calls, calls[0])))) == (
        "@intrinsic\ndef set(x: float32[1]):\n    x[0] = 1.0\n\n"
        "@intrinsic\ndef set_1(x: float32[1]):\n    x[0] = 2.0\n\n"
        "def f(A: float32[64, 64]):\n"
        "    set(region(A, 0, (1,), (1,)))\n"
        "    set_1(region(A, 0, (1,), (1,)))\n"
        "    set(region(A, 0, (1,), (1,)))"
    )


def test_an_intrinsic_takes_its_name_from_the_variables():
    var, x = Var("set"), Buffer("x", (1,))
    intrinsic = Intrinsic("set", PrimFunc("set", (x,), Store(x, (Const(0),), Const(1.0, "float32"))))
    loop = For(var, Const(4), "serial", intrinsic(Region(A, var, (1,), (Const(1),))))
    func = PrimFunc("f", (A,), loop)
    assert str(func).endswith("    for set_1 in range(4):\n        set(region(A, set_1, (1,), (1,)))")
    assert structural_equal(func, parse_function(str(func)))


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (i & j | k, "i & j | k"),
        (i & (j | k), "i & (j | k)"),
        ((i ^ j) & k, "(i ^ j) & k"),
        (i ^ j & k, "i ^ j & k"),
        (i | j ^ k, "i | j ^ k"),
        (i << j + k, "i << j + k"),
        ((i << j) + k, "(i << j) + k"),
        (i >> j >> k, "i >> j >> k"),
        (i >> (j << k), "i >> (j << k)"),
        (i & j << k, "i & j << k"),
        ((i & j) < k, "i & j < k"),
        (Binary("==", i | j, k, "bool"), "i | j == k"),
        (~i, "i ^ -1"),
        (Call("popcount", (i,), "int32"), "popcount(i)"),
        (Call("isnan", (Load(A, (i, j)),), "bool"), "isnan(A[i, j])"),
        (Cast(i, "uint2"), 'cast(i, "uint2")'),
    ],
)
def test_bitwise_operators_bind_as_in_python(expr, text):
    assert print_expr(expr) == text
    out = Buffer("out", (), expr.dtype)
    body: object = Store(out, (), expr)
    for var in (i, j, k):
        body = For(var, Const(2), "serial", body)
    func = PrimFunc("f", (out, A), body)
    assert structural_equal(func, parse_function(str(func)))
