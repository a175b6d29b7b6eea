"""A stage: one operation, and the primitives that say how its loops run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.ir.expr import Var
from compiler.ir.function import SCOPES, is_scope
from compiler.schedule.errors import ScheduleError
from compiler.schedule.relation import Fuse, Relation, Split
from compiler.suggest import unknown
from compiler.tensor import Compute, IterVar, Operation, Tensor


class Stage:
    """One operation of a schedule.

    Attributes
    ----------
    op : Operation
        What the stage computes. Caching replaces it by an operation on the cache.
    tensor : Tensor
        The tensor that readers of this stage know it by; never changes.
    leaf : list of IterVar
        The loops, outermost first.
    relations : list of Relation
        How the loops came from the axes of the operation, in the order they were made.
    kinds : dict of IterVar to str
        The kind of the loops that are not serial.
    attach : tuple of (Stage, IterVar) or None
        The loop of a consumer that the stage is computed inside of; None at the root.
    inlined : bool
        The stage has no loops: each reading evaluates its expression.
    scope : str
        Where its buffer lives.
    """

    def __init__(self, op: Operation, output: bool) -> None:
        self.tensor = op.output()
        self.output = output
        self.kinds: dict[IterVar, str] = {}
        self.attach: tuple[Stage, IterVar] | None = None
        self.inlined = False
        self.scope = "global"
        self.replace(op)

    def replace(self, op: Operation) -> None:
        """Give the stage another operation with loops of its own."""
        self.op = op
        self.leaf: list[IterVar] = [*op.axis, *op.reduce_axis] if isinstance(op, Compute) else []
        self.relations: list[Relation] = []

    @property
    def name(self) -> str:
        """Name of the operation."""
        return self.op.name

    @property
    def compute(self) -> Compute:
        """The operation of a stage that is no input."""
        assert isinstance(self.op, Compute)
        return self.op

    # --- loops --------------------------------------------------------------------------------

    def split(
        self, axis: IterVar, factor: int | None = None, *, nparts: int | None = None
    ) -> tuple[IterVar, IterVar]:
        """Cut a loop in two, the inner of `factor` iterations, or the outer of `nparts`.

        With ``s[C].split(i, factor=4)``::

            for i in range(16):          for i_outer in range(4):
                C[i] = A[i]         ->       for i_inner in range(4):
                                                 C[i_outer * 4 + i_inner] = A[i_outer * 4 + i_inner]

        A factor that does not divide the extent guards the last iterations with an ``if``.

        Returns
        -------
        tuple of IterVar
            ``(outer, inner)``.
        """
        self._check_leaf("split", axis)
        if (factor is None) == (nparts is None):
            raise ScheduleError(f"{self.name}: split of {axis.name!r} takes either factor or nparts")
        size = factor if factor is not None else nparts
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ScheduleError(
                f"{self.name}: split of {axis.name!r} into {size!r}; a positive whole number is needed"
            )
        self._check_unmarked("split", axis)
        size = int(size)
        count = min(size, axis.extent)
        rest = -(-axis.extent // count)
        by_factor = factor is not None
        outer = IterVar(Var(f"{axis.name}_outer"), rest if by_factor else count, axis.kind)
        inner = IterVar(Var(f"{axis.name}_inner"), count if by_factor else rest, axis.kind)
        self.relations.append(Split(axis, outer, inner, *((size, None) if by_factor else (None, size))))
        at = self.leaf.index(axis)
        self.leaf[at : at + 1] = [outer, inner]
        return outer, inner

    def fuse(self, *axes: IterVar) -> IterVar:
        """Join neighbouring loops into one.

        With ``s[C].fuse(i, j)``::

            for i in range(8):                for i_j_fused in range(32):
                for j in range(4):       ->       C[i_j_fused // 4, i_j_fused % 4] = ...
                    C[i, j] = ...

        Returns
        -------
        IterVar
            The new loop.
        """
        if len(axes) < 2:
            raise ScheduleError(f"{self.name}: fuse takes two or more axes, not {len(axes)}")
        for axis in axes:
            self._check_leaf("fuse", axis)
            self._check_unmarked("fuse", axis)
        fused = axes[0]
        for axis in axes[1:]:
            fused = self._fuse_two(fused, axis)
        return fused

    def _fuse_two(self, outer: IterVar, inner: IterVar) -> IterVar:
        at = self.leaf.index(outer)
        if self.leaf.index(inner) != at + 1:
            raise ScheduleError(
                f"{self.name}: {inner.name!r} does not stand right inside {outer.name!r}, so they cannot be "
                f"fused; reorder them first (loops: {self._loops()})"
            )
        if outer.kind != inner.kind:
            raise ScheduleError(
                f"{self.name}: {outer.name!r} is a {outer.kind} axis and {inner.name!r} a {inner.kind} axis; "
                "only axes of one kind can be fused"
            )
        fused = IterVar(Var(f"{outer.name}_{inner.name}_fused"), outer.extent * inner.extent, outer.kind)
        self.relations.append(Fuse(outer, inner, fused))
        self.leaf[at : at + 2] = [fused]
        return fused

    def tile(
        self, x: IterVar, y: IterVar, x_factor: int, y_factor: int
    ) -> tuple[IterVar, IterVar, IterVar, IterVar]:
        """Cut two loops and put both inner ones inside.

        With ``s[C].tile(i, j, 4, 8)``::

            for i in range(64):          for i_outer in range(16):
                for j in range(64):  ->      for j_outer in range(8):
                    C[i, j] = ...                for i_inner in range(4):
                                                     for j_inner in range(8):
                                                         C[i_outer * 4 + i_inner, j_outer * 8 + j_inner] = ...

        Returns
        -------
        tuple of IterVar
            ``(x_outer, y_outer, x_inner, y_inner)``.
        """
        x_outer, x_inner = self.split(x, x_factor)
        y_outer, y_inner = self.split(y, y_factor)
        self.reorder(x_outer, y_outer, x_inner, y_inner)
        return x_outer, y_outer, x_inner, y_inner

    def reorder(self, *axes: IterVar) -> None:
        """Put loops into the order given; loops that are not named keep their places.

        With ``s[C].reorder(j, i)``::

            for i in range(8):            for j in range(4):
                for j in range(4):   ->       for i in range(8):
                    C[i, j] = ...                 C[i, j] = ...
        """
        for axis in axes:
            self._check_leaf("reorder", axis)
        if len(set(axes)) != len(axes):
            raise ScheduleError(f"{self.name}: reorder names an axis twice: {[a.name for a in axes]}")
        places = sorted(self.leaf.index(axis) for axis in axes)
        for place, axis in zip(places, axes, strict=True):
            self.leaf[place] = axis

    def vectorize(self, axis: IterVar) -> None:
        """Run all iterations of a loop at once, as the lanes of a vector.

        With ``s[C].vectorize(j)``::

            for j in range(16):      ->   C[ramp(0, 1, 16)] = A[ramp(0, 1, 16)]
                C[j] = A[j]
        """
        self._mark("vectorize", axis)

    def unroll(self, axis: IterVar) -> None:
        """Write the iterations of a loop one after another.

        With ``s[C].unroll(j)``::

            for j in range(2):       ->   C[0] = A[0]
                C[j] = A[j]               C[1] = A[1]
        """
        self._mark("unroll", axis)

    def parallel(self, axis: IterVar) -> None:
        """Share the iterations of a loop among the threads of the pool.

        With ``s[C].parallel(i)``::

            for i in range(64):      ->   for i in parallel(64):
                C[i] = A[i]                   C[i] = A[i]
        """
        self._mark("parallel", axis)

    def _mark(self, kind: str, axis: IterVar) -> None:
        self._check_leaf(kind, axis)
        if axis.kind == "reduce" and kind != "unroll":
            raise ScheduleError(
                f"{self.name}: {axis.name!r} is a reduce axis; {kind} needs a data axis "
                f"({', '.join(a.name for a in self.leaf if a.kind == 'data')})"
            )
        if axis in self.kinds:
            raise ScheduleError(f"{self.name}: {axis.name!r} is marked {self.kinds[axis]!r} already")
        self.kinds[axis] = kind

    # --- place --------------------------------------------------------------------------------

    def compute_at(self, consumer: Stage, axis: IterVar) -> None:
        """Compute, inside a loop of a consumer, just what one iteration of it reads.

        With ``s[B].compute_at(s[C], i)``::

            for i in range(8):               for i in range(8):
                for j in range(4):               B = allocate([1, 4])
                    B[i, j] = ...       ->       for j in range(4):
            for i in range(8):                       B[0, j] = ...
                for j in range(4):               for j in range(4):
                    C[i, j] = B[i, j]                C[i, j] = B[0, j]
        """
        if self.output:
            raise ScheduleError(f"{self.name}: an output has no consumer to be computed at")
        if not isinstance(self.op, Compute):
            raise ScheduleError(
                f"{self.name}: an input is not computed; use cache_read to place a copy of it"
            )
        if not isinstance(consumer, Stage):
            raise ScheduleError(f"{self.name}: compute_at takes a stage, s[C], not {type(consumer).__name__}")
        if consumer is self:
            raise ScheduleError(f"{self.name}: a stage cannot be computed at itself")
        consumer._check_leaf("compute_at", axis)
        self.attach, self.inlined = (consumer, axis), False

    def compute_inline(self) -> None:
        """Evaluate the expression at each reading instead of storing it.

        With ``s[B].compute_inline()``::

            for i in range(8):
                B[i] = A[i] + 1         ->   for i in range(8):
            for i in range(8):                   C[i] = (A[i] + 1) * 2
                C[i] = B[i] * 2
        """
        if self.output:
            raise ScheduleError(f"{self.name}: an output must be stored, so it cannot be inlined")
        if not isinstance(self.op, Compute) or self.op.reduce_axis:
            what = "a reduction" if isinstance(self.op, Compute) else "an input"
            raise ScheduleError(f"{self.name}: {what} cannot be inlined; use compute_at")
        self.attach, self.inlined = None, True

    def compute_root(self) -> None:
        """Compute the whole tensor before its consumers: the place of a stage until told otherwise."""
        self.attach, self.inlined = None, False

    def set_scope(self, scope: str) -> None:
        """Say where the buffer lives: ``"global"`` memory, or ``"local"`` to a thread."""
        if self.output or not isinstance(self.op, Compute):
            raise ScheduleError(f"{self.name}: the caller gives the memory of an input or output; cache it")
        if not is_scope(scope):
            raise ScheduleError(f"{self.name}: " + unknown("scope", scope, SCOPES))
        self.scope = scope

    # --- checks -------------------------------------------------------------------------------

    def _loops(self) -> str:
        return ", ".join(axis.name for axis in self.leaf)

    def _check_leaf(self, primitive: str, axis: IterVar) -> None:
        if axis in self.leaf:
            return
        given = axis.name if isinstance(axis, IterVar) else repr(axis)
        raise ScheduleError(
            f"{self.name}: {primitive} of {given!r}, which is not one of its loops now "
            f"(loops: {self._loops()})"
        )

    def _check_unmarked(self, primitive: str, axis: IterVar) -> None:
        if axis in self.kinds:
            raise ScheduleError(
                f"{self.name}: {axis.name!r} is marked {self.kinds[axis]!r} already; "
                f"{primitive} it before that"
            )

    def __repr__(self) -> str:
        return f"Stage({self.name}: {self._loops()})"


def names(tensors: Sequence[Tensor | Stage]) -> str:
    """The names of tensors or stages, for a message."""
    return ", ".join(t.name for t in tensors)
