"""Conversions of If, Loop and Scan: a branch, unrolled iterations, or a recursive function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler.relay.importer.builder import type_words
from compiler.relay.importer.converter.table import (
    Captures,
    NodeView,
    axis_of,
    converts,
    dtype_of,
    rank_of,
    shape_of,
)
from compiler.relay.importer.errors import Needed, OnnxError, Unsupported
from compiler.relay.language.expr import Call, Constant, Expr, Function, If, Let
from compiler.relay.language.types import ANY, FuncType, TensorType, TupleType, Type

UNROLLED = 4096
"""Iterations are written out where that makes no more nodes than this."""

WIDENINGS = 4
"""How often the types of a loop's variables are made more general before the loop is refused."""


@converts("If")
def _if(node: NodeView, condition: Expr) -> list[Any]:
    branches = node.attr("then_branch"), node.attr("else_branch")
    if isinstance(condition, Constant):
        if condition.data.size != 1:
            raise OnnxError(f"the condition has {condition.data.size} elements; one is needed")
        chosen = branches[0] if condition.data.reshape(()) else branches[1]
        return list(node.scope.subgraph(chosen, [], node.name))
    wrong = node.scope.problems.wrong
    before = len(wrong)
    then, otherwise = (node.scope.subgraph(graph, [], node.name) for graph in branches)
    if len(wrong) > before and node.scope.origins(condition):
        # a branch for other shapes than these, which is not taken then
        del wrong[before:]
        raise Needed(condition, "the condition, without which one branch does not fit,")
    if len(then) != len(otherwise):
        raise OnnxError(f"one branch has {len(then)} outputs, the other {len(otherwise)}")
    if any(not isinstance(value, Expr) for value in (*then, *otherwise)):
        return [v if isinstance(v, Expr) else w for v, w in zip(otherwise, then, strict=True)]
    for a, b in zip(then, otherwise, strict=True):
        if dtype_of(a) != dtype_of(b):
            raise OnnxError(
                f"the branches give {type_words(a.checked_type)} and {type_words(b.checked_type)}"
            )
        if shape_of(a) != shape_of(b):
            raise Needed(condition, "the condition, on which a shape depends,")
    return _alternative(node, scalar(node, condition), then, otherwise)


def _alternative(
    node: NodeView, condition: Expr, then: Sequence[Expr], otherwise: Sequence[Expr]
) -> list[Expr]:
    if len(then) == 1:
        return [node.builder.typed(If(condition, then[0], otherwise[0]), then[0].checked_type)]
    both = [node.builder.tuple(branch) for branch in (then, otherwise)]
    made = node.builder.typed(If(condition, *both), both[0].checked_type)
    return [node.field(made, index) for index in range(len(then))]


def scalar(node: NodeView, value: Expr) -> Expr:
    """A tensor of one element without dimensions."""
    return value if not rank_of(value) else node.call("reshape", value, newshape=())


Step = Callable[[Expr, Expr, list[Any], "Captures | None"], tuple[Any, list[Any], list[Any]]]
"""``step(number, condition, state, captures)``: the condition of the next iteration, the next state, and the
outputs of this one."""


@converts("Loop")
def _loop(
    node: NodeView, trips: Expr | None = None, condition: Expr | None = None, *state: Expr
) -> list[Any]:
    graph, count = node.attr("body"), len(state)

    def step(
        number: Expr, going: Expr, values: list[Any], captures: Captures | None
    ) -> tuple[Any, list[Any], list[Any]]:
        made = node.scope.subgraph(graph, [number, going, *values], node.name, captures)
        if len(made) < count + 1:
            raise OnnxError(f"the body has {len(made)} outputs; {count + 1} at least are needed")
        return made[0], made[1 : count + 1], made[count + 1 :]

    first = None if trips is None else scalar(node, trips)
    going = node.constant(np.bool_(True)) if condition is None else scalar(node, condition)
    final, outputs = iterated(node, first, going, list(state), step, len(graph.node))
    return [*final, *outputs]


@converts("Scan", since=9)
def _scan(node: NodeView, *values: Expr) -> list[Any]:
    graph, scanned = node.attr("body"), node.attr("num_scan_inputs")
    count = len(values) - scanned
    if scanned < 1 or count < 0:
        raise OnnxError(f"num_scan_inputs is {scanned}; there are {len(values)} inputs")
    state, sources = list(values[:count]), list(values[count:])
    axes = [
        axis_of(a, rank_of(x))
        for a, x in zip(node.attr("scan_input_axes") or [0] * scanned, sources, strict=True)
    ]
    extents = {node.static(x)[a] for a, x in zip(axes, sources, strict=True)}
    if len(extents) != 1:
        raise OnnxError(f"the scanned inputs have {sorted(extents)} elements; they have one number")
    (length,) = extents
    backward = node.attr("scan_input_directions") or [0] * scanned

    def step(
        number: Expr, going: Expr, current: list[Any], captures: Captures | None
    ) -> tuple[Any, list[Any], list[Any]]:
        parts = []
        for x, axis, reverse in zip(sources, axes, backward, strict=True):
            if captures is not None and not isinstance(x, Constant):
                x = captures.of(f"scanned {id(x)}", x)
            place = node.call("subtract", node.constant(np.int64(length - 1)), number) if reverse else number
            parts.append(node.call("take", x, place, axis=axis))
        made = node.scope.subgraph(graph, [*current, *parts], node.name, captures)
        return node.constant(np.bool_(True)), made[:count], made[count:]

    trips, going = node.constant(np.int64(length)), node.constant(np.bool_(True))
    final, outputs = iterated(node, trips, going, state, step, len(graph.node))
    kinds = node.attr("scan_output_axes") or [0] * len(outputs)
    turned = node.attr("scan_output_directions") or [0] * len(outputs)
    return [*final, *(_placed(node, o, a, r) for o, a, r in zip(outputs, kinds, turned, strict=True))]


def _placed(node: NodeView, output: Any, axis: int, reverse: int) -> Any:
    """A stacked output in the order and along the axis that Scan's attributes say."""
    if not isinstance(output, Expr):
        return output
    if reverse:
        output = node.call("reverse", output, axis=0)
    axis = axis_of(axis, rank_of(output))
    if axis:
        order = list(range(1, rank_of(output)))
        order.insert(axis, 0)
        output = node.call("transpose", output, axes=tuple(order))
    return output


def iterated(
    node: NodeView, trips: Expr | None, going: Expr, state: list[Expr], step: Step, size: int
) -> tuple[list[Any], list[Any]]:
    """The last state, and the outputs of all iterations, stacked.

    Parameters
    ----------
    node : NodeView
    trips : Expr, optional
        How many iterations there are at most.
    going : Expr
        Whether there is a first one.
    state : list of Expr
    step : callable
    size : int
        Nodes of the body.
    """
    if isinstance(going, Constant) and (trips is None or isinstance(trips, Constant)):
        unrolled = _unrolled(node, trips, going, state, step, max(1, UNROLLED // max(size, 1)))
        if unrolled is not None:
            return unrolled
    return _recursive(node, trips, going, state, step)


def _unrolled(
    node: NodeView, trips: Any, going: Any, state: list[Any], step: Step, limit: int
) -> tuple[list[Any], list[Any]] | None:
    """The iterations written out; None where their number is large or depends on data."""
    most = None if trips is None else int(trips.data)
    if most is not None and most > limit:
        return None
    kept: list[list[Any]] = []
    number = 0
    while going.data.reshape(()) and (most is None or number < most):
        if number >= limit:
            return None
        going, state, outputs = step(node.constant(np.int64(number)), going, state, None)
        kept.append(outputs)
        number += 1
        if any(not isinstance(value, Expr) for value in (going, *state, *outputs)):
            return list(state), list(outputs)  # it could not be made, and the reason is noted
        if not isinstance(going, Constant):
            if most is not None and number >= most:
                break
            return None
    if not kept:
        index, condition = (
            node.builder.variable(n, TensorType((), t)) for n, t in (("i", "int64"), ("c", "bool"))
        )
        _, _, outputs = step(
            index, condition, _variables(node, [v.checked_type for v in state]), Captures(node.builder, ())
        )
        empty = [node.constant(np.zeros((0, *_dims(o)), dtype_of(o))) for o in outputs]
        return list(state), list(empty)
    return list(state), [
        node.call("concatenate", [node.call("expand_dims", o, axis=0) for o in column], axis=0)
        for column in zip(*kept, strict=True)
    ]


def _dims(value: Expr) -> tuple[int, ...]:
    return tuple(d if type(d) is int else 0 for d in shape_of(value))


def _variables(node: NodeView, types: Sequence[Type]) -> list[Any]:
    return [node.builder.variable(f"state{i}", t) for i, t in enumerate(types)]


def _recursive(
    node: NodeView, trips: Expr | None, going: Expr, state: list[Expr], step: Step
) -> tuple[list[Any], list[Any]]:
    """``let loop = fn (i, c, state, outputs) { if .. { loop(i + 1, ..) } else { (state, outputs) } }``."""
    builder = node.builder
    index, condition = (
        builder.variable("i", TensorType((), "int64")),
        builder.variable("c", TensorType((), "bool")),
    )
    types: list[Type] = [v.checked_type for v in state]
    for _ in range(WIDENINGS):
        captures = Captures(builder, [v for v in (trips, going, *state) if v is not None])
        variables = _variables(node, types)
        next_going, next_state, outputs = step(index, condition, variables, captures)
        if any(not isinstance(value, Expr) for value in (next_going, *next_state, *outputs)):
            return list(next_state), list(outputs)
        wider = [_common(node, a, v.checked_type) for a, v in zip(types, next_state, strict=True)]
        if wider == types:
            break
        types = wider
    else:
        raise Unsupported("a loop whose values change their shapes in each iteration")
    kinds = [TensorType((ANY, *shape_of(o)), dtype_of(o)) for o in outputs]
    gathered = [builder.variable(f"outputs{i}", k) for i, k in enumerate(kinds)]
    result = TupleType((*types, *kinds))
    signature = FuncType((index.checked_type, condition.checked_type, *types, *kinds), result)
    loop = builder.variable("loop", signature)
    longer = [
        builder.typed(node.call("concatenate", [g, node.call("expand_dims", o, axis=0)], axis=0), k)
        for g, o, k in zip(gathered, outputs, kinds, strict=True)
    ]
    after = node.call("add", index, node.constant(np.int64(1)))
    again = Call(loop, (after, scalar(node, next_going), *next_state, *longer))
    goes_on: Expr = condition
    if trips is not None:
        limit = trips
        if not isinstance(trips, Constant):
            limit = captures.of("the number of iterations", trips)
        goes_on = node.call("logical_and", condition, node.call("less", index, limit))
    body = If(goes_on, builder.typed(again, result), builder.tuple([*variables, *gathered]))
    function = Function((index, condition, *variables, *gathered), builder.typed(body, result), result)
    empty = [node.constant(np.zeros((0, *_dims(o)), dtype_of(o))) for o in outputs]
    start = Call(loop, (node.constant(np.int64(0)), going, *state, *empty))
    made: Expr = Let(loop, builder.typed(function, signature), builder.typed(start, result))
    builder.typed(made, result)
    for var, value in reversed(captures.bindings()):
        made = builder.typed(Let(var, value, made), result)
    fields = [node.field(made, i) for i in range(len(result.fields))]
    return fields[: len(types)], fields[len(types) :]


def _common(node: NodeView, a: Any, b: Any) -> Type:
    """The type of a value that has one type or another."""
    if a.dtype != b.dtype or len(a.shape) != len(b.shape):
        raise OnnxError(
            f"a value of the loop is {type_words(a)} before an iteration and {type_words(b)} after it"
        )
    return TensorType(tuple(x if x == y else ANY for x, y in zip(a.shape, b.shape, strict=True)), a.dtype)
