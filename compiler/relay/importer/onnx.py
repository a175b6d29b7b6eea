"""`from_onnx`: a model as a module, its shapes fixed as far as they are given and its constants evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from compiler.relay.importer.builder import Builder
from compiler.relay.importer.errors import OnnxError, Unsupported
from compiler.relay.importer.graph import FAILED, GraphImport, Problems
from compiler.relay.importer.model import declared_type, kind_text, model_inputs, opsets, read_model
from compiler.relay.importer.tensors import check_size, element_type
from compiler.relay.importer.weights import Origin
from compiler.relay.language.expr import Function, Var
from compiler.relay.language.module import IRModule
from compiler.relay.language.types import ANY, TensorType
from compiler.suggest import unknown


def from_onnx(
    model: Any,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
    values: Mapping[str, Any] | None = None,
) -> IRModule:
    """Import a model of the format ONNX.

    Opset 7 and later of the default domain, with If, Loop and Scan, and functions. What is computed from
    constants and shapes alone is evaluated.

    Parameters
    ----------
    model : path, bytes or ModelProto
        External data are read from the model's folder, where a path is given.
    shapes : mapping of str to sequence of int or None, optional
        Input -> its shape. Dimensions that the file leaves open, and that are not given, are `ANY`; those
        with the same name in the file have one extent.
    values : mapping of str to array, optional
        Input -> its value, for inputs on which shapes depend (`NeedsValues` says which): the module is for
        these values, and the inputs are no parameters of it.

    Returns
    -------
    IRModule
        The parameters of ``main`` are the model's inputs, in their order and with their names; of several
        outputs it returns a tuple.

    Raises
    ------
    OnnxError
        For a damaged or inconsistent model, and for one that uses what is not supported. All problems are in
        one message, each with the operator and the name of the node.
    NeedsValues
        If shapes depend on inputs whose values are not given.
    ImportError
        Without the package `onnx`.
    """
    proto, origin = read_model(model)
    return import_model(proto, origin, shapes or {}, values or {})


def import_model(
    proto: Any, origin: Origin, shapes: Mapping[str, Sequence[int | None]], values: Mapping[str, Any]
) -> IRModule:
    """`from_onnx` of what `read_model` returned."""
    graph = proto.graph
    inputs = model_inputs(graph)
    for name in [*shapes, *values]:
        if name not in inputs:
            raise OnnxError(unknown("input of the model", name, inputs))
    builder, problems = Builder(), Problems()
    functions = {(f.domain, f.name): f for f in proto.functions}
    if len(functions) != len(proto.functions):
        raise OnnxError("a function of the model is defined twice")
    scope = GraphImport(builder, problems, origin, opsets(proto), functions)
    params = _bound(scope, inputs, shapes, values)
    problems.inputs = frozenset(params)
    scope.initializers(graph)
    scope.nodes(graph.node)
    outputs = [scope.lookup(value.name) for value in graph.output]
    problems.check(params)
    if not outputs or any(value is FAILED or value is None for value in outputs):
        raise OnnxError("the model has no outputs" if not outputs else "an output is not made")
    body = outputs[0] if len(outputs) == 1 else builder.tuple(outputs)
    return IRModule.from_expr(Function(tuple(params), body, body.checked_type))


def _bound(
    scope: GraphImport, inputs: Mapping[str, Any], shapes: Mapping[str, Any], values: Mapping[str, Any]
) -> list[Var]:
    """Bind the inputs in the scope of the graph; returns those that become parameters."""
    params, named = [], _named_dims(inputs, shapes, values)
    for name, value in inputs.items():
        declared = declared_type(value)
        if declared is None:
            scope.problems.unsupported.append(f"the input {name!r} is {kind_text(value)}")
            scope.values[name] = FAILED
            continue
        try:
            dtype = element_type(declared[0], f"the input {name!r}")
        except Unsupported as error:
            scope.problems.unsupported.append(str(error))
            scope.values[name] = FAILED
            continue
        if name in values:
            array = np.asarray(values[name])
            if array.dtype.name != dtype:
                raise OnnxError(f"the value of the input {name!r} is {array.dtype.name}; {dtype} is needed")
            _fixed(name, declared[1], array.shape)
            scope.values[name] = scope.builder.constant(array)
            continue
        if declared[1] is None and name not in shapes:
            text = f"the file does not say how many dimensions the input {name!r} has: give its shape"
            scope.problems.wrong.append(text)
            scope.values[name] = FAILED
            continue
        shape = _fixed(name, declared[1], shapes[name]) if name in shapes else list(declared[1] or ())
        dims = tuple(d if type(d) is int else named.get(d, ANY) for d in shape)
        check_size(dims, dtype, f"the input {name!r}")
        var = scope.builder.variable(name, TensorType(dims, dtype))
        scope.values[name] = var
        params.append(var)
    return params


def _named_dims(
    inputs: Mapping[str, Any], shapes: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[Any, int]:
    """The extents of named dimensions, from the shapes that are given."""
    found: dict[Any, int] = {}
    for name, value in inputs.items():
        declared = declared_type(value)
        given = np.shape(values[name]) if name in values else shapes.get(name)
        if declared is None or given is None or len(given) != len(declared[1] or ()):
            continue
        for dim, extent in zip(declared[1] or (), given, strict=True):
            # exporters write "?" for dimensions that have nothing to do with each other
            if isinstance(dim, str) and dim.isidentifier() and extent is not None:
                found.setdefault(dim, int(extent))
    return found


def _fixed(name: str, declared: list[Any] | None, given: Sequence[Any]) -> list[Any]:
    """The shape of an input: what is given, where it agrees with the file."""
    shape = list(given)
    if declared is None:
        declared = [None] * len(shape)
    fits = len(shape) == len(declared)
    if not fits or any(
        type(d) is int and s is not None and d != s for d, s in zip(declared, shape, strict=False)
    ):
        text = ", ".join("?" if d is None else str(d) for d in declared)
        raise OnnxError(f"the input {name!r} has the shape ({text}) in the file; {tuple(shape)} does not fit")
    for extent in shape:
        if extent is not None and (not isinstance(extent, (int, np.integer)) or extent < 0):
            raise OnnxError(f"the input {name!r}: a dimension is {extent!r}; integers from 0 on are extents")
    return [d if s is None else int(s) for d, s in zip(declared, shape, strict=True)]
