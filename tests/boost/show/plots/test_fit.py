"""Calibration, residuals and intervals: what is drawn, worked out from predictions and labels."""

from __future__ import annotations

import numpy as np
import pytest

import boost
from boost import plot_calibration, plot_intervals, plot_residuals
from boost.show.plots.fit import MOST_INTERVALS, reliability
from tests.boost.show.plots.axes import axes
from tests.boost.small_models import CLASS, X, Y, model_of


def test_reliability_by_hand() -> None:
    predicted = np.array([0.5, 0.5, 0.5, 0.5])
    x, y, low, high = reliability(predicted, np.array([0.0, 1.0, 1.0, 1.0]), 10, True)
    assert x.tolist() == [0.5] and y.tolist() == [0.75]
    # Wilson: (y + z^2 / 2n -+ z sqrt(y (1 - y) / n + z^2 / 4n^2)) / (1 + z^2 / n), with n = 4 and z = 1.96
    assert low[0] == pytest.approx(0.3006, abs=1e-4) and high[0] == pytest.approx(0.9544, abs=1e-4)
    x, y, low, high = reliability(np.arange(8.0), np.arange(8.0) * 2, 2, False)
    assert x.tolist() == [1.5, 5.5] and y.tolist() == [3.0, 11.0]
    half = 1.96 * np.sqrt(np.var([0, 2, 4, 6]) / 3)
    np.testing.assert_allclose(high - y, half)


def test_bins_of_a_rare_class_reach_its_high_probabilities() -> None:
    predicted = np.concatenate((np.full(990, 0.002), np.linspace(0.1, 0.9, 10)))
    x, *_ = reliability(predicted, predicted > 0.5, 5, True)
    assert len(x) >= 4 and x[-1] > 0.6


def test_calibration_of_two_classes() -> None:
    model = model_of("logistic")
    ax = plot_calibration(model, X, Y > 0, class_names=["no", "yes"], bins=4, ax=axes())
    points = next(line for line in ax.lines if line.get_marker() == "o")
    x, y, *_ = reliability(model.predict(X).astype(float), (Y > 0).astype(float), 4, True)
    np.testing.assert_allclose(points.get_xdata(), x, atol=1e-6)
    np.testing.assert_allclose(points.get_ydata(), y)
    assert (
        ax.get_xlabel() == "predicted probability of yes"
        and ax.get_ylabel() == "share of the rows that are yes"
    )


def test_calibration_of_classes_and_means() -> None:
    names = np.array(["a", "b", "c"])
    estimator = boost.BoostClassifier(n_estimators=3, max_depth=2).fit(X, names[CLASS])
    panels = plot_calibration(estimator, X, names[CLASS])
    assert [panel.get_title() for panel in panels] == ["a", "b", "c"]
    x, *_ = reliability(estimator.predict_proba(X)[:, 1].astype(float), CLASS == 1, 10, True)
    drawn = next(line for line in panels[1].lines if line.get_marker() == "o")
    np.testing.assert_allclose(drawn.get_xdata(), x, atol=1e-6)
    one = plot_calibration(estimator, X, names[CLASS], output=2)
    assert one.get_xlabel() == "predicted probability of c"
    mean = plot_calibration(model_of("squared error"), boost.DMatrix(X, Y), target="price")
    assert mean.get_xlabel() == "predicted mean of price"
    with pytest.raises(ValueError, match="rank:pairwise predicts neither means nor probabilities"):
        table = boost.DMatrix(X, CLASS, qid=np.arange(300) // 10)
        plot_calibration(boost.train({"objective": "rank:pairwise"}, table, 1), table)
    with pytest.raises(ValueError, match="give the labels of the rows"):
        plot_calibration(model_of("squared error"), X)
    with pytest.raises(ValueError, match=r"there are 300 rows, and labels of the shape \(2,\)"):
        plot_calibration(model_of("squared error"), X, [1, 2])


def test_residuals() -> None:
    model = model_of("squared error")
    label = Y.copy()
    label[5] += 100.0
    ax = plot_residuals(model, X, label, target="price", bins=4, ax=axes())
    predicted = model.predict(X)
    points = ax.collections[0].get_offsets()
    np.testing.assert_allclose(points, np.column_stack((predicted, label - predicted)), rtol=1e-5, atol=1e-6)
    assert ax.get_ylabel() == "price \N{MINUS SIGN} prediction"
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["middle 80 %", "median", "1 beyond the axis"]
    assert ax.get_ylim()[1] < 20
    by = plot_residuals(model, X, Y, by="f1")
    assert by.get_xlabel() == "f1" and len(by.collections[0].get_offsets()) == (~np.isnan(X[:, 1])).sum()
    with pytest.raises(ValueError, match="residuals are of one output, the model has 3"):
        plot_residuals(model_of("classes"), X, CLASS)
    with pytest.raises(ValueError, match="the model has no feature 'f9'"):
        plot_residuals(model, X, Y, by="f9")


def test_intervals() -> None:
    estimator = boost.BoostIntervalRegressor(
        boost.BoostRegressor(n_estimators=10, max_depth=2), coverage=0.8, random_state=0
    ).fit(X, Y)
    ax = plot_intervals(estimator, X, Y, ax=axes())
    lower, upper = estimator.predict_interval(X).T
    inside = np.mean((lower <= Y) & (upper >= Y))
    assert ax.get_title() == f"{inside:.1%} of 300 rows inside, 80% stated"
    lines = np.array([segment[:, 1] for segment in ax.collections[0].get_segments()])
    assert len(lines) == MOST_INTERVALS
    assert {tuple(ends) for ends in lines.round(5)} <= set(zip(lower.round(5), upper.round(5), strict=True))
    counts = {c.get_label(): len(c.get_offsets()) for c in ax.collections[1:]}
    assert counts["inside"] + counts["outside"] == MOST_INTERVALS
    without = plot_intervals(estimator.estimator_, X, by="f0")
    assert without.get_title() == "" and without.get_xlabel() == "f0"
    with pytest.raises(ValueError, match="no calibrated intervals"):
        plot_intervals(model_of("squared error"), X)
