"""Expressions: variables, constants, calls, functions, control flow, tuples, references and data.

An expression is a frozen node that is equal only to itself: two places that hold the same object share its
value, which is how a data-flow graph is written without names (the graph form).
`compiler.relay.language.equal` compares structure. Children, rebuilding and traversal follow from the fields
(`compiler.ir.node`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from compiler.ir.node import ATTRIBUTE, Node
from compiler.relay.language.attributes import NO_ATTRS, Attrs
from compiler.relay.language.types import PRINTER, GlobalTypeVar, Type, TypeVar


@dataclass(frozen=True, slots=True)
class Span:
    """Where an expression is from: a place in a text, or the name of a node in a model file."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


class Expr(Node):
    """Base of all expressions.

    ``checked_type`` is the type that `infer_type` found. It is a note on the node, apart from its fields: it
    takes no part in comparison, and a rebuilt node has none until types are inferred again.
    """

    __slots__ = ("__weakref__", "_type", "span")

    @property
    def checked_type(self) -> Type:
        """The type of the expression.

        Raises
        ------
        ValueError
            If types have not been inferred since the expression was made.
        """
        try:
            return self._type  # type: ignore[attr-defined]
        except AttributeError:
            kind = type(self).__name__
            raise ValueError(f"the type of this {kind} is not inferred: call infer_type first") from None

    @property
    def has_type(self) -> bool:
        """Whether `checked_type` is known."""
        return hasattr(self, "_type")

    def with_span(self, span: Any) -> Any:
        """This node, which notes where it is from."""
        if span is not None:
            object.__setattr__(self, "span", span)
        return self

    text: ClassVar[Callable[[Any], str] | None] = None
    """What ``str(expr)`` returns; `compiler.relay.notation.printer`, which imports this module, sets it."""

    def __str__(self) -> str:
        if Expr.text is None:
            import_module(PRINTER)
        return object.__repr__(self) if Expr.text is None else Expr.text(self)

    def __call__(self, *args: Expr, **attributes: Any) -> Call:
        return Call(self, tuple(args), Attrs(attributes) if attributes else NO_ATTRS)


def span_of(expr: Expr) -> Span | None:
    """Where an expression is from, if it is known."""
    return getattr(expr, "span", None)


def set_type(expr: Expr, type_: Type) -> None:
    """Note the type of an expression; inference alone calls this."""
    object.__setattr__(expr, "_type", type_)


def copy_notes(old: Expr, new: Expr) -> Expr:
    """Note on `new` where `old` is from, unless it has a place of its own; returns `new`."""
    if new is not old and span_of(new) is None and span_of(old) is not None:
        new.with_span(span_of(old))
    return new


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Var(Expr):
    """A local variable, bound by a function, a let or a pattern. The name is only for people."""

    name: str
    annotation: Type | None = field(default=None, metadata=ATTRIBUTE)


@dataclass(frozen=True, slots=True, eq=True, repr=False)
class GlobalVar(Expr):
    """The name of a function of the module. Two of the same name are equal."""

    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Constant(Expr):
    """A tensor. The array is not to be changed; it is C-contiguous.

    Parameters
    ----------
    data : ndarray
        Anything else is converted by NumPy; a Python float becomes float32, an int becomes int32.
    dtype : str
        The element type, where NumPy's is not the same: ``"bfloat16"`` is held as uint16. By default NumPy's.
    """

    data: np.ndarray = field(metadata=ATTRIBUTE)
    dtype: str = ""

    def __post_init__(self) -> None:
        data = self.data
        if isinstance(data, float) and not isinstance(data, np.generic):  # float64 is a float
            data = np.float32(data)
        elif isinstance(data, int) and not isinstance(data, bool):
            data = np.int32(data) if -(2**31) <= data < 2**31 else np.int64(data)
        array = np.asarray(data)
        object.__setattr__(self, "data", array if array.flags.c_contiguous else np.ascontiguousarray(array))
        object.__setattr__(self, "dtype", self.dtype or array.dtype.name)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Expr):
    """A call of an operator, a constructor, a global or any expression that is a function.

    Parameters
    ----------
    function : Expr
    args : tuple of Expr
    attrs : Attrs
        Of an operator; its `Op` fills in the defaults: make calls by calling the `Op`.
    type_args : tuple of Type
    """

    function: Expr
    args: tuple[Expr, ...]
    attrs: Attrs = field(default=NO_ATTRS, metadata=ATTRIBUTE)
    type_args: tuple[Type, ...] = field(default=(), metadata=ATTRIBUTE)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Function(Expr):
    """A function; a closure, where its body has free variables.

    Parameters
    ----------
    params : tuple of Var
    body : Expr
    result : Type, optional
    type_params : tuple of TypeVar
    attrs : Attrs
        ``primitive=True`` marks a group of operators that is compiled as one, ``name="..."`` is a hint.
    """

    params: tuple[Var, ...] = field(metadata=ATTRIBUTE)
    body: Expr
    result: Type | None = field(default=None, metadata=ATTRIBUTE)
    type_params: tuple[TypeVar, ...] = field(default=(), metadata=ATTRIBUTE)
    attrs: Attrs = field(default=NO_ATTRS, metadata=ATTRIBUTE)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Let(Expr):
    """``let var = value; body``. A function may name the variable it is bound to: it is recursive."""

    var: Var = field(metadata=ATTRIBUTE)
    value: Expr
    body: Expr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class If(Expr):
    """One of two branches; the condition is a scalar of type bool."""

    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tuple(Expr):
    """A tuple; without fields the unit value."""

    fields: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TupleGetItem(Expr):
    """A field of a tuple, counted from 0."""

    tuple_value: Expr
    index: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RefCreate(Expr):
    """A new reference with a first value."""

    value: Expr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RefRead(Expr):
    """The value of a reference."""

    ref: Expr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RefWrite(Expr):
    """Sets the value of a reference; the result is the unit value."""

    ref: Expr
    value: Expr


@dataclass(frozen=True, slots=True, eq=True, repr=False)
class Constructor(Expr):
    """A constructor of a data type: an expression that is a function, or called without arguments a value.

    Parameters
    ----------
    name : str
    inputs : tuple of Type
        In terms of the type variables of the data type.
    belongs_to : GlobalTypeVar
    tag : int
        Its place among the constructors of the type.
    """

    name: str
    inputs: tuple[Type, ...] = field(metadata=ATTRIBUTE)
    belongs_to: GlobalTypeVar = field(metadata=ATTRIBUTE)
    tag: int = 0


class Pattern(Node):
    """Base of the patterns of `Match`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PatternWildcard(Pattern):
    """``_``: matches everything."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PatternVar(Pattern):
    """Matches everything, and binds it."""

    var: Var = field(metadata=ATTRIBUTE)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PatternConstructor(Pattern):
    """Matches the values that a constructor makes, if its inputs match."""

    constructor: Constructor = field(metadata=ATTRIBUTE)
    patterns: tuple[Pattern, ...] = field(default=(), metadata=ATTRIBUTE)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PatternTuple(Pattern):
    """Matches a tuple, if its fields match."""

    patterns: tuple[Pattern, ...] = field(metadata=ATTRIBUTE)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Clause(Node):
    """A case of `Match`."""

    pattern: Pattern = field(metadata=ATTRIBUTE)
    body: Expr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Match(Expr):
    """The first clause whose pattern matches; `complete` requires that one always does."""

    data: Expr
    clauses: tuple[Clause, ...]
    complete: bool = True


def pattern_vars(pattern: Pattern) -> list[Var]:
    """The variables that a pattern binds, from left to right."""
    if isinstance(pattern, PatternVar):
        return [pattern.var]
    if isinstance(pattern, (PatternConstructor, PatternTuple)):
        return [v for inner in pattern.patterns for v in pattern_vars(inner)]
    return []


@dataclass(frozen=True, slots=True, eq=False)
class TypeData:
    """The definition of a data type.

    Parameters
    ----------
    name : GlobalTypeVar
    type_vars : tuple of TypeVar
    constructors : tuple of Constructor
        None where the type is declared and defined elsewhere (``extern``).
    """

    name: GlobalTypeVar
    type_vars: tuple[TypeVar, ...] = ()
    constructors: tuple[Constructor, ...] = ()


def constant(value: Any, dtype: str | None = None) -> Constant:
    """A constant of a Python number or an array; `dtype` converts it."""
    if dtype == "bfloat16":
        bits = np.asarray(value, "float32").view("uint32").astype("uint64")
        rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("uint16")
        return Constant(rounded, "bfloat16")
    return Constant(value) if dtype is None else Constant(np.asarray(value).astype(dtype))


Bindings = Mapping[Var, Expr]
