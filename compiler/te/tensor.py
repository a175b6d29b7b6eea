"""Tensors and the operations that define them: the nouns of the tensor-expression language.

An operation says what each element of its tensors is, never how or in which order
it is computed; that is the schedule's part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from compiler.ir.dtype import is_float, scalar_of
from compiler.ir.expr import Buffer, Expr, ExprLike, as_expr
from compiler.ir.stmt import Stmt
from compiler.ir.visit import Rewriter, walk
from compiler.te.axis import IterVar, Shape
from compiler.te.reducer import Reduction


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """What defines tensors. Two operations are equal only if identical.

    Parameters
    ----------
    name : str
    shapes, dtypes : tuple
        Of each tensor that the operation defines.
    inputs : tuple of Tensor
        Tensors that the operation reads, in the order of their first reading.
    """

    name: str
    shapes: tuple[Shape, ...]
    dtypes: tuple[str, ...]
    inputs: tuple[Tensor, ...] = ()

    @property
    def shape(self) -> Shape:
        """Of the first tensor."""
        return self.shapes[0]

    @property
    def dtype(self) -> str:
        """Of the first tensor."""
        return self.dtypes[0]

    @property
    def axis(self) -> tuple[IterVar, ...]:
        """The axes of the elements."""
        return ()

    @property
    def reduce_axis(self) -> tuple[IterVar, ...]:
        """The axes that are reduced over."""
        return ()

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The tensors that the operation defines."""
        return tuple(Tensor(self, index) for index in range(len(self.shapes)))

    def output(self, index: int = 0) -> Tensor:
        """One of the tensors that the operation defines."""
        return Tensor(self, index)

    def redirected(self, old: Tensor, new: Tensor) -> Operation:
        """The same operation with each reading of one tensor from another of its shape."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Placeholder(Operation):
    """A tensor given by the caller."""


@dataclass(frozen=True, slots=True, eq=False)
class Compute(Operation):
    """Tensors of one shape whose elements expressions give. Made by `Compute.of`.

    Parameters
    ----------
    axes : tuple of IterVar
        One data axis for each dimension.
    body : tuple of Expr
        For each tensor its element at ``axes``, or with a `reduction` the term of it.
    reduction : Reduction, optional
    """

    axes: tuple[IterVar, ...] = ()
    body: tuple[Expr, ...] = ()
    reduction: Reduction | None = None

    @classmethod
    def of(
        cls,
        name: str,
        axes: tuple[IterVar, ...],
        body: tuple[Expr, ...],
        reduction: Reduction | None = None,
    ) -> Compute:
        """An operation with the shapes, types and inputs that follow from its axes and expressions."""
        exprs = body if reduction is None or reduction.condition is None else (*body, reduction.condition)
        inputs = tuple(dict.fromkeys(read.tensor for read in reads_of(exprs)))
        shape = tuple(a.extent for a in axes)
        dtypes = tuple(e.dtype for e in body)
        return cls(name, (shape,) * len(body), dtypes, inputs, axes, body, reduction)

    @property
    def axis(self) -> tuple[IterVar, ...]:
        return self.axes

    @property
    def reduce_axis(self) -> tuple[IterVar, ...]:
        return () if self.reduction is None else self.reduction.axes

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """All expressions: the body, and the condition of a reduction."""
        if self.reduction is None or self.reduction.condition is None:
            return self.body
        return (*self.body, self.reduction.condition)

    def rewritten(
        self, rewrite: Callable[[Expr], Expr], name: str = "", axes: tuple[IterVar, ...] = ()
    ) -> Compute:
        """The same operation with other expressions; under another name, or along other axes, if told."""
        reduction = self.reduction
        if reduction is not None and reduction.condition is not None:
            reduction = Reduction(reduction.reducer, reduction.axes, rewrite(reduction.condition))
        return Compute.of(name or self.name, axes or self.axes, tuple(map(rewrite, self.body)), reduction)

    def redirected(self, old: Tensor, new: Tensor) -> Compute:
        return self.rewritten(lambda expr: redirect(expr, old, new))


@dataclass(frozen=True, slots=True, eq=False)
class Extern(Operation):
    """Tensors that a statement stores.

    Parameters
    ----------
    in_buffers, out_buffers : tuple of Buffer
        What the statement knows the inputs and the outputs by.
    statement : Stmt
    """

    in_buffers: tuple[Buffer, ...] = ()
    out_buffers: tuple[Buffer, ...] = ()
    statement: Stmt | None = None

    def redirected(self, old: Tensor, new: Tensor) -> Extern:
        inputs = tuple(new if tensor == old else tensor for tensor in self.inputs)
        return Extern(
            self.name, self.shapes, self.dtypes, inputs, self.in_buffers, self.out_buffers, self.statement
        )


@dataclass(frozen=True, slots=True)
class Tensor:
    """A dense array that an operation defines. Indexing it makes an expression."""

    op: Operation
    index: int = 0

    @property
    def name(self) -> str:
        """Name of the operation, with a number where it defines several tensors."""
        return self.op.name if len(self.op.shapes) == 1 else f"{self.op.name}_v{self.index}"

    @property
    def shape(self) -> Shape:
        """Extents, outermost first."""
        return self.op.shapes[self.index]

    @property
    def dtype(self) -> str:
        """Type of an element."""
        return self.op.dtypes[self.index]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __getitem__(self, indices: ExprLike | tuple[ExprLike, ...]) -> Expr:
        if not isinstance(indices, tuple):
            indices = (indices,)
        if len(indices) != self.ndim:
            raise ValueError(
                f"{self.name} has {self.ndim} dimension(s) {list(self.shape)}, "
                f"but {len(indices)} index(es) were given"
            )
        exprs = tuple(as_expr(index) for index in indices)
        for position, index in enumerate(exprs):
            if is_float(index.dtype) or scalar_of(index.dtype) == "bool":
                raise ValueError(f"index {position} of {self.name} is {index.dtype}; an integer is needed")
        return TensorRead(self, exprs)

    def __call__(self, *indices: ExprLike) -> Expr:
        return self[indices]

    def __iter__(self) -> NoReturn:
        # without this, Python would index with 0, 1, ... and never end
        raise TypeError(f"{self.name} is no sequence: index it, or put tensors in a list")

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class TensorRead(Expr):
    """An element of a tensor."""

    tensor: Tensor
    indices: tuple[Expr, ...]

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.tensor.dtype


def reads_of(exprs: Iterable[Expr]) -> Iterator[TensorRead]:
    """Every reading of a tensor in expressions."""
    return (node for expr in exprs for node in walk(expr) if type(node) is TensorRead)


def redirect(expr: Expr, old: Tensor, new: Tensor) -> Expr:
    """`expr` with each reading of one tensor from another of its shape."""
    return ReadRewriter(lambda read: TensorRead(new, read.indices) if read.tensor == old else read)(expr)


class ReadRewriter(Rewriter):
    """Each reading of a tensor, its indices rewritten before, becomes another expression."""

    def __init__(self, rewrite: Callable[[TensorRead], Expr]) -> None:
        self.rewrite = rewrite

    rules = {TensorRead: lambda self, node: self.rewrite(self.descend(node))}
