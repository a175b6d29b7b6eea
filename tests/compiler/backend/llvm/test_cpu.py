"""The tables of CPUs."""

from __future__ import annotations

import pytest

from compiler.backend.llvm.cpu import FEATURES, X86_VECTOR_BITS, adjusted, code_features


@pytest.mark.parametrize("cpu", sorted(set(FEATURES) - {"generic"}))
def test_the_features_of_a_cpu_agree_with_the_width_of_its_registers(cpu: str) -> None:
    has = FEATURES[cpu]
    assert X86_VECTOR_BITS[cpu] == (512 if "avx512f" in has else 256 if "avx" in has else 128)
    assert len(has) == len(set(has))


@pytest.mark.parametrize(
    ("features", "changes", "result"),
    [
        (("avx", "sse3"), (), ("avx", "sse3")),
        (("avx",), ("+fma",), ("avx", "fma")),
        (("avx", "avx2", "fma", "f16c", "sse3"), ("-avx",), ("sse3",)),
        (("avx2", "avx512f", "avx512bw"), ("-avx512f",), ("avx2",)),
        (("avx2", "avx512f", "avx"), ("-avx2",), ("avx",)),
        (("avx512f", "avx512fp16"), ("-avx512fp16",), ("avx512f",)),
        (("avx512f",), ("-avx512f", "+avx512f"), ("avx512f",)),
    ],
)
def test_changes(features: tuple[str, ...], changes: tuple[str, ...], result: tuple[str, ...]) -> None:
    assert adjusted(features, changes) == result


def test_features_that_no_code_uses_are_left_out() -> None:
    assert code_features(["avx2", "tsxldtrk", "cldemote", "fma", "rdrnd"]) == ("avx2", "fma")
