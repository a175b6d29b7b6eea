"""The commands about models: compile, run, profile, and tune of a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import costmodel
from compiler import relay
from costmodel.records import load
from tests.compiler.relay.importer.build import model, node, value

WEIGHT = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype("float32")


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_CACHE", "off")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Two convolutions on a batch of open size."""
    proto = model(
        [
            node("Conv", ["x", "w"], ["c"], name="first", pads=[1, 1, 1, 1]),
            node("Relu", ["c"], ["r"], name="act"),
            node("Conv", ["r", "v"], ["y"], name="second"),
        ],
        [value("x", ["batch", 3, 12, 12])],
        ["y"],
        {"w": WEIGHT, "v": np.ones((4, 8, 1, 1), "float32")},
    )
    path = tmp_path / "net.onnx"
    onnx.save(proto, str(path))
    return path


def expected(path: Path, x: np.ndarray) -> np.ndarray:
    return relay.evaluate(relay.from_onnx(path, {"x": x.shape}), x)


def test_compile_run_and_profile(run, network, tmp_path):
    output = run("compile", network, "--shape", "x=2x3x12x12", "-o", "net.module")
    assert "net.module" in output and "input x" in output and "(2, 3, 12, 12)" in output
    x = np.random.default_rng(1).standard_normal((2, 3, 12, 12)).astype("float32")
    np.save("x.npy", x)
    output = run("run", "net.module", "--input", "x.npy", "-o", "out.npy")
    assert "output 0: float32[2, 4, 12, 12]" in output
    np.testing.assert_allclose(np.load("out.npy"), expected(network, x), rtol=1e-3, atol=1e-4)
    np.savez("all.npz", x=x)
    run("run", "net.module", "--input", "all.npz", "-o", "out.npz")
    np.testing.assert_array_equal(np.load("out.npz")["arr_0"], np.load("out.npy"))
    output = run("profile", "net.module", "--repeat", 2, "--trace", "trace.json")
    assert "conv2d" in output and "second" in output
    assert json.loads(Path("trace.json").read_text())


def test_a_model_is_compiled_for_the_arrays_that_it_is_run_on(run, network):
    x = np.ones((1, 3, 12, 12), "float32")
    np.save("x.npy", x)
    run("run", network, "--input", "x=x.npy", "-o", "out.npy")
    np.testing.assert_allclose(np.load("out.npy"), expected(network, x), rtol=1e-3, atol=1e-4)


def test_a_value_that_decides_a_shape(run, tmp_path):
    proto = model(
        [node("Reshape", ["x", "to"], ["y"])], [value("x", [6]), value("to", [2], "int64")], ["y"]
    )
    onnx.save(proto, "reshape.onnx")
    assert "give --value to=FILE.npy" in run("compile", "reshape.onnx", status=2)
    np.save("to.npy", np.array([2, 3]))
    output = run("compile", "reshape.onnx", "--value", "to=to.npy")
    assert "reshape.module" in output and "input to" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compile", "nowhere.onnx"], "nowhere.onnx: no such file"),
        (["compile", "net.onnx"], "'x' has open dimensions (batch, 3, 12, 12): give --shape x=1x3x12x12"),
        (["compile", "net.onnx", "--shape", "x"], "--shape 'x': an input and its shape are needed"),
        (["compile", "net.onnx", "--shape", "x=1x3x9x9"], "the shape (batch, 3, 12, 12) in the file"),
        (["compile", "net.onnx", "--shape", "z=1"], "unknown input of the model 'z'"),
        (["compile", "net.onnx", "--value", "x=text"], "a file .npy or a whole number is needed"),
        (["run", "net.onnx", "--input", "x.npy", "--shape", "x=1x3x12x12"], "float64"),
        (["run", "net.onnx", "--input", "q=x.npy"], "unknown input of the model 'q'"),
        (["run", "broken.module"], "broken.module"),
        (["tune", "net.onnx"], "open dimensions"),
        (["tune", "matmul"], "--shape is given 0 times"),
    ],
)
def test_wrong_input_is_one_line(run, network, arguments, message):
    np.save("x.npy", np.zeros((1, 3, 12, 12)))
    Path("broken.module").write_bytes(b"something else")
    output = run(*arguments, status=2)
    assert message in " ".join(output.split()), output


def test_extract_tasks(network):
    module = relay.from_onnx(network, {"x": (1, 3, 12, 12)})
    found = costmodel.extract_tasks(module)
    assert sum(found.values()) == 2
    assert sum(task.flops for task in found) == 2 * (8 * 144 * 27 + 4 * 144 * 8)


@pytest.mark.slow
def test_tune_of_a_model_and_its_records_in_compile(run, network):
    arguments = ("tune", network, "--shape", "x=1x3x12x12", "--explorer", "random", "--records", "net.jsonl")
    output = run(*arguments, "--trials", 4)
    assert "2 tasks on" in output and "0 trials from the records, 4 measured" in output
    assert [r.final for r in load("net.jsonl")].count(False) == 4
    output = run(*arguments, "--trials", 4)
    assert "4 trials from the records, 0 measured" in output
    module = relay.from_onnx(network, {"x": (1, 3, 12, 12)})
    with costmodel.apply_history_best("net.jsonl") as history:
        relay.build(module, cache=False)
    assert len(history.used) == 2 and not history.missed
    assert "net.module" in run("compile", network, "--shape", "x=1x3x12x12", "--records", "net.jsonl")
