"""The primitives that mark loops and buffers, for a pass or a target."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from compiler.errors import ScheduleError
from compiler.ir.stmt import Pragma
from compiler.schedule.loops import Loops
from compiler.schedule.trace import Trace, primitive
from compiler.te.axis import IterVar, ThreadAxis
from compiler.te.recurrence import Recurrence
from compiler.te.tensor import Compute, Operation, Tensor

Alignment = tuple[int, int]
"""``(factor, offset)``: a stride is `offset` more than a multiple of `factor`."""


class Marks(Loops):
    """The loops and the buffer of a stage, with their marks.

    Attributes
    ----------
    buffer_pragmas : list of (str, value)
        Options of the allocation of the buffer for passes and targets.
    alignments : dict of IterVar to (int, int)
        The required strides along axes, ``(factor, offset)``.
    """

    op: Operation
    output: bool
    inlined: bool

    def __init__(self, axes: list[IterVar], trace: Trace) -> None:
        self.buffer_pragmas: list[Pragma] = []
        self.alignments: dict[IterVar, Alignment] = {}
        super().__init__(axes, trace)

    @primitive
    def bind(self, axis: IterVar, thread: ThreadAxis) -> None:
        """Bind a loop to the threads or the blocks of a GPU, or to virtual threads.

        With ``s[C].bind(i, te.thread_axis("threadIdx.x"))``::

            for i in range(64):      ->   for i in bind(64, "threadIdx.x"):
                C[i] = A[i]                   C[i] = A[i]

        With ``te.thread_axis("vthread")`` the iterations are interleaved in one thread, each with separate
        buffers (see `compiler.passes.inject_vthread`)::

            for i in range(2):            for i in vthread(2):          for k in range(8):
                for k in range(8):   ->       for k in range(8):   ->       C[k] = A[k]
                    C[i, k] = A[i, k]             C[i, k] = A[i, k]         C[k + 8] = A[k + 8]

        A loop of a stage in shared memory may be bound to the threads that compute its consumer: each thread
        executes some iterations, and a barrier follows.
        """
        if not isinstance(thread, ThreadAxis):
            raise ScheduleError(
                f'{self.name}: bind takes an axis of threads, te.thread_axis("threadIdx.x"), not {thread!r}'
            )
        self.check_leaf("bind", axis)
        if thread.extent is not None and thread.extent != axis.extent:
            raise ScheduleError(
                f"{self.name}: {axis.name!r} has {axis.extent} iterations, but {thread.tag} has "
                f"{thread.extent} threads; split it by that number and bind the inner loop"
            )
        bound = {self.kinds.get(other): other for other in self.leaf}
        if thread.tag != "vthread" and thread.tag in bound:
            raise ScheduleError(
                f"{self.name}: {bound[thread.tag].name!r} is bound to {thread.tag} already; "
                "fuse the two loops, or use another tag"
            )
        self._mark(thread.tag, axis)

    @primitive
    def pragma(self, axis: IterVar, key: str, value: int | str | bool = True) -> None:
        """Set an option of a loop for a pass or a target.

        With ``s[C].pragma(i, "auto_unroll", 16)``::

            for i in range(64):      ->   for i in range(64, pragmas={"auto_unroll": 16}):
                C[i] = A[i]                   C[i] = A[i]

        The passes read ``auto_unroll`` (`compiler.passes.unroll`), ``dma_copy``
        (`compiler.passes.inject_copy`) and ``pipeline_stage`` (`compiler.passes.inject_tokens`); targets may
        read others.
        """
        self.check_leaf("pragma", axis)
        if not isinstance(key, str) or not key.isidentifier():
            raise ScheduleError(f"{self.name}: the key of a pragma is an identifier, not {key!r}")
        if not isinstance(value, (bool, int, str)):
            raise ScheduleError(
                f"{self.name}: the pragma {key!r} is {value!r}; it can be an integer, a string or a bool"
            )
        if any(key == known for known, _ in self.pragmas.get(axis, ())):
            raise ScheduleError(f"{self.name}: {axis.name!r} has the pragma {key!r} already")
        self._add_pragmas("pragma", axis, (key, value))

    @primitive
    def prefetch(self, tensor: Tensor, axis: IterVar, offset: int = 1) -> None:
        """Prefetch, in each iteration of a loop, the elements of a tensor that a later iteration reads.

        With ``s[C].prefetch(A, i, 2)``::

            for i in range(64):                    for i in range(64):
                for j in range(16):          ->        prefetch(A[i + 2, 0])
                    C[i, j] = A[i, j]                  for j in range(16):
                                                           C[i, j] = A[i, j]

        Parameters
        ----------
        tensor : Tensor
        axis : IterVar
        offset : int
            The number of iterations ahead.
        """
        self.check_leaf("prefetch", axis)
        if not isinstance(tensor, Tensor):
            raise ScheduleError(f"{self.name}: prefetch takes a tensor, not {type(tensor).__name__}")
        if isinstance(offset, bool) or not isinstance(offset, int) or offset < 1:
            raise ScheduleError(
                f"{self.name}: prefetch of {tensor.name} {offset!r} iterations ahead; a positive "
                "integer is needed"
            )
        self._add_pragmas("prefetch", axis, (f"prefetch:{tensor.name}", offset))

    @primitive
    def double_buffer(self) -> None:
        """Fill the buffer for the next iteration while the current iteration reads it.

        With ``s[B].compute_at(s[C], i); s[B].double_buffer()``::

            for i in range(8):                 B = allocate([8])
                B = allocate([4])              for j in range(4):
                for j in range(4):                 B[j] = ...
                    B[j] = ...          ->     for i in range(8):
                for j in range(4):                 if i + 1 < 8:
                    C[i, j] = B[j]                     for j in range(4):
                                                           B[(i + 1) % 2 * 4 + j] = ...
                                                   for j in range(4):
                                                       C[i, j] = B[i % 2 * 4 + j]

        See `compiler.passes.inject_double_buffer`.
        """
        self._check_allocated("double_buffer")
        if isinstance(self.op, Recurrence):
            raise ScheduleError(f"{self.name}: double_buffer of a recurrence, whose steps read its memory")
        if ("double_buffer", True) in self.buffer_pragmas:
            raise ScheduleError(f"{self.name}: it has a double buffer already")
        self.buffer_pragmas.append(("double_buffer", True))

    @primitive
    def storage_align(self, axis: IterVar, factor: int, offset: int = 0) -> None:
        """Pad the buffer so that the stride along an axis is a multiple of `factor`, plus `offset`.

        With ``s[B].storage_align(i, 8, 1)``, which avoids bank conflicts of threads::

            B = allocate([4, 8])     ->   B = allocate([4, 9])

        The padding is at the end of the next axis.

        Parameters
        ----------
        axis : IterVar
            A data axis of the operation, but not the last one, whose stride is one.
        factor, offset : int
            In elements.
        """
        self._check_allocated("storage_align")
        axes = self.op.dims if isinstance(self.op, Compute) else ()
        if axis is None or axis not in axes[:-1]:
            given = axis.name if isinstance(axis, IterVar) else repr(axis)
            raise ScheduleError(
                f"{self.name}: storage_align of {given!r}; it takes an axis of the operation with another "
                f"one behind it ({', '.join(a.name for a in axes[:-1] if a is not None) or 'there is none'})"
            )
        if not all(isinstance(n, int) and not isinstance(n, bool) for n in (factor, offset)):
            raise ScheduleError(f"{self.name}: storage_align by {factor!r}, {offset!r}; integers are needed")
        if factor < 1 or not 0 <= offset < factor:
            raise ScheduleError(
                f"{self.name}: storage_align by {factor}, {offset}; a positive factor and an offset below it "
                "are needed"
            )
        self.alignments[axis] = (factor, offset)

    def _check_allocated(self, primitive: str) -> None:
        if self.output or not isinstance(self.op, Compute):
            raise ScheduleError(
                f"{self.name}: {primitive} of an input or output, whose memory the caller allocates; "
                "use it on a cache"
            )
        if self.inlined:
            raise ScheduleError(f"{self.name}: {primitive} of an inlined stage, which has no buffer")


def aligned(
    name: str, shape: Sequence[int], axes: Sequence[IterVar | None], wanted: dict[IterVar, Alignment]
) -> tuple[int, ...]:
    """`shape` padded until the stride of each axis of `wanted` is as required.

    Raises
    ------
    ScheduleError
        If the extents of the inner axes have a divisor that the offset does not have.
    """
    grown = list(shape)
    for d in reversed(range(len(grown) - 1)):
        axis = axes[d]
        if axis is None or axis not in wanted:
            continue
        factor, offset = wanted[axis]
        inner = prod(grown[d + 2 :])
        more = next((n for n in range(factor) if ((grown[d + 1] + n) * inner - offset) % factor == 0), None)
        if more is None:
            raise ScheduleError(
                f"{name}: no stride of {axis.name!r} is a multiple of {factor} plus {offset}, since its "
                f"inner axes have {inner} elements; align the next inner axis first"
            )
        grown[d + 1] += more
    return tuple(grown)
