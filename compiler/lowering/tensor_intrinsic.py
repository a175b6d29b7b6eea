"""The declaration of tensor intrinsics: what they compute, and their implementation on each target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from compiler.errors import ScheduleError
from compiler.ir.expr import Buffer
from compiler.ir.function import Intrinsic, PrimFunc
from compiler.ir.relocate import with_buffers
from compiler.ir.scope import is_scope
from compiler.ir.stmt import Stmt
from compiler.lowering.nest import loop_nest, reduction_parts
from compiler.schedule.intrinsic import TensorIntrinsic
from compiler.schedule.schedule import create_schedule
from compiler.te.tensor import Compute, Operation, Placeholder, Tensor

Implementations = Mapping[str, Callable[..., Stmt]]


def decl_tensor_intrin(
    op: Operation | Tensor,
    implementations: Implementations | None = None,
    name: str = "intrin",
    *,
    reset: Implementations | None = None,
    update: Implementations | None = None,
    scopes: Mapping[Tensor, str] | None = None,
) -> TensorIntrinsic:
    """Declare an operation that targets provide as one instruction, for `Stage.tensorize`.

    Parameters
    ----------
    op : Operation
        The computation, of placeholders of fixed shape.
    implementations : mapping of str to callable, optional
        Kind of target -> ``(*regions) -> Stmt``, the statement that performs it there. It is called with one
        `compiler.ir.stmt.Region` per input of `op`, in the order in which they occur first, then one per
        output. A target without an implementation runs the loops of `op`.
    name : str
        An identifier.
    reset, update : mapping of str to callable, optional
        Implementations of the two parts of a reduction, for reductions with loops outside of the intrinsic:
        `reset` has the outputs as operands and sets them to the identity; `update` has all operands and adds
        terms to the outputs.
    scopes : mapping of Tensor to str, optional
        The memory in which an operand must be, as ``{A: "vta.inp"}``.

    Raises
    ------
    ScheduleError
        If `op` is not a computation of placeholders of fixed shape, or a name or a scope is invalid.

    Examples
    --------
    ::

        a, b = te.placeholder((4, 8), "a"), te.placeholder((8, 4), "b")
        k = te.reduce_axis((0, 8), "k")
        c = te.compute((4, 4), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), "c")
        gemm = te.decl_tensor_intrin(c.op, name="gemm")
        s[C].tensorize(i_inner, gemm)
    """
    declared = op.op if isinstance(op, Tensor) else op
    if not name.isidentifier():
        raise ScheduleError(f"the name of an intrinsic is an identifier, not {name!r}")
    if not isinstance(declared, Compute) or not all(isinstance(t.op, Placeholder) for t in declared.inputs):
        raise ScheduleError(f"{name}: a tensor intrinsic is declared by one te.compute of placeholders")
    tensors = [*declared.inputs, *declared.outputs]
    extents = [extent for t in tensors for extent in t.shape] + [a.extent for a in declared.reduce_axis]
    if not all(isinstance(extent, int) for extent in extents):
        raise ScheduleError(f"{name}: a tensor intrinsic must have a fixed shape, without dynamic extents")
    for tensor, scope in (scopes or {}).items():
        if tensor not in tensors or not is_scope(scope):
            raise ScheduleError(f"{name}: {scope!r} is not a memory for {tensor!r} of the intrinsic")

    def described(func: PrimFunc, params: list[Tensor]) -> PrimFunc:
        buffers = {
            old: Buffer(old.name, old.shape, old.dtype, (scopes or {}).get(tensor, "global"))
            for old, tensor in zip(func.params, params, strict=True)
        }
        return PrimFunc(func.name, tuple(buffers.values()), with_buffers(func.body, buffers))

    def intrinsic(func: PrimFunc, params: list[Tensor], does: Implementations | None) -> Intrinsic:
        return Intrinsic(func.name, described(func, params), dict(does or {}))

    schedule = create_schedule(declared)
    whole = intrinsic(loop_nest(schedule, tensors, name), tensors, implementations)
    if declared.reduction is None:
        if reset or update:
            raise ScheduleError(
                f"{name}: reset and update are the parts of a reduction, and it is not a reduction"
            )
        return TensorIntrinsic(name, declared, whole)
    first, rest = reduction_parts(schedule, declared, name)
    outputs: list[Any] = list(declared.outputs)
    return TensorIntrinsic(
        name, declared, whole, intrinsic(first, outputs, reset), intrinsic(rest, tensors, update)
    )
