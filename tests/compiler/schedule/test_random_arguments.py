"""Views as arguments, and outputs in the memory of inputs: random programs under random legal schedules.

A program that reads an element after it is overwritten must be refused; any other computes the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from compiler import te
from compiler.backend import pipeline
from compiler.driver import build
from compiler.ir.dtype import PACKED_TYPES
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.lowering.nest import loop_nest
from compiler.passes import run
from compiler.schedule import ScheduleError
from compiler.te.tensor import Placeholder, Tensor
from tests.compiler.schedule.random_computations import computations
from tests.compiler.schedule.test_random_schedules import _args, _case, _check, _scheduled

FEATURES = ("sizes", "named", "recurrences")


def _view(draw: Any, array: np.ndarray) -> np.ndarray:
    """A copy in a larger array, with other elements between."""
    steps = [draw(st.sampled_from([1, 2, -1, -3])) for _ in array.shape]
    order = draw(st.permutations(range(array.ndim)))
    memory = np.full([array.shape[d] * abs(steps[d]) + 2 for d in order], 7, array.dtype)
    part = memory.transpose(np.argsort(order))[tuple(slice(1, -1) for _ in order)]
    part = part[tuple(slice(None, None, step) for step in steps)][tuple(slice(n) for n in array.shape)]
    part[...] = array
    return part


@pytest.mark.slow
@settings(max_examples=settings().max_examples // 4)
@given(st.data())
def test_views_and_memory_of_inputs(data: st.DataObject) -> None:
    draw = data.draw
    outputs = draw(computations(FEATURES), label="outputs")
    case = _case(data, outputs)
    expected = [a.copy() for a in case.arrays]
    interpret(case.nest, *expected)
    s = _scheduled(draw, outputs)
    args = _args(s)
    pairs: dict[Tensor, Tensor] = {}
    for out in s.outputs:
        fitting = [
            t
            for t in args
            if isinstance(t.op, Placeholder)
            and (t.shape, t.dtype) == (out.shape, out.dtype)
            and t not in pairs.values()
        ]
        if fitting and draw(st.integers(0, 3)):
            pairs[out] = draw(st.sampled_from(fitting))
    strided = [t for t in args if t.dtype not in PACKED_TYPES and t.ndim and draw(st.booleans())]
    kept = [t for t in args if t not in pairs]
    strided = [t for t in strided if t in kept]
    assume(pairs or strided)
    note(f"in place: {pairs}, strided: {strided}")
    try:
        nest = loop_nest(s, kept, inplace=pairs, strided=strided)
    except ScheduleError as error:
        refused = (
            "cannot be in the memory",
            "outside of its steps",
            "first rows",
            "uses a row-major position",
        )
        assume(not any(reason in str(error) for reason in refused))
        raise
    note(str(nest))
    lowered = run(nest, pipeline(), lambda _, func: verify(func))
    for how in (lambda *a: interpret(nest, *a), lambda *a: interpret(lowered, *a), build(lowered)):
        given_arrays = [
            _view(draw, a) if t in strided else a.copy()
            for t, a in zip(args, case.arrays, strict=True)
            if t in kept
        ]
        how(*given_arrays)
        found = dict(zip(kept, given_arrays, strict=True))
        results = [found[pairs.get(out, out)] for out in s.outputs]
        wanted = [expected[args.index(out)] for out in s.outputs]
        _check(results, wanted, False, "in views and in place")


def test_the_program_that_motivates_the_check() -> None:
    """Neighbours of a difference: by columns the left one is overwritten before it is read."""
    A = te.placeholder((4, 5), "A")
    C = te.compute(
        (4, 5), lambda i, j: A[i, j] - te.if_then_else(j > 0, A[i, te.maximum(j - 1, 0)], 0.0), "C"
    )
    with pytest.raises(ScheduleError, match="C reads other elements than the one it stores"):
        loop_nest(te.create_schedule(C.op), [A], inplace={C: A})
