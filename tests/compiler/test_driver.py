"""From a schedule to a module: the stages between, the result, and refusals."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

from compiler import te
from compiler.backend import pipeline
from compiler.driver import build, lower
from compiler.ir.function import PrimFunc
from compiler.lowering.nest import loop_nest
from compiler.passes import run
from compiler.schedule import Schedule, ScheduleError
from compiler.te.tensor import Tensor


def scaled() -> tuple[Schedule, list[Tensor]]:
    A = te.placeholder((4, 8), "A")
    C = te.compute((4, 8), lambda i, j: A[i, j] * 2.0, "C")
    s = te.create_schedule(C.op)
    i, j = C.op.axis
    outer, inner = s[C].split(j, 4)
    s[C].vectorize(inner)
    s[C].unroll(outer)
    s[C].parallel(i)
    return s, [A, C]


def test_dump_shows_each_stage() -> None:
    s, args = scaled()
    stages: dict[str, PrimFunc] = {}
    result = lower(s, args, "scale", dump=stages.__setitem__)
    assert list(stages)[:3] == ["loop_nest", "inline_intrinsics", "flatten"]
    assert list(stages)[1:] == [step.__name__ for step in pipeline()]
    assert stages["unroll"] is result
    assert str(stages["loop_nest"]) == dedent(
        """\
        def scale(A: float32[4, 8], C: float32[4, 8]):
            for i in parallel(4):
                for j_outer in unroll(2):
                    for j_inner in vectorize(4):
                        C[i, j_outer * 4 + j_inner] = A[i, j_outer * 4 + j_inner] * 2.0"""
    )
    assert str(stages["vectorize"]) == dedent(
        """\
        def scale(A: float32[4, 8], C: float32[4, 8]):
            for i in parallel(4):
                for j_outer in unroll(2):
                    C[ramp(i * 8 + j_outer * 4, 1, 4)] = A[ramp(i * 8 + j_outer * 4, 1, 4)] * broadcast(2.0, 4)"""  # noqa: E501
    )
    assert str(result) == dedent(
        """\
        def scale(A: float32[4, 8], C: float32[4, 8]):
            for i in parallel(4):
                C[ramp(i * 8, 1, 4)] = A[ramp(i * 8, 1, 4)] * broadcast(2.0, 4)
                C[ramp(i * 8 + 4, 1, 4)] = A[ramp(i * 8 + 4, 1, 4)] * broadcast(2.0, 4)"""
    )


def test_lower_is_the_nest_and_the_passes() -> None:
    s, args = scaled()
    assert str(lower(s, args)) == str(run(loop_nest(s, args), pipeline()))


def test_lower_checks_the_arguments() -> None:
    s, args = scaled()
    with pytest.raises(ScheduleError, match=r"'main' lacks the argument\(s\) C \(needed: A, C\)"):
        lower(s, args[:1])


def test_build_of_a_schedule_and_of_a_program() -> None:
    s, args = scaled()
    a = np.random.default_rng(0).standard_normal((4, 8), "float32")
    for module in (build(s, args), build(s, args, name="scale"), build(lower(s, args), target="llvm")):
        c = np.zeros_like(a)
        module(a, c)
        np.testing.assert_array_equal(c, a * 2)


def test_build_needs_the_arguments_of_a_schedule() -> None:
    s, _ = scaled()
    with pytest.raises(ValueError, match=r"building a schedule needs its arguments: build\(s, \[A, B, C\]\)"):
        build(s)


def test_build_for_an_unknown_target() -> None:
    s, args = scaled()
    with pytest.raises(ValueError, match=r"did you mean 'llvm'"):
        build(s, args, "lvm")


def test_lower_for_an_unknown_target() -> None:
    with pytest.raises(ValueError, match="target kind"):
        lower(*scaled(), target="lvm")
