"""Convolutions of bytes: channels in groups of four or two, exact on each kind of CPU."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backend import Target
from compiler.driver import build
from compiler.ops import CONV2D, Defaults, Knobs
from tests.compiler.backend.llvm.compiled import X86

CPUS = {"cascadelake": "vpdpbusd", "x86-64-v4": "vpmaddwd", "x86-64-v3": "vpmaddwd", "x86-64-v2": "pmaddwd"}

# N, CI, H, W, CO, kernel, stride, pad, dilation, groups, layout, epilogue
SHAPES = {
    "whole steps": (1, 8, 9, 11, 32, 3, 1, 1),
    "one pixel": (1, 6, 4, 8, 16, 1),
    "channels over the end of a step": (2, 7, 5, 6, 9, (1, 3), 2, 1, (1, 2)),
    "groups": (1, 12, 6, 6, 32, 3, 2, 1, 1, 2),
    "partial sums": (1, 256, 3, 3, 16, 3, 1, 1),
    "epilogue": (1, 5, 4, 8, 16, 3, 1, (0, 1, 2, 1), 1, 1, "NCHW", "bias+residual+relu"),
    "NHWC": (1, 5, 4, 8, 16, 3, 1, 1, 1, 1, "NHWC", "bias+relu"),
    "NCHW16c": (1, 16, 4, 8, 32, 3, 1, 1, 1, 1, "NCHW16c"),
}


def compare(knobs: Knobs, values: tuple, target: str | Target) -> None:
    """Compare with NumPy, with bytes of their whole range and sums of the most extreme products."""
    shape = CONV2D.shape(*values, dtype="int8")
    module = build(*CONV2D.schedule(knobs, *shape, target=target), target=target)
    rng = np.random.default_rng(0)
    given_ = [rng.integers(-128, 127, x.shape, x.dtype, endpoint=True) for x in CONV2D.inputs(rng, *shape)]
    for operand in given_[:2]:
        operand.flat[: operand.size // 3] = -128
    out = np.full_like(CONV2D.output(*shape), 7)
    module(*given_, out)
    np.testing.assert_array_equal(out, CONV2D.reference(*given_, *shape))


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("name", SHAPES)
def test_sums_of_bytes_are_exact(name: str, cpu: str) -> None:
    target = Target.parse(X86 + cpu)
    if not target.runs_here:
        pytest.skip(target.missing())
    compare(Defaults(), SHAPES[name], target)


@pytest.mark.parametrize("cpu", CPUS)
def test_the_instruction_is_used(cpu: str) -> None:
    shape = CONV2D.shape(*SHAPES["whole steps"], dtype="int8")
    text = build(*CONV2D.schedule(Defaults(), *shape, target=X86 + cpu), target=X86 + cpu).source("asm")
    assert len(re.findall(rf"\b{CPUS[cpu]}\b", text)) >= 8
    assert not re.search(r"\bv?pmulld\b", text)


@settings(max_examples=settings().max_examples // 20)
@given(st.data())
def test_random_knobs(random_knobs: Callable, data: st.DataObject) -> None:
    values = (1, data.draw(st.sampled_from([3, 8, 64])), 5, 6, data.draw(st.sampled_from([9, 32])), 3, 1, 1)
    here = [t for t in (Target.parse(X86 + cpu) for cpu in CPUS) if t.runs_here] or [Target.host()]
    compare(random_knobs(data.draw), values, data.draw(st.sampled_from(here)))
