"""Models of tables: training, files, predictions and metrics by the names of the columns."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from boost.errors import TableError
from boost.tables.examples import Examples, read_examples
from boost.tables.model import ATTRIBUTE, TEST, TRAIN, TableModel
from boost.tables.roles import Roles
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


def examples_of(frame: pd.DataFrame, target: str, **roles: Any) -> Examples:
    return read_examples(frame, Roles(target=target, **roles))[0]


@pytest.mark.parametrize("column", ["y", "sort"])
def test_model_learns_saves_and_predicts_the_same(frame, tmp_path, column):
    examples = examples_of(frame, column, ignored=("sort" if column == "y" else "y",))
    features, target = examples.features, examples.target
    model = TableModel.train(examples, rounds=60)
    model.save(tmp_path / "m.json")
    again = TableModel.load(tmp_path / "m.json")
    assert (again.target, again.task, again.classes) == (column, target.task, target.classes)
    pd.testing.assert_frame_equal(again.predict(features), model.predict(features))
    metrics = again.evaluate(examples)
    assert metrics["R2"] > 0.9 if column == "y" else metrics["accuracy"] > 0.9


def test_many_classes_have_probabilities_that_sum_to_one():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    frame["y"] = np.digitize(frame["a"], [-0.5, 0.5])
    predicted = TableModel.train(examples_of(frame, "y"), rounds=20).predict(frame)
    assert list(predicted) == ["prediction", "probability_0", "probability_1", "probability_2"]
    np.testing.assert_allclose(predicted.iloc[:, 1:].sum(axis=1), 1.0, rtol=1e-5)
    assert (predicted["prediction"] == frame["y"]).mean() > 0.9


def test_columns_may_come_in_another_order(frame):
    examples = examples_of(frame, "y", ignored=("sort",))
    features = examples.features
    model = TableModel.train(examples, rounds=10)
    shuffled = features[["town", "b", "a"]]
    pd.testing.assert_frame_equal(model.predict(shuffled), model.predict(features))


def test_missing_column_at_prediction_is_named(frame):
    examples = examples_of(frame, "y", ignored=("sort",))
    features = examples.features
    model = TableModel.train(examples, rounds=5)
    with pytest.raises(
        TableError, match="the model needs a column 'town': unknown column 'town'; did you mean 'twon'"
    ):
        model.predict(features.rename(columns={"town": "twon"}))


def test_columns_of_numbers_become_categorical_again(frame):
    features = frame[["a"]].assign(zone=pd.Categorical(np.arange(300) % 3 + 10))
    examples = examples_of(features.assign(y=frame["a"] + (features["zone"] == 11)), "y")
    model = TableModel.train(examples, rounds=30)
    plain = features.assign(zone=features["zone"].astype(int))  # as a CSV file has it
    pd.testing.assert_frame_equal(model.predict(plain), model.predict(features))


def test_a_new_file_has_the_classes_of_the_first(frame):
    target = take_target(frame, "sort")[1]
    again = target.of(frame.iloc[[5, 3]])
    np.testing.assert_array_equal(again.labels, target.labels[[5, 3]])
    with pytest.raises(TableError, match="classes that the training rows do not have: 'huge'"):
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
        ("y", {"objective": "survival:aft"}, "survival:aft does not fit a target of regression"),
        ("y", {"max_dept": 3}, "did you mean 'max_depth'"),
    ],
)
def test_parameters_that_do_not_fit_the_target(frame, column, options, message):
    target = take_target(frame, column)[1]
    with pytest.raises(ValueError, match=message):
        TableModel.training_params(target, **options)


def test_levels_are_named(frame):
    examples = examples_of(frame, "y", ignored=("sort",))
    levels = {"objective": "reg:quantileerror", "quantile_alpha": [0.25, 0.75]}
    model = TableModel.train(examples, TableModel.training_params(examples.target, **levels), rounds=5)
    assert list(model.predict(frame)) == ["level_0.25", "level_0.75"]
    assert list(model.evaluate(examples)) == ["quantile"]


def test_a_damaged_attribute_is_refused(frame, tmp_path):
    model = TableModel.train(examples_of(frame, "sort", ignored=("y",)), rounds=2)
    for damaged in ("nothing", json.dumps({"classes": ["one"]}), json.dumps([1])):
        model.booster.attributes[ATTRIBUTE] = damaged
        model.save(tmp_path / "m.json")
        with pytest.raises(TableError, match="the attribute espalier.table does not describe the model"):
            TableModel.load(tmp_path / "m.json")


def test_missing_model_files(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        TableModel.load(tmp_path / "m.json")


@pytest.fixture(scope="module")
def dated() -> tuple[pd.DataFrame, TableModel]:
    """A table with a date in text, an identifier and weights, and its model."""
    rng = np.random.default_rng(0)
    moment = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 9000, 400), unit="h")
    frame = pd.DataFrame({"sold": moment.strftime("%d.%m.%Y %H:%M"), "key": [f"k{i}" for i in range(400)]})
    frame["town"] = rng.choice(["Ely", "Bath"], 400)
    frame["y"] = moment.hour / 10 + (frame["town"] == "Ely")
    examples, review = read_examples(frame, Roles(target="y", ids=("key",)))
    return frame, TableModel.train(examples, dates=review.dates, rounds=40)


def test_dates_become_parts_that_the_model_keeps(dated, tmp_path):
    frame, model = dated
    assert "sold.hour" in model.booster.feature_names and "sold" not in model.booster.feature_names
    model.save(tmp_path / "m.json")
    predicted = TableModel.load(tmp_path / "m.json").predict(frame)
    assert list(predicted) == ["key", "prediction"] and predicted["key"].tolist() == frame["key"].tolist()
    assert np.corrcoef(predicted["prediction"], frame["y"])[0, 1] > 0.95


def test_values_that_the_training_did_not_have_are_counted(dated):
    frame, model = dated
    other = frame.assign(town=frame["town"].replace("Ely", "Hull"))
    other.loc[:1, "sold"] = "soon"
    assert model.unseen(frame) == {}
    found = model.unseen(other)
    assert found == {"town": (int((frame["town"] == "Ely").sum()), ["Hull"]), "sold": (2, ["soon"])}


def test_the_constant_prediction_is_that_of_no_trees(frame):
    examples = examples_of(frame, "sort", ignored=("y",))
    model = TableModel.train(examples, rounds=5)
    share = np.mean(examples.target.labels)
    scores = model.constant().evaluate(examples)
    assert scores["log loss"] == pytest.approx(
        -share * np.log(share) - (1 - share) * np.log(1 - share), rel=1e-5
    )
    assert scores["AUC"] == 0.5 and scores["accuracy"] == pytest.approx(max(share, 1 - share))
    assert (
        model.evaluate(examples)["log loss"] < scores["log loss"] and model.booster.num_boosted_rounds() == 5
    )


def test_rounds_are_found_on_rows_that_are_left_out(frame):
    model = TableModel.train(examples_of(frame, "y", ignored=("sort",)))
    assert list(model.history) == ["rows left out"]
    assert model.booster.num_boosted_rounds() == np.argmin(model.history["rows left out"]["rmse"]) + 1


def test_watched_rows_stop_the_training_and_have_their_name(frame):
    examples = examples_of(frame, "y", ignored=("sort",))
    watched = examples.take(np.arange(100, 300)), TEST
    model = TableModel.train(examples.take(np.arange(100)), rounds=500, patience=5, watched=watched)
    assert list(model.history) == [TRAIN, TEST] and model.booster.num_boosted_rounds() < 500


def survival(frame: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    time = np.exp(frame["a"] + 0.3 * rng.normal(size=len(frame)))
    limit = rng.exponential(4.0, len(frame))
    status = np.where(time <= limit, "dead", "alive")
    return frame[["a", "b"]].assign(time=np.minimum(time, limit), status=status)


@pytest.mark.parametrize("objective", ["survival:cox", "survival:aft"])
def test_survival_times_with_censoring(frame, objective):
    roles = {"objective": objective, "event": "status", "event_value": "dead"}
    examples = examples_of(survival(frame), "time", **roles)
    params = TableModel.training_params(examples.target, objective=objective)
    model = TableModel.train(examples, params, rounds=30)
    assert model.evaluate(examples)["concordance"] > 0.8
    assert model.constant().evaluate(examples)["concordance"] == 0.5


def test_rankings_have_groups(frame):
    ranked = frame[["a", "b"]].assign(query=np.arange(300) % 30, grade=np.digitize(frame["a"], [-0.5, 0.5]))
    examples = examples_of(ranked, "grade", objective="rank:ndcg", group="query")
    assert (np.diff(examples.group) >= 0).all()
    model = TableModel.train(examples, TableModel.training_params(examples.target), rounds=20)
    assert model.evaluate(examples)["NDCG@10"] > 0.95 > model.constant().evaluate(examples)["NDCG@10"]


def test_weights_count_in_training_and_scores(frame):
    doubled = pd.concat([frame, frame.iloc[:100]], ignore_index=True)
    weighted = examples_of(
        frame.assign(w=np.where(frame.index < 100, 2, 1)), "y", ignored=("sort",), weight="w"
    )
    plain = examples_of(doubled, "y", ignored=("sort",))
    params = TableModel.training_params(plain.target, base_score=0.0, eta=0.3)
    models = [TableModel.train(one, params, preset="xgboost", rounds=3) for one in (weighted, plain)]
    for name, score in models[0].evaluate(weighted).items():
        assert score == pytest.approx(models[0].evaluate(plain)[name], rel=1e-6)
        assert score == pytest.approx(models[1].evaluate(plain)[name], rel=0.05)
