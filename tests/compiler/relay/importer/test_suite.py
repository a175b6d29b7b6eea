"""ONNX's own test suite: what passes, what is left out and why. All of it at night, by default a spread."""

from __future__ import annotations

import os
import re
from functools import partial

import pytest

from benchmarks.models.onnx_nodes import session
from benchmarks.models.suite import Case, cases, outcome

ALL = bool(os.environ.get("ESPALIER_NIGHTLY"))

LEFT_OUT = (
    "element type (STRING|BFLOAT16|FLOAT8|FLOAT4|U?INT[24])",
    "operator (Sequence|SplitToSequence|ConcatFromSequence|Optional|String|RegexFullMatch)",
    "operator (ImageDecoder|DeformConv)",
    "is a sequence|is an optional value",
    r"operator ai\.onnx\.(ml|preview\.training)\.",
    "operator (RandomUniformLike|Scan of opset 8)",
    "Dropout in training mode",
)
"""Reasons for which a case may be left out."""

DIFFERENT = {
    # all four are nearer to the results in double precision than the suite's answers are:
    # half precision, of which the suite rounds each step, and allows a thousandth
    "test_attention_4d_causal_fp16",
    "test_attention_4d_causal_fp16_expanded",
    # the suite's transform in single precision, of which it allows a ten-millionth near zero
    "test_dft_inverse",
    "test_dft_inverse_opset19",
}

PASSING = 1595


def report(found: list[Case], interpret: bool) -> tuple[int, list[str]]:
    """How many cases pass, and what is wrong with the others."""
    passed, wrong = 0, []
    for case in found:
        state, why = outcome(case, partial(session, interpret=interpret))
        passed += state == "pass"
        if state == "fail" and case.name not in DIFFERENT:
            wrong.append(f"{case.name}: {why}")
        if state == "left out" and not re.search("|".join(LEFT_OUT), why):
            wrong.append(f"{case.name} is left out: {why}")
    return passed, wrong


@pytest.mark.slow
def test_nodes() -> None:
    """Interpreted, and a sample compiled; at night all of both."""
    found = list(cases("node"))
    assert len(found) > 1800
    passed, wrong = report(found if ALL else found[::3], True)
    assert not wrong
    assert passed >= (PASSING if ALL else PASSING // 3 - 20)
    passed, wrong = report(found if ALL else found[::60], False)
    assert not wrong
    assert passed >= (PASSING if ALL else 15)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["simple", "pytorch-converted", "pytorch-operator"])
def test_small_models(kind: str) -> None:
    passed, wrong = report(list(cases(kind)), True)
    assert not wrong
    assert passed >= {"simple": 7, "pytorch-converted": 82, "pytorch-operator": 35}[kind]


@pytest.mark.slow
@pytest.mark.skipif(not ALL, reason="large networks, at night only")
def test_networks() -> None:
    passed, wrong = report(list(cases("real")), False)
    assert not wrong
    assert passed == 9
