"""The values of expressions: arithmetic, casts, conditions, and elements of buffers."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir.expr import Broadcast, Buffer, Call, Const, Ramp
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import VerifyError, verify
from compiler.ir.stmt import Seq, Store
from compiler.ir.text import parse_function
from tests.compiler.random_programs import random_arrays, vector_values

INF, NAN = float("inf"), float("nan")


def run(text, *arrays):
    func = parse_function(text)
    verify(func)
    interpret(func, *arrays)
    return arrays[-1]


def outside(text, message, *arrays):
    """An access that the verifier proves to be outside, and at which the interpreter fails."""
    func = parse_function(text)
    with pytest.raises(VerifyError, match=r"(reads|writes) outside of A: the (index|position)"):
        verify(func)
    with pytest.raises(IndexError, match=message):
        interpret(func, *arrays)


def evaluate(expr, dtype, lanes=1):
    """The value of an expression of the text, as an array of `lanes`."""
    index = "0" if lanes == 1 else f"ramp(0, 1, {lanes})"
    return run(f"def f(out: {dtype}[{lanes}]):\n    out[{index}] = {expr}", np.zeros(lanes, dtype))


def same(actual, expected):
    """Equal bits, where any NaN equals any other."""
    expected = np.asarray(expected, actual.dtype)
    np.testing.assert_array_equal(actual, expected)
    if actual.dtype.kind == "f":
        zero = actual == 0
        np.testing.assert_array_equal(np.signbit(actual[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize(
    ("expr", "dtype", "value"),
    [
        ("2147483647 + 1", "int32", -(2**31)),
        ("-2147483648 - 1", "int32", 2**31 - 1),
        ("65536 * 65537", "int32", 65536),
        ("-2147483648 // -1", "int32", -(2**31)),
        ("int8(127) + int8(1)", "int8", -128),
        ("int8(-128) * int8(-1)", "int8", -128),
        ("uint8(3) - uint8(5)", "uint8", 254),
        ("uint64(0) - uint64(1)", "uint64", 2**64 - 1),
        ("int64(9223372036854775807) + int64(1)", "int64", -(2**63)),
        ("7 // 2", "int32", 3),
        ("-7 // 2", "int32", -4),
        ("7 // -2", "int32", -4),
        ("-7 // -2", "int32", 3),
        ("7 % 3", "int32", 1),
        ("-7 % 3", "int32", 2),
        ("7 % -3", "int32", -2),
        ("min(3, -4)", "int32", -4),
        ("max(3, -4)", "int32", 3),
        ("abs(-5)", "int32", 5),
        ("abs(-2147483648)", "int32", -(2**31)),
        ("uint32(3000000000) // uint32(7)", "uint32", 428571428),
    ],
)
def test_integers(expr, dtype, value):
    same(evaluate(expr, dtype), [value])


@pytest.mark.parametrize(
    ("op", "a", "b", "dtype", "values"),
    [
        ("+", "ramp(2147483646, 1, 3)", "broadcast(1, 3)", "int32", [2**31 - 1, -(2**31), -(2**31) + 1]),
        ("-", "ramp(uint8(1), uint8(1), 3)", "broadcast(uint8(2), 3)", "uint8", [255, 0, 1]),
        ("*", "ramp(int8(63), int8(1), 3)", "broadcast(int8(2), 3)", "int8", [126, -128, -126]),
        ("//", "ramp(-3, 2, 3)", "broadcast(2, 3)", "int32", [-2, -1, 0]),
        ("//", "ramp(-2147483648, 1, 2)", "broadcast(-1, 2)", "int32", [-(2**31), 2**31 - 1]),
        ("%", "ramp(-3, 2, 3)", "broadcast(-2, 3)", "int32", [-1, -1, -1]),
        ("%", "ramp(-3, 2, 3)", "broadcast(2, 3)", "int32", [1, 1, 1]),
    ],
)
def test_integer_vectors(op, a, b, dtype, values):
    same(evaluate(f"{a} {op} {b}", dtype, len(values)), values)


@pytest.mark.parametrize("op", ["//", "%"])
def test_division_by_zero_is_zero(op):
    text = f"def f(n: int32[2], out: int32[2]):\n    out[0] = 5 {op} n[0]"
    out = np.full(2, 7, "int32")
    run(text, np.array([0, 1], "int32"), out)
    assert out.tolist() == [0, 7]
    text = (
        f"def f(n: int32[2], out: int32[2]):\n    out[ramp(0, 1, 2)] = broadcast(5, 2) {op} n[ramp(0, 1, 2)]"
    )
    run(text, np.array([3, 0], "int32"), out)
    assert out.tolist() == [5 // 3 if op == "//" else 2, 0]


def test_ramps():
    same(evaluate("ramp(3, -2, 4)", "int32", 4), [3, 1, -1, -3])
    same(evaluate("ramp(int8(120), int8(5), 4)", "int8", 4), [120, 125, -126, -121])
    same(evaluate("ramp(uint64(18446744073709551615), uint64(1), 2)", "uint64", 2), [2**64 - 1, 0])


@pytest.mark.parametrize(
    ("expr", "dtype", "value"),
    [
        ("16777216.0 + 1.0", "float32", 16777216.0),
        ("float64(16777216.0) + float64(1.0)", "float64", 16777217.0),
        ("float16(2048.0) + float16(1.0)", "float16", 2048.0),
        ("1e+30 * 1e+30", "float32", INF),
        ("1e+60 * 0.0", "float32", NAN),  # the literal itself rounds to infinity
        ("1.0 / 0.0", "float32", INF),
        ("1.0 / -0.0", "float32", -INF),
        ("0.0 / 0.0", "float32", NAN),
        ('float32("inf") - float32("inf")', "float32", NAN),
        ("0.1 + 0.2", "float32", np.float32(0.1) + np.float32(0.2)),
        ("-0.0 * 1.0", "float32", -0.0),
        ("sqrt(-1.0)", "float32", NAN),
        ("log(0.0)", "float32", -INF),
        ("exp(0.0)", "float32", 1.0),
        ("tanh(100.0)", "float32", 1.0),
        ("abs(-0.0)", "float32", 0.0),
        ("floor(-1.5)", "float32", -2.0),
        ("ceil(-1.5)", "float32", -1.0),
        ("pow(2.0, 10.0)", "float32", 1024.0),
        ("sqrt(float64(2.0))", "float64", 2**0.5),
    ],
)
def test_floats(expr, dtype, value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(evaluate(expr, dtype), [value])


@pytest.mark.parametrize(
    ("a", "b", "least", "greatest"),
    [
        (1.0, 2.0, 1.0, 2.0),
        (NAN, 2.0, NAN, NAN),
        (1.0, NAN, NAN, NAN),
        (NAN, NAN, NAN, NAN),
        (-0.0, 0.0, -0.0, -0.0),
        (0.0, -0.0, 0.0, 0.0),
        (-INF, INF, -INF, INF),
    ],
)
@pytest.mark.parametrize("lanes", [1, 2])
def test_nan_wins_and_the_first_of_equal_operands(a, b, least, greatest, lanes):
    index = "0" if lanes == 1 else "ramp(0, 1, 2)"
    text = (
        f"def f(A: float32[2], B: float32[2], low: float32[2], high: float32[2]):\n"
        f"    low[{index}] = min(A[{index}], B[{index}])\n    high[{index}] = max(A[{index}], B[{index}])"
    )
    arrays = [np.full(2, x, "float32") for x in (a, b, 9.0, 9.0)]
    run(text, *arrays)
    same(arrays[2][:lanes], [least] * lanes)
    same(arrays[3][:lanes], [greatest] * lanes)


@pytest.mark.parametrize(
    ("source", "values", "target", "expected"),
    [
        ("float32", [1.9, -1.9, NAN], "int32", [1, -1, 0]),
        ("float32", [3e9, -3e9, INF], "int32", [2**31 - 1, -(2**31), 2**31 - 1]),
        ("float32", [-1.0, 300.0, -INF], "uint8", [0, 255, 0]),
        ("float64", [127.9, -128.9, 1e300], "int8", [127, -128, 127]),
        ("float16", [60000.0, -1.5, INF], "int64", [60000, -1, 2**63 - 1]),
        ("int32", [257, -1, 128], "uint8", [1, 255, 128]),
        ("int32", [257, -1, 128], "int8", [1, -1, -128]),
        ("uint64", [2**64 - 1, 2**63, 5], "int64", [-1, -(2**63), 5]),
        ("int32", [16777217, -3, 0], "float32", [16777216.0, -3.0, 0.0]),
        ("int64", [2**62 + 2**38 + 1, 1, 0], "float32", [float(2**62 + 2**39), 1.0, 0.0]),  # rounded once
        ("float64", [0.1, 1e300, -0.0], "float32", [np.float32(0.1), INF, -0.0]),
        ("float32", [0.0, -0.5, NAN], "bool", [False, True, True]),
        ("int32", [0, -1, 2], "bool", [False, True, True]),
        ("bool", [True, False, True], "int32", [1, 0, 1]),
        ("bool", [True, False, True], "float32", [1.0, 0.0, 1.0]),
    ],
)
def test_casts(source, values, target, expected):
    given = np.array(values, source)
    header = f"def f(A: {source}[3], out: {target}[3]):\n"
    text = f'    for i in range(3):\n        out[i] = cast(A[i], "{target}")'
    same(run(header + text, given, np.zeros(3, target)), expected)
    text = f'    out[ramp(0, 1, 3)] = cast(A[ramp(0, 1, 3)], "{target}x3")'
    same(run(header + text, given, np.zeros(3, target)), expected)


def test_comparisons_and_logic():
    text = """
    def f(A: float32[3], out: bool[3, 8]):
        for i in range(3):
            out[i, 0] = A[i] < 1.0
            out[i, 1] = A[i] <= 1.0
            out[i, 2] = A[i] > 1.0
            out[i, 3] = A[i] >= 1.0
            out[i, 4] = A[i] == 1.0
            out[i, 5] = A[i] != 1.0
            out[i, 6] = A[i] < 1.0 and not i == 0
            out[i, 7] = A[i] == 1.0 or i == 2
    """
    vector = """
    def f(A: float32[3], out: bool[3, 8]):
        out[ramp(0, 1, 3), 0] = A[ramp(0, 1, 3)] < broadcast(1.0, 3)
        out[ramp(0, 1, 3), 1] = A[ramp(0, 1, 3)] <= broadcast(1.0, 3)
        out[ramp(0, 1, 3), 2] = A[ramp(0, 1, 3)] > broadcast(1.0, 3)
        out[ramp(0, 1, 3), 3] = A[ramp(0, 1, 3)] >= broadcast(1.0, 3)
        out[ramp(0, 1, 3), 4] = A[ramp(0, 1, 3)] == broadcast(1.0, 3)
        out[ramp(0, 1, 3), 5] = A[ramp(0, 1, 3)] != broadcast(1.0, 3)
        out[ramp(0, 1, 3), 6] = A[ramp(0, 1, 3)] < broadcast(1.0, 3) and not ramp(0, 1, 3) == broadcast(0, 3)
        out[ramp(0, 1, 3), 7] = A[ramp(0, 1, 3)] == broadcast(1.0, 3) or ramp(0, 1, 3) == broadcast(2, 3)
    """
    a = np.array([0.0, 1.0, NAN], "float32")
    expected = [[1, 1, 0, 0, 0, 1, 0, 0], [0, 1, 0, 1, 1, 0, 0, 1], [0, 0, 0, 0, 0, 1, 0, 1]]
    same(run(text, a, np.zeros((3, 8), bool)), expected)
    same(run(vector, a, np.zeros((3, 8), bool)), expected)


def test_select_chooses_and_evaluates_both():
    same(evaluate("select(1 < 2, 3, 4)", "int32"), [3])
    same(
        evaluate("select(ramp(0, 1, 3) < broadcast(1, 3), ramp(0, 1, 3), broadcast(9, 3))", "int32", 3),
        [0, 9, 9],
    )
    same(evaluate("select(2 < 1, ramp(0, 1, 3), broadcast(9, 3))", "int32", 3), [9, 9, 9])
    text = "def f(A: int32[2]):\n    for i in range(3):\n        A[0] = select(i < 2, A[i], 0)"
    outside(text, r"A\[2\] is out of bounds", np.zeros(2, "int32"))


def test_logic_evaluates_both_sides():
    text = (
        "def f(A: int32[2]):\n    for i in range(3):\n        if i < 2 and A[i] == 0:\n            A[0] = 0"
    )
    outside(text, r"A\[2\] is out of bounds", np.zeros(2, "int32"))


def test_if_then_else_evaluates_one_arm_of_each_lane():
    text = """
    def f(A: int32[4], out: int32[4]):
        out[ramp(0, 1, 4)] = if_then_else(
            ramp(0, 1, 4) < broadcast(3, 4),
            A[ramp(1, 1, 4)] // (broadcast(2, 4) - ramp(-1, 1, 4)),
            broadcast(-1, 4) * ramp(0, 1, 4),
        )
    """
    same(run(text, np.array([7, 30, 20, 10], "int32"), np.zeros(4, "int32")), [10, 10, 10, -3])
    text = """
    def f(A: int32[4], out: int32[4]):
        for i in range(2):
            out[ramp(i * 2, 1, 2)] = if_then_else(i == 0, A[ramp(i * 4, 1, 2)], broadcast(5, 2))
    """
    same(run(text, np.array([1, 2, 3, 4], "int32"), np.zeros(4, "int32")), [1, 2, 5, 5])


def test_gather_and_scatter_where_the_last_lane_wins():
    text = """
    def f(A: int32[4], at: int32[4], out: int32[4]):
        out[at[ramp(0, 1, 4)]] = A[ramp(3, -1, 4)]
    """
    a, at = np.array([1, 2, 3, 4], "int32"), np.array([2, 0, 2, 0], "int32")
    same(run(text, a, at, np.zeros(4, "int32")), [1, 0, 2, 0])


def test_a_vector_in_any_axis():
    text = """
    def f(A: int32[3, 3], out: int32[3]):
        out[ramp(0, 1, 3)] = A[ramp(0, 1, 3), 1] * broadcast(10, 3) + A[ramp(0, 1, 3), ramp(2, -1, 3)]
    """
    a = np.arange(9, dtype="int32").reshape(3, 3)
    same(run(text, a, np.zeros(3, "int32")), [12, 44, 76])


def test_one_index_for_all_axes_is_the_row_major_position():
    text = """
    def f(A: int32[2, 3], out: int32[2, 3]):
        for i in range(6):
            out[5 - i] = A[i] + A[0, 1]
        out[ramp(4, 1, 2)] = A[ramp(0, 3, 2)]
    """
    a = np.arange(6, dtype="int32").reshape(2, 3)
    same(run(text, a, np.zeros((2, 3), "int32")), [[6, 5, 4], [3, 0, 3]])
    with pytest.raises(ValueError, match=r"A: int32\[2, 3\] is used by row-major position, .* C-contiguous"):
        run(text, np.zeros((3, 2), "int32").T, a)
    text = "def f(A: int32[2, 3]):\n    for i in range(7):\n        A[i] = i"
    outside(text, r"A\[6\] is out of bounds: the shape of A is \(2, 3\)", a)


def test_a_value_is_evaluated_before_it_is_stored():
    text = "def f(A: int32[5]):\n    A[ramp(1, 1, 4)] = A[ramp(0, 1, 4)]"
    same(run(text, np.arange(5, dtype="int32")), [0, 0, 1, 2, 3])


def test_vectors_of_one_lane_are_scalars():
    at = Ramp(Const(1), Const(1), 1)
    a = Buffer("A", (2,))
    func = PrimFunc("f", (a,), Store(a, (at,), Broadcast(Const(4.0, "float32"), 1)))
    verify(func)
    array = np.zeros(2, "float32")
    interpret(func, array)
    same(array, [0, 4])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64"])
def test_indices_of_any_integer_type(dtype):
    text = (
        f"def f(A: int32[3], out: int32[3]):\n"
        f"    out[ramp({dtype}(0), {dtype}(1), 2)] = A[ramp({dtype}(1), {dtype}(1), 2)]\n"
        f"    out[{dtype}(2)] = A[{dtype}(0)]"
    )
    same(run(text, np.array([1, 2, 3], "int32"), np.zeros(3, "int32")), [2, 3, 1])


@pytest.mark.parametrize(
    ("index", "shape", "message"),
    [
        ("i + 4", "4", r"A\[4\] is out of bounds: the shape of A is \(4,\)"),
        ("i - 1", "4", r"A\[-1\] is out of bounds: the shape of A is \(4,\)"),
        ("0, i + 3", "2, 3", r"A\[0, 3\] is out of bounds: the shape of A is \(2, 3\)"),
        ("i - 1, 0", "2, 3", r"A\[-1, 0\] is out of bounds: the shape of A is \(2, 3\)"),
        ("0, i + 2, 0", "2, 2, 2", r"A\[0, 2, 0\] is out of bounds: the shape of A is \(2, 2, 2\)"),
    ],
)
def test_out_of_bounds(index, shape, message):
    array = np.zeros(tuple(map(int, shape.split(", "))), "int32")
    for line in (f"A[{index}] = 1", f"B[0] = A[{index}]"):
        text = f"def f(A: int32[{shape}], B: int32[1]):\n    for i in range(1):\n        {line}"
        outside(text, message, array, np.zeros(1, "int32"))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("0, ramp(i + 1, 1, 3)", r"A\[0, 3\] is out of bounds: the shape of A is \(2, 3\)"),
        ("i + 1, ramp(2, -2, 3)", r"A\[1, -2\] is out of bounds"),
        ("ramp(i, 1, 3), 1", r"A\[2, 1\] is out of bounds"),
        ("i + 2, ramp(0, 1, 3)", r"A\[2, 0\] is out of bounds"),
    ],
)
def test_out_of_bounds_lanes(index, message):
    for line in (f"A[{index}] = broadcast(1, 3)", f"B[ramp(0, 1, 3)] = A[{index}]"):
        func = parse_function(f"def f(A: int32[2, 3], B: int32[3]):\n    for i in range(1):\n        {line}")
        with pytest.raises(IndexError, match=message):
            interpret(func, np.zeros((2, 3), "int32"), np.zeros(3, "int32"))


def test_a_ramp_wraps_before_it_is_an_index():
    func = parse_function("def f(A: int8[200]):\n    A[ramp(int8(120), int8(5), 4)] = broadcast(int8(1), 4)")
    with pytest.raises(IndexError, match=r"A\[-126\] is out of bounds"):
        interpret(func, np.zeros(200, "int8"))


def test_descending_and_repeated_lanes():
    text = """
    def f(A: int32[6], out: int32[6]):
        for i in range(2):
            out[ramp(i * 3 + 2, -1, 3)] = A[ramp(i * 3, 1, 3)]
        out[ramp(0, 0, 3)] = A[ramp(1, 2, 3)]
    """
    same(run(text, np.arange(6, dtype="int32"), np.zeros(6, "int32")), [5, 1, 0, 5, 4, 3])


@settings(max_examples=settings().max_examples, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_a_vector_equals_its_lanes(data, seed):
    params, value = data.draw(vector_values())
    scalar, lanes = value.dtype.split("x")
    out, by_lane = (Buffer(name, (int(lanes),), scalar) for name in ("out", "by_lane"))
    at = (Ramp(Const(0), Const(1), int(lanes)),)
    # a vector condition makes the interpreter evaluate each lane as a scalar
    mask = Broadcast(Const(True, "bool"), int(lanes))
    chosen = Call("if_then_else", (mask, value, value), value.dtype)
    func = PrimFunc("f", (*params, out, by_lane), Seq((Store(out, at, value), Store(by_lane, at, chosen))))
    verify(func)
    arrays = random_arrays(func.params, seed)
    interpret(func, *arrays)
    same(arrays[-2], arrays[-1])


@pytest.mark.parametrize(
    ("expr", "dtype", "expected"),
    [
        ("12 & 10", "int32", 8),
        ("12 | 10", "int32", 14),
        ("12 ^ 10", "int32", 6),
        ("-1 & 255", "int32", 255),
        ("int8(-128) | int8(1)", "int8", -127),
        ("1 << 31", "int32", -(2**31)),
        ("3 << 31", "int32", -(2**31)),
        ("uint8(255) << uint8(1)", "uint8", 254),
        ("-7 >> 1", "int32", -4),
        ("uint8(249) >> uint8(1)", "uint8", 124),
        ("int64(-1) >> int64(63)", "int64", -1),
        ("popcount(-1)", "int32", 32),
        ("popcount(int8(-128))", "int8", 1),
        ("popcount(uint64(18446744073709551615))", "uint64", 64),
        ("round(0.5)", "float32", 0),
        ("round(1.5)", "float32", 2),
        ("round(-0.4)", "float32", -0.0),
        ("trunc(-1.7)", "float32", -1),
        ("sin(0.0)", "float32", 0),
        ("cos(0.0)", "float32", 1),
        ("erf(float64(0.5))", "float64", 0.5204998778130465),
        ("erf(float32('-inf'))", "float32", -1),
        ("isnan(float32('nan'))", "bool", True),
        ("isnan(float16('inf'))", "bool", False),
    ],
)
def test_bits_and_functions(expr, dtype, expected):
    same(evaluate(expr, dtype), [expected])
    # and of vectors: each literal repeated
    literal = r"[a-z]+\d+\([^()]*\)|-?\b\d+(\.\d+)?\b"
    same(evaluate(re.sub(literal, r"broadcast(\g<0>, 2)", expr), dtype, 2), [expected] * 2)


@pytest.mark.parametrize("amount", ["32", "-1", "33", "64"])
def test_a_shift_count_out_of_range_shifts_all_bits_out(amount):
    same(evaluate(f"5 << {amount}", "int32"), [0])
    same(evaluate(f"-5 >> {amount}", "int32"), [-1])
    same(evaluate(f"broadcast(5, 2) >> ramp(0, {amount}, 2)", "int32", 2), [5, 0])
    same(evaluate(f"broadcast(-5, 2) >> ramp(0, {amount}, 2)", "int32", 2), [-5, -1])
