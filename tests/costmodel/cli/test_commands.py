"""The command ``espalier``: every subcommand, every kind of wrong input, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import boost
import costmodel
from boost.tables.file import read_table
from costmodel.records import load

HOME = str(Path(costmodel.__file__).parent.parent)


@pytest.fixture
def table(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    sort = np.where(x[:, 0] > 0, "yes", "no")
    path = tmp_path / "data.csv"
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x.sum(axis=1), "sort": sort}).to_csv(path, index=False)
    return path


def test_train_and_predict_classes(run, table, tmp_path):
    output = run("train", table, "--target", "sort", "--rounds", 20)
    assert "classification of 2 classes of 'sort': 120 rows, 3 columns" in output
    assert "rows: 96 to train on, 24 held out to test" in output and "model: model.json" in output
    assert "log loss" in output and "avg. precision" in output and "constant prediction" in output
    output = run("predict", "model.json", table)
    assert "120 predictions: predictions.csv" in output and "120 rows with 'sort'" in output
    predicted = pd.read_csv(tmp_path / "predictions.csv")
    assert list(predicted) == ["prediction", "probability_no", "probability_yes"]
    assert (predicted["prediction"] == pd.read_csv(table)["sort"]).mean() > 0.9


def test_train_and_predict_numbers_from_parquet(run, table, tmp_path):
    pd.read_csv(table).drop(columns="sort").to_parquet(tmp_path / "data.parquet")
    arguments = ("--target", "y", "--rounds", 20, "--model", "m.json", "--test-size", 0)
    output = run("train", "data.parquet", *arguments)
    assert "held out to test" not in output and "no rows were held out: these scores do not say" in output
    run("predict", "m.json", "data.parquet", "--output", "p.parquet")
    assert list(pd.read_parquet(tmp_path / "p.parquet")) == ["prediction"]


def test_predict_names_the_columns_that_it_does_not_use(run, table):
    run("train", table, "--target", "y", "--rounds", 2)
    frame = pd.read_csv(table).assign(extra=1)
    frame.to_csv(table, index=False)
    assert "columns that the model does not use: extra" in run("predict", "model.json", table)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "nothing.csv", "--target", "y"], "nothing.csv: no such file"),
        (["train", "data.csv", "--target", "sorte"], "unknown column 'sorte'; did you mean 'sort'"),
        (["train", "data.json", "--target", "y"], "unknown extension '.json'"),
        (["train", "empty.csv", "--target", "y"], "empty.csv: the file is empty"),
        (["train", "one.csv", "--target", "y"], "has only the class 'same'"),
        (["train", "data.csv", "--target", "y", "--model", "m.txt"], "unknown extension '.txt'"),
        (["train", "data.csv", "--target", "y", "--test-size", "2"], "at least 0 and below 1"),
        (["train", "data.csv", "--target", "y", "--task", "rank"], "'rank' is not one of"),
        (["predict", "nothing.json", "data.csv"], "nothing.json: no such file"),
        (["predict", "data.csv", "data.csv"], "data.csv"),
        (["predict", "nothing.json", "data.csv", "--output", "p.xls"], "unknown extension '.xls'"),
        (["tune", "matmull", "--shape", "4,4,4"], "unknown operator 'matmull'; did you mean 'matmul'"),
        (["tune", "matmul", "--shape", "4,4"], "matmul needs M, N, K; K is missing"),
        (["tune", "matmul", "--shape", "4,four,4"], "N is 'four'; a positive whole number is needed"),
        (["tune", "matmul", "--shape", "4,0,4"], "N is 0"),
        (["tune", "matmul", "--shape", "4,4,4,bacth=2"], "did you mean 'batch'"),
        (
            ["tune", "matmul", "--shape", "4,N=4,4"],
            "'4' follows a value with a name, so it needs a name, too",
        ),
        (["tune", "matmul", "--shape", "4,4,4", "--target", "lvm"], "lvm"),
        (["tune", "matmul", "--shape", "4,4,4", "--explorer", "modle"], "did you mean 'model'"),
        (["tune", "matmul", "--shape", "4,4,4", "--records", "no/r.jsonl"], "there is no folder no"),
        (["tune", "matmul", "--shape", "4,4,4", "--timeout", "0"], "build_timeout must be positive"),
        (["tune", "matmul", "--shape", "4,4,4", "--trials", "0"], "0 is not in the range"),
        (["show", "nothing.jsonl"], "nothing.jsonl: no such file"),
        (["show", "empty.csv"], "the file is empty"),
        (["show", "data.csv"], "it is not a model, and no line of it is a record"),
        (
            ["show", "data.csv", "--drawing", "t.svg"],
            "data.csv is not a model: --drawing is for the trees of a model",
        ),
        (["show", "broken.json"], "broken.json"),
        (["train", "data.csv", "--target", "y", "--param", "max_dept=3"], "did you mean 'max_depth'"),
        (["train", "data.csv", "--target", "y", "--param", "max_depth"], "--param must be NAME=VALUE"),
        (["train", "data.csv", "--target", "y", "--ignore", "soort"], "unknown column 'soort'; did you mean"),
        (["train", "data.csv", "--target", "y", "--weight", "y"], "'y' is the target"),
        (
            ["train", "data.csv", "--target", "y", "--objective", "rank:ndcg"],
            "rank:ndcg needs --group COLUMN",
        ),
        (["train", "data.csv", "--target", "sort", "--coverage", "0.9"], "numbers are needed"),
        (
            ["train", "data.csv", "--target", "y", "--early-stopping", "3", "--rounds", "9"],
            "needs --validation",
        ),
        (["predict", "nothing.json", "data.csv", "--id", "x"], "nothing.json: no such file"),
        (["train", "data.csv", "--target", "y", "--coverage", "1.5"], "coverage must lie between 0 and 1"),
        (["train", "data.csv", "--target", "y", "--coverage", "0.999"], "too few to calibrate"),
        (
            ["train", "data.csv", "--target", "y", "--validation", "one.csv"],
            "the columns 'a', 'b', 'sort' are missing",
        ),
        (
            ["train", "data.csv", "--target", "sort", "--task", "classification", "--objective", "reg:gamma"],
            "reg:gamma does not fit a target of classification",
        ),
        (["explain", "nothing.json", "data.csv"], "nothing.json: no such file"),
        (["tune", "no.py:matvec", "--shape", "4"], "no.py: no such file"),
        (["tune", "data.py", "--shape", "4"], "data.py, line 2: NameError: name 'nothing' is not defined"),
        (["tune", "empty.py:x", "--shape", "4"], "registers no operator: decorate a template"),
        (["tune", "matmul", "--shape", "4,4,4", "--seconds", "0"], "seconds must be positive, not 0.0"),
        (["show", "matmul"], "matmul: no such file: an operator needs --shape"),
        (["show", "matmul", "--shape", "4,4"], "matmul needs M, N, K; K is missing"),
        (["tune-all", "nothing.txt"], "nothing.txt: no such file"),
        (["tune-all", "empty.csv"], "there is no task in it"),
        (["tune-all", "tasks.txt"], "tasks.txt, line 3: unknown operator 'matmull'; did you mean 'matmul'"),
        (["records", "show", "data.csv"], "data.csv: no line of it is a record"),
        (["records", "merge", "no.jsonl", "--output", "m.jsonl"], "no.jsonl: no such file"),
        (
            ["records", "convert", "data.csv", "x.jsonl"],
            "the columns task, config, costs of records are missing",
        ),
        (["build", "data.csv"], "data.csv: no line of it is a record"),
    ],
)
def test_wrong_input_is_one_line(run, table, tmp_path, arguments, message):
    (tmp_path / "empty.csv").touch()
    (tmp_path / "data.json").write_text("{}")
    (tmp_path / "data.py").write_text("x = 1\nnothing()\n")
    (tmp_path / "empty.py").touch()
    (tmp_path / "tasks.txt").write_text("# layers\nmatmul 4,4,4 x2\nmatmull 4,4,4\n")
    (tmp_path / "broken.json").write_text('{"learner": {}}')
    (tmp_path / "one.csv").write_text("x,y\n1,same\n2,same\n")
    output = run(*arguments, status=2)
    assert message in output
    assert "Traceback" not in output
    (error,) = (line for line in output.splitlines() if line.startswith("Error: "))
    assert not list(tmp_path.glob("*.jsonl")) and not list(tmp_path.glob("model.json"))


@pytest.mark.slow
def test_tune_resume_and_show(run, tmp_path):
    arguments = ("tune", "matmul", "--shape", "32x32x32", "--records", "r.jsonl", "--explorer", "random")
    output = run(*arguments, "--trials", 3)
    assert "0 trials from the records, 3 measured" in output
    assert "default schedule" in output and "best of 3 trials" in output and "records: r.jsonl" in output
    output = run(*arguments, "--trials", 4)
    assert "3 trials from the records, 1 measured" in output
    # the winner of the comparison of each run comes after its trials
    assert [r.final for r in load("r.jsonl")] == [False] * 3 + [True, False, True]
    output = run("show", "r.jsonl", "--top", 2)
    assert "matmul(32, 32, 32) float32 llvm: 4 records, failed 0" in output
    assert "def main" not in output
    output = run("show", "r.jsonl", "--program")
    assert "def main(A: float32[32, 32]" in output
    assert "# assembly" in output and "main" in output.split("# assembly")[1]


def test_show_reports_a_broken_last_line(run, tmp_path):
    run("tune", "matmul", "--shape", "8,8,8", "--records", "r.jsonl", "--explorer", "random", "--trials", 2)
    path = tmp_path / "r.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    output = run("show", "r.jsonl")
    assert "warning: r.jsonl, line 3: skipped: not a JSON object" in output
    assert "2 records" in output


def test_show_of_an_unregistered_operator(run, tmp_path):
    run("tune", "matmul", "--shape", "8,8,8", "--records", "r.jsonl", "--explorer", "random", "--trials", 1)
    path = tmp_path / "r.jsonl"
    path.write_text(path.read_text().replace('"operator": "matmul"', '"operator": "mine"'))
    output = run("show", "r.jsonl", "--program")
    assert "no program can be built for it here: unknown operator 'mine'" in output


@pytest.mark.slow
def test_demo_small_and_again(run, tmp_path, monkeypatch):
    from costmodel import demo

    pytest.importorskip("matplotlib")
    small = (("matmul", (16, 16, 16), "matmul"), ("conv2d", (1, 4, 8, 8, 4, 3, 1, 1), "conv"))
    monkeypatch.setattr(demo, "PROGRAMS", small)
    for name, value in {"SPLITS": 2, "ROUNDS": 5, "COMPARISON_ROUNDS": 2}.items():
        monkeypatch.setattr(demo, name, value)
    output = run("demo", "--trials", 3, "--output", "out")
    for word in (
        "breast_cancer",
        "diabetes",
        "HistGradientBoosting",
        demo.MODEL,
        demo.RANDOM,
        "NumPy",
        "checked",
    ):
        assert word in output
    assert "0 trials from the records, 3 measured" in output
    folder = tmp_path / "out"
    files = ["records-model.jsonl", "records-random.jsonl", "summary.json", "tuning-curves.png"]
    assert sorted(p.name for p in folder.iterdir()) == files
    # each search has its own file, so that none profits from the trials of the other
    assert [len(load(folder / name)) for name in files[:2]] == [6, 6]
    summary = json.loads((folder / "summary.json").read_text())
    assert {r["source"] for r in summary["runs"]} == {"model", "random"}
    output = run("demo", "--trials", 3, "--output", "out")
    assert "3 trials from the records, 0 measured" in output
    assert [len(load(folder / name)) for name in files[:2]] == [6, 6]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_saves_and_leaves_no_process(tmp_path):
    path = tmp_path / "r.jsonl"
    code = f"import sys; sys.path.insert(0, {HOME!r}); from costmodel.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "tune", "matmul", "--shape", "64,64,64", "--trials", "5000"]
        + ["--explorer", "random", "--records", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (path.exists() and path.read_text().count("\n") >= 2):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "interrupted: what was measured is in" in output and "Traceback" not in output
    assert len(load(path)) >= 2


def test_ctrl_c_outside_a_search_is_one_line(run, table, monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("boost.tables.model.TableModel.train", interrupted)
    output = run("train", table, "--target", "y", status=130)
    assert output.strip().splitlines()[-1] == "interrupted"


def test_train_with_all_the_options(run, table, tmp_path):
    frame = pd.read_csv(table).assign(zone=np.arange(120) % 3, noise=1.0, weight=1.0)
    frame["y"] += frame["zone"] == 1
    frame.to_feather(tmp_path / "data.feather")
    frame.iloc[::2].to_parquet(tmp_path / "watch.parquet")
    chosen = ["--ignore", "noise", "--ignore", "sort", "--weight", "weight", "--categorical", "zone"]
    stop = ["--validation", "watch.parquet", "--early-stopping", 5, "--param", "max_depth=3", "--rounds", 300]
    output = run("train", "data.feather", "--target", "y", *chosen, *stop)
    assert "regression of 'y': 120 rows, 3 columns" in output
    assert "rounds, of which the last is the best on watch.parquet" in output
    assert "60 of the 60 rows of watch.parquet are in data.feather as well" in output
    assert "24 rows held out to test:" in output and "RMSE" in output
    model = boost.Booster(model_file=tmp_path / "model.json")
    assert model.feature_names == ["a", "b", "zone"] and model.categories == {2: [0, 1, 2]}
    leaves = [(model.forest[t].left < 0).sum() for t in range(model.forest.trees)]
    assert max(leaves) <= 8 and model.num_boosted_rounds() < 300
    output = run("predict", "model.json", "watch.parquet", "--output", "p.arrow")
    assert "columns that the model does not use: sort, noise, weight" in output
    predicted = read_table(tmp_path / "p.arrow")["prediction"]
    assert np.corrcoef(predicted, frame["y"].iloc[::2])[0, 1] > 0.8


def test_text_that_names_rows_dates_and_new_values(run, table, tmp_path):
    frame = pd.read_csv(table).assign(name=[f"p{i}" for i in range(120)], town="Ely")
    frame["sold"] = pd.date_range("2021-01-01", periods=120, freq="31h").strftime("%d.%m.%Y %H:%M")
    frame.to_csv(table, index=False, sep=";", decimal=",")
    output = run(
        "train", table, "--target", "y", "--id", "name", "--ignore", "sort", "--rounds", 5, "--no-plots"
    )
    assert "note: data.csv: columns are separated by semicolons" in output
    assert "decimal commas are read as numbers in 'a', 'b', 'y'" in output
    assert "'sold' holds dates: used as month, day, weekday, hour" in output
    assert "'name'" not in output  # given as an identifier, so that there is nothing to say
    frame.assign(town="Hull").to_parquet(tmp_path / "new.parquet")
    output = run("predict", "model.json", "new.parquet")
    assert "column 'town': 120 of 120 rows have values that the training rows do not have" in output
    assert list(pd.read_csv(tmp_path / "predictions.csv")) == ["name", "prediction"]
    frame.to_csv(table, index=False)
    output = run("train", table, "--target", "y", "--rounds", 2, "--no-plots")
    assert "column 'name' is left out: it is text that names rows" in output


def test_no_better_than_a_constant_is_said(run, table):
    frame = pd.read_csv(table)[["a", "y"]]
    frame["y"] = np.random.default_rng(5).permutation(frame["y"])
    frame.to_csv(table, index=False)
    output = run("train", table, "--target", "y", "--rounds", 200, "--param", "eta=0.5", "--no-plots")
    assert "the model is no better than a constant prediction" in output


def test_intervals_from_the_command_line(run, table, tmp_path):
    rows = pd.concat([pd.read_csv(table)] * 5).drop(columns="sort")
    rows["y"] += np.random.default_rng(0).normal(size=len(rows))
    rows.to_csv(table, index=False)
    output = run("train", table, "--target", "y", "--coverage", 0.8, "--rounds", 30, "--no-plots")
    assert "120 rows held out to test:" in output and "coverage" in output and "mean width" in output
    assert "96 to calibrate intervals" in output
    run("predict", "model.json", table)
    predicted = pd.read_csv(tmp_path / "predictions.csv")
    assert list(predicted) == ["prediction", "lower", "upper"]
    assert (predicted["lower"] <= predicted["upper"]).all()
    assert "intervals: coverage 0.8" in run("show", "model.json")


def test_predictions_with_uncertainty(run, table, tmp_path):
    run("train", table, "--target", "sort", "--rounds", 20, "--no-plots")
    run("predict", "model.json", table, "--uncertainty")
    predicted = pd.read_csv(tmp_path / "predictions.csv")
    assert list(predicted)[3:] == ["knowledge", "data"]
    p = predicted["probability_yes"]
    assert (predicted["data"] > 0).all() and np.corrcoef(predicted["data"], p * (1 - p))[0, 1] > 0.9
    run("train", table, "--target", "y", "--objective", "reg:normal", "--rounds", 20, "--no-plots")
    run("predict", "model.json", table, "--uncertainty")
    columns = list(pd.read_csv(tmp_path / "predictions.csv"))
    assert columns == ["mean", "deviation", "knowledge", "data"]


def test_plots_are_written_beside_the_model(run, table, tmp_path):
    pytest.importorskip("matplotlib")
    output = run("train", table, "--target", "y", "--rounds", 10, "--model", "m.json")
    assert "plots: m.importance.svg, m.rmse.svg, m.residuals.svg" in output
    for name in ("m.importance.svg", "m.rmse.svg", "m.residuals.svg"):
        assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")
    assert not list(tmp_path.glob("*.tmp"))


def test_explain(run, table, tmp_path):
    pytest.importorskip("matplotlib")
    run("train", table, "--target", "y", "--rounds", 20, "--no-plots")
    output = run("explain", "model.json", table, "--rows", 50, "--row", 7)
    assert "50 rows explained: contributions.csv" in output and "add most: " in output
    added = pd.read_csv(tmp_path / "contributions.csv")
    assert list(added) == ["row", "a", "b", "sort", "(base)", "(margin)"]
    run("predict", "model.json", table)
    want = pd.read_csv(tmp_path / "predictions.csv")["prediction"][:50]
    np.testing.assert_allclose(added[["a", "b", "sort", "(base)"]].sum(axis=1), want, rtol=1e-5, atol=1e-5)
    for kind in ("bar", "beeswarm", "row-7"):
        assert (tmp_path / f"contributions.{kind}.svg").is_file()
    message = "row 50 does not exist: the table has the rows 0 to 49"
    assert message in run("explain", "model.json", table, "--rows", 50, "--row", 50, status=2)


def test_explain_classes(run, table, tmp_path):
    frame = pd.read_csv(table).drop(columns="sort")
    frame["y"] = np.digitize(frame["y"], [-0.5, 0.5])
    frame.to_csv(table, index=False)
    run("train", table, "--target", "y", "--rounds", 5, "--no-plots")
    run("explain", "model.json", table, "--no-plots", "--output", "c.parquet")
    added = pd.read_parquet(tmp_path / "c.parquet")
    assert list(added) == ["row", "output", "a", "b", "(base)", "(margin)"] and len(added) == 360
    assert added["output"].tolist()[:3] == ["0", "1", "2"]


def test_show_a_model_under_any_name(run, table, tmp_path):
    run("train", table, "--target", "sort", "--rounds", 5, "--no-plots")
    (tmp_path / "model.json").rename(tmp_path / "model.jsonl")
    output = run("show", "model.jsonl", "--tree", 4, "--drawing", "t.svg", "--depth", 1)
    for words in (
        "objective: binary:logistic",
        "target: sort (classification)",
        "classes: no, yes",
        "tree 4 of 5 (round 4): ",
        "a leaf adds to: log odds of sort = yes",
        "├─ a is below 0.",
    ):
        assert words in output
    assert ElementTree.parse(tmp_path / "t.svg").getroot().tag.endswith("svg")
    assert "the model has the trees 0 to 4, not 5" in run("show", "model.jsonl", "--tree", 5, status=2)
    assert "--program is for records" in run("show", "model.jsonl", "--program", status=2)


def test_the_parameters_are_listed(run):
    output = run("train", "--parameters")
    assert "max_depth" in output and "reg:normal" in output


def test_ctrl_c_keeps_the_rounds_so_far(run, table, tmp_path, monkeypatch):
    from boost.tables.progress import TrainingProgress

    def interrupt(line, model, epoch, evals_log):
        if epoch == 3:
            signal.raise_signal(signal.SIGINT)
        return after(line, model, epoch, evals_log)

    after = TrainingProgress.after_iteration
    monkeypatch.setattr(TrainingProgress, "after_iteration", interrupt)
    output = run("train", table, "--target", "y", "--rounds", 1000, "--no-plots", status=130)
    assert "interrupted: the 4 rounds so far are kept" in output and "24 rows held out" in output
    assert boost.Booster(model_file=tmp_path / "model.json").num_boosted_rounds() == 4


def test_version_and_help_are_quick_to_import():
    code = f"import sys; sys.path.insert(0, {HOME!r}); import costmodel.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"numba", "llvmlite", "pandas", "sklearn", "scipy", "matplotlib", "rich"}
    assert not heavy & set(loaded)


def test_cross_validation_from_the_command_line(run, table, tmp_path):
    output = run("cv", table, "--target", "sort", "--folds", 3, "--rounds", 5, "--output", "p.csv")
    lines = output.splitlines()
    assert "classification of 2 classes of 'sort': 120 rows" in output
    folds = [line.split() for line in lines if line[:1].isdigit() and len(line.split()) == 7]
    assert [f[:3] for f in folds] == [["1", "40", "5"], ["2", "40", "5"], ["3", "40", "5"]]
    mean = next(line for line in lines if line.startswith("mean")).split()
    assert float(mean[1]) == pytest.approx(np.mean([float(f[3]) for f in folds]), abs=1e-4)
    assert any(line.startswith("standard error") for line in lines)
    predicted = pd.read_csv(tmp_path / "p.csv")
    assert predicted["row"].tolist() == list(range(120)) and predicted["fold"].nunique() == 3


def test_search_trains_the_best_and_prints_the_command_that_repeats_it(run, table, tmp_path):
    arguments = ["search", table, "--target", "y", "--ignore", "sort", "--trials", 4, "--param", "eta=0.4"]
    output = run(*arguments, "--space", "max_depth=1:4")
    assert "best of 4 trials" in output and "search.jsonl" not in output and "best so far" in output
    found = (tmp_path / "model.json").read_bytes()
    command = output.strip().splitlines()[-1].split()
    assert command[:2] == ["espalier", "train"]
    run(*command[1:], "--no-plots")
    trained, best = (json.loads(raw)["learner"] for raw in ((tmp_path / "model.json").read_bytes(), found))
    assert trained == best
    output = run(*arguments, "--space", "max_depth=1:4")
    assert "evaluations are there already" in output and "trial" not in output.split("best of")[0]
    assert "nothing is left" not in output


def test_ctrl_c_in_a_search_keeps_the_best(run, table, tmp_path, monkeypatch):
    from costmodel.cli.selection import SearchProgress

    def interrupt(progress, record, best):
        after(progress, record, best)
        if record.trial == 1:
            signal.raise_signal(signal.SIGINT)

    after = SearchProgress.after
    monkeypatch.setattr(SearchProgress, "after", interrupt)
    arguments = ["search", table, "--target", "y", "--ignore", "sort", "--param", "eta=0.5"]
    output = run(*arguments, status=130)
    assert "stopped: the best of the trials so far is kept" in output and "best of 2 trials" in output
    assert len((tmp_path / "search.jsonl").read_text().splitlines()) == 2
    assert boost.Booster(model_file=tmp_path / "model.json").num_boosted_rounds() > 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["cv", "data.csv", "--target", "y", "--folds", "200"], "120 rows cannot be divided into 200 folds"),
        (["search", "data.csv", "--target", "y", "--space", "eta"], "must be NAME=LOW:HIGH[:log]"),
        (["search", "data.csv", "--target", "y", "--records", "no/s.jsonl"], "there is no folder no"),
        (["search", "data.csv", "--target", "y", "--records", "data.csv"], "not the record of a search"),
    ],
)
def test_cv_and_search_refuse(run, table, arguments, message):
    assert message in run(*arguments, status=2)


def test_survival_and_ranking_from_the_command_line(run, table, tmp_path):
    frame = pd.read_csv(table).drop(columns="sort")
    frame["y"] = np.exp(frame["y"])
    frame.assign(died=(np.arange(120) % 3 > 0) + 1).to_csv(table, index=False)
    arguments = ["--target", "y", "--objective", "survival:cox", "--rounds", 10, "--no-plots"]
    output = run("train", table, *arguments, "--event", "died=2")
    assert "survival (67% of the events observed) of 'y'" in output and "concordance" in output
    message = (
        "the event 'died' must be 1 (observed) or 0 (censored), got 1, 2: name the value of an observed event"
    )
    assert message in run("train", table, *arguments, "--event", "died", status=2)
    frame["y"] = np.digitize(frame["a"], [-0.5, 0.5])
    frame.assign(query=np.arange(120) % 12).to_csv(table, index=False)
    arguments = [
        "--target",
        "y",
        "--objective",
        "rank:ndcg",
        "--group",
        "query",
        "--rounds",
        10,
        "--no-plots",
    ]
    output = run("train", table, *arguments)
    assert "ranking in 12 groups of 'y'" in output and "NDCG@10" in output
    assert "100 to train on, 20 held out to test" in output  # ten groups and two
