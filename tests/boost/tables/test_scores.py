"""Scores against scikit-learn, and worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from boost.tables.examples import Examples
from boost.tables.scores import class_scores, interval_scores, number_scores, ranking_scores, survival_scores
from boost.tables.target import Target


def test_classes_against_sklearn():
    rng = np.random.default_rng(0)
    p, y, w = rng.random(200).round(1), rng.integers(0, 2, 200), rng.random(200)
    scores = class_scores(np.column_stack([1 - p, p]), y, w)
    assert scores["AUC"] == pytest.approx(roc_auc_score(y, p, sample_weight=w))
    assert scores["avg. precision"] == pytest.approx(average_precision_score(y, p, sample_weight=w))
    one = class_scores(np.array([[0.25, 0.75]]), np.array([1.0]))
    assert one["log loss"] == pytest.approx(-np.log(0.75)) and np.isnan(one["AUC"])


def test_numbers_and_intervals_by_hand():
    scores = number_scores(np.array([1.0, 2.0]), np.array([0.0, 2.0]), np.array([1.0, 3.0]))
    assert scores == pytest.approx({"RMSE": 0.5, "MAE": 0.25, "R2": 1 - 0.25 / 0.75})
    ends = np.array([[0.0, 1.0], [0.0, 3.0]])
    assert interval_scores(ends, np.array([2.0, 2.0])) == {"coverage": 0.5, "mean width": 2.0}


def examples(labels, group=None, event=None) -> Examples:
    target = Target("y", "ranking", None, np.array(labels, np.float32), event)
    return Examples(pd.DataFrame(index=range(len(labels))), target, group=group)


def test_rankings_by_hand():
    two = examples([1, 0, 0, 0], np.array([0, 0, 1, 1]))
    second = 1 / np.log2(3)
    assert (
        ranking_scores(np.array([2.0, 1, 0, 0]), two)["NDCG"] == 1.0
    )  # the query without relevant rows is out
    assert ranking_scores(np.array([1.0, 2, 0, 0]), two)["NDCG"] == pytest.approx(second)
    assert ranking_scores(np.zeros(4), two)["NDCG"] == pytest.approx((1 + second) / 2)


def test_concordance_by_hand():
    times = examples([1, 2, 3], event=np.array([True, False, True]))
    # known pairs: row 0 before rows 1 and 2; the order of rows 1 and 2 is not known
    assert survival_scores(np.array([3.0, 1.0, 2.0]), times)["concordance"] == 1.0
    assert survival_scores(np.array([1.0, 1.0, 2.0]), times)["concordance"] == 0.25
