"""The meaning of the language, against results worked by hand."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir.expr import Binary, Broadcast, Buffer, Call, Const, Load, Ramp, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import Allocate, For, If, Seq, Store
from compiler.ir.text import parse_function
from tests.compiler.random_programs import functions, random_arrays, vector_values

INF, NAN = float("inf"), float("nan")


def run(text, *arrays):
    func = parse_function(text)
    verify(func)
    interpret(func, *arrays)
    return arrays[-1]


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


# whole programs


def test_matmul():
    text = """
    def matmul(A: float32[32, 32], B: float32[32, 32], C: float32[32, 32]):
        for i in parallel(32):
            for j in range(32):
                C[i, j] = 0.0
                for k in unroll(32):
                    C[i, j] = C[i, j] + A[i, k] * B[k, j]
    """
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-9, 9, (32, 32)).astype("float32") for _ in range(2))
    same(run(text, a, b, np.full((32, 32), NAN, "float32")), a @ b)  # small whole numbers, so exact


def test_vectors_in_a_local_tile():
    text = """
    def f(A: float32[3, 8], out: float32[8]):
        acc = allocate(float32[8], "local")
        for j in range(2):
            acc[ramp(j * 4, 1, 4)] = broadcast(0.0, 4)
        for i in range(3):
            for j in range(2):
                acc[ramp(j * 4, 1, 4)] = acc[ramp(j * 4, 1, 4)] + A[i, ramp(j * 4, 1, 4)]
        for j in vectorize(8):
            out[7 - j] = acc[j]
    """
    a = np.arange(24, dtype="float32").reshape(3, 8)
    same(run(text, a, np.zeros(8, "float32")), a.sum(axis=0)[::-1])


def test_padding_reads_only_what_is_inside():
    text = """
    def pad(A: float32[3], out: float32[5]):
        for i in range(5):
            out[i] = if_then_else(i >= 1 and i < 4, A[i - 1], 0.0)
    """
    same(run(text, np.array([1, 2, 3], "float32"), np.zeros(5, "float32")), [0, 1, 2, 3, 0])


def test_branches_sequences_and_empty_loops():
    text = """
    def f(out: int32[6]):
        for i in range(6):
            out[i] = 0
            if i < 2:
                out[i] = out[i] + 1
                out[i] = out[i] * 10
            elif i == 3:
                pass
            else:
                out[i] = 0 - i
        for i in range(0):
            out[0] = 99
        for i in range(-3):
            out[0] = 99
        if False:
            out[0] = 99
    """
    same(run(text, np.ones(6, "int32")), [10, 10, -2, 0, -4, -5])


def test_loops_run_in_order_whatever_their_kind():
    for kind in ("range", "parallel", "vectorize", "unroll"):
        text = f"def f(out: int32[1]):\n    for i in {kind}(5):\n        out[0] = out[0] * 10 + i"
        same(run(text, np.zeros(1, "int32")), [1234])


def test_extents_may_depend_on_outer_loops():
    text = """
    def f(out: int32[4]):
        for i in range(4):
            for j in range(i):
                out[i] = out[i] + j
    """
    same(run(text, np.zeros(4, "int32")), [0, 0, 1, 3])


def test_arrays_without_axes_and_with_any_strides():
    text = "def f(A: int64[2, 3], s: int64[()]):\n    for i in range(2):\n        s[()] = s[()] + A[i, 2]"
    base = np.arange(24, dtype="int64").reshape(6, 4)
    total = np.array(1, "int64")
    run(text, base[::-1][1:3, ::-1][:, :3], total)
    assert total == 1 + 17 + 13


def test_what_is_stored_is_stored_in_the_given_array():
    view = np.zeros((4, 4), "float32")
    run("def f(out: float32[2, 2]):\n    out[1, 0] = 5.0", view[1:3, ::2])
    assert view[2, 0] == 5.0 and view.sum() == 5.0


# allocations


def test_what_was_never_stored_shows():
    text = """
    def f(x: float32[1], y: int32[1], z: uint8[1], b: bool[1], h: float16[1], w: int64[1]):
        tx = allocate(float32[1], "local")
        ty = allocate(int32[1], "local")
        tz = allocate(uint8[1], "global")
        tb = allocate(bool[1], "local")
        th = allocate(float16[1], "local")
        tw = allocate(int64[1], "local")
        x[0] = tx[0]
        y[0] = ty[0]
        z[0] = tz[0]
        b[0] = tb[0]
        h[0] = th[0]
        w[0] = tw[0]
    """
    arrays = [np.zeros(1, t) for t in ("float32", "int32", "uint8", "bool", "float16", "int64")]
    run(text, *arrays)
    x, y, z, b, h, w = (array[0] for array in arrays)
    assert np.isnan(x) and np.isnan(h)
    assert (y, z, b) == (-0x54545455, 0xAB, True)
    assert w == -0x5454545454545455


def test_an_allocation_is_fresh_each_time():
    text = """
    def f(out: float32[3]):
        for i in range(3):
            acc = allocate(float32[1], "local")
            out[i] = acc[0]
            acc[0] = 1.0
    """
    same(run(text, np.zeros(3, "float32")), [NAN, NAN, NAN])


# integers


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
def test_division_by_zero_names_the_expression(op):
    text = f"def f(n: int32[2], out: int32[2]):\n    out[0] = 5 {op} n[0]"
    with pytest.raises(ZeroDivisionError, match=rf"`5 {op} n\[0\]` divides by zero"):
        run(text, np.array([0, 1], "int32"), np.zeros(2, "int32"))
    text = (
        f"def f(n: int32[2], out: int32[2]):\n    out[ramp(0, 1, 2)] = broadcast(5, 2) {op} n[ramp(0, 1, 2)]"
    )
    with pytest.raises(ZeroDivisionError, match="divides by zero"):
        run(text, np.array([1, 0], "int32"), np.zeros(2, "int32"))


def test_ramps():
    same(evaluate("ramp(3, -2, 4)", "int32", 4), [3, 1, -1, -3])
    same(evaluate("ramp(int8(120), int8(5), 4)", "int8", 4), [120, 125, -126, -121])
    same(evaluate("ramp(uint64(18446744073709551615), uint64(1), 2)", "uint64", 2), [2**64 - 1, 0])


# floats


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
        (NAN, 2.0, 2.0, 2.0),
        (1.0, NAN, NAN, NAN),
        (NAN, NAN, NAN, NAN),
        (-0.0, 0.0, 0.0, 0.0),
        (0.0, -0.0, -0.0, -0.0),
        (-INF, INF, -INF, INF),
    ],
)
@pytest.mark.parametrize("lanes", [1, 2])
def test_the_second_operand_wins_where_neither_is_less(a, b, least, greatest, lanes):
    index = "0" if lanes == 1 else "ramp(0, 1, 2)"
    text = (
        f"def f(A: float32[2], B: float32[2], low: float32[2], high: float32[2]):\n"
        f"    low[{index}] = min(A[{index}], B[{index}])\n    high[{index}] = max(A[{index}], B[{index}])"
    )
    arrays = [np.full(2, x, "float32") for x in (a, b, 9.0, 9.0)]
    run(text, *arrays)
    same(arrays[2][:lanes], [least] * lanes)
    same(arrays[3][:lanes], [greatest] * lanes)


# casts


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


# conditions


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
    with pytest.raises(IndexError, match=r"A\[2\] is out of bounds"):
        run(text, np.zeros(2, "int32"))


def test_logic_evaluates_both_sides():
    text = (
        "def f(A: int32[2]):\n    for i in range(3):\n        if i < 2 and A[i] == 0:\n            A[0] = 0"
    )
    with pytest.raises(IndexError, match=r"A\[2\] is out of bounds"):
        run(text, np.zeros(2, "int32"))


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


# elements


def test_gather_scatter_and_the_last_lane_stays():
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
    with pytest.raises(IndexError, match=r"A\[6\] is out of bounds: the shape of A is \(2, 3\)"):
        run("def f(A: int32[2, 3]):\n    for i in range(7):\n        A[i] = i", a)


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
        with pytest.raises(IndexError, match=message):
            run(text, array, np.zeros(1, "int32"))


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


# refusals


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((), r"f takes 2 array\(s\), not 0"),
        (([1.0], np.zeros(3, "int32")), r"f, argument A: float32\[2, 2\]: expected a NumPy array, not list"),
        (
            (np.zeros((2, 2)), np.zeros(3, "int32")),
            r"f, argument A: float32\[2, 2\]: expected dtype float32, not float64",
        ),
        (
            (np.zeros((2, 2), ">f4"), np.zeros(3, "int32")),
            r"f, argument A: float32\[2, 2\]: expected dtype float32, not >f4",
        ),
        (
            (np.zeros((2, 3), "float32"), np.zeros(3, "int32")),
            r"f, argument A: float32\[2, 2\]: expected shape \(2, 2\), not \(2, 3\)",
        ),
    ],
)
def test_arrays_that_do_not_fit(arrays, message):
    func = parse_function("def f(A: float32[2, 2], B: int32[3]):\n    B[0] = 1")
    with pytest.raises(ValueError, match=message):
        interpret(func, *arrays)


def test_an_array_that_is_stored_to_must_be_writable():
    func = parse_function("def f(A: int32[1], B: int32[1]):\n    B[0] = A[0]")
    a, b = np.array([3], "int32"), np.array([0], "int32")
    a.flags.writeable = False
    interpret(func, a, b)
    assert b[0] == 3
    b.flags.writeable = False
    with pytest.raises(
        ValueError, match=r"argument B: int32\[1\]: the function stores to it, but .* read-only"
    ):
        interpret(func, a, b)


A, OTHER, VAR = Buffer("A", (2,)), Buffer("other", (2,)), Var("i")
ONE = Const(1.0, "float32")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (Store(A, (VAR,), ONE), r"variable i is used outside of its loop"),
        (
            Seq((For(VAR, Const(1), "serial", Seq(())), Store(A, (VAR,), ONE))),
            r"variable i is used outside of its loop",
        ),
        (Store(OTHER, (Const(0),), ONE), r"buffer other: float32\[2\] is used outside of its allocation"),
        (
            Seq((Allocate(OTHER, Seq(())), Store(A, (Const(0),), Load(OTHER, (Const(0),))))),
            r"buffer other: float32\[2\] is used outside of its allocation",
        ),
        (Store(A, (), ONE), r"A: float32\[2\] takes 1 indices or one position, not 0"),
        (Store(A, (Const(0),), Binary("%", ONE, ONE, "float32")), r"`1.0 % 1.0`: no operator '%' on float32"),
        (Store(A, (Const(0),), Binary("?", ONE, ONE, "float32")), r"no operator '\?' on float32"),
        (Store(A, (Const(0),), Call("sine", (ONE,), "float32")), r"`sine\(1.0\)`: unknown intrinsic 'sine'"),
        (If(Const(True, "bool"), 3), r"a statement cannot be a int"),
        (Store(A, (Const(0),), 3.0), r"an expression cannot be a float"),
    ],
)
def test_programs_without_a_meaning(body, message):
    with pytest.raises(ValueError, match=message):
        interpret(PrimFunc("f", (A,), body), np.zeros(2, "float32"))


# properties


@settings(max_examples=100, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_a_function_and_its_text_do_the_same(data, seed):
    func = data.draw(functions())
    before, after = random_arrays(func.params, seed), random_arrays(func.params, seed)
    interpret(func, *before)
    interpret(parse_function(str(func)), *after)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_a_vector_is_what_its_lanes_are(data, seed):
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


# bits, functions, lets


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


@pytest.mark.parametrize("amount", ["32", "-1"])
def test_a_shift_too_far(amount):
    with pytest.raises(ValueError, match=rf"`1 << {amount}` shifts int32 by {amount}: it takes 0 to 31"):
        evaluate(f"1 << {amount}", "int32")
    with pytest.raises(ValueError, match=rf"shifts int32 by \[ *0 {amount}\]: it takes 0 to 31"):
        evaluate(f"broadcast(1, 2) >> ramp(0, {amount}, 2)", "int32", 2)


def test_a_let_is_evaluated_once():
    text = """
    def f(A: int32[4], out: int32[4]):
        for i in range(4):
            x = A[i] + 1
            A[i] = 0
            y = x * 2
            out[i] = x + y + A[i]
    """
    same(run(text, np.array([0, 1, 2, 3], "int32"), np.zeros(4, "int32")), [3, 6, 9, 12])


def test_a_let_of_a_vector():
    text = """
    def f(A: float32[4], M: int32[4], out: float32[8]):
        v = A[ramp(0, 1, 4)] * broadcast(2.0, 4)
        m = M[ramp(0, 1, 4)]
        A[ramp(0, 1, 4)] = broadcast(0.0, 4)
        out[ramp(0, 1, 4)] = v
        out[ramp(4, 1, 4)] = if_then_else(m < broadcast(2, 4), v, A[m])
    """
    a = np.array([1, 2, 3, 4], "float32")
    same(run(text, a, np.array([0, 3, 1, 2], "int32"), np.zeros(8, "float32")), [2, 4, 6, 8, 2, 0, 6, 0])


# sizes


SIZED = """
def f(n: size(1, 8), m: size(2, 4), A: int32[n, m], B: int32[m, n]):
    for i in range(n):
        for j in range(m):
            B[j, i] = A[i, j] + n * 100
"""


def test_sizes_come_with_the_arrays():
    for n, m in ((1, 2), (3, 4), (8, 3)):
        a = np.arange(n * m, dtype="int32").reshape(n, m)
        same(run(SIZED, a, np.zeros((m, n), "int32")), a.T + n * 100)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ((9, 2), (2, 9), r"f, argument A: int32\[n, m\]: n is 9, but must be in 1 .. 8"),
        ((3, 1), (1, 3), r"argument A: int32\[n, m\]: m is 1, but must be in 2 .. 4"),
        ((3, 2), (2, 4), r"argument B: int32\[m, n\]: n is 4, but 3 in A: int32\[n, m\]"),
        ((3,), (2, 4), r"argument A: int32\[n, m\]: expected shape \(n, m\), not \(3,\)"),
    ],
)
def test_sizes_that_do_not_fit(a, b, message):
    with pytest.raises(ValueError, match=message):
        run(SIZED, np.zeros(a, "int32"), np.zeros(b, "int32"))


def test_an_index_is_checked_against_the_size_of_the_call():
    text = "def f(n: size(1, 8), A: int32[n]):\n    A[5] = 1"
    same(run(text, np.zeros(6, "int32")), [0, 0, 0, 0, 0, 1])
    with pytest.raises(IndexError, match=r"A\[5\] is out of bounds: the shape of A is \(5,\)"):
        run(text, np.zeros(5, "int32"))


# packed types


@pytest.mark.parametrize(
    ("dtype", "values", "packed"),
    [
        ("uint1", [1, 0, 0, 1, 1, 0, 0, 0], [0b00011001]),
        ("int2", [1, -1, -2, 0], [0b00101101]),
        ("uint2", [1, 3, 2, 0], [0b00101101]),
        ("int4", [-8, 7, -1, 0], [0x78, 0x0F]),
        ("uint4", [8, 7, 15, 0], [0x78, 0x0F]),
    ],
)
def test_packed_elements_lie_in_bytes_from_the_lowest_bits_up(dtype, values, packed):
    n = len(values)
    text = f"""
    def f(A: {dtype}[{n}], B: {dtype}[{n}], C: {dtype}[{n}], out: int32[{n}]):
        for i in range({n}):
            out[i] = cast(A[i], "int32")
            B[i] = cast(out[i], "{dtype}")
        C[ramp(0, 1, {n})] = cast(cast(A[ramp(0, 1, {n})], "int32x{n}") + broadcast(16, {n}), "{dtype}x{n}")
    """
    a, b, c = (np.array(x, "uint8") for x in (packed, [0xAB] * len(packed), [0] * len(packed)))
    same(run(text, a, b, c, np.zeros(n, "int32")), values)
    same(b, packed)
    same(c, packed)  # a conversion keeps the low bits


def test_packed_arrays():
    text = """
    def f(A: int4[2, 4], B: int4[2, 4]):
        t = allocate(int4[3], "local")
        B[0, 0] = t[0]
        B[0, 1] = t[1]
        B[7] = cast(9.5, "int4")
        B[0, 2] = A[1, 3]
    """
    b = np.zeros((2, 2), "uint8")
    run(text, np.array([[0, 0], [0, 0x50]], "uint8"), b)
    same(b, [[0xAB, 0x05], [0, 0x70]])
    func = parse_function(text)
    with pytest.raises(
        ValueError, match=r"B: int4\[2, 4\]: expected shape \(2, 4\) in elements, not \(2, 8\)"
    ):
        interpret(func, b, np.zeros((2, 4), "uint8"))
    with pytest.raises(ValueError, match=r"A: int4\[2, 4\]: expected dtype uint8, not int8"):
        interpret(func, b.view("int8"), b)


# threads


def test_threads_meet_at_barriers():
    # each thread hands its value to its neighbour, twice; without a barrier the last one would be behind
    text = """
    def f(out: int32[4]):
        box = allocate(int32[4], "shared")
        for t in bind(4, "threadIdx.x"):
            own = allocate(int32[1], "local")
            own[0] = t * 10
            for step in range(2):
                box[t] = own[0] + step
                barrier("shared")
                x = box[(t + 1) % 4]
                barrier("shared")
                own[0] = x
            out[t] = own[0]
    """
    same(run(text, np.zeros(4, "int32")), [21, 31, 1, 11])


def test_nested_loops_over_threads_are_one_block():
    text = """
    def f(out: int32[2, 3]):
        for b in bind(1, "blockIdx.x"):
            box = allocate(int32[2, 3], "shared")
            for ty in bind(2, "threadIdx.y"):
                for tx in bind(3, "threadIdx.x"):
                    box[ty, tx] = ty * 3 + tx
                    if b == 0:
                        barrier("shared")
                    out[ty, tx] = box[1 - ty, 2 - tx]
    """
    same(run(text, np.zeros((2, 3), "int32")), [[5, 4, 3], [2, 1, 0]])


def test_loops_over_threads_without_a_barrier_run_in_order():
    text = "def f(out: int32[1]):\n    for i in bind(5, 'threadIdx.x'):\n        out[0] = out[0] * 10 + i"
    same(run(text, np.zeros(1, "int32")), [1234])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "if t < 2:\n            barrier('shared')",
            r"the 3 threads of t \(threadIdx.x\) do not meet at one barrier: 2",
        ),
        (
            "if t < 2:\n            barrier('shared')\n        else:\n            barrier('shared')",
            r"3 wait at a barrier, and 0 have ended",
        ),
        ("for i in range(t):\n            barrier('shared')", r"2 wait at a barrier, and 1 have ended"),
    ],
)
def test_threads_that_do_not_meet(body, message):
    text = f"def f(A: int32[1]):\n    for t in bind(3, 'threadIdx.x'):\n        {body}"
    with pytest.raises(ValueError, match=message):
        run(text, np.zeros(1, "int32"))


def test_a_barrier_is_for_threads():
    with pytest.raises(
        ValueError, match=r'barrier\("shared"\) is outside of the loops that are bound to threadIdx'
    ):
        interpret(parse_function("def f(A: int32[1]):\n    barrier('shared')"), np.zeros(1, "int32"))


# copies, intrinsics, tokens, prefetches


def test_a_copy_moves_a_rectangle_and_fills_its_margins():
    text = """
    def f(A: int32[3, 4], out: int32[4, 5]):
        copy(
            region(out, 0, (3, 4), (5, 1)),
            region(A, 1, (2, 2), (4, 2)),
            before=(1, 0), after=(0, 2), fill=7,
        )
    """
    a = np.arange(12, dtype="int32").reshape(3, 4)
    expected = [[7, 7, 7, 7, -1], [1, 3, 7, 7, -1], [5, 7, 7, 7, -1], [-1] * 5]
    same(run(text, a, np.full((4, 5), -1, "int32")), expected)


def test_a_copy_reads_before_it_writes():
    text = """
    def f(A: int32[5]):
        for i in range(1):
            copy(region(A, i + 1, (4,), (1,)), region(A, 0, (4,), (1,)), before=(i,), after=(0,), fill=0)
    """
    same(run(text, np.arange(5, dtype="int32")), [0, 0, 1, 2, 3])


@pytest.mark.parametrize(
    ("copy", "error", "message"),
    [
        (
            "region(A, 0, (3,), (1,)), region(A, 0, (2,), (1,)), before=(i,), after=(0,)",
            ValueError,
            r"a copy to A of \(3,\) elements from \(2,\) has margins \[\(0, 0\)\]",
        ),
        (
            "region(A, 0, (3,), (1,)), region(A, 0, (4,), (1,)), before=(i - 1,), after=(0,)",
            ValueError,
            r"has margins \[\(-1, 0\)\] \(before and after\)",
        ),
        (
            "region(A, i + 1, (2, 2), (2, 1)), region(A, 0, (2, 2), (2, 1)), before=(0, 0), after=(0, 0)",
            IndexError,
            r"A\[4\] is out of bounds: the shape of A is \(4,\)",
        ),
        (
            "region(A, 0, (2,), (1,)), region(A, 0, (2,), (i - 1,)), before=(0,), after=(0,)",
            IndexError,
            r"A\[-1\] is out of bounds",
        ),
    ],
)
def test_copies_that_go_wrong(copy, error, message):
    text = f"def f(A: int32[4]):\n    for i in range(1):\n        copy({copy}, fill=0)"
    with pytest.raises(error, match=message):
        run(text, np.zeros(4, "int32"))


def test_an_intrinsic_does_what_its_description_does():
    text = """
    @intrinsic
    def add(x: int32[2], y: int32[2]):
        for i in range(2):
            y[i] = y[i] + x[i]
    @intrinsic
    def multiply(x: int32[2, 2], y: int32[2]):
        t = allocate(int32[2], "local")
        for i in range(2):
            t[0] = x[i, 0]
            t[1] = x[i, 1]
            add(region(t, 0, (2,), (1,)), region(y, 0, (2,), (1,)))
    def f(A: int32[2, 4], out: int32[5]):
        for j in range(2):
            multiply(region(A, j, (2, 2), (4, 2)), region(out, j + 3, (2,), (-3,)))
    """
    a = np.arange(8, dtype="int32").reshape(2, 4)
    same(run(text, a, np.full(5, 100, "int32")), [108, 110, 100, 104, 106])


def test_an_intrinsic_stays_inside_of_its_buffers():
    text = """
    @intrinsic
    def clear(x: int32[2]):
        x[ramp(0, 1, 2)] = broadcast(0, 2)
    def f(A: int32[3]):
        for i in range(3):
            clear(region(A, i, (2,), (1,)))
    """
    a = np.ones(3, "int32")
    with pytest.raises(IndexError, match=r"A\[3\] is out of bounds: the shape of A is \(3,\)"):
        run(text, a)
    same(a, [0, 0, 0])
    a.flags.writeable = False
    with pytest.raises(ValueError, match=r"the function stores to it, but the array is read-only"):
        run(text, a)


def test_a_pop_answers_a_push():
    text = """
    def f():
        for i in range(2):
            push('load', 'compute')
        for i in range({}):
            pop('load', 'compute')
    """
    interpret(parse_function(text.format(1)))
    interpret(parse_function(text.format(2)))
    with pytest.raises(ValueError, match=r'pop\("load", "compute"\) without a push'):
        interpret(parse_function(text.format(3)))
    with pytest.raises(ValueError, match=r'pop\("load", "store"\) without a push'):
        interpret(parse_function(text.format(1).replace("pop('load', 'compute')", "pop('load', 'store')")))


def test_a_prefetch_evaluates_its_index_and_no_more():
    text = "def f(A: int32[4]):\n    for i in range(2):\n        prefetch(A[i * 100 // (1 - {} * i)])"
    run(text.format(0), np.zeros(4, "int32"))
    with pytest.raises(ZeroDivisionError, match=r"divides by zero"):
        run(text.format(1), np.zeros(4, "int32"))
