"""Wrong, damaged and hostile models: each a clear error that names the place, and never another exception."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from compiler.relay.importer import OnnxError, from_onnx
from tests.compiler.relay.importer.build import graph, model, node, value


def network() -> onnx.ModelProto:
    """A small network with most kinds of things in it."""
    rng = np.random.default_rng(0)
    body = graph(
        [node("Add", ["s", "s"], ["t"]), node("Identity", ["going"], ["again"])],
        [value("i", [], "int64"), value("going", [], "bool"), value("s", [1, 8])],
        [value("again", [], "bool"), "t"],
    )
    return model(
        [
            node("Conv", ["x", "w", "b"], ["c"], name="conv", pads=[1, 1, 1, 1]),
            node("Relu", ["c"], ["r"], name="act"),
            node("MaxPool", ["r"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
            node("Reshape", ["p", "flat"], ["f"], name="flatten"),
            node("Gemm", ["f", "m", "k"], ["g"], name="head", transB=1),
            node("Loop", ["three", "", "g"], ["y"], name="loop", body=body),
        ],
        [value("x", [1, 2, 4, 4])],
        ["y"],
        {
            "w": rng.standard_normal((4, 2, 3, 3)).astype("float32"),
            "b": np.zeros(4, "float32"),
            "flat": np.array([0, -1]),
            "m": rng.standard_normal((8, 16)).astype("float32"),
            "k": np.zeros(8, "float32"),
            "three": np.int64(3),
        },
    )


def test_the_network_is_right() -> None:
    assert from_onnx(network()).main.body.checked_type.shape == (1, 8)


def edits() -> dict[str, tuple[Callable[[Any], Any], str]]:
    """Name -> what is changed, and what the message says."""

    def at(number: int, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda m: change(m.graph.node[number])

    def initializer(name: str, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda m: change(next(t for t in m.graph.initializer if t.name == name))

    def attribute(number: int, name: str, **fields: Any) -> Callable[[Any], Any]:
        def change(m: Any) -> None:
            (found,) = [a for a in m.graph.node[number].attribute if a.name == name]
            for field, content in fields.items():
                if isinstance(content, list):
                    getattr(found, field)[:] = content
                else:
                    setattr(found, field, content)

        return change

    def circle(m: Any) -> None:
        m.graph.node[1].input[0] = "f"

    def no_shape_fits(m: Any) -> None:
        m.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 3

    def huge(m: Any) -> None:
        for dim in m.graph.input[0].type.tensor_type.shape.dim:
            dim.dim_value = 1 << 40

    def recursive(m: Any) -> None:
        m.functions.append(
            helper.make_function(
                "own",
                "Again",
                ["a"],
                ["b"],
                [helper.make_node("Again", ["a"], ["b"], domain="own")],
                [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)],
            )
        )
        m.opset_import.append(helper.make_opsetid("own", 1))
        m.graph.node[1].op_type, m.graph.node[1].domain = "Again", "own"

    return {
        "no graph": (lambda m: m.ClearField("graph"), "the model has no graph"),
        "no opset": (lambda m: m.ClearField("opset_import"), "Conv conv: the opset of the domain"),
        "future opset": (lambda m: setattr(m.opset_import[0], "version", 999), "opset 999; 1 to"),
        "opset twice": (lambda m: m.opset_import.append(helper.make_opsetid("", 9)), "is given twice"),
        "duplicate output": (
            at(1, lambda n: n.output.__setitem__(0, "c")),
            "the name 'c' is made by Conv conv, Relu act",
        ),
        "duplicate initializer": (
            lambda m: m.graph.initializer.append(m.graph.initializer[0]),
            "'w' is given 2 times",
        ),
        "missing input": (
            at(1, lambda n: n.input.__setitem__(0, "nowhere")),
            "Relu act: the input 'nowhere' is made by no",
        ),
        "circle": (
            circle,
            "Relu act: the input 'f' is made by a node that comes later, or depends on itself",
        ),
        "unknown operator": (at(1, lambda n: setattr(n, "op_type", "Rleu")), "Rleu act: the operator Rleu"),
        "unknown domain": (at(1, lambda n: setattr(n, "domain", "nobody")), "domain 'nobody' is not given"),
        "too many inputs": (at(1, lambda n: n.input.append("x")), "Relu act: 2 inputs are given"),
        "too few inputs": (at(0, lambda n: n.ClearField("input")), "Conv conv: 0 inputs are given"),
        "left out input": (at(0, lambda n: n.input.__setitem__(1, "")), "Conv conv: the input W is missing"),
        "too many outputs": (at(1, lambda n: n.output.append("more")), "Relu act: 2 outputs"),
        "wrong type": (
            initializer("w", lambda t: setattr(t, "data_type", TensorProto.INT32)),
            "Conv conv: the input W is tensor\\(int32\\)",
        ),
        "type that does not exist": (
            initializer("w", lambda t: setattr(t, "data_type", 77)),
            "'w' has the element type number 77",
        ),
        "short data": (
            initializer("w", lambda t: setattr(t, "raw_data", t.raw_data[:-4])),
            "'w' has 284 bytes.* has 288",
        ),
        "negative dimension": (
            initializer("w", lambda t: t.dims.__setitem__(0, -4)),
            "'w' has the shape .* negative",
        ),
        "huge dimension": (
            initializer("w", lambda t: t.dims.__setitem__(0, 1 << 50)),
            "'w' has the shape .*more memory",
        ),
        "huge input": (huge, "the input 'x' has the shape .*more memory"),
        "channels": (no_shape_fits, "Conv conv: "),
        "kernel": (attribute(2, "kernel_shape", ints=[2, 2, 2]), "MaxPool pool: kernel_shape \\[2, 2, 2\\]"),
        "zero stride": (attribute(2, "strides", ints=[0, 1]), "MaxPool pool: kernel_shape, strides"),
        "huge kernel": (attribute(2, "kernel_shape", ints=[1 << 40, 2]), "MaxPool pool: "),
        "wrong attribute type": (
            attribute(4, "transB", type=onnx.AttributeProto.STRING),
            "Gemm head: the attribute transB has the wrong type",
        ),
        "unknown attribute": (
            at(1, lambda n: n.attribute.append(helper.make_attribute("slope", 1.0))),
            "Relu act: the attribute slope",
        ),
        "reshape": (
            initializer("flat", lambda t: setattr(t, "raw_data", np.array([3, 5]).tobytes())),
            "Reshape flatten: .*cannot be reshaped",
        ),
        "body inputs": (
            lambda m: m.graph.node[5].attribute[0].g.ClearField("input"),
            "Loop loop.*made by no node",
        ),
        "recursive function": (recursive, "nested more than 64 deep"),
        "segment": (initializer("w", lambda t: setattr(t.segment, "begin", 1)), "segment"),
        "no output": (lambda m: m.graph.ClearField("output"), "the model has no outputs"),
    }


EDITS = edits()


@pytest.mark.parametrize("name", EDITS)
def test_a_damaged_model_is_refused_by_name(name: str) -> None:
    change, message = EDITS[name]
    proto = network()
    change(proto)
    began = time.process_time()
    with pytest.raises(OnnxError, match=f"(?s){message}"):
        from_onnx(proto)
    assert time.process_time() - began < 60, "it takes no endless time either"


def test_a_shape_that_is_too_large_on_the_way_is_refused() -> None:
    proto = model(
        [node("Expand", ["x", "shape"], ["y"], name="grow"), node("ReduceSum", ["y"], ["z"])],
        [value("x", [1])],
        ["z"],
        {"shape": np.array([1 << 20, 1 << 20, 1 << 10])},
    )
    with pytest.raises(OnnxError, match="Expand grow: .*more memory than this machine has"):
        from_onnx(proto)


@pytest.mark.parametrize("data", [b"", b"not a model", b"\xff" * 100])
def test_bytes_that_are_no_model(data: bytes) -> None:
    with pytest.raises(OnnxError, match="no ONNX model|no graph"):
        from_onnx(data)


def test_a_file_that_does_not_exist() -> None:
    with pytest.raises(FileNotFoundError):
        from_onnx("nowhere.onnx")
    with pytest.raises(TypeError, match="a model is a path, bytes or a ModelProto, not int"):
        from_onnx(3)


FEW = not os.environ.get("ESPALIER_NIGHTLY")
DATA = network().SerializeToString()


@settings(max_examples=40 if FEW else 3000)
@given(length=st.integers(0, len(DATA) - 1))
def test_a_truncated_file_is_refused(length: int) -> None:
    with pytest.raises(OnnxError):
        from_onnx(DATA[:length])


@settings(max_examples=60 if FEW else 3000)
@given(edits=st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_are_imported_or_refused(edits: list[tuple[int, int]]) -> None:
    data = bytearray(DATA)
    for place, byte in edits:
        data[place] = byte
    try:
        from_onnx(bytes(data))
    except OnnxError as error:
        assert str(error)


NUMBERS = st.sampled_from([-(1 << 63), -(1 << 31), -2, -1, 0, 1, 2, 3, 5, 1 << 20, 1 << 40, (1 << 63) - 1])


@settings(max_examples=60 if FEW else 3000)
@given(data=st.data())
def test_changed_fields_are_imported_or_refused(data: st.DataObject) -> None:
    proto = network()
    for _ in range(data.draw(st.integers(1, 3))):
        one = data.draw(st.sampled_from(list(proto.graph.node)))
        kind = data.draw(st.sampled_from(["attribute", "operator", "inputs", "dims", "tensor"]))
        if kind == "attribute" and one.attribute:
            attribute = data.draw(st.sampled_from(list(one.attribute)))
            if attribute.ints:
                attribute.ints[data.draw(st.integers(0, len(attribute.ints) - 1))] = data.draw(NUMBERS)
            else:
                attribute.i = data.draw(NUMBERS)
        elif kind == "operator":
            one.op_type = data.draw(
                st.sampled_from(
                    [
                        "Relu",
                        "Conv",
                        "Gemm",
                        "Loop",
                        "Resize",
                        "Slice",
                        "Pad",
                        "TopK",
                        "Split",
                        "ConstantOfShape",
                        "Expand",
                        "LSTM",
                        "Range",
                        "Col2Im",
                    ]
                )
            )
        elif kind == "inputs":
            names = ["x", "w", "b", "c", "r", "flat", "m", "", "three"]
            one.input[:] = data.draw(st.lists(st.sampled_from(names), max_size=5))
        elif kind == "dims":
            dims = proto.graph.input[0].type.tensor_type.shape.dim
            dims[data.draw(st.integers(0, 3))].dim_value = data.draw(NUMBERS)
        else:
            tensor = data.draw(st.sampled_from(list(proto.graph.initializer)))
            if tensor.data_type == TensorProto.INT64:
                values = [data.draw(NUMBERS) for _ in range(int(np.prod(tensor.dims)))]
                tensor.raw_data = np.array(values, "int64").tobytes()
            elif tensor.dims:
                tensor.dims[0] = data.draw(NUMBERS)
    try:
        from_onnx(proto)
    except OnnxError as error:
        assert str(error)
