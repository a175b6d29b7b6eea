"""Types as text: ``Tensor[(3, ?), float32]``, ``List[(float32, ())]``, ``Ref[_]``, functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from compiler.ir.dtype import SCALAR_TYPES
from compiler.ir.recursion import recursive
from compiler.relay.language.types import (
    AnyDim,
    FuncType,
    GlobalTypeVar,
    IncompleteType,
    Kind,
    RefType,
    TensorType,
    TupleType,
    Type,
    TypeCall,
    TypeConstraint,
    TypeVar,
)
from compiler.relay.notation.literals import NAME, attribute_text

RESERVED = frozenset(SCALAR_TYPES) | {"Tensor", "Ref", "fn", "where"}
"""Names that no type parameter and no data type has."""


class TypeNames:
    """Names of type parameters and holes, different from one another and from the data types."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken) | RESERVED
        self.names: dict[Any, str] = {}

    def of(self, var: TypeVar) -> str:
        """The name of a type parameter."""
        found = self.names.get(var)
        if found is None:
            base = var.name if NAME.fullmatch(var.name) and not var.name.startswith("_") else "T"
            found = unused(base, self.taken)
            self.names[var] = found
            self.taken.add(found)
        return found

    def hole(self, hole: IncompleteType) -> str:
        """The name of a hole that occurs more than once; ``_`` otherwise."""
        return self.names.get(hole, "_")


def unused(base: str, taken: Any) -> str:
    """`base`, or `base` with a number, so that it is not among `taken`."""
    name, at = base, 1
    while name in taken:
        name, at = f"{base}_{at}", at + 1
    return name


_PLAIN: Mapping[type, Any] = {int: str, AnyDim: lambda d: "?", str: str}


@recursive
def type_text(type_: Any, names: TypeNames) -> str:
    """The text of a type, a shape, a dimension or an element type."""
    plain = _PLAIN.get(type(type_))
    if plain is not None:
        return plain(type_)
    if isinstance(type_, tuple):
        return tuple_text([type_text(part, names) for part in type_])
    if isinstance(type_, TensorType):
        dtype = type_text(type_.dtype, names)
        if type_.shape == () and isinstance(type_.dtype, str):
            return dtype
        return f"Tensor[{type_text(type_.shape, names)}, {dtype}]"
    if isinstance(type_, TupleType):
        return tuple_text([type_text(part, names) for part in type_.fields])
    if isinstance(type_, TypeVar):
        return names.of(type_)
    if isinstance(type_, IncompleteType):
        return names.hole(type_)
    if isinstance(type_, RefType):
        return f"Ref[{type_text(type_.value, names)}]"
    if isinstance(type_, GlobalTypeVar):
        return type_.name
    if isinstance(type_, TypeCall):
        name = type_text(type_.name, names)
        inner = ", ".join(type_text(part, names) for part in type_.arguments)
        return f"{name}[{inner}]" if type_.arguments else name
    if isinstance(type_, TypeConstraint):
        parts = [type_text(part, names) for part in type_.arguments]
        parts += [f"{k}={attribute_text(v)}" for k, v in (type_.attributes or {}).items()]
        return f"{type_.relation}({', '.join(parts)})"
    if isinstance(type_, FuncType):
        params = ", ".join(type_text(part, names) for part in type_.params)
        text = (
            f"fn {type_params_text(type_.type_params, names)}({params}) -> {type_text(type_.result, names)}"
        )
        if type_.constraints:
            text += f" where [{', '.join(type_text(c, names) for c in type_.constraints)}]"
        return text
    return repr(type_)


def tuple_text(parts: list[str]) -> str:
    """Parts in parentheses; a comma marks a tuple of one."""
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def type_params_text(params: tuple[TypeVar, ...], names: TypeNames) -> str:
    """``[A, n: ShapeVar]``; nothing where there are none."""
    if not params:
        return ""
    texts = [names.of(p) + (f": {p.kind.value}" if p.kind is not Kind.TYPE else "") for p in params]
    return f"[{', '.join(texts)}]"


def _as_text(type_: Any) -> str:
    return type_text(type_, TypeNames())


Type.text = _as_text
