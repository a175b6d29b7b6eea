"""Nested tuples of tensors: their types, and their leaves in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compiler.relay.language.types import TensorType, TupleType, Type

Nested = Any
"""A value for each tensor of a type: itself for a tensor, a tuple of them for a tuple."""


def tensor_types(type_: Type) -> Iterator[TensorType]:
    """The types of the tensors of a type, those of tuples in order.

    Raises
    ------
    ValueError
        If there is anything else in it than tensors and tuples.
    """
    if isinstance(type_, TensorType):
        yield type_
    elif isinstance(type_, TupleType):
        for part in type_.fields:
            yield from tensor_types(part)
    else:
        raise ValueError(f"{type_} is neither a tensor nor a tuple of tensors")


def is_static(type_: Type) -> bool:
    """Whether a type has tensors of known shape alone."""
    if isinstance(type_, TupleType):
        return all(map(is_static, type_.fields))
    return isinstance(type_, TensorType) and type_.concrete


def flat(value: Nested) -> Iterator[Any]:
    """The leaves of nested tuples, in order."""
    if isinstance(value, tuple):
        for part in value:
            yield from flat(part)
    else:
        yield value


def nested(type_: Type, leaves: Iterator[Any]) -> Nested:
    """Nested tuples of leaves in the form of a type."""
    if isinstance(type_, TupleType):
        return tuple(nested(part, leaves) for part in type_.fields)
    return next(leaves)
