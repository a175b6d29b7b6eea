"""Transposition against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest

from compiler.ops import TRANSPOSE, Defaults


@pytest.mark.parametrize(
    "axes", [(0,), *permutations(range(2)), *permutations(range(3)), (2, 0, 3, 1)], ids=str
)
def test_defaults(axes: tuple[int, ...], check_operator: Callable) -> None:
    check_operator(
        TRANSPOSE, Defaults(), (5, 17, 3, 4)[: len(axes)], axes, how=("nest", "compiled", "definition")
    )


@pytest.mark.parametrize("dtype", TRANSPOSE.parameters[-1].options)
def test_every_type(dtype: str, check_operator: Callable) -> None:
    check_operator(TRANSPOSE, Defaults(), (5, 17, 3), (2, 1, 0), dtype, how=("nest", "compiled"))


def test_refused() -> None:
    with pytest.raises(
        ValueError, match=r"transpose: axes \(0, 2\) must name each of the 2 axes of \(3, 4\) once"
    ):
        TRANSPOSE.shape((3, 4), (0, 2))
