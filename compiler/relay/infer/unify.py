"""Unification of types: holes and what they stand for, occurs check, kinds, quantified functions.

A hole is an `IncompleteType`. Every hole and every type parameter has a level, the depth of the definition
that it belongs to: what a definition leaves open may be generalised where no hole of an outer level refers to
it (D. Rémy, "Extension of ML type system with a sorted equation theory on types", 1992).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from compiler.ir.recursion import recursive
from compiler.relay.language.types import (
    ANY,
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
    substitute_type,
)


class UnificationError(ValueError):
    """Two types cannot be equal; ``detail`` says what the two types themselves do not show."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(f"{message}: {detail}" if message and detail else message or detail)
        self.detail = detail


def kind_of(part: Any) -> Kind:
    """The kind of a type, a dimension, a shape or an element type."""
    if isinstance(part, (TypeVar, IncompleteType)):
        return part.kind
    if isinstance(part, Type):
        return Kind.TYPE
    if isinstance(part, str):
        return Kind.BASE_TYPE
    return Kind.SHAPE if isinstance(part, tuple) else Kind.SHAPE_VAR


def variables(part: Any) -> Iterator[Any]:
    """The holes and the free type variables in a type, each as often as it occurs."""
    pending: list[tuple[Any, frozenset[Any]]] = [(part, frozenset())]
    while pending:
        part, bound = pending.pop()
        if isinstance(part, (IncompleteType, TypeVar)):
            if part not in bound:
                yield part
            continue
        if isinstance(part, FuncType) and part.type_params:
            bound = bound | set(part.type_params)
        pending += [(below, bound) for below in reversed(parts(part))]


def parts(type_: Any) -> Sequence[Any]:
    """What a type consists of, dimensions and element types included."""
    if isinstance(type_, tuple):
        return type_
    if isinstance(type_, TensorType):
        return type_.shape, type_.dtype
    if isinstance(type_, TupleType):
        return type_.fields
    if isinstance(type_, FuncType):
        return *type_.params, type_.result, *type_.constraints
    if isinstance(type_, RefType):
        return (type_.value,)
    if isinstance(type_, (TypeCall, TypeConstraint)):
        return type_.arguments
    return ()


def is_closed(type_: Any) -> bool:
    """Whether a type has no hole."""
    if type(type_) is TensorType:
        shape = type_.shape
        if type(type_.dtype) is str and type(shape) is tuple:
            return not any(type(dim) is IncompleteType for dim in shape)
    return not any(type(v) is IncompleteType for v in variables(type_))


class Unification:
    """What holes stand for. A hole is bound once; a bound hole is replaced wherever a type is resolved."""

    def __init__(self) -> None:
        self.bound: dict[IncompleteType, Any] = {}
        self.level: dict[Any, int] = {}
        self.ground: dict[int, Any] = {}
        """``id`` of a type of several parts -> it, if it has neither holes nor type variables."""
        self.depth = 0
        """The level of what is made now."""

    def hole(self, kind: Kind = Kind.TYPE) -> IncompleteType:
        """A new hole at the present level."""
        made = IncompleteType(kind)
        self.level[made] = self.depth
        return made

    def adopt(self, type_: Any) -> Any:
        """A type that the program gives; its holes belong to the present level."""
        for part in variables(type_):
            if type(part) is IncompleteType:
                self.level.setdefault(part, self.depth)
        return type_

    def find(self, part: Any) -> Any:
        """What a hole stands for, to the first constructor of types; anything else is returned as it is."""
        if type(part) is not IncompleteType:
            return part
        bound, path = self.bound, []
        while type(part) is IncompleteType and part in bound:
            path.append(part)
            part = bound[part]
        for hole in path[:-1]:
            bound[hole] = part
        return part

    def resolve(self, type_: Any) -> Any:
        """A type with everything replaced that is found; what has no bound hole is returned as it is."""
        kind = type(type_)
        if kind is TensorType:
            shape, dtype = type_.shape, type_.dtype
            if type(dtype) is str and type(shape) is tuple:
                for dim in shape:
                    if type(dim) is IncompleteType:
                        break
                else:
                    return type_
            shape, dtype = self.resolve(shape), self.find(dtype)
            return type_ if shape is type_.shape and dtype is type_.dtype else TensorType(shape, dtype)
        if kind is tuple:
            for part in type_:
                if not isinstance(part, (int, AnyDim)):
                    break
            else:
                return type_
        elif kind is str or kind is int or id(type_) in self.ground:
            return type_
        found = self._resolved(type_)
        if isinstance(found, (TupleType, TypeCall, RefType, FuncType)) and all(
            map(self.is_ground, parts(found))
        ):
            self.ground[id(found)] = found
        return found

    def is_ground(self, type_: Any) -> bool:
        """Whether a resolved type is known to have neither holes nor type variables."""
        kind = type(type_)
        if kind is TensorType:
            shape = type_.shape
            return type(type_.dtype) is str and type(shape) is tuple and all(map(self.is_ground, shape))
        return kind is int or kind is AnyDim or id(type_) in self.ground

    @recursive
    def _resolved(self, type_: Any) -> Any:
        if type(type_) is IncompleteType:
            found = self.find(type_)
            return found if type(found) is IncompleteType else self.resolve(found)
        if isinstance(type_, tuple):
            new = tuple(map(self.resolve, type_))
            return type_ if all(a is b for a, b in zip(new, type_, strict=True)) else new
        if isinstance(type_, TupleType):
            fields = self.resolve(type_.fields)
            return type_ if fields is type_.fields else TupleType(fields)
        if isinstance(type_, (TypeCall, TypeConstraint)):
            arguments = self.resolve(type_.arguments)
            if arguments is type_.arguments:
                return type_
            if isinstance(type_, TypeCall):
                return TypeCall(type_.name, arguments)
            return TypeConstraint(type_.relation, arguments, type_.attributes)
        if isinstance(type_, RefType):
            value = self.resolve(type_.value)
            return type_ if value is type_.value else RefType(value)
        if isinstance(type_, FuncType):
            params, result = self.resolve(type_.params), self.resolve(type_.result)
            constraints = self.resolve(type_.constraints)
            same = params is type_.params and result is type_.result and constraints is type_.constraints
            return type_ if same else FuncType(params, result, type_.type_params, constraints)
        return type_

    def unify(self, a: Any, b: Any) -> Any:
        """Make two types equal, finding what is unknown in them; returns the resolved type.

        `ANY` is consistent with every dimension. Where one side is a quantified function and the other one is
        not, the first one is instantiated.

        Raises
        ------
        UnificationError
            If that is impossible; says both types, and the parts that differ.
        """
        pending = [(a, b)]
        while pending:
            left, right = pending.pop()
            if left is right:
                continue
            left, right = self.find(left), self.find(right)
            if left is right:
                continue
            if type(left) is IncompleteType:
                self._bind(left, right)
            elif type(right) is IncompleteType:
                self._bind(right, left)
            else:
                below = self._equations(left, right)
                if below is None:
                    raise self._difference(a, b, left, right)
                pending += below
        return a

    def _equations(self, a: Any, b: Any) -> Sequence[tuple[Any, Any]] | None:
        """What must be equal for two types to be equal; None if they cannot be."""
        a, b = _as_call(a), _as_call(b)
        kind = type(a)
        if kind is TensorType and type(b) is TensorType:
            if a.shape == b.shape and a.dtype == b.dtype:
                return ()
            return (a.dtype, b.dtype), (a.shape, b.shape)
        if a is ANY or b is ANY:
            other = b if a is ANY else a
            return () if kind_of(other) is Kind.SHAPE_VAR else None
        if kind is FuncType and type(b) is FuncType:
            return self._function_equations(a, b)
        if kind is not type(b):
            return None
        if kind is tuple:
            return tuple(zip(a, b, strict=True)) if len(a) == len(b) else None
        if kind is TupleType:
            return tuple(zip(a.fields, b.fields, strict=True)) if len(a.fields) == len(b.fields) else None
        if kind is RefType:
            return ((a.value, b.value),)
        if kind is TypeCall:
            same = a.name == b.name and len(a.arguments) == len(b.arguments)
            return tuple(zip(a.arguments, b.arguments, strict=True)) if same else None
        return () if a == b else None

    def _function_equations(self, a: FuncType, b: FuncType) -> Sequence[tuple[Any, Any]] | None:
        if len(a.params) != len(b.params):
            return None
        if a.type_params and [v.kind for v in a.type_params] == [v.kind for v in b.type_params]:
            renamed = dict(zip(b.type_params, a.type_params, strict=True))
            b = substitute_type(FuncType(b.params, b.result), renamed)
        else:
            a, b = self.instantiated(a), self.instantiated(b)
        return *zip(a.params, b.params, strict=True), (a.result, b.result)

    def instantiated(self, type_: Any, given: Sequence[Any] = ()) -> Any:
        """A quantified function with `given` types, or new holes, in place of its type parameters."""
        if type(type_) is not FuncType or not type_.type_params:
            return type_
        values = given or [self.hole(v.kind) for v in type_.type_params]
        mapping = dict(zip(type_.type_params, values, strict=True))
        for constraint in substitute_type(type_.constraints, mapping):
            self.require(constraint)
        return FuncType(substitute_type(type_.params, mapping), substitute_type(type_.result, mapping))

    def require(self, constraint: TypeConstraint) -> None:
        """A relation that holds; the solver of relations defines it."""
        raise NotImplementedError

    def rebound(self, hole: IncompleteType) -> None:
        """A hole has been bound; the solver of relations defines what follows."""

    def _bind(self, hole: IncompleteType, value: Any) -> None:
        if kind_of(value) is not hole.kind:
            raise UnificationError(
                "",
                f"{self.resolve(value)} is of the kind {kind_of(value).value}; "
                f"the kind {hole.kind.value} is needed",
            )
        value = self.resolve(self.instantiated(_as_call(value)))
        if not self.is_ground(value):
            level = self.level.setdefault(hole, self.depth)
            for part in variables(value):
                if part is hole:
                    raise UnificationError("", f"a type would contain itself: {hole} would be {value}")
                at = self.level.get(part, 0)
                if at > level:
                    if type(part) is TypeVar:
                        raise UnificationError(
                            "", f"the type parameter {part.name} would leave the function that it belongs to"
                        )
                    self.level[part] = level
        self.bound[hole] = value
        self.rebound(hole)

    def _difference(self, a: Any, b: Any, left: Any, right: Any) -> UnificationError:
        whole = f"{self.resolve(a)} and {self.resolve(b)} differ"
        if left is self.find(a) or TensorType in (type(left), type(self.find(a))):
            return UnificationError(whole)
        return UnificationError(
            whole, f"{_part_text(self.resolve(left))} is not {_part_text(self.resolve(right))}"
        )


def _part_text(part: Any) -> str:
    return f"({', '.join(map(str, part))})" if isinstance(part, tuple) else str(part)


def _as_call(type_: Any) -> Any:
    """The name of a data type stands for the type without arguments."""
    return TypeCall(type_) if type(type_) is GlobalTypeVar else type_


def join(a: Any, b: Any) -> Any:
    """Of two types that unify, the one that says less: a dimension is `ANY` where one of them is."""
    if a is b or a == b:
        return a
    if a is ANY or b is ANY:
        return ANY
    if type(a) is not type(b):
        return a
    if isinstance(a, tuple) and len(a) == len(b):
        return tuple(map(join, a, b))
    if isinstance(a, TensorType):
        return TensorType(join(a.shape, b.shape), a.dtype)
    if isinstance(a, TupleType):
        return TupleType(join(a.fields, b.fields))
    if isinstance(a, TypeCall):
        return TypeCall(a.name, join(a.arguments, b.arguments))
    return a


__all__ = [
    "Unification",
    "UnificationError",
    "is_closed",
    "join",
    "kind_of",
    "parts",
    "variables",
]
