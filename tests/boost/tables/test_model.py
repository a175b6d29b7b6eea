"""Models of tables: training, files, predictions and metrics by the names of the columns."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from boost.errors import TableError
from boost.tables.model import ATTRIBUTE, TableModel
from boost.tables.target import take_target


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    town = rng.choice(["Ely", "Bath", "York"], 300)
    y = x[:, 0] * 2 + np.where(town == "York", 3.0, 0.0)
    return pd.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "town": town, "y": y, "sort": np.where(y > 1, "big", "small")}
    )


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


def test_columns_of_numbers_become_categorical_again(frame):
    features = frame[["a"]].assign(zone=pd.Categorical(np.arange(300) % 3 + 10))
    target = take_target(frame.assign(y=frame["a"] + (features["zone"] == 11))[["a", "y"]], "y")[1]
    model = TableModel.train(features, target, rounds=30)
    plain = features.assign(zone=features["zone"].astype(int))  # as a CSV file has it
    pd.testing.assert_frame_equal(model.predict(plain), model.predict(features))


def test_a_new_file_has_the_classes_of_the_first(frame):
    target = take_target(frame, "sort")[1]
    again = target.of(frame.iloc[[5, 3]])
    np.testing.assert_array_equal(again.labels, target.labels[[5, 3]])
    with pytest.raises(TableError, match="classes that the training rows do not have: .'huge'"):
        target.of(frame.assign(sort="huge"))
    with pytest.raises(TableError, match="unknown column 'sort'"):
        target.of(frame[["a"]])


@pytest.mark.parametrize(
    ("column", "options", "message"),
    [
        ("y", {"objective": "binary:logistic"}, "does not fit a target of regression"),
        ("sort", {"objective": "reg:squarederror"}, "does not fit a target of classification"),
        ("sort", {"coverage": 0.9}, "a coverage is for a regression"),
        ("y", {"coverage": 0.9, "objective": "reg:gamma"}, "give coverage or objective, not both"),
        ("y", {"objective": "survival:aft"}, "needs more than a target column"),
        ("y", {"max_dept": 3}, "did you mean 'max_depth'"),
    ],
)
def test_parameters_that_do_not_fit_the_target(frame, column, options, message):
    target = take_target(frame, column)[1]
    with pytest.raises(ValueError, match=message):
        TableModel.training_params(target, **options)


def test_levels_are_named(frame):
    features, target = take_target(frame.drop(columns="sort"), "y")
    levels = {"objective": "reg:quantileerror", "quantile_alpha": [0.25, 0.75]}
    model = TableModel.train(features, target, TableModel.training_params(target, **levels), rounds=5)
    assert list(model.predict(features)) == ["level_0.25", "level_0.75"]
    assert list(model.evaluate(features, target.labels)) == ["quantile"]


def test_a_damaged_attribute_is_refused(frame, tmp_path):
    features, target = take_target(frame.drop(columns="y"), "sort")
    model = TableModel.train(features, target, rounds=2)
    for damaged in ("nothing", json.dumps({"classes": ["one"]}), json.dumps([1])):
        model.booster.attributes[ATTRIBUTE] = damaged
        model.save(tmp_path / "m.json")
        with pytest.raises(TableError, match="the attribute espalier.table does not describe the model"):
            TableModel.load(tmp_path / "m.json")


def test_missing_model_files(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        TableModel.load(tmp_path / "m.json")
