"""`Builder`: makes calls of operators, finds their types as they are made, and evaluates what is constant.

A conversion needs the shapes of what it converts, so types are found a call at a time, by the operators' own
relations. A call on constants becomes a constant. Of shapes in which some dimensions are unknown, the known
ones are followed through the operators that take shapes apart and put them together (`Builder.dims`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import compiler.relay.operator  # noqa: F401 - registers the rows
from compiler.relay.importer.errors import Needed, OnnxError
from compiler.relay.importer.tensors import check_size
from compiler.relay.language.expr import (
    Call,
    Constant,
    Expr,
    Span,
    Tuple,
    TupleGetItem,
    Var,
    set_type,
    span_of,
)
from compiler.relay.language.op import Op, evaluated, op
from compiler.relay.language.types import ANY, AnyDim, IncompleteType, TensorType, TupleType, Type

FOLDED = 1 << 24
"""A result of more bytes than this, and than twice those of the operands, is not made while importing."""


class Builder:
    """Makes typed expressions.

    Attributes
    ----------
    span : Span or None
        Where the expressions are from that are made next.
    """

    def __init__(self) -> None:
        self.span: Span | None = None
        self._partial: dict[int, np.ndarray] = {}
        self._kept: list[Expr] = []  # so that no id in _partial is used again

    def constant(self, value: Any, dtype: str | None = None) -> Constant:
        """A constant with its type."""
        array = np.asarray(value, dtype)
        made = Constant(array)
        set_type(made, TensorType(array.shape, made.dtype))
        return made.with_span(self.span)

    def variable(self, name: str, type_: Type) -> Var:
        """A new variable with its type."""
        var = Var(name, type_)
        set_type(var, type_)
        return var

    def tuple(self, fields: Sequence[Expr]) -> Tuple:
        """A tuple with its type."""
        made = Tuple(tuple(fields))
        set_type(made, TupleType(tuple(f.checked_type for f in fields)))
        return made.with_span(self.span)

    def field(self, value: Expr, index: int) -> Expr:
        """A field of a tuple."""
        if isinstance(value, Tuple):
            return value.fields[index]
        made = TupleGetItem(value, index)
        set_type(made, value.checked_type.fields[index])  # type: ignore[attr-defined]
        return made.with_span(self.span)

    def typed(self, expr: Expr, type_: Type) -> Any:
        """An expression, its type noted."""
        set_type(expr, type_)
        return expr if span_of(expr) is not None else expr.with_span(self.span)

    def call(self, name: str, *args: Any, **attributes: Any) -> Any:
        """A call of an operator, or the constant that it evaluates to.

        Parameters
        ----------
        name : str
            Of the operator.
        *args : Expr, ndarray, number, or sequence of Expr
            A sequence becomes a tuple.
        **attributes

        Raises
        ------
        ValueError
            If the arguments do not fit; the operator says why.
        """
        given = tuple(self._argument(a) for a in args)
        made = op(name)(*given, **attributes)
        function = made.function
        assert isinstance(function, Op)
        type_ = result_type(function, made.attrs, [a.checked_type for a in given])
        _check_sizes(name, type_)
        set_type(made, type_)
        made.with_span(self.span)
        known = all(map(is_constant, given)) and _worthwhile(type_, given)
        # `integer_layers` looks for weights in their quantized form
        if known and not function.effect and name != "qnn.dequantize":
            return self._evaluated(made)
        return self._followed(made)

    def _argument(self, value: Any) -> Expr:
        if isinstance(value, Expr):
            return value
        if isinstance(value, (list, tuple)):
            return self.tuple([self._argument(v) for v in value])
        return self.constant(value)

    def _evaluated(self, call: Call) -> Expr:
        with np.errstate(all="ignore"):
            result = evaluated(call.function, call.attrs, [array_value(a) for a in call.args])  # type: ignore[arg-type]
        if isinstance(result, tuple):
            return self.tuple([self.constant(r) for r in result])
        return self.constant(result)

    def note(self, expr: Expr, dims: Sequence[Any]) -> None:
        """Note what is known of the elements of an integer tensor: integers, and `ANY` for the others."""
        array = np.empty(len(dims), object)
        array[:] = list(dims)
        self._partial[id(expr)] = array
        self._kept.append(expr)

    def _followed(self, call: Call) -> Expr:
        """The call; what is known of its elements is noted, and a constant made where all are known."""
        parts = [self._elements(a) for a in call.args]
        rule = _FOLLOWED.get(call.function.name)  # type: ignore[attr-defined]
        if rule is None or any(p is None for p in parts):
            return call
        if not any(
            id(e) in self._partial for a in call.args for e in (a.fields if isinstance(a, Tuple) else (a,))
        ):
            return call
        try:
            result = rule(call.attrs, *parts)
        except (ValueError, TypeError, IndexError, ZeroDivisionError):
            return call
        if result is None:
            return call
        result = np.asarray(result, object)
        if not any(isinstance(e, AnyDim) for e in result.ravel()):
            return self.constant(result.astype(call.checked_type.dtype))  # type: ignore[attr-defined]
        self._partial[id(call)] = result
        self._kept.append(call)
        return call

    def _elements(self, expr: Expr) -> Any:
        if isinstance(expr, Tuple):
            fields = [self._elements(f) for f in expr.fields]
            return None if any(f is None for f in fields) else fields
        if isinstance(expr, Constant) and expr.data.dtype.kind in "iu" and expr.data.size <= 64:
            return expr.data.astype(object)
        return self._partial.get(id(expr))

    def value(self, expr: Expr, what: str) -> np.ndarray:
        """The value of a constant.

        Raises
        ------
        Needed
            If it is none.
        """
        if not isinstance(expr, Constant):
            raise Needed(expr, what)
        return expr.data

    def dims(self, expr: Expr, what: str) -> list[Any]:
        """The elements of a one-dimensional integer tensor: integers, and `ANY` for those that are not known.

        Raises
        ------
        Needed
            If nothing is known of them.
        """
        found = self._elements(expr)
        if found is None:
            return [int(v) for v in np.ravel(self.value(expr, what))]
        return [v if isinstance(v, AnyDim) else int(v) for v in np.ravel(found)]


def is_constant(expr: Expr) -> bool:
    """Whether an expression is a constant, or a tuple of constants."""
    return isinstance(expr, Constant) or (isinstance(expr, Tuple) and all(map(is_constant, expr.fields)))


def array_value(expr: Any) -> Any:
    """The array of a constant; of a tuple of them, a tuple of arrays."""
    return tuple(map(array_value, expr.fields)) if isinstance(expr, Tuple) else expr.data


def tensors_of(type_: Type) -> list[TensorType]:
    """The tensor types in a type of tensors and tuples."""
    if isinstance(type_, TupleType):
        return [t for f in type_.fields for t in tensors_of(f)]
    assert isinstance(type_, TensorType)
    return [type_]


def _check_sizes(name: str, type_: Type) -> None:
    for one in tensors_of(type_):
        check_size(one.shape, one.dtype, f"the result of {name}")  # type: ignore[arg-type]


def _worthwhile(type_: Type, args: Sequence[Expr]) -> bool:
    """Whether the result of a call on constants is not much larger than they are."""

    def size(t: TensorType) -> float:
        return math.prod(t.dims) * np.dtype(t.dtype).itemsize if t.concrete else 0.0  # type: ignore[arg-type]

    result = sum(size(t) for t in tensors_of(type_))
    return result <= max(FOLDED, 2 * sum(size(t) for a in args for t in tensors_of(a.checked_type)))


class _Solver:
    """The solver of one call whose arguments have known types: what is to find is in the result's type."""

    def __init__(self) -> None:
        self.found: dict[int, Any] = {}

    def unify(self, a: Any, b: Any) -> Any:
        a, b = self.resolved(a), self.resolved(b)
        if isinstance(a, IncompleteType):
            self.found[a.id] = b
            return b
        if isinstance(b, IncompleteType):
            self.found[b.id] = a
            return a
        if isinstance(a, AnyDim) or isinstance(b, AnyDim):
            return b if isinstance(a, AnyDim) else a
        if isinstance(a, TensorType) and isinstance(b, TensorType):
            if isinstance(a.shape, tuple) and isinstance(b.shape, tuple) and len(a.shape) == len(b.shape):
                shape = tuple(self.unify(x, y) for x, y in zip(a.shape, b.shape, strict=True))
                return TensorType(shape, self.unify(a.dtype, b.dtype))
        elif isinstance(a, TupleType) and isinstance(b, TupleType) and len(a.fields) == len(b.fields):
            return TupleType(tuple(self.unify(x, y) for x, y in zip(a.fields, b.fields, strict=True)))
        elif a == b:
            return a
        raise ValueError(f"{type_words(a)} is given where {type_words(b)} is needed")

    def resolved(self, type_: Any) -> Any:
        while isinstance(type_, IncompleteType) and type_.id in self.found:
            type_ = self.found[type_.id]
        if isinstance(type_, TensorType):
            shape = type_.shape
            if isinstance(shape, tuple) and any(isinstance(d, IncompleteType) for d in shape):
                return TensorType(tuple(map(self.resolved, shape)), self.resolved(type_.dtype))
            if isinstance(shape, IncompleteType) or isinstance(type_.dtype, IncompleteType):
                return TensorType(self.resolved(shape), self.resolved(type_.dtype))
        if isinstance(type_, TupleType):
            return TupleType(tuple(map(self.resolved, type_.fields)))
        return type_


def result_type(function: Op, attrs: Any, types: Sequence[Type]) -> Type:
    """The type of a call's result by the operator's relation.

    Raises
    ------
    ValueError
        If the arguments do not fit, or do not determine it.
    """
    solver, result = _Solver(), IncompleteType()
    function.relation([*types, result], attrs, solver)
    found = solver.resolved(result)
    if isinstance(found, IncompleteType):
        given = ", ".join(map(type_words, types))
        raise ValueError(f"{function.name} has no type for the arguments {given}")
    return found


def type_words(type_: Any) -> str:
    """A type as messages of the importer show it."""
    if isinstance(type_, TensorType):
        shape = type_.shape
        dims = (
            ", ".join("?" if isinstance(d, AnyDim) else str(d) for d in shape)
            if isinstance(shape, tuple)
            else "..."
        )
        return f"{type_.dtype}[{dims}]"
    if isinstance(type_, TupleType):
        return f"({', '.join(map(type_words, type_.fields))})"
    return str(type_)


def check_rank(type_: TensorType, count: int, what: str) -> None:
    """Raise OnnxError where a tensor has another number of dimensions."""
    if len(type_.shape) != count:  # type: ignore[arg-type]
        raise OnnxError(f"{what} is {type_words(type_)}; {count} dimensions are needed")


def _arithmetic(combine: Any) -> Any:
    def one(x: Any, y: Any) -> Any:
        return ANY if isinstance(x, AnyDim) or isinstance(y, AnyDim) else combine(x, y)

    table = np.frompyfunc(one, 2, 1)
    return lambda attrs, a, b: table(a, b)


def _slice(attrs: Any, a: np.ndarray) -> np.ndarray:
    if a.ndim != 1:
        raise ValueError("only the elements of a shape are followed")
    return a[slice(attrs.begin[0], attrs.end[0], (attrs.strides or (1,))[0])]


# How the elements of a shape, some of them ANY, go through an operator.
_FOLLOWED: dict[str, Any] = {
    "add": _arithmetic(lambda x, y: x + y),
    "subtract": _arithmetic(lambda x, y: x - y),
    "multiply": _arithmetic(lambda x, y: x * y),
    "divide": _arithmetic(lambda x, y: abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)),
    "equal": _arithmetic(lambda x, y: x == y),
    "cast": lambda attrs, a: a if attrs.dtype.startswith("int") else None,
    "copy": lambda attrs, a: a,
    "take": lambda attrs, a, i: a[i.astype("int64")] if a.ndim == 1 else None,
    "concatenate": lambda attrs, parts: np.concatenate(parts, attrs.axis),
    "stack": lambda attrs, parts: np.stack(parts, attrs.axis),
    "expand_dims": lambda attrs, a: np.expand_dims(a, attrs.axis),
    "squeeze": lambda attrs, a: np.squeeze(a, attrs.axis),
    "reshape": lambda attrs, a: a.reshape(attrs.newshape),
    "strided_slice": _slice,
}

__all__ = [
    "ANY",
    "Builder",
    "array_value",
    "check_rank",
    "is_constant",
    "result_type",
    "tensors_of",
    "type_words",
]
