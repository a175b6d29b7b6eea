"""A schedule never changes what a program computes: random programs under random legal schedules.

The oracle is the interpreter on the default schedule. The scheduled program is run by the
interpreter before the passes and after each, and then compiled. Integers, and floats that no
schedule can add up in another order, are equal to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from compiler import te
from compiler.ir.expr import Const, Select, binary, is_float
from compiler.ir.function import PrimFunc
from compiler.ir.interpret import interpret
from compiler.ir.stmt import For, Stmt
from compiler.ir.verify import verify
from compiler.ir.visit import children
from compiler.lower import build
from compiler.passes import run
from compiler.schedule import Schedule, ScheduleError, Stage
from compiler.schedule.nest import loop_nest
from compiler.tensor import Compute, IterVar, Reduce, Tensor

Draw = Callable[[st.SearchStrategy], Any]
Place = tuple[Stage, IterVar]

INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
FLOATS = ("float32", "float64")
WORK_LIMIT = 4000
"""Innermost iterations of a program that is worth its time."""


# --- programs -------------------------------------------------------------------------------------


@dataclass
class Program:
    """Tensors in the order in which they were made."""

    draw: Draw
    tensors: list[Tensor] = field(default_factory=list)

    def placeholder(self, shape: tuple[int, ...], dtype: str) -> Tensor:
        """A new input."""
        return self.add(te.placeholder(shape, f"in{len(self.tensors)}", dtype))

    def compute(self, shape: tuple[int, ...], element: Callable) -> Tensor:
        """A new stage."""
        return self.add(te.compute(shape, element, f"t{len(self.tensors)}"))

    def add(self, tensor: Tensor) -> Tensor:
        self.tensors.append(tensor)
        return tensor

    def pick(self, fits: Callable[[Tensor], bool]) -> Tensor:
        """A tensor so far that fits, the newest ones more often."""
        found = [t for t in self.tensors if fits(t)]
        return found[-1 - min(self.draw(st.integers(0, 5)) // 3, len(found) - 1)]


def _pointwise(p: Program, a: Tensor) -> Tensor:
    c = p.draw(st.integers(1, 4))
    functions: list[Callable] = [
        lambda x, i: x + c,
        lambda x, i: x * 2 - c,
        lambda x, i: te.maximum(x, c),
        lambda x, i: te.if_then_else(i < c, x, x * 3),
        lambda x, i: Select(te.any(i < c, x > 1), x + 1, x),
        lambda x, i: x + i.astype(a.dtype),
    ]
    if is_float(a.dtype):
        functions += [lambda x, i: te.abs(x), lambda x, i: x / 3.0]
    else:
        target = p.draw(st.sampled_from(INTEGERS))
        functions += [lambda x, i: x // 3, lambda x, i: x % 5, lambda x, i: (x * 4 + i) // 4]
        functions += [lambda x, i: x.astype(target), lambda x, i: x.astype("float32")]
    function = p.draw(st.sampled_from(functions))
    return p.compute(a.shape, lambda *i: function(a[i], i[p.draw(st.integers(0, a.ndim - 1))]))


def _together(p: Program, a: Tensor) -> Tensor:
    b = p.pick(lambda t: (t.shape, t.dtype) == (a.shape, a.dtype))
    op = p.draw(st.sampled_from(["+", "-", "*", "min", "max"]))
    return p.compute(a.shape, lambda *i: binary(op, a[i], b[i]))


def _window(p: Program, a: Tensor) -> Tensor:
    d = p.draw(st.integers(0, a.ndim - 1))
    width = p.draw(st.integers(1, min(3, a.shape[d])))
    shape = (*a.shape[:d], a.shape[d] - width + 1, *a.shape[d + 1 :])
    shifted = p.draw(st.permutations(range(width)))

    def element(*i):
        total = a[(*i[:d], i[d] + shifted[0], *i[d + 1 :])]
        for r in shifted[1:]:
            total = total + a[(*i[:d], i[d] + r, *i[d + 1 :])]
        return total

    return p.compute(shape, element)


def _pad(p: Program, a: Tensor) -> Tensor:
    d = p.draw(st.integers(0, a.ndim - 1))
    before, after = p.draw(st.integers(0, 2)), p.draw(st.integers(0, 2))
    n = a.shape[d]
    shape = (*a.shape[:d], n + before + after, *a.shape[d + 1 :])

    def element(*i):
        inside = te.all(i[d] >= before, i[d] < n + before)
        return te.if_then_else(inside, a[(*i[:d], i[d] - before, *i[d + 1 :])], 0)

    return p.compute(shape, element)


def _affine(p: Program, a: Tensor) -> Tensor:
    d = p.draw(st.integers(0, a.ndim - 1))
    n, step = a.shape[d], p.draw(st.integers(1, 3))
    backwards = p.draw(st.booleans())
    shape = (*a.shape[:d], -(-n // step), *a.shape[d + 1 :])

    def element(*i):
        place = n - 1 - i[d] * step if backwards else i[d] * step
        return a[(*i[:d], place, *i[d + 1 :])]

    return p.compute(shape, element)


def _skewed(p: Program, a: Tensor) -> Tensor:
    n = a.shape[0]

    def element(i, j):
        place = i * -1 + j + p.draw(st.integers(-1, 1))
        return te.if_then_else(te.all(place >= 0, place < n), a[place], 0)

    return p.compute((p.draw(st.integers(1, 4)), n), element)


def _transpose(p: Program, a: Tensor) -> Tensor:
    order = p.draw(st.permutations(range(a.ndim)))
    where = [order.index(d) for d in range(a.ndim)]
    return p.compute(tuple(a.shape[d] for d in order), lambda *i: a[tuple(i[w] for w in where)])


def _flat(p: Program, a: Tensor) -> Tensor:
    m, n = a.shape
    return p.compute((m * n,), lambda i: a[i // n, i % n])


def _folded(p: Program, a: Tensor) -> Tensor:
    n = p.draw(st.sampled_from([d for d in range(1, a.shape[0] + 1) if a.shape[0] % d == 0]))
    return p.compute((a.shape[0] // n, n), lambda i, j: a[i * n + j])


def _broadcast(p: Program, a: Tensor) -> Tensor:
    return p.compute((p.draw(st.integers(1, 4)), *a.shape), lambda i, j: a[j] + i.astype(a.dtype))


def _gather(p: Program, index: Tensor) -> Tensor:
    a = p.pick(lambda t: True)
    n = a.shape[0]
    return p.compute((*index.shape, *a.shape[1:]), lambda *i: a[(index[i[0]].astype("int32") % n, *i[1:])])


def _reduction(p: Program, a: Tensor) -> Tensor:
    reducer = p.draw(st.sampled_from([te.sum, te.sum, te.max, te.min, te.prod]))
    which = p.draw(st.sets(st.integers(0, a.ndim - 1), min_size=1, max_size=max(a.ndim - 1, 1)))
    axes = {d: te.reduce_axis((0, a.shape[d]), f"k{d}") for d in sorted(which)}
    kept = [d for d in range(a.ndim) if d not in axes]

    def element(*i):
        index: list[Any] = [axes.get(d) for d in range(a.ndim)]
        for d, axis in zip(kept, i, strict=True):
            index[d] = axis
        return reducer(a[tuple(index)], axis=list(axes.values()))

    return p.compute(tuple(a.shape[d] for d in kept), element)


def _pool(p: Program, a: Tensor) -> Tensor:
    n = a.shape[-1]
    width, step = p.draw(st.integers(1, min(3, n))), p.draw(st.integers(1, 2))
    r = te.reduce_axis((0, width), "r")
    reducer = p.draw(st.sampled_from([te.max, te.sum]))
    shape = (*a.shape[:-1], (n - width) // step + 1)
    return p.compute(shape, lambda *i: reducer(a[(*i[:-1], i[-1] * step + r)], axis=r))


def _matmul(p: Program, a: Tensor) -> Tensor:
    fitting = [t for t in p.tensors if t.ndim == 2 and t.shape[0] == a.shape[1] and t.dtype == a.dtype]
    if fitting and p.draw(st.booleans()):
        b = p.draw(st.sampled_from(fitting))
    else:
        b = p.placeholder((a.shape[1], p.draw(st.integers(1, 5))), a.dtype)
    k = te.reduce_axis((0, a.shape[1]), "k")
    return p.compute((a.shape[0], b.shape[1]), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k))


Maker = Callable[[Program, Tensor], Tensor]

# what makes a stage, and the tensors that it can be made of
ANY = (_pointwise, _together, _window, _pad, _affine, _transpose, _reduction, _pool)
MAKERS: list[tuple[Maker, Callable[[Tensor], bool]]] = [(maker, lambda t: True) for maker in ANY]
MAKERS += [(maker, lambda t: t.ndim == 2) for maker in (_flat, _matmul, _reduction)]
MAKERS += [(maker, lambda t: t.ndim == 1) for maker in (_folded, _broadcast, _skewed)]
MAKERS += [(_gather, lambda t: t.ndim == 1 and not is_float(t.dtype))]
SIZE_LIMIT = 120


@st.composite
def programs(draw: Draw) -> list[Tensor]:
    """The outputs of a random program of one to four stages."""
    p = Program(draw)
    for _ in range(draw(st.integers(1, 2))):
        shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
        p.placeholder(shape, draw(st.sampled_from(INTEGERS + FLOATS)))
    for _ in range(draw(st.sampled_from([3, 2, 4, 1]))):
        makers = [pair for pair in MAKERS if any(map(pair[1], p.tensors))]
        maker, fits = draw(st.sampled_from(makers))
        made = maker(p, p.pick(fits))
        if made.ndim == 0 or prod(made.shape) > SIZE_LIMIT:
            break
    computed = [t for t in p.tensors if isinstance(t.op, Compute)]
    others = [t for t in computed[:-1] if draw(st.integers(0, 4)) == 4]
    return [*others, computed[-1]]


# --- schedules ------------------------------------------------------------------------------------


def _consumers(s: Schedule, stage: Stage) -> list[Stage]:
    """The stages whose loops read `stage`: those that read an inlined one stand for it."""
    found: list[Stage] = []
    for consumer in s.consumers(stage):
        found += _consumers(s, consumer) if consumer.inlined else [consumer]
    return found


def _around(stage: Stage) -> list[Place]:
    """The loops that `stage` stands in, outermost first."""
    if stage.attach is None:
        return []
    home, axis = stage.attach
    return _around(home) + [(home, a) for a in home.leaf[: home.leaf.index(axis) + 1]]


def _legal_places(s: Schedule, stage: Stage) -> list[Place]:
    """The loops around every reading of `stage`."""
    chains = [_around(c) + [(c, a) for a in c.leaf] for c in _consumers(s, stage)]
    return [place for place in chains[0] if all(place in chain for chain in chains)]


def _can_inline(stage: Stage) -> bool:
    return isinstance(stage.op, Compute) and not stage.output and not isinstance(stage.op.body, Reduce)


def _structure(draw: Draw, s: Schedule, log: list[str]) -> None:
    for _ in range(draw(st.integers(0, 3))):
        stage = draw(st.sampled_from(s.stages))
        action = draw(st.sampled_from(["cache_write", "cache_read", "inline"]))
        scope = draw(st.sampled_from(["local", "global"]))
        if action == "cache_write" and isinstance(stage.op, Compute) and not stage.inlined:
            log.append(f"cache_write({stage.name}, {scope})")
            s.cache_write(stage.tensor, scope)
        elif action == "cache_read" and s.consumers(stage):
            readers = draw(st.lists(st.sampled_from(s.consumers(stage)), min_size=1, unique=True))
            log.append(f"cache_read({stage.name}, {scope}, {[r.name for r in readers]})")
            s.cache_read(stage.tensor, scope, [r.tensor for r in readers])
        elif action == "inline" and _can_inline(stage) and s.consumers(stage):
            log.append(f"{stage.name}.compute_inline()")
            stage.compute_inline()


def _loops(draw: Draw, stage: Stage, log: list[str]) -> None:
    for _ in range(draw(st.integers(0, 5))):
        if not stage.leaf:
            return
        action = draw(st.sampled_from(["split", "reorder", "fuse", "split", "reorder"]))
        at = draw(st.integers(0, len(stage.leaf) - 1))
        axis = stage.leaf[at]
        if action == "split":
            how = draw(st.sampled_from(["factor", "nparts"]))
            size = draw(st.integers(1, min(axis.extent, 5) + 1))
            log.append(f"{stage.name}.split({axis.name}, {how}={size})")
            stage.split(axis, **{how: size})
        elif action == "fuse" and at and stage.leaf[at - 1].kind == axis.kind:
            log.append(f"{stage.name}.fuse({stage.leaf[at - 1].name}, {axis.name})")
            stage.fuse(stage.leaf[at - 1], axis)
        elif action == "reorder" and len(stage.leaf) > 1:
            order = draw(st.permutations(stage.leaf))
            log.append(f"{stage.name}.reorder({', '.join(a.name for a in order)})")
            stage.reorder(*order)


def _marks(draw: Draw, stage: Stage, log: list[str]) -> None:
    for axis in stage.leaf:
        kind = draw(st.sampled_from(["serial", "serial", "vectorize", "unroll", "parallel"]))
        if kind == "unroll" or (kind != "serial" and axis.kind == "data"):
            log.append(f"{stage.name}.{kind}({axis.name})")
            getattr(stage, kind)(axis)


def _scheduled(draw: Draw, outputs: list[Tensor]) -> tuple[Schedule, list[str]]:
    """A random legal schedule, and the calls that made it."""
    s, log = te.create_schedule([t.op for t in outputs]), list[str]()
    _structure(draw, s, log)
    computed = [stage for stage in s.stages if isinstance(stage.op, Compute) and not stage.inlined]
    for stage in computed:
        _loops(draw, stage, log)
    for stage in reversed(computed):
        places = [] if stage.output else _legal_places(s, stage)
        if places and draw(st.integers(0, 3)):
            home, axis = draw(st.sampled_from(places))
            log.append(f"{stage.name}.compute_at({home.name}, {axis.name})")
            stage.compute_at(home, axis)
    for stage in computed:
        _marks(draw, stage, log)
    return s, log


# --- running --------------------------------------------------------------------------------------


def _work(stmt: Stmt) -> int:
    below = sum(_work(child) for child in children(stmt) if isinstance(child, Stmt))
    if isinstance(stmt, For):
        return int(stmt.extent.value) * below if isinstance(stmt.extent, Const) else below
    return max(below, 1)


def _arrays(args: list[Tensor], rng: np.random.Generator) -> list[np.ndarray]:
    """Small values and the extremes of each type; outputs hold nothing that could be right."""
    arrays = []
    for tensor in args:
        dtype = np.dtype(tensor.dtype)
        if isinstance(tensor.op, Compute):
            arrays.append(np.full(tensor.shape, np.nan if dtype.kind == "f" else 77, dtype))
        elif dtype.kind == "f":
            arrays.append((rng.integers(-16, 17, tensor.shape) / 8).astype(dtype))
        else:
            info = np.iinfo(dtype)
            values = rng.integers(max(info.min, -9), 10, tensor.shape).astype(dtype)
            extreme = rng.choice([info.min, info.max], tensor.shape).astype(dtype)
            arrays.append(np.where(rng.random(tensor.shape) < 0.15, extreme, values).astype(dtype))
    return arrays


def _args(s: Schedule) -> list[Tensor]:
    inputs = [stage.tensor for stage in s.stages if not isinstance(stage.op, Compute)]
    return [*inputs, *s.outputs]


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
            np.testing.assert_allclose(
                a, b, rtol=1e-5, atol=1e-5 * scale, err_msg=f"argument {position} {what}"
            )


@settings(max_examples=4 * settings().max_examples)
@given(st.data())
def test_a_schedule_does_not_change_the_result(data: st.DataObject) -> None:
    outputs = data.draw(programs(), label="outputs")
    plain = te.create_schedule([t.op for t in outputs])
    args = _args(plain)
    nest = loop_nest(plain, args)
    assume(_work(nest.body) <= WORK_LIMIT)
    s, log = _scheduled(data.draw, outputs)
    note("\n".join(log))
    note(str(nest))
    scheduled = loop_nest(s, args)
    assume(_work(scheduled.body) <= WORK_LIMIT)
    arrays = _arrays(args, np.random.default_rng(data.draw(st.integers(0, 99), label="seed")))
    expected = _interpreted(nest, arrays)
    added_up = any(
        isinstance(stage.op, Compute) and isinstance(stage.op.body, Reduce) and is_float(stage.op.dtype)
        for stage in s.stages
    )

    def watch(name: str, func: PrimFunc) -> None:
        note(f"after {name}:\n{func}")
        verify(func)
        _check(_interpreted(func, arrays), expected, not added_up, f"after {name}")

    watch("loop_nest", scheduled)
    lowered = run(scheduled, watch)
    # a compiled product and sum may be one operation with one rounding
    compiled = [a.copy() for a in arrays]
    build(lowered)(*compiled)
    _check(compiled, expected, False, "compiled")


@given(st.data())
def test_a_place_that_a_consumer_cannot_see_is_refused(data: st.DataObject) -> None:
    outputs = data.draw(programs(), label="outputs")
    s, log = _scheduled(data.draw, outputs)
    computed = [stage for stage in s.stages if isinstance(stage.op, Compute) and not stage.inlined]
    places = [(home, axis) for home in computed for axis in home.leaf]
    movable = [stage for stage in computed if not stage.output]
    assume(movable and places)
    stage = data.draw(st.sampled_from(movable))
    illegal = [p for p in places if p not in _legal_places(s, stage) and p[0] is not stage]
    assume(illegal)
    home, axis = data.draw(st.sampled_from(illegal))
    note("\n".join([*log, f"{stage.name}.compute_at({home.name}, {axis.name})"]))
    stage.compute_at(home, axis)
    with pytest.raises(ScheduleError, match="placed inside the loop"):
        loop_nest(s, _args(s))
