"""Does a quantised model have onnxruntime's integers: tensor by tensor from equal inputs, and at its end?

The oracle is onnxruntime without optimizations, which computes what the file says. Each tensor that the model
quantises is computed from the oracle's values of those before it; the table counts the elements that differ
by one step, and by more. The last rows are the whole model on several inputs: how far its last quantised
tensor is from the oracle's. There rounding differences add up, those of onnxruntime's own optimizations too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models.zoo import MODELS, file_of
from benchmarks.report import heading, table

QUESTION = "Integers of a quantised model, in steps from onnxruntime's without optimizations"
MODEL = "smart-turn int8"


def peer(model: bytes, optimised: bool) -> Any:
    """A session of onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def ours(model: bytes) -> Any:
    """A session of ours."""
    from compiler.relay import InferenceSession, SessionOptions

    return InferenceSession(model, SessionOptions(1))


def quantised(proto: Any) -> list[Any]:
    """The nodes that quantise what is no weight, in order."""
    weights = {tensor.name for tensor in proto.graph.initializer}
    return [n for n in proto.graph.node if n.op_type == "QuantizeLinear" and n.input[0] not in weights]


def showing(proto: Any, names: list[str]) -> bytes:
    """The model with other outputs."""
    from onnx import ModelProto, helper

    copy = ModelProto()
    copy.CopyFrom(proto)
    del copy.graph.output[:]
    copy.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return copy.SerializeToString()


def pieces(proto: Any, values: Mapping[str, np.ndarray]) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """For each quantised tensor its name, the model that makes it of tensors in `values`, and these."""
    from onnx import helper

    graph = proto.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    maker = {name: node for node in graph.node for name in node.output}
    for last in quantised(proto):
        goal = last.output[0]
        nodes: list[Any] = []
        needed: dict[str, None] = {}
        pending = [(goal, False)]
        while pending:
            name, complete = pending.pop()
            node = maker.get(name)
            if complete:
                nodes += [] if node in nodes else [node]
            elif name and name not in needed:
                needed[name] = None
                if name not in weights and (name not in values or name == goal):
                    assert node is not None
                    pending += [(name, True), *((given, False) for given in node.input)]
        given = {name: values[name] for name in needed if name in values and name != goal}
        kind = helper.np_dtype_to_tensor_dtype
        inputs = [helper.make_tensor_value_info(n, kind(a.dtype), a.shape) for n, a in given.items()]
        made = helper.make_tensor_value_info(goal, kind(values[goal].dtype), None)
        kept = [weights[name] for name in needed if name in weights]
        found = helper.make_model(
            helper.make_graph(nodes, "piece", inputs, [made], kept),
            opset_imports=proto.opset_import,
            ir_version=proto.ir_version,
        )
        yield goal, found.SerializeToString(), given


def counts(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Of the elements, those that differ by one step and by more."""
    far = np.abs(found.astype("int64") - expected.astype("int64"))
    return np.array([far.size, np.sum(far == 1), np.sum(far > 1)])


def main() -> None:
    import onnx

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path.home() / ".cache" / "espalier" / "models")
    parser.add_argument("--inputs", type=int, default=16, help="of the whole model")
    options = parser.parse_args()
    heading(QUESTION, "onnxruntime")
    (model,) = (m for m in MODELS if m.name == MODEL)
    proto = onnx.load(file_of(model, options.models))
    names = [node.output[0] for node in quantised(proto)]
    rng = np.random.default_rng(0)
    feed = model.inputs(rng)
    values = dict(zip(names, peer(showing(proto, names), False).run(None, feed), strict=True)) | feed
    total = {"ours": np.zeros(3, int), "onnxruntime, optimised": np.zeros(3, int)}
    for name, piece, given in pieces(proto, values):
        for way, session in (("ours", ours(piece)), ("onnxruntime, optimised", peer(piece, True))):
            (found,) = session.run(None, given)
            total[way] += counts(found, values[name])
    rows = [
        (f"{way}, {len(names)} tensors, each from equal inputs", f"{size}", f"{one}", f"{more}")
        for way, (size, one, more) in total.items()
    ]
    table(("ways", "elements", "one step away", "further away"), rows, threads=1)
    whole = showing(proto, names[-1:])
    ways = {"oracle": peer(whole, False), "onnxruntime, optimised": peer(whole, True), "ours": ours(whole)}
    ends: dict[str, list[int]] = {way: [] for way in ways}
    for _ in range(options.inputs):
        feed = model.inputs(rng)
        for way, session in ways.items():
            ends[way].append(int(session.run(None, feed)[0].ravel()[0]))
    rows = []
    for way in ("onnxruntime, optimised", "ours"):
        far = np.abs(np.array(ends[way]) - np.array(ends["oracle"]))
        rows.append((way, f"{np.median(far):.1f}", f"{far.max()}", f"{np.mean(far <= 1):.2f}"))
    table(("ways", "median steps", "most steps", "within one step"), rows, threads=1)


if __name__ == "__main__":
    main()
