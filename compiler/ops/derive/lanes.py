"""Factored reductions: the steps are divided among the lanes of vectors, and among threads.

Sums of floating-point numbers may not be reordered implicitly, so the program states the order: partial
results of every lane, which are then reduced (Suriana et al., "Parallel associative reductions in Halide",
CGO 2017; the rule "rfactor" of Ansor, arXiv 2006.06762, section 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from compiler.backend import Target
from compiler.ir.address import in_type
from compiler.ir.calls import call
from compiler.ir.expr import Const, Expr, Var, binary
from compiler.ir.visit import substitute
from compiler.ops.derive.access import depends, extents, iterations, stride
from compiler.ops.knobs import Knobs
from compiler.ops.tiles import LATENCY, PORTS, covering
from compiler.te.axis import new_axis
from compiler.te.reducer import Reduction
from compiler.te.tensor import Compute, Tensor, reads_of

FOLD = 30
"""Cycles to reduce the lanes of one element."""


@dataclass(frozen=True)
class Lanes:
    """The choices of a factored reduction: vectors at a time, and parts that are computed in parallel."""

    lanes: int
    vectors: int
    parts: int


@dataclass(frozen=True)
class Along:
    """The steps of a reduction that are next to each other in memory.

    Attributes
    ----------
    axes : tuple of int
        Positions of adjacent reduce axes, outermost first.
    extent : int
        The product of their extents.
    lanes : int
        Elements in a vector.
    cost : float
        Cycles of the reduction, by estimate.
    """

    axes: tuple[int, ...]
    extent: int
    lanes: int
    cost: float

    @staticmethod
    def of(op: Compute, target: Target) -> Along | None:
        """The steps of a reduction that a vector can take, or None."""
        lanes = min(target.lanes(dtype) for dtype in op.dtypes)
        reads = list(dict.fromkeys(reads_of(op.exprs)))
        best = None
        for position, axis in enumerate(op.reduce_axis):
            strides = [stride(r, axis.var) for r in reads if depends(r, axis.var)]
            if 1 not in strides:
                continue
            axes: tuple[int, ...] = (position,)
            extent = int(axis.extent)
            while axes[0] > 0 and all(_adjacent(op, r, axes[0]) for r in reads):
                axes = (axes[0] - 1, *axes)
                extent *= int(op.reduce_axis[axes[0]].extent)
            gathers = sum(by != 1 for by in strides)
            width = lanes
            while width > extent:
                width //= 2
            if width < 2:
                continue
            per = max(1.0, len(reads) / PORTS + gathers * width)
            cost = iterations(op) / width * per + prod(extents(op.axes)) * FOLD
            if best is None or cost < best.cost:
                best = Along(axes, extent, width, cost)
        return best

    def choose(self, knobs: Knobs, name: str, op: Compute, target: Target) -> Lanes:
        """Request the knobs, whose names begin with `name`."""
        options = [v for v in (1, 2, 4, 8) if v == 1 or v * self.lanes <= self.extent]
        # so many sums hide the latency of an addition, where each has several steps
        fits = [v for v in options if v <= LATENCY and v * self.lanes * 4 <= self.extent]
        vectors = knobs.choice(f"{name}.vectors", options, default=max(fits, default=1))
        rows, threads = prod(extents(op.axes)), target.hardware.threads
        parts = [p for p in (1, 4, 16, 64) if p == 1 or p * self.lanes * 16 <= self.extent]
        few = rows < threads
        default = next((p for p in parts if few and p >= threads), 1)
        return Lanes(self.lanes, vectors, knobs.choice(f"{name}.parts", parts, default=default))


def _adjacent(op: Compute, read: object, axis: int) -> bool:
    """Whether a reduce axis continues, in every read, where the one inside of it ends."""
    outer, inner = op.reduce_axis[axis - 1], op.reduce_axis[axis]
    far, near = stride(read, outer.var), stride(read, inner.var)  # type: ignore[arg-type]
    plain = outer.start == 0 and inner.start == 0
    return plain and near is not None and far == near * int(inner.extent)


@dataclass(frozen=True)
class Factored:
    """The operations of a factored reduction: partial results, those of one vector, and the result."""

    partial: Compute
    folded: Compute | None
    op: Compute
    parts: int


def factored(op: Compute, along: Along, choice: Lanes) -> Factored:
    """A reduction as partial results of lanes and parts, and their reductions."""
    reduction = op.reduction
    assert reduction is not None
    reducer, dtypes = reduction.reducer, op.dtypes
    lanes, width = choice.lanes, choice.lanes * choice.vectors
    steps = covering(covering(along.extent, width), choice.parts)
    axes = [new_axis(a.name, a.extent) for a in op.axes]
    lane = new_axis("lane", width)
    part = [new_axis("part", choice.parts)] if choice.parts > 1 else []
    step = new_axis("step", steps, "reduce")
    place: Expr = binary("+", binary("*", step.var, width), lane.var)
    if part:
        place = binary("+", binary("*", part[0].var, steps * width), place)
    values: dict[Var, Expr] = {a.var: b.var for a, b in zip(op.axes, axes, strict=True)}
    rest = place
    for position in reversed(along.axes):
        axis = op.reduce_axis[position]
        inner = rest if position == along.axes[0] else binary("%", rest, axis.extent)
        values[axis.var] = in_type(inner if axis.start == 0 else binary("+", inner, axis.start), axis.dtype)
        rest = binary("//", rest, axis.extent)
    others = tuple(a for k, a in enumerate(op.reduce_axis) if k not in along.axes)
    terms = tuple(substitute(e, values) for e in op.body)
    where = None if reduction.condition is None else substitute(reduction.condition, values)
    if steps * width * choice.parts != along.extent:
        inside = binary("<", place, along.extent)
        identity = reducer.initial(dtypes)
        terms = tuple(call("if_then_else", inside, t, e) for t, e in zip(terms, identity, strict=True))
        if where is not None:
            where = call("if_then_else", inside, where, Const(False, "bool"))
    partial = Compute.of(
        f"{op.name}_lanes", (*part, *axes, lane), terms, Reduction(reducer, (*others, step), where)
    )
    source, folded = partial, None
    if width > lanes or part:
        fresh = [new_axis(a.name, a.extent) for a in op.axes]
        at = new_axis("lane", lanes)
        over = [new_axis("part", choice.parts, "reduce")] if part else []
        items = [
            _elements(partial, (*(a.var for a in (*over, *fresh)), at.var + v * lanes if v else at.var))
            for v in range(choice.vectors)
        ]
        body = _tree(reducer, items)
        folded = Compute.of(
            f"{op.name}_vector", (*fresh, at), body, Reduction(reducer, tuple(over)) if over else None
        )
        source = folded
    own = [new_axis(a.name, a.extent) for a in op.axes]
    items = [_elements(source, (*(a.var for a in own), Const(n))) for n in range(lanes)]
    return Factored(partial, folded, Compute.of(op.name, tuple(own), _tree(reducer, items)), choice.parts)


def _elements(op: Compute, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
    return tuple(Tensor(op, n)[indices] for n in range(len(op.body)))


def _tree(reducer: object, items: list[tuple[Expr, ...]]) -> tuple[Expr, ...]:
    """The combination of items as a balanced tree, whose operations need not wait for one another."""
    while len(items) > 1:
        half = covering(len(items), 2)
        pairs = zip(items, items[half:], strict=False)
        items = [*(reducer.combine(a, b) for a, b in pairs), *items[len(items) - half : half]]  # type: ignore[attr-defined]
    return items[0]
