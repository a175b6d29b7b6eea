"""The checks of every pass: the text before and after, the same results, and no change when run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import dedent

import numpy as np
import pytest

from compiler.ir.dtype import PACKED_TYPES, bits_of
from compiler.ir.expr import Buffer, upper_bound
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.text import parse_function


def arrays_for(params: Sequence[Buffer], seed: int = 0) -> list[np.ndarray]:
    """Arrays of small numbers, which float32 adds up without rounding in any order."""
    rng = np.random.default_rng(seed)
    arrays = []
    for buffer in params:
        shape, dtype = tuple(map(upper_bound, buffer.shape)), buffer.dtype
        if dtype in PACKED_TYPES:
            shape = (*shape[:-1], shape[-1] * bits_of(dtype) // 8)
            arrays.append(rng.integers(0, 256, shape, dtype="uint8"))
        else:
            arrays.append(rng.integers(-8, 9, shape).astype(dtype))
    return arrays


def run(func: PrimFunc, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The arrays after a call of `func` on copies of them."""
    copies = [array.copy() for array in arrays]
    interpret(func, *copies)
    return copies


@pytest.fixture(scope="session")
def same_result() -> Callable[[PrimFunc, PrimFunc], None]:
    """Check that two functions have the same results on arrays of random numbers."""

    def check(before: PrimFunc, after: PrimFunc) -> None:
        arrays = arrays_for(before.params)
        for a, b in zip(run(before, arrays), run(after, arrays), strict=True):
            np.testing.assert_array_equal(b, a, err_msg=f"after\n{before}\nbecame\n{after}")

    return check


@pytest.fixture(scope="session")
def becomes(same_result) -> Callable[..., PrimFunc]:
    """Check that a pass turns one text into another with the same result, and then changes nothing more."""

    def check(
        step: Callable[[PrimFunc], PrimFunc], before: str, after: str, *, meaning: bool = True
    ) -> PrimFunc:
        func = parse_function(dedent(before))
        verify(func)
        result = step(func)
        verify(result)
        assert str(result) == dedent(after).strip()
        if meaning:
            same_result(func, result)
        assert step(result) is result
        return result

    return check
