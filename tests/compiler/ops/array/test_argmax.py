"""The index of the extreme against NumPy: the first of equal ones or of NaNs, along each axis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.driver import build, lower
from compiler.ir.semantics.interpret import interpret
from compiler.lowering.nest import loop_nest
from compiler.ops import ARGMAX, Defaults
from tests.compiler.ops.conftest import RandomKnobs, check

CASES = [
    ((1,), 0),
    ((5,), 0),
    ((300,), 0),
    ((3, 37), 0),
    ((3, 37), 1),
    ((70, 3), 1),
    ((2, 3, 17), 1),
    ((2, 3, 17), 2),
    ((70, 1, 1), 0),
    ((4, 1, 5), 1),
    ((1, 1, 1), 2),
]
DTYPES = ("float32", "float64", "int32", "int64")
KINDS = {"max": np.argmax, "min": np.argmin}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "axis"), CASES, ids=str)
def test_defaults(shape: tuple, axis: int, kind: str, check_operator: Callable) -> None:
    check_operator(ARGMAX, Defaults(), shape, axis, kind, how=("definition", "nest", "compiled"))


@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize(("shape", "axis"), [((3, 37), 0), ((2, 70), 1), ((3, 5000), 1)], ids=str)
def test_other_types(shape: tuple, axis: int, dtype: str, check_operator: Callable) -> None:
    check_operator(ARGMAX, Defaults(), shape, axis, "max", dtype, how=("definition", "compiled"))


@settings(max_examples=10)
@given(st.data())
def test_random_programs(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=2)))
    axis = data.draw(st.integers(0, len(shape) - 1))
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    check(ARGMAX, RandomKnobs(data.draw), shape, axis, kind, how=("lowered", "compiled"))


@settings(max_examples=10)
@given(st.data())
def test_random_programs_of_blocks(data: st.DataObject) -> None:
    shape = (*data.draw(st.sampled_from([(), (2,), (65,)])), data.draw(st.integers(1000, 9000)))
    dtype = data.draw(st.sampled_from(DTYPES))
    check(ARGMAX, RandomKnobs(data.draw), shape, len(shape) - 1, "max", dtype, how=("compiled",))


def extremes(columns: int, dtype: str) -> np.ndarray:
    """Rows with extremes at the ends and in the middle, ties, all equal, infinities, and NaN."""
    special: list[float] = (
        [np.iinfo(dtype).min, np.iinfo(dtype).max] if dtype.startswith("i") else [-np.inf, np.inf]
    )
    rows = [np.full(columns, value, dtype) for value in (0, *special)]
    base = np.random.default_rng(0).integers(-9, 10, columns).astype(dtype)
    places = sorted({0, 1, columns // 3, columns // 2, columns - 2, columns - 1} & set(range(columns)))
    values = [*special, np.nan] if dtype.startswith("f") else special
    for value in values:
        for first in places:
            rows.append(base.copy())
            rows[-1][first] = value
            rows.append(base.copy())
            rows[-1][[first, places[-1]]] = value
            if np.isnan(value):  # beside infinities, and below them all
                rows[-1][places[0]] = np.inf
                rows.append(np.full(columns, -np.inf, dtype))
                rows[-1][first:] = np.nan
    return np.stack([base, *rows])


# one vector, rows that fill no vector, more blocks than one, of which the last overlaps
@pytest.mark.parametrize("columns", [1, 2, 9, 10, 11, 64, 100, 513, 2049, 7001])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_first_extreme(kind: str, dtype: str, columns: int) -> None:
    x = extremes(columns, dtype)
    for axis, array in ((1, x), (0, np.ascontiguousarray(x.T))):
        out = ARGMAX.output(array.shape, axis, kind, dtype)
        build(*ARGMAX.schedule(Defaults(), *ARGMAX.shape(array.shape, axis, kind, dtype)))(array, out)
        np.testing.assert_array_equal(out, KINDS[kind](array, axis=axis))


@pytest.mark.parametrize("columns", [1, 7, 100, 8193, 66_001])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_of_a_vector(kind: str, dtype: str, columns: int) -> None:
    out = ARGMAX.output((columns,), 0, kind, dtype)
    module = build(*ARGMAX.schedule(Defaults(), *ARGMAX.shape((columns,), 0, kind, dtype)))
    for row in extremes(columns, dtype):
        module(row, out)
        assert out == KINDS[kind](row)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("columns", "blocks"), [(2500, 2), (66_001, 17)])
def test_blocks_interpreted(columns: int, blocks: int, kind: str) -> None:
    """The last block overlaps; before and after the passes."""
    x = extremes(columns, "float32")[5 : 5 + 1 + 6 // blocks].copy()
    values = ARGMAX.shape(x.shape, 1, kind, "float32")
    s, args = ARGMAX.schedule(Defaults(), *values)
    for function in (loop_nest(s, args), lower(s, args, target="llvm")):
        out = ARGMAX.output(*values)
        interpret(function, x, out)
        np.testing.assert_array_equal(out, KINDS[kind](x, axis=1))


def test_refused() -> None:
    with pytest.raises(ValueError, match=r"argmax: axis is 2, but the shape \(3, 4\) has 2 axes"):
        ARGMAX.shape((3, 4), 2)
