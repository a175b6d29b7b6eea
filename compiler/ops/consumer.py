"""`Consumer`: what is computed from each element of an operator's result before it is stored.

An operator's template applies it where it stores its result, so that operators which follow need no further
pass over memory (TVM, arXiv 1802.04799, section 3). Unlike an `Epilogue` it is no parameter of the operator:
any chain of expressions that depend on one element of the result, and on other tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from compiler.ir.address import in_type
from compiler.ir.expr import Expr, Var, binary, const
from compiler.ir.visit import substitute, walk
from compiler.te.tensor import Compute, Placeholder, ReadRewriter, Tensor, TensorRead, reads_of

SIZE_LIMIT = 2000
"""Nodes of the expression of an element."""


@dataclass(frozen=True, slots=True, eq=False)
class Consumer:
    """An expression of one element of a result, its index, and elements of other tensors.

    Parameters
    ----------
    sources : tuple of Tensor
        What else is read, as the computation names it.
    inputs : tuple of Tensor
        For each source the placeholder that `body` reads: the source itself, or one with the same elements in
        the shape of the operator's output.
    value : Var
        The element of the result in `body`.
    axes : tuple of Var
        Its index in `body`.
    body : Expr
    """

    sources: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    value: Var
    axes: tuple[Var, ...]
    body: Expr

    @classmethod
    def of(cls, result: Tensor, output: Tensor, shape: Sequence[int] | None = None) -> Consumer | None:
        """Return what is computed from each element of one tensor to define another one.

        Parameters
        ----------
        result : Tensor
            What the operator computes.
        output : Tensor
            Computed from it, of the same shape.
        shape : sequence of int, optional
            The shape of the operator's output, if it is another one with the same elements in row-major
            order.

        Returns
        -------
        Consumer or None
            None if an element of the output depends on another element of the result, on a reduction, or is
            no plain expression.
        """
        if result.shape != output.shape or type(output.op) is not Compute:
            return None
        extents = _extents(output)
        if extents is None:
            return None
        body = _inlined(output, result)
        if body is None:
            return None
        shape = extents if shape is None else tuple(shape)
        own = tuple(a.var for a in output.op.axes)
        reads = list(reads_of([body]))
        # where the extent is one, an index may be 0 in place of the axis
        several = [d for d, extent in enumerate(extents) if extent != 1]

        def beside_result(read: TensorRead) -> bool:
            same = len(read.indices) == len(own)
            return same and all(read.indices[d] == own[d] for d in several)

        if any(read.tensor == result and not beside_result(read) for read in reads):
            return None
        axes = tuple(Var(f"i{d}", "int32") for d in range(len(shape)))
        value = Var("value", result.dtype)
        inputs: dict[Tensor, Tensor] = {}
        for source in dict.fromkeys(read.tensor for read in reads if read.tensor != result):
            beside = all(beside_result(read) for read in reads if read.tensor == source)
            moved = beside and source.shape == result.shape and shape != extents
            given = Placeholder(source.name, (shape,), (source.dtype,)) if moved else source.op
            inputs[source] = Tensor(given)

        def replace(read: TensorRead) -> Expr:
            if read.tensor == result:
                return value
            given = inputs[read.tensor]
            return read if given == read.tensor else TensorRead(given, axes)

        places = dict(zip(own, reshaped_index(shape, extents, axes), strict=True))
        places = {var: in_type(index, var.dtype) for var, index in places.items()}
        body = substitute(ReadRewriter(replace)(body), places)
        return cls(tuple(inputs), tuple(inputs.values()), value, axes, body)

    def apply(self, value: Expr, at: Sequence[Expr]) -> Expr:
        """Return the element of the output at an index of the operator's output, from the result's."""
        indices = {a: in_type(i, a.dtype) for a, i in zip(self.axes, at, strict=True)}
        return substitute(self.body, {self.value: value.astype(self.value.dtype), **indices})

    @property
    def dtype(self) -> str:
        """Type of the output."""
        return self.body.dtype

    @property
    def along(self) -> frozenset[int]:
        """The axes of the operator's output on which it depends apart from the result's element."""
        used = {node for node in walk(self.body) if type(node) is Var}
        return frozenset(d for d, axis in enumerate(self.axes) if axis in used)


class _Opaque(Exception):
    """A tensor that is no plain expression."""


def _extents(tensor: Tensor) -> tuple[int, ...] | None:
    """The shape of a tensor, unless an extent is dynamic."""
    fixed = all(isinstance(n, int) for n in tensor.shape)
    return tuple(int(n) for n in tensor.shape) if fixed else None  # type: ignore[arg-type]


def _inlined(output: Tensor, result: Tensor) -> Expr | None:
    """The element of `output` as an expression of elements of `result` and of placeholders."""
    elements: dict[TensorRead, Expr] = {}

    def read(node: TensorRead) -> Expr:
        op = node.tensor.op
        if node.tensor == result or type(op) is Placeholder:
            return node
        if type(op) is not Compute or op.reduction is not None:
            raise _Opaque
        if node not in elements:
            at = {a.var: in_type(i, a.var.dtype) for a, i in zip(op.axes, node.indices, strict=True)}
            elements[node] = rewriter(substitute(op.body[node.tensor.index], at))
        return elements[node]

    rewriter = ReadRewriter(read)
    assert isinstance(output.op, Compute)
    if output.op.reduction is not None:
        return None
    try:
        body: Expr = rewriter(output.op.body[output.index])
    except _Opaque:
        return None
    count = sum(1 for _ in walk(body))
    reads = any(read.tensor == result for read in reads_of([body]))
    return body if reads and count <= SIZE_LIMIT else None


def reshaped_index(shape: Sequence[int], other: Sequence[int], at: Sequence[Expr]) -> tuple[Expr, ...]:
    """Return the index in a tensor of shape `other` of the element that has index `at` in one of `shape`.

    Both have the same elements in row-major order.

    Raises
    ------
    ValueError
        If the numbers of elements differ.
    """
    if prod(shape) != prod(other):
        raise ValueError(f"the shapes {tuple(shape)} and {tuple(other)} have different numbers of elements")
    found: list[Expr] = []
    for given, wanted in _blocks(shape, other):
        around = [d for d in given if shape[d] > 1]
        place: Expr = at[around[0]] if around else const(0, "int32")
        for d in around[1:]:
            place = binary("+", binary("*", place, shape[d]), at[d])
        long = [d for d in wanted if other[d] > 1]
        rest: dict[int, Expr] = {}
        for d in reversed(long):
            rest[d] = place if d == long[0] else binary("%", place, other[d])
            place = binary("//", place, other[d])
        found += [rest.get(d, const(0, "int32")) for d in wanted]
    return tuple(found)


def _blocks(shape: Sequence[int], other: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """The smallest groups of axes of two shapes that have the same elements."""
    i = j = 0
    while i < len(shape) or j < len(other):
        given, wanted = list(range(i, min(i + 1, len(shape)))), list(range(j, min(j + 1, len(other))))
        while (a := prod(shape[d] for d in given)) != (b := prod(other[d] for d in wanted)):
            if a < b:
                given.append(i + len(given))
            else:
                wanted.append(j + len(wanted))
        yield given, wanted
        i, j = i + len(given), j + len(wanted)
