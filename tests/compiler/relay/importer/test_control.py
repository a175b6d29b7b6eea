"""If, Loop and Scan: unrolled and as recursive functions, against ONNX's reference."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from compiler.relay.execute.build import build
from compiler.relay.importer import NeedsValues, OnnxError, from_onnx
from compiler.relay.importer.converter import control
from compiler.relay.infer.infer import infer_type
from compiler.relay.interpret.evaluate import evaluate
from compiler.relay.language.expr import If, Let
from compiler.relay.language.visit import post_order
from tests.compiler.relay.importer.build import graph, model, node, value


def result(proto: onnx.ModelProto, **inputs: np.ndarray) -> list[np.ndarray]:
    """What the interpreter gives, after it is compared with the reference; types are inferred again."""
    expected = ReferenceEvaluator(proto).run(None, inputs)
    module = from_onnx(proto)
    infer_type(module)
    given = evaluate(module, *inputs.values())
    outputs = list(given) if isinstance(given, tuple) else [given]
    for want, have in zip(expected, outputs, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-5)
    return outputs


def branching() -> onnx.ModelProto:
    """``y = x + 1 if c else x * bias``, where the second branch uses a value of the graph around it."""
    then = graph([node("Add", ["x", "one"], ["t"])], [], ["t"], {"one": np.float32(1)})
    otherwise = graph([node("Mul", ["x", "outer"], ["e"])], [], ["e"])
    return model(
        [
            node("Neg", ["x"], ["outer"]),
            node("If", ["c"], ["y"], name="choose", then_branch=then, else_branch=otherwise),
        ],
        [value("x", [3]), value("c", [], "bool")],
        ["y"],
    )


@pytest.mark.parametrize("condition", [True, False])
def test_if(condition: bool) -> None:
    proto = branching()
    result(proto, x=np.float32([1, 2, 3]), c=np.bool_(condition))
    assert any(type(e) is If for e in post_order(from_onnx(proto).main.body))


def test_if_with_a_constant_condition_is_one_branch() -> None:
    module = from_onnx(branching(), values={"c": np.bool_(True)})
    assert not any(type(e) is If for e in post_order(module.main.body))
    np.testing.assert_array_equal(evaluate(module, np.float32([1, 2, 3])), [2, 3, 4])


def test_branches_of_different_shapes_need_the_condition() -> None:
    then = graph([node("Squeeze", ["x"], ["t"])], [], ["t"])
    otherwise = graph([node("Identity", ["x"], ["e"])], [], ["e"])
    proto = model(
        [node("If", ["c"], ["y"], then_branch=then, else_branch=otherwise)],
        [value("x", [1, 3]), value("c", [], "bool")],
        ["y"],
    )
    with pytest.raises(NeedsValues) as caught:
        from_onnx(proto)
    assert caught.value.names == ("c",)


def test_a_branch_that_does_not_fit_is_not_taken() -> None:
    """Models for several sampling rates: one branch is for other shapes."""
    fits = graph([node("Reshape", ["x", "s"], ["t"])], [], ["t"], {"s": np.array([2, 3])})
    fails = graph([node("Reshape", ["x", "s"], ["e"])], [], ["e"], {"s": np.array([4, 2])})
    proto = model(
        [node("If", ["c"], ["y"], then_branch=fits, else_branch=fails)],
        [value("x", [6]), value("c", [], "bool")],
        ["y"],
    )
    with pytest.raises(NeedsValues):
        from_onnx(proto)
    assert from_onnx(proto, values={"c": np.bool_(True)}).main.body.checked_type.shape == (2, 3)
    with pytest.raises(OnnxError, match="Reshape -> e"):
        from_onnx(proto, values={"c": np.bool_(False)})


def looping(condition: bool) -> onnx.ModelProto:
    """Powers of two, and the doubled input of each step; ends at 100 where a condition is used."""
    body = graph(
        [
            node("Add", ["state", "state"], ["next"]),
            node("ReduceMax", ["next"], ["most"], keepdims=0),
            node("Less", ["most", "hundred"], ["below"]),
            node("Identity", ["below" if condition else "going"], ["again"]),
            node("Mul", ["next", "x"], ["scan"]),
        ],
        [value("i", [], "int64"), value("going", [], "bool"), value("state", [2])],
        [value("again", [], "bool"), "next", "scan"],
        {"hundred": np.float32(100)},
    )
    return model(
        [
            node("Abs", ["x"], ["start"]),
            node("Loop", ["trips", "", "start"], ["final", "scans"], body=body),
        ],
        [value("x", [2]), value("trips", [], "int64")],
        ["final", "scans"],
    )


def looped(x: np.ndarray, trips: int, condition: bool) -> list[np.ndarray]:
    """What `looping` computes."""
    state, scans = np.abs(x), []
    for _ in range(trips):
        state = state + state
        scans.append(state * x)
        if condition and state.max() >= 100:
            break
    return [state, np.array(scans, "float32").reshape(-1, 2)]


@pytest.mark.parametrize("condition", [False, True])
@pytest.mark.parametrize("trips", [0, 1, 5, 20])
def test_loop_is_a_recursive_function(trips: int, condition: bool) -> None:
    module = from_onnx(looping(condition))
    infer_type(module)
    assert any(type(e) is Let for e in post_order(module.main.body))
    x = np.float32([1, -3])
    for want, have in zip(looped(x, trips, condition), evaluate(module, x, np.int64(trips)), strict=True):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("trips", [0, 1, 5])
def test_loop_of_a_known_number_is_unrolled(trips: int) -> None:
    proto = looping(False)
    x = np.float32([1, -3])
    module = from_onnx(proto, values={"trips": np.int64(trips)})
    assert not any(type(e) is Let for e in post_order(module.main.body))
    for want, have in zip(looped(x, trips, False), evaluate(module, x), strict=True):
        np.testing.assert_array_equal(have, want)


def test_a_shape_that_depends_on_the_iteration_unrolls_the_loop() -> None:
    body = graph(
        [
            node("Unsqueeze", ["i", "zero"], ["end"]),
            node("Slice", ["x", "zero", "end"], ["part"]),
            node("ReduceSum", ["part", "zero"], ["total"], keepdims=0),
            node("Add", ["state", "total"], ["next"]),
            node("Identity", ["going"], ["again"]),
        ],
        [value("i", [], "int64"), value("going", [], "bool"), value("state", [])],
        [value("again", [], "bool"), "next"],
        {"zero": np.array([0])},
    )
    proto = model(
        [node("Loop", ["trips", "", "start"], ["y"], body=body)],
        [value("x", [5]), value("trips", [], "int64")],
        ["y"],
        {"start": np.float32(0)},
    )
    with pytest.raises(NeedsValues) as caught:
        from_onnx(proto)
    assert caught.value.names == ("trips",)
    x = np.arange(5, dtype="float32")
    module = from_onnx(proto, values={"trips": np.int64(4)})
    assert evaluate(module, x) == sum(x[:n].sum() for n in range(4))


@pytest.mark.parametrize("unrolled", [True, False])
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"scan_input_directions": [1], "scan_output_directions": [1]},
        {"scan_input_axes": [1], "scan_output_axes": [1]},
    ],
)
def test_scan(unrolled: bool, attributes: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    if not unrolled:
        monkeypatch.setattr(control, "UNROLLED", 0)
        monkeypatch.setattr(control, "_unrolled", lambda *args: None)
    body = graph(
        [node("Add", ["total", "row"], ["sum"]), node("Mul", ["sum", "row"], ["product"])],
        [value("total", [4]), value("row", [4])],
        ["sum", "product"],
    )
    proto = model(
        [
            node("Exp", ["x"], ["e"]),
            node("Scan", ["start", "e"], ["last", "all"], body=body, num_scan_inputs=1, **attributes),
        ],
        [value("x", [4, 4])],
        ["last", "all"],
        {"start": np.zeros(4, "float32")},
    )
    x = np.random.default_rng(0).standard_normal((4, 4)).astype("float32")
    axis = attributes.get("scan_input_axes", [0])[0]
    rows = list(np.moveaxis(np.exp(x), axis, 0))
    if "scan_input_directions" in attributes:
        rows = rows[::-1]
    totals = np.cumsum(rows, 0)
    products = totals * rows
    if "scan_output_directions" in attributes:
        products = products[::-1]
    module = from_onnx(proto)
    infer_type(module)
    last, everything = evaluate(module, x)
    np.testing.assert_allclose(last, totals[-1], rtol=1e-5)
    np.testing.assert_allclose(
        everything, np.moveaxis(products, 0, attributes.get("scan_output_axes", [0])[0]), rtol=1e-5
    )
    assert any(type(e) is Let for e in post_order(module.main.body)) is not unrolled


def test_compiled_programs_branch_and_loop() -> None:
    x = np.float32([1, -3, 2])
    branches = build(from_onnx(branching()))
    np.testing.assert_array_equal(branches(x, np.bool_(True)), x + 1)
    np.testing.assert_array_equal(branches(x, np.bool_(False)), x * -x)
    loop = build(from_onnx(looping(True)))
    for trips in (0, 1, 5, 20):
        given = loop(x[:2], np.int64(trips))
        for want, have in zip(looped(x[:2], trips, True), given, strict=True):
            np.testing.assert_array_equal(have, want)
