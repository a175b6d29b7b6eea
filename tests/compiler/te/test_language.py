"""The tensor-expression language: operations, results against NumPy, and errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compiler import te
from compiler.ir.expr import Cast, Const, Expr, Var
from compiler.ir.semantics.interpret import interpret
from compiler.lowering.nest import loop_nest
from compiler.schedule import ScheduleError
from compiler.te.reducer import MAX, MIN, PROD, SUM, Reduction
from compiler.te.tensor import Compute, Tensor, TensorRead

A = te.placeholder((4, 6), "A")
B = te.placeholder((6, 5), "B")
V = te.placeholder((6,), "V")
N = te.placeholder((4, 6), "N", "int32")


def run(output: Tensor, *arrays: np.ndarray) -> np.ndarray:
    """The output of the default schedule; inputs in the order in which they are first read."""
    s = te.create_schedule(output.op)
    inputs = [stage.tensor for stage in s.stages if not isinstance(stage.op, Compute)]
    result = np.zeros(output.shape, output.dtype)
    interpret(loop_nest(s, [*inputs, output]), *arrays, result)
    return result


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


# --- what it builds -------------------------------------------------------------------------------


def test_placeholder() -> None:
    assert (A.name, A.shape, A.dtype, A.ndim) == ("A", (4, 6), "float32", 2)
    assert repr(A) == "A: float32[4, 6]"
    assert A.op.inputs == ()
    assert te.placeholder((np.int64(3), 4.0), "p", "int8").shape == (3, 4)


def test_axes_have_the_names_of_the_parameters() -> None:
    C = te.compute((4, 6), lambda row, column: A[row, column], "C")
    assert isinstance(C.op, Compute)
    assert [repr(axis) for axis in C.op.axis] == ["data axis row(4)", "data axis column(6)"]
    D = te.compute((4, 6), lambda *i: A[i], "D")
    assert isinstance(D.op, Compute)
    assert [axis.name for axis in D.op.axis] == ["i0", "i1"]


def test_inputs_are_in_the_order_of_their_first_read() -> None:
    C = te.compute((4, 6), lambda i, j: V[j] * A[i, j] + V[j], "C")
    assert C.op.inputs == (V, A)


def test_two_handles_of_one_operation_are_equal() -> None:
    assert A.op.output() == A
    assert te.placeholder((4, 6), "A") != A


def test_a_reduction_is_the_body() -> None:
    k = te.reduce_axis((0, 6), "k")
    C = te.compute((4,), lambda i: te.sum(A[i, k], axis=k), "C")
    assert isinstance(C.op, Compute) and isinstance(C.op.reduction, Reduction)
    assert C.op.reduction.reducer is SUM
    assert C.op.reduce_axis == (k,)
    assert repr(k) == "reduce axis k(6)"
    assert C.dtype == "float32"


@pytest.mark.parametrize(
    ("reducer", "dtype", "identity"),
    [
        (SUM, "float32", 0.0),
        (SUM, "int8", 0),
        (PROD, "float64", 1.0),
        (PROD, "uint16", 1),
        (MAX, "float32", -np.inf),
        (MAX, "int8", -128),
        (MAX, "uint8", 0),
        (MIN, "float16", np.inf),
        (MIN, "int64", 2**63 - 1),
    ],
)
def test_identity_of_a_reducer(reducer, dtype: str, identity: float) -> None:
    (initial,) = reducer.initial((dtype,))
    assert initial == Const(identity, dtype)
    assert type(initial.value) is type(identity)


def test_an_axis_is_converted_to_its_variable() -> None:
    k = te.reduce_axis((0, 6), "k")
    read = A[0, k]
    assert isinstance(read, TensorRead)
    assert read.indices == (Const(0), k.var)
    assert A(0, k) == read


# --- what it means --------------------------------------------------------------------------------


def test_matmul(rng: np.random.Generator) -> None:
    k = te.reduce_axis((0, 6), "k")
    C = te.compute((4, 5), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), "C")
    a, b = rng.standard_normal((4, 6), "float32"), rng.standard_normal((6, 5), "float32")
    np.testing.assert_allclose(run(C, a, b), a @ b, rtol=1e-5, atol=1e-6)


REDUCERS = [(te.sum, np.sum), (te.max, np.max), (te.min, np.min), (te.prod, np.prod)]


@pytest.mark.parametrize(("reducer", "reference"), REDUCERS, ids=["sum", "max", "min", "prod"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "float64"])
def test_reductions(reducer: Callable, reference: Callable, dtype: str, rng: np.random.Generator) -> None:
    T = te.placeholder((3, 4, 2), "T", dtype)
    i, k = te.reduce_axis((0, 3), "i"), te.reduce_axis((0, 2), "k")
    R = te.compute((4,), lambda j: reducer(T[i, j, k], axis=[i, k]), "R")
    t = rng.integers(1 if dtype == "uint8" else -9, 10, (3, 4, 2)).astype(dtype)
    extra = {} if reducer in (te.max, te.min) else {"dtype": dtype}
    np.testing.assert_array_equal(run(R, t), reference(t, axis=(0, 2), **extra))


def test_a_reduction_to_one_number(rng: np.random.Generator) -> None:
    k, l = te.reduce_axis((0, 4), "k"), te.reduce_axis((0, 6), "l")  # noqa: E741
    total = te.compute((), lambda: te.sum(N[k, l], axis=(k, l)), "total")
    n = rng.integers(-9, 10, (4, 6)).astype("int32")
    assert total.shape == ()
    assert run(total, n) == n.sum()


def test_a_number_without_inputs() -> None:
    assert run(te.compute((), lambda: 3, "three")) == 3
    np.testing.assert_array_equal(run(te.compute((5,), lambda i: i * i, "squares")), np.arange(5) ** 2)


def test_two_stages_may_reduce_over_one_axis(rng: np.random.Generator) -> None:
    k = te.reduce_axis((0, 6), "k")
    most = te.compute((4,), lambda i: te.max(A[i, k], axis=k), "most")
    rest = te.compute((4,), lambda i: te.sum(most[i] - A[i, k], axis=k), "rest")
    a = rng.standard_normal((4, 6), "float32")
    np.testing.assert_allclose(run(rest, a), (a.max(1, keepdims=True) - a).sum(1), rtol=1e-5)


def test_if_then_else_reads_only_in_the_chosen_arm() -> None:
    padded = te.compute((8,), lambda i: te.if_then_else(te.all(i >= 1, i < 7), V[i - 1], -1.0), "padded")
    v = np.arange(6, dtype="float32")
    np.testing.assert_array_equal(run(padded, v), [-1, 0, 1, 2, 3, 4, 5, -1])


ELEMENTWISE: dict[str, tuple[Callable[[Expr], Expr], Callable[[np.ndarray], np.ndarray]]] = {
    "exp": (te.exp, np.exp),
    "log": (lambda x: te.log(te.abs(x) + 1.0), lambda x: np.log(np.abs(x) + 1)),
    "sqrt": (lambda x: te.sqrt(te.abs(x)), lambda x: np.sqrt(np.abs(x))),
    "tanh": (te.tanh, np.tanh),
    "abs": (te.abs, np.abs),
    "floor": (te.floor, np.floor),
    "ceil": (te.ceil, np.ceil),
    "power": (lambda x: te.power(te.abs(x), 1.5), lambda x: np.abs(x) ** 1.5),
    "maximum": (lambda x: te.maximum(x, 0.0), lambda x: np.maximum(x, 0)),
    "minimum": (lambda x: te.minimum(0.0, x), lambda x: np.minimum(x, 0)),
    "negative": (lambda x: -x, lambda x: -x),
    "arithmetic": (lambda x: 1.0 - (x + 2.0) * x / 4.0, lambda x: 1 - (x + 2) * x / 4),
    "any": (
        lambda x: te.if_then_else(te.any(x < -1.0, x > 1.0), 0.0, x),
        lambda x: np.where(abs(x) > 1, 0, x),
    ),
    "equal": (
        lambda x: te.if_then_else(te.equal(te.floor(x), 0.0), 1.0, x),
        lambda x: np.where(np.floor(x) == 0, 1, x),
    ),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name: str, rng: np.random.Generator) -> None:
    ours, reference = ELEMENTWISE[name]
    x = rng.standard_normal((4, 6), "float32")
    C = te.compute((4, 6), lambda i, j: ours(A[i, j]), "C")
    np.testing.assert_allclose(run(C, x), reference(x), rtol=1e-6, atol=1e-6)


def test_types_of_operands() -> None:
    """A literal takes the type of the tensor beside it; a wider integer and a float win."""
    i8, i32, f32 = (te.placeholder((4,), d, d) for d in ("int8", "int32", "float32"))
    assert (i8[0] + 1).dtype == "int8"
    assert (1 - i8[0]).dtype == "int8"
    assert (i8[0] * 0.5).dtype == "float32"
    assert (i8[0] + i32[0]).dtype == "int32"
    assert (i32[0] * f32[0]).dtype == "float32"
    assert (i8[0] < 3).dtype == "bool"
    assert te.if_then_else(i8[0] < 3, i8[1], f32[0]).dtype == "float32"
    assert i8[0].astype("float64") == Cast(i8[0], "float64")
    assert i8[0].astype("int8") == i8[0]


def test_several_tensors_of_one_operation(rng: np.random.Generator) -> None:
    low, high = te.compute((4, 6), lambda i, j: (te.minimum(A[i, j], 0), te.maximum(A[i, j], 0)), "parts")
    assert low.op is high.op
    assert [repr(t) for t in (low, high)] == ["parts_v0: float32[4, 6]", "parts_v1: float32[4, 6]"]
    width = te.compute((4, 6), lambda i, j: high[i, j] - low[i, j], "width")
    a = rng.standard_normal((4, 6), "float32")
    np.testing.assert_array_equal(run(width, a), np.abs(a))


def test_several_tensors_of_several_types() -> None:
    both = te.compute((3,), lambda i: [i, i.astype("float64") / 2], "both")
    results = [np.zeros(3, t.dtype) for t in both]
    interpret(loop_nest(te.create_schedule(both[0].op), both), *results)
    np.testing.assert_array_equal(results[0], [0, 1, 2])
    np.testing.assert_array_equal(results[1], [0, 0.5, 1])


@pytest.mark.parametrize("dtype", ["uint1", "int2", "uint2", "int4", "uint4"])
def test_packed_types_are_read_and_written(dtype: str) -> None:
    """A tensor of a packed type between two others, and as an argument: bytes, the first element lowest."""
    P = te.placeholder((3, 8), "P", dtype)
    wide = te.compute((3, 8), lambda i, j: te.cast(P[i, j], "int32") + 1, "wide")
    back = te.compute((3, 8), lambda i, j: te.cast(wide[i, j], dtype), "back")
    low, high = int(te.min_value(dtype).value), int(te.max_value(dtype).value)
    bits = (high - low + 1).bit_length() - 1
    values = np.arange(24).reshape(3, 8) % (high - low + 1) + low

    def packed(elements: np.ndarray) -> np.ndarray:
        spread = np.zeros((3, 8 * bits), "uint8")
        for bit in range(bits):
            spread[:, bit::bits] = elements >> bit & 1
        return np.packbits(spread, axis=1, bitorder="little")

    result = np.zeros((3, bits), "uint8")
    interpret(loop_nest(te.create_schedule(back.op), [P, back]), packed(values), result)
    np.testing.assert_array_equal(result, packed(values + 1))


def test_half_floats_round_after_each_operation() -> None:
    H = te.placeholder((3,), "H", "float16")
    C = te.compute((3,), lambda i: H[i] * 3 + 1, "C")
    assert C.dtype == "float16"
    h = np.array([0.1, 1000, 30000], "float16")
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(run(C, h), h * np.float16(3) + np.float16(1))


def test_thread_axes() -> None:
    assert te.thread_axis("threadIdx.x") == te.thread_axis(None, "threadIdx.x")
    axis = te.thread_axis((0, 64), "blockIdx.y", name="by")
    assert (axis.tag, axis.extent) == ("blockIdx.y", 64)
    assert te.thread_axis((0, 2), "vthread").tag == "vthread"


# --- what it refuses ------------------------------------------------------------------------------

k6 = te.reduce_axis((0, 6), "k")
bools = te.placeholder((6,), "flags", "bool")

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "an extent of zero": (
        lambda: te.placeholder((3, 0), "P"),
        r"dimension 1 of 'P' is 0; it must be a positive integer",
    ),
    "an extent that is not an integer": (
        lambda: te.compute((2.5,), lambda i: A[i, 0], "C"),
        r"dimension 0 of 'C' is 2\.5; it must be a positive",
    ),
    "an extent that is text": (lambda: te.placeholder(("4",), "P"), r"dimension 0 of 'P' is '4'"),
    "an unknown type": (
        lambda: te.placeholder((3,), "P", "flaot32"),
        r"unknown dtype 'flaot32'; did you mean 'float32'\?",
    ),
    "a reduce axis from a variable": (
        lambda: te.reduce_axis((0, Var("z")), "k"),
        r"reduce axis 'k', domain \(0, z\): 'z' is not a dynamic extent; make one with te\.size_var",
    ),
    "no element": (
        lambda: te.compute((4,), lambda i: (), "C"),
        r"'C': its function returned no element",
    ),
    "an unknown thread axis": (
        lambda: te.thread_axis("threadIdx.w"),
        r"unknown thread axis 'threadIdx\.w'; did you mean 'threadIdx\.[xyz]'\?",
    ),
    "threads from one": (
        lambda: te.thread_axis((1, 64), "threadIdx.x", "tx"),
        r"thread axis 'tx' has the domain \(1, 64\); \(0, n\) with n >= 1 is needed",
    ),
    "a packed number as one": (
        lambda: te.placeholder((8,), "P", "int4")[0] + 1,
        r"`\+` takes numbers of whole bytes, not int4: cast it first",
    ),
    "a reduce axis without an end": (
        lambda: te.reduce_axis((0, "n"), "k"),
        r"reduce axis 'k', domain \(0, 'n'\): 'n' is neither an integer nor a dynamic extent",
    ),
    "an empty reduce axis": (
        lambda: te.reduce_axis((3, 3), "k"),
        r"reduce axis 'k' has the empty domain \(3, 3\)",
    ),
    "half an iteration": (
        lambda: te.reduce_axis((0, 2.5), "k"),
        r"domain \(0, 2\.5\): 2\.5 is not an integer",
    ),
    "too few indices": (lambda: A[0], r"A has 2 dimension\(s\) \[4, 6\], but 1 index\(es\) were given"),
    "a float index": (lambda: V[0.5], r"index 0 of V is float32; an integer is needed"),
    "a condition as index": (lambda: V[V[0] < 1.0], r"index 0 of V is bool; an integer is needed"),
    "a function of too few indices": (
        lambda: te.compute((4, 6), lambda i: V[i], "C"),
        r"'C' has 2 dimension\(s\), but its function takes 1 index\(es\)",
    ),
    "a reduction inside of an expression": (
        lambda: te.compute((4,), lambda i: te.sum(A[i, k6], axis=k6) + 1.0, "C"),
        r"'C': a reduction must be the whole element; compute it as a tensor by itself",
    ),
    "a reduction of a reduction": (
        lambda: te.compute((4,), lambda i: te.max(te.sum(A[i, k6], axis=k6), axis=k6), "C"),
        r"'C': a reduction must be the whole element",
    ),
    "a reduce axis without a reduction": (
        lambda: te.compute((4,), lambda i: A[i, k6], "C"),
        r"'C' uses 'k', which is not one of its axes \(i\); a reduce axis is used inside a reduction",
    ),
    "a variable of another computation": (
        lambda: te.compute((4,), lambda i: te.sum(A[i, k6] * Var("z"), axis=k6), "C"),
        r"'C' uses 'z', which is not one of its axes \(i, k\)",
    ),
    "a reduction over no axis": (lambda: te.sum(V[0], axis=[]), r"te\.sum needs at least one reduce axis"),
    "a reduction over a variable": (
        lambda: te.compute((6,), lambda i: te.max(V[i], axis=[i]), "C"),
        r"te\.max reduces over axes made by te\.reduce_axis, not over i",
    ),
    "a reduction twice over an axis": (
        lambda: te.prod(V[k6], axis=(k6, k6)),
        r"te\.prod names an axis twice: k, k",
    ),
    "a reduction of conditions": (
        lambda: te.max(bools[k6], axis=k6),
        r"te\.max takes numbers, not conditions: cast them first",
    ),
    "arithmetic on conditions": (
        lambda: bools[0] + bools[1],
        r"`\+` takes numbers, not bool: cast the condition, or use te\.all and te\.any",
    ),
    "no condition": (lambda: te.any(), r"te\.any needs at least one condition"),
    "a number as condition": (
        lambda: te.if_then_else(N[0, 0], 1, 2),
        r"if_then_else takes a condition, not int32: compare it with zero",
    ),
    "a float function of an integer": (
        lambda: te.exp(N[0, 0]),
        r"exp takes a float, not int32: cast it first",
    ),
    "integers divided by /": (lambda: N[0, 0] / 2, r"`/` takes floats, not int32"),
    "a literal that does not fit": (
        lambda: te.placeholder((2,), "b", "uint8")[0] + 300,
        r"300 does not fit uint8",
    ),
    "a division by zero": (lambda: N[0, 0] // 0, r"division by zero: \.\.\. // 0"),
    "a schedule without outputs": (lambda: te.create_schedule([]), r"a schedule needs at least one output"),
    "a schedule of an input": (lambda: te.create_schedule(A.op), r"an output must be computed: A"),
    "a schedule of a tensor": (
        lambda: te.create_schedule(te.compute((6,), lambda i: V[i], "C")),
        r"an output must be computed: C: float32\[6\] \(pass its \.op\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_errors_of_schedules_are_schedule_errors() -> None:
    with pytest.raises(ScheduleError, match="at least one output"):
        te.create_schedule([])


def test_an_expression_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match=r"use te\.all, te\.any or te\.if_then_else"):
        te.compute((6,), lambda i: V[i] if i < 3 else 0.0, "C")


def test_a_tensor_is_not_a_sequence() -> None:
    with pytest.raises(TypeError, match=r"V is not a sequence: index it, or put tensors in a list"):
        list(V)
    with pytest.raises(TypeError, match="V is not a sequence"):
        loop_nest(te.create_schedule(te.compute((6,), lambda i: V[i], "C").op), V)


def test_a_parameter_with_a_default_is_no_axis() -> None:
    A, B = te.placeholder((4,), "A"), te.placeholder((4,), "B")
    C = te.compute((4,), lambda i, a=A: a[i] + 1, "C")
    assert [a.name for a in C.op.axis] == ["i"]
    D = [te.compute((4,), lambda i, *, t=t: t[i], "D") for t in (A, B)]
    assert [d.op.inputs for d in D] == [(A,), (B,)]


def test_the_names_of_positional_parameters() -> None:
    A = te.placeholder((2, 3, 4), "A")
    names = [a.name for a in te.compute((2, 3, 4), lambda n, *rest: A[(n, *rest)], "C").op.axis]
    assert names == ["n", "i1", "i2"]
    assert len(te.compute((2, 3, 4), lambda *i, **options: A[i], "C").op.axis) == 3


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda i, j=0: i, r"'C' has 2 .* takes 1 index\(es\) \(a parameter with a default is no index\)"),
        (lambda i, *, j: i, "the keyword-only parameter 'j' without a default"),
        (lambda i, j=0, *rest: i, r"takes 1 index\(es\)"),
        (lambda i, j, k, *rest: i, r"takes 3 index\(es\)"),
    ],
)
def test_parameters_that_cannot_be_axes(function, message) -> None:
    with pytest.raises(ValueError, match=message):
        te.compute((2, 3), function, "C")
