"""Every program of a derived space is legal and computes what the computation says."""

from __future__ import annotations

import os

import numpy as np
import pytest

import compiler
from compiler import Target, te
from compiler.backend import pipeline
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.lowering.nest import loop_nest
from compiler.ops import Defaults, Operator
from compiler.ops.derive import derive, with_schedule
from compiler.passes import run
from compiler.te.tensor import Placeholder
from costmodel import Task
from costmodel.space import ConfigSpace, Replay
from tests.compiler.ops.derive.computations import SMALL, matmul

RANDOM = 40 if os.environ.get("ESPALIER_NIGHTLY") else 1
TARGETS = ["llvm", "llvm -mcpu=x86-64-v3"]


def arrays(tensors, rng):
    """Inputs in small integers, for which sums in any order are equal, and outputs."""
    made = []
    for t in tensors:
        shape = tuple(int(n) for n in t.shape)
        if not isinstance(t.op, Placeholder):
            made.append(np.full(shape, 77, t.dtype))
        elif t.dtype == "int32":
            made.append(rng.integers(0, 7, shape, dtype=np.int32))
        else:
            made.append(rng.standard_normal(shape).astype(t.dtype))
    return made


def check(tensors, reference, knobs, target, seed=0, interpreted=False):
    schedule, args = derive(tensors, knobs, target)
    values = arrays(args, np.random.default_rng(seed))
    count = sum(isinstance(t.op, Placeholder) for t in args)
    expected = reference(*values[:count])
    if interpreted:
        nest = loop_nest(schedule, args)
        verify(nest)
        for program in (nest, run(nest, pipeline(Target.parse(target).kind))):
            again = [v.copy() for v in values]
            interpret(program, *again)
            compare(again[count:], expected)
    if not Target.parse(target).runs_here:
        return
    compiler.build(schedule, args, target)(*values)
    compare(values[count:], expected)


def compare(found, expected):
    for value, exact in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, exact, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SMALL)
def test_the_default_program_is_right(name, target):
    check(*SMALL[name], Defaults(), target)


@pytest.mark.parametrize("name", SMALL)
def test_random_programs_are_right(name):
    tensors, reference = SMALL[name]
    rng = np.random.default_rng(len(name))
    first = list(SMALL).index(name)  # both targets have programs where each computation has one
    for number in range(RANDOM):
        target = TARGETS[(first + number) % len(TARGETS)]
        space = ConfigSpace.record(lambda knobs, t=target: derive(tensors, knobs, t))
        (index,) = space.random(rng, 1)
        replay = Replay(space.at(index))
        try:
            check(tensors, reference, replay, target, number)
            replay.finish()
        except Exception as error:
            raise AssertionError(f"{name} on {target}: configuration {space.at(index)}") from error


@pytest.mark.parametrize("name", ["matmul", "dense", "layer norm", "argmax", "stencil", "cumsum"])
def test_the_interpreter_agrees_before_and_after_the_passes(name):
    check(*SMALL[name], Defaults(), TARGETS[0], interpreted=True)


def test_an_operator_without_a_schedule_gets_a_derived_one():
    tensors, _ = SMALL["matmul"]
    bare = Operator(
        name="bare product",
        parameters=(),
        schedules={},
        compute_reference=lambda arrays: arrays[0] @ arrays[1],
        count_flops=lambda: 2 * 37 * 45 * 29,
        compute=lambda: tensors,
    )
    task = Task(bare, ())
    assert task.space.size > 1000
    arrays, outputs = task.operator.inputs(np.random.default_rng(0)), task.operator.outputs()
    compiler.build(*task.instantiate())(*arrays, *outputs)
    np.testing.assert_allclose(outputs[0], arrays[0] @ arrays[1], rtol=1e-4, atol=1e-4)
    assert with_schedule(bare, "toy") is bare
    with pytest.raises(ValueError, match="no schedule for targets of kind 'toy'"):
        with_schedule(bare, "toy").template("toy")


def test_the_default_fits_the_target():
    tensors, _ = matmul(512, 512, 512)
    tiles = [
        ConfigSpace.record(lambda knobs, t=t: derive(tensors, knobs, t)).default["C.tile"]
        for t in ("llvm -mcpu=x86-64-v4", "llvm -mcpu=x86-64-v3")
    ]
    assert [tile[1] for tile in tiles] == [16, 8]


def test_a_schedule_is_no_computation():
    A = te.placeholder((4,), "A")
    B = te.compute((4,), lambda i: A[i] + 1.0, "B")
    with pytest.raises(ValueError, match="takes 'knobs' first"):
        derive((te.create_schedule(B.op), [A, B]), Defaults())


def test_the_inputs_are_kept_and_the_outputs_are_new():
    (A, B, C), _ = SMALL["matmul"]
    _, (a, b, c) = derive([A, B, C], Defaults())
    assert (a, b) == (A, B) and c != C and c.shape == C.shape and c.name == "C"


def test_a_rule_that_cannot_be_fast_has_no_knobs():
    product, norm = matmul(512, 512, 512)[0], SMALL["layer norm"][0]
    of_product = ConfigSpace.record(lambda knobs: derive(product, knobs, TARGETS[1]))
    assert "C.tile" in of_product.by_name and "C.rule" not in of_product.by_name
    of_norm = ConfigSpace.record(lambda knobs: derive(norm, knobs, TARGETS[1]))
    assert not any(name.endswith((".tile", ".rule")) for name in of_norm.by_name)


def test_knobs_of_the_other_rule_have_their_defaults():
    tensors = matmul(3, 5, 128)[0]
    space = ConfigSpace.record(lambda knobs: derive(tensors, knobs, TARGETS[1]))
    assert set(space.by_name["C.rule"].options) == {"tile", "lanes"}
    default, rules = space.default, set()
    for index in space.random(np.random.default_rng(1), min(space.size, 300)):
        config = space.at(index)
        rules.add(config["C.rule"])
        unused = ("C.tile", "C.unroll", "C.steps") if config["C.rule"] == "lanes" else ("C.vectors",)
        assert all(config[name] == default[name] for name in unused)
    assert "tile" in rules
    lanes = space.config({**default, "C.rule": "lanes"})
    check(tensors, matmul(3, 5, 128)[1], lanes, TARGETS[1])


def test_a_panel_is_packed_once():
    tensors = matmul(64, 64, 64)[0]
    space = ConfigSpace.record(lambda knobs: derive(tensors, knobs, TARGETS[1]))
    chosen = {"C.outermost": 1, "C.i0": (2, 1), "C.j1": (1, 1), "C.pack1": "block", "C.pack0": "none"}
    schedule, _ = derive(tensors, space.config({**space.default, **chosen}), TARGETS[1])
    (copy,) = (stage for stage in schedule.stages if stage.op.name == "B_packed")
    host, axis = copy.attach
    # the loop over blocks of rows is inside of the loop over panels
    assert axis is host.leaf[0]
