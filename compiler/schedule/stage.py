"""`Stage`: an operation in a schedule, with its loops, its place among other loops, and its memory."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.errors import ScheduleError
from compiler.ir.scope import SCOPES, is_scope
from compiler.schedule.intrinsic import TensorIntrinsic
from compiler.schedule.layout import IndexMap, Layout, apply_layout, layout_of
from compiler.schedule.marks import Marks
from compiler.schedule.trace import Trace, primitive
from compiler.suggest import unknown
from compiler.te.axis import IterVar
from compiler.te.recurrence import Recurrence
from compiler.te.tensor import Compute, Extern, Operation, Placeholder, Tensor


class Stage(Marks):
    """An operation in a schedule; `Loops` and `Marks` have the primitives on its loops and its marks.

    Attributes
    ----------
    op : Operation
        The operation. A cache replaces it by one that reads the cache.
    tensors : tuple of Tensor
        The tensors by which other stages refer to its results; they never change.
    key : str
        The name of the stage in the trace: that of the operation, with a number if it is not unique.
    attach : tuple of (Stage, IterVar) or None
        The loop of a consumer in which the stage is computed; None for the top level.
    inlined : bool
        Whether each read evaluates its expression, so that the stage has no loops.
    scope : str
        The memory of its buffer.
    layout : Layout or None
        The layout of its buffer; None for row-major order.
    tensorized : (IterVar, TensorIntrinsic) or None
        The outermost of the loops that an intrinsic replaces, and the intrinsic.
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
        """Replace the operation of the stage, and reset its loops."""
        self.op = op
        self.restart(_axes(op))

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the operation."""
        return self.op.name

    @property
    def tensor(self) -> Tensor:
        """The first of its tensors; most stages have only one."""
        return self.tensors[0]

    @property
    def computed(self) -> bool:
        """Whether the program computes its tensors, which are not inputs."""
        return not isinstance(self.op, Placeholder)

    @property
    def compute(self) -> Compute:
        """The operation of a stage, which must be a `Compute`."""
        assert isinstance(self.op, Compute)
        return self.op

    @primitive
    def compute_at(self, consumer: Stage, axis: IterVar) -> None:
        """Compute, in each iteration of a loop of a consumer, the elements that this iteration reads.

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
        """Evaluate the expression at each read instead of storing it.

        With ``s[B].compute_inline()``::

            for i in range(8):
                B[i] = A[i] + 1         ->   for i in range(8):
            for i in range(8):                   C[i] = (A[i] + 1) * 2
                C[i] = B[i] * 2
        """
        if self.output:
            raise ScheduleError(f"{self.name}: an output must be stored, so it cannot be inlined")
        if type(self.op) is not Compute or self.op.reduction is not None:
            what = _KINDS[type(self.op)]
            raise ScheduleError(f"{self.name}: {what} cannot be inlined; use compute_at")
        self.attach, self.inlined = None, True

    @primitive
    def compute_root(self) -> None:
        """Compute the whole tensor before its consumers, as by default.

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
        """Set the memory of the buffer.

        With ``s[B].set_scope("local")``::

            B = allocate(float32[8], "global")     ->   B = allocate(float32[8], "local")

        ``"global"`` is main memory, ``"local"`` the registers and the stack of a thread, ``"shared"`` memory
        of the threads of a block, ``"warp"`` memory of the threads of a warp; the memories of accelerators
        have dotted names, as ``"vta.acc"``. A stage in memory that threads share is computed for all of them,
        and allocated outside of their loops.
        """
        if self.output or not self.computed:
            raise ScheduleError(
                f"{self.name}: the caller allocates the memory of an input or output; use it on a cache"
            )
        check_scope(self.name, scope)
        self.scope = scope

    def transform_layout(self, index_map: IndexMap) -> list[IterVar]:
        """Change the order of the elements in memory, and traverse them in that order.

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
            From the indices of an element to those in memory. Each result must be an axis; ``c // n`` or
            ``c % n``, where both occur; or ``a * n + b`` where b has n values. The nested lists of a trace
            are accepted too.

        Returns
        -------
        list of IterVar
            The loops, one per index of the result.
        """
        self._check_layout()
        layout = layout_of(self, index_map)
        # on a copy first, so that an error leaves this stage unchanged
        apply_layout(Stage(self.op, False, Trace()), layout)
        recording, self.trace.recording = self.trace.recording, False
        axes = apply_layout(self, layout)
        self.trace.recording = recording
        self.layout = layout
        if recording:
            self.trace.add("transform_layout", self, [layout.as_json()], {})
        return axes

    transform_layout.is_primitive = True  # type: ignore[attr-defined]

    def _check_layout(self) -> None:
        if self.output or not self.computed:
            raise ScheduleError(
                f"{self.name}: the caller allocates the memory of an input or output; "
                "change the layout of a cache"
            )
        if not isinstance(self.op, Compute):
            raise ScheduleError(f"{self.name}: the statement of an extern determines where it stores")
        if isinstance(self.op, Recurrence):
            raise ScheduleError(
                f"{self.name}: transform_layout of a recurrence, whose steps have an order; change the "
                "layout of what it reads, or of a copy"
            )
        if not self.untouched or self.layout is not None:
            raise ScheduleError(
                f"{self.name}: transform_layout must come before the other primitives on the stage"
            )

    # --- intrinsics ---------------------------------------------------------------------------

    @primitive
    def tensorize(self, axis: IterVar, intrinsic: TensorIntrinsic) -> None:
        """Replace a loop and all loops in it by a declared intrinsic.

        With ``s[C].tensorize(i_inner, gemm)``::

            for i_outer, j_outer:                     for i_outer, j_outer:
                for i_inner, j_inner:                     gemm(region(A, ...), region(B, ...), region(C, ...))
                    C[...] = 0.0                 ->
                    for k:
                        C[...] += A[...] * B[...]

        If there are reduce loops outside, the ``reset`` of the intrinsic runs before them, and its ``update``
        in them. `lower` checks that the loops compute what the intrinsic computes.
        """
        self.check_leaf("tensorize", axis)
        if not isinstance(intrinsic, TensorIntrinsic):
            raise ScheduleError(
                f"{self.name}: tensorize takes an intrinsic of te.decl_tensor_intrin, "
                f"not {type(intrinsic).__name__}"
            )
        self._check_unmarked("tensorize", axis)
        if isinstance(self.op, Recurrence):
            raise ScheduleError(f"{self.name}: tensorize of a recurrence; tensorize what its steps read")
        if self.tensorized is not None:
            where, which = self.tensorized
            raise ScheduleError(f"{self.name}: tensorized at {where.name!r} already, with {which.name}")
        self.tensorized = (axis, intrinsic)
        self.kinds[axis] = "tensorize"

    def __repr__(self) -> str:
        return f"Stage({self.name}: {self._loops()})"


_KINDS = {
    Compute: "a reduction",
    Recurrence: "a recurrence",
    Placeholder: "an input",
    Extern: "an extern",
}


def _axes(op: Operation) -> list[IterVar]:
    return [*op.axis, *op.reduce_axis]


def check_scope(name: str, scope: str) -> None:
    """Raise `ScheduleError` unless `scope` is the name of a memory."""
    if not is_scope(scope):
        raise ScheduleError(f"{name}: " + unknown("scope", scope, SCOPES))


def names(tensors: Sequence[Tensor | Stage]) -> str:
    """The names of tensors or stages, for an error message."""
    return ", ".join(t.name for t in tensors)
