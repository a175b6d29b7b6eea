"""`InferenceSession`: onnxruntime's interface, programs by shapes and values, and refused inputs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from compiler.relay.importer import OnnxError
from compiler.relay.session import InferenceSession, SessionOptions
from compiler.runtime import num_threads
from tests.compiler.relay.importer.build import model, node, value


def affine() -> onnx.ModelProto:
    """``y = relu(x w)``, ``n = sum(x)`` for any number of rows."""
    proto = model(
        [
            node("MatMul", ["x", "w"], ["m"]),
            node("Relu", ["m"], ["y"]),
            node("ReduceSum", ["x"], ["n"], keepdims=0),
        ],
        [value("x", ["rows", 3])],
        [value("y", ["rows", 4]), value("n", [])],
        {"w": np.arange(12, dtype="float32").reshape(3, 4) - 5},
    )
    proto.producer_name, proto.model_version = "someone", 7
    entry = proto.metadata_props.add()
    entry.key, entry.value = "labels", "a,b"
    return proto


@pytest.fixture(params=[True, False], ids=["interpreted", "compiled"])
def session(request: pytest.FixtureRequest) -> InferenceSession:
    return InferenceSession(affine(), interpret=request.param)


def test_run(session: InferenceSession) -> None:
    w = np.arange(12, dtype="float32").reshape(3, 4) - 5
    for rows in (2, 5, 2):
        x = np.random.default_rng(rows).standard_normal((rows, 3)).astype("float32")
        y, n = session.run(None, {"x": x})
        np.testing.assert_allclose(y, np.maximum(x @ w, 0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(n, x.sum(), rtol=1e-5)
        (only,) = session.run(["n"], {"x": x})
        assert only.shape == () and only == n
    assert session.run([], {"x": x}) == []
    assert len(session._programs) == 2


def test_inputs_outputs_and_metadata(session: InferenceSession) -> None:
    (x,) = session.get_inputs()
    assert (x.name, x.shape, x.type) == ("x", ["rows", 3], "tensor(float)")
    assert [(o.name, o.shape) for o in session.get_outputs()] == [("y", ["rows", 4]), ("n", [])]
    meta = session.get_modelmeta()
    assert (meta.producer_name, meta.version, meta.graph_name) == ("someone", 7, "graph")
    assert meta.custom_metadata_map == {"labels": "a,b"}
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_the_face_is_onnxruntimes() -> None:
    """What scripts call exists there and gives the same."""
    onnxruntime = pytest.importorskip("onnxruntime")
    proto = affine()
    theirs, ours = (
        onnxruntime.InferenceSession(proto.SerializeToString()),
        InferenceSession(proto.SerializeToString()),
    )
    for name in ("get_inputs", "get_outputs"):
        for a, b in zip(getattr(theirs, name)(), getattr(ours, name)(), strict=True):
            assert (a.name, a.shape, a.type) == (b.name, b.shape, b.type)
    x = np.ones((3, 3), "float32")
    for a, b in zip(theirs.run(["n", "y"], {"x": x}), ours.run(["n", "y"], {"x": x}), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        ({}, "the inputs 'x' are missing"),
        ({"z": np.zeros((1, 3), "float32")}, "unknown input of the model 'z'.*known: x"),
        ({"x": np.zeros((1, 3))}, "'x' is float64; float32 is needed"),
        ({"x": np.zeros(3, "float32")}, r"'x' has the shape \(3,\); 2 dimensions are needed: \(rows, 3\)"),
        ({"x": np.zeros((1, 4), "float32")}, r"'x' has the shape \(1, 4\); \(rows, 3\) is needed"),
    ],
)
def test_wrong_inputs_are_refused_by_name(
    session: InferenceSession, feed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        session.run(None, feed)


def test_an_unknown_output_is_refused(session: InferenceSession) -> None:
    with pytest.raises(ValueError, match="unknown output of the model 'q'.*known: y, n"):
        session.run(["q"], {"x": np.zeros((1, 3), "float32")})


def test_dimensions_of_one_name_have_one_extent() -> None:
    proto = model([node("Add", ["a", "b"], ["y"])], [value("a", ["n", 2]), value("b", ["n", 2])], ["y"])
    running = InferenceSession(proto, interpret=True)
    with pytest.raises(ValueError, match="'b' has 3 for the dimension 'n', and 'a' has 1"):
        running.run(None, {"a": np.zeros((1, 2), "float32"), "b": np.zeros((3, 2), "float32")})


@pytest.mark.parametrize("interpret", [True, False])
def test_values_that_decide_shapes(interpret: bool) -> None:
    """A program for each value; what does not decide a shape is no reason for another one."""
    proto = model(
        [node("Reshape", ["x", "shape"], ["r"]), node("Mul", ["r", "k"], ["y"])],
        [value("x", [6]), value("shape", [2], "int64"), value("k", [])],
        ["y"],
    )
    running = InferenceSession(proto, interpret=interpret)
    x = np.arange(6, dtype="float32")
    for shape in ([2, 3], [3, -1], [2, 3], [6, 1]):
        for k in (1.0, 2.0):
            (y,) = running.run(None, {"x": x, "shape": np.array(shape), "k": np.float32(k)})
            np.testing.assert_array_equal(y, x.reshape(shape) * k)
    assert len(running._programs) == 3


SCRIPT = """
import sys
import numpy as np
from compiler.relay import InferenceSession
from compiler.relay.execute import cache
cache.LEAST_SECONDS = 0.0
session = InferenceSession(sys.argv[1])
for rows in (2, 3):
    x = np.ones((rows, 3), "float32")
    y, n = session.run(None, {"x": x, "shape": np.array([rows, -1])})
    print(y.tolist(), n.tolist())
print(*(name for name in ("onnx", "llvmlite", "compiler.passes") if name in sys.modules))
"""


def test_a_second_session_needs_neither_the_model_nor_the_compiler(tmp_path: Path) -> None:
    """Not for what decides a shape, the second time; and not if another file has other weights."""
    proto = affine()
    proto.graph.input.append(value("shape", [2], "int64"))
    proto.graph.node.append(node("Reshape", ["n", "one"], ["r"]))
    proto.graph.node.append(node("Reshape", ["y", "shape"], ["z"]))
    proto.graph.output[0].name, proto.graph.output[1].name = "z", "r"
    proto.graph.output[1].type.tensor_type.shape.dim.add().dim_value = 1
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "one"))
    path, environment = tmp_path / "m.onnx", {**os.environ, "ESPALIER_CACHE": str(tmp_path / "cache")}

    def printed() -> list[str]:
        command = [sys.executable, "-c", SCRIPT, str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    onnx.save(proto, path)
    first = printed()
    assert first[2] == "onnx llvmlite compiler.passes"
    assert printed() == [*first[:2], ""]
    proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.ones((3, 4), "float32"), "w"))
    onnx.save(proto, path)
    other = printed()
    assert other[0] != first[0] and other[2] == "onnx llvmlite compiler.passes"


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(affine(), path)
    running = InferenceSession(path)
    running.run(None, {"x": np.zeros((1, 3), "float32")})
    proto = affine()
    proto.producer_name = "another"
    onnx.save(proto, path)
    running.run(None, {"x": np.zeros((1, 3), "float32")})
    with pytest.raises(OnnxError, match="m.onnx was changed since the session was made"):
        running.run(None, {"x": np.zeros((2, 3), "float32")})


def test_programs_are_dropped_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from compiler.relay import session as module

    monkeypatch.setattr(module, "PROGRAMS", 2)
    running = InferenceSession(affine(), interpret=True)
    for rows in (1, 2, 3, 1):
        running.run(None, {"x": np.zeros((rows, 3), "float32")})
        assert len(running._programs) <= 2


def test_what_is_not_supported_is_said_when_the_session_is_made() -> None:
    proto = model([node("Mystery", ["x"], ["y"], name="m", domain="d")], [value("x", [2])], ["y"])
    with pytest.raises(OnnxError, match="Mystery m"):
        InferenceSession(proto)


def test_options_and_threads() -> None:
    before = num_threads()
    options = SessionOptions(intra_op_num_threads=1, optimization_level=0)
    running = InferenceSession(affine(), options)
    x = np.ones((2, 3), "float32")
    np.testing.assert_allclose(running.run(["n"], {"x": x})[0], 6)
    assert num_threads() == before


def test_paths_and_external_data(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(affine(), str(path), save_as_external_data=True, location="weights", size_threshold=0)
    running = InferenceSession(path, interpret=True)
    assert running.run(["n"], {"x": np.ones((2, 3), "float32")})[0] == 6


def test_an_empty_batch() -> None:
    running = InferenceSession(affine())
    y, n = running.run(None, {"x": np.zeros((0, 3), "float32")})
    assert y.shape == (0, 4) and n == 0
