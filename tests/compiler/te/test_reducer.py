"""Reducers: combination, identity and condition of reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from compiler import te
from compiler.ir.expr import Var
from compiler.ir.semantics.interpret import interpret
from compiler.ir.stmt import Let
from compiler.ir.visit import walk
from compiler.lowering.nest import loop_nest
from compiler.te.tensor import Tensor

A = te.placeholder((4, 6), "A")
N = te.placeholder((4, 6), "N", "int32")
k = te.reduce_axis((0, 6), "k")


def run(outputs: tuple[Tensor, ...], *arrays: np.ndarray) -> list[np.ndarray]:
    """All tensors of an operation by the default schedule; inputs in the order of their first reading."""
    results = [np.zeros(t.shape, t.dtype) for t in outputs]
    interpret(
        loop_nest(te.create_schedule(outputs[0].op), [*outputs[0].op.inputs, *outputs]), *arrays, *results
    )
    return results


@pytest.mark.parametrize(("reducer", "numpy"), [(te.argmax, np.argmax), (te.argmin, np.argmin)])
def test_arg(reducer: Callable, numpy: Callable) -> None:
    index, value = te.compute((4,), lambda i: reducer(A[i, k], axis=k), "C")
    assert (index.name, index.dtype, value.name, value.dtype) == ("C_v0", "int32", "C_v1", "float32")
    a = np.array(
        [[1, 3, 3, 0, 3, 0], [-1, -2, -2, -5, -5, -1], [0] * 6, [np.inf] * 3 + [-np.inf] * 3], "float32"
    )
    found, extreme = run((index, value), a)
    np.testing.assert_array_equal(found, numpy(a, axis=1))  # the first of equal ones
    np.testing.assert_array_equal(extreme, np.take_along_axis(a, numpy(a, axis=1)[:, None], 1)[:, 0])


def test_argmax_of_nan_and_infinity_and_of_no_terms() -> None:
    index, value = te.compute((3,), lambda i: te.argmax(A[i, k], axis=k, where=A[i, k] < 9), "C")
    a = np.full((4, 6), 9, "float32")
    a[0, 4:] = -np.inf
    a[2] = np.nan
    found, extreme = run((index, value), a)
    np.testing.assert_array_equal(found, [4, 2**31 - 1, 2**31 - 1])  # NaN does not pass the condition either
    np.testing.assert_array_equal(extreme, [-np.inf] * 3)
    index, value = te.compute((2,), lambda i: te.argmax(A[i, k], axis=k), "C")
    a[0, 2:4] = np.nan
    found, extreme = run((index, value), a)
    np.testing.assert_array_equal(found, [2, 0])
    np.testing.assert_array_equal(extreme, [np.nan, 9])


def test_argmax_over_two_axes_gives_the_row_major_position() -> None:
    i, j = te.reduce_axis((1, 4), "i"), te.reduce_axis((0, 6), "j")
    index, value = te.compute((), lambda: te.argmax(N[i, j], axis=(i, j)), "C")
    n = np.zeros((4, 6), "int32")
    n[2, 3] = 7
    found, extreme = run((index, value), n)
    assert (found, extreme) == (1 * 6 + 3, 7)  # positions are relative to the start of the reduce axes


def test_argmin_with_a_custom_index() -> None:
    index, value = te.compute((4,), lambda i: te.argmin((k.var * -1, N[i, k]), axis=k), "C")
    n = np.array([[5, 1, 1, 1, 9, 9]] * 4, "int32")
    found, _ = run((index, value), n)
    np.testing.assert_array_equal(found, [-3] * 4)


def _longest(x: Any, y: Any) -> Any:
    return te.maximum(te.abs(x), te.abs(y))


def test_a_custom_reducer() -> None:
    longest = te.comm_reducer(_longest, lambda dtype: 0, "longest")
    C = te.compute((4,), lambda i: longest(A[i, k], axis=k), "C")
    a = np.random.default_rng(1).standard_normal((4, 6), "float32")
    np.testing.assert_array_equal(run((C,), a)[0], np.abs(a).max(1))


def test_values_that_depend_on_each_other_are_bound_before_they_are_stored() -> None:
    """The product of complex numbers: the real part must not be replaced before the other is made of it."""
    product = te.comm_reducer(
        lambda x, y: (x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]), lambda t, u: (1, 0), "product"
    )
    re, im = te.placeholder((4, 6), "re", "int64"), te.placeholder((4, 6), "im", "int64")
    C = te.compute((4,), lambda i: product((re[i, k], im[i, k]), axis=k), "C")
    nest = loop_nest(te.create_schedule(C[0].op), [re, im, *C])
    assert [node.var.name for node in walk(nest.body) if isinstance(node, Let)] == ["C_v0_next"]
    rng = np.random.default_rng(2)
    a, b = rng.integers(-3, 4, (2, 4, 6))
    real, imaginary = run(C, a, b)
    expected = np.prod(a + 1j * b, axis=1)
    np.testing.assert_array_equal(real, expected.real)
    np.testing.assert_array_equal(imaginary, expected.imag)


def test_where_excludes_terms() -> None:
    C = te.compute((4,), lambda i: te.sum(N[i, k], axis=k, where=N[i, k] > 0), "C")
    n = np.random.default_rng(3).integers(-9, 10, (4, 6)).astype("int32")
    np.testing.assert_array_equal(run((C,), n)[0], np.where(n > 0, n, 0).sum(1))


def test_where_guards_reads() -> None:
    """A window past the edge: the elements outside are neither counted nor read."""
    r = te.reduce_axis((-1, 2), "r")
    C = te.compute((4, 6), lambda i, j: te.max(N[i, j + r], axis=r, where=te.all(j + r >= 0, j + r < 6)), "C")
    n = np.random.default_rng(4).integers(-9, 10, (4, 6)).astype("int32")
    padded = np.pad(n, ((0, 0), (1, 1)), constant_values=np.iinfo("int32").min)
    np.testing.assert_array_equal(
        run((C,), n)[0], np.lib.stride_tricks.sliding_window_view(padded, 3, axis=1).max(2)
    )


def test_an_axis_that_does_not_start_at_zero() -> None:
    j = te.reduce_axis((2, 5), "j")
    C = te.compute((4,), lambda i: te.sum(N[i, j] * j, axis=j), "C")
    n = np.random.default_rng(5).integers(-9, 10, (4, 6)).astype("int32")
    np.testing.assert_array_equal(run((C,), n)[0], n[:, 2:5] @ [2, 3, 4])


pair = te.comm_reducer(lambda x, y: (x[0] + y[0], x[1] + y[1]), lambda t, u: (0, 0), "pair")
packed = te.placeholder((4, 6), "packed", "int4")

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "an identity with too few values": (
        lambda: te.comm_reducer(lambda x, y: (x[0], x[1]), lambda t, u: 0, "few")((A[0, k], A[1, k]), axis=k),
        r"te\.few: fidentity returns 1 value\(s\) for the 2 reduced",
    ),
    "a combination of another type": (
        lambda: te.comm_reducer(lambda x, y: (x + y).astype("int32"), lambda t: 0, "cast")(A[0, k], axis=k),
        r"te\.cast: fcombine returns \(int32\) for values of \(float32\); the types must be the same",
    ),
    "a combination with too few values": (
        lambda: te.comm_reducer(lambda x, y: x[0], lambda t, u: (0, 0), "few")((A[0, k], A[1, k]), axis=k),
        r"te\.few: fcombine returns \(float32\) for values of \(float32, float32\)",
    ),
    "where is not a condition": (
        lambda: te.sum(A[0, k], axis=k, where=A[0, k]),
        r"te\.sum: `where` is a condition, not float32",
    ),
    "packed terms": (
        lambda: te.sum(packed[0, k], axis=k),
        r"te\.sum takes numbers of whole bytes, not int4: cast them first",
    ),
    "a reduction that is unpacked": (
        lambda: te.compute((4,), lambda i: list(te.argmax(A[i, k], axis=k))[0], "C"),
        r"te\.argmax is the whole element of a tensor: return it from the function of te\.compute",
    ),
    "two reductions in one": (
        lambda: te.compute((4,), lambda i: (te.sum(A[i, k], axis=k), te.max(A[i, k], axis=k)), "C"),
        r"'C': a reduction must be the whole element; compute it as a tensor by itself",
    ),
    "where with a variable of another computation": (
        lambda: te.compute((4,), lambda i: te.sum(A[i, k], axis=k, where=Var("z") < 3), "C"),
        r"'C' uses 'z', which is not one of its axes \(i, k\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises((ValueError, TypeError), match=message):
        make()
