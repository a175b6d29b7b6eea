"""Expressions: the types that operators give, literals, and folding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from compiler.ir.calls import call
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
    as_expr,
    binary,
    conjunction,
    const,
    equal,
    fold,
    maximum,
    minimum,
)
from compiler.ir.function import PrimFunc
from compiler.ir.operators import ARITHMETIC, COMPARISON, INTRINSICS, LOGIC
from compiler.ir.semantics.interpret import interpret
from compiler.ir.stmt import Store, sequence

INTEGERS = tuple(t for t in SCALAR_TYPES if t != "bool" and not is_float(t))
i, j, n = Var("i"), Var("j"), Var("n", "int64")
A = Buffer("A", (4, 8))
x = Load(A, (i, j))
TRUE = Const(True, "bool")


@pytest.mark.parametrize(
    ("expr", "dtype"),
    [
        (x, "float32"),
        (Load(A, (i, Ramp(j, Const(1), 4))), "float32x4"),
        (Load(Buffer("s", (), "int8"), ()), "int8"),
        (Ramp(n, Const(1, "int64"), 8), "int64x8"),
        (Ramp(n, Const(1, "int64"), 1), "int64"),
        (Broadcast(TRUE, 4), "boolx4"),
        (Select(TRUE, x, x), "float32"),
        (Not(Broadcast(TRUE, 4)), "boolx4"),
        (Cast(x, "int8"), "int8"),
    ],
)
def test_the_type_of_a_node(expr, dtype):
    assert expr.dtype == dtype


def test_expressions_are_equal_by_structure_and_variables_by_identity():
    assert i + j * 2 == i + j * 2
    assert hash(i + j) == hash(i + j)
    assert Const(1) != Const(1, "int64")
    different = [
        (i + j, j + i),
        (Var("i"), i),
        (Load(Buffer("A", (4, 8)), (i, j)), x),
        (i - 1, i - 2),
        (i, i + 0 * j),
    ]
    for a, b in different:
        assert {a: 1}.get(b) is None and {a, b} == {b, a} and len({a, b}) == 2
        with pytest.raises(ValueError, match="between expressions is answered at once, by structure"):
            assert a != b


def test_an_expression_has_no_truth_value():
    with pytest.raises(TypeError, match="an expression has no truth value"):
        bool(i < j)


def test_nodes_cannot_be_changed():
    with pytest.raises(AttributeError):
        i.name = "k"


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (3, None, Const(3, "int32")),
        (True, None, Const(True, "bool")),
        (0.5, None, Const(0.5, "float32")),
        (3, "float64", Const(3.0, "float64")),
        (3.0, "int8", Const(3, "int8")),
        (1, "bool", Const(True, "bool")),
        (np.int64(3), None, Const(3, "int64")),
        (np.float64(0.5), None, Const(0.5, "float64")),
        (np.bool_(True), None, Const(True, "bool")),
        (np.float32(2.0), "int32", Const(2, "int32")),
        (2, "int32x8", Const(2, "int32")),
        (2**63, "uint64", Const(2**63, "uint64")),
    ],
)
def test_literals(value, dtype, expected):
    result = const(value, dtype)
    assert result == expected
    assert type(result.value) is type(expected.value)


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        ("3", None, r"a number was expected in an expression, not str: '3'"),
        (None, None, r"a number was expected in an expression, not NoneType"),
        (1.5, "int32", r"1.5 is not an integer, so it cannot be a literal of type int32"),
        (float("inf"), "int32", r"inf is not an integer"),
        (float("nan"), "int32", r"nan is not an integer"),
        (2**31, "int32", r"2147483648 does not fit int32 \(-2147483648 to 2147483647\)"),
        (-1, "uint8", r"-1 does not fit uint8 \(0 to 255\)"),
    ],
)
def test_invalid_literals_are_refused(value, dtype, message):
    with pytest.raises(ValueError, match=message):
        const(value, dtype)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (i + 1, Binary("+", i, Const(1), "int32")),
        (1 + i, Binary("+", Const(1), i, "int32")),
        (i - j, Binary("-", i, j, "int32")),
        (1 - i, Binary("-", Const(1), i, "int32")),
        (i * 2, Binary("*", i, Const(2), "int32")),
        (2 * i, Binary("*", Const(2), i, "int32")),
        (i // 2, Binary("//", i, Const(2), "int32")),
        (7 // i, Binary("//", Const(7), i, "int32")),
        (i % 2, Binary("%", i, Const(2), "int32")),
        (7 % i, Binary("%", Const(7), i, "int32")),
        (x / 2, Binary("/", x, Const(2.0, "float32"), "float32")),
        (2 / x, Binary("/", Const(2.0, "float32"), x, "float32")),
        (-i, Binary("*", i, Const(-1), "int32")),
        (i < j, Binary("<", i, j, "bool")),
        (i <= 3, Binary("<=", i, Const(3), "bool")),
        (i > j, Binary(">", i, j, "bool")),
        (i >= j, Binary(">=", i, j, "bool")),
        (equal(i, 0), Binary("==", i, Const(0), "bool")),
        (minimum(i, 3), Binary("min", i, Const(3), "int32")),
        (maximum(3, i), Binary("max", Const(3), i, "int32")),
        (binary("and", i < j, TRUE), Binary("and", i < j, TRUE, "bool")),
    ],
)
def test_operators(made, expected):
    assert made == expected
    assert made.dtype == expected.dtype


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        # a number takes the type of the other operand
        (n + 1, Binary("+", n, Const(1, "int64"), "int64")),
        (x * 2, Binary("*", x, Const(2.0, "float32"), "float32")),
        (x * np.float64(2), Binary("*", x, Const(2.0, "float32"), "float32")),
        # unless it has a fraction and the other is an integer
        (i * 0.5, Binary("*", Cast(i, "float32"), Const(0.5, "float32"), "float32")),
        (TRUE.astype("bool"), TRUE),
        # integers become the narrowest type that holds both, and a float wins over an integer
        (i + n, Binary("+", Cast(i, "int64"), n, "int64")),
        (n + i, Binary("+", n, Cast(i, "int64"), "int64")),
        (x + i, Binary("+", x, Cast(i, "float32"), "float32")),
        (x + Cast(x, "float64"), Binary("+", Cast(x, "float64"), Cast(x, "float64"), "float64")),
        (n + Cast(x, "float16"), Binary("+", Cast(n, "float16"), Cast(x, "float16"), "float16")),
        # a scalar is repeated beside a vector
        (Broadcast(x, 4) + x, Binary("+", Broadcast(x, 4), Broadcast(x, 4), "float32x4")),
        (
            Ramp(i, Const(1), 4) < 3,
            Binary("<", Ramp(i, Const(1), 4), Broadcast(Const(3), 4), "boolx4"),
        ),
    ],
)
def test_operands_are_converted_to_one_type(made, expected):
    assert made == expected
    assert made.dtype == expected.dtype


def test_mixed_integers_that_share_a_wider_type():
    a, b = Var("a", "int8"), Var("b", "uint8")
    assert a + b == Binary("+", Cast(a, "int16"), Cast(b, "int16"), "int16")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: binary("**", i, j), r"unknown operator '\*\*'; known: \+, -, \*, /, //, %, min, max, &, "),
        (lambda: x // 2, r"`//` takes integers, not float32"),
        (lambda: x % 2, r"`%` takes integers, not float32"),
        (lambda: i / 2, r"`/` takes floats, not int32: write `//` for the floor division, or cast"),
        (lambda: binary("and", i, j), r"`and` takes conditions, not int32"),
        (lambda: Broadcast(i, 4) + Broadcast(i, 8), r"int32x4 and int32x8: the numbers of lanes differ"),
        (
            lambda: n + Var("u", "uint64"),
            r"operands have int64 and uint64: no integer type holds both, cast one",
        ),
        (lambda: const(7) // 0, r"division by zero: 7 // 0"),
        (lambda: const(7) % 0, r"division by zero: 7 % 0"),
        (lambda: i + "1", r"a number was expected in an expression, not str"),
        (lambda: Var("b", "int8") + 300, r"300 does not fit int8"),
    ],
)
def test_operators_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_objects_with_as_expr_are_operands():
    class Axis:
        def as_expr(self):
            return i

    assert as_expr(Axis()) is i
    assert Axis().as_expr() + 1 == binary("+", Axis(), 1)
    assert binary("+", 1, Axis()) == 1 + i
    assert as_expr(i) is i
    assert as_expr(2, "int8") == Const(2, "int8")


def test_an_index_plus_zero_is_the_index():
    assert i + 0 is i
    assert n + 0 == Binary("+", n, Const(0, "int64"), "int64")
    # zero plus negative zero is zero, so the addition of floats stays
    assert x + 0.0 == Binary("+", x, Const(0.0, "float32"), "float32")


def test_casts_to_the_same_type_are_omitted():
    assert i.astype("int32") is i
    assert i.astype("int64") == Cast(i, "int64")


@pytest.mark.parametrize(
    ("op", "a", "b", "folded"),
    [
        ("+", Const(2), Const(3), Const(5)),
        ("//", Const(-7), Const(2), Const(-4)),
        ("%", Const(-7), Const(2), Const(1)),
        ("min", Const(2), Const(3), Const(2)),
        ("<", Const(2), Const(3), TRUE),
        ("and", TRUE, Const(False, "bool"), Const(False, "bool")),
        ("+", Const(2**31 - 1), Const(1), None),
        ("-", Const(0, "uint8"), Const(1, "uint8"), None),
        ("+", Const(0.1, "float32"), Const(0.2, "float32"), None),
        # the same float32 number, though not the same value
        ("==", Const(0.1, "float32"), Const(float(np.float32(0.1)), "float32"), None),
        ("min", Const(float("nan"), "float32"), Const(0.2, "float32"), None),
    ],
)
def test_folding(op, a, b, folded):
    assert fold(op, a, b) == folded
    dtype = a.dtype if op in ARITHMETIC else "bool"
    assert binary(op, a, b) == (Binary(op, a, b, dtype) if folded is None else folded)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(INTEGERS), st.sampled_from(ARITHMETIC + COMPARISON), st.data())
def test_a_folded_literal_is_what_the_program_computes(dtype, op, data):
    assume(op != "/")
    info = np.iinfo(dtype)
    values = st.integers(max(int(info.min), -5), 5) | st.integers(int(info.min), int(info.max))
    a, b = Const(data.draw(values), dtype), Const(data.draw(values), dtype)
    assume(op not in ("//", "%") or b.value != 0)
    result = dtype if op in ARITHMETIC else "bool"
    folded = fold(op, a, b)
    out = Buffer("out", (2,), result)
    values_at_run_time = np.zeros(2, result)
    stores = [Store(out, (Const(0),), Binary(op, a, b, result))]
    stores += [Store(out, (Const(1),), folded)] if folded is not None else []
    interpret(PrimFunc("f", (out,), sequence(stores)), values_at_run_time)
    if folded is None:  # only an operation that wraps around is not folded
        exact = {"+": a.value + b.value, "-": a.value - b.value, "*": a.value * b.value}
        exact["//"] = a.value // b.value if b.value else 0
        assert not info.min <= exact[op] <= info.max
    else:
        assert values_at_run_time[0] == values_at_run_time[1]
        assert folded.dtype == result


def test_conjunction():
    assert conjunction([]) == TRUE
    assert conjunction([TRUE, i < j, TRUE]) == (i < j)
    assert conjunction([i < j, j < i, TRUE]) == Binary("and", i < j, j < i, "bool")
    assert set(LOGIC) == {"and", "or"}


FUNCTIONS = [name for name, (arity, takes, is_condition) in INTRINSICS.items() if arity == 1]
FUNCTIONS = [name for name in FUNCTIONS if INTRINSICS[name][1:] != ("an integer", False) and name != "isnan"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_intrinsics_of_one_argument(name):
    assert call(name, x) == Call(name, (x,), "float32")
    assert call(name, Broadcast(x, 4)).dtype == "float32x4"
    assert call(name, 2.0) == Call(name, (Const(2.0, "float32"),), "float32")


def test_intrinsics():
    assert call("pow", x, 2) == Call("pow", (x, Const(2.0, "float32")), "float32")
    assert call("abs", i) == Call("abs", (i,), "int32")
    assert call("isnan", x) == Call("isnan", (x,), "bool")
    assert call("isnan", Broadcast(x, 4)).dtype == "boolx4"
    assert call("popcount", i) == Call("popcount", (i,), "int32")
    assert call("popcount", Broadcast(i, 4)).dtype == "int32x4"
    assert call("if_then_else", i < j, x, 0) == Call(
        "if_then_else", (i < j, x, Const(0.0, "float32")), "float32"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: call("sine", x), r"unknown intrinsic 'sine'; known: if_then_else, acos, "),
        (lambda: call("popcount", x), r"popcount takes an integer, not float32: cast it first"),
        (lambda: call("exp", x, x), r"exp takes 1 argument\(s\), not 2"),
        (lambda: call("if_then_else", i < j, x), r"if_then_else takes 3 argument\(s\), not 2"),
        (lambda: call("sqrt", i), r"sqrt takes a float, not int32: cast it first"),
        (lambda: call("pow", i, 2), r"pow takes a float, not int32: cast it first"),
    ],
)
def test_intrinsics_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()
