"""Type relations that operators share: forward rules, broadcasting, identity.

A relation is given the types of the arguments and of the result as far as they are known, and a solver. It
unifies what follows, and returns whether nothing is left to find; the solver calls it again when one of its
types is better known (Relay, arXiv 1810.00952, section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from compiler.relay.language.attributes import Attrs
from compiler.relay.language.op import Relation
from compiler.relay.language.types import (
    ANY,
    AnyDim,
    Dim,
    IncompleteType,
    TensorType,
    TupleType,
    Type,
)


class Unifier(Protocol):
    """What a relation may call."""

    def unify(self, a: Any, b: Any) -> Any:
        """Make two types equal, finding what is unknown in them; ValueError if that is impossible."""
        ...


def known(type_: Any) -> bool:
    """Whether nothing that an operator's rule reads is left to find in a type; `ANY` counts as known."""
    if isinstance(type_, TensorType):
        shape = type_.shape
        if not isinstance(shape, tuple) or isinstance(type_.dtype, IncompleteType):
            return False
        return not any(isinstance(dim, IncompleteType) for dim in shape)
    if isinstance(type_, TupleType):
        return all(map(known, type_.fields))
    return not isinstance(type_, IncompleteType)


def forward(rule: Callable[..., Type]) -> Relation:
    """The relation of a function ``rule(attrs, *types) -> type``, applied when all arguments are known.

    `rule` raises ValueError, saying what does not fit and what would. A dimension that it reads may be `ANY`.
    """

    def relation(types: Sequence[Type], attrs: Attrs, solver: Unifier) -> bool:
        *given, result = types
        if not all(map(known, given)):
            return False
        solver.unify(result, rule(attrs, *given))
        return True

    return relation


def tensor(type_: Any, what: str = "the argument") -> TensorType:
    """A type that must be a tensor's, of known rank.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(type_, TensorType) or not isinstance(type_.shape, tuple):
        raise ValueError(f"{what} is {type_}; a tensor is needed")
    return type_


def rank(type_: TensorType) -> int:
    """Number of dimensions of a tensor type of known rank."""
    assert isinstance(type_.shape, tuple)
    return len(type_.shape)


def normalized_axis(axis: int, count: int, what: str = "axis") -> int:
    """An axis counted from the front.

    Raises
    ------
    ValueError
        If there is no such axis.
    """
    if not -count <= axis < max(count, 1):
        raise ValueError(f"{what} is {axis}; a tensor of rank {count} has axes {-count} to {count - 1}")
    return axis % max(count, 1)


def broadcast_dim(a: Dim, b: Dim) -> Dim | None:
    """The dimension of an elementwise result; None if the two do not fit."""
    if a is b or a == b:
        return a
    if a == 1:
        return b
    if b == 1:
        return a
    if isinstance(a, AnyDim):
        return b
    if isinstance(b, AnyDim):
        return a
    return None


def broadcast_shapes(a: Sequence[Dim], b: Sequence[Dim]) -> tuple[Dim, ...]:
    """The shape of an elementwise result, by NumPy's rule. Unknown dimensions fit everything.

    Raises
    ------
    ValueError
        If two dimensions differ and neither is 1.
    """
    count = max(len(a), len(b))
    left, right = (1,) * (count - len(a)) + tuple(a), (1,) * (count - len(b)) + tuple(b)
    dims = [broadcast_dim(x, y) for x, y in zip(left, right, strict=True)]
    if any(dim is None for dim in dims):
        raise ValueError(f"the shapes {shape_text(a)} and {shape_text(b)} cannot be broadcast")
    return tuple(dims)  # type: ignore[arg-type]


def shape_text(shape: Sequence[Dim]) -> str:
    """A shape as messages show it."""
    dims = [d.name if hasattr(d, "name") else str(d) for d in shape]
    return f"({', '.join(dims)}{',' if len(dims) == 1 else ''})"


def same_dtype(*types: TensorType) -> Any:
    """The element type that all have.

    Raises
    ------
    ValueError
        If they differ.
    """
    first = types[0].dtype
    for other in types[1:]:
        if other.dtype != first:
            raise ValueError(f"the element types {first} and {other.dtype} differ; cast one of them")
    return first


def broadcast(dtype: str | None = None) -> Relation:
    """The relation of an elementwise operator on operands that are broadcast.

    Parameters
    ----------
    dtype : str, optional
        Element type of the result; by default that of the operands, which is one and the same.
    """

    def rule(attrs: Attrs, *given: Any) -> Type:
        operands = [tensor(t) for t in given]
        shape: tuple[Dim, ...] = ()
        for operand in operands:
            shape = broadcast_shapes(shape, operand.shape)  # type: ignore[arg-type]
        return TensorType(shape, dtype or same_dtype(*operands))

    by_rule = forward(rule)

    def relation(types: Sequence[Type], attrs: Attrs, solver: Unifier) -> bool:
        # the element type is one, whichever operand shows it first
        tensors = [t for t in types[:-1] if isinstance(t, TensorType)]
        for other in tensors[1:]:
            if isinstance(other.dtype, IncompleteType) or isinstance(tensors[0].dtype, IncompleteType):
                solver.unify(tensors[0].dtype, other.dtype)
        return by_rule(types, attrs, solver)

    return relation


def identity(types: Sequence[Type], attrs: Attrs, solver: Unifier) -> bool:
    """All arguments and the result have one type, whichever is known first."""
    for other in types[1:]:
        solver.unify(types[0], other)
    return True


def static(type_: TensorType, what: str) -> tuple[int, ...]:
    """The dimensions of a tensor whose shape a rule needs as numbers.

    Raises
    ------
    ValueError
        If one is not static.
    """
    if not type_.concrete:
        raise ValueError(f"the shape of {what} is {type_}; a static shape is needed")
    return type_.dims


__all__ = [
    "ANY",
    "Unifier",
    "broadcast",
    "broadcast_dim",
    "broadcast_shapes",
    "forward",
    "identity",
    "known",
    "normalized_axis",
    "rank",
    "same_dtype",
    "shape_text",
    "static",
    "tensor",
]
