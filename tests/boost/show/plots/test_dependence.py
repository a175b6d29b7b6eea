"""Dependence: places and heights of the points, and their colours."""

from __future__ import annotations

import numpy as np
import pytest

from boost import plot_dependence
from tests.boost.show.plots.axes import axes
from tests.boost.small_models import FRAME, X, model_of


def points_of(ax) -> np.ndarray:  # type: ignore[no-untyped-def]
    return np.concatenate([c.get_offsets() for c in ax.collections if len(c.get_offsets())])


def test_a_feature_of_numbers() -> None:
    model = model_of("squared error")
    ax = plot_dependence(model, X, 0, colour_by=None, ax=axes(), target="y")
    phi = model.predict(X, pred_contribs=True)[:, 0]
    points = points_of(ax)
    np.testing.assert_allclose(np.sort(points[:, 1]), np.sort(phi), rtol=1e-6)
    missing = np.isnan(X[:, 0])
    aside = points[:, 0] < np.nanmin(X[:, 0])
    assert aside.sum() == missing.sum() > 0
    np.testing.assert_allclose(np.sort(points[aside, 1]), np.sort(phi[missing]), rtol=1e-6)
    assert [t.get_text() for t in ax.get_xticklabels()][0] == "missing"
    assert ax.get_ylabel() == "contribution of f0 to the mean of y"


def test_the_strongest_interaction_has_the_colours() -> None:
    model = model_of("squared error")
    ax = plot_dependence(model, X, "f0")
    pairs = np.abs(model.predict(X[:200], pred_interactions=True)).mean(axis=0)[0, :-1]
    pairs[0] = 0.0
    assert ax.figure.axes[-1].get_ylabel() == f"f{np.argmax(pairs)}"


def test_categories() -> None:
    model = model_of("categories")
    ax = plot_dependence(model, FRAME, "town", colour_by="shop & bar", ax=axes())
    phi = model.predict(FRAME, pred_contribs=True)[:, 2]
    words = [t.get_text() for t in ax.get_xticklabels()]
    mean = [phi[FRAME["town"].isna() if w == "missing" else FRAME["town"] == int(w)].mean() for w in words]
    assert sorted(words) == ["10", "2", "5", "7", "missing"] and mean == sorted(mean)
    assert ax.get_legend().get_title().get_text() == "shop & bar"
    np.testing.assert_allclose(np.sort(points_of(ax)[:, 1]), np.sort(phi), rtol=1e-6)


def test_errors() -> None:
    with pytest.raises(ValueError, match="the model has no feature 'sice'; did you mean 'size'"):
        plot_dependence(model_of("categories"), FRAME, "sice")
    with pytest.raises(ValueError, match="a number from 0 to 2, got 3"):
        plot_dependence(model_of("categories"), FRAME, 3)
    with pytest.raises(ValueError, match="the model has 3 outputs: choose one with output=0 to 2"):
        plot_dependence(model_of("classes"), X, 0)
