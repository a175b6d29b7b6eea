"""Common subexpressions: values that a store evaluates twice are bound by a let."""

from __future__ import annotations

import pytest

from compiler.ir.text import parse_function
from compiler.passes.common_subexpressions import common_subexpressions

# name -> (before, after), inside of a loop over i
GOLDEN = {
    "an intrinsic": (
        "C[i] = exp(A[i]) / (1.0 + exp(A[i]))",
        "value = exp(A[i])\nC[i] = value / (1.0 + value)",
    ),
    "the larger one first": (
        "C[i] = sqrt(exp(A[i])) * sqrt(exp(A[i])) + exp(A[i])",
        "value = sqrt(exp(A[i]))\nC[i] = value * value + exp(A[i])",
    ),
    "one inside of another": (
        "C[i] = tanh(A[i] / 3.0) + tanh(A[i] / 3.0) * (A[i] / 3.0) + A[i] / 3.0",
        "value = tanh(A[i] / 3.0)\nvalue_1 = A[i] / 3.0\nC[i] = value + value * value_1 + value_1",
    ),
    "vectors": (
        "C[ramp(0, 1, 4)] = exp(A[ramp(i, 1, 4)]) * exp(A[ramp(i, 1, 4)])",
        "value = exp(A[ramp(i, 1, 4)])\nC[ramp(0, 1, 4)] = value * value",
    ),
    "arms that may be evaluated at any time": (
        'C[i] = if_then_else(i < 3, cast(i // 3, "float32"), cast(i // 3 + 1, "float32"))',
        'value = i // 3\nC[i] = if_then_else(i < 3, cast(value, "float32"), cast(value + 1, "float32"))',
    ),
}

KEPT = {
    "once": "C[i] = exp(A[i])",
    "cheap expressions": "C[i] = A[i] * 2.0 + A[i] * 2.0",
    "addresses": "C[i // 2] = A[i // 2] + A[i // 2]",
    "arms that must not be evaluated": "C[i] = if_then_else(i < 3, exp(A[i]), exp(A[i]) + 1.0)",
    "two statements": "C[i] = exp(A[i])\nA[i] = exp(A[i])",
}


def program(body: str) -> str:
    lines = "\n".join("        " + line for line in body.splitlines())
    return f"def main(A: float32[8], C: float32[8]):\n    for i in range(5):\n{lines}"


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes) -> None:
    becomes(common_subexpressions, *map(program, GOLDEN[name]))


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    func = parse_function(program(KEPT[name]))
    assert common_subexpressions(func) is func
