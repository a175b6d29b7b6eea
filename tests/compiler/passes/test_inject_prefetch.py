"""Prefetch insertion: one prefetch per cache line, some iterations ahead."""

from __future__ import annotations

import pytest

from compiler.ir.stmt import Prefetch
from compiler.ir.text import parse_function
from compiler.ir.visit import walk
from compiler.passes.inject_prefetch import LINE_LIMIT, inject_prefetch

# name -> (before, after)
GOLDEN = {
    "a row of two lines": (
        """
        def main(A: float32[256], C: float32[256]):
            for i in range(8, pragmas={"prefetch:A": 2, "auto_unroll": 4}):
                for j in range(32):
                    C[i * 32 + j] = A[i * 32 + j]
        """,
        """
        def main(A: float32[256], C: float32[256]):
            for i in range(8, pragmas={"auto_unroll": 4}):
                prefetch(A[(i + 2) * 32])
                prefetch(A[(i + 2) * 32 + 16])
                for j in range(32):
                    C[i * 32 + j] = A[i * 32 + j]
        """,
    ),
    "a column, and no other buffer": (
        """
        def main(A: float64[64], B: float32[8], C: float64[8]):
            for i in range(8, pragmas={"prefetch:A": 1}):
                for j in range(3):
                    C[i] = C[i] + A[j * 8 + i] + cast(B[i], "float64") + A[j * 8 + i]
        """,
        """
        def main(A: float64[64], B: float32[8], C: float64[8]):
            for i in range(8, pragmas={}):
                prefetch(A[i + 1])
                prefetch(A[i + 1 + 8])
                prefetch(A[i + 1 + 16])
                for j in range(3):
                    C[i] = C[i] + A[j * 8 + i] + cast(B[i], "float64") + A[j * 8 + i]
        """.replace(", pragmas={}", ""),
    ),
    "two prefetched buffers": (
        """
        def main(A: int8[64], B: int8[64], C: int8[64]):
            for i in parallel(64, pragmas={"prefetch:A": 3, "prefetch:B": 64}):
                C[i] = A[i] + B[i]
        """,
        """
        def main(A: int8[64], B: int8[64], C: int8[64]):
            for i in parallel(64):
                prefetch(A[i + 3])
                prefetch(B[i + 64])
                C[i] = A[i] + B[i]
        """,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes) -> None:
    becomes(inject_prefetch, *GOLDEN[name])


def test_no_more_than_a_limit() -> None:
    func = parse_function(
        """
        def main(A: float32[65536], C: float32[1]):
            for i in range(1, pragmas={"prefetch:A": 1}):
                for j in range(65536):
                    C[0] = C[0] + A[j]
        """
    )
    assert sum(type(n) is Prefetch for n in walk(inject_prefetch(func).body)) == LINE_LIMIT


def test_no_pragma_gives_the_same_object() -> None:
    func = parse_function("def main(C: float32[4]):\n    for i in range(4):\n        C[i] = 1.0")
    assert inject_prefetch(func) is func
