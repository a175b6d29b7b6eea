"""`Program`: a data-flow function as steps in order, over numbered tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.ir.node import CHILDREN
from compiler.relay.execute.planning.lower import has_code
from compiler.relay.execute.planning.nested import Nested, flat, is_static, nested, tensor_types
from compiler.relay.language.expr import (
    Call,
    Clause,
    Constant,
    Expr,
    Function,
    Let,
    Tuple,
    TupleGetItem,
    Var,
    set_type,
    span_of,
)
from compiler.relay.language.op import Op
from compiler.relay.language.types import TensorType, Type
from compiler.relay.language.visit import post_order
from compiler.relay.optimize.dominators import is_primitive
from compiler.relay.optimize.fuse import PRIMITIVE, is_view


@dataclass(slots=True)
class Value:
    """A tensor of a program.

    Parameters
    ----------
    type : TensorType
    kind : str
        ``"input"``, ``"constant"`` or ``"computed"``.
    root : int
        The tensor whose bytes it has: itself, or, of a view, another one.
    number : int
        Of an input or a constant, its place among them.
    """

    type: TensorType
    kind: str
    root: int
    number: int = -1


@dataclass(slots=True)
class Step:
    """A call of a primitive function, or of an operator.

    Parameters
    ----------
    function : Function
    inputs, outputs : tuple of int
        Numbers of tensors; those of tuples in order.
    coded : bool
        Whether it is compiled; otherwise its operators are evaluated by their definitions.
    origin : str
        Where it is from: the name of a node of a model, or a place in a text.
    """

    function: Function
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    coded: bool
    origin: str = ""


@dataclass(slots=True)
class Program:
    """A data-flow function.

    Parameters
    ----------
    parameters : tuple of (str, Type)
        Names and types.
    result_type : Type
    values : list of Value
        The tensors of the parameters are the first ones, in order.
    constants : list of ndarray
    steps : list of Step
    result : nested tuples of int
    """

    parameters: tuple[tuple[str, Type], ...]
    result_type: Type
    values: list[Value]
    constants: list[np.ndarray]
    steps: list[Step]
    result: Nested

    def root(self, value: int) -> int:
        """The tensor whose bytes a tensor has."""
        while self.values[value].root != value:
            value = self.values[value].root
        return value


def is_data_flow(function: Function) -> bool:
    """Whether a function whose operators are grouped is data flow over tensors of known shape alone."""
    for expr in _outer(function.body):
        if type(expr) is Clause:
            return False
        if not expr.has_type:
            if type(expr) not in (Op, _Binding) and not is_primitive(expr):
                return False
            continue
        if type(expr) is Call:
            called = expr.function
            plain = is_primitive(called) or (type(called) is Op and not called.effect)
            if not plain or not is_static(expr.checked_type):
                return False
        elif type(expr) not in (Var, Constant, Tuple, TupleGetItem, Let, Op) and not is_primitive(expr):
            return False
    return all(is_static(p.checked_type) for p in function.params) and is_static(function.body.checked_type)


def _outer(root: Expr) -> Iterator[Any]:
    """The expressions of a body, without those in primitive functions; each after what it needs."""
    pending: list[tuple[Any, bool]] = [(root, False)]
    seen: set[int] = set()
    while pending:
        expr, complete = pending.pop()
        if complete:
            yield expr
            continue
        if id(expr) in seen:
            continue
        seen.add(id(expr))
        below = () if type(expr) is Function else CHILDREN[type(expr)](expr)
        if type(expr) is Let:  # its variable stands for the value: it is complete between value and body
            pending += [(expr, True), (expr.body, False), (_Binding(expr), True), (expr.value, False)]
            continue
        pending.append((expr, True))
        pending += [(child, False) for child in reversed(below) if id(child) not in seen]


@dataclass(frozen=True, slots=True)
class _Binding:
    """The place in the order where the variable of a let is bound."""

    let: Let
    has_type: bool = False


def linear(function: Function) -> Program:
    """The steps of a function that `is_data_flow`, in the order of its expressions."""
    return _Linear(function).program


class _Linear:
    def __init__(self, function: Function) -> None:
        self.values: list[Value] = []
        self.constants: list[np.ndarray] = []
        self.steps: list[Step] = []
        self.of: dict[int, Nested] = {}
        for param in function.params:
            types = list(tensor_types(param.checked_type))
            made = [self._new(t, "input", len(self.values)) for t in types]
            self.of[id(param)] = nested(param.checked_type, iter(made))
        for expr in _outer(function.body):
            if type(expr) is _Binding:
                self.of[id(expr.let.var)] = self.of[id(expr.let.value)]
            elif type(expr) is Let:
                self.of[id(expr)] = self.of[id(expr.body)]
            elif id(expr) not in self.of and type(expr) not in (Op, Function):
                self.of[id(expr)] = self._value(expr)
        self.program = Program(
            tuple((p.name, p.checked_type) for p in function.params),
            function.body.checked_type,
            self.values,
            self.constants,
            self.steps,
            self.of[id(function.body)],
        )

    def _new(self, type_: TensorType, kind: str, number: int = -1, root: int = -1) -> int:
        self.values.append(Value(type_, kind, len(self.values) if root < 0 else root, number))
        return len(self.values) - 1

    def _value(self, expr: Any) -> Nested:
        if type(expr) is Constant:
            self.constants.append(expr.data)
            return self._new(TensorType(expr.data.shape, expr.dtype), "constant", len(self.constants) - 1)
        if type(expr) is Tuple:
            return tuple(self.of[id(field)] for field in expr.fields)
        if type(expr) is TupleGetItem:
            return self.of[id(expr.tuple_value)][expr.index]
        if type(expr) is Var:
            raise ValueError(f"the variable {expr.name} is not bound")
        arguments = tuple(self.of[id(arg)] for arg in expr.args)
        if is_view(expr) and not isinstance(arguments[0], tuple):
            base = self.values[arguments[0]]
            return self._new(expr.checked_type, base.kind, base.number, arguments[0])
        called = expr.function if is_primitive(expr.function) else alone(expr)
        outputs = tuple(self._new(t, "computed") for t in tensor_types(expr.checked_type))
        span = span_of(expr)
        step = Step(called, tuple(flat(arguments)), outputs, has_code(called), str(span) if span else "")
        self.steps.append(step)
        return nested(expr.checked_type, iter(outputs))


def alone(call: Call) -> Function:
    """The primitive function of one operator."""
    params = []
    for i, arg in enumerate(call.args):
        param = Var(f"p{i}", arg.checked_type)
        set_type(param, arg.checked_type)
        params.append(param)
    body = Call(call.function, tuple(params), call.attrs, call.type_args)
    set_type(body, call.checked_type)
    return Function(tuple(params), body, attrs=PRIMITIVE)


def functions_of(function: Function) -> Iterator[Function]:
    """The primitive functions that a function calls, those in closures, branches and clauses too."""
    for expr in post_order(function.body):
        if is_primitive(expr):
            yield expr
