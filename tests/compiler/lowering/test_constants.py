"""What depends on constants alone is computed before the calls."""

from __future__ import annotations

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.ir.semantics.verify import verify
from compiler.lowering.constants import split_constants

N = 6


def program():
    """A weight that is packed in two steps, and a sum that needs it."""
    A, W = te.placeholder((N,), "A"), te.placeholder((N,), "W")
    double = te.compute((N,), lambda i: W[i] * 2.0, "double")
    turned = te.compute((N,), lambda i: double[N - 1 - i], "turned")
    mixed = te.compute((N,), lambda i: A[i] + turned[i], "mixed")
    C = te.compute((N,), lambda i: mixed[i] * turned[i], "C")
    return te.create_schedule(C.op), [A, W, C]


def run(program, a, w) -> np.ndarray:
    out = np.empty(N, "float32")
    program.bind(w)(a, out)
    return out


def test_stages_of_constants_are_separated() -> None:
    s, args = program()
    nest = compiler.loop_nest(s, args)
    prepare, main = split_constants(nest, [nest.params[1]])
    assert [b.name for b in prepare.params] == ["W", "double", "turned"]
    assert [b.name for b in main.params] == ["A", "C", "double", "turned"]
    for func in (prepare, main):
        verify(func)
    assert "mixed" in str(main)
    assert "W" not in str(main)


def test_a_constant_that_the_rest_reads_stays_an_argument() -> None:
    A, W = te.placeholder((N,), "A"), te.placeholder((N,), "W")
    C = te.compute((N,), lambda i: A[i] * W[i], "C")
    nest = compiler.loop_nest(te.create_schedule(C.op), [A, W, C])
    prepare, main = split_constants(nest, [nest.params[1]])
    assert prepare.params == ()
    assert main.params == nest.params


def test_a_stage_inside_of_a_loop_stays_there() -> None:
    s, args = program()
    mixed = next(stage for stage in s.stages if stage.name == "mixed")
    turned = next(stage for stage in s.stages if stage.name == "turned")
    C = s[args[-1]]
    outer, _ = C.split(C.op.axis[0], 2)
    mixed.compute_at(C, outer)
    turned.compute_at(C, outer)
    nest = compiler.loop_nest(s, args)
    prepare, main = split_constants(nest, [nest.params[1]])
    assert [b.name for b in prepare.params] == ["W", "double"]
    assert "turned = allocate" in str(main)


def test_bound_programs() -> None:
    s, args = program()
    bindable = compiler.build(s, args, constants=[args[1]])
    rng = np.random.default_rng(0)
    a, w, v = rng.standard_normal((3, N), dtype="float32")
    for weights in (w, v):
        packed = (weights * 2)[::-1]
        np.testing.assert_allclose(run(bindable, a, weights), (a + packed) * packed, rtol=1e-6)


def test_constants_are_read_when_they_are_bound() -> None:
    A, W = te.placeholder((N,), "A"), te.placeholder((N,), "W")
    C = te.compute((N,), lambda i: A[i] * W[i], "C")
    a, w, out = np.ones(N, "float32"), np.full(N, 3, "float32"), np.empty(N, "float32")
    bound = compiler.build(te.create_schedule(C.op), [A, W, C], constants=[W]).bind(w)
    w[:] = 5
    bound(a, out)
    np.testing.assert_array_equal(out, np.full(N, 3, "float32"))
    assert bound.time_evaluator(1, 1)(a, out).median > 0
    assert "fmul" in bound.source("llvm")


def test_refused() -> None:
    s, args = program()
    with pytest.raises(
        ValueError, match=r"C: float32\[6\] cannot be a constant: it is no input among the arguments"
    ):
        compiler.build(s, args, constants=[args[-1]])
    bindable = compiler.build(s, args, constants=[args[1]])
    with pytest.raises(ValueError, match=r"main has 1 constant\(s\) \(W: float32\[6\]\), not 0"):
        bindable.bind()
    with pytest.raises(ValueError, match=r"argument 1, 'W', has shape \(5,\)"):
        bindable.bind(np.zeros(5, "float32"))
    with pytest.raises(
        ValueError, match=r"main takes 2 array\(s\) \(A: float32\[6\], C: float32\[6\]\), not 3"
    ):
        bindable.bind(np.zeros(N, "float32"))(*[np.zeros(N, "float32")] * 3)
