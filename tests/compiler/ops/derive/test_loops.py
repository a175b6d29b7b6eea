"""The loops of derived programs."""

from __future__ import annotations

import compiler
from compiler import Target
from compiler.ops import Defaults
from compiler.ops.derive import derive
from compiler.ops.derive.loops import default_fused
from tests.compiler.ops.derive.computations import attention, dense, layer_norm, matmul

AVX2 = Target.parse("llvm -mcpu=x86-64-v3")


def schedule(computation):
    tensors, _ = computation
    return derive(tensors, Defaults(), AVX2)


def attached(s):
    return {stage.name: stage.attach and stage.attach[0].name for stage in s.stages if stage.computed}


def test_sums_are_in_registers_in_the_tiles_of_the_consumer():
    s, (*_, Z) = schedule(dense(64, 64, 64))
    assert attached(s)["Y_tile"] == "Z" and "Y" not in attached(s)
    tile = next(stage for stage in s.stages if stage.name == "Y_tile")
    assert tile.scope == "local"
    assert [kind for kind in tile.kinds.values() if kind == "vectorize"] == ["vectorize"]
    assert "parallel" in s[Z].kinds.values()


def test_statistics_are_computed_in_the_loop_over_rows():
    s, _ = schedule(layer_norm(64, 768))
    places = attached(s)
    assert places["total"] == places["square"] == places["scale"] == "out"
    assert places["total_lanes"] == "total"


def test_attention_is_computed_in_blocks_of_rows():
    s, _ = schedule(attention(4, 256, 64))
    places = attached(s)
    assert {places[name] for name in ("S", "top", "power", "total")} == {"out"}


def test_the_steps_of_a_trace_make_the_schedule_again():
    s, args = schedule(matmul(37, 45, 29))
    from compiler import te

    again = te.create_schedule(args[-1].op).replay(s.steps)
    assert str(compiler.loop_nest(again, args)) == str(compiler.loop_nest(s, args))


def test_as_many_loops_are_parallel_as_threads_need():
    assert default_fused((64, 8), 1) == 1
    assert default_fused((1, 8), 1) == 2
    assert default_fused((2, 2, 64), 4) == 3
    assert default_fused((1, 1), 4) == 2
