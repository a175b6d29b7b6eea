"""The commands about models."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from costmodel.cli import network, search
from costmodel.measure.comparison import Comparison
from costmodel.measure.host import cpu_name
from costmodel.records import load
from costmodel.result import MeasureResult, Reason
from tests.costmodel.fake_runner import FakeRunner
from tests.costmodel.small_model import model_of, small_model

X = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("ESPALIER_CACHE", "off")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def model(run, tmp_path):
    np.save(tmp_path / "x.npy", X)
    return small_model(tmp_path / "small.onnx")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The bytes of the compiled model: compiled once for all tests."""
    folder = tmp_path_factory.mktemp("compiled")
    made = network._compiled(
        small_model(folder / "small.onnx"),
        network._ModelOptions(shapes=(), values=(), level=3, target="llvm", records=None),
    )
    network._save(made, folder / "small.module")
    return (folder / "small.module").read_bytes()


@pytest.fixture
def program(model, compiled):
    path = model.with_suffix(".module")
    path.write_bytes(compiled)
    return path


def expected(model, x=X):
    return dict(
        zip(["probabilities", "scores"], ReferenceEvaluator(str(model)).run(None, {"x": x}), strict=True)
    )


def test_compiled_and_run_it_computes_what_the_model_means(run, model):
    output = run("compile", model)
    facts = {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in output.splitlines()}
    assert facts["small.module"].endswith("KiB")
    assert facts["parameters"].startswith(f"{8 * 27 + 8 * 72 + 40:,} (") and facts["operators"] == "9"
    groups = int(facts["groups"].split(",")[0])
    assert 0 < groups < 9, "nothing is fused"
    assert "of all tensors" in facts["arena"] and "to compile" in facts["time"]
    assert facts["input"] == "x: Tensor[(1, 3, 8, 8), float32]"
    assert "output        scores: Tensor[(1, 5), float32]" in output.splitlines()
    output = run("run", "small.module", "--input", "x.npy", "--output", "y.npz", "--repeat", 3)
    assert "probabilities: float32[1, 5]  min" in output and "ms (median of 3 runs" in output
    found, wanted = np.load("y.npz"), expected(model)
    assert set(found.files) == set(wanted)
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-6)


def test_a_model_runs_without_a_file_and_takes_its_shape_from_the_input(run, model, tmp_path):
    open_model = small_model(tmp_path / "open.onnx", "batch")
    x = np.concatenate([X, -X])
    np.savez("in.npz", x=x)
    run("run", "open.onnx", "--input", "in.npz", "-o", "y.npz")
    np.testing.assert_allclose(
        np.load("y.npz")["scores"], expected(open_model, x)["scores"], rtol=1e-5, atol=1e-6
    )


def test_random_inputs_are_those_of_the_seed(run, program):
    def results(seed):
        run("run", program, "--random", "--seed", seed, "-o", "y.npz")
        return np.load("y.npz")["scores"]

    first, again, other = results(3), results(3), results(4)
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), r"missing inputs (x: Tensor[(1, 3, 8, 8), float32]): give --input x=FILE.npy, or --random"),
        (("--input", "y=x.npy"), "--input y=x.npy: unknown input 'y' (known: x)"),
        (("--input", "x.npy", "--input", "x.npy"), "--input x.npy: the model has no more than 1 input(s)"),
        (("--input", "x=x.npy", "--input", "x=x.npy"), "the input 'x' is given twice"),
        (("--input", "none.npy"), "none.npy: no such file"),
        (("--input", "text.npy"), "text.npy holds no array that NumPy reads without pickle"),
        (("--input", "double.npy"), "the input 'x' has the dtype float64; float32 is needed"),
        (
            ("--input", "short.npy"),
            "the input 'x' has the shape (1, 3, 8, 7); the shape (1, 3, 8, 8) is needed",
        ),
        (("--random", "-o", "y.txt"), "y.txt: outputs are written to .npz, or to .npy if there is one"),
        (("--random", "-o", "y.npy"), "y.npy: the model has 2 outputs: name a file .npz"),
        (("--random", "-o", "no/y.npz"), "there is no folder no"),
        (("--random", "--shape", "x=1x3x8x8"), "is compiled already; that is for a model .onnx"),
    ],
)
def test_wrong_inputs_are_named_with_what_is_expected(run, program, arguments, message):
    np.save("double.npy", X.astype(np.float64))
    np.save("short.npy", X[..., :7])
    program.with_name("text.npy").write_text("1, 2, 3")
    output = run("run", program, *arguments, status=2)
    assert message in output and "Traceback" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compile", "none.onnx"), "none.onnx: no such file"),
        (("run", "none.module"), "none.module: no such file"),
        (("run", "x.npy"), "x.npy is not a compiled program"),
        (("compile", "x.npy"), "x.npy: a model .onnx is needed"),
        (("compile", "small.onnx", "-o", "no/small.module"), "there is no folder no"),
        (("compile", "small.onnx", "-o", "small.onnx"), "the file of a compiled model is no .onnx"),
        (("compile", "small.onnx", "--shape", "y=1x3"), "unknown input of the model 'y' (known: x)"),
        (
            ("compile", "small.onnx", "--shape", "1x3"),
            "an input and its shape are needed, as in x=1x3x224x224",
        ),
        (("compile", "small.onnx", "--shape", "x=1x3x8"), "(1, 3, 8) does not fit"),
        (("compile", "small.onnx", "--value", "x=a"), "a file .npy or a whole number is needed"),
        (("compile", "small.onnx", "--records", "none.jsonl"), "none.jsonl: no such file"),
        (("compile", "cut.onnx"), "cut.onnx"),
        (("tune", "none.onnx"), "none.onnx: no such file"),
        (("tune", "small.onnx", "--seconds", 1, "--minutes", 1), "the budget is one of them"),
    ],
)
def test_wrong_models_and_options_are_named(run, model, arguments, message):
    model.with_name("cut.onnx").write_bytes(model.read_bytes()[:500])
    output = run(*arguments, status=2)
    assert message in output and "Traceback" not in output


def test_open_dimensions_are_named_at_once_with_the_options_to_give(run, tmp_path):
    add = helper.make_node("Add", ["a", "b"], ["c"])
    inputs = [("a", TensorProto.FLOAT, ["n", 4]), ("b", TensorProto.FLOAT, ["n", "m"])]
    model_of(tmp_path / "add.onnx", [add], inputs, [("c", TensorProto.FLOAT, None)])
    output = run("compile", "add.onnx", status=2)
    assert "(a: n, 4; b: n, m): give their shapes, as in --shape a=1x4 --shape b=1x1" in output
    output = run("compile", "add.onnx", "--shape", "a=3x4", status=2)
    assert "(b: n, m): give their shapes, as in --shape b=3x1" in output
    assert "c: Tensor[(3, 4), float32]" in run("compile", "add.onnx", "--shape", "a=3x4", "--shape", "b=3x1")


def test_everything_that_is_not_supported_is_listed(run, tmp_path):
    nodes = [
        helper.make_node("Strange", ["x"], ["y"], name="one", domain="mine"),
        helper.make_node("Odd", ["x"], ["z"], name="two", domain="mine"),
    ]
    value = ("x", TensorProto.FLOAT, [1])
    model_of(
        tmp_path / "odd.onnx", nodes, [value], [("y", TensorProto.FLOAT, [1]), ("z", TensorProto.FLOAT, [1])]
    )
    lines = run("compile", "odd.onnx", status=2).splitlines()
    assert any("Strange" in line and "one" in line for line in lines)
    assert any("Odd" in line and "two" in line and "Strange" not in line for line in lines)


def test_values_that_decide_shapes(run, tmp_path):
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    inputs = [("x", TensorProto.FLOAT, [6]), ("shape", TensorProto.INT64, [2])]
    model_of(tmp_path / "reshape.onnx", [node], inputs, [("y", TensorProto.FLOAT, None)])
    np.save("x.npy", np.arange(6, dtype=np.float32))
    np.save("shape.npy", np.array([2, 3]))
    assert "give --value shape=FILE.npy" in run("compile", "reshape.onnx", status=2)
    output = run("compile", "reshape.onnx", "--value", "shape=shape.npy")
    assert "y: Tensor[(2, 3), float32]" in output and "shape:" not in output
    run("run", "reshape.onnx", "--input", "x.npy", "--input", "shape.npy", "-o", "y.npy")
    assert np.load("y.npy").tolist() == [[0, 1, 2], [3, 4, 5]]


def test_without_the_package_that_reads_models(run, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "pip install 'espalier[onnx]'" in run("compile", model, status=2)


def test_profile_is_a_table_of_80_columns_and_a_trace(run, program):
    output = run("profile", program, "--trace", "t.json", "--repeat", 3)
    lines = [line.rstrip() for line in output.splitlines()]
    assert max(map(len, lines)) <= 80
    table = [line for line in lines if "%" in line]
    shares = [float(line.split("%")[0].split()[-1]) for line in table]
    assert sum(shares) == pytest.approx(100, abs=0.5) and shares == sorted(shares, reverse=True)
    assert any("conv2d" in line and "Relu second" in line for line in table)
    assert lines[[line.split()[:1] for line in lines].index(["total"])].split()[1]
    events = json.loads(program.with_name("t.json").read_text())["traceEvents"]
    assert len(events) == len(table)
    for event, after in zip(events, events[1:], strict=False):
        assert event["ph"] == "X" and event["ts"] + event["dur"] <= after["ts"] + 1e-3
    output = run("profile", program, "--top", 1)
    assert f"{len(table) - 1} more" in output and output.count("%") == 2


def test_control_flow_is_run_and_profiled(run, tmp_path):
    value = helper.make_tensor_value_info
    branches = {
        f"{kind}_branch": helper.make_graph(
            [helper.make_node(op, ["x"], [f"{kind}_y"])],
            kind,
            [],
            [value(f"{kind}_y", TensorProto.FLOAT, [3])],
        )
        for kind, op in (("then", "Neg"), ("else", "Abs"))
    }
    node = helper.make_node("If", ["c"], ["y"], **branches)
    inputs = [("x", TensorProto.FLOAT, [3]), ("c", TensorProto.BOOL, [])]
    model_of(tmp_path / "if.onnx", [node], inputs, [("y", TensorProto.FLOAT, [3])])
    np.save("x.npy", np.array([-1, 2, 3], np.float32))
    for condition, wanted in ((True, [1, -2, -3]), (False, [1, 2, 3])):
        np.save("c.npy", np.array(condition))
        run("run", "if.onnx", "--input", "c=c.npy", "--input", "x.npy", "-o", "y.npy")
        assert np.load("y.npy").tolist() == wanted
    assert "groups" in run("compile", "if.onnx")
    rows = [line.split() for line in run("profile", "if.module", "--repeat", 2).splitlines() if "%" in line]
    assert [row[0] for row in rows] == ["abs"], "the branch that is taken, as random booleans are false"


class Fastest(FakeRunner):
    """Costs by the index of a configuration; a later one than the default is the fastest."""

    def __init__(self) -> None:
        self.machine = cpu_name()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def measure(self, task, config):
        return MeasureResult(Reason.OK, (self.cost(task, config),))

    def cost(self, task, config):
        return 2e-6 if config == task.space.default else 1e-6 + 1e-9 * (config.index % 97)

    def compare(self, task, configs, *, baseline=False, rounds=15):
        return [Comparison(n, (self.cost(task, c),) * rounds, task.flops) for n, c in configs.items()]


def test_a_model_is_tuned_resumed_and_compiled_by_its_records(run, model, monkeypatch):
    monkeypatch.setattr(search._SearchOptions, "measurer", lambda self: Fastest())
    arguments = ("tune", model, "--explorer", "random", "--records", "r.jsonl", "--no-shipped")
    output = run(*arguments, "--trials", 12)
    assert "4 tasks on" in output and "0 trials from the records, 12 measured" in output
    rows = {line.split("(")[0].split()[0]: line.split() for line in output.splitlines() if line.strip()}
    assert float(rows["total"][-1]) > 1.5 and {"conv2d", "dense", "softmax"} <= set(rows)
    assert f"to use them: espalier compile {model} --records r.jsonl" in output.replace("\n", " ")
    output = run(*arguments, "--trials", 16)
    assert "12 trials from the records, 4 measured" in output
    output = run("compile", model, "--records", "r.jsonl")
    assert "4 of 4 operators are built by their best record" in output
    run("run", "small.module", "--input", "x.npy", "-o", "y.npz")
    np.testing.assert_allclose(np.load("y.npz")["scores"], expected(model)["scores"], rtol=1e-4, atol=1e-6)
    # records of another machine are not used, which is said
    assert len(load("r.jsonl")) == 24  # trials, and a winner of each comparison
    text = model.with_name("r.jsonl").read_text()
    lines = [json.dumps({**json.loads(line), "cpu": "another"}) for line in text.splitlines()]
    model.with_name("other.jsonl").write_text("\n".join(lines) + "\n")
    output = run("compile", model, "--records", "other.jsonl")
    assert "0 of 4 operators are built by their best record" in output and "of another machine" in output


def test_a_model_without_anything_to_tune(run, tmp_path):
    value = ("x", TensorProto.FLOAT, [4])
    model_of(
        tmp_path / "neg.onnx",
        [helper.make_node("Neg", ["x"], ["y"])],
        [value],
        [("y", TensorProto.FLOAT, [4])],
    )
    assert "no operator of it has a schedule that could be tuned" in run("tune", "neg.onnx", status=2)
