"""Types: tensors, tuples, functions, references, data types, type variables and incomplete types.

Arguments of a type and dimensions of a shape are types too, of another kind (Relay, arXiv 1810.00952,
section 3.2): a dimension is an integer, `ANY` (only a call brings it), a type variable or an incomplete type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib import import_module
from itertools import count
from typing import Any, ClassVar

from compiler.ir.node import ATTRIBUTE, Node


class Kind(Enum):
    """What a type variable or an incomplete type stands for."""

    TYPE = "Type"
    BASE_TYPE = "BaseType"  # an element type, as float32
    SHAPE = "Shape"
    SHAPE_VAR = "ShapeVar"  # one dimension


PRINTER = "compiler.relay.notation.printer"
"""The module that sets the texts of types, expressions and modules, imported when one is needed."""


class Type(Node):
    """Base of all types."""

    __slots__ = ()

    text: ClassVar[Callable[[Any], str] | None] = None
    """What ``str(type)`` returns; `compiler.relay.notation.printer`, which imports this module, sets it."""

    def __str__(self) -> str:
        if Type.text is None:
            import_module(PRINTER)
        return repr(self) if Type.text is None else Type.text(self)


@dataclass(frozen=True, slots=True)
class AnyDim:
    """A dimension that only a call brings."""

    def __repr__(self) -> str:
        return "?"


ANY = AnyDim()

_ids = count()


@dataclass(frozen=True, slots=True, eq=False)
class TypeVar(Type):
    """A type parameter of a function or of a data type. It is equal only to itself."""

    name: str
    kind: Kind = Kind.TYPE


@dataclass(frozen=True, slots=True, eq=False)
class IncompleteType(Type):
    """A type that inference determines. It is equal only to itself."""

    kind: Kind = Kind.TYPE
    id: int = field(default_factory=lambda: next(_ids))


Dim = int | AnyDim | TypeVar | IncompleteType
"""A dimension."""

Shape = tuple[Dim, ...] | TypeVar | IncompleteType
"""A shape: dimensions, or one variable of the kind ``SHAPE``."""

DType = str | TypeVar | IncompleteType
"""An element type: a scalar type of `compiler.ir.dtype`, or a variable of the kind ``BASE_TYPE``."""


@dataclass(frozen=True, slots=True)
class TensorType(Type):
    """A tensor. A scalar has the shape ``()``.

    Parameters
    ----------
    shape : tuple of Dim, TypeVar or IncompleteType
    dtype : str, TypeVar or IncompleteType
    """

    shape: Shape = field(metadata=ATTRIBUTE)
    dtype: DType = field(default="float32", metadata=ATTRIBUTE)

    @property
    def concrete(self) -> bool:
        """Whether all dimensions are integers and the element type is given."""
        shape = self.shape
        return isinstance(self.dtype, str) and isinstance(shape, tuple) and all(type(d) is int for d in shape)

    @property
    def dims(self) -> tuple[int, ...]:
        """The dimensions, all integers.

        Raises
        ------
        ValueError
            If one is not an integer.
        """
        if not isinstance(self.shape, tuple) or not all(type(d) is int for d in self.shape):
            raise ValueError(f"the shape of {self} is not static")
        return self.shape  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class TupleType(Type):
    """A tuple; without fields the unit type."""

    fields: tuple[Type, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeConstraint(Type):
    """A relation between types that a function requires: ``relation(arguments, attributes)``.

    Parameters
    ----------
    relation : str
        The name of an operator, whose type relation is meant.
    arguments : tuple of Type
        Those of the inputs, then that of the result.
    attributes : Attrs
    """

    relation: str
    arguments: tuple[Type, ...]
    attributes: Any = field(default=None, metadata=ATTRIBUTE)


@dataclass(frozen=True, slots=True)
class FuncType(Type):
    """A function.

    Parameters
    ----------
    params : tuple of Type
    result : Type
    type_params : tuple of TypeVar
    constraints : tuple of TypeConstraint
    """

    params: tuple[Type, ...]
    result: Type
    type_params: tuple[TypeVar, ...] = field(default=(), metadata=ATTRIBUTE)
    constraints: tuple[TypeConstraint, ...] = ()


@dataclass(frozen=True, slots=True)
class RefType(Type):
    """A mutable reference to a value."""

    value: Type


@dataclass(frozen=True, slots=True)
class GlobalTypeVar(Type):
    """The name of a data type."""

    name: str


@dataclass(frozen=True, slots=True)
class TypeCall(Type):
    """A data type with its type arguments: ``List[Tensor[(3,), float32]]``.

    A data type without parameters is a `TypeCall` without arguments.
    """

    name: GlobalTypeVar
    arguments: tuple[Type, ...] = ()


UNIT = TupleType(())


def scalar(dtype: str) -> TensorType:
    """The type of a scalar."""
    return TensorType((), dtype)


def substitute_type(type_: Any, bindings: Mapping[Any, Any]) -> Any:
    """A type (or a dimension, shape or element type) with type variables or incomplete types replaced.

    What changes nothing is returned as it is. A shape variable may be replaced by a tuple of dimensions.
    """
    if not bindings:
        return type_
    if isinstance(type_, (TypeVar, IncompleteType)):
        return bindings.get(type_, type_)
    if isinstance(type_, tuple):
        new = tuple(substitute_type(part, bindings) for part in type_)
        return type_ if all(a is b for a, b in zip(new, type_, strict=True)) else new
    if isinstance(type_, TensorType):
        shape, dtype = substitute_type(type_.shape, bindings), substitute_type(type_.dtype, bindings)
        same = shape is type_.shape and dtype is type_.dtype
        return type_ if same else TensorType(shape, dtype)
    if isinstance(type_, TupleType):
        fields = substitute_type(type_.fields, bindings)
        return type_ if fields is type_.fields else TupleType(fields)
    if isinstance(type_, FuncType):
        inner = {k: v for k, v in bindings.items() if k not in type_.type_params}
        params, result = substitute_type(type_.params, inner), substitute_type(type_.result, inner)
        constraints = substitute_type(type_.constraints, inner)
        same = params is type_.params and result is type_.result and constraints is type_.constraints
        return type_ if same else FuncType(params, result, type_.type_params, constraints)
    if isinstance(type_, TypeConstraint):
        arguments = substitute_type(type_.arguments, bindings)
        same = arguments is type_.arguments
        return type_ if same else TypeConstraint(type_.relation, arguments, type_.attributes)
    if isinstance(type_, RefType):
        value = substitute_type(type_.value, bindings)
        return type_ if value is type_.value else RefType(value)
    if isinstance(type_, TypeCall):
        arguments = substitute_type(type_.arguments, bindings)
        return type_ if arguments is type_.arguments else TypeCall(type_.name, arguments)
    return type_
