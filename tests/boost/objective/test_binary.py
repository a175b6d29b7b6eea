"""Losses of two classes."""

from __future__ import annotations

import numpy as np
import pytest

from boost import DMatrix
from boost.objective import Round, make_objective
from boost.params import resolve
from boost.threads import Team

SERIAL = Round(0, 0, Team(1))


def table(label: list, weight: list | None = None) -> DMatrix:
    return DMatrix(np.zeros((len(label), 1)), label, weight=weight)


def test_logistic_survives_large_margins() -> None:
    objective = make_objective(resolve({"objective": "binary:logistic"}))
    grad, hess = objective.gradient(np.array([[800.0], [-800.0]]), table([0, 1]), SERIAL)
    np.testing.assert_array_equal(grad[:, 0], [1, -1])
    assert (hess > 0).all()


def test_soft_labels() -> None:
    """A row of label 1/4 equals three rows of 0 and one of 1, each of weight 1/4."""
    soft = make_objective(resolve({"objective": "binary:logistic"}))
    assert soft.start(table([0.25, 0.75, 1])) == pytest.approx([2 / 3])
    grad, hess = (a.copy() for a in soft.gradient(np.array([[0.3]]), table([0.25]), SERIAL))
    g, h = soft.gradient(np.full((4, 1), 0.3), table([0, 0, 0, 1]), SERIAL)
    assert grad[0, 0] == pytest.approx(g.mean()) and hess[0, 0] == pytest.approx(h.mean())


def test_rows_with_zero_weight_are_no_class() -> None:
    objective = make_objective(resolve({"objective": "binary:logistic"}))
    assert objective.nothing_to_learn(table([0, 0, 1], [1, 1, 0])) == "every label (of positive weight) is 0"
    assert objective.nothing_to_learn(table([0, 0, 1])) == ""


def test_one_constant_column_of_several_is_no_error() -> None:
    objective = make_objective(resolve({"objective": "binary:logistic"}), outputs=2)
    score = objective.start(table([[0, 1], [0, 0]]))
    np.testing.assert_allclose(score, [1e-6, 0.5])
    assert np.isfinite(objective.to_margin(score)).all()
    assert objective.nothing_to_learn(table([[0, 1], [0, 0]])) == ""
    assert objective.nothing_to_learn(table([[0, 1], [0, 1]])).endswith("is 0, 1")


def test_reg_logistic_takes_constant_labels() -> None:
    objective = make_objective(resolve({"objective": "reg:logistic"}))
    np.testing.assert_allclose(objective.start(table([1, 1])), [1 - 1e-6])
    np.testing.assert_allclose(objective.start(table([0.25, 0.25])), [0.25])


def test_base_score_must_be_a_probability() -> None:
    objective = make_objective(resolve({"objective": "reg:logistic"}))
    with pytest.raises(ValueError, match=r"base_score of reg:logistic is a probability in \(0, 1\), got 2"):
        objective.to_margin(np.array([2.0]))


def test_logitraw_predicts_margins_and_gives_metrics_probabilities() -> None:
    raw = make_objective(resolve({"objective": "binary:logitraw"}))
    margin = np.array([[0.0], [2.0]])
    np.testing.assert_array_equal(raw.output(margin), margin)
    np.testing.assert_allclose(raw.transform(margin)[:, 0], [0.5, 1 / (1 + np.exp(-2))])
    np.testing.assert_allclose(raw.to_margin(raw.start(table([0, 0, 0, 1]))), [np.log(1 / 3)])


def test_hinge_by_hand() -> None:
    objective = make_objective(resolve({"objective": "binary:hinge"}))
    margin = np.array([[0.5], [1.5], [-0.5], [-1.0], [0.0]])
    grad, hess = objective.gradient(margin, table([1, 1, 0, 0, 1]), SERIAL)
    np.testing.assert_array_equal(grad[:, 0], [-1, 0, 1, 0, -1])
    np.testing.assert_array_equal(hess[:, 0], [1, 1e-16, 1, 1e-16, 1])
    np.testing.assert_array_equal(objective.transform(margin)[:, 0], [1, 1, 0, 0, 0])
    assert objective.start(table([1, 1, 0])) == [1.0] and objective.start(table([1, 1, 0], [1, 1, 3])) == [
        0.0
    ]
