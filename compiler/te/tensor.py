"""Tensors and the operations that define them.

An operation defines the elements of its tensors. How and in which order they are computed is defined by the
schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from compiler.ir.address import widened
from compiler.ir.compare import by_structure
from compiler.ir.dtype import is_float, scalar_of
from compiler.ir.expr import Buffer, Expr, ExprLike, as_expr
from compiler.ir.stmt import Stmt
from compiler.ir.visit import Rewriter, walk
from compiler.te.axis import IterVar, Shape
from compiler.te.reducer import Reduction


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """The definition of one or more tensors. An operation is equal only to itself.

    Parameters
    ----------
    name : str
    shapes, dtypes : tuple
        Those of each tensor that the operation defines.
    inputs : tuple of Tensor
        Tensors that the operation reads, in the order in which they occur first.
    """

    name: str
    shapes: tuple[Shape, ...]
    dtypes: tuple[str, ...]
    inputs: tuple[Tensor, ...] = ()

    @property
    def shape(self) -> Shape:
        """The shape of the first tensor."""
        return self.shapes[0]

    @property
    def dtype(self) -> str:
        """The type of the first tensor."""
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
        """The same operation, reading the tensor `new` of the same shape in place of `old`."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Placeholder(Operation):
    """A tensor that the caller of the program passes."""


@dataclass(frozen=True, slots=True, eq=False)
class Compute(Operation):
    """Tensors of one shape whose elements are defined by expressions. Made by `Compute.of`.

    Parameters
    ----------
    axes : tuple of IterVar
        One data axis for each dimension.
    body : tuple of Expr
        For each tensor the element at ``axes``; with a `reduction`, the term that is reduced.
    reduction : Reduction, optional
    doubtful : tuple of Site
        The indices of reads that are not proved to be inside (`compiler.te.guard`).
    """

    axes: tuple[IterVar, ...] = ()
    body: tuple[Expr, ...] = ()
    reduction: Reduction | None = None
    doubtful: tuple[Any, ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        axes: tuple[IterVar, ...],
        body: tuple[Expr, ...],
        reduction: Reduction | None = None,
    ) -> Compute:
        """An operation; its shapes, types and inputs follow from the axes and the expressions."""
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
    def dims(self) -> tuple[IterVar | None, ...]:
        """For each dimension of the tensors the data axis along it; None where there is no such axis."""
        return self.axes

    @property
    def sequence(self) -> tuple[IterVar, ...]:
        """The axes whose iterations run in order, each after all earlier ones."""
        return ()

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """All expressions: the body, and the condition of the reduction if there is one."""
        if self.reduction is None or self.reduction.condition is None:
            return self.body
        return (*self.body, self.reduction.condition)

    def rewritten(
        self, rewrite: Callable[[Expr], Expr], name: str = "", axes: tuple[IterVar, ...] = ()
    ) -> Compute:
        """The same operation with rewritten expressions, and optionally with another name and other axes."""
        reduction = self.reduction
        if reduction is not None and reduction.condition is not None:
            reduction = Reduction(reduction.reducer, reduction.axes, rewrite(reduction.condition))
        return Compute.of(name or self.name, axes or self.axes, tuple(map(rewrite, self.body)), reduction)

    def redirected(self, old: Tensor, new: Tensor) -> Compute:
        return self.rewritten(lambda expr: redirect(expr, old, new))


@dataclass(frozen=True, slots=True, eq=False)
class Extern(Operation):
    """Tensors whose elements a statement stores.

    Parameters
    ----------
    in_buffers, out_buffers : tuple of Buffer
        The buffers of the inputs and the outputs in the statement.
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
        return TensorRead(self, tuple(map(widened, exprs)))

    def __call__(self, *indices: ExprLike) -> Expr:
        return self[indices]

    def __iter__(self) -> NoReturn:
        # without this, Python would iterate by indexing with 0, 1, ... without end
        raise TypeError(f"{self.name} is not a sequence: index it, or put tensors in a list")

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


@by_structure
@dataclass(frozen=True, slots=True)
class TensorRead(Expr):
    """An element of a tensor."""

    tensor: Tensor
    indices: tuple[Expr, ...]

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.tensor.dtype


def reads_of(exprs: Iterable[Expr]) -> Iterator[TensorRead]:
    """Every read of a tensor in expressions."""
    return (node for expr in exprs for node in walk(expr) if type(node) is TensorRead)


def redirect(expr: Expr, old: Tensor, new: Tensor) -> Expr:
    """`expr`, reading the tensor `new` of the same shape in place of `old`."""
    return ReadRewriter(lambda read: TensorRead(new, read.indices) if read.tensor == old else read)(expr)


class ReadRewriter(Rewriter):
    """Replaces each read of a tensor by what `rewrite` returns for it; its indices are rewritten first."""

    def __init__(self, rewrite: Callable[[TensorRead], Expr]) -> None:
        self.rewrite = rewrite

    rules = {TensorRead: lambda self, node: self.rewrite(self.descend(node))}
