"""Kinds of types: whether an annotation is well formed, and names data types that exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiler.ir.dtype import SCALAR_TYPES
from compiler.relay.infer.unify import kind_of, parts
from compiler.relay.language.types import (
    AnyDim,
    FuncType,
    GlobalTypeVar,
    Kind,
    RefType,
    TensorType,
    TupleType,
    Type,
    TypeCall,
    TypeConstraint,
    TypeVar,
)
from compiler.suggest import unknown


def check_kinds(type_: Any, data_types: Mapping[GlobalTypeVar, Any], scope: Any = None) -> None:
    """Check that a type is well formed.

    Parameters
    ----------
    type_ : Type
    data_types : mapping of GlobalTypeVar to TypeData
        Those that exist.
    scope : container of TypeVar, optional
        The type parameters that may occur free; by default all.

    Raises
    ------
    ValueError
        If a part is of the wrong kind, a data type does not exist or has another number of arguments, or a
        type parameter is not in scope.
    """
    plain = type(type_) is TensorType and type_.concrete and type_.dtype in SCALAR_TYPES
    if plain and min(type_.dims, default=0) >= 0:
        return
    pending: list[tuple[Any, Kind, Any]] = [(type_, Kind.TYPE, scope)]
    while pending:
        part, needed, scope = pending.pop()
        if not isinstance(part, (Type, str, tuple, int, AnyDim)):
            raise ValueError(f"{part!r} is no type")
        if kind_of(part) is not needed:
            raise ValueError(
                f"in the type {type_}: {part} is of the kind {kind_of(part).value}; {needed.value} is needed"
            )
        if isinstance(part, TypeVar) and scope is not None and part not in scope:
            raise ValueError(f"in the type {type_}: the type parameter {part.name} is not in scope")
        if isinstance(part, FuncType) and part.type_params:
            scope = None if scope is None else {*scope, *part.type_params}
        if isinstance(part, str) and part not in SCALAR_TYPES:
            raise ValueError(f"in the type {type_}: {unknown('element type', part, SCALAR_TYPES)}")
        if isinstance(part, int) and part < 0:
            raise ValueError(f"in the type {type_}: the dimension {part} is negative")
        if isinstance(part, (TypeCall, GlobalTypeVar)):
            _check_data_type(type_, part, data_types)
        pending += _needed(part, scope)


def _check_data_type(whole: Any, part: Any, data_types: Mapping[GlobalTypeVar, Any]) -> None:
    name = part.name if isinstance(part, TypeCall) else part
    given = len(part.arguments) if isinstance(part, TypeCall) else 0
    if not isinstance(name, GlobalTypeVar):
        raise ValueError(f"in the type {whole}: {name} cannot have arguments")
    if name not in data_types:
        raise ValueError(
            f"in the type {whole}: {unknown('data type', name.name, [t.name for t in data_types])}"
        )
    count = len(data_types[name].type_vars)
    if count != given:
        raise ValueError(f"in the type {whole}: {name.name} has {count} arguments, not {given}")


def _needed(part: Any, scope: Any) -> list[tuple[Any, Kind, Any]]:
    """The parts of a type with the kinds that they must have."""
    if isinstance(part, tuple):
        return [(dim, Kind.SHAPE_VAR, scope) for dim in part]
    if isinstance(part, TensorType):
        return [(part.shape, Kind.SHAPE, scope), (part.dtype, Kind.BASE_TYPE, scope)]
    if isinstance(part, (TupleType, FuncType, RefType, TypeConstraint)):
        return [(below, Kind.TYPE, scope) for below in parts(part)]
    if isinstance(part, TypeCall):
        return [(below, kind_of(below), scope) for below in parts(part)]
    return []
