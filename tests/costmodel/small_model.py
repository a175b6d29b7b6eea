"""`small_model`: a network of a few nodes for tests, as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def small_model(path: Path, batch: int | str = 1) -> Path:
    """Write a network with two convolutions, a residual sum and a classifier; returns its path."""
    rng = np.random.default_rng(7)

    def weight(name: str, *shape: int) -> TensorProto:
        scale = np.sqrt(np.prod(shape[1:]))
        return numpy_helper.from_array((rng.standard_normal(shape) / scale).astype(np.float32), name)

    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1"], ["c1"], name="stem", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", ["c1"], ["r1"], name="first"),
        node("Conv", ["r1", "w2"], ["c2"], name="block", pads=[1, 1, 1, 1]),
        node("Add", ["c2", "r1"], ["a2"], name="residual"),
        node("Relu", ["a2"], ["r2"], name="second"),
        node("GlobalAveragePool", ["r2"], ["p"], name="pool"),
        node("Flatten", ["p"], ["f"], name="flatten"),
        node("MatMul", ["f", "w3"], ["scores"], name="classifier"),
        node("Softmax", ["scores"], ["probabilities"], name="softmax"),
    ]
    inputs = [("x", TensorProto.FLOAT, [batch, 3, 8, 8])]
    outputs = [(name, TensorProto.FLOAT, [batch, 5]) for name in ("probabilities", "scores")]
    return model_of(
        path, nodes, inputs, outputs, weight("w1", 8, 3, 3, 3), weight("w2", 8, 8, 3, 3), weight("w3", 8, 5)
    )


def model_of(path: Path, nodes: list, inputs: list, outputs: list, *initializers: TensorProto) -> Path:
    """Write a model of nodes; inputs and outputs are ``(name, element type, shape)``."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "graph", [value(*i) for i in inputs], [value(*o) for o in outputs], list(initializers)
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)
    return path
