"""Intervals contain the stated share of labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

import boost
from boost import BoostIntervalRegressor, BoostRegressor, DataError, DMatrix, ParameterError
from boost.model.interval import conformal_margin, conformal_steps, interval_levels, interval_of


def draw(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise that grows with the first column, and is skewed."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 2, size=(rows, 3))
    return x, x[:, 1] + (0.1 + x[:, 0]) * rng.exponential(size=rows)


@pytest.fixture(scope="module")
def model() -> boost.Booster:
    x, y = draw(800, 0)
    params = {"objective": "reg:quantileerror", "quantile_alpha": interval_levels(0.9), "max_depth": 3}
    return boost.train(params, DMatrix(x, y), 40)


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=60, unique=True),
    st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.1]),
)
def test_the_guarantee_for_rows_in_any_order(distances: list[float], coverage: float) -> None:
    # Each of n + 1 rows in turn is the new one: exactly `rank` rows must be within the margin of the others.
    n = len(distances) - 1
    rank = int(np.ceil((n + 1) * coverage - 1e-9))
    if rank > n:
        with pytest.raises(DataError, match=f"{n} rows are too few to calibrate a coverage of {coverage:g}"):
            conformal_margin(distances[:-1], coverage)
        return
    others = [distances[:i] + distances[i + 1 :] for i in range(n + 1)]
    inside = sum(d <= conformal_margin(o, coverage) for d, o in zip(distances, others, strict=True))
    assert inside == max(rank, 1)


@given(
    st.lists(st.integers(0, 4), min_size=3, max_size=40),
    st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.1]),
)
def test_the_share_is_exact_for_equal_distances_too(distances: list[int], coverage: float) -> None:
    n = len(distances) - 1
    if (n + 1) * (1 - coverage) < 1 or (n + 1) * coverage < 1:
        return
    share = 0.0
    for i, new in enumerate(distances):
        steps = conformal_steps(distances[:i] + distances[i + 1 :], coverage)
        bounds = [max(bound, 0.0) for bound, _, _ in steps] + [1.0]
        assert steps[0][0] < 0 and bounds == sorted(bounds)
        share += sum(
            high - low
            for (_, margin, inside), low, high in zip(steps, bounds, bounds[1:], strict=False)
            if new < margin or (inside and new == margin)
        )
    assert share == pytest.approx((n + 1) * coverage)


def test_equal_weights_change_nothing() -> None:
    distances = np.random.default_rng(0).integers(0, 9, 60)
    expected = conformal_steps(distances, 0.8)
    np.testing.assert_allclose(conformal_steps(distances, 0.8, np.full(60, 2.5)), expected, atol=1e-12)
    # a weight of two counts as two rows, against a new row of the mean weight
    doubled = conformal_steps(distances, 0.8, np.where(distances > 4, 2.0, 1.0))
    assert doubled[-1][1] >= expected[-1][1]


@pytest.mark.parametrize("coverage", [0.6])
def test_coverage_of_counts(coverage: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 2, size=(12_000, 2))
    y = rng.poisson(1 + 2 * x[:, 0])
    params = {"objective": "reg:quantileerror", "quantile_alpha": interval_levels(coverage), "max_depth": 3}
    model = boost.train(params, DMatrix(x[:1000], y[:1000]), 20)
    shares = []
    for part in range(30):
        at = slice(1000 + part * 100, 1100 + part * 100)
        model.calibrate(DMatrix(x[at], y[at]), coverage)
        low, high = model.predict_interval(x[4000:]).T
        shares.append(np.mean((low <= y[4000:]) & (y[4000:] <= high)))
    assert coverage - 0.02 < np.mean(shares) < coverage + 0.02
    again = model.predict_interval(x[4000:])
    assert np.array_equal(again, np.column_stack((low, high)))


def test_a_model_of_an_earlier_version_has_one_margin(model: boost.Booster) -> None:
    x, y = draw(50, 5)
    other = model.copy()
    other.set_attr(**{"espalier.interval": '{"coverage": 0.9, "margin": 0.5}'})
    ends = model.predict(x)
    expected = np.column_stack((ends.min(axis=1) - 0.5, ends.max(axis=1) + 0.5))
    assert np.array_equal(other.predict_interval(x), expected)
    for steps in ('[["x", 1, true]]', "[[0.5, 1, true]]", "[[-1, 1]]"):
        text = f'{{"coverage": 0.9, "margin": 0.5, "steps": {steps}}}'
        other.set_attr(**{"espalier.interval": text})
        with pytest.raises(ParameterError, match="is damaged: calibrate it again"):
            other.predict_interval(x)


def test_fewest_rows() -> None:
    for coverage, least in ((0.9, 9), (0.95, 19), (0.5, 1), (0.99, 99)):
        assert conformal_margin(np.arange(least), coverage) == least - 1
        with pytest.raises(DataError, match=f"give at least {least}$"):
            conformal_margin(np.arange(least - 1), coverage)


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_coverage_of_held_out_rows(model: boost.Booster, coverage: float) -> None:
    # On average over calibrations of 199 rows: from the coverage to 1 / 200 above it.
    new_rows, truth = draw(4000, 1)
    rows, labels = draw(60 * 199, 2)
    shares = []
    for part in range(60):
        at = slice(part * 199, (part + 1) * 199)
        model.calibrate(DMatrix(rows[at], labels[at]), coverage)
        low, high = model.predict_interval(new_rows).T
        shares.append(np.mean((low <= truth) & (truth <= high)))
    assert coverage - 0.01 < np.mean(shares) < coverage + 0.015
    # Their width follows the noise.
    width = high - low
    assert width[new_rows[:, 0] > 1.5].mean() > 2 * width[new_rows[:, 0] < 0.5].mean()


def test_files_keep_the_intervals(model: boost.Booster, tmp_path: Path) -> None:
    x, y = draw(300, 3)
    margin = model.calibrate(DMatrix(x, y), 0.8)
    model.save_model(tmp_path / "m.json")
    loaded = boost.Booster(model_file=tmp_path / "m.json")
    assert interval_of(loaded.model) == {"coverage": 0.8, "margin": margin}
    assert np.array_equal(loaded.predict_interval(x), model.predict_interval(x))
    loaded.set_attr(**{"espalier.interval": '{"coverage": 1, "margin": "x"}'})
    with pytest.raises(ParameterError, match="is damaged: calibrate it again"):
        loaded.predict_interval(x)


def test_intervals_that_would_be_empty_are_points(model: boost.Booster) -> None:
    x, y = draw(100, 4)
    ends = model.predict(x)[:, [0, 2]]
    middle = ends.mean(axis=1)
    model.calibrate(DMatrix(x, middle), 0.5)  # all labels are in the middle: the ends come together
    intervals = model.predict_interval(x)
    assert (intervals[:, 0] <= intervals[:, 1]).all()
    assert (intervals[:, 0] == intervals[:, 1]).any()


@pytest.mark.parametrize(
    ("params", "options", "coverage", "error", "match"),
    [
        ({}, {}, 0.9, ParameterError, "reg:quantileerror with at least two levels.*got reg:squarederror"),
        ({"objective": "reg:quantileerror"}, {}, 0.9, ParameterError, "of 1 outputs"),
        ({}, {}, 1.0, ParameterError, "coverage must lie between 0 and 1, got 1"),
        ({}, {"label": None}, 0.9, DataError, "calibration needs one label per row"),
    ],
)
def test_refused(params: dict, options: dict, coverage: float, error: Any, match: str) -> None:
    x, y = draw(50, 5)
    model = boost.train(params, DMatrix(x, y), 2)
    with pytest.raises(error, match=match):
        model.calibrate(DMatrix(x, **{"label": y, **options}), coverage)
    with pytest.raises(ParameterError, match="no calibrated intervals"):
        model.predict_interval(x)


def test_the_estimator() -> None:
    x, y = draw(1600, 6)
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    base = BoostRegressor(n_estimators=40, max_depth=3)
    regressor = BoostIntervalRegressor(base, coverage=0.8, random_state=0)
    fitted = clone(regressor).fit(frame, y)
    assert list(fitted.feature_names_in_) == ["a", "b", "c"] and fitted.n_features_in_ == 3
    new_rows, truth = draw(2000, 7)
    new_rows = pd.DataFrame(new_rows, columns=["a", "b", "c"])
    low, high = fitted.predict_interval(new_rows).T
    assert 0.75 < np.mean((low <= truth) & (truth <= high)) < 0.86
    median = fitted.predict(new_rows)
    assert 0.45 < np.mean(truth < median) < 0.55
    again = clone(regressor).fit(x, y)
    assert np.array_equal(again.predict_interval(new_rows.to_numpy()), np.column_stack((low, high)))
    with pytest.raises(DataError, match=r"calibration_size=1.0 of the rows .n_samples=1600. is 1600: both"):
        clone(regressor).set_params(calibration_size=1.0).fit(x, y)
    with pytest.raises(DataError, match=r"one number for each of the 1600 rows, got shape \(1600, 2\)"):
        clone(regressor).fit(x, np.column_stack((y, y)))
