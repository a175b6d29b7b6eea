"""Evaluation of operators by their definitions, for what has no code: as a recipe, which is plain data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler.ir.semantics.bfloat16 import narrowed, widened
from compiler.relay.execute.planning.nested import Nested, flat, tensor_types
from compiler.relay.language.attributes import Attrs
from compiler.relay.language.expr import Call, Constant, Function, Tuple, TupleGetItem
from compiler.relay.language.op import Op, evaluated, op
from compiler.relay.language.visit import post_order

Recipe = tuple[Any, ...]
"""``(parameters, nodes, root)``. A parameter is the number of its fields, None for a tensor; a node is
``("call", operator, attributes, arguments, dtypes in, dtypes out)``, ``("tuple", fields)``,
``("item", tuple, index)`` or ``("constant", dtype, shape, NumPy's dtype, bytes as text)``; arguments and
fields are positions among the parameters and the nodes before."""


def recipe(function: Function) -> Recipe:
    """What a primitive function evaluates."""
    number: dict[int, int] = {id(p): i for i, p in enumerate(function.params)}
    parameters = tuple(_form(p.checked_type) for p in function.params)
    nodes: list[Any] = []
    for expr in post_order(function.body):
        if id(expr) in number or type(expr) is Op:
            continue
        number[id(expr)] = len(function.params) + len(nodes)
        if type(expr) is Call:
            given = tuple(_dtypes(a.checked_type) for a in expr.args)
            arguments = tuple(number[id(a)] for a in expr.args)
            called: Any = expr.function
            result = _dtypes(expr.checked_type)
            nodes.append(("call", called.name, dict(expr.attrs), arguments, given, result))
        elif type(expr) is Tuple:
            nodes.append(("tuple", tuple(number[id(f)] for f in expr.fields)))
        elif type(expr) is TupleGetItem:
            nodes.append(("item", number[id(expr.tuple_value)], expr.index))
        else:
            assert type(expr) is Constant
            nodes.append(
                ("constant", expr.dtype, expr.data.shape, str(expr.data.dtype), expr.data.tobytes().hex())
            )
    return parameters, tuple(nodes), number[id(function.body)]


def _form(type_: Any) -> Any:
    fields = getattr(type_, "fields", None)
    return None if fields is None else tuple(map(_form, fields))


def _dtypes(type_: Any) -> tuple[str, ...]:
    return tuple(str(t.dtype) for t in tensor_types(type_))


def evaluator(made: Recipe) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """The function ``(inputs) -> outputs`` that a recipe describes; those of tuples in order."""
    forms, nodes, root = made
    calls = [_node(node) for node in nodes]

    def evaluate(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        leaves = iter(inputs)
        values: list[Nested] = [_taken(form, leaves) for form in forms]
        for call in calls:
            values.append(call(values))
        return list(flat(values[root]))

    return evaluate


def _taken(form: Any, leaves: Any) -> Nested:
    return next(leaves) if form is None else tuple(_taken(part, leaves) for part in form)


def _node(node: Any) -> Callable[[list[Nested]], Nested]:
    kind = node[0]
    if kind == "tuple":
        return lambda values: tuple(values[i] for i in node[1])
    if kind == "item":
        return lambda values: values[node[1]][node[2]]
    if kind == "constant":
        _, _, shape, dtype, data = node
        array = np.frombuffer(bytes.fromhex(data), dtype).reshape(tuple(shape))
        return lambda values: array
    _, name, attributes, arguments, given, result = node
    row, attrs = op(name), Attrs(attributes)
    if "bfloat16" not in (*(d for part in given for d in part), *result):
        return lambda values: _arrays(evaluated(row, attrs, [values[i] for i in arguments]))

    def call(values: list[Nested]) -> Nested:
        inputs = [_widened(values[i], iter(dtypes)) for i, dtypes in zip(arguments, given, strict=True)]
        return _narrowed(_arrays(evaluated(row, attrs, inputs)), iter(result))

    return call


def _arrays(value: Any) -> Nested:
    return tuple(map(_arrays, value)) if isinstance(value, (tuple, list)) else np.asarray(value)


def _widened(value: Nested, dtypes: Any) -> Nested:
    """Bits of bfloat16 as float32: NumPy has no such type, and definitions of operators take float32."""
    if isinstance(value, tuple):
        return tuple(_widened(part, dtypes) for part in value)
    return np.asarray(widened(value.view(np.uint16))) if next(dtypes) == "bfloat16" else value


def _narrowed(value: Nested, dtypes: Any) -> Nested:
    if isinstance(value, tuple):
        return tuple(_narrowed(part, dtypes) for part in value)
    return np.asarray(narrowed(value)) if next(dtypes) == "bfloat16" else value
