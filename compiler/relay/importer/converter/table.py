"""`converts`: declares the conversion of an operator; `NodeView`: a node of a model as conversions see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler.relay.importer.builder import Builder
from compiler.relay.importer.errors import OnnxError, Unsupported
from compiler.relay.importer.tensors import array_of
from compiler.relay.language.expr import Expr, Var
from compiler.relay.language.types import AnyDim, TensorType

Converter = Callable[..., Any]
"""``converter(node, *inputs)``: the outputs, an expression or a sequence of them. An input that is left out
is None; those at the end may be missing altogether."""

CONVERTERS: dict[tuple[str, str], list[tuple[int, int, Converter]]] = {}
"""(domain, operator) -> first opset, last opset, conversion."""

NEWEST = 1 << 30


def converts(*names: str, since: int = 1, until: int = NEWEST, domain: str = "") -> Any:
    """Declare a function as the conversion of operators, for a range of opsets."""

    def declare(converter: Converter) -> Converter:
        for name in names:
            CONVERTERS.setdefault((domain, name), []).append((since, until, converter))
        return converter

    return declare


def converter_of(domain: str, name: str, opset: int) -> Converter | None:
    """The conversion of an operator at an opset, if there is one."""
    for since, until, converter in CONVERTERS.get((domain, name), ()):
        if since <= opset <= until:
            return converter
    return None


class Captures:
    """The values around a graph that it uses, where it becomes the body of a function, and their variables.

    Parameters
    ----------
    builder : Builder
    causes : sequence of Expr
        On which it depends that the graph becomes a function: if they were constants, it would not.
    """

    def __init__(self, builder: Builder, causes: Sequence[Expr]) -> None:
        self.builder = builder
        self.causes = tuple(causes)
        self._pairs: dict[str, tuple[Var, Expr]] = {}

    def of(self, name: str, value: Expr) -> Var:
        """The variable that stands for a value, whose name in the graph around is given."""
        if name not in self._pairs:
            self._pairs[name] = self.builder.variable(identifier(name), value.checked_type), value
        return self._pairs[name][0]

    def source(self, var: Var) -> Expr | None:
        """The value that a variable stands for, if it is one of these."""
        return next((value for known, value in self._pairs.values() if known is var), None)

    def bindings(self) -> list[tuple[Var, Expr]]:
        """Variables and values, in the order in which they were used."""
        return list(self._pairs.values())


def identifier(name: str) -> str:
    """A name of a model as the name of a variable."""
    text = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
    return text if text[:1].isalpha() else f"v{text}"


class NodeView:
    """A node of a model.

    Parameters
    ----------
    proto : NodeProto
    name : str
        As messages show it.
    opset : int
        Of the node's domain.
    builder : Builder
    schema : OpSchema or None
        Of the operator at this opset, with the defaults of its attributes.
    scope : object
        The graph that the node is in, for operators that have graphs as attributes.
    """

    def __init__(self, proto: Any, name: str, opset: int, builder: Builder, schema: Any, scope: Any) -> None:
        self.proto = proto
        self.name = name
        self.opset = opset
        self.builder = builder
        self.schema = schema
        self.scope = scope
        self.attributes = {a.name: a for a in proto.attribute}
        self.call = builder.call
        self.constant = builder.constant

    def attr(self, name: str, default: Any = None) -> Any:
        """The value of an attribute; where the node has none the operator's default, else `default`.

        Raises
        ------
        OnnxError
            If it is of a type that the operator does not allow.
        """
        given = self.attributes.get(name)
        declared = self.schema.attributes.get(name) if self.schema is not None else None
        if given is None:
            if declared is not None and declared.default_value.type:
                return attribute_value(declared.default_value)
            if declared is not None and declared.required:
                raise OnnxError(f"the attribute {name} is missing")
            return default
        if declared is not None and given.type != int(declared.type.value):
            raise OnnxError(f"the attribute {name} has the wrong type; {declared.type.name} is needed")
        return attribute_value(given)

    def outputs(self) -> int:
        """How many outputs the node has, those left out at the end not counted."""
        return max((i + 1 for i, name in enumerate(self.proto.output) if name), default=0)

    def has_output(self, index: int) -> bool:
        """Whether an output is used by the model."""
        return index < len(self.proto.output) and bool(self.proto.output[index])

    def value(self, expr: Expr, what: str) -> np.ndarray:
        """The value of an input that decides a shape; see `Builder.value`."""
        if expr is None:
            raise OnnxError(f"an input is missing that gives {what}")
        return self.builder.value(expr, f"{self.name}: {what}")

    def ints(self, expr: Expr, what: str) -> list[int]:
        """The elements of an input that decides a shape."""
        return [int(v) for v in np.ravel(self.value(expr, what))]

    def ints_or_attr(self, expr: Expr | None, name: str) -> list[int] | None:
        """A list that is an attribute in old opsets and an input in new ones."""
        if expr is not None:
            return self.ints(expr, name)
        found = self.attr(name) if name in self.attributes else None
        return None if found is None else [int(v) for v in np.ravel(found)]

    def static(self, expr: Expr, what: str = "the input") -> tuple[int, ...]:
        """The shape of a tensor, which has to be known.

        Raises
        ------
        OnnxError
            If a dimension is not known.
        """
        type_ = tensor_type(expr)
        if not type_.concrete:
            raise OnnxError(
                f"{what} needs a known shape, not ({shape_words(type_)}): fix the dimensions of the "
                "model's inputs with shapes="
            )
        return type_.dims

    def field(self, value: Expr, index: int) -> Expr:
        """A field of a tuple."""
        return self.builder.field(value, index)

    def cast(self, expr: Expr, dtype: str) -> Expr:
        """An expression of an element type."""
        return expr if dtype_of(expr) == dtype else self.call("cast", expr, dtype=dtype)

    def like(self, number: Any, expr: Expr) -> Expr:
        """A scalar constant of the element type of an expression."""
        return self.constant(np.asarray(number).astype(dtype_of(expr)))


def attribute_value(attribute: Any) -> Any:
    """The value of an AttributeProto: a number, a string, an array, a graph, or a list of them.

    Raises
    ------
    Unsupported
        For an attribute of another type.
    """
    kind = attribute.type
    if kind == 1:
        return float(attribute.f)
    if kind == 2:
        return int(attribute.i)
    if kind == 3:
        return attribute.s.decode("utf-8", "replace")
    if kind == 4:
        return array_of(attribute.t)
    if kind == 5:
        return attribute.g
    if kind == 6:
        return [float(v) for v in attribute.floats]
    if kind == 7:
        return [int(v) for v in attribute.ints]
    if kind == 8:
        return [s.decode("utf-8", "replace") for s in attribute.strings]
    raise Unsupported(f"the attribute {attribute.name} has a type that is not supported")


def tensor_type(expr: Expr) -> TensorType:
    """The type of a tensor.

    Raises
    ------
    OnnxError
        If it is none.
    """
    type_ = expr.checked_type
    if not isinstance(type_, TensorType):
        raise OnnxError("a tensor is needed")
    return type_


def shape_of(expr: Expr) -> tuple[Any, ...]:
    """The dimensions of a tensor; those that are not known are `ANY`."""
    return tensor_type(expr).shape  # type: ignore[return-value]


def rank_of(expr: Expr) -> int:
    """How many dimensions a tensor has."""
    return len(shape_of(expr))


def dtype_of(expr: Expr) -> str:
    """The element type of a tensor."""
    return tensor_type(expr).dtype  # type: ignore[return-value]


def shape_words(type_: TensorType) -> str:
    """A shape as messages show it."""
    return ", ".join("?" if isinstance(d, AnyDim) else str(d) for d in type_.shape)  # type: ignore[union-attr]


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front.

    Raises
    ------
    OnnxError
        If there is no such axis.
    """
    if not -rank <= axis < rank:
        raise OnnxError(f"axis is {axis}; a tensor of {rank} dimensions has the axes {-rank} to {rank - 1}")
    return axis % rank


def axes_of(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from the front.

    Raises
    ------
    OnnxError
        If one does not exist, or is given twice.
    """
    found = tuple(axis_of(axis, rank) for axis in axes)
    if len(set(found)) != len(found):
        raise OnnxError(f"an axis is given twice: {list(axes)}")
    return found
