"""What partial evaluation knows of a value, and how patterns match it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from compiler.relay.language.block import Block
from compiler.relay.language.expr import (
    Constant,
    Constructor,
    Expr,
    Function,
    Pattern,
    PatternConstructor,
    PatternTuple,
    PatternVar,
    PatternWildcard,
    Var,
)
from compiler.relay.language.types import (
    FuncType,
    RefType,
    TensorType,
    TupleType,
    Type,
    TypeCall,
    TypeVar,
)


@dataclass(eq=False)
class Value:
    """A value, of which something may be known.

    Parameters
    ----------
    known : object
        None, or a `KnownTuple`, `Closure`, `Ref`, `Data`, `Constant`, or the name of a function.
    code : Expr, optional
        The atom that holds it, if it has code already.
    frame : Frame, optional
        Where the code is.
    """

    known: Any = None
    code: Expr | None = None
    frame: Frame | None = None


@dataclass(frozen=True, eq=False, slots=True)
class KnownTuple:
    fields: tuple[Value, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Closure:
    function: Function
    environment: dict[Var, Value]


@dataclass(frozen=True, eq=False, slots=True)
class Ref:
    """A reference; what it holds is in the store."""


@dataclass(frozen=True, eq=False, slots=True)
class Data:
    constructor: Constructor
    fields: tuple[Value, ...]


@dataclass(eq=False)
class Frame:
    """A scope of the code that is made: a branch, a clause, the body of a function."""

    outer: Frame | None
    block: Block = field(default_factory=Block)

    def contains(self, other: Frame | None) -> bool:
        """Whether code of `other` is visible here."""
        frame: Frame | None = self
        while frame is not None and frame is not other:
            frame = frame.outer
        return other is None or frame is other


def is_opaque(function: Function) -> bool:
    """Whether a function is left as it is: a group of operators, or what is below a checkpoint."""
    return bool(function.attrs.get("primitive") or function.attrs.get("checkpoint"))


def known_tensors(value: Value) -> Any:
    """The array, or the tuple of arrays, that a value is known to be; None if it is not."""
    if isinstance(value.known, Constant):
        return None if value.known.dtype == "bfloat16" else value.known.data
    if isinstance(value.known, KnownTuple):
        fields = tuple(map(known_tensors, value.known.fields))
        return None if any(f is None for f in fields) else fields
    return None


def bytes_of(known: Any) -> int | None:
    if isinstance(known, tuple):
        return sum(bytes_of(k) or 0 for k in known)
    return None if known is None else known.nbytes


def constant_value(result: Any) -> Value:
    if isinstance(result, tuple):
        return Value(KnownTuple(tuple(map(constant_value, result))))
    constant = Constant(result)
    return Value(constant, constant)


def matched(pattern: Pattern, value: Value) -> Any:
    """The bindings of a pattern; None if it does not match, ``"unknown"`` if that is not known."""
    if isinstance(pattern, PatternWildcard):
        return {}
    if isinstance(pattern, PatternVar):
        return {pattern.var: value}
    known = value.known
    if isinstance(pattern, PatternConstructor):
        if isinstance(known, Constructor):  # without arguments
            known = Data(known, ())
        if not isinstance(known, Data):
            return "unknown"
        if known.constructor != pattern.constructor:
            return None
    elif not isinstance(known, KnownTuple):
        return "unknown"
    bindings: dict[Var, Value] = {}
    for inner, part in zip(pattern.patterns, known.fields, strict=True):  # type: ignore[attr-defined]
        found = matched(inner, part)
        if found is None or found == "unknown":
            return found
        bindings.update(found)
    return bindings


def with_vars(pattern: Pattern, new: dict[Var, Var]) -> Pattern:
    if isinstance(pattern, PatternVar):
        return PatternVar(new[pattern.var])
    if isinstance(pattern, PatternConstructor):
        return PatternConstructor(pattern.constructor, tuple(with_vars(p, new) for p in pattern.patterns))
    if isinstance(pattern, PatternTuple):
        return PatternTuple(tuple(with_vars(p, new) for p in pattern.patterns))
    return pattern


def closed(type_: Type | None) -> Type | None:
    """A type annotation, unless it names type parameters of a function that was unfolded."""
    return None if type_ is None or _has_vars(type_) else type_


def _has_vars(type_: Any) -> bool:
    if isinstance(type_, TypeVar):
        return True
    if isinstance(type_, TensorType):
        shape = type_.shape if isinstance(type_.shape, tuple) else (type_.shape,)
        return any(isinstance(part, TypeVar) for part in (*shape, type_.dtype))
    if isinstance(type_, TupleType):
        return any(map(_has_vars, type_.fields))
    if isinstance(type_, FuncType):
        return any(map(_has_vars, (*type_.params, type_.result)))
    if isinstance(type_, RefType):
        return _has_vars(type_.value)
    return isinstance(type_, TypeCall) and any(map(_has_vars, type_.arguments))
