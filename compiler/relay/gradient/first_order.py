"""Reverse mode for data-flow graphs: adjoints are summed from the result back to the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler.ir.node import CHILDREN, REBUILD
from compiler.relay.language.expr import (
    Call,
    Constant,
    Expr,
    Function,
    GlobalVar,
    Tuple,
    TupleGetItem,
    Var,
    set_type,
    span_of,
)
from compiler.relay.language.op import Op, is_call_of, op
from compiler.relay.language.types import TensorType, TupleType, Type
from compiler.relay.language.visit import post_order


class GradientError(ValueError):
    """A program cannot be differentiated; the message names the operator or the construct."""


Adjoint = Any
"""The derivative by an expression so far: None, an expression, or a list of these for a tuple."""


def is_dataflow(body: Expr) -> bool:
    """Whether an expression has operators, tuples, variables and constants alone."""
    return all(
        type(node) in (Var, Constant, Tuple, TupleGetItem, Op) or is_call_of(node)
        for node in post_order(body)
    )


def first_order(function: Function, wanted: Sequence[Var]) -> Function:
    """The function that returns the result and the derivatives by some parameters.

    Parameters
    ----------
    function : Function
        A data-flow graph whose types are inferred.
    wanted : sequence of Var
        Some of its parameters.

    Returns
    -------
    Function
        ``fn (params) { (result, (derivatives,)) }``: derivatives of the sum of the result's elements.

    Raises
    ------
    GradientError
        For an operator that has no gradient, on a path from a parameter that is wanted to the result.
    """
    body = function.body
    nodes = post_order(body)
    matters = _depending(nodes, wanted)
    again = _Recomputed(nodes)
    adjoints: dict[int, Adjoint] = {id(body): ones(body, body.checked_type)}
    for node in reversed(nodes):
        adjoint = adjoints.get(id(node))
        if adjoint is None or id(node) not in matters:
            continue
        if type(node) is Tuple:
            for expr, part in zip(node.fields, adjoint, strict=True):
                _add(adjoints, expr, part)
        elif type(node) is TupleGetItem:
            fields: list[Adjoint] = [None] * _count(node.tuple_value)
            fields[node.index] = adjoint
            _add(adjoints, node.tuple_value, fields)
        elif type(node) is Call:
            values = again.of(node)
            by_args = gradient_of(values, complete(adjoint, values, node.checked_type))
            for arg, part in zip(node.args, by_args, strict=True):
                if part is not None and id(arg) in matters:
                    _add(adjoints, arg, parts_of(part, arg.checked_type))
    derivatives = [complete(adjoints.get(id(var)), var, var.checked_type) for var in wanted]
    result = Tuple((body, Tuple(tuple(derivatives))))
    return Function(function.params, result, None, function.type_params, function.attrs)


def gradient_of(call: Call, grad: Expr) -> Sequence[Expr | None]:
    """The derivatives by the arguments of an operator's call.

    Raises
    ------
    GradientError
        If the operator has no gradient.
    """
    row = call.function
    assert type(row) is Op
    if row.gradient is None:
        where = f" at {span_of(call)}" if span_of(call) else ""
        raise GradientError(f"{row.name}{where} has no gradient")
    return row.gradient(call, grad)


def is_float(type_: Type) -> bool:
    """Whether a tensor type has derivatives: floats alone have."""
    return isinstance(type_, TensorType) and str(type_.dtype).startswith(("float", "bfloat"))


def ones(expr: Expr, type_: Type) -> Adjoint:
    """Ones for every tensor of floats in an expression, None for others."""
    if isinstance(type_, TupleType):
        return [ones(_field(expr, i), field) for i, field in enumerate(type_.fields)]
    return op("ones_like")(expr) if is_float(type_) else None


def complete(adjoint: Adjoint, expr: Expr, type_: Type) -> Expr:
    """An adjoint as an expression of the type, with zeros for what is missing."""
    if isinstance(type_, TupleType):
        parts = adjoint if isinstance(adjoint, list) else [None] * len(type_.fields)
        fields = zip(parts, type_.fields, strict=True)
        return Tuple(tuple(complete(part, _field(expr, i), t) for i, (part, t) in enumerate(fields)))
    return op("zeros_like")(expr) if adjoint is None else adjoint


def parts_of(expr: Expr, type_: Type) -> Adjoint:
    """An expression as an adjoint: a list of its fields, if it is a tuple."""
    if isinstance(type_, TupleType):
        return [parts_of(_field(expr, i), field) for i, field in enumerate(type_.fields)]
    return expr


def _field(expr: Expr, index: int) -> Expr:
    return expr.fields[index] if type(expr) is Tuple else TupleGetItem(expr, index)


def _count(expr: Expr) -> int:
    type_ = expr.checked_type
    assert isinstance(type_, TupleType)
    return len(type_.fields)


def _add(adjoints: dict[int, Adjoint], expr: Expr, part: Adjoint) -> None:
    adjoints[id(expr)] = _sum(adjoints.get(id(expr)), part)


def _sum(a: Adjoint, b: Adjoint) -> Adjoint:
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, list):
        return [_sum(x, y) for x, y in zip(a, b, strict=True)]
    return op("add")(a, b)


def _depending(nodes: Sequence[Any], wanted: Sequence[Var]) -> set[int]:
    """The nodes whose value depends on one of the variables."""
    found: set[int] = set()
    for node in nodes:
        if node in wanted if type(node) is Var else any(id(c) in found for c in CHILDREN[type(node)](node)):
            found.add(id(node))
    return found


class _Recomputed:
    """The nodes whose values the derivatives use: those below a checkpoint are computed again.

    What is below ``annotation.checkpoint`` is a segment, down to the variables and the next checkpoints. Its
    copy reads those through a checkpoint of its own, which keeps the two from being taken for one (Chen et
    al., arXiv 1604.06174, section 4).
    """

    def __init__(self, nodes: Sequence[Any]) -> None:
        self._inside: set[int] = set()
        self._copies: dict[int, Expr] = {}
        for node in nodes:
            if is_call_of(node, "annotation.checkpoint"):
                self._mark(node.args[0])

    def _mark(self, root: Expr) -> None:
        pending: list[Any] = [root]
        while pending:
            node = pending.pop()
            if id(node) not in self._inside and not _is_boundary(node):
                self._inside.add(id(node))
                pending += CHILDREN[type(node)](node)

    def of(self, call: Call) -> Call:
        """The call, or its copy, whose arguments hold the values to differentiate with."""
        if not self._inside:
            return call
        copies = tuple(self._value(arg) for arg in call.args)
        if all(a is b for a, b in zip(copies, call.args, strict=True)):
            return call
        copy = Call(call.function, copies, call.attrs, call.type_args).with_span(span_of(call))
        set_type(copy, call.checked_type)
        return copy

    def _value(self, root: Expr) -> Expr:
        if id(root) not in self._inside:
            return root
        for node in post_order(root):
            if id(node) in self._inside and id(node) not in self._copies:
                below = tuple(self._operand(c) for c in CHILDREN[type(node)](node))
                copy = REBUILD[type(node)](node, below) if below else node
                set_type(copy, node.checked_type)
                self._copies[id(node)] = copy
        return self._copies[id(root)]

    def _operand(self, node: Any) -> Any:
        if id(node) in self._inside:
            return self._copies[id(node)]
        if type(node) in (Op, Constant, GlobalVar):
            return node
        if id(node) not in self._copies:
            barrier = op("annotation.checkpoint")(node)
            set_type(barrier, node.checked_type)
            self._copies[id(node)] = barrier
        return self._copies[id(node)]


def _is_boundary(node: Any) -> bool:
    return type(node) in (Var, Constant, Op, GlobalVar) or is_call_of(node, "annotation.checkpoint")
