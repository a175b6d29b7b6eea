"""The interpreter: whole programs, allocations, arguments and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir.expr import Binary, Buffer, Call, Const, Load, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import Allocate, For, If, Seq, Store
from compiler.ir.text import parse_function
from tests.compiler.random_programs import functions, random_arrays

INF, NAN = float("inf"), float("nan")


def run(text, *arrays):
    func = parse_function(text)
    verify(func)
    interpret(func, *arrays)
    return arrays[-1]


def same(actual, expected):
    """Equal bits, where any NaN equals any other."""
    expected = np.asarray(expected, actual.dtype)
    np.testing.assert_array_equal(actual, expected)
    if actual.dtype.kind == "f":
        zero = actual == 0
        np.testing.assert_array_equal(np.signbit(actual[zero]), np.signbit(expected[zero]))


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


def test_stores_modify_the_array_argument():
    view = np.zeros((4, 4), "float32")
    run("def f(out: float32[2, 2]):\n    out[1, 0] = 5.0", view[1:3, ::2])
    assert view[2, 0] == 5.0 and view.sum() == 5.0


def test_elements_that_were_never_stored_have_the_unset_value():
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
        (
            Store(OTHER, (Const(0),), ONE),
            r"buffer other: float32\[2\] is neither a parameter nor used inside of its allocation",
        ),
        (
            Seq((Allocate(OTHER, Seq(())), Store(A, (Const(0),), Load(OTHER, (Const(0),))))),
            r"buffer other: float32\[2\] is neither a parameter nor used inside of its allocation",
        ),
        (Store(A, (), ONE), r"A: float32\[2\] takes 1 indices or one position, not 0"),
        (Store(A, (Const(0),), Binary("%", ONE, ONE, "float32")), r"`1.0 % 1.0`: no operator '%' on float32"),
        (Store(A, (Const(0),), Binary("?", ONE, ONE, "float32")), r"no operator '\?' on float32"),
        (Store(A, (Const(0),), Call("sine", (ONE,), "float32")), r"`sine\(1.0\)`: unknown intrinsic 'sine'"),
        (If(Const(True, "bool"), 3), r"a statement cannot be a int"),
        (Store(A, (Const(0),), 3.0), r"an expression cannot be a float"),
    ],
)
def test_invalid_programs_are_refused(body, message):
    with pytest.raises(ValueError, match=message):
        interpret(PrimFunc("f", (A,), body), np.zeros(2, "float32"))


@settings(max_examples=100, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_a_parsed_function_has_the_same_result(data, seed):
    func = data.draw(functions())
    before, after = random_arrays(func.params, seed), random_arrays(func.params, seed)
    interpret(func, *before)
    interpret(parse_function(str(func)), *after)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


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


SIZED = """
def f(n: size(1, 8), m: size(2, 4), A: int32[n, m], B: int32[m, n]):
    for i in range(n):
        for j in range(m):
            B[j, i] = A[i, j] + n * 100
"""


def test_dynamic_extents_are_determined_by_the_arrays():
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
def test_packed_elements_fill_bytes_from_the_lowest_bits(dtype, values, packed):
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
