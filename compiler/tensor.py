"""Tensors and the operations that define them: the nouns of the tensor-expression language.

An operation says what each element of its tensor is, never how or in which order
it is computed; that is the schedule's part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from compiler.ir.expr import INDEX, Const, Expr, ExprLike, Var, as_expr, binary, is_float, scalar_of
from compiler.ir.visit import register, walk


@dataclass(frozen=True, slots=True, eq=False)
class IterVar(Expr):
    """An axis of an operation or of a schedule: a variable and the number of values it takes.

    Parameters
    ----------
    var : Var
    extent : int
        The axis runs over ``0 .. extent - 1``.
    kind : str
        ``"data"`` for an axis of the output, ``"reduce"`` for one that is summed over.
    """

    var: Var
    extent: int
    kind: str = "data"

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return INDEX

    @property
    def name(self) -> str:
        """Name of the variable."""
        return self.var.name

    def as_expr(self) -> Var:
        """The variable: what an axis means inside an expression."""
        return self.var

    def __repr__(self) -> str:
        return f"{self.kind} axis {self.name}({self.extent})"


@dataclass(frozen=True, slots=True)
class Reducer:
    """An associative, commutative operation with an identity element.

    Parameters
    ----------
    name : str
    op : str
        The binary operator of `compiler.ir.expr.ARITHMETIC` that combines two values.
    identity : callable
        From a dtype to the number that leaves every value unchanged.
    """

    name: str
    op: str
    identity: Callable[[str], float]

    def combine(self, a: Expr, b: Expr) -> Expr:
        """One step of the reduction."""
        return binary(self.op, a, b)

    def initial(self, dtype: str) -> Const:
        """The value that a reduction starts from."""
        value = self.identity(dtype)
        return Const(float(value) if is_float(dtype) else int(value), dtype)


def _lowest(dtype: str) -> float:
    return -np.inf if is_float(dtype) else int(np.iinfo(dtype).min)


def _highest(dtype: str) -> float:
    return np.inf if is_float(dtype) else int(np.iinfo(dtype).max)


SUM = Reducer("sum", "+", lambda dtype: 0)
PROD = Reducer("prod", "*", lambda dtype: 1)
MAX = Reducer("max", "max", _lowest)
MIN = Reducer("min", "min", _highest)


@dataclass(frozen=True, slots=True)
class Reduce(Expr):
    """A reduction of `source` over `axes`; only as the whole body of an operation."""

    reducer: Reducer
    source: Expr
    axes: tuple[IterVar, ...]

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.source.dtype


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """What defines a tensor. Two operations are equal only if identical."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    axis: tuple[IterVar, ...] = ()

    @property
    def reduce_axis(self) -> tuple[IterVar, ...]:
        """The axes that are reduced over."""
        return ()

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Tensors that the operation reads, in the order of their first reading."""
        return ()

    def output(self) -> Tensor:
        """The tensor that the operation defines."""
        return Tensor(self)


@dataclass(frozen=True, slots=True, eq=False)
class Placeholder(Operation):
    """A tensor given by the caller."""


@dataclass(frozen=True, slots=True, eq=False)
class Compute(Operation):
    """A tensor whose elements an expression gives.

    Parameters
    ----------
    axis : tuple of IterVar
        One data axis for each dimension.
    body : Expr
        The element at ``axis``; a `Reduce` for a reduction.
    """

    body: Expr = field(kw_only=True)

    @property
    def reduce_axis(self) -> tuple[IterVar, ...]:
        return self.body.axes if isinstance(self.body, Reduce) else ()

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return tuple(dict.fromkeys(read.tensor for read in reads_of(self.body)))


@dataclass(frozen=True, slots=True)
class Tensor:
    """A dense array that an operation defines. Indexing it makes an expression."""

    op: Operation

    @property
    def name(self) -> str:
        """Name of the operation."""
        return self.op.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents, outermost first."""
        return self.op.shape

    @property
    def dtype(self) -> str:
        """Type of an element."""
        return self.op.dtype

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


def reads_of(body: Expr) -> Iterator[TensorRead]:
    """Every reading of a tensor in `body`."""
    return (node for node in walk(body) if type(node) is TensorRead)


def _rebuild_reduce(node: Any, new: tuple[Any, ...]) -> Reduce:
    return Reduce(node.reducer, new[0], node.axes)


register(TensorRead, lambda n: n.indices, lambda n, c: TensorRead(n.tensor, c))
register(Reduce, lambda n: (n.source,), _rebuild_reduce)
