"""`lower`: a primitive function as a graph of tensor expressions, scheduled; its structure as a key."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.backend import Target
from compiler.errors import ScheduleError, ScheduleWarning
from compiler.ir.dtype import is_float
from compiler.ir.expr import Binary
from compiler.ir.expr import Call as IntrinsicCall
from compiler.ir.node import CHILDREN
from compiler.ir.operators import INTRINSICS
from compiler.ir.semantics.bfloat16 import widened
from compiler.ir.visit import walk
from compiler.ops.group import Anchor, GroupProgram, schedule_group
from compiler.relay.execute.planning.nested import Nested, flat, is_static, nested, tensor_types
from compiler.relay.language.expr import Call, Constant, Expr, Function, Tuple, TupleGetItem, Var
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Fuse, Op
from compiler.relay.language.types import TupleType
from compiler.relay.language.visit import post_order
from compiler.te.tensor import Compute, Tensor


def has_code(function: Function) -> bool:
    """Whether a primitive function can be compiled: operators have expressions, nothing is empty."""
    types = [p.checked_type for p in function.params]
    for expr in post_order(function.body):
        if type(expr) is Call:
            if expr.function.compute is None:  # type: ignore[attr-defined]
                return False
            types.append(expr.checked_type)
    if not all(map(is_static, types)):
        return False
    return all(0 not in t.dims for type_ in types for t in tensor_types(type_))


def structure(function: Function) -> tuple[Any, ...]:
    """What a primitive function computes, as a value that is equal for functions of the same code.

    Scalar constants are compared by their bits.
    """
    number: dict[int, int] = {id(p): i for i, p in enumerate(function.params)}
    rows: list[Any] = [p.checked_type for p in function.params]
    for expr in post_order(function.body):
        if id(expr) in number or type(expr) is Op:
            continue
        number[id(expr)] = len(rows)
        if type(expr) is Constant:
            rows.append((expr.dtype, expr.data.shape, expr.data.tobytes()))
        elif type(expr) is Call:
            rows.append((expr.function.name, expr.attrs, tuple(number[id(a)] for a in expr.args)))  # type: ignore[attr-defined]
        elif type(expr) is TupleGetItem:
            rows.append((expr.index, number[id(expr.tuple_value)]))
        else:
            rows.append(tuple(number[id(child)] for child in CHILDREN[type(expr)](expr)))
    return (*rows, number[id(function.body)])


def title(function: Function) -> str:
    """The names of the operators of a primitive function, joined: an identifier."""
    names = [e.function.name for e in post_order(function.body) if type(e) is Call]  # type: ignore[attr-defined]
    short = [name.rpartition(".")[2] for name in names]
    return "_".join(short[:5] + ["etc"] * (len(short) > 5))


@dataclass(frozen=True, slots=True)
class Lowered:
    """A primitive function as a scheduled program.

    Parameters
    ----------
    program : GroupProgram
    operands : tuple of int
        What each parameter of the program holds: the inputs are counted from 0 as the function's parameters
        are, those of tuples in order; the outputs follow.
    inputs : int
        The number of inputs.
    flops : int
        Arithmetic operations, by the definitions of the operators: additions, multiplications, functions.
    """

    program: GroupProgram
    operands: tuple[int, ...]
    inputs: int
    flops: int


def lower(function: Function, target: Target) -> Lowered:
    """Make and schedule the tensor expressions of a primitive function.

    Parameters
    ----------
    function : Function
        Types are inferred; see `has_code`.
    target : Target
        What it is scheduled for: an operator's template, with what follows it in its loops, or the general
        rules.
    """
    graph = _Graph(function)
    anchor = graph.anchor()
    read = graph.read()
    program = None
    if anchor is not None:
        try:
            program = schedule_group(read, graph.outputs, target, anchor)
        except (ScheduleError, ValueError) as error:
            warnings.warn(
                f"the template of {anchor.operator.name} does not take this group, which is scheduled by the "
                f"general rules: {error}",
                ScheduleWarning,
                stacklevel=2,
            )
    if program is None:
        program = schedule_group(read, graph.outputs, target)
    place = {tensor: i for i, tensor in enumerate((*graph.inputs, *graph.outputs))}
    return Lowered(
        program, tuple(place[source] for source in program.sources), len(graph.inputs), graph.flops()
    )


class _Graph:
    """The tensor expressions of a primitive function.

    Attributes
    ----------
    inputs, outputs : tuple of Tensor
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.values: dict[int, Nested] = {}
        inputs: list[Tensor] = []
        for position, param in enumerate(function.params):
            types = list(tensor_types(param.checked_type))
            made = [te.placeholder(t.dims, f"p{position}_{i}", t.dtype) for i, t in enumerate(types)]  # type: ignore[arg-type]
            inputs += made
            self.values[id(param)] = nested(param.checked_type, iter(made))
        self.calls: list[Call] = []
        for expr in post_order(function.body):
            if type(expr) is not Op and id(expr) not in self.values:
                self.values[id(expr)] = self._value(expr)
        self.inputs = tuple(inputs)
        outputs: list[Tensor] = []
        for tensor in flat(self.values[id(function.body)]):
            # a result that is an input, or another result, is a copy of it
            outputs.append(_copied(tensor) if tensor in inputs or tensor in outputs else tensor)
        self.outputs = tuple(outputs)

    def _value(self, expr: Expr) -> Nested:
        if type(expr) is Constant:
            return _scalar(expr)
        if type(expr) is Tuple:
            return tuple(self.values[id(field)] for field in expr.fields)
        if type(expr) is TupleGetItem:
            return self.values[id(expr.tuple_value)][expr.index]
        if type(expr) is not Call:
            kind = "a free variable" if type(expr) is Var else f"a {type(expr).__name__}"
            raise ValueError(f"{kind} cannot be part of a primitive function")
        self.calls.append(expr)
        op: Any = expr.function
        tensors = [tensor for arg in expr.args for tensor in flat(self.values[id(arg)])]
        made = op.compute(expr.attrs, tensors, expr.checked_type)
        if isinstance(expr.checked_type, TupleType):
            return nested(expr.checked_type, iter(made))
        return made[0] if isinstance(made, (list, tuple)) else made

    def read(self) -> tuple[Tensor, ...]:
        """The inputs that the outputs depend on."""
        found = self.operations()
        return tuple(tensor for tensor in self.inputs if tensor.op in found)

    def operations(self) -> set[Any]:
        """The operations that the outputs depend on, their own ones included."""
        seen: set[Any] = set()
        pending = [tensor.op for tensor in self.outputs]
        while pending:
            op = pending.pop()
            if op not in seen:
                seen.add(op)
                pending += [tensor.op for tensor in op.inputs]
        return seen

    def flops(self) -> int:
        """The arithmetic operations of floating-point numbers, by the definitions of the operators."""
        total = 0
        for op in self.operations():
            if isinstance(op, Compute):
                terms = prod(axis.extent for axis in op.reduce_axis)  # type: ignore[type-var]  # no dynamic extents
                each = sum(_is_arithmetic(node) for expr in op.body for node in walk(expr))
                each += len(op.body) if op.reduction is not None and is_float(op.dtype) else 0
                total += prod(axis.extent for axis in op.axis) * terms * each  # type: ignore[type-var]
        return int(total)

    def anchor(self) -> Anchor | None:
        """The operator of the function that has a template; of several, the one that fuses least."""
        for call in sorted(self.calls, key=lambda c: -_rank(c)):
            op: Any = call.function
            output = self.values[id(call)]
            if op.template is None or isinstance(output, tuple):
                continue
            given = [self.values[id(arg)] for arg in call.args]
            types = [arg.checked_type for arg in call.args]
            template = op.template(call.attrs, types)
            if template is not None:
                operands = tuple(given[i] for i in template.arguments)
                values = template.operator.shape(**template.values)
                return Anchor(output, template.operator, values, operands)
        return None


def _rank(call: Call) -> int:
    kind = call.function.fuse  # type: ignore[attr-defined]
    return int(kind) if kind != Fuse.OPAQUE else -1


def _is_arithmetic(node: Any) -> bool:
    if type(node) is Binary:
        return node.op in "+-*/" and is_float(node.dtype)
    return type(node) is IntrinsicCall and node.name in INTRINSICS and is_float(node.dtype)


def _copied(tensor: Tensor) -> Tensor:
    return te.compute(tensor.shape, lambda *at: tensor[at], f"{tensor.name}_copy")


def _scalar(constant: Constant) -> Tensor:
    data: Any = widened(constant.data) if constant.dtype == "bfloat16" else constant.data
    value = np.asarray(data).item()
    return te.compute((), lambda: te.const(value, constant.dtype), "scalar")


def anchors(module: IRModule) -> dict[tuple[Any, tuple[Any, ...]], int]:
    """The operators with templates that compute the groups of a module, which a search can tune.

    Parameters
    ----------
    module : IRModule
        Operators are grouped and types are inferred (`compiler.relay.optimize.fuse.fuse_ops`).

    Returns
    -------
    dict
        ``(operator, values of its parameters) -> number of calls``.
    """
    found: dict[tuple[Any, tuple[Any, ...]], int] = {}
    for function in module.functions.values():
        for call in post_order(function):
            inner = call.function if type(call) is Call else None
            if type(inner) is Function and inner.attrs.get("primitive") and has_code(inner):
                anchor = _Graph(inner).anchor()
                if anchor is not None:
                    key = anchor.operator, tuple(anchor.values)
                    found[key] = found.get(key, 0) + 1
    return found
