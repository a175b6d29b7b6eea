"""Custom losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import boost
from boost import DMatrix
from boost.objective import Custom, Round, make_objective
from boost.params import resolve
from boost.threads import Team

SERIAL = Round(0, 0, Team(1))
RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3)).astype(np.float32)
REAL = X[:, 0] + RNG.normal(size=300)
BINARY = (REAL > 0).astype(float)


def squared(predt: np.ndarray, dtrain: DMatrix) -> tuple[np.ndarray, np.ndarray]:
    assert dtrain.label is not None
    return predt - dtrain.label, np.ones_like(predt)


def logistic(predt: np.ndarray, dtrain: DMatrix) -> tuple[np.ndarray, np.ndarray]:
    assert dtrain.label is not None
    p = 1 / (1 + np.exp(-predt))
    return p - dtrain.label, p * (1 - p)


def softprob(predt: np.ndarray, dtrain: DMatrix) -> tuple[np.ndarray, np.ndarray]:
    assert dtrain.label is not None
    p = np.exp(predt) / np.exp(predt).sum(axis=1, keepdims=True)
    return p - np.eye(3)[dtrain.label.astype(int)], 2 * p * (1 - p)


def saved(model: boost.Booster, folder: Path) -> bytes:
    model.save_model(folder / "model.json")
    return (folder / "model.json").read_bytes()


@pytest.mark.parametrize("outputs", [1, 2])
def test_same_bytes_as_squared_error(outputs: int, tmp_path: Path) -> None:
    data = DMatrix(X, REAL if outputs == 1 else np.column_stack((REAL, BINARY)))
    params = {"base_score": 0.25}
    trained = boost.train(params, data, 5, obj=squared)
    assert saved(trained, tmp_path) == saved(boost.train(params, data, 5), tmp_path)


def test_same_predictions_as_logistic() -> None:
    data = DMatrix(X, BINARY)
    params = {"objective": "binary:logistic", "base_score": 0.4}
    trained, built_in = boost.train(params, data, 5, obj=logistic), boost.train(params, data, 5)
    np.testing.assert_allclose(trained.predict(data), built_in.predict(data), rtol=1e-6)


def test_same_predictions_as_softprob() -> None:
    data = DMatrix(X, np.digitize(REAL, [-0.5, 0.5]))
    params = {"objective": "multi:softprob", "num_class": 3, "base_score": 0.0}
    trained, built_in = boost.train(params, data, 5, obj=softprob), boost.train(params, data, 5)
    np.testing.assert_allclose(trained.predict(data), built_in.predict(data), rtol=1e-6)


@pytest.mark.parametrize("params", [{}, {"objective": "binary:logistic"}, {"base_score": 0.25}])
def test_training_gives_xgboosts_margins(params: dict[str, Any]) -> None:
    xgboost = pytest.importorskip("xgboost")
    rows = slice(0, 240)  # no more values than cuts
    params = {"max_depth": 3, "max_bin": 255, "nthread": 1, **params}
    theirs, ours = xgboost.DMatrix(X[rows], BINARY[rows]), DMatrix(X[rows], BINARY[rows])

    def loss(predt: np.ndarray, dtrain: Any) -> tuple[np.ndarray, np.ndarray]:
        return predt - BINARY[rows], np.full_like(predt, 2)

    want = xgboost.train(params, theirs, 4, obj=loss).predict(theirs)
    np.testing.assert_allclose(
        boost.train(params, ours, 4, obj=loss).predict(ours), want, rtol=1e-5, atol=1e-6
    )


def custom(result: Any, n_outputs: int = 1) -> tuple[Custom, np.ndarray, DMatrix]:
    params = {"objective": "multi:softprob", "num_class": n_outputs} if n_outputs > 1 else {}
    objective = Custom(lambda predt, dtrain: result, make_objective(resolve(params)))
    return objective, np.zeros((4, n_outputs)), DMatrix(np.zeros((4, 1)))


@pytest.mark.parametrize(
    ("result", "n_outputs", "match"),
    [
        (None, 1, r"must return a pair \(grad, hess\), got NoneType"),
        ((np.ones(4),) * 3, 1, r"must return a pair \(grad, hess\), got tuple of 3"),
        ((np.ones(4), np.ones(3)), 1, r"hess of the objective must have the shape \(4,\), got \(3,\)"),
        (
            (np.ones((3, 4)), np.ones((4, 3))),
            3,
            r"grad of the objective must have the shape \(4, 3\), got \(3, 4\)",
        ),
        (
            (np.array([1, 2, np.nan, 4]), np.ones(4)),
            1,
            "grad of the objective must be finite, got nan in row 2",
        ),
        ((np.ones((4, 2)), np.full((4, 2), np.inf)), 2, "hess .* must be finite, got inf in row 0, output 0"),
        (
            (np.ones(4) * 1j, np.ones(4)),
            1,
            "grad of the objective must be real numbers, got dtype complex128",
        ),
        ((["a"] * 4, np.ones(4)), 1, "grad of the objective must be real numbers"),
    ],
)
def test_wrong_results(result: Any, n_outputs: int, match: str) -> None:
    objective, margin, data = custom(result, n_outputs)
    with pytest.raises(ValueError, match=match):
        objective.gradient(margin, data, SERIAL)


def test_lists_columns_and_flat_results() -> None:
    for result in (
        ([1, 2, 3, 4], [1, 1, 1, 1]),
        (np.array([[1], [2], [3], [4]]), np.ones((4, 1), np.float32)),
    ):
        objective, margin, data = custom(result)
        grad, hess = objective.gradient(margin, data, SERIAL)
        assert grad.dtype == hess.dtype == np.float64
        np.testing.assert_array_equal(grad[:, 0], [1, 2, 3, 4])
    objective, margin, data = custom((np.arange(8.0), np.ones(8)), 2)
    np.testing.assert_array_equal(objective.gradient(margin, data, SERIAL)[0], np.arange(8.0).reshape(4, 2))


def test_a_callable_may_write_to_its_margins() -> None:
    def loss(predt: np.ndarray, dtrain: DMatrix) -> tuple[np.ndarray, np.ndarray]:
        predt[:] = 7
        return predt, np.ones_like(predt)

    margin = np.zeros((4, 1))
    Custom(loss, make_objective(resolve({}))).gradient(margin, DMatrix(np.zeros((4, 1))), SERIAL)
    np.testing.assert_array_equal(margin, 0)


def test_the_built_in_loss_defines_the_scale_of_margins() -> None:
    like = make_objective(resolve({"objective": "binary:logistic"}))
    objective = Custom(logistic, like)
    data = DMatrix(X, BINARY, weight=np.ones(300))
    assert (objective.metric, objective.file_entry()) == (like.metric, like.file_entry())
    np.testing.assert_array_equal(objective.start(data), [0.5])
    np.testing.assert_array_equal(objective.to_margin(objective.start(data)), [0.0])
    assert objective.row_weight(data).size == 0  # the callable applies weights itself
    with pytest.raises(ZeroDivisionError):
        boost.train({}, data, 1, obj=lambda predt, dtrain: 1 / 0)
