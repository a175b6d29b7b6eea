"""A schedule never changes what a program computes: random programs under random legal schedules.

The oracle is the interpreter on the default schedule. The scheduled program is run by the
interpreter before the passes and after each, and then compiled. Integers, and floats that no
schedule can add up in another order, are equal to the bit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from compiler import te
from compiler.backend import pipeline
from compiler.driver import build
from compiler.ir.dtype import PACKED_TYPES, bits_of, is_float
from compiler.ir.expr import Const, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import For, Stmt
from compiler.ir.visit import children, substitute
from compiler.lowering.nest import loop_nest
from compiler.lowering.steps import dependences, innermost
from compiler.passes import run
from compiler.runtime import Module
from compiler.schedule import Schedule, ScheduleError, Stage
from compiler.te.axis import IterVar
from compiler.te.tensor import Compute, Extern, Placeholder, Tensor
from tests.compiler.backend.llvm.test_programs import compiled
from tests.compiler.schedule.random_computations import computations

Draw = Callable[[st.SearchStrategy], Any]
Place = tuple[Stage, IterVar]

FEATURES = ("sizes", "half", "packed", "extern", "named", "recurrences", "corners")
WORK_LIMIT = 4000
"""Maximum number of innermost iterations of a program that is run."""


# --- schedules ------------------------------------------------------------------------------------


def _consumers(s: Schedule, stage: Stage) -> list[Stage]:
    """The stages whose loops read `stage`; readers of an inlined stage count as readers of its inputs."""
    found: list[Stage] = []
    for consumer in s.consumers(stage):
        found += _consumers(s, consumer) if consumer.inlined else [consumer]
    return found


def _around(s: Schedule, stage: Stage) -> list[Place]:
    """The loops around `stage`, outermost first."""
    if stage.attach is None:
        recurrences = dependences(s.stages)[stage]
        if not recurrences:
            return []
        parent, axis = recurrences[0], innermost(recurrences[0])
    else:
        parent, axis = stage.attach
    return _around(s, parent) + [(parent, a) for a in parent.leaf[: parent.leaf.index(axis) + 1]]


def _legal_places(s: Schedule, stage: Stage) -> list[Place]:
    """The loops that enclose every read of `stage`, inside of the steps whose earlier ones it reads."""
    chains = [_around(s, c) + [(c, a) for a in c.leaf] for c in _consumers(s, stage)]
    places = [place for place in chains[0] if all(place in chain for chain in chains)]
    steps = [(r, innermost(r)) for r in dependences(s.stages)[stage]]
    return [p for at, p in enumerate(places) if all(step in places[: at + 1] for step in steps)]


def _read_by_statement(s: Schedule, stage: Stage) -> bool:
    return any(isinstance(c.op, Extern) for c in s.consumers(stage))


def _can_inline(s: Schedule, stage: Stage) -> bool:
    op = stage.op
    plain = type(op) is Compute and op.reduction is None and not stage.output and stage.untouched
    return plain and bool(s.consumers(stage)) and not _read_by_statement(s, stage)


def _can_be_laid_out(s: Schedule, stage: Stage) -> bool:
    fresh = stage.untouched and stage.layout is None and not stage.output and stage.op.axis
    return bool(fresh) and not _read_by_statement(s, stage)


def _lay_out(draw: Draw, stage: Stage) -> None:
    """A permutation of the axes, where one may be split, or fused with the next one."""
    order = draw(st.permutations(range(len(stage.op.axis))))
    cut, factor = draw(st.sampled_from(order)), draw(st.integers(1, 4))
    how = draw(st.sampled_from(["cut", "join", "permute"]))

    def index_map(*i):
        if how == "cut":
            return [i[cut] // factor, *(i[d] for d in order if d != cut), i[cut] % factor]
        width = stage.op.axis[order[-1]].extent
        if how == "join" and len(order) > 1 and isinstance(width, int):
            return [*(i[d] for d in order[:-2]), i[order[-2]] * width + i[order[-1]]]
        return [i[d] for d in order]

    stage.transform_layout(index_map)


def _rfactor(draw: Draw, s: Schedule, stage: Stage) -> None:
    if not stage.untouched:
        return
    axes = [a for a in stage.leaf if a.kind == "reduce"]
    axis = draw(st.sampled_from(axes))
    if draw(st.booleans()):
        axis = draw(st.sampled_from(stage.split(axis, draw(st.integers(1, 4)))))
    if isinstance(axis.extent, int):
        s.rfactor(stage.tensor, axis, draw(st.integers(0, len(stage.op.axis))))


def _structure(draw: Draw, s: Schedule, scopes: tuple[str, ...]) -> None:
    for _ in range(draw(st.integers(0, 3))):
        stage = draw(st.sampled_from(s.stages))
        action = draw(st.sampled_from(["cache_write", "cache_read", "inline", "rfactor", "layout"]))
        scope = draw(st.sampled_from(scopes))
        computes = type(stage.op) is Compute and not stage.inlined
        if action == "cache_write" and computes and stage.untouched:
            s.cache_write(stage.tensor if len(stage.tensors) == 1 else list(stage.tensors), scope)
        elif action == "cache_read":
            tensor = draw(st.sampled_from(stage.tensors))
            consumers = [c for c in s.stages if tensor in c.op.inputs]
            if consumers:
                readers = draw(st.lists(st.sampled_from(consumers), min_size=1, unique=True))
                s.cache_read(tensor, scope, [r.tensor for r in readers])
        elif action == "inline" and _can_inline(s, stage):
            stage.compute_inline()
        elif action == "rfactor" and computes and stage.op.reduce_axis:
            _rfactor(draw, s, stage)
        elif action == "layout" and computes and _can_be_laid_out(s, stage):
            _lay_out(draw, stage)


def _loops(draw: Draw, stage: Stage) -> None:
    for _ in range(draw(st.integers(0, 5))):
        if not stage.leaf:
            return
        action = draw(st.sampled_from(["split", "reorder", "fuse", "split", "reorder"]))
        at = draw(st.integers(0, len(stage.leaf) - 1))
        axis = stage.leaf[at]
        if action == "split":
            how = draw(st.sampled_from(["factor", "nparts"]))
            most = axis.extent if isinstance(axis.extent, int) else 5
            size = draw(st.integers(1, min(most, 5) + 1))
            stage.split(axis, **{how: size})
        elif action == "fuse" and at and stage.leaf[at - 1].kind == axis.kind:
            stage.fuse(stage.leaf[at - 1], axis)
        elif action == "reorder" and len(stage.leaf) > 1:
            order = draw(st.permutations(stage.leaf))
            steps = iter(a for a in stage.leaf if a.kind == "sequential")
            stage.reorder(*(next(steps) if a.kind == "sequential" else a for a in order))


def _bind(draw: Draw, s: Schedule, stage: Stage) -> None:
    """Bind the loops of a stage at the root to threads, and of the stages in shared memory that it reads."""
    data = [axis for axis in stage.leaf if axis.kind == "data"]
    around = [parent.kinds.get(axis) for parent, axis in _around(s, stage)]
    if not data:
        return
    axis = max(data, key=lambda a: a.extent if isinstance(a.extent, int) else 0)
    if "threadIdx.x" in around and not stage.output and draw(st.booleans()):
        stage.set_scope("shared")
    if stage.attach is None:
        outer, thread = stage.split(axis, draw(st.integers(2, 4)))
        if draw(st.integers(0, 3)) == 3:
            virtual, thread = stage.split(thread, draw(st.integers(1, 3)))
            stage.bind(virtual, te.thread_axis("vthread"))
        stage.bind(outer, te.thread_axis("blockIdx.x"))
        stage.bind(thread, te.thread_axis("threadIdx.x"))
    elif stage.scope == "shared" and "threadIdx.x" in around and draw(st.booleans()):
        parent, bound = _around(s, stage)[around.index("threadIdx.x")]
        _, part = stage.split(axis, bound.extent)
        stage.bind(part, te.thread_axis("threadIdx.x"))


def _marks(draw: Draw, stage: Stage, threads: bool) -> None:
    for axis in stage.leaf:
        if axis in stage.kinds:
            continue
        kinds = ["serial", "serial", "vectorize", "unroll", "serial" if threads else "parallel"]
        kind = draw(st.sampled_from(kinds if isinstance(axis.extent, int) else ["serial", kinds[-1]]))
        if kind == "unroll" or (kind != "serial" and axis.kind == "data"):
            getattr(stage, kind)(axis)


def _scheduled(draw: Draw, outputs: list[Tensor], threads: bool = False) -> Schedule:
    """A random legal schedule; `threads` binds loops to those of a GPU."""
    s = te.create_schedule([t.op for t in outputs])
    _structure(draw, s, ("shared", "local") if threads else ("local", "global"))
    computed = [stage for stage in s.stages if stage.computed and not stage.inlined]
    for stage in computed:
        _loops(draw, stage)
    for stage in reversed(computed):
        places = [] if stage.output else _legal_places(s, stage)
        if places and draw(st.integers(0, 3)):
            parent, axis = draw(st.sampled_from(places))
            stage.compute_at(parent, axis)
        if threads:
            _bind(draw, s, stage)
    for stage in computed:
        _marks(draw, stage, threads)
    return s


# --- running --------------------------------------------------------------------------------------


def _work(stmt: Stmt) -> int:
    below = sum(_work(child) for child in children(stmt) if isinstance(child, Stmt))
    if isinstance(stmt, For):
        return int(stmt.extent.value) * below if isinstance(stmt.extent, Const) else below
    return max(below, 1)


def _arrays(args: list[Tensor], sizes: Mapping[Var, int], rng: np.random.Generator) -> list[np.ndarray]:
    """Small values and the extremes of each type; outputs hold values that differ from any result."""
    arrays = []
    for tensor in args:
        shape = tuple(sizes[n] if isinstance(n, Var) else n for n in tensor.shape)
        if tensor.dtype in PACKED_TYPES:
            filled = (*shape[:-1], shape[-1] * bits_of(tensor.dtype) // 8)
            arrays.append(rng.integers(0, 256, filled).astype(np.uint8))
            continue
        dtype = np.dtype(tensor.dtype)
        if not isinstance(tensor.op, Placeholder):
            arrays.append(np.full(shape, np.nan if dtype.kind == "f" else 77, dtype))
        elif dtype.kind == "f":
            numbers = rng.integers(-16, 17, shape) / 8
            extreme = rng.choice([np.nan, np.inf, -np.inf], shape)
            arrays.append(np.where(rng.random(shape) < 0.1, extreme, numbers).astype(dtype))
        else:
            info = np.iinfo(dtype)
            values = rng.integers(max(info.min, -9), 10, shape).astype(dtype)
            extreme = rng.choice([info.min, info.max], shape).astype(dtype)
            arrays.append(np.where(rng.random(shape) < 0.15, extreme, values).astype(dtype))
    return arrays


def _args(s: Schedule) -> list[Tensor]:
    return [*(stage.tensor for stage in s.stages if not stage.computed), *s.outputs]


def _interpreted(func: PrimFunc, arrays: list[np.ndarray]) -> list[np.ndarray]:
    results = [a.copy() for a in arrays]
    interpret(func, *results)
    return results


def _check(actual: list[np.ndarray], expected: list[np.ndarray], exact: bool, what: str) -> None:
    for position, (a, b) in enumerate(zip(actual, expected, strict=True)):
        if exact or a.dtype.kind != "f":
            np.testing.assert_array_equal(a, b, err_msg=f"argument {position} {what}")
        else:
            finite = b[np.isfinite(b)]
            scale = float(np.abs(finite).max(initial=1.0))
            near = 1e-5 if a.dtype.itemsize > 2 else 1e-2
            np.testing.assert_allclose(
                a, b, rtol=near, atol=near * scale, err_msg=f"argument {position} {what}"
            )


def _rounded(s: Schedule) -> bool:
    """Whether a schedule may add up floats in another order."""
    ops = [stage.op for stage in s.stages if isinstance(stage.op, Compute)]
    return any(op.reduction is not None and any(map(is_float, op.dtypes)) for op in ops)


@dataclass
class Case:
    """A program, a schedule of it, and arrays to run both on."""

    nest: PrimFunc
    scheduled: PrimFunc
    arrays: list[np.ndarray]
    exact: bool
    checked: Callable[[], Module] | None = None  # with checks of bounds, for some of the cases


def _case(data: st.DataObject, outputs: list[Tensor], threads: bool = False) -> Case:
    plain = te.create_schedule([t.op for t in outputs])
    args = _args(plain)
    nest = loop_nest(plain, args)
    sizes = {n: data.draw(st.integers(*n.bounds), label=n.name) for n in nest.sizes}
    known = {n: Const(value) for n, value in sizes.items()}
    assume(_work(substitute(nest.body, known)) <= WORK_LIMIT)
    s = _scheduled(data.draw, outputs, threads)
    note("\n".join(map(str, s.steps)))
    note(str(nest))
    try:
        scheduled = loop_nest(s, args)
    except ScheduleError as error:  # what is known only where the steps of a recurrence are bounded
        assume("outside of its steps" not in str(error) and "first rows" not in str(error))
        raise
    note(str(scheduled))
    assume(_work(substitute(scheduled.body, known)) <= WORK_LIMIT)
    again = te.create_schedule([t.op for t in outputs]).replay(json.loads(json.dumps(s.steps)))
    assert again.steps == s.steps
    assert str(loop_nest(again, args)) == str(scheduled)
    arrays = _arrays(args, sizes, np.random.default_rng(data.draw(st.integers(0, 99), label="seed")))
    checked = None
    if not threads and data.draw(st.integers(0, 7), label="checked") == 7:
        checked = partial(build, s, args, check_bounds=True)
    return Case(nest, scheduled, arrays, not _rounded(s), checked)


@pytest.mark.slow
@settings(max_examples=4 * settings().max_examples if os.environ.get("ESPALIER_NIGHTLY") else 100)
@given(st.data())
def test_a_schedule_does_not_change_the_result(data: st.DataObject) -> None:
    case = _case(data, data.draw(computations(FEATURES), label="outputs"))
    expected = _interpreted(case.nest, case.arrays)
    seen: list[PrimFunc] = [case.nest]

    def watch(name: str, func: PrimFunc) -> None:
        if func is seen[-1]:
            return
        seen.append(func)
        note(f"after {name}:\n{func}")
        verify(func)
        _check(_interpreted(func, case.arrays), expected, case.exact, f"after {name}")

    watch("loop_nest", case.scheduled)
    try:
        lowered = run(case.scheduled, pipeline(), watch)
        checked = [] if case.checked is None else [case.checked()]
    except ScheduleError as error:  # where threads would store to one byte
        assume("share bytes" not in str(error))
        raise
    for module in (compiled(lowered), *checked):
        results = [a.copy() for a in case.arrays]
        module(*results)
        _check(results, expected, case.exact, f"compiled, {type(module).__name__}")


@pytest.mark.slow
@settings(max_examples=settings().max_examples)
@given(st.data())
def test_threads_do_not_change_the_result(data: st.DataObject) -> None:
    """Blocks, threads that fill shared memory, virtual threads: after each pass from `thread_sync` on."""
    case = _case(data, data.draw(computations(()), label="outputs"), threads=True)
    expected = _interpreted(case.nest, case.arrays)
    passed: list[str] = []

    def watch(name: str, func: PrimFunc) -> None:
        note(f"after {name}:\n{func}")
        verify(func)
        passed.append(name)
        if "thread_sync" in passed:
            _check(_interpreted(func, case.arrays), expected, case.exact, f"after {name}")

    try:
        run(case.scheduled, pipeline(), watch)
    except ScheduleError as error:  # where a barrier would be in a divergent branch
        assume("wait for one another" not in str(error))
        raise


@given(st.data())
def test_a_place_that_does_not_enclose_all_consumers_is_refused(data: st.DataObject) -> None:
    outputs = data.draw(computations(()), label="outputs")
    s = _scheduled(data.draw, outputs)
    computed = [stage for stage in s.stages if stage.computed and not stage.inlined]
    places = [(parent, axis) for parent in computed for axis in parent.leaf]
    movable = [stage for stage in computed if not stage.output]
    # a reader of one of several outputs need not read the inputs of the others
    assume(not any(stage.inlined and len(stage.op.dtypes) > 1 for stage in s.stages))
    assume(movable and places)
    stage = data.draw(st.sampled_from(movable))
    illegal = [p for p in places if p not in _legal_places(s, stage) and p[0] is not stage]
    assume(illegal)
    parent, axis = data.draw(st.sampled_from(illegal))
    stage.compute_at(parent, axis)
    note("\n".join(map(str, s.steps)))
    with pytest.raises(ScheduleError, match="placed inside the loop"):
        loop_nest(s, _args(s))
