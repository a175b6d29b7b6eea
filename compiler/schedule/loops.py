"""The loops of a stage, and the primitives that change or mark them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from compiler.errors import ScheduleError
from compiler.ir.stmt import Pragma
from compiler.schedule.relation import Fuse, Relation, Split, ceil_div, min_extent, product
from compiler.schedule.trace import Trace, primitive
from compiler.te.axis import IterVar, new_axis


class Loops:
    """The loops of a stage.

    Attributes
    ----------
    leaf : list of IterVar
        The loops, outermost first.
    relations : list of Relation
        The splits and fuses by which the loops derive from the axes of the operation, in order.
    kinds : dict of IterVar to str
        The kind of each loop that is not serial.
    pragmas : dict of IterVar to list of (str, value)
        Options of a loop for passes and targets.
    trace : Trace
        Where the calls of primitives are recorded.
    """

    name: str
    key: str

    def __init__(self, axes: list[IterVar], trace: Trace) -> None:
        self.trace = trace
        self.kinds: dict[IterVar, str] = {}
        self.pragmas: dict[IterVar, list[Pragma]] = {}
        self.restart(axes)

    def restart(self, axes: list[IterVar]) -> None:
        """Reset the loops to the axes of an operation."""
        self.leaf = axes
        self._fresh = list(axes)
        self.relations: list[Relation] = []
        self._name(*axes)

    @property
    def untouched(self) -> bool:
        """Whether no primitive has changed or marked a loop."""
        return self.leaf == self._fresh and not self.kinds and not self.pragmas

    def _name(self, *axes: IterVar) -> None:
        for axis in axes:
            self.trace.name(axis, "axis", self.key, axis.name)

    @primitive
    def split(
        self, axis: IterVar, factor: int | None = None, *, nparts: int | None = None
    ) -> tuple[IterVar, IterVar]:
        """Split a loop into two nested ones; `factor` is the extent of the inner, `nparts` that of the outer.

        With ``s[C].split(i, factor=4)``::

            for i in range(16):          for i_outer in range(4):
                C[i] = A[i]         ->       for i_inner in range(4):
                                                 C[i_outer * 4 + i_inner] = A[i_outer * 4 + i_inner]

        If the factor does not divide the extent, an ``if`` guards the last iterations.

        Returns
        -------
        tuple of IterVar
            ``(outer, inner)``.
        """
        size = self._check_split(axis, factor, nparts)
        count = min_extent(size, axis.extent)
        rest = ceil_div(axis.extent, count)
        by_factor = factor is not None
        outer = new_axis(f"{axis.name}_outer", rest if by_factor else count, axis.kind, 0, axis.dtype)
        inner = new_axis(f"{axis.name}_inner", count if by_factor else rest, axis.kind, 0, axis.dtype)
        self.relations.append(Split(axis, outer, inner, *((size, None) if by_factor else (None, size))))
        at = self.leaf.index(axis)
        self.leaf[at : at + 1] = [outer, inner]
        self._name(outer, inner)
        return outer, inner

    @primitive
    def fuse(self, *axes: IterVar) -> IterVar:
        """Fuse loops that are nested directly inside each other into one.

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
            self.check_leaf("fuse", axis)
            self._check_unmarked("fuse", axis)
        for outer, inner in pairwise(axes):
            if self.leaf.index(inner) != self.leaf.index(outer) + 1:
                raise ScheduleError(
                    f"{self.name}: {inner.name!r} is not directly inside {outer.name!r}, so they cannot "
                    f"be fused; reorder them first (loops: {self._loops()})"
                )
            if outer.kind != inner.kind:
                raise ScheduleError(
                    f"{self.name}: {outer.name!r} is a {outer.kind} axis and {inner.name!r} a {inner.kind} "
                    "axis; only axes of one kind can be fused"
                )
        at, fused = self.leaf.index(axes[0]), axes[0]
        for axis in axes[1:]:
            outer = fused
            fused = new_axis(
                f"{outer.name}_{axis.name}_fused", product(outer.extent, axis.extent), outer.kind
            )
            self.relations.append(Fuse(outer, axis, fused))
            self._name(fused)
        self.leaf[at : at + len(axes)] = [fused]
        return fused

    @primitive
    def tile(
        self, x: IterVar, y: IterVar, x_factor: int, y_factor: int
    ) -> tuple[IterVar, IterVar, IterVar, IterVar]:
        """Split two loops and reorder them, so that both inner loops are innermost.

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
        self._check_split(x, x_factor, None)
        self._check_split(y, y_factor, None)
        if x is y:
            raise ScheduleError(f"{self.name}: tile takes two axes, not {x.name!r} twice")
        x_outer, x_inner = self.split(x, x_factor)
        y_outer, y_inner = self.split(y, y_factor)
        self.reorder(x_outer, y_outer, x_inner, y_inner)
        return x_outer, y_outer, x_inner, y_inner

    @primitive
    def reorder(self, *axes: IterVar) -> None:
        """Reorder loops; loops that are not given keep their positions.

        With ``s[C].reorder(j, i)``::

            for i in range(8):            for j in range(4):
                for j in range(4):   ->       for i in range(8):
                    C[i, j] = ...                 C[i, j] = ...
        """
        for axis in axes:
            self.check_leaf("reorder", axis)
        if len(set(axes)) != len(axes):
            raise ScheduleError(f"{self.name}: reorder names an axis twice: {[a.name for a in axes]}")
        places = sorted(self.leaf.index(axis) for axis in axes)
        steps = [axis for axis in axes if axis.kind == "sequential"]
        if steps != sorted(steps, key=self.leaf.index):
            raise ScheduleError(
                f"{self.name}: reorder would change the order of {', '.join(a.name for a in steps)}, "
                "sequential axes; leave them in their order, and move data axes among them"
            )
        for place, axis in zip(places, axes, strict=True):
            self.leaf[place] = axis

    @primitive
    def vectorize(self, axis: IterVar) -> None:
        """Execute all iterations of a loop as the lanes of a vector.

        With ``s[C].vectorize(j)``::

            for j in range(16):      ->   C[ramp(0, 1, 16)] = A[ramp(0, 1, 16)]
                C[j] = A[j]
        """
        self._mark("vectorize", axis)

    @primitive
    def unroll(self, axis: IterVar) -> None:
        """Unroll a loop.

        With ``s[C].unroll(j)``::

            for j in range(2):       ->   C[0] = A[0]
                C[j] = A[j]               C[1] = A[1]

        A loop that would have more than 1,024 stores stays a loop: the compile time would exceed the gain.
        """
        self._mark("unroll", axis)

    @primitive
    def parallel(self, axis: IterVar) -> None:
        """Distribute the iterations of a loop over the threads of the pool.

        With ``s[C].parallel(i)``::

            for i in range(64):      ->   for i in parallel(64):
                C[i] = A[i]                   C[i] = A[i]
        """
        self._mark("parallel", axis)

    def _mark(self, kind: str, axis: IterVar) -> None:
        self.check_leaf(kind, axis)
        if axis.kind != "data" and kind != "unroll":
            why = ", whose iterations run in order" if axis.kind == "sequential" else ""
            raise ScheduleError(
                f"{self.name}: {axis.name!r} is a {axis.kind} axis{why}; {kind} needs a data axis "
                f"({', '.join(a.name for a in self.leaf if a.kind == 'data')})"
            )
        if axis in self.kinds:
            raise ScheduleError(f"{self.name}: {axis.name!r} is marked {self.kinds[axis]!r} already")
        self.kinds[axis] = kind

    def _add_pragmas(self, primitive: str, axis: IterVar, *pragmas: Pragma) -> None:
        """Add pragmas to a loop."""
        self.check_leaf(primitive, axis)
        self.pragmas.setdefault(axis, []).extend(pragmas)

    # --- checks -------------------------------------------------------------------------------

    def _loops(self) -> str:
        return ", ".join(axis.name for axis in self.leaf)

    def check_leaf(self, primitive: str, axis: IterVar) -> None:
        """Raise `ScheduleError` unless `axis` is one of the loops."""
        if axis in self.leaf:
            return
        given = axis.name if isinstance(axis, IterVar) else repr(axis)
        raise ScheduleError(
            f"{self.name}: {primitive} of {given!r}, which is not one of its loops now "
            f"(loops: {self._loops()})"
        )

    def _check_split(self, axis: IterVar, factor: int | None, nparts: int | None) -> int:
        """The extent that is given, of the inner or of the outer loop."""
        self.check_leaf("split", axis)
        if (factor is None) == (nparts is None):
            raise ScheduleError(f"{self.name}: split of {axis.name!r} takes either factor or nparts")
        size = factor if factor is not None else nparts
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ScheduleError(
                f"{self.name}: split of {axis.name!r} into {size!r}; a positive integer is needed"
            )
        self._check_unmarked("split", axis)
        return int(size)

    def _check_unmarked(self, primitive: str, axis: IterVar) -> None:
        if axis in self.kinds:
            raise ScheduleError(
                f"{self.name}: {axis.name!r} is marked {self.kinds[axis]!r} already; "
                f"{primitive} it before that"
            )
