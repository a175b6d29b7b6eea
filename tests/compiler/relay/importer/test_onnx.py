"""`from_onnx`: what is folded, which shapes are found, and what a module looks like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from compiler.relay.importer import NeedsValues, OnnxError, from_onnx
from compiler.relay.interpret.evaluate import evaluate
from compiler.relay.language.expr import Constant, Var
from compiler.relay.language.op import is_call_of
from compiler.relay.language.types import ANY, TensorType
from compiler.relay.language.visit import post_order
from tests.compiler.relay.importer.build import graph, model, node, value


def calls(module: object) -> list[str]:
    """The operators of a module, in order."""
    return [e.function.name for e in post_order(module.main.body) if is_call_of(e)]  # type: ignore[attr-defined]


def agree(proto: onnx.ModelProto, **inputs: np.ndarray) -> None:
    """The interpreter and ONNX's reference give the same."""
    expected = ReferenceEvaluator(proto).run(None, inputs)
    shapes = {name: array.shape for name, array in inputs.items()}
    given = evaluate(from_onnx(proto, shapes), *inputs.values())
    for want, have in zip(expected, given if isinstance(given, tuple) else (given,), strict=True):
        assert have.dtype == want.dtype
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


def test_a_model_is_a_function_of_its_inputs() -> None:
    proto = model([node("Add", ["x", "y"], ["z"])], [value("x", [2, 3]), value("y", [3])], ["z"])
    module = from_onnx(proto)
    assert [p.name for p in module.main.params] == ["x", "y"]
    assert module.main.body.checked_type == TensorType((2, 3), "float32")
    x, y = np.ones((2, 3), "float32"), np.arange(3, dtype="float32")
    np.testing.assert_array_equal(evaluate(module, x, y), x + y)


def test_several_outputs_are_a_tuple() -> None:
    proto = model([node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2)], [value("x", [2, 5])], ["a", "b"])
    agree(proto, x=np.arange(10, dtype="float32").reshape(2, 5))


def test_chains_on_shapes_are_folded() -> None:
    """The exporters' way to flatten all axes but the first."""
    proto = model(
        [
            node("Shape", ["x"], ["shape"]),
            node("Gather", ["shape", "zero"], ["batch"]),
            node("Unsqueeze", ["batch", "axes"], ["batch1"]),
            node("Slice", ["shape", "axes1", "three"], ["inner"]),
            node("ReduceProd", ["inner"], ["rest"]),
            node("Concat", ["batch1", "rest"], ["target"], axis=0),
            node("Reshape", ["x", "target"], ["y"]),
        ],
        [value("x", ["batch", 3, 4])],
        ["y"],
        {"zero": np.int64(0), "axes": np.array([0]), "axes1": np.array([1]), "three": np.array([3])},
    )
    module = from_onnx(proto, {"x": (5, 3, 4)})
    assert calls(module) == ["reshape"]
    assert module.main.body.checked_type == TensorType((5, 12), "float32")
    # an unknown batch is followed through the chain, and the other dimensions stay known
    open_module = from_onnx(proto)
    assert open_module.main.body.checked_type == TensorType((ANY, 12), "float32")
    x = np.arange(24, dtype="float32").reshape(2, 3, 4)
    np.testing.assert_array_equal(evaluate(open_module, x), x.reshape(2, 12))


def test_what_depends_on_constants_alone_is_a_constant() -> None:
    proto = model(
        [node("Mul", ["a", "b"], ["c"]), node("Add", ["x", "c"], ["y"])],
        [value("x", [2])],
        ["y"],
        {"a": np.float32([2, 3]), "b": np.float32([4, 5])},
    )
    module = from_onnx(proto)
    assert calls(module) == ["add"]
    (constant,) = [e for e in post_order(module.main.body) if type(e) is Constant]
    np.testing.assert_array_equal(constant.data, [8, 15])


def test_a_large_constant_is_not_made() -> None:
    proto = model(
        [node("ConstantOfShape", ["shape"], ["big"]), node("ReduceSum", ["big", "axes"], ["y"], keepdims=0)],
        [],
        ["y"],
        {"shape": np.array([1 << 16, 1 << 16]), "axes": np.array([0, 1])},
    )
    assert calls(from_onnx(proto)) == ["full", "sum"]


def test_named_dimensions_have_one_extent() -> None:
    proto = model([node("MatMul", ["x", "y"], ["z"])], [value("x", ["n", 3]), value("y", [3, "n"])], ["z"])
    assert from_onnx(proto, {"x": (4, 3)}).main.body.checked_type == TensorType((4, 4), "float32")
    assert from_onnx(proto).main.body.checked_type == TensorType((ANY, ANY), "float32")


def test_values_that_decide_shapes_are_named_and_can_be_given() -> None:
    proto = model(
        [node("Reshape", ["x", "to"], ["y"]), node("Tile", ["y", "times"], ["z"])],
        [value("x", [6]), value("to", [2], "int64"), value("times", [2], "int64")],
        ["z"],
    )
    with pytest.raises(NeedsValues, match=r"values=\{'to': array") as caught:
        from_onnx(proto)
    assert caught.value.names == ("to",)
    values = {"to": np.array([2, 3]), "times": np.array([1, 2])}
    module = from_onnx(proto, values=values)
    assert [p.name for p in module.main.params] == ["x"]
    assert module.main.body.checked_type == TensorType((2, 6), "float32")


def test_all_that_is_not_supported_is_in_one_error() -> None:
    proto = model(
        [
            node("StringNormalizer", ["s"], ["t"], name="first"),
            node("Relu", ["x"], ["r"], name="fine"),
            node("Mystery", ["r"], ["m"], name="second", domain="their.own"),
            node("Add", ["m", "x"], ["a"], name="depends"),
            node("Elu", ["x"], ["e"], name="third", sharpness=2.0),
            node("ImageDecoder", ["m"], ["i"], name="fourth"),
        ],
        [value("x", [2]), helper.make_tensor_value_info("s", TensorProto.STRING, [1])],
        ["a", "e"],
        imports=[helper.make_opsetid("their.own", 1)],
    )
    with pytest.raises(OnnxError, match="not supported") as caught:
        from_onnx(proto)
    text = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 5
    for part in (
        "'s' has the element type STRING",
        "StringNormalizer first",
        "their.own.Mystery",
        "Elu third: the attribute sharpness",
        "ImageDecoder fourth",
    ):
        assert part in text
    assert "depends" not in text and "fine" not in text


def test_an_operator_of_another_domain_is_refused_by_name() -> None:
    proto = model(
        [node("Binarizer", ["x"], ["y"], domain="ai.onnx.ml", name="b")],
        [value("x", [2])],
        ["y"],
        imports=[helper.make_opsetid("ai.onnx.ml", 3)],
    )
    with pytest.raises(OnnxError, match=r"Binarizer b: the operator ai\.onnx\.ml\.Binarizer"):
        from_onnx(proto)


def test_functions_of_the_model_are_expanded() -> None:
    body = helper.make_function(
        "local",
        "Scaled",
        ["a"],
        ["b"],
        [
            helper.make_node("Constant", [], ["k"]),
            helper.make_node("Mul", ["a", "k"], ["b"]),
        ],
        [helper.make_opsetid("", 21)],
        ["factor"],
    )
    reference = body.node[0].attribute.add()
    reference.name, reference.ref_attr_name, reference.type = (
        "value_float",
        "factor",
        onnx.AttributeProto.FLOAT,
    )
    proto = model(
        [
            node("Scaled", ["x"], ["y"], domain="local", factor=3.0),
            node("Scaled", ["y"], ["z"], domain="local", factor=2.0),
        ],
        [value("x", [2])],
        ["z"],
        imports=[helper.make_opsetid("local", 1)],
        functions=[body],
    )
    agree(proto, x=np.float32([1, -2]))


def test_functions_of_the_standard_take_the_place_of_missing_conversions() -> None:
    proto = model(
        [node("MeanVarianceNormalization", ["x"], ["y"], axes=[0, 2, 3])], [value("x", [2, 3, 4, 5])], ["y"]
    )
    agree(proto, x=np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype("float32"))


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "int64", "uint8", "bool"])
def test_initializers_of_every_type_and_form(dtype: str) -> None:
    array = np.array([[0, 1, 1], [1, 0, 0]]).astype(dtype)
    plain = helper.make_tensor(
        "c", helper.np_dtype_to_tensor_dtype(array.dtype), array.shape, array.ravel().tolist()
    )
    raw = onnx.numpy_helper.from_array(array, "c")
    for tensor in (plain, raw):
        proto = model([node("Concat", ["c", "x"], ["y"], axis=0)], [value("x", [1, 3], dtype)], ["y"])
        proto.graph.initializer.append(tensor)
        x = np.ones((1, 3), dtype)
        np.testing.assert_array_equal(evaluate(from_onnx(proto), x), np.concatenate([array, x]))


def test_external_data(tmp_path: Path) -> None:
    weight = np.arange(600, dtype="float32").reshape(3, 200)
    proto = model([node("MatMul", ["x", "w"], ["y"])], [value("x", [2, 3])], ["y"], {"w": weight})
    path = tmp_path / "model.onnx"
    onnx.save(proto, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    x = np.ones((2, 3), "float32")
    np.testing.assert_allclose(evaluate(from_onnx(path), x), x @ weight)
    with pytest.raises(OnnxError, match="give the path of the model"):
        from_onnx(path.read_bytes())
    (tmp_path / "weights.bin").write_bytes(b"\0" * 100)
    with pytest.raises(
        OnnxError, match="'w'.*bytes before|ends 2300 bytes before the data of the tensor 'w'"
    ):
        from_onnx(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(OnnxError, match=r"weights\.bin with the data of the tensor 'w' cannot be read"):
        from_onnx(path)


def test_external_data_stay_in_the_folder_of_the_model(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 16)
    proto = model([node("Add", ["x", "w"], ["y"])], [value("x", [4])], ["y"], {"w": np.zeros(4, "float32")})
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret"
    (inside / "model.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(OnnxError, match="outside of the model's folder"):
        from_onnx(inside / "model.onnx")


@pytest.mark.parametrize("opset", [6, 7, 9, 11, 13, 21])
def test_operators_whose_form_changed(opset: int) -> None:
    """Attributes that became inputs, and broadcasting by an attribute."""
    axes = np.array([1])
    if opset < 13:
        squeeze, unsqueeze = (
            node("Squeeze", ["a"], ["b"], axes=[1]),
            node("Unsqueeze", ["x"], ["a"], axes=[1]),
        )
    else:
        squeeze, unsqueeze = node("Squeeze", ["a", "axes"], ["b"]), node("Unsqueeze", ["x", "axes"], ["a"])
    if opset < 10:
        cut = node("Slice", ["b"], ["c"], starts=[0], ends=[2], axes=[1])
    else:
        cut = node("Slice", ["b", "zero", "two", "axes"], ["c"])
    add = (
        node("Add", ["c", "k"], ["d"], broadcast=1, axis=0) if opset < 7 else node("Add", ["c", "k2"], ["d"])
    )
    clip = (
        node("Clip", ["d"], ["e"], min=0.0, max=4.0) if opset < 11 else node("Clip", ["d", "lo", "hi"], ["e"])
    )
    proto = model(
        [unsqueeze, squeeze, cut, add, clip, node("Softmax", ["e"], ["y"], axis=0)],
        [value("x", [2, 3])],
        ["y"],
        {
            "axes": axes,
            "zero": np.array([0]),
            "two": np.array([2]),
            "k": np.float32([1, 2]),
            "k2": np.float32([[1], [2]]),
            "lo": np.float32(0),
            "hi": np.float32(4),
        },
        opset=opset,
    )
    x = np.float32([[1, -5, 2], [3, 0.5, 7]])
    plain = np.clip(x[:, :2] + np.float32([[1], [2]]), 0, 4)
    flat = plain if opset >= 13 else plain.reshape(1, -1)
    spread = np.exp(flat) / np.exp(flat).sum(0 if opset >= 13 else 1, keepdims=True)
    np.testing.assert_allclose(evaluate(from_onnx(proto), x), spread.reshape(2, 2), rtol=1e-6)


def test_expressions_say_which_node_they_are_from() -> None:
    proto = model([node("Relu", ["x"], ["y"], name="/head/act")], [value("x", [2])], ["y"])
    assert str(from_onnx(proto).main.body.span) == "Relu /head/act"  # type: ignore[attr-defined]


def test_a_graph_that_passes_an_input_on() -> None:
    proto = model([node("Identity", ["x"], ["y"])], [value("x", [2])], ["y"])
    assert type(from_onnx(proto).main.body) is Var
    with pytest.raises(OnnxError, match="unknown input of the model 'z'"):
        from_onnx(proto, {"z": (2,)})
    with pytest.raises(OnnxError, match=r"'x' has the shape \(2\) in the file; \(3,\) does not fit"):
        from_onnx(proto, {"x": (3,)})


def test_an_input_of_unknown_rank_needs_a_shape() -> None:
    proto = model([node("Relu", ["x"], ["y"])], [value("x", None)], ["y"])
    with pytest.raises(OnnxError, match="how many dimensions the input 'x' has"):
        from_onnx(proto)
    assert from_onnx(proto, {"x": (2, 3)}).main.body.checked_type == TensorType((2, 3), "float32")


def test_sequences_are_refused_by_name() -> None:
    proto = model(
        [
            node("SequenceConstruct", ["x", "x"], ["s"], name="pack"),
            node("SequenceAt", ["s", "i"], ["y"], name="pick"),
        ],
        [value("x", [2])],
        ["y"],
        {"i": np.int64(0)},
    )
    with pytest.raises(OnnxError, match="(?s)SequenceConstruct pack.*SequenceAt pick"):
        from_onnx(proto)


def test_graphs_of_nodes_are_named_in_messages() -> None:
    branch = graph([node("Mystery", ["x"], ["inside"], name="deep")], [], ["inside"])
    proto = model(
        [node("If", ["c"], ["y"], name="choose", then_branch=branch, else_branch=branch)],
        [value("x", [2]), value("c", [], "bool")],
        ["y"],
    )
    with pytest.raises(OnnxError, match="If choose / Mystery deep"):
        from_onnx(proto)


def test_group_normalization_had_a_scale_for_each_group() -> None:
    scale, bias = np.float32([2, 3]), np.float32([-1, 1])
    proto = model(
        [node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2, epsilon=0.0)],
        [value("x", [1, 4, 3])],
        ["y"],
        {"s": scale, "b": bias},
        opset=18,
    )
    x = np.random.default_rng(0).standard_normal((1, 4, 3)).astype("float32")
    groups = x.reshape(2, 6)
    plain = (groups - groups.mean(1, keepdims=True)) / groups.std(1, keepdims=True)
    expected = (plain * scale[:, None] + bias[:, None]).reshape(1, 4, 3)
    np.testing.assert_allclose(evaluate(from_onnx(proto), x), expected, rtol=1e-4, atol=1e-5)


def test_old_batch_normalization_over_more_than_channels_is_refused() -> None:
    proto = model(
        [node("BatchNormalization", ["x", "s", "s", "s", "s"], ["y"], spatial=0)],
        [value("x", [1, 2, 3])],
        ["y"],
        {"s": np.ones(2, "float32")},
        opset=8,
    )
    with pytest.raises(OnnxError, match="BatchNormalization -> y: BatchNormalization with spatial=0"):
        from_onnx(proto)
