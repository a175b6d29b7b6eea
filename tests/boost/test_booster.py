"""`Booster`: rounds one by one, parts of a model, attributes, and predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

import boost
from boost import Booster, DataError, DMatrix, ParameterError
from tests.boost.training_tables import rough_table


def test_empty_model_has_defaults() -> None:
    model = Booster()
    assert model.objective.name == "reg:squarederror" and model.num_boosted_rounds() == 0


def test_rounds_one_by_one() -> None:
    x, y = rough_table(6, 500)
    data = DMatrix(x, y)
    params = {"max_depth": 3, "subsample": 0.8, "colsample_bynode": 0.7}
    whole = boost.train(params, data, 5)
    model = Booster(params, [data])
    for i in range(5):
        model.update(data, i)
    assert model.predict(x).tobytes() == whole.predict(x).tobytes()
    other = DMatrix(x.copy(), y)
    rmse = float(np.sqrt(np.mean((model.predict(x) - data.label) ** 2)))
    assert model.eval(data, "t", 7) == f"[7]\tt-rmse:{rmse!r}"
    # Another table, and a change of parameters, in the middle.
    model = Booster(params)
    for i in range(5):
        model.update(other if i == 3 else data, i)
    assert model.predict(x).tobytes() == whole.predict(x).tobytes()
    model.set_param({"max_depth": 1})
    model.update(data, 5)
    assert model.forest[5].leaves == 2 and model.forest[4].leaves > 2
    with pytest.raises(ParameterError, match="num_parallel_tree cannot change from 1 to 2"):
        model.set_param("num_parallel_tree", 2)
    with pytest.warns(UserWarning, match="did you mean 'max_depth'"):
        model.set_param("max_dept", 2)


def test_parts_of_a_model() -> None:
    x, y = rough_table(7, 400)
    data = DMatrix(x, np.digitize(y, [-1, 1]))
    model = boost.train({"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 2}, data, 6)
    assert model.num_boosted_rounds() == 6 and model.forest.trees == 36
    assert [model.forest.output(t) for t in range(6)] == [0, 0, 1, 1, 2, 2]
    part = model[2:6:2]
    assert part.num_boosted_rounds() == 2 and part.forest.trees == 12
    start = model.model.start_margins(data)
    alone = [one.predict(data, output_margin=True) - start for one in model]
    np.testing.assert_allclose(
        part.predict(data, output_margin=True) - start, alone[2] + alone[4], atol=1e-12
    )
    ranged = model.predict(x, iteration_range=(1, 4), output_margin=True)
    np.testing.assert_allclose(ranged - start, sum(alone[1:4]), atol=1e-12)
    assert ranged.tobytes() == model[1:4].predict(x, output_margin=True).tobytes()
    assert model[-1].predict(x).tobytes() == model[5].predict(x).tobytes()
    assert model.predict(x, iteration_range=(0, 0)).tobytes() == model.predict(x).tobytes()
    with pytest.raises(IndexError, match="round 6 of a model of 6 rounds"):
        model[6]
    with pytest.raises(ValueError, match="step of a slice of rounds must be at least 1, got -1"):
        model[::-1]
    copy = model.copy()
    copy.set_attr(a="1")
    copy.update(data, 6)
    assert model.num_boosted_rounds() == 6 and model.attr("a") is None and copy.num_boosted_rounds() == 7


def test_attributes(tmp_path: Path) -> None:
    model = boost.train({}, DMatrix([[1.0], [2.0]], [1.0, 2.0]), 1)
    model.set_attr(why="so", number=3)
    assert model.attributes() == {"why": "so", "number": "3"} and model.attr("none") is None
    model.save_model(tmp_path / "m.json")
    again = Booster(model_file=tmp_path / "m.json")
    again.set_attr(number=None)
    assert again.attributes() == {"why": "so"} and again.num_features() == 1


def test_predictions_in_place_and_of_leaves() -> None:
    x, y = rough_table(11, 300)
    data = DMatrix(x, y)
    model = boost.train({"num_parallel_tree": 2, "subsample": 0.5}, data, 3)
    want = model.predict(data)
    rows = [model.inplace_predict(x[i : i + 1])[0] for i in range(300)]
    assert np.array(rows).tobytes() == want.tobytes()
    for form in (x, x.astype(np.float64), np.asfortranarray(x), pd.DataFrame(x)):
        assert model.inplace_predict(form).tobytes() == want.tobytes()
    filled = np.where(np.isnan(x), np.float32(-99), x)
    assert model.inplace_predict(filled, missing=-99.0).tobytes() == want.tobytes()
    margin = np.linspace(0, 1, 300)
    moved = model.inplace_predict(x, base_margin=margin)
    np.testing.assert_allclose(moved - margin, want - model.base_score[0], atol=1e-6)
    assert model.predict(x, strict_shape=True).shape == (300, 1)
    leaves = model.predict(x, pred_leaf=True)
    assert leaves.shape == (300, 6) and model.predict(x, pred_leaf=True, strict_shape=True).shape == (
        300,
        3,
        1,
        2,
    )
    values = sum(model.forest[t].condition[leaves[:, t]].astype(float) for t in range(6))
    np.testing.assert_allclose(model.base_score[0] + values, want, atol=1e-12)
    assert np.array_equal(model.predict(x, pred_leaf=True, iteration_range=(1, 2)), leaves[:, 2:4])
    with pytest.raises(DataError, match="infinity"):
        model.inplace_predict(np.full((1, 8), np.inf, dtype=np.float32))
    with pytest.raises(ValueError, match="predict_type must be 'value' or 'margin', got 'leaf'"):
        model.inplace_predict(x, predict_type="leaf")
    with pytest.raises(ValueError, match="the model has 8 features, the data has 7"):
        model.inplace_predict(x[:, :7])
    named = DMatrix(x, feature_names=[f"n{i}" for i in range(8)])
    model.feature_names = [f"m{i}" for i in range(8)]
    with pytest.raises(ValueError, match="the data lacks 'm0', .* and 3 more; the model does not have 'n0'"):
        model.predict(named)
    assert model.predict(named, validate_features=False).tobytes() == want.tobytes()


def test_base_margin_replaces_the_base_score() -> None:
    x, y = rough_table(5, 400)
    offset = np.linspace(-3, 3, 400)
    model = boost.train({"max_depth": 2}, DMatrix(x, y + offset, base_margin=offset), 5)
    np.testing.assert_allclose(
        model.predict(DMatrix(x, base_margin=offset)),
        model.predict(DMatrix(x, base_margin=np.zeros(400))) + offset,
    )
    with pytest.raises(ValueError, match=r"base_margin must have the shape \(400, 1\)"):
        model.predict(DMatrix(x, base_margin=np.zeros((400, 2))))


def test_column_checks_at_prediction() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [3.0, 1.0, 2.0]})
    model = boost.train({}, DMatrix(frame, [1.0, 2.0, 3.0]), 2)
    assert np.array_equal(model.predict(frame[["b", "a"]]), model.predict(frame))
    with pytest.raises(ValueError, match="the data lacks 'b'; the model does not have 'z'"):
        model.predict(frame.rename(columns={"b": "z"}))
    with pytest.raises(ValueError, match="the model has 2 features, the data has 3"):
        model.predict(np.zeros((1, 3)))
    with pytest.raises(DataError, match="two dimensions"):
        model.predict(np.zeros(2))


def test_categories_are_kept_with_the_model() -> None:
    rng = np.random.default_rng(0)
    words = np.array(["red", "green", "blue", "grey"])
    c = rng.integers(0, 4, size=200)
    frame = pd.DataFrame({"c": words[c], "n": rng.normal(size=200)})
    y = np.array([0.0, 5.0, -5.0, 9.0])[c]
    model = boost.train({"eta": 1.0, "lambda": 0.0, "max_depth": 3}, DMatrix(frame, y), 1)
    other = pd.DataFrame(
        {"c": pd.Categorical(["grey", "red"], categories=["red", "x", "grey"]), "n": [0.0, 0.0]}
    )
    np.testing.assert_allclose(model.predict(other), [9, 0], atol=1e-5)
    unseen = pd.DataFrame({"c": ["pink", None], "n": [0.0, 0.0]})
    p = model.predict(unseen)
    assert p[0] == p[1]


def test_multiclass_and_importance() -> None:
    x, y = load_iris(return_X_y=True)
    model = boost.train({"objective": "multi:softprob", "num_class": 3, "max_depth": 3}, DMatrix(x, y), 20)
    p = model.predict(x)
    assert p.shape == (150, 3) and np.allclose(p.sum(axis=1), 1)
    assert np.mean(p.argmax(axis=1) == y) > 0.97
    gain = model.get_score("gain")
    assert max(gain, key=lambda f: gain[f]) in ("f2", "f3")
    weight = model.get_score()
    assert sum(weight.values()) == sum(model.forest[t].leaves - 1 for t in range(60))
    assert gain == model.get_score("", "gain") == model.get_score(importance_type="gain")
    with pytest.raises(ValueError, match="did you mean 'gain'"):
        model.get_score(importance_type="gains")


def test_no_rounds_predict_the_base_score() -> None:
    y = [0, 1, 1, 1]
    x = [[1.0], [2.0], [3.0], [4.0]]
    np.testing.assert_allclose(boost.train({}, DMatrix(x, y), 0).predict(x), 0.75)
    logistic = boost.train({"objective": "binary:logistic"}, DMatrix(x, y), 0)
    np.testing.assert_allclose(logistic.predict(x), 0.75)
    np.testing.assert_allclose(logistic.predict(x, output_margin=True), np.log(3))
    softprob = boost.train({"objective": "multi:softprob", "num_class": 2}, DMatrix(x, y), 0)
    np.testing.assert_allclose(softprob.predict(x), np.tile([0.25, 0.75], (4, 1)), rtol=1e-6)


def test_slices_and_what_is_none() -> None:
    x, y = rough_table(7, 200)
    model = boost.train({"max_depth": 2}, DMatrix(x, y), 5)
    assert model[np.int64(1)].num_boosted_rounds() == model[-1].num_boosted_rounds() == 1
    assert [
        model[part].num_boosted_rounds() for part in (..., slice(..., 3), slice(2, ...), slice(-2, None))
    ] == [
        5,
        3,
        3,
        2,
    ]
    for rounds in (slice(0, 6), slice(6, None), 5, -6):
        with pytest.raises(IndexError, match="of a model of 5 rounds"):
            model[rounds]
    for odd in ("1", 1.5, (0, 1), slice(0.5, 2), None):
        with pytest.raises(TypeError, match="a round is an integer, and rounds are a slice of integers"):
            model[odd]  # type: ignore[index]


def test_best_iteration_is_an_attribute_that_early_stopping_sets() -> None:
    x, y = rough_table(7, 400)
    train, test = DMatrix(x[:200], y[:200]), DMatrix(x[200:], y[200:])
    plain = boost.train({"max_depth": 2}, train, 5)
    for name in ("best_iteration", "best_score"):
        assert not hasattr(plain, name) and plain.attr(name) is None
        with pytest.raises(AttributeError, match=f"{name} is set by early stopping"):
            getattr(plain, name)
    stopped = boost.train(
        {"max_depth": 6, "eta": 1}, train, 99, [(test, "t")], early_stopping_rounds=3, verbose_eval=False
    )
    again = Booster(model_file=stopped.save_raw())
    for model in (stopped, again, stopped.copy()):
        assert model.attr("best_iteration") == str(stopped.best_iteration) == str(model.best_iteration)
        assert float(str(model.attr("best_score"))) == stopped.best_score == model.best_score
    assert set(stopped.attributes()) == {"best_iteration", "best_score"}
    assert not hasattr(boost.train({}, train, 1, xgb_model=stopped), "best_iteration")


def test_any_ending_and_any_source_of_a_model(tmp_path: Path) -> None:
    x, y = rough_table(7, 200)
    model = boost.train({"max_depth": 2}, DMatrix(x, y), 3)
    raw = model.save_raw()
    for name in ("model.bin", "model", "model.JSON"):
        with pytest.warns(UserWarning, match=f"{name}' ends neither in '.json' nor in '.ubj': .*UBJSON"):
            model.save_model(tmp_path / name)
        assert (tmp_path / name).read_bytes() == raw
    for source in (raw, bytes(raw), memoryview(raw), tmp_path / "model", str(tmp_path / "model.bin"), model):
        loaded = Booster(model_file=source)
        assert loaded.save_raw() == raw
        assert boost.train({"max_depth": 2}, DMatrix(x, y), 1, xgb_model=source).num_boosted_rounds() == 4
    loaded.set_attr(a=1)
    assert model.attr("a") is None  # a copy


def test_reset_categories_and_given_gradients() -> None:
    frame = pd.DataFrame({"c": ["a", "b", "a", "c"] * 9, "x": np.arange(36)})
    data = DMatrix(frame, np.arange(36) % 4)
    model = boost.train({"max_depth": 2}, data, 2)
    index = model.get_categories()
    assert (
        index.get_dict() == data.get_categories().get_dict() == {"c": ["a", "b", "c"]} and not index.empty()
    )
    assert [None if v is None else v.to_pylist() for _, v in index.to_arrow()] == [["a", "b", "c"], None]
    part = DMatrix(frame.iloc[1:2], feature_types=index)
    assert part.categories == {0: ["a", "b", "c"]} and part.get_data().toarray().tolist() == [[1, 1]]
    whole = boost.train({"max_depth": 2}, data, 3).save_raw()
    model.update(data, 2)
    assert model.reset() is model and model.save_raw() == whole
    given = boost.train({"max_depth": 2, "base_score": 0}, data, 0)
    for i, call in enumerate(
        (
            lambda g, h: given.boost(data, 0, g, h),
            lambda g, h: given.boost(data, 1, grad=g, hess=h),
            lambda g, h: given.boost(data, 2, fobj=lambda margin, table: (g, h)),
        )
    ):
        margin = given.predict(data, True)
        call(margin - data.get_label(), np.ones(36))
        assert given.num_boosted_rounds() == i + 1
    assert given.save_raw() == boost.train({"max_depth": 2, "base_score": 0}, data, 3).save_raw()
    with pytest.raises(ValueError, match="give grad and hess, or fobj in place of them"):
        given.boost(data, 3, np.ones(36))


def test_a_custom_loss_of_several_outputs() -> None:
    x, y = load_iris(return_X_y=True)
    data = DMatrix(x, y)

    def softmax(margin: np.ndarray, table: DMatrix) -> tuple[np.ndarray, np.ndarray]:
        assert margin.shape == (150, 3)
        p = np.exp(margin - margin.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p - np.eye(3)[table.get_label().astype(int)], np.maximum(2 * p * (1 - p), 1e-6)

    params = {"num_class": 3, "disable_default_eval_metric": True, "max_depth": 2}
    model = boost.train(params, data, 5, obj=softmax)
    assert np.mean(model.predict(data).argmax(axis=1) == y) > 0.9
    again = Booster(model_file=model.save_raw())
    assert again.predict(data).tobytes() == model.predict(data).tobytes()
    with pytest.warns(UserWarning, match="parameter 'num_class' is not used with reg:squarederror"):
        assert boost.train(params, data, 1).predict(data).shape == (150,)
