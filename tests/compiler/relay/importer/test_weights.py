"""Models without their large tensors: the same model, and nothing copied; other bytes stay as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.relay.importer.model import origin_of, read_model
from compiler.relay.importer.tensors import array_of
from compiler.relay.importer.weights import HERE, without_weights
from tests.compiler.relay.importer.build import model, node, value

LARGE = np.arange(4000, dtype="float32").reshape(40, 100)
SMALL = np.arange(3, dtype="float32")


def with_weights() -> onnx.ModelProto:
    """Large and small initializers, in a branch too."""
    branch = onnx.helper.make_graph(
        [node("Identity", ["inner"], ["b"])],
        "branch",
        [],
        [onnx.helper.make_tensor_value_info("b", 1, [40, 100])],
        [onnx.numpy_helper.from_array(LARGE + 1, "inner")],
    )
    nodes = [
        node("If", ["c"], ["z"], then_branch=branch, else_branch=branch),
        node("Add", ["z", "large"], ["y"]),
    ]
    inputs = [value("c", [], "bool")]
    return model(nodes, inputs, ["y"], {"large": LARGE, "small": SMALL})


def test_large_tensors_stay_in_the_bytes() -> None:
    data = with_weights().SerializeToString()
    reduced = without_weights(memoryview(data))
    assert len(data) > 32_000 and len(reduced) < 1200
    proto, origin = read_model(data)
    assert origin.data.obj is data
    tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
    assert [e.value for e in tensors["large"].external_data if e.key == "location"] == [HERE]
    assert not tensors["small"].external_data
    inner = proto.graph.node[0].attribute[0].g.initializer[0]
    for tensor, expected in ((tensors["large"], LARGE), (tensors["small"], SMALL), (inner, LARGE + 1)):
        np.testing.assert_array_equal(array_of(tensor, origin), expected)
    assert np.shares_memory(array_of(tensors["large"], origin), np.frombuffer(data, "uint8"))


def test_a_file_is_mapped_or_read(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(with_weights().SerializeToString())
    for mapped in (False, True):
        proto, origin = read_model(origin_of(path, mapped))
        assert origin.mapped is mapped and origin.folder == str(tmp_path)
        np.testing.assert_array_equal(array_of(proto.graph.initializer[0], origin), LARGE)


@pytest.mark.parametrize("cut", [1, 7, 100, 9000, 20000])
def test_what_is_no_model_stays_as_it_is(cut: int) -> None:
    """The parser gives the reason."""
    data = with_weights().SerializeToString()[:-cut]
    assert without_weights(memoryview(data)) == data
    assert without_weights(memoryview(b"no model at all")) == b"no model at all"
    assert without_weights(memoryview(b"")) == b""
