"""Loop structures that several schedule templates share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compiler import te
from compiler.backend import Target
from compiler.ir.expr import Expr, ExprLike
from compiler.ops.knobs import Knobs
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

ACROSS = 8
"""Channels that are stored together: rows of an image, of which a cache set holds so many."""


def split_vectors(s: Schedule, tensor: Tensor, axis: te.IterVar, lanes: int) -> tuple[te.IterVar, te.IterVar]:
    """Split an axis into vectors of `lanes`, and unroll over them; the axes of vectors and of lanes."""
    outer, inner = s[tensor].split(axis, lanes)
    s[tensor].unroll(outer)
    s[tensor].vectorize(inner)
    return outer, inner


def store_across(
    s: Schedule, tensor: Tensor, channels: te.IterVar, pixels: te.IterVar, lanes: int
) -> tuple[list[te.IterVar], list[te.IterVar]]:
    """Schedule the store of elements that lie in the lanes of vectors along `channels`, to rows of `pixels`.

    Some channels are unrolled, and vectors lie along the pixels: their elements are transposed in registers.
    Without a power of two of pixels, of at least four, they are stored one by one.

    Returns
    -------
    outer, inner : list of IterVar
        The loops in their order; others go between the outer and the inner ones.
    """
    stage = s[tensor]
    extent = int(pixels.extent)
    width = min(extent & -extent, lanes)
    if width < 4:
        stage.pragma(channels, "vectorize", False)
        return [channels], [pixels]
    several, row = stage.split(pixels, width)
    outer, inner = stage.split(channels, max(width, min(lanes, ACROSS)))
    stage.vectorize(row)
    stage.unroll(inner)
    for axis in (outer, several):
        stage.pragma(axis, "unroll", False)
    return [outer], [several, inner, row]


def vector_lanes(knobs: Knobs, target: Target, dtype: str, registers: int = 1) -> int:
    """Return the knob ``lanes`` of operators on arrays: elements of a vector, by default of some registers.

    Twice and half of them are the alternatives. A reduction takes two registers, whose operations need not
    wait for one another.
    """
    lanes = registers * target.lanes(dtype)
    return knobs.choice("lanes", (lanes, 2 * lanes, lanes // 2) if lanes > 1 else (1, 2))


def sweep(s: Schedule, tensor: Tensor, lanes: int, *, unroll: int = 1) -> None:
    """Traverse every element once: the outer axes in parallel, the last one vectorized.

    Parameters
    ----------
    s : Schedule
    tensor : Tensor
        Of a stage at the root, not a reduction.
    lanes : int
        Width of the vectors.
    unroll : int
        Number of vectors in the body of the innermost loop.
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


@dataclass(frozen=True, slots=True)
class LaneReduction:
    """How a reduction along one axis is divided among the lanes of a vector.

    Parameters
    ----------
    reduce : callable
        `te.sum`, `te.max`, ...
    extent : int
        Of the axis.
    lanes : int
    identity : float or Expr, optional
        The identity of the reduction; it replaces elements past the end. Without, the last vector ends at
        the last element and may have some elements of the vector before it, which changes no minimum or
        maximum.
    name : str
    others : tuple of IterVar
        Further reduce axes that the source may use.
    """

    reduce: Callable[..., Expr]
    extent: int
    lanes: int
    identity: ExprLike | None
    name: str
    others: tuple[te.IterVar, ...] = ()

    def tensors(self, shape: Sequence[int], source: Callable[..., Expr]) -> tuple[Tensor, Tensor]:
        """Return the partial results of the lanes, and their reduction.

        Floating-point sums may not be reordered implicitly, so the program itself states the order:
        ``partial[i, l]`` is the reduction over every `lanes`-th element, and the result reduces over the
        lanes as a balanced tree, whose operations need not wait for one another.

        Parameters
        ----------
        shape : sequence of int
            Of the result.
        source : callable
            ``(*indices, j) -> Expr``.

        Returns
        -------
        partial, result : Tensor
        """
        lanes = min(self.lanes, self.extent)
        steps = -(-self.extent // lanes)
        j = te.reduce_axis((0, steps), "j")

        def part(*at: Expr) -> Expr:
            *outer, at_lane = at
            whole = self.identity is not None or steps * lanes == self.extent
            first = j * lanes if whole else te.minimum(j * lanes, self.extent - lanes)
            place = first + at_lane
            value = source(*outer, place)
            if self.identity is not None and steps * lanes != self.extent:
                value = te.if_then_else(place < self.extent, value, self.identity)
            return self.reduce(value, axis=(*self.others, j))

        partial = te.compute((*shape, lanes), part, f"{self.name}_lanes")
        reducer = partial.op.reduction.reducer

        def whole(*at: Expr) -> Expr:
            terms = [partial[(*at, lane)] for lane in range(lanes)]
            while len(terms) > 1:
                half = -(-len(terms) // 2)
                pairs = zip(terms, terms[half:], strict=False)
                terms = [
                    *(reducer.combine((a,), (b,))[0] for a, b in pairs),
                    *terms[len(terms) - half : half],
                ]
            return terms[0]

        return partial, te.compute(shape, whole, self.name)


def in_lanes(s: Schedule, partial: Tensor) -> None:
    """Schedule the partial results of a `LaneReduction`: all lanes in each step."""
    *outer, lane = partial.op.axis
    s[partial].reorder(*outer, *partial.op.reduce_axis, lane)
    s[partial].vectorize(lane)
