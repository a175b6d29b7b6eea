"""Shared by tests of generated code: short ways to write programs, and comparisons with the interpreter."""

from __future__ import annotations

import numpy as np

from compiler.backend import build
from compiler.ir.dtype import is_float
from compiler.ir.expr import Expr, Var, const
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.bfloat16 import narrowed, widened
from compiler.ir.semantics.interpret import interpret
from compiler.ir.stmt import For, Stmt

X86 = "llvm -mtriple=x86_64-unknown-linux-gnu -mcpu="
NEON = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72"
# small integers as floats: sums and products of a few of them are exact, so a fused multiply-add makes no
# difference
FLOAT_VALUES = (0.0, -0.0, 1.0, -1.0, 2.0, 3.0, -3.0, 0.5, float("inf"), float("-inf"), float("nan"))


def same_as_interpreted(func: PrimFunc, *arrays: np.ndarray) -> None:
    expected = [array.copy() for array in arrays]
    got = [array.copy() for array in arrays]
    interpret(func, *expected)
    build(func)(*got)
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_array_equal(b, a)


def loop(var: Var, extent: int | Expr, body: Stmt, kind: str = "serial") -> For:
    return For(var, const(extent) if isinstance(extent, int) else extent, kind, body)


def interesting(dtype: str, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "bfloat16":
        return narrowed(rng.choice(np.array(FLOAT_VALUES, "float32"), count))
    if is_float(dtype):
        return rng.choice(np.array(FLOAT_VALUES, dtype), count)
    if dtype == "bool":
        return rng.integers(0, 2, count).astype(bool)
    info = np.iinfo(dtype)
    edges = np.array([info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 3, 7], dtype)
    whole = rng.integers(info.min, info.max, count, dtype=dtype, endpoint=True)
    small = rng.integers(max(info.min, -9), 9, count).astype(dtype)
    return np.choose(rng.integers(0, 3, count), [whole, small, rng.choice(edges, count)]).astype(dtype)


def compare(func: PrimFunc, seed: int) -> None:
    """Compare the compiled function with the interpreter on special values of each type."""
    arrays = [interesting(buffer.dtype, buffer.size, seed + k) for k, buffer in enumerate(func.params)]
    expected = [array.copy() for array in arrays]
    got = [array.copy() for array in arrays]
    interpret(func, *expected)
    build(func)(*got)
    for buffer, a, b in zip(func.params, expected, got, strict=True):
        if buffer.dtype == "bfloat16":
            a, b = widened(a), widened(b)
        np.testing.assert_array_equal(b, a, err_msg=str(buffer))
        if is_float(buffer.dtype):
            alive = ~np.isnan(a)
            np.testing.assert_array_equal(np.signbit(b[alive]), np.signbit(a[alive]), err_msg=str(buffer))
