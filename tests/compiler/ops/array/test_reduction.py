"""Reductions over axes against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compiler.ops import REDUCTION, Defaults
from compiler.ops.array.reduction import KINDS

CASES = [
    ((5,), (0,)),
    ((3, 37), (1,)),
    ((3, 37), (0,)),
    ((3, 5), (0, 1)),
    ((2, 3, 4), (1,)),
    ((2, 3, 4), (2, 0)),
    ((2, 3, 4, 5), (1, 3)),
    ((1, 1), (1,)),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "axes"), CASES, ids=str)
def test_defaults(shape: tuple, axes: tuple, kind: str, check_operator: Callable) -> None:
    check_operator(REDUCTION, Defaults(), shape, axes, kind, how=("nest", "compiled", "definition"))


@pytest.mark.parametrize("dtype", ["float64", "int32"])
@pytest.mark.parametrize("kind", ["sum", "max", "min"])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 2), (2,)], ids=str)
def test_other_types(axes: tuple, kind: str, dtype: str, check_operator: Callable) -> None:
    check_operator(
        REDUCTION, Defaults(), (3, 7, 37), axes, kind, dtype, how=("definition", "nest", "compiled")
    )


def test_refused() -> None:
    with pytest.raises(
        ValueError, match=r"reduction: axes \(0, 2\) has 2, but the shape \(3, 4\) has 2 axes"
    ):
        REDUCTION.shape((3, 4), (0, 2))
    with pytest.raises(ValueError, match=r"reduction: axes \(1, 1\) names an axis twice"):
        REDUCTION.shape((3, 4), (1, 1))
    with pytest.raises(ValueError, match=r"reduction: the kind 'mean' needs floats, not int32; integers"):
        REDUCTION.shape((3, 4), (1,), "mean", "int32")
