from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from costmodel.table import TableError, TableModel, hold_out, read_table, take_target, write_table


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    town = rng.choice(["Ely", "Bath", "York"], 300)
    y = x[:, 0] * 2 + np.where(town == "York", 3.0, 0.0)
    return pd.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "town": town, "y": y, "sort": np.where(y > 1, "big", "small")}
    )


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_round_trip_of_a_table(frame, tmp_path, extension):
    path = tmp_path / f"t.{extension}"
    write_table(path, frame)
    pd.testing.assert_frame_equal(read_table(path), frame, check_dtype=False)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("column, task", [("y", "regression"), ("sort", "classification")])
def test_auto_tells_numbers_from_classes(frame, column, task):
    features, target = take_target(frame, column)
    assert target.task == task and column not in features


def test_few_integers_are_classes_and_many_are_numbers():
    few = pd.DataFrame({"x": range(100), "y": [i % 5 for i in range(100)]})
    many = pd.DataFrame({"x": range(100), "y": range(100)})
    assert take_target(few, "y")[1].classes == [0, 1, 2, 3, 4]
    assert take_target(many, "y")[1].task == "regression"
    assert take_target(few, "y", "regression")[1].classes is None


def test_hold_out_keeps_the_shares_of_classes():
    frame = pd.DataFrame({"x": range(100), "y": ["a"] * 80 + ["b"] * 20})
    target = take_target(frame, "y")[1]
    train, held = hold_out(target, 0.25, np.random.default_rng(0))
    assert sorted([*train, *held]) == list(range(100))
    assert np.bincount(target.labels[held].astype(int)).tolist() == [20, 5]


@pytest.mark.parametrize("column", ["y", "sort"])
def test_model_learns_saves_and_predicts_the_same(frame, tmp_path, column):
    features, target = take_target(frame.drop(columns=["sort" if column == "y" else "y"]), column)
    model = TableModel.train(features, target, rounds=60)
    model.save(tmp_path / "m.json")
    again = TableModel.load(tmp_path / "m.json")
    assert (again.target, again.task, again.classes) == (column, target.task, target.classes)
    pd.testing.assert_frame_equal(again.predict(features), model.predict(features))
    metrics = again.evaluate(features, target.labels)
    assert metrics["R2"] > 0.9 if column == "y" else metrics["accuracy"] > 0.9


def test_many_classes_have_probabilities_that_sum_to_one():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    frame["y"] = np.digitize(frame["a"], [-0.5, 0.5])
    features, target = take_target(frame, "y")
    predicted = TableModel.train(features, target, rounds=20).predict(features)
    assert list(predicted) == ["prediction", "probability_0", "probability_1", "probability_2"]
    np.testing.assert_allclose(predicted.iloc[:, 1:].sum(axis=1), 1.0, rtol=1e-5)
    assert (predicted["prediction"] == frame["y"]).mean() > 0.9


def test_columns_may_come_in_another_order(frame):
    features, target = take_target(frame.drop(columns="sort"), "y")
    model = TableModel.train(features, target, rounds=10)
    shuffled = features[["town", "b", "a"]]
    pd.testing.assert_frame_equal(model.predict(shuffled), model.predict(features))


def test_missing_column_at_prediction_is_named(frame):
    features, target = take_target(frame.drop(columns="sort"), "y")
    model = TableModel.train(features, target, rounds=5)
    with pytest.raises(
        TableError, match="the model needs a column 'town': unknown column 'town'; did you mean 'twon'"
    ):
        model.predict(features.rename(columns={"town": "twon"}))


@pytest.mark.parametrize(
    "change, column, task, message",
    [
        (lambda f: f, "yy", "auto", "unknown column 'yy'; did you mean 'y'"),
        (lambda f: f, "y", "ranking", "unknown task 'ranking'"),
        (lambda f: f[["y"]], "y", "auto", "'y' is the only column"),
        (lambda f: f.assign(sort="one"), "sort", "auto", "has the one class 'one'"),
        (lambda f: f.assign(y=f["y"].where(f.index > 1)), "y", "auto", "missing in 2 of 300 rows"),
        (lambda f: f, "sort", "regression", "a regression needs numbers"),
    ],
)
def test_targets_that_cannot_be_learned(frame, change, column, task, message):
    with pytest.raises(TableError, match=message):
        take_target(change(frame), column, task)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_share_of_held_out_rows(frame, share):
    with pytest.raises(TableError, match="at least 0 and below 1"):
        hold_out(take_target(frame, "y")[1], share, np.random.default_rng(0))


def test_too_few_rows_to_hold_any_out():
    target = take_target(pd.DataFrame({"x": [1, 2], "y": [1.5, 2.5]}), "y")[1]
    with pytest.raises(TableError, match="2 rows are too few"):
        hold_out(target, 0.1, np.random.default_rng(0))


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("t.csv", "", "the file is empty"),
        ("t.csv", "a,b\n", "0 rows and 2 columns"),
        ("t.xlsx", "a", "unknown extension '.xlsx'"),
        ("t.parquet", "not parquet", "not a readable parquet file"),
        ("t.csv", 'a,b\n1,2,3\n"', "not a readable csv file"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(TableError, match=message):
        read_table(path)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(TableError, match="no such file"):
        TableModel.load(tmp_path / "m.json")
    with pytest.raises(TableError, match="there is no folder"):
        write_table(tmp_path / "nowhere" / "t.csv", pd.DataFrame({"a": [1]}))
