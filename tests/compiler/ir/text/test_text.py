"""The text of functions: golden text, the round trip, and what the parser refuses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir.dtype import SCALAR_TYPES, is_float
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
from compiler.ir.text import RESERVED, ParseError, parse_function, print_expr, print_function, print_stmt
from tests.compiler.random_programs import functions

i, j, k = Var("i"), Var("j"), Var("k")
A, B, C = Buffer("A", (64, 64)), Buffer("B", (64, 64)), Buffer("C", (64, 64))
TRUE = Const(True, "bool")


def less(a, b):
    return Binary("<", a, b, "bool")


# golden text


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


# names


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


def test_what_is_used_outside_of_its_definition_keeps_a_name_of_its_own():
    free = Var("i")
    body = For(i, Const(4), "serial", Store(A, (i, free), Const(1.0, "float32")))
    assert print_stmt(Seq((body, Store(A, (i, free), Const(1.0, "float32"))))) == (
        "for i in range(4):\n    A[i, i_1] = 1.0\nA[i, i_1] = 1.0"
    )


def test_nodes_of_another_language_print_as_they_represent_themselves():
    class Leaf(Const):
        def __repr__(self):
            return "<leaf>"

    assert print_expr(Binary("+", i, Leaf(1), "int32")) == "i + <leaf>"


# round trip


@settings(max_examples=300, deadline=None)
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


def test_parse_reads_comments_and_indented_text():
    func = parse_function(
        """
        # a comment
        def f(A: float32[4]):
            for i in vectorize(4):  # another
                A[i] = float32(2)
                pass
        """
    )
    assert str(func) == "def f(A: float32[4]):\n    for i in vectorize(4):\n        A[i] = 2.0"


def test_parse_makes_nodes_without_folding():
    func = parse_function("def f(A: int32[4]):\n    A[0] = 1 + 2 * 3")
    assert func.body.value == Binary("+", Const(1), Binary("*", Const(2), Const(3), "int32"), "int32")


def test_parsed_types():
    func = parse_function(
        "def f(A: float32[8], M: bool[8]):\n"
        "    for i in range(int64(2)):\n"
        "        M[ramp(i, int64(1), 4)] = A[ramp(i, int64(1), 4)] < broadcast(0.5, 4)\n"
        "        A[i] = if_then_else(M[i], max(A[i], 1.0), cast(i, 'float32'))"
    )
    loop = func.body
    assert loop.var.dtype == "int64"
    mask, value = loop.body.stmts
    assert mask.value.dtype == "boolx4"
    assert value.value.dtype == "float32"
    assert value.value.args[1].dtype == "float32"
    verify(func)


# refusals


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", r"line 1: .*"),
        ("def f():\n    x[\n", r"line 2: "),
        ("def f():\n    pass\x00", r"line 1: "),
        ("", r"line 1: expected one function, .*found 0 statement"),
        ("x = 1", r"line 1: expected one function"),
        ("def f():\n    pass\ndef g():\n    pass", r"line 1: expected one function, .*found 2 statement"),
        ("@g\ndef f():\n    pass", r"line 2: expected a function without decorators"),
        ("def f() -> int:\n    pass", r"line 1: expected a function without .*result type"),
        ("def f(*, A: float32[4]):\n    pass", r"line 1: expected a function without .*`\*`"),
        ("def f(*A):\n    pass", r"expected parameters of the form"),
        ("def f(A: float32[4] = 1):\n    pass", r"expected parameters of the form"),
        (
            "def f(A):\n    pass",
            r"line 1: expected a parameter with its type, `name: float32\[4\]`; found `A`",
        ),
        (
            "def f(A: float32):\n    pass",
            r"expected the type of a buffer, `float32\[64, 64\]`; found `float32`",
        ),
        ("def f(A: flaot32[4]):\n    pass", r"expected a type \(did you mean 'float32'\?\); found `flaot32`"),
        ("def f(A: float32[n]):\n    pass", r"expected a variable in scope; found `n`"),
        ("def f(A: float32[1.5]):\n    pass", r"expected a whole number; found `1.5`"),
        (
            "def f(A: (float32[4], 'constant')):\n    pass",
            r"expected a scope \('global', 'shared', 'warp', 'local', or a dotted name .*`'constant'`",
        ),
        ("def f(min: float32[4]):\n    pass", r"expected a name; 'min' has a meaning of its own"),
        (
            "def f(A: int32[1]):\n    for A in range(3):\n        pass",
            r"line 2: expected a new name; 'A' is already",
        ),
        (
            "def f(A: int32[1]):\n    return",
            r"line 2: expected a statement \(for, if, pass, .*found `return`",
        ),
        ("def f(A: int32[1]):\n    A[0] += 1", r"line 2: expected a statement"),
        ("def f(A: int32[1]):\n    A[0] = A[0] = 1", r"line 2: expected a statement"),
        ("def f(A: int32[1]):\n    A.x = 1", r"line 2: expected a statement"),
        (
            "def f():\n    x = allocate(float32[3])",
            r"line 2: expected `allocate\(float32\[16\], \"local\"\)`",
        ),
        ("def f():\n    with allocate(int8[1], 'local'):\n        pass", r"line 2: expected `with allocate"),
        ("def f():\n    with g as x:\n        pass", r"line 2: expected `allocate\("),
        (
            "def f():\n    for i in loop(3):\n        pass",
            r"line 2: expected a loop over range, parallel, vectorize",
        ),
        ("def f():\n    for i in range(1, 3):\n        pass", r"line 2: expected `range\(extent\)` or"),
        ("def f():\n    for i in range(3, step=1):\n        pass", r"line 2: expected `range\(extent\)` or"),
        (
            "def f():\n    for i in range(3, dtype=int64):\n        pass",
            r"expected a type in quotes; found `int64`",
        ),
        (
            "def f():\n    for i in range(3, dtype='int6'):\n        pass",
            r"in quotes \(did you mean 'int64'\?\)",
        ),
        (
            "def f():\n    for i, j in range(3):\n        pass",
            r"line 2: expected `for name in range\(extent\):`",
        ),
        (
            "def f():\n    for i in range(3):\n        pass\n    else:\n        pass",
            r"line 2: expected .*without `else`",
        ),
        ("def f(A: int32[1]):\n    A[i] = 1", r"line 2: expected a variable in scope; found `i`"),
        (
            "def f(A: int32[1]):\n    for outer in range(1):\n        A[oter] = 1",
            r"line 3: expected a variable in scope \(did you mean 'outer'\?\); found `oter`",
        ),
        ("def f(A: int32[1]):\n    A[A] = 1", r"line 2: expected a variable; found `A`"),
        (
            "def f(A: int32[1]):\n    for i in range(1):\n        i[0] = 1",
            r"line 3: expected a buffer; found `i`",
        ),
        (
            "def f(A: int32[1]):\n    AA[0] = 1",
            r"expected a buffer in scope \(did you mean 'A'\?\); found `AA`",
        ),
        ("def f(A: int32[1]):\n    A[0][0] = 1", r"line 2: expected an element of a buffer"),
        ("def f(A: int32[1]):\n    A[0:1] = 1", r"line 2: expected an expression; found `0:1`"),
        ("def f(A: int32[1]):\n    A[0] = 1 if A[0] else 2", r"line 2: expected an expression"),
        ("def f(A: int32[1]):\n    A[0] = 2 ** A[0]", r"line 2: expected one of the operators \+, -, "),
        ("def f(A: int32[1]):\n    A[0] = -A[0]", r"line 2: expected `-` before a literal alone"),
        ("def f(A: int32[1]):\n    A[0] = ~1", r"line 2: expected `-` before a literal alone"),
        (
            "def f(A: int32[1]):\n    if 1 < A[0] < 2:\n        pass",
            r"line 2: expected one comparison .*not a chain",
        ),
        ("def f(A: int32[1]):\n    if A[0] in A[0]:\n        pass", r"line 2: expected one comparison"),
        ("def f(A: int32[1]):\n    A[0] = 'x'", r"line 2: expected a number for a literal of type int32"),
        ("def f(A: int32[1]):\n    A[0] = 1j", r"line 2: expected a number for a literal"),
        ("def f(A: int32[1]):\n    A[0] = -True", r"line 2: expected a number for a literal"),
        (
            "def f(A: int32[1]):\n    A[0] = 3000000000",
            r"literal of type int32: 3000000000 does not fit int32",
        ),
        ("def f(A: int8[1]):\n    A[0] = int8(-129)", r"literal of type int8: -129 does not fit int8"),
        ("def f(A: int8[1]):\n    A[0] = int8(1.5)", r"literal of type int8: 1.5 is not a whole number"),
        ("def f(A: bool[1]):\n    A[0] = bool(1)", r"expected a number for a literal of type bool"),
        ("def f(A: int32[1]):\n    A[0] = float32('1')", r"expected a number for a literal of type float32"),
        ("def f(A: int32[1]):\n    A[0] = float32(A[0])", r"expected a number for a literal of type float32"),
        ("def f(A: int32[1]):\n    A[0] = int32('inf')", r"expected a number for a literal of type int32"),
        ("def f(A: int32[1]):\n    A[0] = convolve(1.0)", r"expected a known function; found"),
        (
            "def f(A: int32[1]):\n    A[0] = sqrtt(1.0)",
            r"expected a known function \(did you mean 'sqrt'\?\)",
        ),
        ("def f(A: int32[1]):\n    A[0] = A[0].min(1)", r"expected a known function"),
        ("def f(A: int32[1]):\n    A[0] = min(1, 2, 3)", r"expected 2 argument\(s\); found `min\(1, 2, 3\)`"),
        ("def f(A: int32[1]):\n    A[0] = exp(x=1.0)", r"expected 1 argument\(s\)"),
        ("def f(A: int32[1]):\n    A[0] = cast(1, float32)", r"expected a type in quotes; found `float32`"),
        ("def f(A: int32[1]):\n    A[0] = cast(1, 'float32x0')", r"expected a type in quotes"),
        ("def f(A: int32[1]):\n    A[0] = broadcast(1, A[0])", r"expected a whole number; found `A\[0\]`"),
    ],
)
def test_parse_refuses(text, message):
    with pytest.raises(ParseError, match=message):
        parse_function(text)


def test_a_parse_error_is_a_value_error():
    assert issubclass(ParseError, ValueError)


def test_a_name_may_come_again_after_its_scope():
    parse_function("def f():\n    for i in range(3):\n        pass\n    for i in range(3):\n        pass")
    text = (
        "def f(C: int8[1]):\n"
        "    if True:\n"
        '        x = allocate(int8[1], "local")\n'
        "    else:\n"
        '        x = allocate(int8[1], "local")\n'
        "    C[0] = x[0]"
    )
    with pytest.raises(ParseError, match=r"line 6: expected a buffer in scope; found `x`"):
        parse_function(text)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_every_reserved_name_is_avoided(name):
    var = Var(name)
    func = PrimFunc("f", (), For(var, Const(2), "serial", Seq(())))
    assert structural_equal(func, parse_function(str(func)))
    assert f"for {name} in" not in str(func)


@pytest.mark.parametrize("dtype", SCALAR_TYPES)
def test_casts_of_literals_are_not_literals(dtype):
    out = Buffer("out", (), dtype)
    func = PrimFunc("f", (out,), Store(out, (), Cast(Const(1), dtype)))
    assert isinstance(parse_function(str(func)).body.value, Cast)
    assert is_float(dtype) == is_float(out.dtype)


# equality


def test_equality_is_up_to_names():
    a = parse_function("def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i]")
    assert structural_equal(
        a, parse_function("def f(x: int32[4], A: int32[4]):\n    for k in range(4):\n        x[k] = A[k]")
    )


@pytest.mark.parametrize(
    "text",
    [
        "def g(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1",
        "def f(A: int32[4]):\n    for i in range(4):\n        A[i] = A[i] + 1",
        "def f(A: int64[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1",
        "def f(A: int32[5], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1",
        "def f(A: (int32[4], 'local'), B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        B[i] = A[i] + 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in unroll(4):\n        A[i] = B[i] + 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(3):\n        A[i] = B[i] + 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4, dtype='int8'):\n        A[i] = B[i] + 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] - 1",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 2",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + int8(1)",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + i",
        "def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1\n        A[i] = 1",
        "def f(A: int32[4], B: int32[4]):\n    if True:\n        A[0] = B[0] + 1",
    ],
)
def test_equality_sees_every_difference(text):
    a = parse_function("def f(A: int32[4], B: int32[4]):\n    for i in range(4):\n        A[i] = B[i] + 1")
    assert structural_equal(a, a)
    assert not structural_equal(a, parse_function(text))


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("0.0", "-0.0", False),
        ('float32("nan")', 'float32("nan")', True),
        ("float64(1.0)", "1.0", False),
        ('cast(1, "float32")', 'cast(1, "float64")', False),
        ("exp(1.0)", "log(1.0)", False),
        ("broadcast(1.0, 4)", "broadcast(1.0, 8)", False),
        ("ramp(1, 1, 4)", "ramp(1, 1, 8)", False),
        ("ramp(1, 1, 4)", "ramp(1, 2, 4)", False),
    ],
)
def test_equality_of_expressions(a, b, same):
    f, g = (parse_function(f"def f(A: float32[1]):\n    A[0] = {x}") for x in (a, b))
    assert structural_equal(f, g) == same


def test_equality_of_scopes_and_free_variables():
    free, other = Var("n"), Var("n")

    def uses(var):
        return PrimFunc("f", (), For(Var("i"), var, "serial", Seq(())))

    assert structural_equal(uses(free), uses(free))
    assert not structural_equal(uses(free), uses(other))
    # the variable of one loop does not stand for that of another after its own has ended
    a, b = Var("i"), Var("i")
    loop_a, loop_b = (For(v, Const(2), "serial", Seq(())) for v in (a, b))
    leak_a, leak_b = (Store(C, (v, v), Const(1.0, "float32")) for v in (a, b))
    assert not structural_equal(
        PrimFunc("f", (C,), Seq((loop_a, leak_a))), PrimFunc("f", (C,), Seq((loop_b, leak_b)))
    )


def test_equality_ignores_the_nesting_of_sequences_but_not_an_empty_else():
    one, two = (Store(A, (Const(0), Const(x)), Const(1.0, "float32")) for x in (1, 2))

    def func(*stmts):
        return PrimFunc("f", (A,), Seq(stmts))

    assert structural_equal(func(one, two, one), func(Seq((one, Seq((two,)))), Seq(()), one))
    assert structural_equal(func(Seq((one,))), PrimFunc("f", (A,), one))
    assert not structural_equal(func(one, two), func(two, one))
    assert not structural_equal(func(If(TRUE, one)), func(If(TRUE, one, Seq(()))))


# every statement and operator


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


def test_intrinsics_of_one_name_are_told_apart():
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(n: size(1)):\n    pass", r"line 1: expected `size\(low, high\)` or `size\(low, high, dtype"),
        ("def f(n: size(1, m)):\n    pass", r"line 1: expected a whole number; found `m`"),
        (
            "def f(n: size(1, 2)):\n    pass",
            r"line 1: expected a size to be an extent of a parameter; found `n",
        ),
        ("def f(n: size(1, 2), A: int8[m]):\n    pass", r"expected a variable in scope; found `m`"),
        ("def f(A: int8[A]):\n    pass", r"expected a variable in scope; found `A`"),
        (
            "def f():\n    for i in bind(4):\n        pass",
            r"line 2: expected `bind\(extent, \"threadIdx.x\"\)`",
        ),
        ("def f():\n    for i in bind(4, 3):\n        pass", r"expected a tag \(blockIdx.x, .*\) in quotes"),
        (
            "def f():\n    for i in range(4, pragmas=3):\n        pass",
            r"expected pragmas, `\{\"key\": value\}`",
        ),
        ("def f():\n    for i in range(4, pragmas={**x}):\n        pass", r"expected pragmas"),
        (
            "def f():\n    for i in range(4, pragmas={1: 2}):\n        pass",
            r"expected the key of a pragma in",
        ),
        (
            "def f():\n    for i in range(4, pragmas={'a': 1.5}):\n        pass",
            r"expected the value of a pragma: a whole number, a text in quotes, True or False; found `1.5`",
        ),
        ("def f():\n    for i in range(4, pragmas={'a': x}):\n        pass", r"the value of a pragma.*`x`"),
        ("def f():\n    with let(1, 2) as x:\n        pass", r"line 2: expected 1 argument\(s\)"),
        ("def f():\n    with 3 as x:\n        pass", r"line 2: expected `allocate\(.*\)` or `let\(value\)`"),
        ("def f():\n    x = y", r"line 2: expected a variable in scope; found `y`"),
        ("def f():\n    x = 1\n    x = 2", r"line 3: expected a new name; 'x' is already defined"),
        ("def f():\n    3", r"line 2: expected a statement"),
        ("def f():\n    bariier('shared')", r"expected a known statement \(did you mean 'barrier'\?\)"),
        ("def f():\n    barrier(shared)", r"line 2: expected a scope in quotes; found `shared`"),
        ("def f():\n    barrier()", r"line 2: expected 1 argument\(s\)"),
        ("def f(A: int8[1]):\n    prefetch(A)", r"expected an element of a buffer, `prefetch\(A\[i, j\]\)`"),
        ("def f():\n    push('a')", r"line 2: expected 2 argument\(s\)"),
        ("def f():\n    pop('a', b)", r"line 2: expected a stage in quotes; found `b`"),
        ("def f(A: int8[1]):\n    copy(A, A)", r"line 2: expected `copy\(region\(...\), region"),
        (
            "def f(A: int8[1]):\n    copy(A, A, before=(0,), after=(0,), fill=0)",
            r"line 2: expected `region\(buffer, offset, \(4, 16\), \(64, 1\)\)`; found `A`",
        ),
        (
            "def f(A: int8[1]):\n    copy(region(A, 0, 1, 1), A, before=(), after=(), fill=0)",
            r"line 2: expected a tuple with a value for each axis, `\(4, 16\)` or `\(4,\)`; found `1`",
        ),
        ("def f(A: int8[1]):\n    g(A)", r"line 2: expected a known statement"),
        (
            "@intrinsic\ndef gemm():\n    pass\ndef f():\n    gem()",
            r"line 5: expected a known statement \(did you mean 'gemm'\?\); found `gem\(\)`",
        ),
        ("@intrinsic\ndef g():\n    pass", r"line 1: expected one function, .*found 0 statement"),
        (
            "def f():\n    pass\n@intrinsic\ndef g():\n    pass",
            r"line 1: expected a function without decorators, ",
        ),
        ("@intrinsic\ndef copy():\n    pass", r"line 2: expected a name; 'copy' has a meaning of its own"),
        (
            "@intrinsic\ndef g():\n    pass\n@intrinsic\ndef g():\n    pass\ndef f():\n    pass",
            r"line 5: expected a new name; 'g' is already defined",
        ),
        (
            "@intrinsic\ndef g():\n    pass\ndef f(g: int8[1]):\n    pass",
            r"expected a new name; 'g' is already",
        ),
    ],
)
def test_parse_refuses_statements(text, message):
    with pytest.raises(ParseError, match=message):
        parse_function(text)


BASE = (
    "@intrinsic\ndef g(x: int8[1]):\n    x[0] = int8(1)\n"
    "def f(n: size(1, 4), m: size(1, 4), A: int8[n, m]):\n    "
)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x = 1\n    A[x, 0] = int8(1)", "x = 2\n    A[x, 0] = int8(1)"),
        ("x = 1\n    A[x, 0] = int8(1)", "x = int8(1)\n    A[x, 0] = int8(1)"),
        ("prefetch(A[0, 0])", "prefetch(A[0, 1])"),
        ("barrier('shared')", "barrier('global')"),
        ("push('a', 'b')", "pop('a', 'b')"),
        ("push('a', 'b')", "push('a', 'c')"),
        ("g(region(A, 0, (1,), (1,)))", "g(region(A, 1, (1,), (1,)))"),
        ("g(region(A, 0, (1,), (1,)))", "g(region(A, 0, (2,), (1,)))"),
        ("g(region(A, 0, (1,), (1,)))", "g(region(A, 0, (1,), (2,)))"),
        ("for i in range(4):\n        pass", "for i in range(4, pragmas={'a': 1}):\n        pass"),
        (
            "for i in range(4, pragmas={'a': True}):\n        pass",
            "for i in range(4, pragmas={'a': 1}):\n        pass",
        ),
        ("x = allocate(int8[1], 'local')", "x = allocate(int8[1], 'local', pragmas={'a': 1})"),
        (
            "copy(region(A, 0, (1,), (1,)), region(A, 1, (1,), (1,)), before=(0,), after=(0,), fill=int8(0))",
            "copy(region(A, 0, (1,), (1,)), region(A, 1, (1,), (1,)), before=(0,), after=(0,), fill=int8(1))",
        ),
        ("A[0, 0] = cast(n, 'int8')", "A[0, 0] = cast(m, 'int8')"),
    ],
)
def test_equality_of_statements(a, b):
    one, same, other = parse_function(BASE + a), parse_function(BASE + a), parse_function(BASE + b)
    assert structural_equal(one, same)
    assert not structural_equal(one, other)
    assert not structural_equal(other, one)


@pytest.mark.parametrize(
    "header",
    [
        "n: size(1, 4), m: size(1, 5), A: int8[n, m]",
        "n: size(1, 4), A: int8[n, n]",
        "n: size(1, 4), A: int8[n, 4]",
        "A: int8[4, 4]",
        "n: size(1, 4), m: size(1, 4, dtype='int64'), A: int8[n, m]",
        "n: size(1, 4), m: size(1, 4), A: int8[n, m, 1]",
    ],
)
def test_equality_of_sizes(header):
    one = parse_function("def f(n: size(1, 4), m: size(1, 4), A: int8[n, m]):\n    pass")
    other = parse_function(f"def f({header}):\n    pass")
    assert structural_equal(one, parse_function(str(one)))
    assert not structural_equal(one, other)
    assert not structural_equal(other, one)


def test_equality_of_intrinsics():
    def text(value):
        return BASE.replace("int8(1)", f"int8({value})") + "g(region(A, 0, (1,), (1,)))"

    assert structural_equal(parse_function(text(1)), parse_function(text(1)))
    assert not structural_equal(parse_function(text(1)), parse_function(text(2)))
    renamed = text(1).replace("def g", "def h").replace("    g(", "    h(")
    assert not structural_equal(parse_function(text(1)), parse_function(renamed))
