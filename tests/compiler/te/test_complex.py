"""Complex numbers as pairs: operators against NumPy, reductions, arguments without a copy, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.ir.semantics.interpret import interpret
from compiler.lowering.nest import loop_nest

SHAPE = (16,)


def numbers(dtype: str, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


def run(function, *arrays: np.ndarray) -> np.ndarray:
    """By the interpreter and by scalar and vector code, which agree."""
    part = "float32" if arrays[0].dtype == np.complex64 else "float64"
    inputs = [te.placeholder((*SHAPE, 2), f"A{n}", part) for n in range(len(arrays))]
    C = te.compute((*SHAPE, 2), lambda i: function(*(te.pair(A, i) for A in inputs)), "C")
    assert [a.name for a in C.op.axis] == ["i", "part"]
    expected = np.zeros(SHAPE, arrays[0].dtype)
    interpret(loop_nest(te.create_schedule(C.op), [*inputs, C]), *arrays, expected)
    for vectorized in (False, True):
        s = te.create_schedule(C.op)
        if vectorized:
            outer, inner = s[C].split(C.op.axis[0], 8)
            s[C].reorder(outer, C.op.axis[1], inner)
            s[C].unroll(C.op.axis[1])
            s[C].vectorize(inner)
        out = np.zeros(SHAPE, arrays[0].dtype)
        compiler.build(s, [*inputs, C])(*arrays, out)
        np.testing.assert_allclose(out, expected, rtol=1e-5 if part == "float32" else 1e-13)
    return expected


FUNCTIONS = {
    "sum": lambda z, w: z + w,
    "difference": lambda z, w: z - w,
    "product": lambda z, w: z * w,
    "quotient": lambda z, w: z / w,
    "negative": lambda z, w: -z + +w,
    "real numbers": lambda z, w: 2 - 3 * z + (1 / w) * 2.5 - 1,
    "complex literals": lambda z, w: (1 + 2j) * z - w / (3 - 1j) + 2j,
    "parts": lambda z, w: z * w.real - w.imag,
}


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_operators(name: str, dtype: str) -> None:
    z, w = numbers(dtype), numbers(dtype, 1)
    near = 1e-4 if dtype == "complex64" else 1e-12
    np.testing.assert_allclose(run(FUNCTIONS[name], z, w), FUNCTIONS[name](z, w), rtol=near)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_functions(dtype: str) -> None:
    z = numbers(dtype)
    z[:3] = 0, 1, 2j
    near = 1e-5 if dtype == "complex64" else 1e-13
    np.testing.assert_allclose(run(lambda v: v.exp(), z), np.exp(z), rtol=near)
    np.testing.assert_allclose(run(te.conj, z), np.conj(z))
    np.testing.assert_allclose(run(lambda v: te.complex(abs(v)), z), np.abs(z), rtol=near)


def test_division_and_size_of_large_numbers() -> None:
    z = np.full(SHAPE, 3e30 + 4e30j, np.complex64)
    np.testing.assert_allclose(run(lambda v: te.complex(abs(v)), z), np.abs(z), rtol=1e-6)
    np.testing.assert_allclose(run(lambda v: v / v, z), np.ones(SHAPE), rtol=1e-6)


def test_a_matrix_product() -> None:
    A, B = te.placeholder((4, 6, 2), "A"), te.placeholder((6, 5, 2), "B")
    k = te.reduce_axis((0, 6), "k")
    C = te.compute((4, 5, 2), lambda i, j: te.sum(te.pair(A, i, k) * te.pair(B, k, j), axis=k), "C")
    a, b, c = numbers("complex64", 0, (4, 6)), numbers("complex64", 1, (6, 5)), np.zeros((4, 5), np.complex64)
    s = te.create_schedule(C.op)
    s[C].unroll(C.op.axis[2])
    compiler.build(s, [A, B, C])(a, b, c)
    np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-5)


def test_arguments_are_not_copied_and_both_forms_are_taken() -> None:
    A = te.placeholder((*SHAPE, 2), "A")
    C = te.compute((*SHAPE, 2), lambda i: te.pair(A, i) * 2, "C")
    module = compiler.build(te.create_schedule(C.op), [A, C])
    z, pairs = numbers("complex64"), np.zeros((*SHAPE, 2), np.float32)
    module(z, pairs)
    np.testing.assert_array_equal(pairs.view(np.complex64)[:, 0], z * 2)
    out = np.zeros(SHAPE, np.complex64)
    module(pairs, out)
    np.testing.assert_array_equal(out, z * 4)
    with pytest.raises(
        ValueError, match="'A', has dtype complex128; float32 is needed|float64; float32 is needed"
    ):
        module(z.astype(np.complex128), out)
    with pytest.raises(ValueError, match=r"'A', has dtype complex64; float32 is needed|has shape"):
        module(numbers("complex64", 0, (16, 2)), out)
    with pytest.raises(ValueError, match="shares memory"):
        module(out, out)


def test_a_strided_array_is_interpreted() -> None:
    A = te.placeholder((*SHAPE, 2), "A")
    C = te.compute((*SHAPE, 2), lambda i: te.pair(A, i) + 1, "C")
    z, out = numbers("complex64", 0, (16, 3))[:, 1], np.zeros(SHAPE, np.complex64)
    interpret(loop_nest(te.create_schedule(C.op), [A, C]), z, out)
    np.testing.assert_array_equal(out, z + 1)


A2 = te.placeholder((16, 2), "A")
REFUSED = {
    "a complex element type": (
        lambda: te.placeholder((4,), "A", "complex64"),
        "an element cannot be complex64: complex numbers are pairs of float32 along a last axis of extent 2",
    ),
    "a tensor without pairs": (lambda: te.pair(te.placeholder((4, 3), "A"), 0), "its last extent must be 2"),
    "integers": (lambda: te.complex(te.const(1), te.const(2)), "parts of a float type, not int32"),
    "a real element with an index too few": (
        lambda: te.compute((16, 2), lambda i: A2[i, 0], "C"),
        r"takes 1 index\(es\) and returned no complex number but TensorRead",
    ),
    "a complex element with all indices": (
        lambda: te.compute((16, 2), lambda i, c: te.pair(A2, i), "C"),
        "returned a complex number: complex numbers are pairs along a last extent of 2, which has no index",
    ),
    "half a reduction": (
        lambda: te.compute((2,), lambda: te.complex(1.0, te.sum(A2[K, 0], axis=K)), "C"),
        "a complex reduction must be the whole element",
    ),
}
K = te.reduce_axis((0, 16))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_a_complex_number_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="no truth value"):
        bool(te.complex(1.0))
