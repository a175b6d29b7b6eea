"""`read_model`: a model file as a message whose structure is checked; nothing in it is converted yet."""

from __future__ import annotations

import mmap
import os
from collections import Counter
from pathlib import Path
from typing import Any

from compiler.relay.importer.errors import OnnxError
from compiler.relay.importer.tensors import type_text
from compiler.relay.importer.weights import Origin, without_weights

OLDEST = 1
"""The oldest opset of the default domain; what differs before 7 is refused where it is not converted."""

DEEPEST = 64
"""How deep graphs may be nested in nodes, and functions in functions."""


def onnx_package() -> Any:
    """The package `onnx`, which reads the files.

    Raises
    ------
    ImportError
        If it is not installed; names the extra to install.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("ONNX models need the package onnx: pip install 'espalier[onnx]'") from error
    return onnx


def read_model(model: Any) -> tuple[Any, Origin]:
    """A ModelProto, and where its tensors are: the large ones are no part of the message.

    Parameters
    ----------
    model : path, bytes, ModelProto or Origin
        The last is what `origin_of` returned.

    Raises
    ------
    OnnxError
        If the bytes are no model, or its structure is broken: names that are given twice, values that nothing
        makes, nodes in a circle, opsets that do not exist.
    OSError
        If the file cannot be read.
    """
    onnx = onnx_package()
    origin = Origin()
    if isinstance(model, onnx.ModelProto):
        proto = model
    else:
        what = f"{os.fspath(model)}" if isinstance(model, (str, os.PathLike)) else "the model"
        origin = model if isinstance(model, Origin) else origin_of(model)
        proto = onnx.ModelProto()
        try:
            proto.ParseFromString(without_weights(origin.data))
        except Exception as error:  # the class of the error differs between versions of protobuf
            raise OnnxError(f"{what} is no ONNX model, or it is damaged: {error}") from error
    if not proto.HasField("graph"):
        raise OnnxError("the model has no graph: the file is no ONNX model, or it is cut off")
    opsets(proto)
    problems: list[str] = []
    _check_graph(proto.graph, set(), problems, "", 0)
    if problems:
        raise OnnxError("the model is damaged:", problems)
    return proto, origin


def origin_of(model: Any, mapped: bool = False) -> Origin:
    """The bytes of a model, and the folder of its file.

    Parameters
    ----------
    model : path or bytes
    mapped : bool
        Whether the file is mapped into memory instead of read: for as long as nobody changes it.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    if isinstance(model, (bytes, bytearray, memoryview)):
        return Origin("", memoryview(model if isinstance(model, bytes) else bytes(model)))
    if not isinstance(model, (str, os.PathLike)):
        raise TypeError(f"a model is a path, bytes or a ModelProto, not {type(model).__name__}")
    folder = str(Path(model).resolve().parent)
    with open(model, "rb") as file:
        if not mapped or os.fstat(file.fileno()).st_size == 0:
            return Origin(folder, memoryview(file.read()))
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return Origin(folder, memoryview(data), mapped=True)


def model_bytes(model: Any) -> bytes:
    """The bytes of a ModelProto."""
    if not isinstance(model, onnx_package().ModelProto):
        raise TypeError(f"a model is a path, bytes or a ModelProto, not {type(model).__name__}")
    return model.SerializeToString()


def opsets(proto: Any) -> dict[str, int]:
    """The opset of each domain of a model or function.

    Raises
    ------
    OnnxError
        If one is given twice, or that of the default domain is too old or does not exist.
    """
    from onnx import defs

    found: dict[str, int] = {}
    for entry in proto.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        if found.setdefault(domain, entry.version) != entry.version:
            raise OnnxError(f"the opset of the domain {entry.domain!r} is given twice")
    newest = defs.onnx_opset_version()
    if "" in found and not OLDEST <= found[""] <= newest:
        more = "; a newer package onnx may know it" if found[""] > newest else ""
        raise OnnxError(f"the model is of opset {found['']}; {OLDEST} to {newest} are supported{more}")
    return found


def node_name(node: Any, number: int, prefix: str = "") -> str:
    """A node as messages show it: its name, or else its first output or its place."""
    own = node.name or next((f"-> {name}" for name in node.output if name), f"number {number}")
    return f"{prefix}{node.op_type} {own}".strip()


def graphs_of(node: Any) -> list[Any]:
    """The graphs that a node has as attributes."""
    return [a.g for a in node.attribute if a.type == 5] + [
        g for a in node.attribute if a.type == 10 for g in a.graphs
    ]


def _check_graph(graph: Any, outer: set[str], problems: list[str], prefix: str, depth: int) -> None:
    """Report names that are made twice or never, and nodes that need each other."""
    if depth > DEEPEST:
        problems.append(f"{prefix}graphs are nested more than {DEEPEST} deep")
        return
    initial = [t.name for t in graph.initializer] + [t.values.name for t in graph.sparse_initializer]
    made = Counter(name for node in graph.node for name in node.output if name)
    inputs = Counter(v.name for v in graph.input)
    for what, names in (("input", inputs), ("initializer", Counter(initial))):
        problems += [f"{prefix}the {what} {n!r} is given {c} times" for n, c in names.items() if c > 1]
    for name, count in made.items():
        if count > 1 or name in inputs or name in initial:
            makers = [node_name(n, i, prefix) for i, n in enumerate(graph.node) if name in n.output]
            also = "" if count > 1 else ", and it is an input or initializer too"
            problems.append(f"the name {name!r} is made by {', '.join(makers)}{also}")
    known = outer | set(initial) | set(inputs)
    _check_order(graph, known, made, problems, prefix, depth)
    for value in graph.output:
        if value.name not in made and value.name not in known:
            problems.append(f"{prefix}the output {value.name!r} is made by no node")


def _check_order(
    graph: Any, known: set[str], made: Counter[str], problems: list[str], prefix: str, depth: int
) -> None:
    ready = set(known)
    for number, node in enumerate(graph.node):
        own = node_name(node, number, prefix)
        for name in node.input:
            if name and name not in ready:
                later = name in made
                problems.append(
                    f"{own}: the input {name!r} is "
                    + (
                        "made by a node that comes later, or depends on itself"
                        if later
                        else "made by no node"
                    )
                )
        for inner in graphs_of(node):
            _check_graph(inner, ready, problems, f"{own} / ", depth + 1)
        ready.update(name for name in node.output if name)


def model_inputs(graph: Any) -> dict[str, Any]:
    """The inputs of a graph that have no default, by name."""
    given = {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    return {v.name: v for v in graph.input if v.name not in given}


def declared_type(value: Any) -> tuple[int, list[int | str | None] | None] | None:
    """The number of the element type and the dimensions that a ValueInfoProto declares; None for no tensor.

    A dimension is an integer, the name of one, or None. Of a negative one nothing is known. The dimensions
    are None where not even their number is known.
    """
    if not value.type.HasField("tensor_type"):
        return None
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return tensor.elem_type, None
    dims: list[int | str | None] = []
    for dim in tensor.shape.dim:
        if dim.HasField("dim_value"):
            dims.append(int(dim.dim_value) if dim.dim_value >= 0 else None)
        else:
            dims.append(dim.dim_param or None)
    return tensor.elem_type, dims


def kind_text(value: Any) -> str:
    """What a ValueInfoProto declares, as messages show it."""
    kind = value.type.WhichOneof("value") or "nothing"
    if kind == "tensor_type":
        return f"a tensor of {type_text(value.type.tensor_type.elem_type)}"
    return {
        "sequence_type": "a sequence",
        "map_type": "a map",
        "optional_type": "an optional value",
        "sparse_tensor_type": "a sparse tensor",
    }.get(kind, kind)
