"""Externs: tensors whose elements a user-defined statement stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from compiler.ir.expr import Buffer
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Allocate, Stmt
from compiler.ir.visit import walk
from compiler.te.guard import guarded_statement
from compiler.te.mathematics import known_dtype
from compiler.te.size import checked_shape
from compiler.te.tensor import Extern, Tensor


def extern(
    shape: Sequence[Any],
    inputs: Sequence[Tensor],
    fcompute: Callable[[list[Buffer], list[Buffer]], Stmt] | PrimFunc,
    name: str = "extern",
    dtype: str | Sequence[str] | None = None,
) -> Any:
    """Tensors whose elements a user-defined statement stores, where `compute` cannot express them.

    Parameters
    ----------
    shape : sequence of int or Var, or sequence of such sequences
        The shape of the tensor, or a list of the shapes of several.
    inputs : sequence of Tensor
        The tensors that the program reads.
    fcompute : callable or PrimFunc
        ``fcompute(ins, outs)`` returns the statement over the buffers of `inputs` and of the new tensors; or
        a function with these parameters in this order, such as `compiler.ir.text.parse_function` returns.
    name : str
    dtype : str or sequence of str, optional
        The type of each tensor; by default that of the inputs.

    Returns
    -------
    Tensor or tuple of Tensor

    Raises
    ------
    ValueError
        If the type is not given and the inputs have several, the program does not fit the tensors, or it
        accesses one outside of its shape.
    """
    several = any(isinstance(item, (tuple, list)) for item in shape)
    shapes = tuple(checked_shape(item, name) for item in (shape if several else [shape]))
    if dtype is None:
        types = sorted({tensor.dtype for tensor in inputs})
        if len(types) != 1:
            raise ValueError(f"{name!r}: the inputs have the types {types}; give the dtype of the outputs")
        dtype = types[0]
    dtypes = (dtype,) * len(shapes) if isinstance(dtype, str) else tuple(dtype)
    if len(dtypes) != len(shapes):
        raise ValueError(f"{name!r} has {len(shapes)} shape(s), but {len(dtypes)} dtype(s)")
    for one in dtypes:
        known_dtype(one)
    outer = [(t.name, t.shape, t.dtype) for t in inputs]
    outer += [(f"{name}_v{n}", *spec) for n, spec in enumerate(zip(shapes, dtypes, strict=True))]
    if isinstance(fcompute, PrimFunc):
        buffers = list(fcompute.params)
        given = [(b.shape, b.dtype) for b in buffers]
        if given != [spec[1:] for spec in outer]:
            raise ValueError(
                f"{name!r}: {fcompute.name} takes {buffers}, but inputs and outputs are "
                f"{[f'{d}{list(s)}' for _, s, d in outer]}"
            )
        statement = fcompute.body
    else:
        buffers = [Buffer(*spec) for spec in outer]
        statement = fcompute(buffers[: len(inputs)], buffers[len(inputs) :])
    if not isinstance(statement, Stmt):
        raise ValueError(f"{name!r}: its function returned {type(statement).__name__}; a statement is needed")
    allocated = {node.buffer for node in walk(statement) if type(node) is Allocate}
    for node in walk(statement):
        buffer = getattr(node, "buffer", None)
        if buffer is not None and buffer not in allocated and buffer not in buffers:
            raise ValueError(
                f"{name!r} uses {buffer!r}, which is neither an input nor an output, and not allocated in it"
            )
    statement = guarded_statement(name, statement)
    ins, outs = tuple(buffers[: len(inputs)]), tuple(buffers[len(inputs) :])
    op = Extern(name, shapes, dtypes, tuple(inputs), ins, outs, statement)
    return op.output() if len(shapes) == 1 else op.outputs
