"""Ways to run the loops of a stage that more than one template wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compiler import te
from compiler.ir.expr import Expr
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor


def side_by_side(s: Schedule, tensor: Tensor, axis: te.IterVar, lanes: int) -> None:
    """An axis as vectors of `lanes`, several of them written one after another."""
    outer, inner = s[tensor].split(axis, lanes)
    s[tensor].unroll(outer)
    s[tensor].vectorize(inner)


def sweep(s: Schedule, tensor: Tensor, lanes: int = 16, *, unroll: int = 1) -> None:
    """Every element once: the outer axes shared among the threads, the last one in vectors.

    Parameters
    ----------
    s : Schedule
    tensor : Tensor
        Of a stage at the root, not a reduction.
    lanes : int
        Width of the vectors.
    unroll : int
        Vectors that are written one after another.
    """
    stage = s[tensor]
    axes = tensor.op.axis
    if not axes:
        return
    if len(axes) == 1:
        outer, inner = stage.split(axes[0], lanes * unroll)
        stage.parallel(outer)
        last = inner
    else:
        stage.parallel(stage.fuse(*axes[:-1]) if len(axes) > 2 else axes[0])
        _, last = stage.split(axes[-1], lanes * unroll)
    if unroll > 1:
        vectors, last = stage.split(last, lanes)
        stage.unroll(vectors)
    stage.vectorize(last)


def lane_reduction(
    reduce: Callable[..., Expr],
    extent: int,
    lanes: int,
    shape: Sequence[int],
    source: Callable[..., Expr],
    identity: float,
    name: str,
    others: Sequence[te.IterVar] = (),
) -> tuple[Tensor, Tensor]:
    """A reduction along one axis by way of the lanes of a vector, each of which has its share.

    Floats may not be summed in another order behind the program's back, so the program itself says so:
    ``partial[i, l]`` is the reduction over every `lanes`-th element, and the result that over the lanes.

    Parameters
    ----------
    reduce : callable
        `te.sum`, `te.max`, ...
    extent : int
        Of the axis.
    lanes : int
    shape : sequence of int
        Of the result.
    source : callable
        ``(*indices, j) -> Expr``.
    identity : float
        What changes no result; stands for elements over the end.
    name : str
    others : sequence of IterVar
        Reduce axes beside that one, which `source` may use.

    Returns
    -------
    partial, result : Tensor
    """
    lanes = min(lanes, extent)
    steps = -(-extent // lanes)
    j, lane = te.reduce_axis((0, steps), "j"), te.reduce_axis((0, lanes), "lane")

    def part(*at: Expr) -> Expr:
        *outer, at_lane = at
        place = j * lanes + at_lane
        value = source(*outer, place)
        if steps * lanes != extent:
            value = te.if_then_else(place < extent, value, identity)
        return reduce(value, axis=(*others, j))

    partial = te.compute((*shape, lanes), part, f"{name}_lanes")
    return partial, te.compute(shape, lambda *at: reduce(partial[(*at, lane)], axis=lane), name)


def in_lanes(s: Schedule, partial: Tensor) -> None:
    """The loops of the partial results of `lane_reduction`: all lanes in each step."""
    *outer, lane = partial.op.axis
    s[partial].reorder(*outer, *partial.op.reduce_axis, lane)
    s[partial].vectorize(lane)
