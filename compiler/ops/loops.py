"""Ways to run the loops of a stage that more than one template wants."""

from __future__ import annotations

from compiler import te
from compiler.schedule.schedule import Schedule
from compiler.tensor import Tensor


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
