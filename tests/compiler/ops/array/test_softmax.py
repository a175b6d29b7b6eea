"""Softmax against NumPy, and where a plain formula would overflow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compiler.driver import build
from compiler.ops import SOFTMAX, Defaults


@pytest.mark.parametrize("kind", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 16), (5, 33), (1, 127)])
def test_defaults(shape: tuple[int, int], kind: str, check_operator: Callable) -> None:
    check_operator(SOFTMAX, Defaults(), *shape, kind)
    check_operator(SOFTMAX, Defaults(), *shape, kind, "float64", how=("definition", "compiled"))


@pytest.mark.parametrize("kind", ["softmax", "log_softmax"])
def test_large_numbers_do_not_overflow(kind: str) -> None:
    x = np.array([[1000.0, 1001.0, -1000.0]], "float32")
    out = np.empty_like(x)
    build(*SOFTMAX.schedule(Defaults(), 1, 3, kind))(x, out)
    expected = np.array([[-1.3132617, -0.3132617, -2001.3132]], "float32")
    np.testing.assert_allclose(
        out, expected if kind == "log_softmax" else np.exp(expected), rtol=1e-6, atol=1e-7
    )
