"""A stage: one operation, with its loops, its place and its memory."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.errors import ScheduleError
from compiler.ir.expr import SCOPES, is_scope
from compiler.schedule.intrinsic import TensorIntrinsic
from compiler.schedule.layout import IndexMap, Layout, layout_of, relaid
from compiler.schedule.marks import Marks
from compiler.schedule.trace import Trace, primitive
from compiler.suggest import unknown
from compiler.te.axis import IterVar
from compiler.te.tensor import Compute, Extern, Operation, Placeholder, Tensor


class Stage(Marks):
    """One operation of a schedule. Its loops are those of `Loops`, its marks those of `Marks`.

    Attributes
    ----------
    op : Operation
        What the stage computes. Caching replaces it by an operation on the cache.
    tensors : tuple of Tensor
        What readers of this stage know its results by; never changes.
    key : str
        The name of the stage in the trace: that of the operation, with a number if there are several.
    attach : tuple of (Stage, IterVar) or None
        The loop of a consumer that the stage is computed inside of; None at the root.
    inlined : bool
        The stage has no loops: each reading evaluates its expression.
    scope : str
        Where its buffer lives.
    layout : Layout or None
        Where in the buffer the elements are, if not in row-major order.
    tensorized : (IterVar, TensorIntrinsic) or None
        The loop from which inwards an intrinsic takes the place of the loops.
    """

    def __init__(self, op: Operation, output: bool, trace: Trace) -> None:
        self.tensors = op.outputs
        self.output = output
        self.attach: tuple[Stage, IterVar] | None = None
        self.inlined = False
        self.scope = "global"
        self.layout: Layout | None = None
        self.tensorized: tuple[IterVar, TensorIntrinsic] | None = None
        self.op = op
        self.key = str(trace.name(self, "stage", op.name))
        for index, tensor in enumerate(self.tensors):
            trace.name(tensor, "tensor", self.key, index)
        trace.also(op, self.tensor)
        super().__init__(_axes(op), trace)

    def replace(self, op: Operation) -> None:
        """Give the stage another operation with loops of its own."""
        self.op = op
        self.restart(_axes(op))

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the operation."""
        return self.op.name

    @property
    def tensor(self) -> Tensor:
        """The first of its tensors; the only one of most stages."""
        return self.tensors[0]

    @property
    def computed(self) -> bool:
        """Whether the program makes its tensors; the caller gives those of an input."""
        return not isinstance(self.op, Placeholder)

    @property
    def compute(self) -> Compute:
        """The operation of a stage whose elements expressions give."""
        assert isinstance(self.op, Compute)
        return self.op

    @primitive
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
        if not self.computed:
            raise ScheduleError(
                f"{self.name}: an input is not computed; use cache_read to place a copy of it"
            )
        if not isinstance(consumer, Stage):
            raise ScheduleError(f"{self.name}: compute_at takes a stage, s[C], not {type(consumer).__name__}")
        if consumer is self:
            raise ScheduleError(f"{self.name}: a stage cannot be computed at itself")
        consumer.check_leaf("compute_at", axis)
        self.attach, self.inlined = (consumer, axis), False

    @primitive
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
        if not isinstance(self.op, Compute) or self.op.reduction is not None:
            what = _KINDS[type(self.op)]
            raise ScheduleError(f"{self.name}: {what} cannot be inlined; use compute_at")
        self.attach, self.inlined = None, True

    @primitive
    def compute_root(self) -> None:
        """Compute the whole tensor before its consumers: the place of a stage until told otherwise.

        With ``s[B].compute_root()``, after it was computed at `i`::

            for i in range(8):               for i in range(8):
                B = allocate([1, 4])             for j in range(4):
                for j in range(4):                   B[i, j] = ...
                    B[0, j] = ...       ->   for i in range(8):
                for j in range(4):               for j in range(4):
                    C[i, j] = B[0, j]                C[i, j] = B[i, j]
        """
        self.attach, self.inlined = None, False

    @primitive
    def set_scope(self, scope: str) -> None:
        """Say where the buffer lives.

        With ``s[B].set_scope("local")``::

            B = allocate(float32[8], "global")     ->   B = allocate(float32[8], "local")

        ``"global"`` is main memory, ``"local"`` that of one thread (registers and its stack), ``"shared"``
        that of the threads of a block, ``"warp"`` that of a part of them; an accelerator has memory with
        dotted names, as ``"vta.acc"``. What threads share is computed for all of them, and allocated
        outside of their loops.
        """
        if self.output or not self.computed:
            raise ScheduleError(f"{self.name}: the caller gives the memory of an input or output; cache it")
        check_scope(self.name, scope)
        self.scope = scope

    def transform_layout(self, index_map: IndexMap) -> list[IterVar]:
        """Keep the elements in another order in memory, and walk them in that order.

        With ``s[B].transform_layout(lambda i, j: [j // 4, i, j % 4])``::

            B = allocate([8, 16])                B = allocate([4, 8, 4])
            for i in range(8):                   for j_outer in range(4):
                for j in range(16):        ->        for i in range(8):
                    B[i, j] = ...                        for j_inner in range(4):
            ... B[i, j] ...                                  B[j_outer, i, j_inner] = ...
                                                 ... B[j // 4, i, j % 4] ...

        Parameters
        ----------
        index_map : callable
            From the indices of an element to those in memory: each an axis, ``c // n`` or ``c % n`` (both),
            or ``a * n + b`` where b has n values. A trace keeps it as nested lists, which are taken too.

        Returns
        -------
        list of IterVar
            The loops, one for each index of the result.
        """
        self._check_layout()
        layout = layout_of(self, index_map)
        relaid(Stage(self.op, False, Trace()), layout)  # a trial, which changes nothing if it is refused
        recording, self.trace.recording = self.trace.recording, False
        axes = relaid(self, layout)
        self.trace.recording = recording
        self.layout = layout
        if recording:
            self.trace.add("transform_layout", self, [layout.as_json()], {})
        return axes

    transform_layout.is_primitive = True  # type: ignore[attr-defined]

    def _check_layout(self) -> None:
        if self.output or not self.computed:
            raise ScheduleError(
                f"{self.name}: the caller gives the memory of an input or output; "
                "change the layout of a cache"
            )
        if not isinstance(self.op, Compute):
            raise ScheduleError(f"{self.name}: the statement of an extern stores where it is told")
        if not self.untouched or self.layout is not None:
            raise ScheduleError(
                f"{self.name}: transform_layout must come before the other primitives on the stage"
            )

    # --- intrinsics ---------------------------------------------------------------------------

    @primitive
    def tensorize(self, axis: IterVar, intrinsic: TensorIntrinsic) -> None:
        """Let a declared intrinsic take the place of a loop and all below it.

        With ``s[C].tensorize(i_inner, gemm)``::

            for i_outer, j_outer:                     for i_outer, j_outer:
                for i_inner, j_inner:                     gemm(region(A, ...), region(B, ...), region(C, ...))
                    C[...] = 0.0                 ->
                    for k:
                        C[...] += A[...] * B[...]

        Where reduce loops stay outside, a use of its first half sets the elements before them, and
        a use of its second half adds to the elements inside. Whether the loops compute what the intrinsic
        does is checked by `lower`.
        """
        self.check_leaf("tensorize", axis)
        if not isinstance(intrinsic, TensorIntrinsic):
            raise ScheduleError(
                f"{self.name}: tensorize takes an intrinsic of te.decl_tensor_intrin, "
                f"not {type(intrinsic).__name__}"
            )
        self._check_unmarked("tensorize", axis)
        if self.tensorized is not None:
            where, which = self.tensorized
            raise ScheduleError(f"{self.name}: tensorized at {where.name!r} already, with {which.name}")
        self.tensorized = (axis, intrinsic)
        self.kinds[axis] = "tensorize"

    def __repr__(self) -> str:
        return f"Stage({self.name}: {self._loops()})"


_KINDS = {Compute: "a reduction", Placeholder: "an input", Extern: "an extern"}


def _axes(op: Operation) -> list[IterVar]:
    return [*op.axis, *op.reduce_axis]


def check_scope(name: str, scope: str) -> None:
    """Raise unless a buffer can live in `scope`."""
    if not is_scope(scope):
        raise ScheduleError(f"{name}: " + unknown("scope", scope, SCOPES))


def names(tensors: Sequence[Tensor | Stage]) -> str:
    """The names of tensors or stages, for a message."""
    return ", ".join(t.name for t in tensors)
