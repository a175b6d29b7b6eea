"""Compiled trees on the command line: compile, predict, and what they cannot do."""

import numpy as np
import pandas as pd
import pytest

import boost


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=80), "kind": rng.choice(["a", "b", "c"], 80)})
    frame["kind"] = frame["kind"].astype("category")
    price = frame["size"] + (frame["kind"] == "b")
    table = boost.DMatrix(frame, price, enable_categorical=True)
    boost.train({"nthread": 1}, table, 10, verbose_eval=False).save_model(folder / "model.json")
    frame.to_csv(folder / "table.csv", index=False)
    return folder


def test_compiled_trees_predict_the_same_file(run, files):
    model, program, table = files / "model.json", files / "model.module", files / "table.csv"
    assert "10 with" in run("compile", model, "-o", program)
    for trained, name in ((model, "a.csv"), (program, "b.csv")):
        run("predict", trained, table, "--output", files / name)
    assert (files / "a.csv").read_bytes() == (files / "b.csv").read_bytes()
    shown = run("show", program)
    assert "compiled trees: machine code" in shown and "kind: a, b, c" in shown
    for command, words in (
        (("explain", program, table), "take the model"),
        (("run", program), "espalier predict"),
        (("compile", model, "-o", program, "--shape", "x=1"), "--shape: that is for a model .onnx"),
    ):
        assert words in run(*command, status=2)
