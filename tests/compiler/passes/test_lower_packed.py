# ruff: noqa: E501  (a line of a program may be longer than one of ours)
"""Packed types: elements smaller than a byte become bytes, shifts and masks."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

from compiler.ir.dtype import PACKED_TYPES, bits_of
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.text import parse_function
from compiler.passes.lower_packed import lower_packed

# name -> (before, after)
GOLDEN = {
    "a load": (
        """
        def main(A: uint4[8], C: int32[8]):
            for i in range(8):
                C[i] = cast(A[i], "int32")
        """,
        """
        def main(A: uint8[4], C: int32[8]):
            for i in range(8):
                C[i] = cast(A[i // 2] >> cast(i % 2 * 4, "uint8") & uint8(15), "int32")
        """,
    ),
    "a sign": (
        """
        def main(A: int2[4], C: float32[4]):
            for i in range(4):
                C[i] = cast(A[i], "float32")
        """,
        """
        def main(A: uint8[1], C: float32[4]):
            for i in range(4):
                C[i] = cast((cast(A[i // 4] >> cast(i % 4 * 2, "uint8") & uint8(3), "int32") ^ 2) - 2, "float32")
        """,
    ),
    "a store": (
        """
        def main(A: int32[8], C: uint4[8]):
            for i in range(8):
                C[i] = cast(A[i], "uint4")
        """,
        """
        def main(A: int32[8], C: uint8[4]):
            for i in range(8):
                C[i // 2] = C[i // 2] & (uint8(15) << cast(i % 2 * 4, "uint8") ^ uint8(255)) | (cast(A[i], "uint8") & uint8(15)) << cast(i % 2 * 4, "uint8")
        """,
    ),
    "a copy through an allocated buffer": (
        """
        def main(A: uint1[16], C: uint1[16]):
            t = allocate(uint1[3, 5], "local")
            for i in range(15):
                t[i // 5, i % 5] = A[i]
            for i in range(15):
                C[i] = t[i // 5, i % 5]
        """,
        None,
    ),
    "vectors": (
        """
        def main(A: uint4[8], C: int32[8], D: uint4[8]):
            for i in vectorize(8):
                C[i] = cast(A[i], "int32")
            for i in vectorize(8):
                D[i] = A[i]
            C[ramp(0, 1, 4)] = cast(A[ramp(3, 1, 4)], "int32x4")
        """,
        None,
    ),
    "choices and hints": (
        """
        def main(A: int4[8], C: int4[8]):
            for i in range(8):
                prefetch(A[i + 3])
                C[i] = if_then_else(i < 3, A[i], cast(-2, "int4"))
        """,
        None,
    ),
    "whole bytes for each thread": (
        """
        def main(A: int32[16], C: uint4[4, 4]):
            for i in parallel(4):
                for j in range(4):
                    C[i, j] = cast(A[i * 4 + j], "uint4")
        """,
        None,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes, same_result) -> None:
    before, after = GOLDEN[name]
    if after is not None:
        becomes(lower_packed, before, after)
        return
    func = parse_function(dedent(before))
    lowered = lower_packed(func)
    verify(lowered)
    assert not any(dtype in str(lowered) for dtype in (" int4", ": uint4", "uint1[", "int4["))
    same_result(func, lowered)


@pytest.mark.parametrize("dtype", PACKED_TYPES)
@pytest.mark.parametrize("other", ["int8", "uint8", "int64", "float32", "float16", "bool"])
def test_conversions(dtype: str, other: str) -> None:
    """Both ways, with the values that do not fit."""
    each = 8 // bits_of(dtype)
    n = 16 * each
    func = parse_function(
        dedent(
            f"""
            def main(A: {dtype}[{n}], B: {other}[{n}], C: {other}[{n}], D: {dtype}[{n}]):
                for i in range({n}):
                    C[i] = cast(A[i], "{other}")
                    D[i] = cast(B[i], "{dtype}")
            """
        )
    )
    lowered = lower_packed(func)
    verify(lowered)
    rng = np.random.default_rng(0)
    packed = rng.integers(0, 256, 16, dtype="uint8")
    values = rng.integers(-40, 40, n).astype(other)
    if other.startswith("float"):
        values = (values / 3).astype(other)
        values[:3] = [np.nan, np.inf, -np.inf]
    results = []
    for version in (func, lowered):
        c, d = np.zeros(n, other), np.zeros(16, "uint8")
        interpret(version, packed, values, c, d)
        results.append((c, d))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


REFUSED = {
    "lanes that share a byte": (
        'def main(C: uint4[8]):\n    C[ramp(0, 1, 2)] = cast(broadcast(1, 2), "uint4x2")',
        r"lanes of a vector may share bytes of 2 elements of a packed type",
    ),
    "a byte that threads share": (
        'def main(C: uint4[8]):\n    for i in parallel(8):\n        C[i] = cast(1, "uint4")',
        r"iterations of the parallel loop 'i' share bytes of 2 elements",
    ),
    "a row of a thread that ends within a byte": (
        "def main(C: uint4[4, 6]):\n    for i in parallel(8):\n        for j in range(3):\n"
        '            C[i * 3 + j] = cast(1, "uint4")',
        r"iterations of the parallel loop 'i' share bytes",
    ),
    "threads of a block": (
        'def main(C: int2[8]):\n    for i in bind(4, "threadIdx.x"):\n        C[i * 2] = cast(1, "int2")',
        r"iterations of the threadIdx\.x loop 'i' share bytes of 4 elements",
    ),
    "a region": (
        "def main(A: uint4[8], C: uint4[8]):\n    copy(region(C, 0, (8,), (1,)), region(A, 0, (8,), (1,)), "
        'before=(0,), after=(0,), fill=cast(0, "uint4"))',
        "of a packed type is not supported",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        lower_packed(parse_function(text))


def test_no_packed_buffer_gives_the_same_object() -> None:
    func = parse_function("def main(C: int8[4]):\n    for i in range(4):\n        C[i] = int8(1)")
    assert lower_packed(func) is func
