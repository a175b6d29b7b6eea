"""Small models for the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "float16": TensorProto.FLOAT16,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
}

node = helper.make_node


def value(name: str, shape: Sequence[Any] | None, dtype: str = "float32") -> Any:
    """The declaration of a tensor."""
    return helper.make_tensor_value_info(name, TYPES[dtype], shape)


def graph(
    nodes: Sequence[NodeProto],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    constants: Mapping[str, Any] | None = None,
    name: str = "graph",
) -> Any:
    """A graph; outputs that are names are declared as float32 of any shape."""
    declared = [value(o, None) if isinstance(o, str) else o for o in outputs]
    stored = [numpy_helper.from_array(np.asarray(v), n) for n, v in (constants or {}).items()]
    return helper.make_graph(list(nodes), name, list(inputs), declared, stored)


def model(
    nodes: Sequence[NodeProto],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    constants: Mapping[str, Any] | None = None,
    opset: int = 21,
    **more: Any,
) -> ModelProto:
    """A model of one graph."""
    imports = [helper.make_opsetid("", opset), *more.pop("imports", ())]
    return helper.make_model(graph(nodes, inputs, outputs, constants), opset_imports=imports, **more)
